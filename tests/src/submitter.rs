//! A treasury: a key, and records that it signs. Everything follows from numbers, so that the same
//! number is the same record, byte for byte, in every run.

use records::{
    Algorithm, Disclosure, HeldBy, Record, RecordDraft, RecordHash, SigningKey, Submission, Value,
    seal,
};
use sha2::{Digest as _, Sha256};

/// A submitter with one key.
#[derive(Debug)]
pub struct Treasury {
    origin: String,
    id: String,
    key: SigningKey,
}

impl Treasury {
    /// A treasury whose key follows from `seed`.
    pub fn new(origin: &str, id: &str, algorithm: Algorithm, seed: u8) -> Self {
        Self::with_key(origin, id, key(algorithm, seed))
    }

    /// A treasury with a key that it has already.
    pub fn with_key(origin: &str, id: &str, key: SigningKey) -> Self {
        Self { origin: origin.to_owned(), id: id.to_owned(), key }
    }

    /// Its id, which is also the body it writes for.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its key.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The log it writes to.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The object of payment `number`.
    pub fn payment_object(&self, number: u64) -> String {
        format!("{}/payment/{number}", self.id)
    }

    /// Payment `number`, not sealed or signed yet.
    pub fn payment(&self, number: u64) -> RecordDraft {
        let amount = format!("{}.{:02}", 500 + number % 90_000, number % 100);
        RecordDraft::new(&self.origin, "spending/1", "payment")
            .object(&self.payment_object(number))
            .submitter(&self.id)
            .occurred("2026-01-02")
            .data(Value::map([
                ("amount", Value::map([("currency", "GBP"), ("value", amount.as_str())])),
                ("native", format!("CFADDAY{number}").as_str().into()),
                ("payee", Value::map([("id", format!("XI-LOCAL-{}", number % 997).as_str())])),
                ("payer", Value::map([("id", self.id.as_str())])),
            ]))
    }

    /// Payment `number` with the payee's name sealed, as a real one has it.
    pub fn sealed_payment(&self, number: u64) -> (Record, Disclosure) {
        let name = format!("Harrowmere Supplies {} Ltd", number % 997);
        let (field, disclosure) =
            seal("/data/payee/name", "name", name.as_str().into(), salt(number), HeldBy::Log);
        let record = self.payment(number).sealed(field).build().expect("a payment");
        (record, disclosure)
    }

    /// Payment `number` as it is posted.
    pub fn payment_bytes(&self, number: u64) -> Vec<u8> {
        let (record, disclosure) = self.sealed_payment(number);
        self.sign(&record, &[disclosure])
    }

    /// A contract as it is posted.
    pub fn contract_bytes(&self, number: u64) -> Vec<u8> {
        let (field, disclosure) = seal(
            "/data/supplier/name",
            "name",
            format!("Fairpath Works {number} Ltd").as_str().into(),
            salt(number),
            HeldBy::Log,
        );
        let record = RecordDraft::new(&self.origin, "contract/1", "register")
            .object(&format!("{}/contract/{number}", self.id))
            .submitter(&self.id)
            .occurred("2026-01-02")
            .data(Value::map([
                ("buyer", Value::map([("id", self.id.as_str())])),
                ("signed", "2025-12-01".into()),
                ("supplier", Value::map([("id", format!("XI-LOCAL-{number}").as_str())])),
                ("value", Value::map([("currency", "GBP"), ("value", "120000.00")])),
            ]))
            .sealed(field)
            .build()
            .expect("a contract");
        self.sign(&record, &[disclosure])
    }

    /// The correction of payment `number`'s revision 0, as it is posted.
    pub fn correction_bytes(&self, number: u64, prev: RecordHash) -> Vec<u8> {
        let record = self
            .payment(number)
            .data(Value::map([
                ("amount", Value::map([("currency", "GBP"), ("value", "1.00")])),
                ("payee", Value::map([("id", "XI-LOCAL-1")])),
                ("payer", Value::map([("id", self.id.as_str())])),
            ]))
            .correct(1, prev, 0, "cor-pub")
            .build()
            .expect("a correction");
        self.sign(&record, &[])
    }

    /// Signs a record with this treasury's key.
    pub fn sign(&self, record: &Record, disclosures: &[Disclosure]) -> Vec<u8> {
        Submission::assemble(record, &[self.key.sign_detached(record.bytes())], disclosures)
    }

    /// Signs a draft without disclosures.
    ///
    /// # Panics
    /// When the draft breaks a rule; records that break one are made with [`RawSubmission`].
    pub fn sign_draft(&self, draft: RecordDraft) -> Vec<u8> {
        self.sign(&draft.build().expect("a record"), &[])
    }

    /// A payment as text, to be broken by a test before it is signed.
    pub fn raw_payment(&self, number: u64) -> RawSubmission {
        let (record, disclosure) = self.sealed_payment(number);
        RawSubmission {
            record: String::from_utf8(record.bytes().to_vec()).expect("JSON is UTF-8"),
            disclosures: vec![disclosure.text().to_owned()],
        }
    }
}

/// A key that follows from a seed.
pub fn key(algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::generate_from_seed(algorithm, [seed; 32]).expect("a seed that is a key")
}

/// A submission as text, for tests that send what no careful client would.
#[derive(Clone, Debug)]
pub struct RawSubmission {
    /// The record's JSON.
    pub record: String,
    /// The disclosures.
    pub disclosures: Vec<String>,
}

impl RawSubmission {
    /// Replaces a text in the record.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn replace(mut self, from: &str, to: &str) -> Self {
        assert!(self.record.contains(from), "{from} is not in {}", self.record);
        self.record = self.record.replacen(from, to, 1);
        self
    }

    /// The submission, with this key's true signature over the record as it is now.
    pub fn signed(&self, key: &SigningKey) -> Vec<u8> {
        self.with_signature(&key.sign_detached(self.record.as_bytes()).to_text())
    }

    /// The submission with this text as its signature.
    pub fn with_signature(&self, signature: &str) -> Vec<u8> {
        let disclosures: Vec<String> =
            self.disclosures.iter().map(|it| format!("\"{it}\"")).collect();
        let disclosures = if disclosures.is_empty() {
            String::new()
        } else {
            format!("\"disclosures\":[{}],", disclosures.join(","))
        };
        let record = &self.record;
        format!("{{{disclosures}\"record\":{record},\"signatures\":[\"{signature}\"]}}")
            .into_bytes()
    }
}

/// A salt that is as random as a test needs it.
fn salt(number: u64) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(number.to_be_bytes()).into();
    let mut salt = [0; 16];
    salt.copy_from_slice(&hash[..16]);
    salt
}
