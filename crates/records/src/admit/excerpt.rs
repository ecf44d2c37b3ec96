//! Who may sign, judged by some of a log's entries: what a receipt file holds.
//!
//! The entries are proven to be in the log, each at its index. The same rules judge them as judge
//! at admission, but over a state of which rows are missing, so that an answer is one of three:
//!
//! - *accounted for*: the rules hold, and all that they looked at goes back to entry 0;
//! - *missing*: they looked for a row that no entry of the excerpt puts;
//! - *refused*: no further entry could make it right.
//!
//! A row that is missing is a failed read, never an absence: [`View`] tells the two apart. What an
//! entry registers that is not accounted for is taken all the same, and remembered as doubtful, so
//! that whatever rests on it names the first thing that is missing:
//!
//! ```text
//! 0 genesis   1 submitter.add (not in the file)   3 key.add by the key of 1   4 payment by the key of 3
//!                                                 missing: key of 1           missing: key of 1
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::authority::{self, Count};
use super::case::{Case, Ruling, Stop};
use super::{profiles, registry};
use crate::entry::Entry;
use crate::entry_index::EntryIndex;
use crate::jwk::Kid;
use crate::jws::Es256Verify;
use crate::profile::shipped;
use crate::record::Body;
use crate::refusal::{Refusal, RuleId, refuse};
use crate::registry::{RegistryRecord, Rotation};
use crate::state::{self, Governance, KeyState, Put, Row, State, StateError};
use crate::submission::CheckedSubmission;

/// Some entries of a log, judged one after the other.
#[derive(Debug, Default)]
pub struct Excerpt {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Rows that rest on something missing, and on what.
    doubtful: BTreeMap<Vec<u8>, Missing>,
    /// Rows that an entry of the excerpt is the first to put. Before that entry the log had none.
    first_put: BTreeSet<Vec<u8>>,
}

/// What an excerpt lacks to account for an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} rests on {row}, which is not in the excerpt")]
pub struct Missing {
    /// The entry that was judged when it was looked for.
    pub index: EntryIndex,
    /// What it needs.
    pub row: Row,
}

/// One signature of an entry of an excerpt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExcerptSigner {
    /// The key as it is registered; `None` when the excerpt does not hold its registration. If it
    /// does, the signature was verified.
    pub key: Option<KeyState>,
    /// The first thing that is missing between the signature and entry 0; `None`: it is accounted
    /// for.
    pub missing: Option<Missing>,
}

