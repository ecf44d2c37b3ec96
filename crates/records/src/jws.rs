//! Detached JWS over canonical record bytes.
//!
//! One text for each signature: the protected header has exactly `alg`, `kid` and `typ`, base64url
//! is unpadded with zero spare bits, and the signature is 64 bytes.
//!
//! Spec: RFC 7515 appendix F (detached, never RFC 7797), RFC 7518 §3.4, RFC 8037, RFC 9864.

use ed25519_dalek::VerifyingKey;
use signature::Verifier as _;

use crate::base64url;
use crate::json::{self, Limits, Value};
use crate::jwk::{Algorithm, Kid, PublicKey, RawPublicKey};
use crate::refusal::{Refusal, RuleId, refuse};

/// `typ` of a signature over a record.
pub const RECORD_TYP: &str = "civiclog-record+jws";
/// `typ` of a signature over a refusal.
pub const REFUSAL_TYP: &str = "civiclog-refusal+jws";

/// A detached signature that is well formed. It says nothing until it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachedJws {
    header: String,
    kid: Kid,
    algorithm: Algorithm,
    signature: [u8; 64],
}

impl DetachedJws {
    /// Reads `header..signature` over a record.
    ///
    /// # Errors
    /// `E13`, with what is wrong about the form.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        Self::parse_as(RECORD_TYP, text)
    }

    /// Reads `header..signature` whose header says `typ`.
    pub fn parse_as(typ: &str, text: &str) -> Result<Self, Refusal> {
        let mut parts = text.split('.');
        let (Some(header), Some(""), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed(
                "\"header..signature\" with nothing between the dots",
                "another form",
            ));
        };
        let (kid, algorithm) = parse_header(typ, header)?;
        let signature = base64url::decode(signature).ok_or_else(|| {
            malformed("an unpadded base64url signature with zero spare bits", "another text")
        })?;
        let len = signature.len();
        let signature = signature
            .try_into()
            .map_err(|_| malformed("a signature of 64 bytes", format_args!("{len} bytes")))?;
        Ok(Self { header: header.to_owned(), kid, algorithm, signature })
    }

    pub(crate) fn new(
        typ: &str,
        key: &PublicKey,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
        payload: &[u8],
    ) -> Self {
        let header = Value::map([
            ("alg", key.algorithm().as_str()),
            ("kid", key.kid().as_str()),
            ("typ", typ),
        ]);
        let header = base64url::encode(&json::to_canonical(&header));
        let signature = sign(&signing_input(&header, payload));
        Self { header, kid: key.kid().clone(), algorithm: key.algorithm(), signature }
    }

    /// The key that is said to have signed.
    pub const fn kid(&self) -> &Kid {
        &self.kid
    }

    /// The algorithm the header names.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// r ‖ s, or an RFC 8032 signature.
    pub const fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The signed bytes: `BASE64URL(header) "." BASE64URL(payload)`. Spec: RFC 7515 §5.1.
    pub fn signing_input(&self, record_bytes: &[u8]) -> Vec<u8> {
        signing_input(&self.header, record_bytes)
    }

    /// The one text of this signature.
    pub fn to_text(&self) -> String {
        format!("{}..{}", self.header, base64url::encode(&self.signature))
    }

    /// Whether this key made this signature over these bytes.
    ///
    /// A key of another algorithm or another thumbprint than the header names is a plain no.
    pub fn verify(&self, key: &PublicKey, record_bytes: &[u8], es256: &dyn Es256Verify) -> bool {
        if key.kid() != &self.kid || key.algorithm() != self.algorithm {
            return false;
        }
        let message = self.signing_input(record_bytes);
        match key.raw() {
            RawPublicKey::P256(point) => es256.verify(point, &message, &self.signature),
            RawPublicKey::Ed25519(bytes) => verify_ed25519(bytes, &message, &self.signature),
        }
    }
}

/// SPEC RFC 8032 §5.1.7, in the strict reading: libraries disagree on small-order points and on
/// non-canonical encodings, so all of these are a no.
fn verify_ed25519(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(key).is_ok_and(|key| {
        key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    })
}

/// An implementation of ES256 verification; a faster one may stand in for [`P256Verify`].
///
/// It must say yes exactly when the reference does: r and s in [1, n-1], high s accepted.
pub trait Es256Verify {
    /// `sec1`: uncompressed point; `signature`: r ‖ s over SHA-256 of `message`.
    fn verify(&self, sec1: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool;
}

/// The reference: the `p256` crate.
#[derive(Debug, Clone, Copy, Default)]
pub struct P256Verify;

impl Es256Verify for P256Verify {
    fn verify(&self, sec1: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool {
        let Ok(key) = p256::ecdsa::VerifyingKey::from_sec1_bytes(sec1) else { return false };
        // `from_slice` refuses r or s of zero or not below n.
        p256::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify(message, &signature).is_ok())
    }
}

/// SPEC RFC 7515 §4: unknown header members are refused here instead of ignored, so that nothing
/// (`crit`, `b64`, `jwk`, `x5c`) can give a signature another meaning.
fn parse_header(typ: &str, header: &str) -> Result<(Kid, Algorithm), Refusal> {
    let bytes = base64url::decode(header).ok_or_else(|| {
        malformed("an unpadded base64url header with zero spare bits", "another text")
    })?;
    let value = json::parse(&bytes, &Limits::JWS_HEADER).map_err(|refusal| {
        malformed("a JSON header", format_args!("one that is refused ({})", refusal.message))
    })?;
    let text = |name| value.get(name).and_then(Value::as_text);
    let members = value.as_map().map_or(0, std::collections::BTreeMap::len);
    let (Some(alg), Some(kid), Some(said_typ), 3) =
        (text("alg"), text("kid"), text("typ"), members)
    else {
        return Err(malformed("a header of exactly alg, kid and typ", "other members"));
    };
    if said_typ != typ {
        return Err(malformed(format_args!("typ \"{typ}\""), "another typ"));
    }
    let algorithm = Algorithm::find(alg)
        .ok_or_else(|| malformed("alg ES256 or Ed25519", "another algorithm"))?;
    let kid = Kid::parse(kid)
        .ok_or_else(|| malformed("a kid that is an RFC 7638 thumbprint", "another text"))?;
    Ok((kid, algorithm))
}

fn signing_input(header: &str, payload: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let mut text = String::with_capacity(header.len() + 1 + payload.len().div_ceil(3) * 4);
    text.push_str(header);
    text.push('.');
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode_string(payload, &mut text);
    text.into_bytes()
}

fn malformed(expected: impl std::fmt::Display, got: impl std::fmt::Display) -> Refusal {
    refuse(
        RuleId::SIGNATURE,
        "",
        expected,
        got,
        "sign the canonical record as a detached JWS with alg, kid and typ alone",
    )
}

#[cfg(test)]
mod tests;
