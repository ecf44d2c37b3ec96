//! What waits to be sequenced: a bounded queue, and the one budget that bounds everything a
//! submission occupies from the first byte of its body to its answer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use records::{CheckedSubmission, RecordHash, SignatureCheck};
use tlog::{Hash, LeafIndex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::admit::check::Checked;
use crate::admit::clock_rule::ClockError;

/// Room in the budget is counted in units of this many bytes.
const UNIT_BYTES: usize = 1024;

/// Bytes of memory that one byte of a body comes to: itself, and up to four in the values that it is
/// read into. Measured: 3.5 in records with many references, on top of [`HELD_PER_SUBMISSION`].
pub const HELD_PER_BODY_BYTE: usize = 5;

/// Bytes of memory that a submission takes whatever its size. Measured: 2.8 KiB for a payment, and
/// what waits for its answer.
pub const HELD_PER_SUBMISSION: usize = 4096;

/// A submission that passed everything stateless, on its way to the sequencer.
pub struct Pending {
    /// What was submitted.
    pub checked: Checked,
    /// Where the answer goes. Nobody may be listening any more; the record counts all the same.
    pub answer: oneshot::Sender<Outcome>,
    /// The room it takes, given back when it is answered.
    pub room: Arc<Room>,
}

/// What became of a submission.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is in the store, durably.
    Committed(Receipt),
    /// It was judged and may not enter the log.
    Refused {
        /// The rule, the place and the words.
        refusal: records::Refusal,
        /// The stored entry that it contradicts, when it names an object and revision that exist.
        conflicts_with: Option<LeafIndex>,
        /// What may be signed: there if the record's own signatures verified before it was judged.
        judged: Option<Judged>,
    },
    /// It was not judged: nothing is known about the record itself.
    NotJudged(NotJudged),
}

/// Why a submission was not judged. The client may send the same bytes again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJudged {
    /// The log does not take records now.
    #[error("the log does not take records at present")]
    Closed,
    /// A commit failed in a way that leaves its outcome unknown until the restart.
    #[error(
        "the outcome of the commit is unknown until the log was restarted; send the same bytes \
         again then"
    )]
    OutcomeUnknown,
    /// The disk is almost full.
    #[error(
        "the log's disk is almost full; it takes records again once its operator has made room"
    )]
    DiskAlmostFull,
    /// The machine's clock cannot be believed.
    #[error(transparent)]
    Clock(#[from] ClockError),
}

/// A record that was refused in its order, after all its own signatures verified. Only the sequencer
/// makes one, so nothing else can be signed.
#[derive(Clone, Debug)]
pub struct Judged {
    record: RecordHash,
    size: LeafIndex,
}

impl Judged {
    /// Of a record that was judged as the entry at `size`, if its signatures verified.
    pub(crate) fn of(checked: &CheckedSubmission, size: LeafIndex) -> Option<Self> {
        let is_verified = |it: &SignatureCheck| *it == SignatureCheck::Verified;
        let record = checked.record().hash();
        checked.checks().iter().all(is_verified).then_some(Self { record, size })
    }

    /// The record's hash.
    pub fn record(&self) -> RecordHash {
        self.record
    }

    /// The index it would have had.
    pub fn size(&self) -> LeafIndex {
        self.size
    }
}

/// Where a committed record stands. Only the sequencer makes one, after the commit:
///
/// ```compile_fail
/// fn answer_at_once(index: tlog::LeafIndex, leaf_hash: tlog::Hash) -> civiclog_server::admit::pool::Receipt {
///     civiclog_server::admit::pool::Receipt { index, leaf_hash, is_duplicate: false }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    index: LeafIndex,
    leaf_hash: Hash,
    is_duplicate: bool,
}

impl Receipt {
    /// A receipt for an entry that the store holds durably.
    pub(crate) fn durable(
        committed: &store::Committed,
        index: LeafIndex,
        leaf_hash: Hash,
        is_duplicate: bool,
    ) -> Self {
        assert!(index.is_within(committed.head().size), "a receipt is for a committed entry");
        Self { index, leaf_hash, is_duplicate }
    }

    /// The entry's index.
    pub fn index(&self) -> LeafIndex {
        self.index
    }

    /// The hash of the entry as a leaf.
    pub fn leaf_hash(&self) -> Hash {
        self.leaf_hash
    }

    /// Whether the record was in the log already.
    pub fn is_duplicate(&self) -> bool {
        self.is_duplicate
    }
}

/// The one budget for bodies in flight and submissions waiting.
#[derive(Clone, Debug)]
pub struct Budget {
    submissions_max: usize,
    submissions: Arc<Semaphore>,
    units: Arc<Semaphore>,
}

/// Room taken from the [`Budget`]; dropping it gives it back.
#[derive(Debug)]
pub struct Room {
    submissions: Option<OwnedSemaphorePermit>,
    bytes: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of so many submissions and bytes.
    pub fn new(submissions_max: usize, bytes_max: usize) -> Self {
        Self {
            submissions_max,
            submissions: Arc::new(Semaphore::new(submissions_max)),
            units: Arc::new(Semaphore::new(bytes_max / UNIT_BYTES)),
        }
    }

    /// Takes room for so many bytes of a body and all that will be made of them; `None` when there
    /// is none left.
    pub fn room_for_body(&self, bytes: usize) -> Option<Room> {
        let bytes = self.room_for_memory(bytes.checked_mul(HELD_PER_BODY_BYTE)?)?;
        Some(Room { submissions: None, bytes: Some(bytes) })
    }

