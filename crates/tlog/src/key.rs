//! Verifier keys: who may sign, with what algorithm, and how the signature is checked.
//!
//! ```text
//! log.example/spending-2026+0be1d167+AYqI4910…      name + key id + base64(type ‖ public key)
//! ```
//!
//! Spec: c2sp.org/signed-note §Verifier keys and §Signature types.

use std::fmt;
use std::str::FromStr;

use ml_dsa::MlDsa44;
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};

use crate::checkpoint::Checkpoint;
use crate::cosignature;
use crate::encoding;
use crate::hash::{Hash, sha256};
use crate::note::{KeyId, KeyName, Note, NoteSignature};
use crate::sth::{TreeHeadSignature, tree_head_signature_input};
use crate::time::{UnixMillis, UnixSeconds};

/// The signature types this crate checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeyType {
    /// Ed25519 over the text of the note.
    Ed25519 = 0x01,
    /// ECDSA P-256 with SHA-256 over the text of the note.
    Ecdsa = 0x02,
    /// A witness's Ed25519 cosignature with the time: `cosignature/v1`.
    CosignatureV1 = 0x04,
    /// An RFC 6962 tree head signature by an ECDSA P-256 key.
    Rfc6962 = 0x05,
    /// ML-DSA-44 over name, time, origin, size and root: of a log, or of a witness that cosigns.
    MlDsa44 = 0x06,
}

impl KeyType {
    /// The type with this byte; `None` when it is not one of ours.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x02 => Some(Self::Ecdsa),
            0x04 => Some(Self::CosignatureV1),
            0x05 => Some(Self::Rfc6962),
            0x06 => Some(Self::MlDsa44),
            _ => None,
        }
    }

    /// The byte that stands for it in a verifier key.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Ecdsa => 0x02,
            Self::CosignatureV1 => 0x04,
            Self::Rfc6962 => 0x05,
            Self::MlDsa44 => 0x06,
        }
    }
}

/// When a signature says it was made. Ordered: a time is later than none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignedAt {
    /// The signature type carries no time, or it is of type 0x06 with the time 0: the head is
    /// consistent with all that its signer saw, but need not have been the newest.
    Untimed,
    /// The time in a cosignature.
    Seconds(UnixSeconds),
    /// The time in an RFC 6962 tree head signature.
    Millis(UnixMillis),
}

/// A public key with the name it signs under. Keys of types unknown here are carried and printed;
/// they verify nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    public: PublicKey,
}

#[derive(Clone, PartialEq, Eq)]
enum PublicKey {
    Ed25519(ed25519_dalek::VerifyingKey),
    Ecdsa {
        key: p256::ecdsa::VerifyingKey,
        spki: Vec<u8>,
    },
    CosignatureV1(ed25519_dalek::VerifyingKey),
    Rfc6962 {
        key: p256::ecdsa::VerifyingKey,
        spki: Vec<u8>,
    },
    /// As it is written: what is computed from it to verify is 16 KiB.
    MlDsa44(Vec<u8>),
    Unknown {
        type_byte: u8,
        material: Vec<u8>,
    },
}

impl VerifierKey {
    /// The name it signs under.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id that marks its lines in a note.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Its type; `None` for one unknown here.
    pub fn key_type(&self) -> Option<KeyType> {
        KeyType::from_byte(self.type_byte())
    }

    /// The key itself: 32 bytes of Ed25519, the SPKI DER of a P-256 key, 1,312 bytes of ML-DSA-44.
    pub fn public_key_bytes(&self) -> &[u8] {
        match &self.public {
            PublicKey::Ed25519(key) | PublicKey::CosignatureV1(key) => key.as_bytes(),
            PublicKey::Ecdsa { spki, .. } | PublicKey::Rfc6962 { spki, .. } => spki,
            PublicKey::MlDsa44(material) | PublicKey::Unknown { material, .. } => material,
        }
    }

    /// The line claims to be by this key: same name and same id.
    pub fn owns(&self, line: &NoteSignature) -> bool {
        line.name == self.name && line.id == self.id
    }

