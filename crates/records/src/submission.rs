//! A submission: what is posted. Record, signatures, and the disclosures the log shall hold.
//!
//! [`Submission::parse`] does all that needs no state; [`CheckedSubmission::check`] verifies the
//! signatures of known keys. Both are safe to run in parallel: a kid is a thumbprint, so the result
//! of a signature never goes stale.

use crate::json::{self, Limits, Value};
use crate::jwk::{Kid, PublicKey};
use crate::jws::{DetachedJws, Es256Verify};
use crate::limits::SIGNATURES_MAX;
use crate::record::Record;
use crate::refusal::{At, Refusal, RuleId};
use crate::sealed::{self, Disclosure};

/// A well-formed submission. Its signatures are not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    record: Record,
    signatures: Vec<DetachedJws>,
    disclosures: Vec<Disclosure>,
}

impl Submission {
    /// Reads a submission to the log `origin`.
    ///
    /// # Errors
    /// The first rule it breaks that can be judged without state; the pointer is into the submission.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, Refusal> {
        let document = json::parse_document(bytes, &Limits::SUBMISSION, "record")?;
        let span = document.span.and_then(|span| bytes.get(span));
        let submission = Self::from_value(document.value, span)?;
        if submission.signatures.is_empty() {
            return Err(missing_signatures());
        }
        submission.expect_log(origin)?;
        Ok(submission)
    }

    /// Reads a submission that is still being signed: any JSON form, no or few signatures.
    ///
    /// # Errors
    /// As [`Submission::parse`], but for the form, the number of signatures and the log.
    pub fn parse_draft(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::from_value(json::parse(bytes, &Limits::DRAFT)?, None)
    }

    /// A submission of a record that nobody signed yet.
    ///
    /// # Errors
    /// `E17` unless these are the disclosures of the fields held by the log, in their order.
    pub fn unsigned(record: Record, disclosures: Vec<Disclosure>) -> Result<Self, Refusal> {
        sealed::check_disclosures(record.sealed(), &disclosures)?;
        Ok(Self { record, signatures: Vec::new(), disclosures })
    }

    /// The bytes to post, from parts that were made by this crate. Signatures are sorted here.
    pub fn assemble(
        record: &Record,
        signatures: &[DetachedJws],
        disclosures: &[Disclosure],
    ) -> Vec<u8> {
        let mut signatures: Vec<&DetachedJws> = signatures.iter().collect();
        signatures.sort_by(|a, b| a.kid().cmp(b.kid()));
        encode(record, &signatures, disclosures)
    }

    /// Adds a signature, in its place; one of the same key is replaced.
    pub fn add_signature(&mut self, signature: DetachedJws) {
        self.signatures.retain(|other| other.kid() != signature.kid());
        self.signatures.push(signature);
        self.signatures.sort_by(|a, b| a.kid().cmp(b.kid()));
    }

    /// The record.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The signatures, sorted by kid, distinct.
    pub fn signatures(&self) -> &[DetachedJws] {
        &self.signatures
    }

    /// The disclosures of the fields the log holds, in the order of `sealed`.
    pub fn disclosures(&self) -> &[Disclosure] {
        &self.disclosures
    }

    /// The bytes that are posted.
    pub fn to_canonical(&self) -> Vec<u8> {
        encode(&self.record, &self.signatures.iter().collect::<Vec<_>>(), &self.disclosures)
    }

    /// A submission as an entry carries it: disclosures are kept elsewhere and may be gone.
    pub(crate) const fn of_entry(record: Record, signatures: Vec<DetachedJws>) -> Self {
        Self { record, signatures, disclosures: Vec::new() }
    }

    /// Refuses a record for another log.
    pub(crate) fn expect_log(&self, origin: &str) -> Result<(), Refusal> {
        if self.record.log() == origin {
            return Ok(());
        }
        Err(At::Fixed("/record/log").refuse(
            RuleId::OTHER_LOG,
            format_args!("\"{origin}\""),
            "the name of another log",
            "send it to the log it names, or make a record for this one",
        ))
    }

    fn from_value(value: Value, record_bytes: Option<&[u8]>) -> Result<Self, Refusal> {
        let root = At::Root;
        let mut members = crate::fields::Members::of(value, root, RuleId::GRAMMAR)?;
        let record = members.required("record")?;
        let signatures = members.optional_list("signatures")?;
        let disclosures = members.optional_list("disclosures")?;
        members.finish()?;
        let at = At::Fixed("/record");
        let rewritten = record_bytes.is_none().then(|| json::to_canonical(&record));
        let bytes = record_bytes.or(rewritten.as_deref()).unwrap_or_default();
        let record = Record::from_value(record, bytes, at)?;
        let signatures = parse_signatures(signatures)?;
        let disclosures = parse_disclosures(disclosures)?;
        sealed::check_disclosures(record.sealed(), &disclosures)?;
        Ok(Self { record, signatures, disclosures })
    }
}

