//! SHA-256 as the tree uses it: leaves and nodes are hashed apart, so neither can pose as the other.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::encoding;

/// The hash of a leaf entry.
///
/// Spec: RFC 6962 §2.1, `SHA-256(0x00 ‖ entry)`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(LEAF_PREFIX);
    hasher.update(entry);
    Hash(hasher.finalize().into())
}

/// The hash of a node over its two children.
///
/// Spec: RFC 6962 §2.1, `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(NODE_PREFIX);
    hasher.update(left.0);
    hasher.update(right.0);
    Hash(hasher.finalize().into())
}

/// The root of the tree without leaves: SHA-256 of nothing.
///
/// Spec: RFC 6962 §2.1.
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// The length of a hash in bytes.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 value. Prints as base64, which is how checkpoints and proofs carry it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// The hash with these bytes.
    pub const fn new(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// The hash with these bytes, if they are exactly 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Base64 with padding, 44 characters.
    pub fn to_base64(&self) -> String {
        encoding::to_base64(&self.0)
    }

    /// Reads what [`Hash::to_base64`] writes, and nothing else.
    pub fn from_base64(text: &str) -> Result<Self, HashError> {
        let bytes = encoding::from_base64(text).ok_or(HashError::Base64)?;
        Self::from_slice(&bytes).ok_or(HashError::Length { got: bytes.len() })
    }

    /// Lower-case hexadecimal, 64 characters.
    pub fn to_hex(&self) -> String {
        format!("{self:?}")
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Why a text is not a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// Not base64 with padding and zero spare bits.
    #[error("expected base64 with padding")]
    Base64,
    /// Base64 of another length.
    #[error("expected a hash of 32 bytes, got {got}")]
    Length {
        /// How many bytes there were.
        got: usize,
    },
}

/// Plain SHA-256, for identifiers.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

const LEAF_PREFIX: [u8; 1] = [0x00];
const NODE_PREFIX: [u8; 1] = [0x01];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(EMPTY_ROOT, sha256(&[]));
        assert_eq!(EMPTY_ROOT.to_base64(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn leaves_and_nodes_are_hashed_apart() {
        let (left, right) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let joined = [left.as_bytes().as_slice(), right.as_bytes()].concat();
        assert_eq!(leaf_hash(b"a"), sha256(&[&[0], b"a"]));
        assert_eq!(node_hash(&left, &right), sha256(&[&[1], &joined]));
        assert_ne!(node_hash(&left, &right), leaf_hash(&joined));
    }

    #[test]
    fn a_hash_has_one_text() {
        let hash = leaf_hash(b"entry 0");
        assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
        assert_eq!(format!("{hash:?}"), hash.to_hex());
        assert_eq!(Hash::from_base64("AA=="), Err(HashError::Length { got: 1 }));
        assert_eq!(Hash::from_base64(""), Err(HashError::Length { got: 0 }));
        assert_eq!(Hash::from_base64("AA="), Err(HashError::Base64));
    }
}
