//! The only storage seam: read a key, scan a range, write a batch durably.
//!
//! Everything above this trait is the same for RocksDB, for memory and for a simulation that fails
//! on purpose. A batch is atomic over all families, and a write that returned `Ok` survives a power
//! cut; a write that returned an error may or may not have happened, and nobody can tell.

use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A key-value database with seven ordered families and one durable, atomic write.
pub trait Kv: Send + Sync + 'static {
    /// The value of a key, if it is there.
    ///
    /// # Errors
    /// [`KvError`] when the database could not say. That is never "absent".
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// The values of many keys, in the order of the keys. Faster when the keys are sorted.
    fn multi_get(&self, family: Family, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, KvError> {
        keys.iter().map(|key| self.get(family, key)).collect()
    }

    /// Hands the rows of a range to `visit` in key order until it breaks.
    ///
    /// # Errors
    /// [`KvError`] when a row could not be read; rows before it were visited.
    fn scan(
        &self,
        family: Family,
        range: KeyRange<'_>,
        direction: Direction,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), KvError>;

    /// Applies all of a batch or nothing, and returns once it is on the disk.
    ///
    /// # Errors
    /// [`KvError`] when it failed, and then its outcome is unknown.
    fn write(&self, batch: &Batch) -> Result<(), KvError>;

    /// How many flushes and compactions have failed since the database was opened.
    fn background_errors(&self) -> Result<u64, KvError>;

    /// Moves what is in memory and in the write-ahead log into synced files.
    fn flush(&self) -> Result<(), KvError>;

    /// Rewrites the files of a family without the rows that were deleted or replaced. A database
    /// that keeps no old rows has nothing to do.
    ///
    /// # Errors
    /// [`KvError`] when the database could not begin. Whether it succeeded only the files tell.
    fn compact(&self, family: Family) -> Result<(), KvError> {
        let _: Family = family;
        Ok(())
    }

    /// Figures for operators.
    fn usage(&self) -> Result<Usage, KvError> {
        Ok(Usage { background_errors: self.background_errors()?, ..Usage::default() })
    }
}

/// Takes one row, key and value, and says whether to go on.
pub type RowVisitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A row as it is handed out: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// The column families, each with its own key order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Leaf index to entry bytes. Trusted; nothing can rebuild it.
    Entries,
    /// Leaf index to what the log holds for an entry's sealed fields. Erasable; nothing can rebuild it.
    Disclosures,
    /// Tile level and index to hashes. Rebuilt from entries.
    Tiles,
    /// Format version, origin, tree head.
    Meta,
    /// Tree size to its first and last published note. Public copies of it exist elsewhere.
    Checkpoints,
    /// Leaf hash to leaf index. Rebuilt from entries.
    ByLeaf,
    /// Admission state, opaque here. Rebuilt from entries by replaying admission.
    State,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 7] = [
        Self::Entries,
        Self::Disclosures,
        Self::Tiles,
        Self::Meta,
        Self::Checkpoints,
        Self::ByLeaf,
        Self::State,
    ];

    /// The name on the disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Disclosures => "disclosures",
            Self::Tiles => "tiles",
            Self::Meta => "meta",
            Self::Checkpoints => "checkpoints",
            Self::ByLeaf => "by_leaf",
            Self::State => "state",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Keys from `from` up to, but without, `to`; `None` is the end of the family.
#[derive(Clone, Copy, Debug)]
pub struct KeyRange<'a> {
    /// First key of the range.
    pub from: &'a [u8],
    /// First key after the range.
    pub to: Option<&'a [u8]>,
}

impl KeyRange<'_> {
    /// Every key of a family.
    pub const ALL: Self = Self { from: &[], to: None };
}

/// Which end of a range comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Backward,
}

/// Changes that happen together. Keys and values lie in one buffer: a commit of a thousand entries
/// would otherwise allocate ten thousand times.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    ops: Vec<StoredOp>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct StoredOp {
    family: Family,
    kind: OpKind,
    key_len: usize,
    value_len: usize,
}

#[derive(Clone, Copy, Debug)]
enum OpKind {
    Put,
    Delete,
    Clear,
}

