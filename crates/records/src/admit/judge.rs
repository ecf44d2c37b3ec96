//! The one judgement of a submission, and its outcome.

use std::collections::BTreeSet;

use super::case::{Case, RECORD, Ruling, Stop};
use super::{authority, chain, profiles, registry, rules};
use crate::date;
use crate::entry;
use crate::entry_index::EntryIndex;
use crate::jws::Es256Verify;
use crate::limits::{ENTRY_BYTES_MAX, LATE_DAYS};
use crate::record::{Body, Op, Record};
use crate::refusal::{Refusal, RuleId, refuse};
use crate::registry::RegistryRecord;
use crate::sealed::Disclosure;
use crate::state::{self, Put, State, StateError};
use crate::submission::{CheckedSubmission, Submission, write_texts};

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

/// Judges a submission as the entry at `index`, admitted at `admitted_ms` (Unix milliseconds).
///
/// `state` is the state after entries 0 to `index` - 1: the stored one plus the changes of the
/// entries of the same batch before this one.
///
/// # Errors
/// [`StateError`] when the state cannot be read; a refusal is a [`Verdict`].
pub fn admit<S: State>(
    state: &S,
    index: EntryIndex,
    admitted_ms: u64,
    sub: &CheckedSubmission,
    es256: &dyn Es256Verify,
) -> Result<Verdict, StateError<S::Error>> {
    match judge(&Case { state, index, admitted_ms, sub, es256 }) {
        Err(Stop::Refused(refusal)) => Ok(Verdict::Refused(refusal)),
        Err(Stop::State(error)) => Err(error),
        Ok(verdict) => Ok(verdict),
    }
}

fn judge<S: State>(case: &Case<'_, S>) -> Ruling<Verdict, S> {
    let (state, record) = (case.state, case.record());
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
        Body::Registry(registration) => {
            registry::authorise(case, registration)?;
            None
        }
        Body::Checked | Body::Unchecked => {
            let profile = profiles::find(state, record)?;
            authority::authorise(case, &profile)?;
            Some(profile)
        }
    };
    // Only now: whoever may not write the object learns nothing of what it holds.
    if let Some(stored) = stored {
        return Ok(Verdict::Conflict { index: stored.index, refusal: taken(record, stored.index) });
    }
    let mut changes = chain::extend(state, case.index, record, head.clone())?;
    let mut flags = BTreeSet::new();
    if let Body::Registry(registration) = record.body() {
        changes.extend(register(case, registration, &mut flags)?);
    }
    if let Some(profile) = &profile {
        profiles::check_listed(state, profile, record)?;
        let ruled = rules::apply(state, case.admitted_ms, profile, record, head.as_ref())?;
        changes.extend(authority::one_time_key(state, case.index, record)?);
        changes.extend(ruled.changes);
        flags.extend(ruled.flags);
        flags.extend(dated(case.admitted_ms, record));
    }
    let flags: Vec<RuleId> = flags.into_iter().collect();
    let submission = case.sub.submission();
    let entry = entry::encode(case.admitted_ms, &flags, record, submission.signatures());
    if entry.len() > ENTRY_BYTES_MAX {
        return Err(too_large(entry.len()).into());
    }
    Ok(Verdict::Accepted(Admitted {
        entry,
        changes,
        disclosures: held_disclosures(submission),
        flags,
        object: record.object().to_owned(),
        rev: record.rev(),
    }))
}

/// What a registry record puts into the state, and its flag.
fn register<S: State>(
    case: &Case<'_, S>,
    registration: &RegistryRecord,
    flags: &mut BTreeSet<RuleId>,
) -> Ruling<Vec<Put>, S> {
    let Case { state, index, admitted_ms, .. } = *case;
    registry::check(state, index, registration)?;
    let is_recovery = matches!(registration, RegistryRecord::KeyAdd { .. })
        && registry::is_by_governance(state, case.sub.submission().signatures())?;
    if is_recovery {
        flags.insert(RuleId::RECOVERY);
    }
    Ok(registry::effects(state, index, admitted_ms, case.record(), registration, is_recovery)?)
}

fn too_large(len: usize) -> Refusal {
    refuse(
        RuleId::TOO_LARGE,
        "",
        format_args!("an entry of at most {ENTRY_BYTES_MAX} bytes"),
        len,
        "make the record smaller",
    )
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
fn check_not_frozen<S: State>(state: &S, record: &Record) -> Ruling<(), S> {
    let is_withhold = matches!(record.body(), Body::Registry(registration)
        if matches!(**registration, RegistryRecord::Withhold(_)));
    if is_withhold || !state::frozen(state)? {
        return Ok(());
    }
    Err(RECORD
        .member("log")
        .refuse(
            RuleId::ENDED,
            "a log that takes records",
            "one that governance froze for good",
            "send it to the log that continues this one",
        )
        .into())
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

fn held_disclosures(submission: &Submission) -> Option<Vec<u8>> {
    let disclosures = submission.disclosures();
    if disclosures.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    write_texts(&mut out, disclosures.iter().map(Disclosure::text));
    Some(out)
}
