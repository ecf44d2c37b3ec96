//! The RFC 6962 signed tree head, and how a note carries it as signature type 0x05.
//!
//! ```text
//! signed:  00 version ‖ 01 tree_hash ‖ u64 timestamp_ms ‖ u64 tree_size ‖ root[32]      50 bytes
//! in note: u64 timestamp_ms ‖ 04 sha256 ‖ 03 ecdsa ‖ u16 length ‖ ASN.1 DER signature
//! ```
//!
//! Spec: RFC 6962 §3.5; c2sp.org/static-ct-api §Checkpoints.

use crate::note::NoteSignature;
use crate::position::TreeHead;
use crate::time::UnixMillis;

/// The message under an RFC 6962 tree head signature. It names no log: only the key binds it.
pub fn tree_head_signature_input(head: &TreeHead, at: UnixMillis) -> Vec<u8> {
    [
        [VERSION_V1, SIGNATURE_TYPE_TREE_HASH].as_slice(),
        &at.get().to_be_bytes(),
        &head.size.get().to_be_bytes(),
        head.root.as_bytes(),
    ]
    .concat()
}

/// A tree head signature taken out of a note, as `ct/v1/get-sth` answers it. Not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeHeadSignature {
    at: UnixMillis,
    der: Vec<u8>,
}

impl TreeHeadSignature {
    /// Reads the signature bytes of a note line of key type 0x05. `None` when they are malformed.
    pub fn from_note_signature(signature: &NoteSignature) -> Option<Self> {
        Self::decode(&signature.bytes)
    }

    /// When it was signed.
    pub fn at(&self) -> UnixMillis {
        self.at
    }

    /// The `digitally-signed` structure: algorithms, length and signature.
    ///
    /// Spec: RFC 6962 §4.3 `tree_head_signature`; RFC 5246 §4.7.
    pub fn digitally_signed(&self) -> Vec<u8> {
        // The length fits: it was read from 16 bits, or is of a P-256 signature.
        let length = u16::try_from(self.der.len()).unwrap_or(u16::MAX);
        [[HASH_SHA256, SIGNATURE_ECDSA].as_slice(), &length.to_be_bytes(), &self.der].concat()
    }

    pub(crate) fn new(at: UnixMillis, der: Vec<u8>) -> Self {
        Self { at, der }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [self.at.get().to_be_bytes().as_slice(), &self.digitally_signed()].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (millis, rest) = bytes.split_first_chunk()?;
        let rest = rest.strip_prefix(&[HASH_SHA256, SIGNATURE_ECDSA])?;
        let (length, der) = rest.split_first_chunk()?;
        // Exact: a byte more or less would be a second text for the same signature.
        (der.len() == usize::from(u16::from_be_bytes(*length)))
            .then(|| Self::new(UnixMillis::new(u64::from_be_bytes(*millis)), der.to_vec()))
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }
}

const VERSION_V1: u8 = 0;
const SIGNATURE_TYPE_TREE_HASH: u8 = 1;
const HASH_SHA256: u8 = 4;
const SIGNATURE_ECDSA: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_reads_back_as_written_and_only_so() {
        let signature = TreeHeadSignature::new(UnixMillis::new(1_700_000_000_000), vec![9; 71]);
        let bytes = signature.encode();
        assert_eq!(TreeHeadSignature::decode(&bytes), Some(signature));
        assert_eq!(TreeHeadSignature::decode(&[bytes.as_slice(), &[0]].concat()), None);
        for length in 0..bytes.len() {
            assert_eq!(TreeHeadSignature::decode(&bytes[..length]), None);
        }
        for position in 8..12 {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert_eq!(TreeHeadSignature::decode(&changed), None, "byte {position}");
        }
    }
}