impl Excerpt {
    /// An excerpt of these entries, none of which is judged yet.
    pub fn new<'a>(entries: impl IntoIterator<Item = (EntryIndex, &'a Entry)>) -> Self {
        let mut excerpt = Self::default();
        for (index, entry) in entries {
            let puts = effects(&BTreeMap::new(), index, entry).unwrap_or_default();
            let firsts = puts.into_iter().map(|(key, _)| key).filter(|key| is_put_once(key));
            excerpt.first_put.extend(firsts);
        }
        excerpt
    }

    /// Judges an entry of the excerpt, and takes what it registers. Entries come in log order, each
    /// index once. The answer has one item for each signature, in their order.
    ///
    /// # Errors
    /// The rule that the entry breaks whatever else is in the log; the pointer is into the entry.
    pub fn judge(
        &mut self,
        index: EntryIndex,
        entry: &Entry,
        es256: &dyn Es256Verify,
    ) -> Result<Vec<ExcerptSigner>, Refusal> {
        let record = entry.record();
        let sub = CheckedSubmission::unchecked(entry.clone().into_submission());
        let registration = match record.body() {
            Body::Registry(registration) => Some(&**registration),
            Body::Checked | Body::Unchecked => None,
        };
        if let Some(RegistryRecord::GovernanceRotate(rotation)) = registration {
            self.assume_commitment(index, rotation)?;
        }
        let view = View { excerpt: self, index, registration, doubt: RefCell::default() };
        let admitted_ms = entry.admitted_ms();
        let case = Case { state: &view, index, admitted_ms, sub: &sub, es256 };
        let lacks = if let Some(registration) = registration {
            let missing = judge_registration(&case, registration)?;
            self.take(index, entry, missing.as_ref())?;
            vec![None; entry.signatures().len()]
        } else {
            let lacks = judge_record(&case)?;
            // The thumbprint of a one-time key is its submitter's name: it needs nobody's word.
            self.take(index, entry, None)?;
            lacks
        };
        let signatures = entry.signatures().iter().zip(lacks);
        signatures.map(|(signature, lack)| self.signer(index, signature.kid(), lack)).collect()
    }

    /// The rows so far, for reading what is registered. A row that is absent says nothing.
    pub const fn state(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.rows
    }

    /// Governance that was committed to by a rotation that is not in the excerpt: nobody can tell
    /// whether there was one. It is assumed, so that the rest of the rotation is judged.
    fn assume_commitment(&mut self, index: EntryIndex, rotation: &Rotation) -> Result<(), Refusal> {
        let governs = state::governance(&self.rows).map_err(|_| corrupt())?;
        let mut governs =
            governs.unwrap_or(Governance { keys: Vec::new(), threshold: 1, next: Vec::new() });
        if rotation.keys.iter().all(|key| governs.next.contains(key.kid())) {
            return Ok(());
        }
        governs.next = rotation.keys.iter().map(|key| key.kid().clone()).collect();
        let missing = Missing { index, row: Row::Governance };
        self.put(state::put_governance(&governs), Some(&missing));
        Ok(())
    }

    fn take(
        &mut self,
        index: EntryIndex,
        entry: &Entry,
        missing: Option<&Missing>,
    ) -> Result<(), Refusal> {
        let puts = effects(&self.rows, index, entry).map_err(|_| corrupt())?;
        for put in puts {
            self.put(put, missing);
        }
        Ok(())
    }

    fn put(&mut self, (key, value): Put, missing: Option<&Missing>) {
        // What changes a key or a submitter later only ends it: that takes trust away, whoever
        // signed it, and says nothing about how it was registered.
        let only_ends = self.rows.contains_key(&key)
            && matches!(Row::of_key(&key), Some(Row::Key(_) | Row::Submitter(_)));
        match missing {
            _ if only_ends => {}
            Some(missing) => drop(self.doubtful.insert(key.clone(), missing.clone())),
            None => drop(self.doubtful.remove(&key)),
        }
        self.rows.insert(key, value);
    }

    fn signer(
        &self,
        index: EntryIndex,
        kid: &Kid,
        lack: Option<Missing>,
    ) -> Result<ExcerptSigner, Refusal> {
        let key = state::key(&self.rows, kid).map_err(|_| corrupt())?;
        let missing = match &key {
            Some(_) => self.doubtful.get(&state::key_row(kid)).cloned().or(lack),
            None => Some(Missing { index, row: Row::Key(kid.clone()) }),
        };
        Ok(ExcerptSigner { key, missing })
    }
}

/// What an entry puts into the rows that say who may write what.
fn effects<S: State>(
    state: &S,
    index: EntryIndex,
    entry: &Entry,
) -> Result<Vec<Put>, StateError<S::Error>> {
    let record = entry.record();
    let Body::Registry(registration) = record.body() else {
        return Ok(authority::one_time_key(state, index, record)?.into_iter().collect());
    };
    // The flag is the log's word; it is enough to doubt the key, as the signers are.
    let is_recovery = entry.flags().contains(&RuleId::RECOVERY)
        || registry::is_by_governance(state, entry.signatures())?;
    registry::effects(state, index, entry.admitted_ms(), record, registration, is_recovery)
}

/// Whether the log puts such a row only once, before it may be changed: it never registers a key, a
/// submitter or a profile a second time. Bodies are lent, and code lists grow, again and again.
fn is_put_once(key: &[u8]) -> bool {
    let row = Row::of_key(key);
    matches!(row, Some(Row::Genesis | Row::Key(_) | Row::Submitter(_) | Row::Profile(_)))
}

/// What is missing to say that a registry record was signed as it must be.
fn judge_registration(
    case: &Case<'_, View<'_>>,
    registration: &RegistryRecord,
) -> Result<Option<Missing>, Refusal> {
    let (view, mut missing) = (case.state, None);
    view.sift(registry::check_log(case, registration), &mut missing)?;
    let mut signers = Vec::new();
    for signer in authority::signers(case, registration.own_keys()) {
        signers.extend(view.sift(signer, &mut missing)?);
    }
    view.sift(registry::check_parties(view, registration), &mut missing)?;
    if signers.len() == case.sub.checks().len() {
        view.sift(registry::check_signers(view, registration, &signers), &mut missing)?;
    }
    // What is missing for the other rules says nothing about who signed.
    view.sift(registry::check(view, case.index, registration), &mut None)?;
    Ok(missing)
}

