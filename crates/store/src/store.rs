//! Reading: entries, tiles, lookups and state, by any number of threads beside the one writer.

use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use tlog::{
    BundleCoord, Hash, LeafIndex, TILE_WIDTH_MAX, Tile, TileCoord, TileReader, TreeHead, TreeSize,
    encode_bundle,
};

use crate::cache::TileCache;
use crate::checkpoint_row::PublishedNote;
use crate::error::{Fatal, ReadError};
use crate::kv::{Direction, Family, KeyRange, Kv, Row, Usage};
use crate::layout::{index_key, parse_index, tile_key};
use crate::rocks::RocksKv;

/// The reading side of an open log, and its published checkpoints. Clones share everything.
///
/// It answers for everything that is committed. Serving no more than what is published is the
/// caller's part, and so is every judgement about what entries and state mean.
#[derive(Debug)]
pub struct Store<K = RocksKv> {
    pub(crate) shared: Arc<Shared<K>>,
}

#[derive(Debug)]
pub(crate) struct Shared<K> {
    pub(crate) kv: K,
    pub(crate) origin: tlog::Origin,
    // Both are locked to copy a value in or out, never while the database is asked.
    pub(crate) head: RwLock<TreeHead>,
    pub(crate) published: RwLock<Option<Arc<PublishedNote>>>,
    // Orders publishing and pruning. Held while they write; readers never take it. Every checkpoint
    // before this size has been thinned out by this process.
    pub(crate) publishing: Mutex<Option<TreeSize>>,
    // Set once, never cleared: fatal means dead.
    pub(crate) fatal: OnceLock<Fatal>,
    pub(crate) tiles: TileCache,
}

impl<K: Kv> Store<K> {
    /// The committed tree head: durable, not necessarily published.
    pub fn head(&self) -> TreeHead {
        *self.shared.head.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The origin of this log.
    pub fn origin(&self) -> &tlog::Origin {
        &self.shared.origin
    }

    /// The bytes of an entry; `None` when the log is not that long.
    ///
    /// # Errors
    /// [`ReadError`], also when the entry should be there and is not.
    pub fn entry(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, ReadError> {
        if !index.is_within(self.head().size) {
            return Ok(None);
        }
        let entry = self.shared.kv.get(Family::Entries, &index_key(index))?;
        entry.map(Some).ok_or(ReadError::MissingEntry { index })
    }

    /// As [`Store::entry`], and only bytes that have the hash that is in the tree: for whatever the
    /// log itself acts upon.
    ///
    /// # Errors
    /// [`ReadError`], among them [`ReadError::ChangedEntry`].
    pub fn entry_in_tree(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(entry) = self.entry(index)? else {
            return Ok(None);
        };
        if tlog::leaf_hash(&entry) == self.leaf_in_tree(index)? {
            Ok(Some(entry))
        } else {
            Err(ReadError::ChangedEntry { index })
        }
    }

    /// The leaf hash of a committed entry as the tree has it, which is not read from the entry.
    fn leaf_in_tree(&self, index: LeafIndex) -> Result<Hash, ReadError> {
        let (tile, position) =
            (index.get() / u64::from(TILE_WIDTH_MAX), index.get() % u64::from(TILE_WIDTH_MAX));
        let missing = |stored| ReadError::MissingTile {
            level: 0,
            index: tile,
            expected: u16::try_from(position + 1).unwrap_or(TILE_WIDTH_MAX),
            stored,
        };
        let width = u16::try_from(position + 1).map_err(|_| missing(0))?;
        let coord = TileCoord::new(0, tile, width).map_err(|_| missing(0))?;
        let tile = self.read_tile(coord)?;
        tile.hashes().last().copied().ok_or_else(|| missing(0))
    }

    /// The entries of a range, all of them.
    ///
    /// # Errors
    /// [`ReadError::MissingEntry`] when the log is not that long; [`ReadError::RangeTooLong`] above
    /// [`ENTRIES_PER_READ_MAX`].
    pub fn entries(&self, range: Range<LeafIndex>) -> Result<Vec<Vec<u8>>, ReadError> {
        let count = range.end.get().saturating_sub(range.start.get());
        if count > ENTRIES_PER_READ_MAX {
            return Err(ReadError::RangeTooLong { max: ENTRIES_PER_READ_MAX, got: count });
        }
        let mut entries = Vec::new();
        self.each_entry(range, |_, entry| entries.push(entry.to_vec()))?;
        Ok(entries)
    }

    /// Hands the entries of a range to `visit`, in order, without keeping them.
    ///
    /// # Errors
    /// [`ReadError::MissingEntry`] for the first index that is not there; those before were visited.
    pub fn each_entry(
        &self,
        range: Range<LeafIndex>,
        mut visit: impl FnMut(LeafIndex, &[u8]),
    ) -> Result<(), ReadError> {
        let mut next = range.start;
        let (from, to) = (index_key(range.start), index_key(range.end));
        let rows = KeyRange { from: &from, to: Some(&to) };
        self.shared.kv.scan(Family::Entries, rows, Direction::Forward, &mut |key, entry| {
            if parse_index(key) != Some(next) {
                return ControlFlow::Break(());
            }
            visit(next, entry);
            next = LeafIndex::new(next.get() + 1);
            ControlFlow::Continue(())
        })?;
        if next < range.end { Err(ReadError::MissingEntry { index: next }) } else { Ok(()) }
    }

    /// A bundle of entries, encoded as it is served.
    ///
    /// Spec: c2sp.org/tlog-tiles §Log Entries.
    ///
    /// # Errors
    /// [`ReadError::MissingEntry`] when the log is not that long.
    pub fn bundle(&self, coord: BundleCoord) -> Result<Vec<u8>, ReadError> {
        let first = coord.first_index();
        let end = LeafIndex::new(first.get().saturating_add(u64::from(coord.width())));
        let entries = self.entries(first..end)?;
        Ok(encode_bundle(entries.iter().map(Vec::as_slice))?)
    }

    /// What the log holds for an entry's sealed fields; `None` when there was nothing or it was
    /// erased.
    pub fn disclosures(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.shared.kv.get(Family::Disclosures, &index_key(index))?)
    }

    /// Where the entry with this leaf hash is. If the same bytes were committed twice, the later.
    pub fn index_of_leaf(&self, leaf: &Hash) -> Result<Option<LeafIndex>, ReadError> {
        let Some(row) = self.shared.kv.get(Family::ByLeaf, leaf.as_bytes())? else {
            return Ok(None);
        };
        let index = parse_index(&row).ok_or(ReadError::MalformedRow { family: Family::ByLeaf })?;
        Ok(Some(index))
    }

    /// A value of the admission state.
    pub fn state_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.shared.kv.get(Family::State, key)?)
    }

    /// Up to `limit` rows of the admission state whose keys begin with `prefix` and come after
    /// `after`, in key order.
    pub fn state_scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, ReadError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        // The smallest key after `after` is `after` with a zero byte behind it.
        let after = after.map(|after| [after, &[0]].concat());
        let from = after.as_deref().map_or(prefix, |after| after.max(prefix));
        let to = first_key_after_prefix(prefix);
        let mut rows = Vec::new();
        let range = KeyRange { from, to: to.as_deref() };
        self.shared.kv.scan(Family::State, range, Direction::Forward, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(rows)
    }

    /// Nothing fatal has happened: committing and signing are still allowed. Ask before each
    /// signature; the answer costs well under a microsecond.
    ///
    /// # Errors
    /// [`Fatal`], from now on always: only a restart, which reads everything anew, clears it.
    pub fn alive(&self) -> Result<(), Fatal> {
        self.shared.alive()
    }

    /// Figures for operators. Reads a folder, so not for every request.
    pub fn usage(&self) -> Result<Usage, ReadError> {
        Ok(self.shared.kv.usage()?)
    }

    /// The tiles as they are on the disk, past the cache: for whoever checks instead of serves.
    pub(crate) fn stored_tiles(&self) -> StoredTiles<'_, K> {
        StoredTiles { kv: &self.shared.kv }
    }
}

