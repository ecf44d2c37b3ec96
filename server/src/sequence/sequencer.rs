//! The sequencer: one thread of plain functions that gives entries their order.
//!
//! ```text
//! pool ─► judge, one after the other ─► integrate ─► ONE synced commit ─► answers
//! ```
//!
//! It commits back to back. The moment a commit returns it takes whatever waits, so a lone record
//! is durable in milliseconds and a flood shares each fsync. It never waits for a witness.
//! After a commit whose outcome is unknown it ends, for the life of the process.

use std::sync::Arc;

use records::{EntryIndex, StateError, Verdict};
use store::{CommitError, Committed, Kv, NewBatch, NewEntry, ReadError, Store, Writer};
use tlog::{Hash, LeafIndex, TreeHead, TreeSize};

use crate::admit::check::AwsLcEs256;
use crate::admit::clock_rule::AdmissionClock;
use crate::admit::low_water::LowWater;
use crate::admit::outcome::{NotJudged, Outcome, Receipt, Signable};
use crate::admit::pool::{Pending, Pool};
use crate::core::Core;
use crate::core::mode::{Ended, Mode};
use crate::sequence::batch_state::BatchState;

/// Why the sequencer ended. Every variant is final for this process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// The state before could not be read: nothing can be judged.
    #[error("reading the state that records are judged by")]
    Read(#[source] ReadError),
    /// A state value that this program wrote cannot be understood.
    #[error("the admission state is damaged; `audit` names the place, `rebuild` writes it anew")]
    Judge(#[source] StateError<ReadError>),
    /// The entry does not hold what was posted: a bit flipped in memory.
    #[error("the entry for index {0} does not hold the record that was posted; check the memory")]
    Altered(LeafIndex),
    /// The commit failed; whether it took effect is unknown.
    #[error("committing a batch")]
    Commit(#[source] CommitError),
    /// The last entry cannot be read.
    #[error("reading the last entry's admission time")]
    LastEntry(#[source] records::Refusal),
    #[error("the last entry is not in the store")]
    LastEntryMissing,
}

/// What the sequencer works with.
pub struct Deps<K: Kv> {
    /// Its clock measures only: records are admitted by the clock rule.
    pub core: Core<K>,
    /// The only one.
    pub writer: Writer<K>,
    /// Where submissions wait.
    pub pool: Arc<Pool>,
    /// Gives the time of admission, or refuses.
    pub clock_rule: Arc<AdmissionClock>,
    /// Asked before every batch.
    pub low_water: Arc<LowWater>,
    /// Told of every new head, after its commit.
    pub committed: Box<dyn Fn(TreeHead) + Send>,
    /// Entries in one commit, at most.
    pub batch_entries_max: usize,
}

/// The one that gives entries their order. Dropping it answers everything in the pool.
pub struct Sequencer<K: Kv> {
    deps: Deps<K>,
    /// The admission time of the last entry: no entry is admitted before it.
    last_admitted_ms: u64,
    _pool: CloseOnExit,
}

/// Answers everything in the pool when the sequencer ends, for whatever reason.
struct CloseOnExit(Arc<Pool>);

impl Drop for CloseOnExit {
    fn drop(&mut self) {
        self.0.close_with(&Outcome::NotJudged(NotJudged::OutcomeUnknown));
    }
}

/// An accepted entry and who waits for it.
struct Accepted {
    answer: Pending,
    index: LeafIndex,
    leaf_hash: Hash,
    is_duplicate: bool,
}

/// A judged batch, before its commit.
#[derive(Default)]
struct JudgedBatch {
    entries: Vec<NewEntry>,
    leaves: Vec<Hash>,
    accepted: Vec<Accepted>,
    refused: Vec<(Pending, Outcome)>,
}

impl JudgedBatch {
    /// Keeps a refusal of what was judged as the entry at `index`. It is told after the commit: by
    /// then everything it was judged by is durable.
    fn refuse(
        &mut self,
        pending: Pending,
        index: LeafIndex,
        refusal: records::Refusal,
        conflicts_with: Option<LeafIndex>,
    ) {
        let signable = Signable::of(&pending.checked.submission, index);
        self.refused.push((pending, Outcome::Refused { refusal, conflicts_with, signable }));
    }
}

impl<K: Kv> Sequencer<K> {
    /// Takes over the store's only writer.
    pub fn new(deps: Deps<K>) -> Result<Self, SequenceError> {
        let last_admitted_ms = last_admitted_ms(&deps.core.store)?;
        let pool = CloseOnExit(Arc::clone(&deps.pool));
        Ok(Self { deps, last_admitted_ms, _pool: pool })
    }

    /// Sequences until the pool is closed or something fails for good.
    pub fn run(mut self) {
        // On a panic it is dropped before the pool is closed: nobody may wait for what never comes.
        let _guard = self.deps.core.mode.read_only_on_panic("the sequencer");
        while let Some(batch) = self.deps.pool.take(self.deps.batch_entries_max) {
            if self.sequence(batch) == Err(Ended) {
                return;
            }
        }
    }

    /// Judges, commits and answers one batch. After an error, which makes the process read-only,
    /// the caller drops the sequencer.
    pub fn sequence(&mut self, batch: Vec<Pending>) -> Result<(), Ended> {
        self.round(batch).map_err(|error| self.deps.core.mode.fail(&error))
    }

    /// One batch from judgement to answers. Whoever is not answered because of an error learns it
    /// by the end of the channel: the outcome is unknown.
    fn round(&mut self, batch: Vec<Pending>) -> Result<(), SequenceError> {
        if !self.deps.core.mode.is_running() && !self.is_draining() {
            answer_all(batch, NotJudged::Closed);
            return Ok(());
        }
        // Before the disk is full: a write that fails would end this process's work for good.
        if self.deps.low_water.check().is_err() {
            answer_all(batch, NotJudged::DiskAlmostFull);
            return Ok(());
        }
        let admitted_ms = match self.deps.clock_rule.admission_ms(self.last_admitted_ms) {
            Ok(admitted_ms) => admitted_ms,
            Err(error) => {
                tracing::error!(%error, "a batch is not judged");
                answer_all(batch, NotJudged::Clock(error));
                return Ok(());
            }
        };
        let mut state = BatchState::new(&self.deps.core.store);
        let first = self.deps.writer.frontier().size();
        let mut judged = JudgedBatch::default();
        for pending in batch {
            judge_one(&self.deps.core.store, &mut state, admitted_ms, first, pending, &mut judged)?;
        }
        let changes = state.into_changes();
        self.commit_and_answer(judged, changes, admitted_ms)
    }

    fn commit_and_answer(
        &mut self,
        judged: JudgedBatch,
        state: Vec<(Vec<u8>, Vec<u8>)>,
        admitted_ms: u64,
    ) -> Result<(), SequenceError> {
        let JudgedBatch { entries, leaves, accepted, refused } = judged;
        let count = entries.len();
        let committed = if entries.is_empty() {
            // Only refusals, and records that are committed already.
            self.deps.writer.last_committed()
        } else {
            let integration = self.deps.writer.frontier().integrate(&leaves);
            let started_ms = self.deps.core.clock.monotonic_millis();
            let committed = self
                .deps
                .writer
                .commit(NewBatch { entries, state, integration })
                .map_err(SequenceError::Commit)?;
            self.last_admitted_ms = admitted_ms;
            let took_ms = self.deps.core.clock.monotonic_millis().saturating_sub(started_ms);
            self.deps.core.metrics.committed(count, took_ms, committed.head().size);
            (self.deps.committed)(committed.head());
            committed
        };
        self.answer(&committed, accepted, refused);
        Ok(())
    }

    fn answer(
        &self,
        committed: &Committed,
        accepted: Vec<Accepted>,
        refused: Vec<(Pending, Outcome)>,
    ) {
        for Accepted { answer, index, leaf_hash, is_duplicate } in accepted {
            let receipt = Receipt::durable(committed, index, leaf_hash, is_duplicate);
            answer.answer_with(Outcome::Committed(receipt));
        }
        for (answer, outcome) in refused {
            self.deps.core.metrics.refused();
            answer.answer_with(outcome);
        }
    }

    /// While stopping, what was taken in before is still committed.
    fn is_draining(&self) -> bool {
        matches!(self.deps.core.mode.current(), Mode::Stopping)
    }
}

/// Judges one submission by everything that stands before it.
fn judge_one<K: Kv>(
    store: &Store<K>,
    state: &mut BatchState<'_, K>,
    admitted_ms: u64,
    first: TreeSize,
    pending: Pending,
    judged: &mut JudgedBatch,
) -> Result<(), SequenceError> {
    let index = LeafIndex::new(first.get() + judged.entries.len() as u64);
    let verdict = records::admit(
        state,
        EntryIndex::new(index.get()),
        admitted_ms,
        &pending.checked.submission,
        &AwsLcEs256,
    )
    .map_err(SequenceError::Judge)?;
    match verdict {
        Verdict::Accepted(admitted) => {
            let leaf_hash = tlog::leaf_hash(&admitted.entry);
            // After the leaf was hashed: what changes the entry later, the gate before the signature
            // finds by that hash.
            let starts = records::entry_start(admitted_ms, &admitted.flags);
            if !pending.checked.posted.stands_in(&admitted.entry)
                || !admitted.entry.starts_with(&starts)
            {
                return Err(SequenceError::Altered(index));
            }
            state.apply(admitted.changes);
            judged.leaves.push(leaf_hash);
            let entry = NewEntry { entry: admitted.entry, disclosures: admitted.disclosures };
            judged.entries.push(entry);
            let is_duplicate = false;
            judged.accepted.push(Accepted { answer: pending, index, leaf_hash, is_duplicate });
        }
        Verdict::AlreadyThere { index } => {
            let index = LeafIndex::new(index.get());
            let leaf_hash =
                leaf_hash_of(store, first, index, &judged.leaves).map_err(SequenceError::Read)?;
            let is_duplicate = true;
            judged.accepted.push(Accepted { answer: pending, index, leaf_hash, is_duplicate });
        }
        Verdict::Conflict { index: stored, refusal } => {
            let conflicts_with = Some(LeafIndex::new(stored.get()));
            judged.refuse(pending, index, refusal, conflicts_with);
        }
        Verdict::Refused(refusal) => {
            judged.refuse(pending, index, refusal, None);
        }
    }
    Ok(())
}

/// The leaf hash of an entry that is stored, or that stands earlier in this batch: the one in the
/// tree, if the stored bytes still have it.
fn leaf_hash_of<K: Kv>(
    store: &Store<K>,
    first: TreeSize,
    index: LeafIndex,
    batch: &[Hash],
) -> Result<Hash, ReadError> {
    let in_batch = index.get().checked_sub(first.get()).and_then(|it| usize::try_from(it).ok());
    if let Some(leaf_hash) = in_batch.and_then(|it| batch.get(it)) {
        return Ok(*leaf_hash);
    }
    let entry = store.entry_in_tree(index)?.ok_or(ReadError::MissingEntry { index })?;
    Ok(tlog::leaf_hash(&entry))
}

/// The admission time of the last entry; 0 in an empty log. A damaged entry could name any time, and
/// with a late one nothing would be admitted any more.
pub(crate) fn last_admitted_ms<K: Kv>(store: &Store<K>) -> Result<u64, SequenceError> {
    let Some(last) = store.head().size.get().checked_sub(1) else {
        return Ok(0);
    };
    let entry = store
        .entry_in_tree(LeafIndex::new(last))
        .map_err(SequenceError::Read)?
        .ok_or(SequenceError::LastEntryMissing)?;
    let entry = records::Entry::parse(&entry).map_err(SequenceError::LastEntry)?;
    Ok(entry.admitted_ms())
}

fn answer_all(batch: Vec<Pending>, because: NotJudged) {
    for pending in batch {
        pending.answer_with(Outcome::NotJudged(because));
    }
}
