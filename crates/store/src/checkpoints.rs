//! The history of published checkpoints: what was served, and when.
//!
//! For each published size the first and the last note are kept, for 48 hours; of older ones, the
//! last of each hour. A row is
//! `first at (8, ms) ‖ last at (8, ms) ‖ length of the first note (4) ‖ first note ‖ last note`,
//! numbers big-endian, the last note empty while it is the first.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

use tlog::{
    Checkpoint, CosignedCheckpoint, Note, Origin, ProveError, TreeHead, TreeSize, UnixMillis,
    root_from_tiles,
};

use crate::kv::{Batch, Direction, Family, KeyRange, Kv, KvError};
use crate::layout::{parse_size, size_key};
use crate::open::OpenError;
use crate::store::{Fatal, ReadError, Store, StoredTiles};

/// The newest published checkpoint: what everybody is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    head: TreeHead,
    note: String,
}

impl Published {
    /// Size and root of the published tree.
    pub const fn head(&self) -> TreeHead {
        self.head
    }

    /// The whole signed note, with its cosignatures.
    pub fn note(&self) -> &str {
        &self.note
    }
}

/// What was published for one tree size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointNotes {
    /// The tree size.
    pub size: TreeSize,
    /// The note it was first published with.
    pub first: DatedNote,
    /// The note it was last published with; the same as `first` when there was only one.
    pub last: DatedNote,
}

/// A published note and when it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatedNote {
    /// By the publisher's clock.
    pub at: UnixMillis,
    /// The whole signed note.
    pub note: String,
}

/// Everything before this size has been thinned out by this process.
#[derive(Debug, Default)]
pub(crate) struct PruneCursor(Option<TreeSize>);

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
    ) -> Result<Arc<Published>, PublishError> {
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

        let published = Arc::new(Published { head, note });
        *self.shared.published.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::clone(&published));
        Ok(published)
    }

    /// The newest published checkpoint; `None` when nothing was ever published. From memory.
    pub fn latest_published(&self) -> Option<Arc<Published>> {
        self.shared.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was published for a size, if that is kept.
    ///
    /// # Errors
    /// [`ReadError`] when the database could not say.
    pub fn checkpoint_at(&self, size: TreeSize) -> Result<Option<CheckpointNotes>, ReadError> {
        let row = self.shared.kv.get(Family::Checkpoints, &size_key(size))?;
        row.map(|row| parse(size, &row)).transpose()
    }

    /// The smallest kept size above this one: where to look when this one was not kept.
    ///
    /// # Errors
    /// [`ReadError`] when the database could not say.
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
        let mut resume = cursor.0;
        let mut before: Option<(TreeSize, UnixMillis)> = None;
        self.each_checkpoint(cursor.0.unwrap_or(TreeSize::ZERO), |notes| {
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
        cursor.0 = resume;
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

/// Reads the newest published checkpoint at open and holds the stored tree against it: a tree that
/// is smaller or has another root there lost something that was published.
pub(crate) fn load_published<K: Kv>(
    kv: &K,
    origin: &Origin,
    head: &TreeHead,
) -> Result<Option<Arc<Published>>, OpenError> {
    let Some(notes) = newest(kv)? else { return Ok(None) };
    let published = head_of(&notes.last.note, origin).ok_or(OpenError::PublishedNote)?;
    if published.size != notes.size {
        return Err(OpenError::PublishedNote);
    }
    if published.size > head.size {
        return Err(OpenError::Published { published, tree: *head });
    }
    let root = root_from_tiles(published.size, &StoredTiles { kv })?;
    if root != published.root {
        let tree = TreeHead { size: published.size, root };
        return Err(OpenError::Published { published, tree });
    }
    Ok(Some(Arc::new(Published { head: published, note: notes.last.note })))
}

fn newest<K: Kv>(kv: &K) -> Result<Option<CheckpointNotes>, ReadError> {
    let mut newest = None;
    kv.scan(Family::Checkpoints, KeyRange::ALL, Direction::Backward, &mut |key, row| {
        let size = parse_size(key).ok_or(MALFORMED);
        newest = Some(size.and_then(|size| parse(size, row)));
        ControlFlow::Break(())
    })?;
    newest.transpose()
}

/// The head that a stored note carries, if it is a checkpoint of this log. Its signatures were
/// checked before it was stored.
pub(crate) fn head_of(note: &str, origin: &Origin) -> Option<TreeHead> {
    let note = Note::parse(note.as_bytes()).ok()?;
    let checkpoint = Checkpoint::parse(note.text()).ok()?;
    (checkpoint.origin == *origin).then_some(checkpoint.head)
}

fn encode(notes: &CheckpointNotes) -> Vec<u8> {
    let mut row = Vec::new();
    row.extend_from_slice(&notes.first.at.get().to_be_bytes());
    row.extend_from_slice(&notes.last.at.get().to_be_bytes());
    // A note has a limit far below 4 GiB; one that had not would fail to parse, not be cut.
    let first_len = u32::try_from(notes.first.note.len()).unwrap_or(u32::MAX);
    row.extend_from_slice(&first_len.to_be_bytes());
    row.extend_from_slice(notes.first.note.as_bytes());
    if notes.last.note != notes.first.note {
        row.extend_from_slice(notes.last.note.as_bytes());
    }
    row
}

fn parse(size: TreeSize, row: &[u8]) -> Result<CheckpointNotes, ReadError> {
    parse_row(size, row).ok_or(MALFORMED)
}

fn parse_row(size: TreeSize, row: &[u8]) -> Option<CheckpointNotes> {
    let (first_at, row) = row.split_first_chunk()?;
    let (last_at, row) = row.split_first_chunk()?;
    let (first_len, row) = row.split_first_chunk()?;
    let first_len = usize::try_from(u32::from_be_bytes(*first_len)).ok()?;
    let (first, last) = row.split_at_checked(first_len)?;
    let last = if last.is_empty() { first } else { last };
    let dated = |at: &[u8; 8], note: &[u8]| {
        let note = String::from_utf8(note.to_vec()).ok()?;
        Some(DatedNote { at: UnixMillis::new(u64::from_be_bytes(*at)), note })
    };
    Some(CheckpointNotes { size, first: dated(first_at, first)?, last: dated(last_at, last)? })
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
const MALFORMED: ReadError = ReadError::MalformedRow { family: Family::Checkpoints };

#[cfg(test)]
mod tests;