/// Reads `signatures`: at most four, sorted by kid, distinct.
pub(crate) fn parse_signatures(items: Vec<Value>) -> Result<Vec<DetachedJws>, Refusal> {
    let list = At::Fixed("/signatures");
    if items.len() > SIGNATURES_MAX {
        return Err(list.refuse(
            RuleId::SIGNATURE,
            format_args!("at most {SIGNATURES_MAX} signatures"),
            items.len(),
            "leave some out",
        ));
    }
    let mut signatures: Vec<DetachedJws> = Vec::with_capacity(items.len());
    for (position, item) in items.into_iter().enumerate() {
        let here = list.item(position);
        let Value::Text(text) = item else {
            return Err(here.refuse(
                RuleId::SIGNATURE,
                "a detached JWS as text",
                item.kind(),
                "write header..signature",
            ));
        };
        let signature =
            DetachedJws::parse(&text).map_err(|refusal| refusal.under(&here.pointer()))?;
        if signatures.last().is_some_and(|last| last.kid() >= signature.kid()) {
            return Err(here.refuse(
                RuleId::SIGNATURE,
                "signatures in ascending order of kid, each kid once",
                "another order or the same kid again",
                "sort them and remove doubles",
            ));
        }
        signatures.push(signature);
    }
    Ok(signatures)
}

pub(crate) fn missing_signatures() -> Refusal {
    At::Fixed("/signatures").refuse(
        RuleId::SIGNATURE,
        "at least one signature",
        "none",
        "sign the canonical record",
    )
}

fn parse_disclosures(items: Vec<Value>) -> Result<Vec<Disclosure>, Refusal> {
    let list = At::Fixed("/disclosures");
    let read = |(position, item): (usize, Value)| {
        let here = list.item(position);
        let Value::Text(text) = item else {
            return Err(here.refuse(
                RuleId::DISCLOSURE,
                "a disclosure as text",
                item.kind(),
                "write it in quotes",
            ));
        };
        Disclosure::parse(&text).map_err(|refusal| refusal.under(&here.pointer()))
    };
    items.into_iter().enumerate().map(read).collect()
}

fn encode(record: &Record, signatures: &[&DetachedJws], disclosures: &[Disclosure]) -> Vec<u8> {
    let mut out = vec![b'{'];
    if !disclosures.is_empty() {
        out.extend_from_slice(b"\"disclosures\":");
        write_texts(&mut out, disclosures.iter().map(Disclosure::text));
        out.push(b',');
    }
    out.extend_from_slice(b"\"record\":");
    out.extend_from_slice(record.bytes());
    out.extend_from_slice(b",\"signatures\":");
    let texts: Vec<String> = signatures.iter().map(|signature| signature.to_text()).collect();
    write_texts(&mut out, texts.iter().map(String::as_str));
    out.push(b'}');
    out
}

/// A list of texts that need no escaping: base64url, dots, rule ids.
pub(crate) fn write_texts<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'a str>) {
    out.push(b'[');
    for (position, text) in texts.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
    out.push(b']');
}

/// What is known about one signature before the record is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureCheck {
    /// The key with this thumbprint made it. Whether the key counts is judged later.
    Verified,
    /// No such key was known at the time; it is verified when the record is judged, if it is known then.
    KeyUnknown,
}

/// A submission none of whose signatures is known to be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedSubmission {
    submission: Submission,
    checks: Vec<SignatureCheck>,
}

impl CheckedSubmission {
    /// Verifies the signatures of the keys that `keys` knows.
    ///
    /// # Errors
    /// The error of `keys`; inside, `E13` for a signature that does not verify.
    pub fn check<E>(
        submission: Submission,
        keys: impl Fn(&Kid) -> Result<Option<PublicKey>, E>,
        es256: &dyn Es256Verify,
    ) -> Result<Result<Self, Refusal>, E> {
        let mut checks = Vec::with_capacity(submission.signatures.len());
        for (position, signature) in submission.signatures.iter().enumerate() {
            let Some(key) = keys(signature.kid())? else {
                checks.push(SignatureCheck::KeyUnknown);
                continue;
            };
            if !signature.verify(&key, submission.record.bytes(), es256) {
                return Ok(Err(wrong_signature(position)));
            }
            checks.push(SignatureCheck::Verified);
        }
        Ok(Ok(Self { submission, checks }))
    }

    /// A submission all of whose signatures are left to the judgement.
    pub fn unchecked(submission: Submission) -> Self {
        let checks = vec![SignatureCheck::KeyUnknown; submission.signatures.len()];
        Self { submission, checks }
    }

    /// The submission.
    pub const fn submission(&self) -> &Submission {
        &self.submission
    }

    /// The record.
    pub const fn record(&self) -> &Record {
        &self.submission.record
    }

    /// What is known about each signature, in their order.
    pub fn checks(&self) -> &[SignatureCheck] {
        &self.checks
    }
}

pub(crate) fn wrong_signature(position: usize) -> Refusal {
    At::Fixed("/signatures").item(position).refuse(
        RuleId::SIGNATURE,
        "a signature of the named key over the canonical record",
        "one that does not verify",
        "sign the canonical bytes of the record that is sent",
    )
}

#[cfg(test)]
mod tests;