    /// Takes room for `count` submissions, or for none of them.
    pub fn room_for_submissions(&self, count: usize) -> Option<Room> {
        let bytes = self.room_for_memory(count.checked_mul(HELD_PER_SUBMISSION)?)?;
        let count = u32::try_from(count).ok()?;
        let submissions = Arc::clone(&self.submissions).try_acquire_many_owned(count).ok()?;
        Some(Room { submissions: Some(submissions), bytes: Some(bytes) })
    }

    /// Whether a body that is announced could be read as things are.
    pub fn could_hold_body(&self, bytes: usize) -> bool {
        bytes.checked_mul(HELD_PER_BODY_BYTE).is_some_and(|it| it <= self.bytes_free())
    }

    fn room_for_memory(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok()?;
        Arc::clone(&self.units).try_acquire_many_owned(units).ok()
    }

    /// How many submissions fit when nothing else waits.
    pub fn submissions_max(&self) -> usize {
        self.submissions_max
    }

    /// Bytes that are free, for the metrics.
    pub fn bytes_free(&self) -> usize {
        self.units.available_permits() * UNIT_BYTES
    }

    /// Submissions that still fit, for the metrics.
    pub fn submissions_free(&self) -> usize {
        self.submissions.available_permits()
    }
}

impl Room {
    /// Adds more room, given back together with this.
    pub fn extend(&mut self, more: Self) {
        let before = std::mem::replace(self, Self { submissions: None, bytes: None });
        *self = before.join(more);
    }

    /// Two rooms that are given back together.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let join = |one: Option<OwnedSemaphorePermit>, other: Option<OwnedSemaphorePermit>| match (
            one, other,
        ) {
            (Some(mut one), Some(other)) => {
                one.merge(other);
                Some(one)
            }
            (one, other) => one.or(other),
        };
        Self {
            submissions: join(self.submissions, other.submissions),
            bytes: join(self.bytes, other.bytes),
        }
    }
}

/// The queue between admission and the sequencer. Bounded by the [`Budget`] of what is in it.
#[derive(Default)]
pub struct Pool {
    /// Locked for moments only, never while anything is read, hashed or written.
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Pending>,
    is_closed: bool,
}

impl Pool {
    /// An empty, open pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts submissions in, in order. A closed pool answers each of them at once.
    pub fn put(&self, submissions: impl IntoIterator<Item = Pending>) {
        let mut queue = self.lock();
        if queue.is_closed {
            drop(queue);
            for pending in submissions {
                pending.answer_with(Outcome::NotJudged(NotJudged::Closed));
            }
            return;
        }
        queue.waiting.extend(submissions);
        drop(queue);
        self.filled.notify_one();
    }

    /// Takes what waits, at most `entries_max`; blocks while there is nothing. `None` once the
    /// pool is closed and empty.
    pub fn take(&self, entries_max: usize) -> Option<Vec<Pending>> {
        let mut queue = self
            .filled
            .wait_while(self.lock(), |queue| queue.waiting.is_empty() && !queue.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        let count = queue.waiting.len().min(entries_max);
        (count > 0).then(|| queue.waiting.drain(..count).collect())
    }

    /// Takes what waits, at most `entries_max`, without waiting for more.
    pub fn take_waiting(&self, entries_max: usize) -> Vec<Pending> {
        let mut queue = self.lock();
        let count = queue.waiting.len().min(entries_max);
        queue.waiting.drain(..count).collect()
    }

    /// Takes nothing more in; what waits can still be taken out.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    /// Closes the pool and answers everything in it.
    pub fn close_with(&self, outcome: &Outcome) {
        let waiting = {
            let mut queue = self.lock();
            queue.is_closed = true;
            std::mem::take(&mut queue.waiting)
        };
        self.filled.notify_all();
        for pending in waiting {
            pending.answer_with(outcome.clone());
        }
    }

    /// Submissions waiting, for the metrics.
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole between any two statements that change it, so a panic elsewhere
        // while it was locked does no harm.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Answers and gives the room back.
    pub fn answer_with(self, outcome: Outcome) {
        // The caller may have gone away; the record's fate does not depend on it.
        let _ = self.answer.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_all_or_nothing_and_comes_back() {
        let budget = Budget::new(10, 80 * UNIT_BYTES);
        let first = budget.room_for_submissions(7).expect("there is room");
        assert!(budget.room_for_submissions(4).is_none());
        let joined = first.join(budget.room_for_submissions(3).expect("exactly the rest"));
        assert!(budget.room_for_submissions(1).is_none());
        drop(joined);
        assert_eq!(budget.submissions_free(), 10);

        let body = budget.room_for_body(15 * UNIT_BYTES + 900).expect("there is room");
        assert!(budget.room_for_body(1).is_none());
        assert!(!budget.could_hold_body(1));
        // All or nothing of it: the count that fits is not kept when the bytes do not.
        assert!(budget.room_for_submissions(1).is_none());
        assert_eq!(budget.submissions_free(), 10);
        drop(body);
        assert_eq!(budget.bytes_free(), 80 * UNIT_BYTES);
    }

    #[test]
    fn a_closed_pool_is_emptied_and_then_ends() {
        let pool = Pool::new();
        pool.close();
        assert!(pool.take(10).is_none());
        assert!(pool.is_empty());
    }
}
