//! The threads that check submissions. They yield to the threads that serve readers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::admit::budget::Room;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads that check submissions.
pub struct AdmissionThreads {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl AdmissionThreads {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(count: usize) -> std::io::Result<Self> {
        let (jobs, waiting) = channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        let threads = (0..count)
            .map(|number| {
                let waiting = Arc::clone(&waiting);
                std::thread::Builder::new()
                    .name(format!("admission-{number}"))
                    .spawn(move || work(&waiting))
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Runs a piece of work on one of the threads. How much may wait is bounded by the budget: the
    /// work holds its room until it is done, also when nobody waits for it any more.
    ///
    /// Returns `None` when the work panicked or the threads have ended.
    pub async fn run<T: Send + 'static>(
        &self,
        room: Arc<Room>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Nothing is done for a client that went away.
            if !done.is_closed() {
                // A panic is a bug in reading one submission. It holds nothing that others use, and
                // who found it must not be able to end one thread after the other.
                if let Ok(result) = catch_unwind(AssertUnwindSafe(work)) {
                    let _ = done.send(result);
                } else {
                    tracing::error!("checking a submission panicked");
                }
            }
            drop(room);
        });
        self.jobs.as_ref()?.send(job).ok()?;
        result.await.ok()
    }
}

impl Drop for AdmissionThreads {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    if let Err(error) = service::lower_thread_priority(NICENESS) {
        tracing::warn!(%error, "admission runs at normal priority");
    }
    loop {
        // The lock is held while waiting for a job, never while doing one.
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else {
            return;
        };
        job();
    }
}

/// How far admission threads stand back behind the ones that serve readers.
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
