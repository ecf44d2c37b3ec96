//! Private keys of submitters and governance: read, write, sign. Used by clients, never by the log.

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use signature::Signer as _;

use crate::jwk::{Algorithm, PublicKey, RawPublicKey};
use crate::jws::{DetachedJws, RECORD_TYP};

/// A private key.
pub struct SigningKey {
    secret: Secret,
    public: PublicKey,
}

enum Secret {
    Es256(p256::ecdsa::SigningKey),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

/// Why a private key could not be read, made or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// The text is no PKCS#8 PEM of a P-256 or Ed25519 key.
    #[error("expected a PKCS#8 PEM private key of P-256 or Ed25519, got something else")]
    NotAKey,
    /// The seed is no private key of P-256: zero, or not below the order of the curve.
    #[error("expected a seed within [1, n-1] of P-256, got one outside; draw another")]
    SeedOutOfRange,
    /// The key gives a public key that would be refused.
    #[error("expected a key with a usable public part, got one of small order")]
    UnusablePublicKey,
    /// The key could not be written as PKCS#8.
    #[error("the key could not be encoded as PKCS#8")]
    Encoding,
}

impl SigningKey {
    /// Reads a private key, `-----BEGIN PRIVATE KEY-----`.
    ///
    /// Spec: RFC 5958, RFC 8410.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, SigningKeyError> {
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_pem(pem) {
            return Self::es256(key);
        }
        let key =
            ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map_err(|_| SigningKeyError::NotAKey)?;
        Self::ed25519(key)
    }

    /// Makes a key of 32 random bytes that the caller drew.
    ///
    /// # Errors
    /// [`SigningKeyError::SeedOutOfRange`]: one in 2^32 random seeds is no key of P-256.
    pub fn generate_from_seed(
        algorithm: Algorithm,
        seed: [u8; 32],
    ) -> Result<Self, SigningKeyError> {
        match algorithm {
            Algorithm::Es256 => {
                let key = p256::ecdsa::SigningKey::from_slice(&seed)
                    .map_err(|_| SigningKeyError::SeedOutOfRange)?;
                Self::es256(key)
            }
            Algorithm::Ed25519 => Self::ed25519(ed25519_dalek::SigningKey::from_bytes(&seed)),
        }
    }

    fn es256(key: p256::ecdsa::SigningKey) -> Result<Self, SigningKeyError> {
        let point = key.verifying_key().to_sec1_point(false);
        let point: [u8; 65] =
            point.as_bytes().try_into().map_err(|_| SigningKeyError::UnusablePublicKey)?;
        let public = PublicKey::trusted(RawPublicKey::P256(point));
        Ok(Self { secret: Secret::Es256(key), public })
    }

    fn ed25519(key: ed25519_dalek::SigningKey) -> Result<Self, SigningKeyError> {
        let public = PublicKey::from_ed25519(key.verifying_key().as_bytes())
            .map_err(|_| SigningKeyError::UnusablePublicKey)?;
        Ok(Self { secret: Secret::Ed25519(Box::new(key)), public })
    }

    /// The key as PKCS#8 PEM. Ed25519 is written without its public part, as other software expects it.
    ///
    /// # Errors
    /// [`SigningKeyError::Encoding`], never for a key of this type.
    pub fn to_pkcs8_pem(&self) -> Result<String, SigningKeyError> {
        let pem = match &self.secret {
            Secret::Es256(key) => key.to_pkcs8_pem(LineEnding::LF),
            Secret::Ed25519(key) => KeypairBytes { secret_key: key.to_bytes(), public_key: None }
                .to_pkcs8_pem(LineEnding::LF),
        };
        pem.map(|pem| pem.as_str().to_owned()).map_err(|_| SigningKeyError::Encoding)
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs the canonical bytes of a record. The same key and bytes give the same signature.
    pub fn sign_detached(&self, record_bytes: &[u8]) -> DetachedJws {
        self.sign_detached_as(RECORD_TYP, record_bytes)
    }

    /// Signs any payload under another `typ`.
    pub fn sign_detached_as(&self, typ: &str, payload: &[u8]) -> DetachedJws {
        DetachedJws::new(typ, &self.public, |message| self.sign(message), payload)
    }

    /// SPEC RFC 6979: ES256 signatures are deterministic, so no random source is needed here.
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        match &self.secret {
            Secret::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().into()
            }
            Secret::Ed25519(key) => key.sign(message).to_bytes(),
        }
    }
}

impl std::fmt::Debug for SigningKey {
    /// Names the key and never shows its secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", self.public.kid()).finish_non_exhaustive()
    }
}
