//! The threads that check submissions. They yield to the threads that serve readers.

use std::sync::Arc;

use rayon_core::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::sync::oneshot;

use crate::admit::budget::Room;

/// A few threads with one queue, which is bounded by the budget that whoever waits in it holds room of.
pub struct AdmissionThreads(ThreadPool);

impl AdmissionThreads {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(count: usize) -> Result<Self, ThreadPoolBuildError> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|number| format!("admission-{number}"))
            .start_handler(|_| {
                if let Err(error) = service::lower_thread_priority(NICENESS) {
                    tracing::warn!(%error, "admission runs at normal priority");
                }
            })
            // A panic is a bug in reading one submission. It holds nothing that others use, and who
            // found it must not be able to end one thread after the other, or the whole process.
            .panic_handler(|_| tracing::error!("checking a submission panicked"))
            .build()?;
        Ok(Self(threads))
    }

    /// Runs a piece of work on one of the threads. It holds its room until it is done, also when nobody
    /// waits for it any more. Returns `None` when it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        room: Arc<Room>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        self.0.spawn(move || {
            // In this order, so that after a panic, too, the room is back before the caller hears of it.
            let done = done;
            let room = room;
            // Nothing is done for a client that went away.
            if !done.is_closed() {
                let result = work();
                drop(room);
                let _ = done.send(result);
            }
        });
        result.await.ok()
    }
}

/// How far the threads stand back behind the ones that serve readers.
const NICENESS: i32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_costs_its_own_caller_an_answer_and_nobody_else_a_thread() {
        let threads = AdmissionThreads::start(1).expect("a thread");
        let budget = crate::admit::budget::Budget::new(10, 1 << 20);
        let room = || Arc::new(budget.room_for_submissions(1).expect("room"));
        for _ in 0..3 {
            let answer: Option<()> = threads.run(room(), || panic!("on purpose")).await;
            assert!(answer.is_none());
        }
        assert_eq!(threads.run(room(), || 7).await, Some(7));
        drop(threads);
        assert_eq!(budget.submissions_free(), 10, "room comes back after a panic, too");
    }
}
