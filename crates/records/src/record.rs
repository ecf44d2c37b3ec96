//! A record: what a submitter says, in its one canonical form, parsed into a typed view.
//!
//! A value of [`Record`] is the proof that everything about it that needs no state was checked:
//! grammar, names, dates, money, sealed fields, the data of its profile.

mod chain;
mod parts;

use std::fmt;

use sha2::{Digest as _, Sha256};

pub use parts::{DocumentRef, Reference, Source, Target};

use chain::Chain;

use crate::base64url;
use crate::date;
use crate::fields::Members;
use crate::json::{self, Limits, Value};
use crate::jwk::PublicKey;
use crate::limits::RECORD_BYTES_MAX;
use crate::name;
use crate::profile::{self, Body};
use crate::refusal::{At, Refusal, RuleId};
use crate::sealed::{self, SealedField};

/// SHA-256 of a record's canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordHash([u8; 32]);

impl RecordHash {
    /// Takes a hash that was computed elsewhere.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash of canonical record bytes.
    pub fn of(record_bytes: &[u8]) -> Self {
        Self(Sha256::digest(record_bytes).into())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the base64url text that `prev` carries.
    pub fn parse(text: &str) -> Option<Self> {
        base64url::decode_32(text).map(Self)
    }
}

impl fmt::Display for RecordHash {
    /// base64url, unpadded, as `prev` carries it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordHash({self})")
    }
}

/// What a revision does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// The first revision.
    Add,
    /// A later step in the object's life.
    Next,
    /// Replaces the revision `of`.
    Correct,
    /// Takes the revision `of` back; says nothing new.
    Void,
}

impl Op {
    /// The word in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Next => "next",
            Self::Correct => "correct",
            Self::Void => "void",
        }
    }

    /// Reads the word.
    pub fn find(text: &str) -> Option<Self> {
        [Self::Add, Self::Next, Self::Correct, Self::Void]
            .into_iter()
            .find(|op| op.as_str() == text)
    }

    /// Whether it replaces an earlier revision.
    pub const fn replaces(self) -> bool {
        matches!(self, Self::Correct | Self::Void)
    }
}

/// A well-formed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    bytes: Vec<u8>,
    hash: RecordHash,
    log: String,
    profile: String,
    kind: String,
    object: String,
    rev: u32,
    op: Op,
    prev: Option<RecordHash>,
    of: Option<u32>,
    why: Option<String>,
    submitter: String,
    occurred: String,
    data: Value,
    refs: Vec<Reference>,
    sealed: Vec<SealedField>,
    documents: Vec<DocumentRef>,
    source: Option<Source>,
    body: Body,
}

