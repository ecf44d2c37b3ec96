//! Published checkpoints as they lie in the database.
//!
//! For each published size the first and the last note are kept. A row is
//! `first at (8, ms) ‖ last at (8, ms) ‖ length of the first note (4) ‖ first note ‖ last note`,
//! numbers big-endian, the last note empty while it is the first.

use std::ops::ControlFlow;

use tlog::{Checkpoint, Note, Origin, TreeHead, TreeSize, UnixMillis};

use crate::error::ReadError;
use crate::kv::{Direction, Family, KeyRange, Kv};
use crate::layout::parse_size;

/// The newest published checkpoint: what everybody is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedNote {
    pub(crate) head: TreeHead,
    pub(crate) note: String,
}

impl PublishedNote {
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

/// The row of the largest published size.
pub(crate) fn newest<K: Kv>(kv: &K) -> Result<Option<CheckpointNotes>, ReadError> {
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

pub(crate) fn encode(notes: &CheckpointNotes) -> Vec<u8> {
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

pub(crate) fn parse(size: TreeSize, row: &[u8]) -> Result<CheckpointNotes, ReadError> {
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

pub(crate) const MALFORMED: ReadError = ReadError::MalformedRow { family: Family::Checkpoints };
