//! Full tiles in memory: they never change, so a copy is as good as the row.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tlog::{Tile, TileCoord};

/// A bounded cache in two generations: a tile that is asked for moves to the young one, and when
/// that is full the old one is dropped whole. This keeps what is used, as LRU does, without a list.
#[derive(Debug)]
pub(crate) struct TileCache {
    tiles_max: usize,
    // Held for a map operation only, never while reading the database.
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<(u8, u64), Arc<Tile>>,
    old: HashMap<(u8, u64), Arc<Tile>>,
}

impl TileCache {
    /// A cache that holds at most that many bytes of full tiles.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { tiles_max: bytes_max / TILE_BYTES, generations: Mutex::default() }
    }

    pub(crate) fn find(&self, coord: TileCoord) -> Option<Arc<Tile>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (coord.level(), coord.index());
        if let Some(tile) = generations.young.get(&key) {
            return Some(Arc::clone(tile));
        }
        let tile = generations.old.remove(&key)?;
        self.put(&mut generations, key, Arc::clone(&tile));
        Some(tile)
    }

    /// Keeps a full tile; a partial one will change and is not kept.
    pub(crate) fn keep(&self, coord: TileCoord, tile: &Arc<Tile>) {
        if !coord.is_full() {
            return;
        }
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        self.put(&mut generations, (coord.level(), coord.index()), Arc::clone(tile));
    }

    /// How many tiles are held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.young.len() + generations.old.len()
    }

    fn put(&self, generations: &mut Generations, key: (u8, u64), tile: Arc<Tile>) {
        let per_generation = self.tiles_max / 2;
        if per_generation == 0 {
            return;
        }
        if generations.young.len() >= per_generation {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(key, tile);
    }
}

/// What a full tile takes: 256 hashes and, roughly, its place in the map.
const TILE_BYTES: usize = 256 * 32 + 128;

#[cfg(test)]
mod tests {
    use tlog::Hash;

    use super::*;

    fn full(index: u64) -> (TileCoord, Arc<Tile>) {
        let coord = TileCoord::new(0, index, 256).unwrap();
        (coord, Arc::new(Tile::new(vec![Hash::new([7; 32]); 256]).unwrap()))
    }

    #[test]
    fn holds_no_more_than_its_bytes_and_keeps_what_is_used() {
        let cache = TileCache::new(10 * TILE_BYTES);
        let (used, tile) = full(0);
        cache.keep(used, &tile);
        for index in 1..1000 {
            let (coord, tile) = full(index);
            cache.keep(coord, &tile);
            assert!(cache.find(used).is_some(), "lost after {index}");
            assert!(cache.len() <= 10);
        }
        assert!(cache.find(full(1).0).is_none());
    }

    #[test]
    fn keeps_no_partial_tile_and_nothing_without_room() {
        let cache = TileCache::new(10 * TILE_BYTES);
        let partial = TileCoord::new(0, 0, 3).unwrap();
        cache.keep(partial, &Arc::new(Tile::new(vec![Hash::new([7; 32]); 3]).unwrap()));
        assert_eq!(cache.len(), 0);
        let none = TileCache::new(0);
        let (coord, tile) = full(0);
        none.keep(coord, &tile);
        assert_eq!(none.len(), 0);
    }
}
