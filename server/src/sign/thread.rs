//! The signing thread: it alone holds the anchor and the keys.
//!
//! ```text
//! Sign(head)         guard ─► anchor ─► Ed25519 ─► confirm             the signed checkpoint
//! Publish(cosigned)  P-256 ─► policy in the anchor ─► store            told to `published`
//! ```

use std::sync::mpsc::Receiver;

use store::{Fatal, Kv, PublishError};
use tlog::{
    CosignedCheckpoint, NoteError, Policy, SignedCheckpoint, TreeHead, UnixMillis, VerifyError,
};

use crate::core::Core;
use crate::core::mode::Ended;
use crate::sign::anchor::{Anchor, AnchorError};
use crate::sign::guard::{GuardError, confirm, guard};
use crate::sign::signer::LogSigner;

/// What needs the anchor and the keys.
#[derive(Debug)]
pub enum SigningTask {
    /// Take this head through gate and anchor, and sign it.
    Sign(TreeHead),
    /// Add the log's second signature to a head that has its quorum, and store it.
    Publish(CosignedCheckpoint),
}

/// Why nothing was signed or stored. Each of them is final for this process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// Another part of the process failed before.
    #[error("this process is read-only")]
    ReadOnly,
    /// The database failed before.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// What is stored does not support the head.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// What the anchor holds is unknown, or is not what this process left there.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The note has no room for the second signature.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// With the second signature in it the note no longer satisfies the policy.
    #[error(transparent)]
    Policy(#[from] VerifyError),
    /// Storing the note failed.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// The anchor, the keys, and what they are used with.
pub struct SigningThread<K: Kv> {
    /// Whether anything may be signed, and where it is stored.
    pub core: Core<K>,
    pub anchor: Anchor,
    /// Ed25519 and P-256.
    pub signer: LogSigner,
    /// Checks the note once more, with the log's second signature in it.
    pub policy: Policy,
    /// Remembered in the anchor with the first head published under it.
    pub policy_text: String,
    /// The time of the last RFC 6962 tree head: the next one is later.
    pub last_tree_head_ms: u64,
    /// Told of every head that is stored under its quorum, in this thread.
    pub published: Box<dyn Fn(CosignedCheckpoint) + Send>,
}

impl<K: Kv> SigningThread<K> {
    /// Performs tasks until their sender is dropped or one fails for good. `done` is told of each,
    /// also of the last, which wakes whoever would wait for it.
    pub fn run(mut self, tasks: &Receiver<SigningTask>, done: impl Fn(Option<SignedCheckpoint>)) {
        let _guard = self.core.mode.read_only_on_panic("the publishing thread");
        while let Ok(task) = tasks.recv() {
            let performed = self.perform(task);
            let is_over = performed.is_err();
            done(performed.ok().flatten());
            if is_over {
                return;
            }
        }
    }

    /// Performs one task, and returns what it signed for the witnesses. After [`Ended`] the caller
    /// drops the thread's anchor and keys.
    pub fn perform(&mut self, task: SigningTask) -> Result<Option<SignedCheckpoint>, Ended> {
        match task {
            SigningTask::Sign(head) => self.sign(head).map(Some),
            SigningTask::Publish(cosigned) => self.publish(&cosigned).map(|()| None),
        }
        .map_err(|error| self.core.mode.fail(&error))
    }

    /// Takes a head through gate and anchor, and signs it.
    pub fn sign(&mut self, head: TreeHead) -> Result<SignedCheckpoint, SigningError> {
        self.may_sign()?;
        let guarded = guard(&self.core.store, self.anchor.head(), head)?;
        // Again: hashing what is to be signed takes time, and something may have failed meanwhile.
        self.may_sign()?;
        let anchored = self.anchor.advance(guarded)?;
        let signed = self.signer.sign(anchored);
        confirm(&self.core.store, self.anchor.head(), &signed)?;
        Ok(signed)
    }

    /// Adds the RFC 6962 signature, stores the whole note, and tells of it.
    fn publish(&mut self, cosigned: &CosignedCheckpoint) -> Result<(), SigningError> {
        self.may_sign()?;
        // SPEC RFC 6962 §3.5: each timestamp is later than the one before, whatever the clock does.
        let now_ms = self.core.clock.unix_millis();
        let tree_head_ms = now_ms.max(self.last_tree_head_ms + 1);
        let note = self.signer.sign_tree_head(cosigned, UnixMillis::new(tree_head_ms))?;
        let whole = self.policy.check(&note)?;
        // Around the publication: a crash in between leaves both policies in the anchor.
        self.anchor.expect_policy(&self.policy_text)?;
        self.core.store.publish(&whole, UnixMillis::new(now_ms))?;
        // Before the start-up rule holds this is the head signed last, shown again. Its quorum does
        // not say that nobody knows a later one, so a restart must still ask everybody.
        if self.core.mode.is_running() {
            self.anchor.settle(&self.policy_text)?;
        }
        self.last_tree_head_ms = tree_head_ms;
        self.core.metrics.published(whole.head().size, now_ms);
        (self.published)(whole);
        Ok(())
    }

    /// Nothing failed so far: neither in the store nor anywhere else in this process.
    fn may_sign(&self) -> Result<(), SigningError> {
        if self.core.mode.is_read_only() {
            return Err(SigningError::ReadOnly);
        }
        Ok(self.core.store.alive()?)
    }
}
