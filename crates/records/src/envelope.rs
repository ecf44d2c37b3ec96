//! The members that every record has, whatever its profile.
//!
//! The rules of profiles and of the registry read an envelope, and a [`Record`](crate::Record) is
//! one that passed them: so they stand below the record and cannot be handed one that is unchecked.

mod chain;
mod parts;

pub use chain::{Op, RecordHash};
pub use parts::{DocumentRef, Reference, Source, Target};

use chain::Chain;

use crate::date;
use crate::fields::Members;
use crate::json::Value;
use crate::jwk::PublicKey;
use crate::limits::RECORD_BYTES_MAX;
use crate::name;
use crate::refusal::{At, Refusal, RuleId};
use crate::sealed::{self, SealedField};

/// The members of a record, each well-formed; its data is not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
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
}

impl Envelope {
    /// Takes the members of a record; `bytes` are its canonical bytes.
    pub(crate) fn from_value(value: Value, bytes: &[u8], at: &At<'_>) -> Result<Self, Refusal> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(at.refuse(
                RuleId::TOO_LARGE,
                format_args!("a record of at most {RECORD_BYTES_MAX} bytes"),
                format_args!("{} bytes", bytes.len()),
                "seal long texts with held \"submitter\" or log them as documents",
            ));
        }
        let mut members = Members::of(value, *at, RuleId::GRAMMAR)?;
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
        let refs = take_items(&mut members, at, "refs", parts::reference)?;
        let sealed = take_items(&mut members, at, "sealed", SealedField::from_value)?;
        let documents = take_items(&mut members, at, "documents", parts::document)?;
        let source = members
            .take("source")
            .map(|value| parts::source(value, at.member("source")))
            .transpose()?;
        members.finish()?;
        sealed::check_fields(&sealed, &data, at)?;
        let Chain { rev, op, prev, of, why } = chain;
        Ok(Self {
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
        })
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
