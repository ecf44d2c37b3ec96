//! Tiles: the tree cut into files of up to 256 hashes.
//!
//! ```text
//! level 1           tile/1/000.p/1                 one hash, over all of tile/0/000
//! level 0   tile/0/000      tile/0/001.p/44        leaves 0..256 and 256..300
//! ```
//!
//! Spec: c2sp.org/tlog-tiles §Merkle Tree.

use crate::hash::{HASH_BYTES, Hash};
use crate::position::TreeSize;

/// Which tile: level, index within the level, and how many hashes it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileCoord {
    level: u8,
    index: u64,
    width: u16,
}

impl TileCoord {
    /// A tile at `level` (0..=63), `index` (below 2^56), holding `width` hashes (1..=256).
    pub const fn new(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        if level > TILE_LEVEL_MAX {
            return Err(TileError::Level { got: level });
        }
        if index > TILE_INDEX_MAX {
            return Err(TileError::Index { got: index });
        }
        if width == 0 || width > TILE_WIDTH_MAX {
            return Err(TileError::Width { got: width });
        }
        Ok(Self { level, index, width })
    }

    /// 0 for leaf hashes; a hash at level n + 1 covers a full tile of level n.
    pub const fn level(self) -> u8 {
        self.level
    }

    /// Position within the level.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many hashes, 1..=256.
    pub const fn width(self) -> u16 {
        self.width
    }

    /// It holds all 256 hashes and will never change.
    pub const fn is_full(self) -> bool {
        self.width == TILE_WIDTH_MAX
    }

    /// The same tile once it is full.
    #[must_use]
    pub const fn full(self) -> Self {
        Self { width: TILE_WIDTH_MAX, ..self }
    }
}

/// The content of a tile: 1 to 256 hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    hashes: Vec<Hash>,
}

impl Tile {
    /// A tile of these hashes, 1 to 256 of them.
    ///
    /// # Errors
    /// [`TileError::Hashes`] for none or too many.
    pub fn new(hashes: Vec<Hash>) -> Result<Self, TileError> {
        if hashes.is_empty() || hashes.len() > usize::from(TILE_WIDTH_MAX) {
            return Err(TileError::Hashes { got: hashes.len() });
        }
        Ok(Self { hashes })
    }

    /// Reads the bytes of a tile: hashes one after the other.
    ///
    /// # Errors
    /// [`TileError::Bytes`] unless the length is 32 times 1..=256.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TileError> {
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        if !rest.is_empty() || hashes.is_empty() || hashes.len() > usize::from(TILE_WIDTH_MAX) {
            return Err(TileError::Bytes { got: bytes.len() });
        }
        Ok(Self { hashes: hashes.iter().copied().map(Hash::new).collect() })
    }

    /// The bytes as they are served and stored, 32 for each hash.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// The hashes, left to right.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// How many hashes, 1..=256.
    pub fn width(&self) -> u16 {
        u16::try_from(self.hashes.len()).unwrap_or(TILE_WIDTH_MAX)
    }

    /// The tile as it was when it held only `width` hashes: a partial tile is a prefix of every
    /// wider one. `None` when `width` is 0 or more than there are.
    pub fn narrowed(&self, width: u16) -> Option<Self> {
        if width == 0 {
            return None;
        }
        self.hashes.get(..usize::from(width)).map(|hashes| Self { hashes: hashes.to_vec() })
    }
}

/// Where tiles come from: a store, a cache, a server. Returns exactly `coord.width()` hashes.
pub trait TileReader {
    /// What can go wrong while reading.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Reads one tile.
    ///
    /// # Errors
    /// Whatever the source reports. A tile that is absent is an error, never an empty answer.
    fn read_tile(&self, coord: TileCoord) -> Result<Tile, Self::Error>;
}

impl<R: TileReader + ?Sized> TileReader for &R {
    type Error = R::Error;

    fn read_tile(&self, coord: TileCoord) -> Result<Tile, R::Error> {
        (**self).read_tile(coord)
    }
}

/// All tiles of a tree, lowest level first, left to right; the last of each level may be partial.
///
/// Spec: tlog-tiles; at level l there are `size / 256^l` hashes, and tiles of width 0 do not exist.
pub fn tiles_of_size(size: TreeSize) -> impl Iterator<Item = TileCoord> {
    (0..TREE_TILE_LEVELS).flat_map(move |level| {
        let hashes = hashes_at_level(size, level);
        (0..hashes.div_ceil(TILE_HASHES_MAX))
            .filter_map(move |index| tile_of_size(level, index, size))
    })
}

/// One tile of a tree, as wide as that tree has it; `None` when the tree has no hash there.
pub fn tile_of_size(level: u8, index: u64, size: TreeSize) -> Option<TileCoord> {
    let before = index.checked_mul(TILE_HASHES_MAX)?;
    let held = hashes_at_level(size, level).checked_sub(before)?;
    let width = u16::try_from(held.min(TILE_HASHES_MAX)).ok()?;
    TileCoord::new(level, index, width).ok()
}

/// How many hashes a tree of this size has at a tile level: `size / 256^level`.
pub(crate) fn hashes_at_level(size: TreeSize, level: u8) -> u64 {
    size.get().checked_shr(u32::from(level).saturating_mul(TILE_HEIGHT)).unwrap_or(0)
}

/// Why something is not a tile or the path of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// A level above 63.
    #[error("expected a tile level of at most 63, got {got}")]
    Level {
        /// The level.
        got: u8,
    },
    /// An index whose first leaf would not fit a leaf index.
    #[error("expected a tile index below 2^56, got {got}")]
    Index {
        /// The index.
        got: u64,
    },
    /// A width outside 1..=256.
    #[error("expected a width of 1 to 256, got {got}")]
    Width {
        /// The width.
        got: u16,
    },
    /// No hashes or more than 256.
    #[error("expected 1 to 256 hashes, got {got}")]
    Hashes {
        /// How many hashes.
        got: usize,
    },
    /// Bytes that are not 1 to 256 hashes.
    #[error("expected 1 to 256 hashes of 32 bytes, got {got} bytes")]
    Bytes {
        /// How many bytes.
        got: usize,
    },
    /// A path that is not the canonical path of a tile or bundle.
    #[error("expected the canonical path of a tile or an entry bundle")]
    Path,
}

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH_MAX: u16 = 256;
/// The highest level a path may name. Trees that fit 64-bit sizes use the levels 0 to 7.
pub const TILE_LEVEL_MAX: u8 = 63;

/// [`TILE_WIDTH_MAX`], to count with.
pub(crate) const TILE_HASHES_MAX: u64 = 256;
/// Levels a tree with a 64-bit size can have: 256^8 = 2^64.
pub(crate) const TREE_TILE_LEVELS: u8 = 8;
/// A tile is this many binary levels high: 2^8 = 256.
pub(crate) const TILE_HEIGHT: u32 = 8;
/// The last index for which 256 * index fits 64 bits.
pub(crate) const TILE_INDEX_MAX: u64 = u64::MAX >> TILE_HEIGHT;

#[cfg(test)]
mod tests;
