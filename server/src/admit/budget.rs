//! The one budget that bounds everything a submission occupies, from the first byte of its body to its
//! answer.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

/// Bytes of memory that one byte of a body comes to: itself, and up to four in the values that it is
/// read into. Measured: 3.5 in records with many references, on top of [`HELD_PER_SUBMISSION`].
pub const HELD_PER_BODY_BYTE: usize = 5;

/// Bytes of memory that a submission takes whatever its size. Measured: 2.8 KiB for a payment, and
/// what waits for its answer.
pub const HELD_PER_SUBMISSION: usize = 4096;

/// Room in the budget is counted in units of this many bytes.
const UNIT_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_pool_holds_a_full_batch() {
        let body = records::limits::BATCH_BYTES_MAX * HELD_PER_BODY_BYTE;
        let lines = records::limits::BATCH_LINES_MAX * HELD_PER_SUBMISSION;
        assert!((body + lines) as u64 <= crate::config::POOL_BYTES_LEAST, "{body} and {lines}");
    }

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
}
