//! The admission state: what the judgement may look at. Keys to bytes; this crate owns all of them.
//!
//! | key | value |
//! |---|---|
//! | `g` | canonical bytes of the genesis record |
//! | `k/` kid | [`KeyState`] |
//! | `s/` submitter | [`SubmitterState`] |
//! | `o/` object | [`ObjectHead`]: the newest revision |
//! | `r/` object `\0` rev (4 bytes, big-endian) | [`Revision`]: each older one |
//! | `f/` object | [`Fold`]: its current state, and what its newest revision did |
//! | `v/` object `\0` rev | what each older revision did |
//! | `t/`, `u/`, `n/` SHA-256 of name and group | a total, the holder of a value, the last number of a stream |
//! | `p/` profile, `P/` profile | [`ProfileState`], and the document of a published one |
//! | `c/` list, `c/` list `\0` code | how many parts a code list has; a code of it |
//! | `l/` submitter `\0` body | [`Delegation`] |
//! | `G`, `z` | who governs since the last rotation; that the log is frozen |
//!
//! An object's only revision stands in its head alone, so a first revision costs one write.

mod codec;
mod fold;
mod published;
mod row;

use std::collections::BTreeMap;
use std::convert::Infallible;

use crate::entry_index::EntryIndex;
use crate::jwk::{Kid, PublicKey};
use crate::record::{Op, Record, RecordHash};
use crate::registry::Genesis;

pub(crate) use fold::{
    Added, Said, Total, fold_and_newest, holder, last_number, put_fold, put_holder, put_number,
    put_said, put_total, said_at, total,
};
pub use fold::{Facts, Fold, object_fold};
pub use published::{
    Delegation, Governance, ProfileState, delegation, governance, is_listed, profile_state,
    published_profile,
};
pub(crate) use published::{
    codelist_parts, frozen, put_code, put_codelist, put_delegation, put_frozen, put_governance,
    put_profile, put_profile_document,
};
pub use row::Row;

/// Read access to the state after a number of entries.
pub trait State {
    /// A read that failed. It is never taken for absence.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The value of a key; `None` when there is none.
    ///
    /// # Errors
    /// The reader's own.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl State for BTreeMap<Vec<u8>, Vec<u8>> {
    type Error = Infallible;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(BTreeMap::get(self, key).cloned())
    }
}

impl<S: State> State for &S {
    type Error = S::Error;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, S::Error> {
        (**self).get(key)
    }
}

/// Why the state could not be read. Fatal: nothing may be judged on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError<E: std::error::Error + 'static> {
    /// The reader failed.
    #[error("reading the admission state")]
    Read(#[source] E),
    /// A value is not what this crate writes.
    #[error("the admission state holds bytes that are no {family}")]
    Corrupt {
        /// Which kind of value was expected.
        family: &'static str,
    },
}

/// The newest revision of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its revision number.
    pub rev: u32,
    /// Where it stands in the log.
    pub index: EntryIndex,
    /// The hash the next revision names as `prev`.
    pub record_hash: RecordHash,
    /// What it did.
    pub op: Op,
    /// What it replaced.
    pub of: Option<u32>,
    /// The profile of the object.
    pub profile: String,
    /// The kind of this revision.
    pub kind: String,
}

/// One revision of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Where it stands in the log.
    pub index: EntryIndex,
    /// The hash of its record.
    pub record_hash: RecordHash,
    /// What it did.
    pub op: Op,
    /// What it replaced.
    pub of: Option<u32>,
    /// Its kind.
    pub kind: String,
    /// The revision that replaced it; `None` while it stands.
    pub replaced_by: Option<u32>,
}

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    /// Signs registry records, together with others up to the threshold.
    Governance,
    /// Signs for the operator; no kind of engine version 1 takes it.
    Operator,
    /// Signs a submitter's records.
    Submitter,
}

/// A registered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    /// The key.
    pub public: PublicKey,
    /// Whose key it is.
    pub role: KeyRole,
    /// The submitter it signs for; `log` for governance and operator keys.
    pub submitter: String,
    /// The entry that registered it; it counts after it.
    pub added: EntryIndex,
    /// The entry that revoked it; it counts before it.
    pub revoked: Option<EntryIndex>,
    /// Since when it is said to be compromised, a date. Verdicts stay; readers are warned.
    pub since: Option<String>,
    /// What an operator key signs.
    pub uses: Vec<String>,
    /// The admission time from which it counts, in Unix milliseconds; 0: at once.
    pub counts_from_ms: u64,
}

impl KeyState {
    /// A key as the entry `added` registers it.
    pub(crate) fn registered(
        public: PublicKey,
        role: KeyRole,
        owner: &str,
        added: EntryIndex,
    ) -> Self {
        Self {
            public,
            role,
            submitter: owner.to_owned(),
            added,
            revoked: None,
            since: None,
            uses: Vec::new(),
            counts_from_ms: 0,
        }
    }

    /// Whether its signature counts in the entry at `index`: strictly between add and revoke.
    pub fn counts_at(&self, index: EntryIndex) -> bool {
        self.added < index && self.revoked.is_none_or(|revoked| index < revoked)
    }
}

/// A registered submitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmitterState {
    /// Its id.
    pub submitter: String,
    /// The origin of the log it is registered in.
    pub log: String,
    /// The bodies it may write for.
    pub bodies: Vec<String>,
    /// The profiles it may use.
    pub profiles: Vec<String>,
    /// The roles it has.
    pub roles: Vec<String>,
    /// The entry that registered it.
    pub added: EntryIndex,
    /// The entry that closed it; it submits nothing after it.
    pub closed: Option<EntryIndex>,
}

