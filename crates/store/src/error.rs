//! What every part of the store can report: a read that failed, and the end of this process's writing.

use tlog::{BundleError, LeafIndex, TileError};

use crate::kv::{Family, KvError, KvErrorKind};

/// Why something could not be read. None of these means "absent".
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] KvError),
    /// An entry of the range is not there.
    #[error("entry {index} is missing")]
    MissingEntry {
        /// Which.
        index: LeafIndex,
    },
    /// The bytes of an entry do not have the hash that is in the tree.
    #[error("entry {index} does not have the hash that is in the tree")]
    ChangedEntry {
        /// Which.
        index: LeafIndex,
    },
    /// A tile is not there, or narrower than asked for.
    #[error("tile {index} of level {level} holds {stored} hashes, expected {expected}")]
    MissingTile {
        /// Tile level.
        level: u8,
        /// Tile index within the level.
        index: u64,
        /// How many hashes were asked for.
        expected: u16,
        /// How many there are.
        stored: u16,
    },
    /// A row is not a tile.
    #[error("tile {index} of level {level} is malformed")]
    MalformedTile {
        /// Tile level.
        level: u8,
        /// Tile index within the level.
        index: u64,
        /// What is wrong with it.
        #[source]
        source: TileError,
    },
    /// A row does not have the layout of its family.
    #[error("a row of {family} is malformed")]
    MalformedRow {
        /// Which family.
        family: Family,
    },
    /// The entries do not make a bundle.
    #[error("the entries do not fit a bundle")]
    Bundle(#[from] BundleError),
    /// More entries than one read may return.
    #[error("expected a range of at most {max} entries, got {got}")]
    RangeTooLong {
        /// The limit.
        max: u64,
        /// How many were asked for.
        got: u64,
    },
}

impl ReadError {
    /// Whether what is stored is not what was stored: something damaged it or put it there.
    pub fn is_damage(&self) -> bool {
        !matches!(self, Self::Database(error) if error.kind() != KvErrorKind::Corrupt)
    }
}

/// Why this process may never commit or sign again. A restart recovers what is on the disk and
/// checks it; nothing less does, because after a failed fsync a read sees the page cache and not
/// the disk.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fatal {
    /// A write failed, and whether it happened is unknown.
    #[error("a write failed, its outcome is unknown; restart the process")]
    WriteFailed {
        /// What the database said.
        #[source]
        source: KvError,
    },
    /// Flushes or compactions failed.
    #[error("{count} background operations of the database failed; restart the process")]
    BackgroundErrors {
        /// How many.
        count: u64,
    },
    /// The database could not say whether background operations failed.
    #[error("the database does not answer whether it works; restart the process")]
    Unanswered {
        /// What the database said.
        #[source]
        source: KvError,
    },
}
