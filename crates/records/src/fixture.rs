//! A small log for tests: one governance key, one treasury, its records.
//!
//! Here and not in `testlog`, whose `records` would be another crate to the unit tests of this one.

use std::collections::BTreeMap;

use base64::Engine as _;
use sha2::Digest as _;

use crate::admit::{Admitted, Verdict, admit};
use crate::build::{RecordDraft, seal};
use crate::entry_index::EntryIndex;
use crate::json::Value;
use crate::jwk::Algorithm;
use crate::jws::P256Verify;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::sealed::{Disclosure, HeldBy};
use crate::signing::SigningKey;
use crate::state;
use crate::submission::{CheckedSubmission, Submission};

pub(crate) const ORIGIN: &str = "log.example/spending-2026";
pub(crate) const BODY: &str = "GB-LAE-DEV";
/// 2026-01-05T00:00:00Z.
pub(crate) const ADMITTED_MS: u64 = 1_767_571_200_000;

pub(crate) fn key(algorithm: Algorithm, number: u8) -> SigningKey {
    SigningKey::generate_from_seed(algorithm, [number; 32]).unwrap()
}

pub(crate) fn governance() -> SigningKey {
    key(Algorithm::Ed25519, 1)
}

pub(crate) fn treasury() -> SigningKey {
    key(Algorithm::Es256, 2)
}

pub(crate) fn stranger() -> SigningKey {
    key(Algorithm::Es256, 3)
}

pub(crate) fn vkey() -> String {
    let mut material = vec![1];
    let crate::jwk::RawPublicKey::Ed25519(bytes) = *governance().public().raw() else {
        unreachable!()
    };
    material.extend_from_slice(&bytes);
    let hash = sha2::Sha256::new()
        .chain_update(ORIGIN)
        .chain_update(b"\n")
        .chain_update(&material)
        .finalize();
    let text = base64::engine::general_purpose::STANDARD.encode(material);
    format!("{ORIGIN}+{}+{text}", hex::encode(&hash[..4]))
}

pub(crate) fn genesis_data() -> Value {
    let next = key(Algorithm::Ed25519, 99).public().kid().to_string();
    Value::map([
        ("engine", Value::Int(1)),
        (
            "governance",
            Value::map([
                ("keys", Value::list([governance().public().to_jwk()])),
                ("next", Value::list([next])),
                ("threshold", Value::Int(1)),
            ]),
        ),
        ("policy", Value::list(["log x", "quorum none"])),
        ("vkeys", Value::list([vkey()])),
    ])
}

pub(crate) fn registry(kind: &str, object: &str, data: Value) -> RecordDraft {
    RecordDraft::new(ORIGIN, "registry/1", kind)
        .object(object)
        .submitter("log")
        .occurred("2026-01-01")
        .data(data)
}

pub(crate) fn submitter_add(id: &str, body: &str, key: &SigningKey) -> RecordDraft {
    let data = Value::map([
        ("bodies", Value::list([body])),
        ("key", key.public().to_jwk()),
        ("profiles", Value::list(["contract/1", "spending/1"])),
        ("submitter", id.into()),
    ]);
    registry("submitter.add", &format!("log/submitter/{id}"), data)
}

pub(crate) fn key_add(id: &str, key: &SigningKey) -> RecordDraft {
    let object = format!("log/key/{}", key.public().kid());
    let data = Value::map([("key", key.public().to_jwk()), ("submitter", id.into())]);
    registry("key.add", &object, data)
}

pub(crate) fn key_revoke(key: &SigningKey) -> RecordDraft {
    let kid = key.public().kid().to_string();
    let object = format!("log/revoke/{kid}");
    registry("key.revoke", &object, Value::map([("kid", kid)]))
}

pub(crate) fn payment_data(value: &str, currency: &str) -> Value {
    Value::map([
        ("amount", Value::map([("currency", currency), ("value", value)])),
        ("native", "CFADDAY36539932".into()),
        ("payee", Value::map([("id", "XI-LOCAL-89507")])),
        ("payer", Value::map([("id", BODY)])),
    ])
}

/// As [`payment_data`], with a native identifier of its own.
pub(crate) fn numbered_data(number: u32, value: &str) -> Value {
    let Value::Map(mut members) = payment_data(value, "GBP") else { unreachable!() };
    members.insert("native".to_owned(), format!("CFADDAY{number}").into());
    Value::Map(members)
}

