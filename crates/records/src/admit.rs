//! Admission: the one pure function from (state, submission, time) to an entry or a refusal.
//!
//! The server runs it over its store, an auditor over what was downloaded; both must agree. It
//! reads nothing but the [`State`], and no sealed value, no document and no clock.
//!
//! ```text
//! same record there?  ──► AlreadyThere
//! registered, signed by keys that count, body and profile granted?  else Refused
//! revision taken?  ──► Conflict
//! next in the chain, rules of the registry or of the profile?  else Refused
//! flags ──► Admitted: entry bytes and what to put into the state
//! ```
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod authority;
mod chain;
mod profiles;
mod registry;
mod rules;

use std::collections::BTreeSet;
use std::fmt;

use crate::date;
use crate::entry;
use crate::jws::Es256Verify;
use crate::limits::{ENTRY_BYTES_MAX, LATE_DAYS};
use crate::profile::Body;
use crate::record::{Op, Record};
use crate::refusal::{At, Refusal, RuleId, refuse};
use crate::state::{self, Put, State, StateError};
use crate::submission::{CheckedSubmission, write_texts};

/// Position of an entry in the log, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryIndex(u64);

impl EntryIndex {
    /// An index.
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for EntryIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What was decided about a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It becomes the entry at the index it was judged for.
    Accepted(Admitted),
    /// The same record stands in the log already, whatever its signatures.
    AlreadyThere {
        /// Where.
        index: EntryIndex,
    },
    /// The revision is taken by another record.
    Conflict {
        /// Where that record stands.
        index: EntryIndex,
        /// The words.
        refusal: Refusal,
    },
    /// It breaks a rule.
    Refused(Refusal),
}

/// An accepted submission: the new entry and its effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The canonical bytes of the entry.
    pub entry: Vec<u8>,
    /// What to put into the state, in order; a later put of a key replaces an earlier one.
    pub changes: Vec<Put>,
    /// Canonical JSON list of the disclosures the log holds; `None` when there are none.
    pub disclosures: Option<Vec<u8>>,
    /// The flags, sorted.
    pub flags: Vec<RuleId>,
    /// The object.
    pub object: String,
    /// Its revision.
    pub rev: u32,
}

/// Why nothing could be decided. Fatal: state unknown or a programming error, never the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError<E: std::error::Error + 'static> {
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError<E>),
}

/// Judges a submission as the entry at `index`, admitted at `admitted_ms` (Unix milliseconds).
///
/// `state` is the state after entries 0 to `index` - 1: the stored one plus the changes of the
/// entries of the same batch before this one.
///
/// # Errors
/// [`AdmitError`] when the state cannot be read; a refusal is a [`Verdict`].
pub fn admit<S: State>(
    state: &S,
    index: EntryIndex,
    admitted_ms: u64,
    sub: &CheckedSubmission,
    es256: &dyn Es256Verify,
) -> Result<Verdict, AdmitError<S::Error>> {
    match judge(state, index, admitted_ms, sub, es256) {
        Ok(verdict) => Ok(verdict),
        Err(Stop::Refused(refusal)) => Ok(Verdict::Refused(refusal)),
        Err(Stop::State(error)) => Err(AdmitError::State(error)),
    }
}

/// What ends a judgement early.
enum Stop<E: std::error::Error + 'static> {
    Refused(Refusal),
    State(StateError<E>),
}

impl<E: std::error::Error> From<Refusal> for Stop<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E: std::error::Error> From<StateError<E>> for Stop<E> {
    fn from(error: StateError<E>) -> Self {
        Self::State(error)
    }
}

type Judged<T, S> = Result<T, Stop<<S as State>::Error>>;

/// Where the record stands in the submission that is judged.
const RECORD: At<'static> = At::Fixed("/record");

