//! One decision at a time for each log: decide, save, only then answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tlog::{NoteSignature, Origin, UnixSeconds};

use crate::decide::{Cosigned, Logs, Refusal, Request, contradiction, decide};
use crate::evidence::EvidenceFolder;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::signers::Signers;
use crate::state::StateFolder;

/// A witness, ready to be asked by many at once.
pub struct Witness {
    signers: Signers,
    logs: Logs,
    /// One for each configured origin; none is added or removed while it runs.
    memories: BTreeMap<Origin, Memory>,
    origins_by_hash: BTreeMap<String, Origin>,
    folder: StateFolder,
    evidence: EvidenceFolder,
    metrics: Metrics,
}

impl Witness {
    /// A witness that remembers `cosigned`, as read from `folder`.
    pub fn new(
        signers: Signers,
        logs: Logs,
        folder: StateFolder,
        mut cosigned: BTreeMap<Origin, Cosigned>,
        metrics: Metrics,
    ) -> Self {
        for known in cosigned.values() {
            metrics.cosigned(known);
        }
        let memories = logs
            .iter()
            .map(|(origin, log)| {
                metrics.watches(origin);
                let pace = Pace::per_day(log.requests_per_day);
                (origin.clone(), Memory::of(cosigned.remove(origin), pace))
            })
            .collect();
        let origins_by_hash =
            logs.keys().map(|origin| (origin.sha256_hex(), origin.clone())).collect();
        let evidence = EvidenceFolder::within(folder.dir());
        Self { signers, logs, memories, origins_by_hash, folder, evidence, metrics }
    }

    /// Answers one request: with cosignatures only after the checkpoint is on disk. Blocks.
    ///
    /// # Errors
    /// [`AddError`]; then nothing was signed.
    pub fn add_checkpoint(&self, body: &[u8], now: Now) -> Result<Vec<NoteSignature>, AddError> {
        // Outside the lock: whoever cannot show the log's signature makes nobody wait.
        let request = Request::read(body, &self.logs)?;
        let memory = self.memories.get(request.origin()).ok_or(Refusal::UnknownOrigin)?;
        memory.pace(now.monotonic_millis)?;
        // A poisoned lock means a request died in here: as unknown as after a failed write.
        let Ok(mut latest) = memory.latest.lock() else { return Err(AddError::StateUnknown) };
        let Latest::Known(before) = &*latest else { return Err(AddError::StateUnknown) };
        self.keep_evidence(before.as_ref(), &request);
        let decision = decide(before.as_ref(), &request, &self.signers, now.unix).inspect_err(
            |refusal| tracing::debug!(origin = %request.origin(), %refusal, "refused"),
        )?;
        if let Err(error) = self.folder.save(&decision.after) {
            *latest = Latest::Unknown;
            tracing::error!(
                origin = %request.origin(), error = format!("{error:#}"),
                "cannot save; nothing more is signed for this log until a restart has read the folder"
            );
            self.metrics.state_unknown(request.origin());
            return Err(AddError::StateUnknown);
        }
        self.metrics.cosigned(&decision.after);
        memory.publish(&decision.after);
        *latest = Latest::Known(Some(decision.after));
        Ok(decision.cosignatures)
    }

    /// Two heads signed by the log that cannot both be true are the very thing a witness exists for:
    /// they go into a file that convinces a stranger, and, whole, into the log line.
    fn keep_evidence(&self, before: Option<&Cosigned>, request: &Request) {
        let origin = request.origin();
        let keys = self.logs.get(origin).map_or(&[][..], |log| &log.keys);
        let Some(evidence) = contradiction(before, request, keys) else { return };
        self.metrics.contradicted(origin);
        let file = match self.evidence.keep(&evidence) {
            Ok(path) => path.display().to_string(),
            Err(error) => format!("cannot be written: {error:#}"),
        };
        tracing::error!(
            %origin, why = evidence.in_words(), file, evidence = evidence.to_string(),
            "THE LOG SIGNED WHAT CANNOT BE TRUE; keep this line and the file, and publish them"
        );
    }

    /// The last checkpoint cosigned of the log with this hash of its origin. Never blocks on a disk.
    ///
    /// Spec: c2sp.org/tlog-witness §monitoring.
    pub fn latest_checkpoint(&self, origin_sha256_hex: &str) -> Option<Arc<str>> {
        let memory = self.memories.get(self.origins_by_hash.get(origin_sha256_hex)?)?;
        memory.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether every log can be served.
    ///
    /// # Errors
    /// In words, which ones cannot.
    pub fn is_ready(&self) -> Result<(), String> {
        let stuck: Vec<&str> = self
            .memories
            .iter()
            .filter(|(_, memory)| memory.is_unknown())
            .map(|(origin, _)| origin.as_str())
            .collect();
        if stuck.is_empty() {
            return Ok(());
        }
        Err(format!("a write failed; restart to read the state of: {}", stuck.join(", ")))
    }

    /// How many logs are configured.
    pub fn logs_watched(&self) -> usize {
        self.logs.len()
    }

    /// The figures.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// The time, as a decision needs it.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// What goes into the cosignature.
    pub unix: UnixSeconds,
    /// What limits are counted by; never goes back.
    pub monotonic_millis: u64,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Reject: the request is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Retry: the log, or whoever repeats what it signed, asks too often.
    #[error(
        "more requests about this log than its limit allows; try again in {retry_after_seconds} s"
    )]
    TooMany {
        /// When there is room for one more.
        retry_after_seconds: u64,
    },
    /// Fatal for this log: it is unknown what is on disk.
    #[error("this witness cannot save its state; its operator has to restart it")]
    StateUnknown,
}

/// What is known of one log.
struct Memory {
    /// The truth. Held from decision to disk, so that no two requests decide on the same state.
    latest: Mutex<Latest>,
    /// What monitors are shown: set after `latest`, while it is held.
    published: RwLock<Option<Arc<str>>>,
    /// Taken for a moment, before `latest` and never with it.
    pace: Mutex<Pace>,
}

enum Latest {
    Known(Option<Cosigned>),
    /// A write failed: old or new may be on disk.
    Unknown,
}

impl Memory {
    fn of(cosigned: Option<Cosigned>, pace: Pace) -> Self {
        let published = RwLock::new(cosigned.as_ref().map(shown));
        Self { latest: Mutex::new(Latest::Known(cosigned)), published, pace: Mutex::new(pace) }
    }

    fn pace(&self, now_millis: u64) -> Result<(), AddError> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.take(now_millis)
            .map_err(|retry_after_seconds| AddError::TooMany { retry_after_seconds })
    }

    fn publish(&self, cosigned: &Cosigned) {
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Some(shown(cosigned));
    }

    fn is_unknown(&self) -> bool {
        match self.latest.try_lock() {
            Ok(latest) => matches!(*latest, Latest::Unknown),
            Err(std::sync::TryLockError::Poisoned(_)) => true,
            // At work; asking must not wait for a disk.
            Err(std::sync::TryLockError::WouldBlock) => false,
        }
    }
}

fn shown(cosigned: &Cosigned) -> Arc<str> {
    cosigned.note().to_string().into()
}

#[cfg(test)]
mod tests;