pub(crate) fn payee_name() -> (crate::SealedField, Disclosure) {
    seal("/data/payee/name", "name", "Orchard Care Ltd".into(), [9; 16], HeldBy::Log)
}

pub(crate) fn payment(number: u32) -> RecordDraft {
    RecordDraft::new(ORIGIN, "spending/1", "payment")
        .object(&format!("{BODY}/payment/{number}"))
        .submitter(BODY)
        .occurred("2026-01-02")
        .data(numbered_data(number, "3605.68"))
        .source(Value::map([("row", Value::Int(2))]))
}

/// A payment with its sealed payee, signed by the treasury.
pub(crate) fn posted(number: u32) -> Vec<u8> {
    let (field, disclosure) = payee_name();
    signed(&payment(number).sealed(field).build().unwrap(), &[&treasury()], &[disclosure])
}

pub(crate) fn signed(record: &Record, keys: &[&SigningKey], disclosures: &[Disclosure]) -> Vec<u8> {
    let signatures: Vec<_> = keys.iter().map(|key| key.sign_detached(record.bytes())).collect();
    Submission::assemble(record, &signatures, disclosures)
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) entries: Vec<Vec<u8>>,
}

impl Log {
    /// Genesis and the treasury are entries 0 and 1.
    pub(crate) fn with_treasury() -> Self {
        let mut log = Self::default();
        let genesis = registry("genesis", "log/genesis", genesis_data()).build().unwrap();
        log.accept(&signed(&genesis, &[&governance()], &[]));
        let add = submitter_add(BODY, BODY, &treasury()).build().unwrap();
        log.accept(&signed(&add, &[&governance(), &treasury()], &[]));
        log
    }

    pub(crate) fn judge(&self, posted: &[u8]) -> Result<Verdict, Refusal> {
        let submission = Submission::parse(posted, ORIGIN)?;
        let known =
            |kid: &crate::Kid| state::key(&self.state, kid).map(|key| key.map(|k| k.public));
        let checked = CheckedSubmission::check(submission, known, &P256Verify).unwrap()?;
        let index = EntryIndex::new(self.entries.len().try_into().unwrap());
        Ok(admit(&self.state, index, ADMITTED_MS, &checked, &P256Verify).unwrap())
    }

    pub(crate) fn accept(&mut self, posted: &[u8]) -> Admitted {
        match self.judge(posted) {
            Ok(Verdict::Accepted(admitted)) => {
                self.state.extend(admitted.changes.iter().cloned());
                self.entries.push(admitted.entry.clone());
                admitted
            }
            other => panic!("expected acceptance, got {other:?}"),
        }
    }

    pub(crate) fn accept_record(&mut self, draft: RecordDraft) -> Record {
        let record = draft.build().unwrap();
        self.accept(&signed(&record, &[&treasury()], &[]));
        record
    }

    /// The refusal of a submission, wherever it is refused; checks the form of its words.
    pub(crate) fn refusal(&self, posted: &[u8]) -> Refusal {
        let refusal = match self.judge(posted) {
            Err(refusal) | Ok(Verdict::Refused(refusal) | Verdict::Conflict { refusal, .. }) => {
                refusal
            }
            Ok(other) => panic!("expected a refusal, got {other:?}"),
        };
        assert_form(&refusal);
        refusal
    }

    pub(crate) fn refusal_of(&self, draft: RecordDraft, keys: &[&SigningKey]) -> Refusal {
        match draft.build() {
            Ok(record) => self.refusal(&signed(&record, keys, &[])),
            Err(refusal) => refusal,
        }
    }
}

/// Every refusal says what was expected, what came and the fix, and points somewhere.
pub(crate) fn assert_form(refusal: &Refusal) {
    let words = &refusal.message;
    assert!(
        words.starts_with("expected ") && words.contains(", got ") && words.contains("; fix: "),
        "{words}"
    );
    assert!(refusal.pointer.is_empty() || refusal.pointer.starts_with('/'), "{refusal}");
    assert!(crate::RuleId::find(refusal.rule.as_str()).is_some());
}

/// Replaces text in posted bytes; the text must be there.
pub(crate) fn replaced(posted: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(posted).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1).into_bytes()
}