fn judge<S: State>(
    state: &S,
    index: EntryIndex,
    admitted_ms: u64,
    sub: &CheckedSubmission,
    es256: &dyn Es256Verify,
) -> Judged<Verdict, S> {
    let record = sub.record();
    let head = state::object_head(state, record.object())?;
    let stored = match &head {
        Some(head) => state::revision_below(state, record.object(), head, record.rev())?,
        None => None,
    };
    if let Some(stored) = stored.as_ref().filter(|stored| stored.record_hash == record.hash()) {
        return Ok(Verdict::AlreadyThere { index: stored.index });
    }
    check_not_frozen(state, record)?;
    let profile = match record.body() {
        Body::Registry(said) => {
            registry::authorise(state, index, admitted_ms, sub, said, es256)?;
            None
        }
        Body::Checked | Body::Unchecked => {
            let profile = profiles::find(state, record)?;
            authority::authorise(state, index, admitted_ms, sub, &profile, es256)?;
            Some(profile)
        }
    };
    if let Some(stored) = stored {
        return Ok(Verdict::Conflict { index: stored.index, refusal: taken(record, stored.index) });
    }
    let mut changes = chain::extend(state, index, record, head.clone())?;
    let mut flags = BTreeSet::new();
    if let Body::Registry(said) = record.body() {
        let applied = registry::apply(state, index, admitted_ms, sub, said)?;
        changes.extend(applied.changes);
        flags.extend(applied.flag);
    }
    if let Some(profile) = &profile {
        profiles::check_listed(state, profile, record)?;
        let ruled = rules::apply(state, admitted_ms, profile, record, head.as_ref())?;
        changes.extend(authority::one_time_key(state, index, record)?);
        changes.extend(ruled.changes);
        flags.extend(ruled.flags);
        flags.extend(dated(admitted_ms, record));
    }
    let flags: Vec<RuleId> = flags.into_iter().collect();
    let entry = entry::encode(admitted_ms, &flags, record, sub.submission().signatures());
    if entry.len() > ENTRY_BYTES_MAX {
        return Err(Stop::Refused(refuse(
            RuleId::TOO_LARGE,
            "",
            format_args!("an entry of at most {ENTRY_BYTES_MAX} bytes"),
            format_args!("{}", entry.len()),
            "make the record smaller",
        )));
    }
    Ok(Verdict::Accepted(Admitted {
        entry,
        changes,
        disclosures: held_disclosures(sub),
        flags,
        object: record.object().to_owned(),
        rev: record.rev(),
    }))
}

fn taken(record: &Record, stored: EntryIndex) -> Refusal {
    RECORD.member("rev").refuse(
        RuleId::REVISION_CONFLICT,
        format_args!("the record that stands at revision {} since entry {stored}", record.rev()),
        "another record for the same revision",
        "read the object; send a correction as its next revision, or nothing if that entry is yours",
    )
}

/// A frozen log takes nothing but the word that something is withheld.
fn check_not_frozen<S: State>(state: &S, record: &Record) -> Judged<(), S> {
    let is_withhold =
        record.profile() == crate::registry::REGISTRY_PROFILE && record.kind() == "withhold";
    if is_withhold || !state::frozen(state)? {
        return Ok(());
    }
    Err(Stop::Refused(RECORD.member("log").refuse(
        RuleId::ENDED,
        "a log that takes records",
        "one that governance froze for good",
        "send it to the log that continues this one",
    )))
}

/// The flags that every profile has. They depend on the record and its admission time alone.
fn dated(admitted_ms: u64, record: &Record) -> Vec<RuleId> {
    let mut flags = Vec::new();
    let occurred = date::parse_date(record.occurred()).unwrap_or_default();
    let admitted = date::day_of_millis(admitted_ms);
    let is_first_told = matches!(record.op(), Op::Add | Op::Next);
    if is_first_told && admitted.saturating_sub(occurred) > LATE_DAYS {
        flags.push(RuleId::LATE);
    }
    // A day of grace: somewhere it is already tomorrow.
    if occurred > admitted.saturating_add(1) {
        flags.push(RuleId::DATED_AHEAD);
    }
    if record.source().is_some_and(|source| source.rounded) {
        flags.push(RuleId::ROUNDED);
    }
    flags
}

fn held_disclosures(sub: &CheckedSubmission) -> Option<Vec<u8>> {
    let disclosures = sub.submission().disclosures();
    if disclosures.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    write_texts(&mut out, disclosures.iter().map(crate::sealed::Disclosure::text));
    Some(out)
}

#[cfg(test)]
mod tests;
