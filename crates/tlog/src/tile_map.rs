//! Tiles in memory.

use std::collections::BTreeMap;

use crate::frontier::ChangedTile;
use crate::tile::{Tile, TileCoord, TileReader};
use crate::tile_path::TilePath;

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
        self.insert_at(coord.level(), coord.index(), tile);
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
            .get(&(coord.level(), coord.index()))
            .and_then(|tile| tile.narrowed(coord.width()))
            .ok_or(MissingTile(coord))
    }
}

/// A tile that was asked for is not there, or not as wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tile {}", TilePath::Hash(*.0))]
pub struct MissingTile(pub TileCoord);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;

    #[test]
    fn a_map_never_forgets_the_wider_tile() {
        let wide = Tile::new(vec![leaf_hash(b"0"), leaf_hash(b"1")]).unwrap();
        let coord = TileCoord::new(0, 0, 2).unwrap();
        let narrow = TileCoord::new(0, 0, 1).unwrap();
        let mut map = TileMap::new();
        map.insert(coord, wide.clone());
        map.insert(narrow, wide.narrowed(1).unwrap());
        assert_eq!(map.read_tile(coord), Ok(wide));
        assert_eq!(map.read_tile(narrow).unwrap().width(), 1);
        assert_eq!(map.read_tile(coord.full()), Err(MissingTile(coord.full())));
    }
}