impl Record {
    /// Reads the canonical bytes of one record.
    ///
    /// # Errors
    /// The first rule it breaks; the pointer is into the record.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let value = json::parse(bytes, &Limits::RECORD)?;
        Self::from_value(value, bytes, At::Root)
    }

    /// Takes a record apart that was read as part of a larger document; `bytes` are its own bytes there.
    pub(crate) fn from_value(value: Value, bytes: &[u8], at: At<'_>) -> Result<Self, Refusal> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(at.refuse(
                RuleId::TOO_LARGE,
                format_args!("a record of at most {RECORD_BYTES_MAX} bytes"),
                format_args!("{} bytes", bytes.len()),
                "seal long texts with held \"submitter\" or log them as documents",
            ));
        }
        let mut members = Members::of(value, at, RuleId::GRAMMAR)?;
        if members.optional_int("v", 1)? != Some(1) {
            return Err(members.wrong("v", "1", "another version or nothing", "write \"v\":1"));
        }
        let log = members.text_of("log", "the origin of a log", name::is_origin)?;
        let profile =
            members.text_of("profile", "a profile such as spending/1", name::is_profile)?;
        let kind = members.text_of("kind", "a kind in lower case", name::is_kind)?;
        let object = members.text_of(
            "object",
            "segments of [A-Za-z0-9._~-]+ joined by /, at least two, none . or .., at most 200 bytes",
            name::is_object,
        )?;
        let submitter =
            members.text_of("submitter", "an id such as GB-LAE-DEV", name::is_submitter)?;
        let occurred =
            members.text_of("occurred", "a date of the calendar, YYYY-MM-DD", |text| {
                date::parse_date(text).is_some()
            })?;
        let chain = Chain::take(&mut members)?;
        let data = members.required("data")?;
        if !matches!(data, Value::Map(_)) {
            return Err(members.wrong("data", "an object", data.kind(), "write {} around it"));
        }
        let refs = take_items(&mut members, &at, "refs", parts::reference)?;
        let sealed = take_items(&mut members, &at, "sealed", SealedField::from_value)?;
        let documents = take_items(&mut members, &at, "documents", parts::document)?;
        let source = members
            .take("source")
            .map(|value| parts::source(value, at.member("source")))
            .transpose()?;
        members.finish()?;
        sealed::check_fields(&sealed, &data, &at)?;
        let Chain { rev, op, prev, of, why } = chain;
        let mut record = Self {
            bytes: bytes.to_vec(),
            hash: RecordHash::of(bytes),
            log,
            profile,
            kind,
            object,
            rev,
            op,
            prev,
            of,
            why,
            submitter,
            occurred,
            data,
            refs,
            sealed,
            documents,
            source,
            body: Body::Unchecked,
        };
        record.body = profile::check(&record, &at)?;
        Ok(record)
    }

    /// The canonical bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the canonical bytes.
    pub const fn hash(&self) -> RecordHash {
        self.hash
    }

    /// The origin of the log it is for.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// The profile, e.g. `spending/1`.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The kind within the profile, e.g. `payment`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The object it is about.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The revision of the object, from 0.
    pub const fn rev(&self) -> u32 {
        self.rev
    }

    /// What this revision does.
    pub const fn op(&self) -> Op {
        self.op
    }

    /// The hash of the revision before; `None` at revision 0.
    pub const fn prev(&self) -> Option<RecordHash> {
        self.prev
    }

    /// The revision it replaces, for `correct` and `void`.
    pub const fn of(&self) -> Option<u32> {
        self.of
    }

    /// The reason code.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// Who says it.
    pub fn submitter(&self) -> &str {
        &self.submitter
    }

    /// When it happened, `YYYY-MM-DD`.
    pub fn occurred(&self) -> &str {
        &self.occurred
    }

    /// The clear data, an object.
    pub const fn data(&self) -> &Value {
        &self.data
    }

    /// Links to other objects.
    pub fn refs(&self) -> &[Reference] {
        &self.refs
    }

    /// The sealed fields, sorted by path.
    pub fn sealed(&self) -> &[SealedField] {
        &self.sealed
    }

    /// The public documents.
    pub fn documents(&self) -> &[DocumentRef] {
        &self.documents
    }

    /// Where the submitter took it from.
    pub const fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// The key that a record by a one-time key brings along: the member `key` of its data.
    pub fn brought_key(&self) -> Option<PublicKey> {
        let kid = name::one_time_key(&self.submitter)?;
        let key = PublicKey::from_jwk(self.data.get("key")?).ok()?;
        (*key.kid() == kid).then_some(key)
    }

    /// The keys that the record brings itself and that may sign it.
    pub fn brought_keys(&self) -> Vec<PublicKey> {
        match &self.body {
            Body::Registry(said) => said.own_keys().to_vec(),
            _ => self.brought_key().into_iter().collect(),
        }
    }

    /// What its profile made of the data.
    pub const fn body(&self) -> &Body {
        &self.body
    }
}

fn take_items<T>(
    members: &mut Members<'_>,
    at: &At<'_>,
    name: &str,
    read: impl Fn(Value, At<'_>) -> Result<T, Refusal>,
) -> Result<Vec<T>, Refusal> {
    let list = at.member(name);
    let items = members.optional_list(name)?;
    items.into_iter().enumerate().map(|(position, item)| read(item, list.item(position))).collect()
}

#[cfg(test)]
mod tests;
