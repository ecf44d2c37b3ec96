//! Tiles in memory.

use std::collections::BTreeMap;

use super::{Tile, TileCoord, TilePath, TileReader};
use crate::frontier::ChangedTile;

/// Tiles held in memory, for small trees, caches and tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TileMap {
    tiles: BTreeMap<(u8, u64), Tile>,
}

impl TileMap {
    /// No tiles.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a tile. A narrower version never replaces a wider one, of which it is a prefix.
    pub fn insert(&mut self, coord: TileCoord, tile: Tile) {
        self.insert_at(coord.level, coord.index, tile);
    }

    /// Keeps a tile that gained hashes.
    pub fn insert_changed(&mut self, changed: &ChangedTile) {
        self.insert_at(changed.level, changed.index, changed.tile.clone());
    }

    fn insert_at(&mut self, level: u8, index: u64, tile: Tile) {
        let held = self.tiles.get(&(level, index)).map_or(0, Tile::width);
        if tile.width() >= held {
            self.tiles.insert((level, index), tile);
        }
    }
}

impl TileReader for TileMap {
    type Error = MissingTile;

    fn read_tile(&self, coord: TileCoord) -> Result<Tile, MissingTile> {
        self.tiles
            .get(&(coord.level, coord.index))
            .and_then(|tile| tile.narrowed(coord.width))
            .ok_or(MissingTile(coord))
    }
}

/// A tile that was asked for is not there, or not as wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tile {}", TilePath::Hash(*.0))]
pub struct MissingTile(pub TileCoord);
