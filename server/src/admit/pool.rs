//! The queue of submissions that wait to be sequenced.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::admit::budget::Room;
use crate::admit::check::Checked;
use crate::admit::outcome::{NotJudged, Outcome};

/// A submission that passed everything stateless, on its way to the sequencer.
pub struct Pending {
    pub checked: Checked,
    /// Where the answer goes. Nobody may be listening any more; the record counts all the same.
    pub answer: oneshot::Sender<Outcome>,
    /// The room it takes, given back when it is answered.
    pub room: Arc<Room>,
}

/// The queue between admission and the sequencer. Bounded by the [budget](crate::admit::budget) of what is in it.
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
    fn a_closed_pool_is_emptied_and_then_ends() {
        let pool = Pool::new();
        pool.close();
        assert!(pool.take(10).is_none());
        assert!(pool.is_empty());
    }
}
