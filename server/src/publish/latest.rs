//! What everybody is shown: the newest head that its witnesses cosigned. Every read path stops at
//! its size.
//!
//! Serving a head without its quorum does not compile, because only a policy makes a
//! [`CosignedCheckpoint`]:
//!
//! ```compile_fail
//! fn serve_at_once(signed: tlog::SignedCheckpoint) -> civiclog_server::publish::latest::Published {
//!     civiclog_server::publish::latest::Published::new(signed, None)
//! }
//! ```

use std::sync::Arc;

use bytes::Bytes;
use tlog::{CosignedCheckpoint, LeafIndex, Note, TreeHead, TreeSize, UnixMillis, VerifierKey};
use tokio::sync::watch;

/// A published head, ready to be served.
#[derive(Debug)]
pub struct Published {
    checkpoint: CosignedCheckpoint,
    note: Bytes,
    tree_head: Option<SignedTreeHead>,
}

impl Published {
    /// Wraps a head that satisfies the policy.
    pub fn new(checkpoint: CosignedCheckpoint, tree_head: Option<SignedTreeHead>) -> Self {
        let note = Bytes::from(checkpoint.note().to_string());
        Self { checkpoint, note, tree_head }
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head()
    }

    /// Its size: nothing at or beyond it is served.
    pub fn size(&self) -> TreeSize {
        self.head().size
    }

    /// Whether an entry may be shown.
    pub fn covers(&self, index: LeafIndex) -> bool {
        index.is_within(self.size())
    }

    pub fn checkpoint(&self) -> &CosignedCheckpoint {
        &self.checkpoint
    }

    /// The signed note, with every signature it has.
    pub fn note(&self) -> &Bytes {
        &self.note
    }

    /// `None` where the log's P-256 key did not sign it.
    pub fn tree_head(&self) -> Option<&SignedTreeHead> {
        self.tree_head.as_ref()
    }
}

/// The RFC 6962 form of a published head.
#[derive(Clone, Debug)]
pub struct SignedTreeHead {
    pub at: UnixMillis,
    /// The `digitally-signed` structure: algorithms, length, DER signature.
    pub signature: Vec<u8>,
}

impl SignedTreeHead {
    /// The line of the log's P-256 key in a published note, checked.
    pub fn of(note: &Note, key: &VerifierKey) -> Option<Self> {
        let line = key.verified_line(note.text(), note.signatures())?;
        let signature = tlog::TreeHeadSignature::from_note_signature(line)?;
        Some(Self { at: signature.at(), signature: signature.digitally_signed() })
    }
}

/// The newest published head and its followers.
#[derive(Clone, Debug)]
pub struct LatestPublished {
    sender: watch::Sender<Option<Arc<Published>>>,
}

impl LatestPublished {
    /// Starts with what the store holds, if a head was ever published.
    pub fn new(published: Option<Published>) -> Self {
        Self { sender: watch::Sender::new(published.map(Arc::new)) }
    }

    /// The newest published head; `None` before the first.
    pub fn current(&self) -> Option<Arc<Published>> {
        self.sender.borrow().clone()
    }

    /// Shows a head to everybody. A smaller one is never shown after a larger one.
    pub fn show(&self, published: Published) {
        self.sender.send_if_modified(|current| {
            let is_smaller = current.as_ref().is_some_and(|it| published.size() < it.size());
            if !is_smaller {
                *current = Some(Arc::new(published));
            }
            !is_smaller
        });
    }

    /// Waits until an entry is covered by the published head.
    ///
    /// Returns `None` when the server stops before.
    pub async fn covering(&self, index: LeafIndex) -> Option<Arc<Published>> {
        let mut receiver = self.sender.subscribe();
        let covering = receiver
            .wait_for(|it| it.as_ref().is_some_and(|published| published.covers(index)))
            .await
            .ok()?;
        covering.clone()
    }
}
