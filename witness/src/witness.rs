//! One decision at a time for each log: decide, save, only then answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tlog::{CosignatureSigner, NoteSignature, Origin, UnixSeconds};

use crate::decide::{Cosigned, Inconsistency, Logs, Refusal, Request, decide};
use crate::metrics::Metrics;
use crate::state::StateFolder;

/// A witness, ready to be asked by many at once.
pub struct Witness {
    signer: CosignatureSigner,
    keys: Logs,
    /// One for each configured origin; none is added or removed while it runs.
    memories: BTreeMap<Origin, Memory>,
    origins_by_hash: BTreeMap<String, Origin>,
    folder: StateFolder,
    metrics: Metrics,
}

impl Witness {
    /// A witness that remembers `cosigned`, as read from `folder`.
    pub fn new(
        signer: CosignatureSigner,
        keys: Logs,
        folder: StateFolder,
        mut cosigned: BTreeMap<Origin, Cosigned>,
        metrics: Metrics,
    ) -> Self {
        for known in cosigned.values() {
            metrics.cosigned(known);
        }
        let memories = keys
            .keys()
            .map(|origin| (origin.clone(), Memory::of(cosigned.remove(origin))))
            .collect();
        let origins_by_hash =
            keys.keys().map(|origin| (origin.sha256_hex(), origin.clone())).collect();
        Self { signer, keys, memories, origins_by_hash, folder, metrics }
    }

    /// Answers one request: with cosignatures only after the checkpoint is on disk. Blocks.
    ///
    /// # Errors
    /// [`AddError`]; then nothing was signed.
    pub fn add_checkpoint(
        &self,
        body: &[u8],
        now: UnixSeconds,
    ) -> Result<Vec<NoteSignature>, AddError> {
        // Outside the lock: whoever cannot show the log's signature makes nobody wait.
        let request = Request::read(body, &self.keys)?;
        let memory = self.memories.get(request.origin()).ok_or(Refusal::UnknownOrigin)?;
        // A poisoned lock means a request died in here: as unknown as after a failed write.
        let Ok(mut latest) = memory.latest.lock() else { return Err(AddError::StateUnknown) };
        let Latest::Known(before) = &*latest else { return Err(AddError::StateUnknown) };
        let decision = decide(before.as_ref(), &request, &self.signer, now)
            .inspect_err(|refusal| report(refusal, before.as_ref(), &request))?;
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
        self.keys.len()
    }

    /// The figures.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Reject: the request is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
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
}

enum Latest {
    Known(Option<Cosigned>),
    /// A write failed: old or new may be on disk.
    Unknown,
}

impl Memory {
    fn of(cosigned: Option<Cosigned>) -> Self {
        let published = cosigned.as_ref().map(shown);
        Self { latest: Mutex::new(Latest::Known(cosigned)), published: RwLock::new(published) }
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

/// Two heads signed by the log that cannot both be true are the very thing a witness exists for, so
/// both go into the log line, whole. A wrong proof may be anybody's mistake.
fn report(refusal: &Refusal, before: Option<&Cosigned>, request: &Request) {
    let origin = request.origin();
    match refusal {
        Refusal::Inconsistent(Inconsistency::Proof { .. } | Inconsistency::ProofFromNothing) => {
            tracing::warn!(%origin, offered = %request.checkpoint().head.size, %refusal, "refused");
        }
        Refusal::Inconsistent(_) => {
            let cosigned = before.map(|before| before.note().to_string()).unwrap_or_default();
            let offered = request.signed_note();
            tracing::error!(
                %origin, %refusal, cosigned, offered,
                "THE LOG SIGNED TWO HEADS THAT CANNOT BOTH BE TRUE; keep this line"
            );
        }
        _ => tracing::debug!(%origin, %refusal, "refused"),
    }
}

#[cfg(test)]
mod tests;
