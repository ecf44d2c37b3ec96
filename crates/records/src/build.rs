//! For submitters: making records, sealing fields, putting submissions together.
//!
//! ```
//! use records::{Algorithm, HeldBy, RecordDraft, SigningKey, Submission, Value, seal};
//!
//! let key = SigningKey::generate_from_seed(Algorithm::Ed25519, [7; 32])?;
//! let (name, disclosure) = seal("/data/payee/name", "name", "Example Ltd".into(), [1; 16], HeldBy::Log);
//! let record = RecordDraft::new("log.example/1", "spending/1", "payment")
//!     .object("GB-LAE-DEV/payment/1")
//!     .submitter("GB-LAE-DEV")
//!     .occurred("2026-01-02")
//!     .data(Value::map([
//!         ("amount", Value::map([("currency", "GBP"), ("value", "12.30")])),
//!         ("payee", Value::map::<&str, Value>([])),
//!         ("payer", Value::map([("id", "GB-LAE-DEV")])),
//!     ]))
//!     .sealed(name)
//!     .build()?;
//! let bytes = Submission::assemble(&record, &[key.sign_detached(record.bytes())], &[disclosure]);
//! assert!(Submission::parse(&bytes, "log.example/1").is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::hex;
use crate::json::{self, Value};
use crate::record::{Op, Record, RecordHash};
use crate::refusal::Refusal;
use crate::sealed::{Disclosure, HeldBy, SealedField};

/// A record being made. [`RecordDraft::build`] holds it to every rule that needs no state.
#[derive(Debug, Clone)]
pub struct RecordDraft {
    members: BTreeMap<String, Value>,
    refs: Vec<Value>,
    documents: Vec<Value>,
    sealed: Vec<SealedField>,
}

impl RecordDraft {
    /// Starts a first revision.
    pub fn new(log: &str, profile: &str, kind: &str) -> Self {
        let draft = Self {
            members: BTreeMap::new(),
            refs: Vec::new(),
            documents: Vec::new(),
            sealed: Vec::new(),
        };
        draft
            .set("v", 1_i64)
            .set("log", log)
            .set("profile", profile)
            .set("kind", kind)
            .set("rev", 0_i64)
            .set("op", Op::Add.as_str())
            .set("data", Value::Map(BTreeMap::new()))
    }

    /// The object.
    #[must_use]
    pub fn object(self, object: &str) -> Self {
        self.set("object", object)
    }

    /// Who says it.
    #[must_use]
    pub fn submitter(self, submitter: &str) -> Self {
        self.set("submitter", submitter)
    }

    /// When it happened, `YYYY-MM-DD`.
    #[must_use]
    pub fn occurred(self, date: &str) -> Self {
        self.set("occurred", date)
    }

    /// The clear data, an object.
    #[must_use]
    pub fn data(self, data: Value) -> Self {
        self.set("data", data)
    }

    /// Makes it a later step: the revision after `prev`.
    #[must_use]
    pub fn next(self, rev: u32, prev: RecordHash) -> Self {
        self.set("op", Op::Next.as_str()).set("rev", rev).set("prev", prev.to_string())
    }

    /// Makes it a replacement of revision `of`, for the reason `why`.
    #[must_use]
    pub fn correct(self, rev: u32, prev: RecordHash, of: u32, why: &str) -> Self {
        self.next(rev, prev).set("op", Op::Correct.as_str()).set("of", of).set("why", why)
    }

    /// Takes revision `of` back, for the reason `why`; clears the data.
    #[must_use]
    pub fn void(self, rev: u32, prev: RecordHash, of: u32, why: &str) -> Self {
        self.correct(rev, prev, of, why)
            .set("op", Op::Void.as_str())
            .data(Value::Map(BTreeMap::new()))
    }

    /// Links it to an object of the same log.
    #[must_use]
    pub fn reference(mut self, rel: &str, object: &str) -> Self {
        self.refs.push(Value::map([("object", object), ("rel", rel)]));
        self
    }

    /// Links it to an identifier elsewhere.
    #[must_use]
    pub fn reference_id(mut self, rel: &str, id: &str) -> Self {
        self.refs.push(Value::map([("id", id), ("rel", rel)]));
        self
    }

    /// Adds a public document by its hash.
    #[must_use]
    pub fn document(mut self, document: Value) -> Self {
        self.documents.push(document);
        self
    }

    /// Adds a sealed field; they are sorted when the record is built.
    #[must_use]
    pub fn sealed(mut self, field: SealedField) -> Self {
        self.sealed.push(field);
        self
    }

    /// Says where the record was taken from: `row`, `file`, `map`, `rounded`.
    #[must_use]
    pub fn source(self, source: Value) -> Self {
        self.set("source", source)
    }

    /// Sets any member of the record; what the grammar does not know is refused by `build`.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// The record in its canonical form.
    ///
    /// # Errors
    /// The first rule it breaks; the pointer is into the record.
    pub fn build(mut self) -> Result<Record, Refusal> {
        self.sealed.sort_by(|a, b| a.path.cmp(&b.path));
        let sealed = self.sealed.iter().map(SealedField::to_value).collect();
        for (name, items) in
            [("refs", self.refs), ("documents", self.documents), ("sealed", sealed)]
        {
            if !items.is_empty() {
                self.members.insert(name.to_owned(), Value::List(items));
            }
        }
        Record::parse(&json::to_canonical(&Value::Map(self.members)))
    }
}

/// Seals a value: what goes into the record, and what opens it.
///
/// `name` must be the last name of `path`; `salt` must be 16 fresh random bytes. Disclosures of
/// fields held by the log are sent in the order of their paths.
///
/// Spec: RFC 9901 §4.2.
pub fn seal(
    path: &str,
    name: &str,
    value: Value,
    salt: [u8; 16],
    held: HeldBy,
) -> (SealedField, Disclosure) {
    let disclosure = Disclosure::new(salt, name, value);
    let field = SealedField {
        path: path.to_owned(),
        digest: disclosure.digest(),
        held,
        why: None,
        until: None,
    };
    (field, disclosure)
}

/// The commitment to a document that stays secret until it is revealed: 64 hexadecimal digits.
///
/// `object` and `submitter` are those of the record that commits, so that nobody can copy it for
/// another object or as another; `salt` must be fresh random bytes, kept until the reveal.
pub fn commitment(object: &str, submitter: &str, salt: &[u8; 32], sha256: &[u8; 32]) -> String {
    let hash = Sha256::new()
        .chain_update(b"civiclog/commitment@1\n")
        .chain_update(object)
        .chain_update(b"\n")
        .chain_update(submitter)
        .chain_update(b"\n")
        .chain_update(salt)
        .chain_update(sha256)
        .finalize();
    hex::encode(&hash)
}

#[cfg(test)]
mod tests;
