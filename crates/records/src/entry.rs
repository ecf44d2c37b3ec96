//! An entry: the stored bytes of one leaf. The record, its signatures, and when it was admitted.
//!
//! `{"admitted":…,"flags":[…],"record":{…},"signatures":[…],"v":1}`, canonical; `flags` is always there.

use crate::fields::Members;
use crate::json::{self, Limits, Value};
use crate::jws::DetachedJws;
use crate::record::Record;
use crate::refusal::{At, Refusal, RuleId, refuse};
use crate::submission::{Submission, missing_signatures, parse_signatures, write_texts};

pub use crate::date::{format_millis, parse_millis};

/// A well-formed entry. Whether the rules produce it is for [`replay`](crate::replay()) to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    admitted_ms: u64,
    flags: Vec<RuleId>,
    record: Record,
    signatures: Vec<DetachedJws>,
}

impl Entry {
    /// Reads the bytes of an entry.
    ///
    /// # Errors
    /// The first rule it breaks; the pointer is into the entry.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let document = json::parse_document(bytes, &Limits::ENTRY, "record")?;
        let mut members = Members::of(document.value, At::Root, RuleId::GRAMMAR)?;
        if members.optional_int("v", 1)? != Some(1) {
            return Err(members.wrong("v", "1", "another version or nothing", "read another log"));
        }
        let admitted = members.text("admitted")?;
        let admitted_ms = parse_millis(&admitted).ok_or_else(|| {
            members.wrong(
                "admitted",
                "RFC 3339 UTC with milliseconds",
                "another text",
                "none: the entry is broken",
            )
        })?;
        let flags = parse_flags(members.required("flags")?)?;
        let record = members.required("record")?;
        let signatures = parse_signatures(members.optional_list("signatures")?)?;
        members.finish()?;
        if signatures.is_empty() {
            return Err(missing_signatures());
        }
        let span = document.span.and_then(|span| bytes.get(span)).unwrap_or_default();
        let record = Record::from_value(record, span, At::Fixed("/record"))?;
        Ok(Self { admitted_ms, flags, record, signatures })
    }

    /// When the log admitted it, in Unix milliseconds.
    pub const fn admitted_ms(&self) -> u64 {
        self.admitted_ms
    }

    /// What was noticed at admission, sorted.
    pub fn flags(&self) -> &[RuleId] {
        &self.flags
    }

    /// The record.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The signatures, sorted by kid.
    pub fn signatures(&self) -> &[DetachedJws] {
        &self.signatures
    }

    /// The submission that it was made of; disclosures are kept elsewhere.
    pub(crate) fn into_submission(self) -> Submission {
        Submission::of_entry(self.record, self.signatures)
    }

    /// The canonical bytes.
    pub fn to_canonical(&self) -> Vec<u8> {
        encode(self.admitted_ms, &self.flags, &self.record, &self.signatures)
    }
}

/// The canonical bytes of an entry.
pub(crate) fn encode(
    admitted_ms: u64,
    flags: &[RuleId],
    record: &Record,
    signatures: &[DetachedJws],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.bytes().len().saturating_add(512));
    write_start(&mut out, admitted_ms, flags);
    out.extend_from_slice(record.bytes());
    out.extend_from_slice(b",\"signatures\":");
    let texts: Vec<String> = signatures.iter().map(DetachedJws::to_text).collect();
    write_texts(&mut out, texts.iter().map(String::as_str));
    out.extend_from_slice(b",\"v\":1}");
    out
}

/// How the bytes of an entry begin, up to its record: what the log itself adds in front of what was
/// submitted.
pub fn entry_start(admitted_ms: u64, flags: &[RuleId]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    write_start(&mut out, admitted_ms, flags);
    out
}

fn write_start(out: &mut Vec<u8>, admitted_ms: u64, flags: &[RuleId]) {
    out.extend_from_slice(b"{\"admitted\":\"");
    out.extend_from_slice(format_millis(admitted_ms).as_bytes());
    out.extend_from_slice(b"\",\"flags\":");
    write_texts(out, flags.iter().map(|flag| flag.as_str()));
    out.extend_from_slice(b",\"record\":");
}

fn parse_flags(value: Value) -> Result<Vec<RuleId>, Refusal> {
    let refused = || {
        refuse(
            RuleId::GRAMMAR,
            "/flags",
            "a sorted list of W… rule ids, each once",
            "another value",
            "none: the entry is broken",
        )
    };
    let Value::List(items) = value else { return Err(refused()) };
    let mut flags: Vec<RuleId> = Vec::with_capacity(items.len());
    for item in items {
        let flag = item.as_text().filter(|text| text.starts_with('W')).and_then(RuleId::find);
        let flag = flag.filter(|flag| flags.last().is_none_or(|last| last < flag));
        flags.push(flag.ok_or_else(refused)?);
    }
    Ok(flags)
}

#[cfg(test)]
mod tests;