/// The newest revision of an object; `None` when the log has none.
///
/// # Errors
/// [`StateError`].
pub fn object_head<S: State>(
    state: &S,
    object: &str,
) -> Result<Option<ObjectHead>, StateError<S::Error>> {
    read(state, &object_head_key(object), "object head", codec::object_head)
}

/// One revision of an object; `None` when the log has none.
///
/// # Errors
/// [`StateError`].
pub fn object_revision<S: State>(
    state: &S,
    object: &str,
    rev: u32,
) -> Result<Option<Revision>, StateError<S::Error>> {
    let Some(head) = object_head(state, object)? else { return Ok(None) };
    revision_below(state, object, &head, rev)
}

/// As [`object_revision`], for a caller that has the head.
pub(crate) fn revision_below<S: State>(
    state: &S,
    object: &str,
    head: &ObjectHead,
    rev: u32,
) -> Result<Option<Revision>, StateError<S::Error>> {
    if rev > head.rev {
        return Ok(None);
    }
    if rev == head.rev {
        return Ok(Some(head.as_revision()));
    }
    read(state, &revision_key(object, rev), "revision", codec::revision)?
        .ok_or(StateError::Corrupt { family: "chain without gaps" })
        .map(Some)
}

impl ObjectHead {
    /// The newest revision as a revision: nothing can have replaced it yet.
    pub fn as_revision(&self) -> Revision {
        Revision {
            index: self.index,
            record_hash: self.record_hash,
            op: self.op,
            of: self.of,
            kind: self.kind.clone(),
            replaced_by: None,
        }
    }
}

/// A registered key; `None` when the log never registered it.
///
/// # Errors
/// [`StateError`].
pub fn key<S: State>(state: &S, kid: &Kid) -> Result<Option<KeyState>, StateError<S::Error>> {
    read(state, &key_row(kid), "key", |bytes| codec::key(kid, bytes))
}

/// A registered submitter; `None` when there is none.
///
/// # Errors
/// [`StateError`].
pub fn submitter<S: State>(
    state: &S,
    id: &str,
) -> Result<Option<SubmitterState>, StateError<S::Error>> {
    read(state, &submitter_key(id), "submitter", |bytes| codec::submitter(id, bytes))
}

/// The genesis of the log; `None` before entry 0.
///
/// # Errors
/// [`StateError`].
pub fn genesis<S: State>(state: &S) -> Result<Option<Genesis>, StateError<S::Error>> {
    read(state, GENESIS_KEY, "genesis", |bytes| {
        Record::parse(bytes).ok().and_then(|record| record.body().genesis().cloned())
    })
}

fn read<S: State, T>(
    state: &S,
    key: &[u8],
    family: &'static str,
    decode: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, StateError<S::Error>> {
    let Some(bytes) = state.get(key).map_err(StateError::Read)? else { return Ok(None) };
    decode(&bytes).map(Some).ok_or(StateError::Corrupt { family })
}

/// The key of an object's head. Given the start of an object, the prefix of all heads below it.
pub fn object_head_key(prefix: &str) -> Vec<u8> {
    join(b"o/", prefix.as_bytes())
}

/// Reads a key and value found under [`object_head_key`]; `None` when they are none.
pub fn parse_object_head(key: &[u8], value: &[u8]) -> Option<(String, ObjectHead)> {
    let object = std::str::from_utf8(key.strip_prefix(b"o/")?).ok()?;
    Some((object.to_owned(), codec::object_head(value)?))
}

/// The key of a submitter. Given the start of an id, the prefix of all submitters below it.
pub fn submitter_key(prefix: &str) -> Vec<u8> {
    join(b"s/", prefix.as_bytes())
}

/// Reads a key and value found under [`submitter_key`]; `None` when they are none.
pub fn parse_submitter(key: &[u8], value: &[u8]) -> Option<SubmitterState> {
    codec::submitter(std::str::from_utf8(key.strip_prefix(b"s/")?).ok()?, value)
}

/// The prefix of all registered keys.
pub const KEYS_PREFIX: &[u8] = b"k/";

/// Reads a key and value found under [`KEYS_PREFIX`]; `None` when they are none.
pub fn parse_key(key: &[u8], value: &[u8]) -> Option<KeyState> {
    codec::key(&Kid::parse(std::str::from_utf8(key.strip_prefix(KEYS_PREFIX)?).ok()?)?, value)
}

pub(crate) fn key_row(kid: &Kid) -> Vec<u8> {
    join(KEYS_PREFIX, kid.as_str().as_bytes())
}

fn revision_key(object: &str, rev: u32) -> Vec<u8> {
    // No object holds a zero byte, so no revision of one object sorts among those of another.
    let mut key = join(b"r/", object.as_bytes());
    key.push(0);
    key.extend_from_slice(&rev.to_be_bytes());
    key
}

fn join(prefix: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len().saturating_add(rest.len()).saturating_add(5));
    key.extend_from_slice(prefix);
    key.extend_from_slice(rest);
    key
}

const GENESIS_KEY: &[u8] = b"g";

/// One value to put into the state.
pub type Put = (Vec<u8>, Vec<u8>);

pub(crate) fn put_head(object: &str, head: &ObjectHead) -> Put {
    (object_head_key(object), codec::encode_object_head(head))
}

pub(crate) fn put_revision(object: &str, rev: u32, revision: &Revision) -> Put {
    (revision_key(object, rev), codec::encode_revision(revision))
}

pub(crate) fn put_key(key: &KeyState) -> Put {
    (key_row(key.public.kid()), codec::encode_key(key))
}

pub(crate) fn put_submitter(submitter: &SubmitterState) -> Put {
    (submitter_key(&submitter.submitter), codec::encode_submitter(submitter))
}

pub(crate) fn put_genesis(record: &Record) -> Put {
    (GENESIS_KEY.to_vec(), record.bytes().to_vec())
}

#[cfg(test)]
mod tests;
