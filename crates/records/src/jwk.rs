//! Public keys: P-256 and Ed25519 as JWK, named by their RFC 7638 thumbprint.

use std::fmt;

use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};

use crate::base64url;
use crate::json::{self, Limits, Value};
use crate::refusal::{At, Refusal, RuleId, refuse};

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256. Spec: RFC 7518 §3.4.
    Es256,
    /// Ed25519. Spec: RFC 8037, RFC 9864.
    Ed25519,
}

impl Algorithm {
    /// The name in a JWS header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// Reads the name in a JWS header; `EdDSA`, the older name, is read as Ed25519.
    pub fn find(text: &str) -> Option<Self> {
        match text {
            "ES256" => Some(Self::Es256),
            // SPEC RFC 9864: `EdDSA` is deprecated for the fully-specified name, and many libraries still write it.
            "Ed25519" | "EdDSA" => Some(Self::Ed25519),
            _ => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a key: its RFC 7638 thumbprint, base64url, 43 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kid(String);

impl Kid {
    /// Reads a thumbprint; `None` unless it is the one text of 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        base64url::decode_32(text).map(|_| Self(text.to_owned()))
    }

    /// The thumbprint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawPublicKey {
    /// An uncompressed SEC 1 point: 0x04, x, y.
    P256([u8; 65]),
    /// An RFC 8032 point.
    Ed25519([u8; 32]),
}

/// A public key that passed its checks: on the curve, canonical, of full order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    raw: RawPublicKey,
    kid: Kid,
}

impl PublicKey {
    /// Takes a P-256 key from its uncompressed SEC 1 point.
    ///
    /// # Errors
    /// `E20` when it is not a point of the curve.
    pub fn from_sec1(point: &[u8; 65]) -> Result<Self, Refusal> {
        if point.first() != Some(&4) || p256::PublicKey::from_sec1_bytes(point).is_err() {
            return Err(refuse(
                RuleId::REGISTRY,
                "",
                "a point of the curve P-256",
                "coordinates that are not on it",
                "export the public key again",
            ));
        }
        Ok(Self::trusted(RawPublicKey::P256(*point)))
    }

    /// Takes an Ed25519 key from its 32 bytes.
    ///
    /// # Errors
    /// `E20` for a key that is no point, is not canonical, or is of small order: libraries disagree
    /// on signatures by such keys, and a key of small order signs everything.
    pub fn from_ed25519(bytes: &[u8; 32]) -> Result<Self, Refusal> {
        let point = VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak());
        // Compressing the point again yields the one canonical form of it.
        let is_canonical = point.is_some_and(|key| key.to_edwards().compress().as_bytes() == bytes);
        if !is_canonical {
            return Err(refuse(
                RuleId::REGISTRY,
                "",
                "a canonical Ed25519 key of full order",
                "bytes that are not",
                "make a new key",
            ));
        }
        Ok(Self::trusted(RawPublicKey::Ed25519(*bytes)))
    }

    /// A key that was checked before, from the state.
    pub(crate) fn trusted(raw: RawPublicKey) -> Self {
        let kid = Kid(base64url::encode(&Sha256::digest(json::to_canonical(&jwk(&raw)))));
        Self { raw, kid }
    }

    /// A key that was checked before and whose thumbprint is known, from the state.
    pub(crate) const fn trusted_as(raw: RawPublicKey, kid: Kid) -> Self {
        Self { raw, kid }
    }

    /// Reads a JWK in any JSON form, e.g. from a key file.
    ///
    /// # Errors
    /// `E01` when it is not JSON, else as [`PublicKey::from_jwk`].
    pub fn from_jwk_json(text: &str) -> Result<Self, Refusal> {
        Self::from_jwk(&json::parse(text.trim().as_bytes(), &Limits::FOREIGN)?)
    }

    /// Reads a JWK with exactly the members `crv`, `kty`, `x` and, for P-256, `y`.
    ///
    /// # Errors
    /// `E20` for other members, other curves, and points that do not pass the checks.
    ///
    /// Spec: RFC 7517, RFC 7518 §6.2, RFC 8037 §2.
    pub fn from_jwk(value: &Value) -> Result<Self, Refusal> {
        Self::from_jwk_at(value, &At::Root)
    }

    pub(crate) fn from_jwk_at(value: &Value, at: &At<'_>) -> Result<Self, Refusal> {
        let refused = |got: &str| {
            at.refuse(
                RuleId::REGISTRY,
                "a JWK with exactly crv, kty, x and, for P-256, y (base64url, 32 bytes each)",
                got,
                "export the public key alone, without d, alg, use or kid",
            )
        };
        let text = |name| value.get(name).and_then(Value::as_text);
        let coordinate = |name| text(name).and_then(base64url::decode_32);
        let members = value.as_map().map_or(0, std::collections::BTreeMap::len);
        let key = match (text("kty"), text("crv"), coordinate("x"), members) {
            (Some("EC"), Some("P-256"), Some(x), 4) => {
                let y = coordinate("y").ok_or_else(|| refused("no good y"))?;
                let mut point = [4; 65];
                let coordinates = x.iter().chain(&y);
                point.iter_mut().skip(1).zip(coordinates).for_each(|(to, from)| *to = *from);
                Self::from_sec1(&point)
            }
            (Some("OKP"), Some("Ed25519"), Some(x), 3) => Self::from_ed25519(&x),
            (Some(_), Some(_), None, _) => return Err(refused("no good x")),
            _ => return Err(refused("other members, or another key type or curve")),
        };
        key.map_err(|refusal| refusal.under(&at.pointer()))
    }

    /// The JWK: exactly the members of the thumbprint.
    pub fn to_jwk(&self) -> Value {
        jwk(&self.raw)
    }

    /// The RFC 7638 thumbprint.
    pub const fn kid(&self) -> &Kid {
        &self.kid
    }

    /// How this key signs.
    pub const fn algorithm(&self) -> Algorithm {
        match self.raw {
            RawPublicKey::P256(_) => Algorithm::Es256,
            RawPublicKey::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The bytes of the key.
    pub const fn raw(&self) -> &RawPublicKey {
        &self.raw
    }
}

/// SPEC RFC 7638 §3.2: the canonical JSON of just these members is what the thumbprint hashes.
fn jwk(raw: &RawPublicKey) -> Value {
    match raw {
        RawPublicKey::P256(point) => {
            let (_, coordinates) = point.split_at(1);
            let (x, y) = coordinates.split_at(32);
            Value::map([
                ("crv", "P-256".to_owned()),
                ("kty", "EC".to_owned()),
                ("x", base64url::encode(x)),
                ("y", base64url::encode(y)),
            ])
        }
        RawPublicKey::Ed25519(bytes) => Value::map([
            ("crv", "Ed25519".to_owned()),
            ("kty", "OKP".to_owned()),
            ("x", base64url::encode(bytes)),
        ]),
    }
}

#[cfg(test)]
mod tests;
