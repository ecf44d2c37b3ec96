//! The second look: hash again what is on the disk, and hold the tree that gives against the tree
//! that is stored.
//!
//! Single bit flips between hashing and storing have retired public logs. A head is therefore
//! derived twice before it is signed: when its batch was integrated, and here, from the rows that
//! will be served. [`audit`](crate::audit()) does the same from the first entry on.

use tlog::{
    ChangedTile, Frontier, FrontierError, Hash, Integration, LeafIndex, ProveError, TileCoord,
    TileError, TileReader, TreeHead, TreeSize, leaf_hash, root_from_tiles,
};

use crate::error::ReadError;
use crate::kv::Kv;
use crate::store::{Store, StoredTiles};

impl<K: Kv> Store<K> {
    /// Hashes the stored entries from `from` up to `head`, integrates them anew, and compares every
    /// tile they touch, and the root, with what is stored. No cache of this process is asked.
    ///
    /// # Errors
    /// [`RecheckError`]: whoever was about to sign this head must not, and the cause is fatal.
    pub fn recheck(&self, from: TreeSize, head: &TreeHead) -> Result<(), RecheckError> {
        let frontier = Frontier::load(from, &self.stored_tiles())?;
        let rehashed = self.rehash(frontier, head.size, |_| Ok(()))?;
        if rehashed != *head {
            return Err(RecheckError::Head { expected: *head, rehashed });
        }
        let from_tiles = root_from_tiles(head.size, &self.stored_tiles())?;
        if from_tiles != head.root {
            let rehashed = TreeHead { size: head.size, root: from_tiles };
            return Err(RecheckError::Head { expected: *head, rehashed });
        }
        Ok(())
    }

    /// Appends the stored entries from the frontier's size up to `size` to it, compares each tile
    /// that this changes with the stored one, and hands each step to `seen`. Returns the head it
    /// arrives at. Holds a few thousand hashes at a time.
    pub(crate) fn rehash(
        &self,
        mut frontier: Frontier,
        size: TreeSize,
        mut seen: impl FnMut(&Integration) -> Result<(), RecheckError>,
    ) -> Result<TreeHead, RecheckError> {
        let tiles = self.stored_tiles();
        while frontier.size() < size {
            let first = frontier.size().get();
            let end = size.get().min(first + REHASH_STEP_ENTRIES);
            let mut leaves = Vec::new();
            self.each_entry(LeafIndex::new(first)..LeafIndex::new(end), |_, entry| {
                leaves.push(leaf_hash(entry));
            })?;
            let integration = frontier.integrate(&leaves);
            for changed in integration.tiles() {
                compare(changed, &tiles)?;
            }
            seen(&integration)?;
            frontier = integration.into_frontier();
        }
        Ok(frontier.head())
    }
}

fn compare<K: Kv>(changed: &ChangedTile, tiles: &StoredTiles<'_, K>) -> Result<(), RecheckError> {
    let (level, index) = (changed.level, changed.index);
    let stored = tiles.read_tile(TileCoord::new(level, index, changed.tile.width())?)?;
    let differs = |(_, (ours, theirs)): &(u64, (&Hash, &Hash))| ours != theirs;
    let pairs = (0..).zip(changed.tile.hashes().iter().zip(stored.hashes()));
    match pairs.into_iter().find(differs) {
        None => Ok(()),
        Some((position, _)) if level == 0 => {
            Err(RecheckError::Entry { index: LeafIndex::new(index * 256 + position) })
        }
        Some(_) => Err(RecheckError::Tile { level, index }),
    }
}

/// What is stored is not the tree it claims to be.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecheckError {
    /// The stored bytes of an entry do not have the leaf hash that is in the tree.
    #[error("entry {index} does not have the hash that is in the tree")]
    Entry {
        /// Which.
        index: LeafIndex,
    },
    /// A stored tile is not the one that its entries give.
    #[error("tile {index} of level {level} is not the one that its entries give")]
    Tile {
        /// Tile level.
        level: u8,
        /// Tile index within the level.
        index: u64,
    },
    /// The leaf index does not lead to an entry.
    #[error("entry {index} is not found under its leaf hash")]
    LeafRow {
        /// Which.
        index: LeafIndex,
    },
    /// The entries, or the tiles, give another head.
    #[error("expected the head {expected:?}, what is stored gives {rehashed:?}")]
    Head {
        /// The head that was to be signed.
        expected: TreeHead,
        /// What is stored.
        rehashed: TreeHead,
    },
    /// The tree has a tile that no path can name.
    #[error("a tile that cannot exist")]
    Coord(#[from] TileError),
    /// The tiles at the start could not be read.
    #[error("the right edge of the tree could not be read")]
    Frontier(#[from] FrontierError<ReadError>),
    /// The root could not be derived.
    #[error("the root could not be derived from the tiles")]
    Root(#[from] ProveError<ReadError>),
    /// Something could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Entries hashed at a time: large enough to amortise the step, small enough not to matter.
const REHASH_STEP_ENTRIES: u64 = 4096;

#[cfg(test)]
mod tests;