    /// Checks the signature bytes of a note line over the text of the note.
    pub fn verify(&self, text: &str, signature: &[u8]) -> Result<SignedAt, SignatureError> {
        match &self.public {
            PublicKey::Ed25519(key) => {
                verify_ed25519(key, text.as_bytes(), signature)?;
                Ok(SignedAt::Untimed)
            }
            PublicKey::Ecdsa { key, .. } => {
                verify_es256(key, text.as_bytes(), signature)?;
                Ok(SignedAt::Untimed)
            }
            PublicKey::CosignatureV1(key) => {
                let (at, signature) =
                    cosignature::decode(signature).ok_or(SignatureError::Malformed)?;
                verify_ed25519(key, &cosignature::cosigned_message(text, at), &signature)?;
                Ok(SignedAt::Seconds(at))
            }
            PublicKey::Rfc6962 { key, .. } => {
                verify_tree_head(key, text, signature).map(SignedAt::Millis)
            }
            PublicKey::MlDsa44(key) => {
                let at = verify_subtree(&self.name, key, text, signature)?;
                // SPEC tlog-cosignature: only here is 0 no time.
                Ok(if at == UnixSeconds::new(0) {
                    SignedAt::Untimed
                } else {
                    SignedAt::Seconds(at)
                })
            }
            PublicKey::Unknown { type_byte, .. } => {
                Err(SignatureError::UnknownType { type_byte: *type_byte })
            }
        }
    }

    /// Whether this key signed a note: `None` when no line is of this key or its type is unknown
    /// here, and the newest time signed when there are several lines.
    ///
    /// # Errors
    /// [`SignatureError`] when any line of this key does not verify, even if another does.
    ///
    /// Spec: signed-note; a line belongs to a key when both name and key id are equal.
    pub fn verify_note(&self, note: &Note) -> Result<Option<SignedAt>, SignatureError> {
        // A key that cannot be checked is not a known key: its lines are ignored, not wrong.
        if self.key_type().is_none() {
            return Ok(None);
        }
        let mut newest = None;
        for line in note.signatures().iter().filter(|line| self.owns(line)) {
            newest = newest.max(Some(self.verify(note.text(), &line.bytes)?));
        }
        Ok(newest)
    }