/// For each signature of a submitter's record, what is missing to say that it may be there.
fn judge_record(case: &Case<'_, View<'_>>) -> Result<Vec<Option<Missing>>, Refusal> {
    let (view, record) = (case.state, case.record());
    let (brought, mut missing) = (record.brought_key(), None);
    let profile = view.sift(profiles::find(view, record), &mut missing)?;
    let kind = profile.as_deref().and_then(|profile| profile.kind(record.kind()));
    let submitter = view.sift(authority::submitter(view, record), &mut missing)?;
    let (mut count, mut lacks) = (Count::default(), Vec::new());
    for (position, signer) in authority::signers(case, brought.as_slice()).enumerate() {
        let mut lack = None;
        let signer = view.sift(signer, &mut lack)?;
        if let (Some(signer), Some(_)) = (&signer, &profile) {
            view.sift(count.take(view, record, kind, position, signer), &mut lack)?;
        }
        lacks.push(lack);
    }
    if profile.is_some() && lacks.iter().all(Option::is_none) {
        count.check(kind)?;
    }
    if let (Some(submitter), Some(_)) = (submitter, &profile) {
        let granted = authority::check_granted(view, record, kind, submitter.as_ref());
        view.sift(granted, &mut missing)?;
    }
    Ok(lacks.into_iter().map(|lack| lack.or_else(|| missing.clone())).collect())
}

/// The rows of an excerpt as the judge of one entry sees them.
struct View<'a> {
    excerpt: &'a Excerpt,
    index: EntryIndex,
    registration: Option<&'a RegistryRecord>,
    /// What the first doubtful row rests on that was read since the last [`View::sift`].
    doubt: RefCell<Option<Missing>>,
}

impl View<'_> {
    /// Tells what is missing from what is refused: the first thing that is missing is remembered,
    /// and what can be judged without it goes on.
    fn sift<T>(
        &self,
        ruling: Ruling<T, Self>,
        missing: &mut Option<Missing>,
    ) -> Result<Option<T>, Refusal> {
        let doubt = self.doubt.take();
        let (found, unread) = match ruling {
            Ok(found) => (Some(found), None),
            Err(Stop::State(StateError::Read(unread))) => (None, Some(unread)),
            Err(Stop::State(StateError::Corrupt { .. })) => return Err(corrupt()),
            Err(Stop::Refused(refusal)) => return Err(refusal),
        };
        *missing = missing.take().or(doubt).or(unread);
        Ok(found)
    }

    /// What a missing row would say; `None` when the log had none, as far as it matters here.
    fn missing_row(&self, key: &[u8]) -> Option<Row> {
        if self.excerpt.first_put.contains(key) {
            return None;
        }
        let row = Row::of_key(key)?;
        let can_be_absent = match &row {
            // A rotation that is absent leaves a trace: signatures by keys that are missing.
            Row::Governance => true,
            // Keys that others registered sign neither, so whether there are such does not matter.
            Row::Key(_) => matches!(
                self.registration,
                Some(RegistryRecord::Genesis(_) | RegistryRecord::GovernanceRotate(_))
            ),
            // All that is asked is whether another lends the same body.
            Row::Delegation { .. } => {
                matches!(self.registration, Some(RegistryRecord::SubmitterDelegate { .. }))
            }
            // That it was retired, which only a row could say, takes nobody's right to sign.
            Row::Profile(id) => shipped(id).is_some(),
            Row::Genesis | Row::Submitter(_) | Row::CodeList(_) => false,
        };
        (!can_be_absent).then_some(row)
    }
}

impl State for View<'_> {
    type Error = Missing;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Missing> {
        let (index, row) = (self.index, self.missing_row(key));
        let value = match self.excerpt.rows.get(key) {
            // Nobody can tell how many parts came before the one that is here.
            Some(value) if !matches!(row, Some(Row::CodeList(_))) => value,
            _ => return row.map_or(Ok(None), |row| Err(Missing { index, row })),
        };
        if let Some(missing) = self.excerpt.doubtful.get(key) {
            self.doubt.borrow_mut().get_or_insert_with(|| missing.clone());
        }
        Ok(Some(value.clone()))
    }
}

/// This crate wrote the rows that it reads here, so this says that it has a fault.
fn corrupt() -> Refusal {
    refuse(RuleId::REPLAY, "", "rows of the registry", "other bytes", "report it to the authors")
}

#[cfg(test)]
mod tests;