impl<K: Kv> TileReader for Store<K> {
    type Error = ReadError;

    /// Reads a tile of any width up to what is stored; full tiles are kept in memory.
    fn read_tile(&self, coord: TileCoord) -> Result<Tile, ReadError> {
        if let Some(full) = self.shared.tiles.find(coord) {
            return narrow(&full, coord);
        }
        let stored = Arc::new(self.stored_tiles().read_widest(coord)?);
        if stored.width() == coord.full().width() {
            self.shared.tiles.keep(coord.full(), &stored);
        }
        narrow(&stored, coord)
    }
}

impl<K: Kv> Shared<K> {
    pub(crate) fn alive(&self) -> Result<(), Fatal> {
        if let Some(fatal) = self.fatal.get() {
            return Err(fatal.clone());
        }
        // RocksDB has no callback for a flush or compaction that failed; this counter is all.
        match self.kv.background_errors() {
            Ok(0) => Ok(()),
            Ok(count) => Err(self.die(Fatal::BackgroundErrors { count })),
            Err(source) => Err(self.die(Fatal::Unanswered { source })),
        }
    }

    /// Ends committing and signing for this process and returns the reason that came first.
    pub(crate) fn die(&self, reason: Fatal) -> Fatal {
        tracing::error!(error = %reason, "the store is dead until a restart");
        self.fatal.get_or_init(|| reason).clone()
    }
}

impl<K> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// Reads tiles without the cache.
#[derive(Debug)]
pub(crate) struct StoredTiles<'a, K> {
    pub(crate) kv: &'a K,
}

impl<K: Kv> StoredTiles<'_, K> {
    /// The tile with all hashes it holds by now.
    fn read_widest(&self, coord: TileCoord) -> Result<Tile, ReadError> {
        let (level, index) = (coord.level(), coord.index());
        let Some(bytes) = self.kv.get(Family::Tiles, &tile_key(level, index))? else {
            return Err(ReadError::MissingTile {
                level,
                index,
                expected: coord.width(),
                stored: 0,
            });
        };
        Tile::from_bytes(&bytes).map_err(|source| ReadError::MalformedTile { level, index, source })
    }
}

impl<K: Kv> TileReader for StoredTiles<'_, K> {
    type Error = ReadError;

    fn read_tile(&self, coord: TileCoord) -> Result<Tile, ReadError> {
        narrow(&self.read_widest(coord)?, coord)
    }
}

fn narrow(tile: &Tile, coord: TileCoord) -> Result<Tile, ReadError> {
    tile.narrowed(coord.width()).ok_or_else(|| ReadError::MissingTile {
        level: coord.level(),
        index: coord.index(),
        expected: coord.width(),
        stored: tile.width(),
    })
}

/// The first key that no longer begins with `prefix`; `None` when all later keys do.
fn first_key_after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if let Some(next) = last.checked_add(1) {
            key.push(next);
            return Some(key);
        }
    }
    None
}

/// The most entries that [`Store::entries`] returns at once.
pub const ENTRIES_PER_READ_MAX: u64 = 65_536;

/// The head of a tree as the database should hold it.
pub(crate) const fn last_index(size: TreeSize) -> Option<LeafIndex> {
    match size.get().checked_sub(1) {
        Some(index) => Some(LeafIndex::new(index)),
        None => None,
    }
}

#[cfg(test)]
mod tests;