    /// The first of these lines that is by this key and verifies over the text: what to keep of a
    /// witness's answer, where all other lines are ignored.
    pub fn verified_line<'a>(
        &self,
        text: &str,
        lines: &'a [NoteSignature],
    ) -> Option<&'a NoteSignature> {
        lines.iter().find(|line| self.owns(line) && self.verify(text, &line.bytes).is_ok())
    }

    pub(crate) fn ed25519(name: KeyName, key: ed25519_dalek::VerifyingKey) -> Self {
        Self::with_id(name, PublicKey::Ed25519(key))
    }

    pub(crate) fn cosignature_v1(name: KeyName, key: ed25519_dalek::VerifyingKey) -> Self {
        Self::with_id(name, PublicKey::CosignatureV1(key))
    }

    pub(crate) fn rfc6962(name: KeyName, key: p256::ecdsa::VerifyingKey, spki: Vec<u8>) -> Self {
        Self::with_id(name, PublicKey::Rfc6962 { key, spki })
    }

    pub(crate) fn ml_dsa_44(name: KeyName, key: Vec<u8>) -> Self {
        Self::with_id(name, PublicKey::MlDsa44(key))
    }

    fn with_id(name: KeyName, public: PublicKey) -> Self {
        let mut key = Self { name, id: KeyId::new([0; 4]), public };
        key.id = key.derived_id();
        key
    }

    fn type_byte(&self) -> u8 {
        match &self.public {
            PublicKey::Ed25519(_) => KeyType::Ed25519.to_byte(),
            PublicKey::Ecdsa { .. } => KeyType::Ecdsa.to_byte(),
            PublicKey::CosignatureV1(_) => KeyType::CosignatureV1.to_byte(),
            PublicKey::Rfc6962 { .. } => KeyType::Rfc6962.to_byte(),
            PublicKey::MlDsa44(_) => KeyType::MlDsa44.to_byte(),
            PublicKey::Unknown { type_byte, .. } => *type_byte,
        }
    }

    /// The id the key's type defines. An unknown type defines its own rule, so its id stands.
    fn derived_id(&self) -> KeyId {
        let name = self.name.as_str().as_bytes();
        let type_byte = [self.type_byte()];
        let hash = match &self.public {
            PublicKey::Ed25519(key) | PublicKey::CosignatureV1(key) => {
                sha256(&[name, b"\n", &type_byte, key.as_bytes()])
            }
            PublicKey::MlDsa44(key) => sha256(&[name, b"\n", &type_byte, key]),
            // SPEC signed-note: for ECDSA the hash is over the key alone, not its name or type.
            PublicKey::Ecdsa { spki, .. } => sha256(&[spki]),
            // SPEC static-ct-api: over the LogID, not the key.
            PublicKey::Rfc6962 { spki, .. } => {
                sha256(&[name, b"\n", &type_byte, log_id(spki).as_bytes()])
            }
            PublicKey::Unknown { .. } => return self.id,
        };
        let [a, b, c, d, ..] = *hash.as_bytes();
        KeyId::new([a, b, c, d])
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() > VERIFIER_KEY_BYTES_MAX {
            return Err(KeyError::Form);
        }
        // Base64 may hold '+', names and ids may not: cut at the first two.
        let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
        let (id, material) = rest.split_once('+').ok_or(KeyError::Form)?;
        let name: KeyName = name.parse().map_err(|_| KeyError::Name)?;
        let id = parse_key_id(id).ok_or(KeyError::Form)?;
        let material = encoding::from_base64(material).ok_or(KeyError::Form)?;
        let (type_byte, material) = material.split_first().ok_or(KeyError::Form)?;
        let public = PublicKey::from_material(*type_byte, material)?;
        // SPEC tlog-cosignature: the message of type 0x06 holds the name behind one byte of length.
        if matches!(public, PublicKey::MlDsa44(_)) && !cosignature::is_signable_name(&name) {
            return Err(KeyError::Name);
        }
        let key = Self { name, id, public };
        if key.derived_id() == id { Ok(key) } else { Err(KeyError::IdMismatch) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [[self.type_byte()].as_slice(), self.public_key_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, encoding::to_base64(&material))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PublicKey {
    fn from_material(type_byte: u8, material: &[u8]) -> Result<Self, KeyError> {
        match KeyType::from_byte(type_byte) {
            Some(KeyType::Ed25519) => parse_ed25519(material).map(Self::Ed25519),
            Some(KeyType::CosignatureV1) => parse_ed25519(material).map(Self::CosignatureV1),
            Some(KeyType::Ecdsa) => {
                parse_p256(material).map(|key| Self::Ecdsa { key, spki: material.to_vec() })
            }
            Some(KeyType::Rfc6962) => {
                parse_p256(material).map(|key| Self::Rfc6962 { key, spki: material.to_vec() })
            }
            Some(KeyType::MlDsa44) if material.len() == ML_DSA_44_KEY_BYTES => {
                Ok(Self::MlDsa44(material.to_vec()))
            }
            Some(KeyType::MlDsa44) => Err(KeyError::MlDsa44),
            None => Ok(Self::Unknown { type_byte, material: material.to_vec() }),
        }
    }
}

fn parse_key_id(text: &str) -> Option<KeyId> {
    let id = KeyId::new(u32::from_str_radix(text, 16).ok()?.to_be_bytes());
    (id.to_string() == text).then_some(id)
}

/// Refuses what libraries disagree about: points of small order, which verify anything, and
/// encodings that are not the one of their point.
fn parse_ed25519(material: &[u8]) -> Result<ed25519_dalek::VerifyingKey, KeyError> {
    let bytes = material.try_into().map_err(|_| KeyError::Ed25519)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Ed25519)?;
    let canonical = key.to_edwards().compress().to_bytes() == *bytes;
    if canonical && !key.is_weak() { Ok(key) } else { Err(KeyError::Ed25519) }
}

/// Accepts the one usual form: named curve, uncompressed point, 91 bytes.
fn parse_p256(spki: &[u8]) -> Result<p256::ecdsa::VerifyingKey, KeyError> {
    let key = p256::PublicKey::from_public_key_der(spki).map_err(|_| KeyError::Ecdsa)?;
    let encoded = key.to_public_key_der().map_err(|_| KeyError::Ecdsa)?;
    if encoded.as_bytes() == spki { Ok(key.into()) } else { Err(KeyError::Ecdsa) }
}

/// The RFC 6962 identity of a log: the hash of its public key.
///
/// Spec: RFC 6962 §3.2 `LogID`.
fn log_id(spki: &[u8]) -> Hash {
    sha256(&[spki])
}

fn verify_ed25519(
    key: &ed25519_dalek::VerifyingKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let signature =
        ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureError::Malformed)?;
    key.verify_strict(message, &signature).map_err(|_| SignatureError::Invalid)
}