/// One change of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// The key has this value from now on.
    Put {
        /// Where.
        family: Family,
        /// Which row.
        key: &'a [u8],
        /// Its whole new value.
        value: &'a [u8],
    },
    /// The key is gone.
    Delete {
        /// Where.
        family: Family,
        /// Which row.
        key: &'a [u8],
    },
    /// Every row of the family is gone.
    Clear {
        /// Which family.
        family: Family,
    },
}

impl Batch {
    /// An empty batch with room for that many changes and bytes of keys and values.
    pub fn with_capacity(ops: usize, bytes: usize) -> Self {
        Self { ops: Vec::with_capacity(ops), bytes: Vec::with_capacity(bytes) }
    }

    /// Sets a key.
    pub fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.push(family, OpKind::Put, key, value);
    }

    /// Removes a key.
    pub fn delete(&mut self, family: Family, key: &[u8]) {
        self.push(family, OpKind::Delete, key, &[]);
    }

    /// Removes every key of a family. Changes that follow in the same batch stay.
    pub fn clear_family(&mut self, family: Family) {
        self.push(family, OpKind::Clear, &[], &[]);
    }

    /// The changes in the order in which they were made, which is the order in which they count.
    pub fn ops(&self) -> impl Iterator<Item = Op<'_>> {
        let mut rest = self.bytes.as_slice();
        self.ops.iter().map(move |op| {
            let (key, after) = rest.split_at(op.key_len);
            let (value, after) = after.split_at(op.value_len);
            rest = after;
            match op.kind {
                OpKind::Put => Op::Put { family: op.family, key, value },
                OpKind::Delete => Op::Delete { family: op.family, key },
                OpKind::Clear => Op::Clear { family: op.family },
            }
        })
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// It changes nothing.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    fn push(&mut self, family: Family, kind: OpKind, key: &[u8], value: &[u8]) {
        self.ops.push(StoredOp { family, kind, key_len: key.len(), value_len: value.len() });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }
}

/// What the database takes and how it is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all files, the write-ahead log included.
    pub disk_bytes: u64,
    /// Bytes of the write-ahead log alone: what a restart has to replay.
    pub wal_bytes: u64,
    /// Bytes in write buffers.
    pub write_buffers_bytes: u64,
    /// Bytes in the block cache.
    pub block_cache_bytes: u64,
    /// Bytes that compaction still has to move.
    pub compaction_pending_bytes: u64,
    /// Failed flushes and compactions; above 0 nothing may be committed or signed.
    pub background_errors: u64,
    /// Writes are being held back because compaction lags.
    pub is_stalled: bool,
}

/// Why the database could not do something.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}")]
pub struct KvError {
    kind: KvErrorKind,
    #[source]
    source: Arc<dyn Error + Send + Sync>,
}

impl KvError {
    /// An error of a kind with what the database said.
    pub fn new(kind: KvErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Arc::from(source.into()) }
    }

    /// What it is about.
    pub const fn kind(&self) -> KvErrorKind {
        self.kind
    }
}

/// What a [`KvError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KvErrorKind {
    /// Another process, or this one, has it open.
    #[error("the database is open elsewhere")]
    Locked,
    /// Bytes on the disk are not what was written.
    #[error("the database is corrupt")]
    Corrupt,
    /// The disk or the file system refused.
    #[error("the database could not be read or written")]
    Io,
    /// Anything else, such as a database of a newer version.
    #[error("the database refused")]
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_gives_back_its_changes_in_order() {
        let mut batch = Batch::with_capacity(3, 8);
        batch.clear_family(Family::Tiles);
        batch.put(Family::Tiles, b"k", b"value");
        batch.put(Family::Meta, b"", b"");
        batch.delete(Family::State, b"gone");
        assert_eq!(
            batch.ops().collect::<Vec<_>>(),
            [
                Op::Clear { family: Family::Tiles },
                Op::Put { family: Family::Tiles, key: b"k", value: b"value" },
                Op::Put { family: Family::Meta, key: b"", value: b"" },
                Op::Delete { family: Family::State, key: b"gone" },
            ]
        );
        assert_eq!((batch.len(), batch.bytes_len(), batch.is_empty()), (4, 10, false));
    }
}
