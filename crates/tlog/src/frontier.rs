//! The right edge of a tree: everything needed to append to it, and nothing more.
//!
//! For each tile level the frontier holds the hashes of the tile that is not full yet. 70,000
//! leaves are 273 full tiles and 112 hashes at level 0, 1 full tile and 17 hashes at level 1, and
//! 1 hash at level 2: so 130 hashes.
//!
//! Spec: c2sp.org/tlog-tiles §Merkle Tree; a partial tile is never hashed upwards.

use crate::hash::{EMPTY_ROOT, Hash, node_hash};
use crate::position::{TreeHead, TreeSize};
use crate::tile::{
    TILE_HASHES_MAX, TREE_TILE_LEVELS, Tile, TileCoord, TileReader, hashes_at_level, tile_of_size,
};

/// The right edge of a tree. Never stored: it is read from tiles when a store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    head: TreeHead,
    /// By tile level: the hashes of the tile that is not full, fewer than 256 each. No trailing
    /// empty levels, so that equal trees have equal frontiers.
    levels: Vec<Vec<Hash>>,
}

impl Frontier {
    /// The frontier of the tree without leaves.
    pub fn empty() -> Self {
        Self { head: TreeHead::EMPTY, levels: Vec::new() }
    }

    /// Reads the partial tiles of a tree: at most eight. Whether [`Frontier::head`] is the head
    /// that was expected is for the caller to compare.
    pub fn load<R: TileReader>(size: TreeSize, tiles: &R) -> Result<Self, FrontierError<R::Error>> {
        let mut levels = Vec::new();
        for level in 0..TREE_TILE_LEVELS {
            levels.push(match partial_tile(level, size) {
                None => Vec::new(),
                Some(coord) => read_exactly(tiles, coord)?.hashes().to_vec(),
            });
        }
        Ok(Self::from_levels(size, levels))
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// How many leaves.
    pub fn size(&self) -> TreeSize {
        self.head.size
    }

    /// Appends leaf hashes: the tiles that gained a hash, each with its whole new content, and the
    /// new head. Changes nothing here; the frontier after it is in the result.
    pub fn integrate(&self, leaves: &[Hash]) -> Integration {
        let mut levels = Vec::new();
        let mut tiles = Vec::new();
        let mut gained = leaves.to_vec();
        for level in 0..TREE_TILE_LEVELS {
            let held = self.levels.get(usize::from(level)).map_or(&[][..], Vec::as_slice);
            let first_index = full_tiles(level, self.size());
            let step = append_to_level(level, first_index, held, &gained);
            tiles.extend(step.changed);
            levels.push(step.partial);
            gained = step.gained_above;
        }
        // Saturates only beyond 2^64 leaves, far above what any proof is made for.
        let added = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
        let size = TreeSize::new(self.size().get().saturating_add(added));
        let after = Self::from_levels(size, levels);
        Integration { before: self.size(), after, tiles, leaves: leaves.to_vec() }
    }

    fn from_levels(size: TreeSize, mut levels: Vec<Vec<Hash>>) -> Self {
        while levels.last().is_some_and(Vec::is_empty) {
            levels.pop();
        }
        let head = TreeHead { size, root: root_of_levels(&levels) };
        Self { head, levels }
    }
}

/// What appending leaves does to a tree: the input of the one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    before: TreeSize,
    after: Frontier,
    tiles: Vec<ChangedTile>,
    leaves: Vec<Hash>,
}

impl Integration {
    /// The size the tree had.
    pub fn before(&self) -> TreeSize {
        self.before
    }

    /// The head it has with the new leaves.
    pub fn head(&self) -> TreeHead {
        self.after.head()
    }

    /// The tiles that gained a hash, level 0 first, left to right.
    pub fn tiles(&self) -> &[ChangedTile] {
        &self.tiles
    }

    /// The leaf hashes that were appended.
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    /// The frontier with the new leaves.
    pub fn frontier(&self) -> &Frontier {
        &self.after
    }

    /// The frontier with the new leaves, to go on from.
    pub fn into_frontier(self) -> Frontier {
        self.after
    }
}

/// A tile that gained at least one hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedTile {
    /// Its level.
    pub level: u8,
    /// Its index within the level.
    pub index: u64,
    /// All hashes it holds now.
    pub tile: Tile,
}

/// One level after hashes were appended to it.
struct LevelStep {
    changed: Vec<ChangedTile>,
    partial: Vec<Hash>,
    gained_above: Vec<Hash>,
}

fn append_to_level(level: u8, first_index: u64, held: &[Hash], gained: &[Hash]) -> LevelStep {
    let mut step =
        LevelStep { changed: Vec::new(), partial: held.to_vec(), gained_above: Vec::new() };
    if gained.is_empty() {
        return step;
    }
    let all = [held, gained].concat();
    let (full, partial) = all.as_chunks::<TILE_HASHES>();
    let mut index = first_index;
    for hashes in full {
        step.gained_above.push(root_of_row(hashes));
        step.changed.extend(changed_tile(level, index, hashes));
        index = index.saturating_add(1);
    }
    step.partial = partial.to_vec();
    step.changed.extend(changed_tile(level, index, partial));
    step
}

/// `None` when there is no hash, and so no tile.
fn changed_tile(level: u8, index: u64, hashes: &[Hash]) -> Option<ChangedTile> {
    Tile::new(hashes.to_vec()).ok().map(|tile| ChangedTile { level, index, tile })
}

/// The root over all levels: each level's hashes, and after them the root of all levels below.
fn root_of_levels(levels: &[Vec<Hash>]) -> Hash {
    let mut below = None;
    for level in levels {
        let row = [level.as_slice(), below.as_slice()].concat();
        if !row.is_empty() {
            below = Some(root_of_row(&row));
        }
    }
    below.unwrap_or(EMPTY_ROOT)
}

/// The Merkle tree hash over subtrees of equal size, the last of which may be smaller. Pairing
/// neighbours and carrying an odd last one up gives the tree that RFC 6962 defines top-down.
pub(crate) fn root_of_row(row: &[Hash]) -> Hash {
    let mut row = row.to_vec();
    while row.len() > 1 {
        let (pairs, odd) = row.as_chunks::<2>();
        let mut above: Vec<Hash> =
            pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
        above.extend_from_slice(odd);
        row = above;
    }
    row.first().copied().unwrap_or(EMPTY_ROOT)
}

fn full_tiles(level: u8, size: TreeSize) -> u64 {
    hashes_at_level(size, level) / TILE_HASHES_MAX
}

fn partial_tile(level: u8, size: TreeSize) -> Option<TileCoord> {
    tile_of_size(level, full_tiles(level, size), size)
}

fn read_exactly<R: TileReader>(
    tiles: &R,
    coord: TileCoord,
) -> Result<Tile, FrontierError<R::Error>> {
    let tile = tiles.read_tile(coord).map_err(|source| FrontierError::Read { coord, source })?;
    if tile.width() != coord.width() {
        return Err(FrontierError::Width { coord, got: tile.width() });
    }
    Ok(tile)
}

/// Why a frontier cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontierError<E: std::error::Error + 'static> {
    /// The source of tiles failed.
    #[error("reading {}", crate::tile_path::TilePath::Hash(*coord))]
    Read {
        /// Which tile.
        coord: TileCoord,
        /// Why.
        source: E,
    },
    /// The source returned another number of hashes than asked for.
    #[error("expected {} hashes, got {got}", coord.width())]
    Width {
        /// Which tile.
        coord: TileCoord,
        /// How many hashes came.
        got: u16,
    },
}

const TILE_HASHES: usize = 256;

#[cfg(test)]
mod tests;
