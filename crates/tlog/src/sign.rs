//! Signers. They sign finished bytes they are handed; whether the bytes deserve it is decided by
//! whoever holds the signer. Private keys never print.
//!
//! Key files are PKCS#8 PEM, as `openssl genpkey` writes them.

use std::fmt;

use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ml_dsa::MlDsa44;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::EncodePublicKey as _;
use p256::pkcs8::LineEnding;

pub use p256::pkcs8::der::zeroize::Zeroizing;

use crate::checkpoint::Checkpoint;
use crate::cosignature;
use crate::key::VerifierKey;
use crate::note::{KeyName, NoteSignature};
use crate::sth::{TreeHeadSignature, tree_head_signature_input};
use crate::time::{UnixMillis, UnixSeconds};

/// A log's Ed25519 key, note type 0x01: the signature that witnesses and policies look for.
#[derive(Clone)]
pub struct Ed25519Signer {
    secret: ed25519_dalek::SigningKey,
    verifier: VerifierKey,
}

impl Ed25519Signer {
    /// The signer of this name with the key made from this seed.
    pub fn new(name: KeyName, seed: [u8; 32]) -> Self {
        Self::from_secret(name, ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// Reads a key file.
    pub fn from_pkcs8_pem(name: KeyName, pem: &str) -> Result<Self, SignerError> {
        Ok(Self::from_secret(name, ed25519_from_pem(pem)?))
    }

    fn from_secret(name: KeyName, secret: ed25519_dalek::SigningKey) -> Self {
        let verifier = VerifierKey::ed25519(name, secret.verifying_key());
        Self { secret, verifier }
    }

    /// Writes the key file. The text is wiped when dropped.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SignerError> {
        ed25519_to_pem(&self.secret)
    }

    /// The public half.
    pub fn verifier_key(&self) -> VerifierKey {
        self.verifier.clone()
    }

    /// Signs the text of a note, its last line feed included.
    ///
    /// Spec: signed-note §Signature types, 0x01.
    pub fn sign(&self, text: &str) -> NoteSignature {
        use ed25519_dalek::Signer as _;
        line(&self.verifier, self.secret.sign(text.as_bytes()).to_bytes().to_vec())
    }
}

/// A witness's Ed25519 key, note type 0x04. The key must never sign under another name.
#[derive(Clone)]
pub struct CosignatureSigner {
    secret: ed25519_dalek::SigningKey,
    verifier: VerifierKey,
}

impl CosignatureSigner {
    /// The cosigner of this name with the key made from this seed.
    pub fn new(name: KeyName, seed: [u8; 32]) -> Self {
        Self::from_secret(name, ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// Reads a key file.
    pub fn from_pkcs8_pem(name: KeyName, pem: &str) -> Result<Self, SignerError> {
        Ok(Self::from_secret(name, ed25519_from_pem(pem)?))
    }

    fn from_secret(name: KeyName, secret: ed25519_dalek::SigningKey) -> Self {
        let verifier = VerifierKey::cosignature_v1(name, secret.verifying_key());
        Self { secret, verifier }
    }

    /// Writes the key file. The text is wiped when dropped.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SignerError> {
        ed25519_to_pem(&self.secret)
    }

    /// The public half.
    pub fn verifier_key(&self) -> VerifierKey {
        self.verifier.clone()
    }

    /// Cosigns the text of a checkpoint: "at this time, the largest consistent tree I have seen".
    ///
    /// Spec: c2sp.org/tlog-cosignature §Format, `cosignature/v1`.
    pub fn sign(&self, text: &str, at: UnixSeconds) -> NoteSignature {
        use ed25519_dalek::Signer as _;
        let signature = self.secret.sign(&cosignature::cosigned_message(text, at));
        line(&self.verifier, cosignature::encode(at, &signature.to_bytes()))
    }
}

/// An ML-DSA-44 key, note type 0x06: of a witness beside its Ed25519 key, or of a log.
#[derive(Clone)]
pub struct MlDsaSigner {
    secret: ml_dsa::SigningKey<MlDsa44>,
    verifier: VerifierKey,
}

impl MlDsaSigner {
    /// The signer of this name with the key made from this seed.
    ///
    /// # Errors
    /// [`SignerError::Name`] when the name is longer than the signed message can hold.
    ///
    /// Spec: FIPS 204 §6.1; tlog-cosignature §Format, `subtree/v1`.
    pub fn new(name: KeyName, seed: [u8; 32]) -> Result<Self, SignerError> {
        Self::from_secret(name, ml_dsa::SigningKey::from_seed(&seed.into()))
    }

    /// Reads a key file.
    pub fn from_pkcs8_pem(name: KeyName, pem: &str) -> Result<Self, SignerError> {
        let secret = ml_dsa::SigningKey::from_pkcs8_pem(pem).map_err(|_| SignerError::Pem)?;
        Self::from_secret(name, secret)
    }

