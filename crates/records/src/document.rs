//! Documents: files beside the log that records name by their hash.
//!
//! Who uploads one signs a short claim with a registered key, in the same form of signature as a
//! record's but under a `typ` of its own, so that neither can stand for the other.

use crate::json::{Value, to_canonical};

/// `typ` of a signature over a [`DocumentClaim`].
pub const DOCUMENT_TYP: &str = "civiclog-document+jws";

/// The longest document, in bytes.
pub const DOCUMENT_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What an uploader signs: this log is to keep a file of this hash and this length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentClaim<'a> {
    /// The origin of the log, so that a claim cannot be taken to another.
    pub log: &'a str,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: &'a str,
    /// Its length, at most [`DOCUMENT_BYTES_MAX`].
    pub size: u64,
}

impl DocumentClaim<'_> {
    /// The signed bytes: canonical JSON of `{"log","sha256","size"}`.
    pub fn bytes(&self) -> Vec<u8> {
        // A size beyond the range of JSON's integers is no document's; it signs nothing true.
        let size = Value::Int(i64::try_from(self.size).unwrap_or(i64::MAX));
        to_canonical(&Value::map([
            ("log", Value::from(self.log)),
            ("sha256", Value::from(self.sha256)),
            ("size", size),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, DetachedJws, P256Verify, SigningKey};

    #[test]
    fn a_claim_is_signed_under_its_own_typ_over_log_hash_and_size() {
        let sha256 = "ab".repeat(32);
        let claim = DocumentClaim { log: "log.example/a", sha256: &sha256, size: 5 };
        assert_eq!(
            String::from_utf8(claim.bytes()).unwrap(),
            format!("{{\"log\":\"log.example/a\",\"sha256\":\"{sha256}\",\"size\":5}}")
        );
        for algorithm in [Algorithm::Es256, Algorithm::Ed25519] {
            let key = SigningKey::generate_from_seed(algorithm, [7; 32]).unwrap();
            let text = key.sign_detached_as(DOCUMENT_TYP, &claim.bytes()).to_text();
            assert!(DetachedJws::parse(&text).is_err(), "it is no signature of a record");
            let jws = DetachedJws::parse_as(DOCUMENT_TYP, &text).unwrap();
            assert!(jws.verify(key.public(), &claim.bytes(), &P256Verify));
            for other in [
                DocumentClaim { size: 6, ..claim.clone() },
                DocumentClaim { log: "log.example/b", ..claim.clone() },
                DocumentClaim { sha256: "cd", ..claim.clone() },
            ] {
                assert!(!jws.verify(key.public(), &other.bytes(), &P256Verify), "{other:?}");
            }
            let record = key.sign_detached(&claim.bytes()).to_text();
            assert!(DetachedJws::parse_as(DOCUMENT_TYP, &record).is_err());
        }
    }
}
