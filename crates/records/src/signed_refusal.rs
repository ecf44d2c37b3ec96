//! A refusal that can be shown to others: which record the log refused, by which rule, at which size,
//! under the operator's signature.
//!
//! A verdict depends on the entries before and the record alone. So whoever has the record, this text
//! and the log's first entries can judge again, and a refusal that the rules do not give is proven
//! wrong, by the log's own word. It holds no text that was submitted: the record is named by its hash.
//!
//! ```text
//! payload  {"conflicts_with":7,"origin":"log.example/spending","pointer":"/record/rev",
//!           "record":"…","rule":"E04","size":9}
//! text     BASE64URL(header) "." BASE64URL(payload) "." BASE64URL(signature)
//! header   {"alg":"Ed25519","kid":"…","typ":"civiclog-refusal+jws"}
//! ```
//!
//! Spec: RFC 7515 §7.1 (compact), the header as for records.

use crate::base64url;
use crate::entry_index::EntryIndex;
use crate::json::{self, Limits, Value};
use crate::jwk::{Kid, PublicKey};
use crate::jws::{DetachedJws, Es256Verify, REFUSAL_TYP};
use crate::record::RecordHash;
use crate::refusal::{Refusal, RuleId};
use crate::signing::SigningKey;

/// What an operator key signs for: the use that `operator_keys` of entry 0 names.
pub const REFUSALS_USE: &str = "refusals";

/// Longest text of a signed refusal, in bytes.
pub const SIGNED_REFUSAL_BYTES_MAX: usize = 4096;

/// What a log says when it refuses a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalStatement {
    /// The log.
    pub origin: String,
    /// The record, by the hash that `prev` would name.
    pub record: RecordHash,
    /// The rule.
    pub rule: RuleId,
    /// Where it broke: an RFC 6901 pointer into the submission.
    pub pointer: String,
    /// The index the record would have had: it was judged by all entries before this one.
    pub size: EntryIndex,
    /// The entry that stands in its place, when it names a revision that exists.
    pub conflicts_with: Option<EntryIndex>,
}

impl RefusalStatement {
    /// What is signed when `record` was judged as the entry at `size` and refused.
    pub fn new(
        origin: &str,
        record: RecordHash,
        refusal: &Refusal,
        size: EntryIndex,
        conflicts_with: Option<EntryIndex>,
    ) -> Self {
        Self {
            origin: origin.to_owned(),
            record,
            rule: refusal.rule,
            pointer: refusal.pointer.clone(),
            size,
            conflicts_with,
        }
    }

    /// Signs it. The same key and statement give the same text.
    pub fn sign(self, key: &SigningKey) -> SignedRefusal {
        let payload = self.to_canonical();
        let signature = key.sign_detached_as(REFUSAL_TYP, &payload);
        SignedRefusal { statement: self, payload, signature }
    }

    fn to_canonical(&self) -> Vec<u8> {
        let mut members = vec![
            ("origin", Value::from(self.origin.as_str())),
            ("pointer", Value::from(self.pointer.as_str())),
            ("record", Value::from(self.record.to_string().as_str())),
            ("rule", Value::from(self.rule.as_str())),
            ("size", index_value(self.size)),
        ];
        members.extend(self.conflicts_with.map(|it| ("conflicts_with", index_value(it))));
        json::to_canonical(&Value::map(members))
    }

    /// SPEC: exactly these members; another one could give the signature another meaning.
    fn parse(payload: &[u8]) -> Result<Self, SignedRefusalError> {
        let value = json::parse(payload, &Limits::SUBMISSION)
            .map_err(|_| SignedRefusalError::Payload("canonical JSON"))?;
        let text = |name| value.get(name).and_then(Value::as_text);
        let index = |name| {
            let number = value.get(name).and_then(Value::as_int);
            number.and_then(|it| u64::try_from(it).ok()).map(EntryIndex::new)
        };
        let conflicts_with = index("conflicts_with");
        let members = value.as_map().map_or(0, std::collections::BTreeMap::len);
        let (Some(origin), Some(pointer), Some(record), Some(rule), Some(size)) =
            (text("origin"), text("pointer"), text("record"), text("rule"), index("size"))
        else {
            return Err(SignedRefusalError::Payload("origin, pointer, record, rule and size"));
        };
        if members != 5 + usize::from(conflicts_with.is_some()) {
            return Err(SignedRefusalError::Payload("no members that are not known"));
        }
        let record =
            RecordHash::parse(record).ok_or(SignedRefusalError::Payload("a record hash"))?;
        let rule = RuleId::find(rule).ok_or(SignedRefusalError::UnknownRule)?;
        let (origin, pointer) = (origin.to_owned(), pointer.to_owned());
        Ok(Self { origin, record, rule, pointer, size, conflicts_with })
    }
}

/// A refusal with its signature, which says nothing until it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRefusal {
    statement: RefusalStatement,
    payload: Vec<u8>,
    signature: DetachedJws,
}

