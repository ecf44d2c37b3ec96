//! Everything stateless about a submission, in parallel: parsing, grammar, signatures. On threads
//! of its own that yield to the threads that serve readers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use records::{CheckedSubmission, Es256Verify, PublicKey, Refusal, Submission};
use store::{Kv, ReadError, Store};
use tokio::sync::oneshot;

use crate::admit::pool::Room;
use crate::admit::posted::Posted;
use crate::core::mode::ModeSwitch;
use crate::core::state::CommittedState;

/// How far admission threads stand back behind the ones that serve readers.
const NICENESS: i32 = 10;

/// ES256 by `aws-lc-rs`, several times as fast as the reference in `records`.
///
/// A "no" of this one is only a refusal; a "yes" that the reference denies would break replay,
/// which is why the two are compared over Wycheproof and over random input.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLcEs256;

impl Es256Verify for AwsLcEs256 {
    fn verify(&self, sec1: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, sec1).verify(message, signature).is_ok()
    }
}

/// Why a submission did not get as far as being judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// It breaks a rule that needs no state.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The store could not say whether a key is known.
    #[error("looking up a key")]
    Store(#[from] ReadError),
    /// A state value that this program wrote cannot be understood: whoever judged by the rest of it
    /// could be wrong about anything.
    #[error("the admission state is damaged; `audit` names the place, `rebuild` writes it anew")]
    DamagedState(#[source] records::StateError<ReadError>),
    /// What was parsed is not what was posted.
    #[error("a submission changed in memory while it was read")]
    Altered,
}

impl AdmitError {
    /// Logs a failure that is no refusal. Where it is damage, the process judges and signs nothing
    /// more, as when the sequencer meets it.
    pub fn report(&self, mode: &ModeSwitch) {
        let words = service::error_chain(self);
        if matches!(self, Self::DamagedState(_)) {
            mode.read_only(words);
        } else {
            tracing::error!(error = words, "admission");
        }
    }
}

/// A submission that passed, and what it was made from.
#[derive(Debug)]
pub struct Checked {
    /// The submission.
    pub submission: CheckedSubmission,
    /// What the entry has to hold.
    pub posted: Posted,
}

/// Checks everything about a submission that needs no order.
///
/// # Errors
/// [`AdmitError::Refused`] with rule, place and words. The others say nothing about the submission:
/// they are for [`AdmitError::report`].
pub fn check<K: Kv>(store: &Store<K>, origin: &str, bytes: &[u8]) -> Result<Checked, AdmitError> {
    // First of all: what changes from here on is noticed.
    let posted = Posted::of(bytes);
    let submission = Submission::parse(bytes, origin).map_err(AdmitError::Refused)?;
    // A canonical submission has one form, so this is what was posted. Seen here, where only one
    // caller is told, so that it can never be a caller who makes the sequencer stop.
    let posted = posted.filter(|it| Posted::of(&submission.to_canonical()) == Some(*it));
    let posted = posted.ok_or(AdmitError::Altered)?;
    let state = CommittedState(store);
    // A registration is signed by the key it brings. Checked here, a stranger's wrong ones never
    // cost the sequencer a verification; a thumbprint names one key, known or not.
    let brought = submission.record().brought_keys();
    let known = |kid: &records::Kid| -> Result<Option<PublicKey>, AdmitError> {
        if let Some(key) = brought.iter().find(|it| it.kid() == kid) {
            return Ok(Some(key.clone()));
        }
        Ok(records::state::key(&state, kid).map_err(key_error)?.map(|it| it.public))
    };
    let checked = CheckedSubmission::check(submission, known, &AwsLcEs256)?;
    Ok(Checked { submission: checked.map_err(AdmitError::Refused)?, posted })
}

fn key_error(error: records::StateError<ReadError>) -> AdmitError {
    match error {
        records::StateError::Read(source) => AdmitError::Store(source),
        damaged => AdmitError::DamagedState(damaged),
    }
}

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

#[cfg(test)]
mod tests;