    fn from_secret(
        name: KeyName,
        secret: ml_dsa::SigningKey<MlDsa44>,
    ) -> Result<Self, SignerError> {
        if !cosignature::is_signable_name(&name) {
            return Err(SignerError::Name);
        }
        let public = secret.expanded_key().verifying_key().encode();
        let verifier = VerifierKey::ml_dsa_44(name, public.as_slice().to_vec());
        Ok(Self { secret, verifier })
    }

    /// Writes the key file. The text is wiped when dropped.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SignerError> {
        self.secret.to_pkcs8_pem(LineEnding::LF).map_err(|_| SignerError::Encode)
    }

    /// The public half.
    pub fn verifier_key(&self) -> VerifierKey {
        self.verifier.clone()
    }

    /// Signs the tree head of a checkpoint; the same input gives the same bytes. A checkpoint with
    /// extension lines can be signed but never verifies. `None` only if no signature was found in
    /// some thousand tries, which FIPS 204 gives a chance below 2^-128.
    ///
    /// Spec: FIPS 204 §5.2, the deterministic variant, empty context.
    pub fn sign(&self, checkpoint: &Checkpoint, at: UnixSeconds) -> Option<NoteSignature> {
        let name = self.verifier.name();
        let message = cosignature::subtree_message(name, at, &checkpoint.origin, &checkpoint.head);
        let signature = self.secret.expanded_key().sign_deterministic(&message, &[]).ok()?;
        let bytes = [at.get().to_be_bytes().as_slice(), signature.encode().as_slice()].concat();
        Some(line(&self.verifier, bytes))
    }
}

/// A log's P-256 key, note type 0x05: one signature for the checkpoint and for RFC 6962 clients.
#[derive(Clone)]
pub struct Rfc6962Signer {
    secret: p256::ecdsa::SigningKey,
    verifier: VerifierKey,
}

impl Rfc6962Signer {
    /// The signer of this name with this private key, big-endian.
    pub fn new(name: KeyName, scalar: [u8; 32]) -> Result<Self, SignerError> {
        let secret = p256::SecretKey::from_slice(&scalar).map_err(|_| SignerError::Scalar)?;
        Self::from_secret(name, &secret)
    }

    /// Reads a key file.
    pub fn from_pkcs8_pem(name: KeyName, pem: &str) -> Result<Self, SignerError> {
        let secret = p256::SecretKey::from_pkcs8_pem(pem).map_err(|_| SignerError::Pem)?;
        Self::from_secret(name, &secret)
    }

    fn from_secret(name: KeyName, secret: &p256::SecretKey) -> Result<Self, SignerError> {
        let public = secret.public_key();
        let spki = public.to_public_key_der().map_err(|_| SignerError::Encode)?.as_bytes().to_vec();
        let verifier = VerifierKey::rfc6962(name, public.into(), spki);
        Ok(Self { secret: secret.into(), verifier })
    }

    /// Writes the key file. The text is wiped when dropped.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SignerError> {
        p256::SecretKey::from(&self.secret)
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| SignerError::Encode)
    }

    /// The public half.
    pub fn verifier_key(&self) -> VerifierKey {
        self.verifier.clone()
    }

    /// Signs the tree head of a checkpoint; the same input gives the same bytes (RFC 6979).
    /// A checkpoint with extension lines can be signed but never verifies: make none.
    ///
    /// Spec: RFC 6962 §3.5.
    pub fn sign(&self, checkpoint: &Checkpoint, at: UnixMillis) -> NoteSignature {
        let message = tree_head_signature_input(&checkpoint.head, at);
        let signature: p256::ecdsa::DerSignature = self.secret.sign(&message);
        let signature = TreeHeadSignature::new(at, signature.as_bytes().to_vec());
        line(&self.verifier, signature.encode())
    }
}

fn line(key: &VerifierKey, bytes: Vec<u8>) -> NoteSignature {
    NoteSignature { name: key.name().clone(), id: key.id(), bytes }
}

fn ed25519_from_pem(pem: &str) -> Result<ed25519_dalek::SigningKey, SignerError> {
    ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map_err(|_| SignerError::Pem)
}

/// Writes PKCS#8 version 1, without the public key: other tools do not all read version 2.
fn ed25519_to_pem(secret: &ed25519_dalek::SigningKey) -> Result<Zeroizing<String>, SignerError> {
    KeypairBytes { secret_key: secret.to_bytes(), public_key: None }
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|_| SignerError::Encode)
}

/// A signer prints as the public key it signs for.
macro_rules! debug_as_public_key {
    ($($signer:ident),*) => {$(
        impl fmt::Debug for $signer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($signer), "({})"), self.verifier)
            }
        }
    )*};
}

debug_as_public_key!(Ed25519Signer, CosignatureSigner, MlDsaSigner, Rfc6962Signer);

/// Why there is no signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// Not a private key file of the expected kind.
    #[error("expected a PKCS#8 PEM private key of the right algorithm")]
    Pem,
    /// Not a private key of the curve.
    #[error("expected a P-256 private key between 1 and n - 1")]
    Scalar,
    /// A name that the signed message cannot hold.
    #[error("expected a name of at most 255 bytes")]
    Name,
    /// The key cannot be written.
    #[error("private key cannot be encoded")]
    Encode,
}

#[cfg(test)]
mod tests;