/// ECDSA with SHA-256. A high s is valid, as everywhere else; the DER has one form only.
fn verify_es256(
    key: &p256::ecdsa::VerifyingKey,
    message: &[u8],
    der: &[u8],
) -> Result<(), SignatureError> {
    let signature = p256::ecdsa::Signature::from_der(der).map_err(|_| SignatureError::Malformed)?;
    key.verify(message, &signature).map_err(|_| SignatureError::Invalid)
}

fn verify_tree_head(
    key: &p256::ecdsa::VerifyingKey,
    text: &str,
    signature: &[u8],
) -> Result<UnixMillis, SignatureError> {
    let signature = TreeHeadSignature::decode(signature).ok_or(SignatureError::Malformed)?;
    let checkpoint = Checkpoint::parse(text).map_err(|_| SignatureError::NotACheckpoint)?;
    // SPEC static-ct-api: the signature covers size and root only, so nothing else may be there.
    if !checkpoint.extensions.is_empty() {
        return Err(SignatureError::NotACheckpoint);
    }
    let message = tree_head_signature_input(&checkpoint.head, signature.at());
    verify_es256(key, &message, signature.der())?;
    Ok(signature.at())
}

/// A signature over size and root, so nothing else may be in the text.
fn verify_subtree(
    name: &KeyName,
    key: &[u8],
    text: &str,
    signature: &[u8],
) -> Result<UnixSeconds, SignatureError> {
    let (at, signature) = cosignature::split_time(signature).ok_or(SignatureError::Malformed)?;
    let checkpoint = Checkpoint::parse(text).map_err(|_| SignatureError::NotACheckpoint)?;
    if !checkpoint.extensions.is_empty() {
        return Err(SignatureError::NotACheckpoint);
    }
    let message = cosignature::subtree_message(name, at, &checkpoint.origin, &checkpoint.head);
    let encoded = signature.try_into().map_err(|_| SignatureError::Malformed)?;
    let signature =
        ml_dsa::Signature::<MlDsa44>::decode(encoded).ok_or(SignatureError::Malformed)?;
    let encoded = key.try_into().map_err(|_| SignatureError::Malformed)?;
    let key = ml_dsa::VerifyingKey::<MlDsa44>::decode(encoded);
    if key.verify_with_context(&message, &[], &signature) {
        return Ok(at);
    }
    Err(SignatureError::Invalid)
}

/// Why a text is not a verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not three parts of the expected form.
    #[error("expected '<name>+<8 hex digits>+<base64>'")]
    Form,
    /// A name no signer may have.
    #[error("expected a key name without white space and control characters")]
    Name,
    /// Not a point on the curve, of small order, or not in its canonical form.
    #[error("expected a canonical Ed25519 public key of full order")]
    Ed25519,
    /// Not the DER of a P-256 public key.
    #[error("expected the SubjectPublicKeyInfo of a P-256 key")]
    Ecdsa,
    /// Not an ML-DSA-44 public key.
    #[error("expected {ML_DSA_44_KEY_BYTES} bytes of an ML-DSA-44 public key")]
    MlDsa44,
    /// The id is not the one that name, type and key define.
    #[error("key id does not belong to this name and key")]
    IdMismatch,
}

/// Why a signature line of a known key is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The bytes are not a signature of the key's type.
    #[error("signature is malformed")]
    Malformed,
    /// The signature is not by this key over this text.
    #[error("signature does not verify")]
    Invalid,
    /// A signature over size and root alone, under a text that is not a plain checkpoint.
    #[error("signatures of this type need a checkpoint without extension lines")]
    NotACheckpoint,
    /// A key whose type is carried, not checked.
    #[error("signatures of type {type_byte:#04x} cannot be checked here")]
    UnknownType {
        /// The type byte of the key.
        type_byte: u8,
    },
}

/// The longest verifier key text that is read, in bytes: room for a post-quantum key.
pub const VERIFIER_KEY_BYTES_MAX: usize = 8 * 1024;

/// FIPS 204 table 2.
const ML_DSA_44_KEY_BYTES: usize = 1_312;

#[cfg(test)]
mod tests;
