//! The history of published checkpoints: what was served, and when.
//!
//! For each published size the first and the last note are kept, for 48 hours; of older ones, the
//! last of each hour.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

use tlog::{CosignedCheckpoint, ProveError, TreeHead, TreeSize, UnixMillis, root_from_tiles};

use crate::checkpoint_row::{CheckpointNotes, DatedNote, MALFORMED, PublishedNote, encode, parse};
use crate::error::{Fatal, ReadError};
use crate::kv::{Batch, Direction, Family, KeyRange, Kv, KvError};
use crate::layout::{parse_size, size_key};
use crate::store::Store;

impl<K: Kv> Store<K> {
    /// Makes a checkpoint that has its quorum the published one, durably. Publishing the same size
    /// again, with other signatures, replaces the last note and keeps the first.
    ///
    /// # Errors
    /// [`PublishError`]: what would contradict an earlier checkpoint or this store's tree is
    /// refused; a failed write is fatal.
    pub fn publish(
        &self,
        checkpoint: &CosignedCheckpoint,
        now: UnixMillis,
    ) -> Result<Arc<PublishedNote>, PublishError> {
        let _one_at_a_time = self.shared.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.alive()?;
        let head = checkpoint.head();
        if checkpoint.checkpoint().origin != self.shared.origin {
            return Err(PublishError::Origin);
        }
        self.refuse_what_contradicts(&head)?;

        let note = checkpoint.note().to_string();
        let dated = DatedNote { at: now, note: note.clone() };
        let first = self.checkpoint_at(head.size)?.map_or_else(|| dated.clone(), |row| row.first);
        let row = CheckpointNotes { size: head.size, first, last: dated };
        let mut batch = Batch::default();
        batch.put(Family::Checkpoints, &size_key(head.size), &encode(&row));
        self.write_or_die(&batch)?;

        let published = Arc::new(PublishedNote { head, note });
        *self.shared.published.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::clone(&published));
        Ok(published)
    }

    /// The newest published checkpoint; `None` when nothing was ever published. From memory.
    pub fn latest_published(&self) -> Option<Arc<PublishedNote>> {
        self.shared.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was published for a size, if that is kept.
    pub fn checkpoint_at(&self, size: TreeSize) -> Result<Option<CheckpointNotes>, ReadError> {
        let row = self.shared.kv.get(Family::Checkpoints, &size_key(size))?;
        row.map(|row| parse(size, &row)).transpose()
    }

    /// The smallest kept size above this one: where to look when this one was not kept.
    pub fn next_checkpoint_after(&self, size: TreeSize) -> Result<Option<TreeSize>, ReadError> {
        let Some(from) = size.checked_add(1) else { return Ok(None) };
        let mut next = None;
        self.each_checkpoint(from, |notes| {
            next = Some(notes.size);
            ControlFlow::Break(())
        })?;
        Ok(next)
    }

    /// Forgets old checkpoints: older than 48 hours, all but the last of each hour. Returns how
    /// many it removed; at most [`PRUNED_PER_CALL_MAX`], so call it again and again. The published
    /// checkpoint always stays.
    ///
    /// # Errors
    /// [`PublishError::Read`] when the database could not say, [`PublishError::Fatal`] when removing
    /// failed.
    pub fn prune_checkpoints(&self, now: UnixMillis) -> Result<usize, PublishError> {
        let mut cursor = self.shared.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.alive()?;
        let mut batch = Batch::default();
        let mut resume = *cursor;
        let mut before: Option<(TreeSize, UnixMillis)> = None;
        self.each_checkpoint(cursor.unwrap_or(TreeSize::ZERO), |notes| {
            if let Some((size, at)) = before
                && hour_of(at) == hour_of(notes.last.at)
            {
                batch.delete(Family::Checkpoints, &size_key(size));
            }
            before = Some((notes.size, notes.last.at));
            resume = Some(notes.size);
            let age = now.get().saturating_sub(notes.last.at.get());
            if age <= ALL_KEPT_FOR_MS || batch.len() >= PRUNED_PER_CALL_MAX {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if !batch.is_empty() {
            self.write_or_die(&batch)?;
        }
        // The last row seen may still turn out not to be the last of its hour: start there.
        *cursor = resume;
        Ok(batch.len())
    }

    /// Hands over what is kept from a size on, in order, until `visit` breaks.
    pub(crate) fn each_checkpoint(
        &self,
        from: TreeSize,
        mut visit: impl FnMut(CheckpointNotes) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let mut malformed = None;
        let from = size_key(from);
        let range = KeyRange { from: &from, to: None };
        self.shared.kv.scan(Family::Checkpoints, range, Direction::Forward, &mut |key, row| {
            let size = parse_size(key).ok_or(MALFORMED);
            match size.and_then(|size| parse(size, row)) {
                Ok(notes) => visit(notes),
                Err(error) => {
                    malformed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        malformed.map_or(Ok(()), Err)
    }

    fn refuse_what_contradicts(&self, head: &TreeHead) -> Result<(), PublishError> {
        let committed = self.head();
        if head.size > committed.size {
            return Err(PublishError::NotCommitted { committed: committed.size, got: head.size });
        }
        let root = root_from_tiles(head.size, self)?;
        if root != head.root {
            return Err(PublishError::OtherTree { size: head.size });
        }
        match self.latest_published() {
            Some(published) if published.head.size > head.size => {
                Err(PublishError::Smaller { published: published.head.size, got: head.size })
            }
            _ => Ok(()),
        }
    }

    fn write_or_die(&self, batch: &Batch) -> Result<(), Fatal> {
        let written = self.shared.kv.write(batch);
        written.map_err(|source| self.shared.die(Fatal::WriteFailed { source }))
    }
}

const fn hour_of(at: UnixMillis) -> u64 {
    at.get() / HOUR_MS
}

/// Why a checkpoint was not published.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// This process can never publish again.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// A checkpoint of another log.
    #[error("expected a checkpoint of this log")]
    Origin,
    /// A larger checkpoint was published before.
    #[error("expected a size of at least {published}, got {got}")]
    Smaller {
        /// The published size.
        published: TreeSize,
        /// The size that was offered.
        got: TreeSize,
    },
    /// Entries under this checkpoint are not durable here.
    #[error("expected a size of at most {committed}, got {got}")]
    NotCommitted {
        /// The committed size.
        committed: TreeSize,
        /// The size that was offered.
        got: TreeSize,
    },
    /// The root is not this store's root at that size.
    #[error("the checkpoint of size {size} is of another tree")]
    OtherTree {
        /// Its size.
        size: TreeSize,
    },
    /// The store's root could not be derived.
    #[error("the root could not be derived from the tiles")]
    Root(#[from] ProveError<ReadError>),
    /// Something could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<KvError> for PublishError {
    fn from(error: KvError) -> Self {
        Self::Read(ReadError::Database(error))
    }
}

/// How many checkpoints one call of [`Store::prune_checkpoints`] removes at most.
pub const PRUNED_PER_CALL_MAX: usize = 4096;

/// Every checkpoint is kept this long.
pub const ALL_KEPT_FOR_MS: u64 = 48 * HOUR_MS;

const HOUR_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests;