impl SignedRefusal {
    /// Reads `header.payload.signature`.
    ///
    /// # Errors
    /// [`SignedRefusalError`]: it has another form than the one this log writes.
    pub fn parse(text: &str) -> Result<Self, SignedRefusalError> {
        if text.len() > SIGNED_REFUSAL_BYTES_MAX {
            return Err(SignedRefusalError::TooLong);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SignedRefusalError::NotCompact);
        };
        let signature = DetachedJws::parse_as(REFUSAL_TYP, &format!("{header}..{signature}"))
            .map_err(SignedRefusalError::Signature)?;
        let payload = base64url::decode(payload).ok_or(SignedRefusalError::NotCompact)?;
        let statement = RefusalStatement::parse(&payload)?;
        Ok(Self { statement, payload, signature })
    }

    /// What it says.
    pub const fn statement(&self) -> &RefusalStatement {
        &self.statement
    }

    /// The key that is said to have signed.
    pub const fn kid(&self) -> &Kid {
        self.signature.kid()
    }

    /// Whether this key signed it. Whether the key is the log's is for the caller: entry 0 names it,
    /// with the use [`REFUSALS_USE`].
    pub fn verify(&self, key: &PublicKey, es256: &dyn Es256Verify) -> bool {
        self.signature.verify(key, &self.payload, es256)
    }

    /// The one text of it.
    pub fn to_text(&self) -> String {
        let payload = base64url::encode(&self.payload);
        self.signature.to_text().replacen("..", &format!(".{payload}."), 1)
    }
}

/// Why a text is no signed refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignedRefusalError {
    /// It is longer than any.
    #[error("expected at most {SIGNED_REFUSAL_BYTES_MAX} bytes, got more")]
    TooLong,
    /// It is not three parts of base64url.
    #[error("expected header.payload.signature in unpadded base64url, got another form")]
    NotCompact,
    /// Header or signature are malformed.
    #[error("the header or the signature")]
    Signature(#[source] Refusal),
    /// The payload says something else.
    #[error("expected a payload of {0}, got another one")]
    Payload(&'static str),
    /// The rule is not in this version.
    #[error("it names a rule that this version does not know")]
    UnknownRule,
}

/// Sizes of logs stay far below 2^53, where JSON's integers end.
fn index_value(index: EntryIndex) -> Value {
    Value::Int(i64::try_from(index.get()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwk::Algorithm;
    use crate::jws::P256Verify;

    fn key(algorithm: Algorithm) -> SigningKey {
        SigningKey::generate_from_seed(algorithm, [7; 32]).unwrap()
    }

    fn statement() -> RefusalStatement {
        RefusalStatement {
            origin: "log.example/spending".to_owned(),
            record: RecordHash::of(b"{}"),
            rule: RuleId::REVISION_CONFLICT,
            pointer: "/record/rev".to_owned(),
            size: EntryIndex::new(9),
            conflicts_with: Some(EntryIndex::new(7)),
        }
    }

    #[test]
    fn the_payload_is_written_out_once_and_for_ever() {
        assert_eq!(
            String::from_utf8(statement().to_canonical()).unwrap(),
            "{\"conflicts_with\":7,\"origin\":\"log.example/spending\",\"pointer\":\"/record/rev\",\
             \"record\":\"RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o\",\"rule\":\"E04\",\"size\":9}"
        );
    }

    #[test]
    fn what_was_signed_is_read_back_and_verified_by_that_key_alone() {
        for algorithm in [Algorithm::Ed25519, Algorithm::Es256] {
            for conflicts_with in [None, Some(EntryIndex::new(7))] {
                let statement = RefusalStatement { conflicts_with, ..statement() };
                let key = key(algorithm);
                let text = statement.clone().sign(&key).to_text();
                let read = SignedRefusal::parse(&text).unwrap();
                assert_eq!(read.statement(), &statement);
                assert_eq!(read.to_text(), text);
                assert!(read.verify(key.public(), &P256Verify));
                let other = SigningKey::generate_from_seed(algorithm, [8; 32]).unwrap();
                assert!(!read.verify(other.public(), &P256Verify));
            }
        }
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let key = key(Algorithm::Ed25519);
        let text = statement().sign(&key).to_text();
        for at in 0..text.len() {
            for other in ['A', 'B', '.', '='] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
                let is_believed = SignedRefusal::parse(&changed)
                    .is_ok_and(|it| it.verify(key.public(), &P256Verify));
                assert_eq!(is_believed, changed == text, "character {at} as {other}");
            }
        }
    }

    #[test]
    fn a_signature_over_a_record_is_no_refusal() {
        let key = key(Algorithm::Ed25519);
        let payload = statement().to_canonical();
        let record = key.sign_detached(&payload).to_text();
        let text = record.replacen("..", &format!(".{}.", base64url::encode(&payload)), 1);
        assert!(matches!(SignedRefusal::parse(&text), Err(SignedRefusalError::Signature(_))));
    }

    #[test]
    fn a_payload_that_says_more_or_less_is_refused() {
        let key = key(Algorithm::Ed25519);
        let sign = |payload: &str| {
            let jws = key.sign_detached_as(REFUSAL_TYP, payload.as_bytes()).to_text();
            let payload = base64url::encode(payload.as_bytes());
            SignedRefusal::parse(&jws.replacen("..", &format!(".{payload}."), 1))
        };
        let whole = String::from_utf8(statement().to_canonical()).unwrap();
        sign(&whole).unwrap();
        for changed in [
            whole.replace("\"size\":9", "\"size\":-9"),
            whole.replace("\"size\":9", "\"size\":9,\"v\":1"),
            whole.replace(",\"size\":9", ""),
            whole.replace("E04", "E99"),
            whole.replace("\"rule\"", " \"rule\""),
            whole.replace("7,", "\"7\","),
            "{}".to_owned(),
        ] {
            assert!(sign(&changed).is_err(), "{changed}");
        }
    }
}
