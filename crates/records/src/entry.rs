//! An entry: the stored bytes of one leaf. The record, its signatures, and when it was admitted.
//!
//! `{"admitted":…,"flags":[…],"record":{…},"signatures":[…],"v":1}`, canonical; `flags` is always there.

use crate::admit::{AdmitError, Admitted, EntryIndex, Verdict, admit};
use crate::fields::Members;
use crate::json::{self, Limits, Value};
use crate::jws::{DetachedJws, Es256Verify};
use crate::record::Record;
use crate::refusal::{At, Refusal, RuleId, refuse};
use crate::state::State;
use crate::submission::{
    CheckedSubmission, Submission, missing_signatures, parse_signatures, write_texts,
};

pub use crate::date::{format_millis, parse_millis};

/// A well-formed entry. Whether the rules produce it is for [`replay`] to say.
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

    /// The canonical bytes.
    pub fn to_canonical(&self) -> Vec<u8> {
        encode(self.admitted_ms, &self.flags, &self.record, &self.signatures)
    }
}

/// Judges a downloaded entry again.
///
/// `state` is the state after the entries before it, `not_before_ms` the admission time of the
/// entry before it (0 for entry 0). Accepted is what comes out byte for byte as it went in.
///
/// # Errors
/// [`AdmitError`] when the state cannot be read; inside, the refusal: of the entry's form, of the
/// record, or `E23` when the rules produce other bytes.
pub fn replay<S: State>(
    state: &S,
    index: EntryIndex,
    origin: &str,
    not_before_ms: u64,
    entry: &[u8],
    es256: &dyn Es256Verify,
) -> Result<Result<Admitted, Refusal>, AdmitError<S::Error>> {
    let parsed = match Entry::parse(entry) {
        Ok(parsed) => parsed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let admitted_ms = parsed.admitted_ms;
    if admitted_ms < not_before_ms {
        return Ok(Err(deviates(
            "/admitted",
            "a time not before the entry before it",
            "an earlier one",
        )));
    }
    let submission = Submission::of_entry(parsed.record, parsed.signatures);
    if let Err(refusal) = submission.expect_log(origin) {
        return Ok(Err(refusal));
    }
    let checked = CheckedSubmission::unchecked(submission);
    Ok(match admit(state, index, admitted_ms, &checked, es256)? {
        Verdict::Accepted(admitted) if admitted.entry == entry => Ok(admitted),
        Verdict::Accepted(_) => Err(deviates("/flags", "the flags the rules give", "others")),
        Verdict::AlreadyThere { index } => {
            Err(deviates("/record", "a record once", &format!("that of entry {index} again")))
        }
        Verdict::Conflict { refusal, .. } | Verdict::Refused(refusal) => Err(refusal),
    })
}

fn deviates(pointer: &str, expected: &str, got: &str) -> Refusal {
    refuse(RuleId::REPLAY, pointer, expected, got, "none: the log broke its rules")
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
