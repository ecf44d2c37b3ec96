use super::*;
use crate::hash::leaf_hash;
use crate::tile_path::TilePath;

#[test]
fn coordinates_outside_their_range_are_refused() {
    assert_eq!(TileCoord::new(64, 0, 1), Err(TileError::Level { got: 64 }));
    assert_eq!(
        TileCoord::new(0, TILE_INDEX_MAX + 1, 1),
        Err(TileError::Index { got: TILE_INDEX_MAX + 1 })
    );
    assert_eq!(TileCoord::new(0, 0, 0), Err(TileError::Width { got: 0 }));
    assert_eq!(TileCoord::new(0, 0, 257), Err(TileError::Width { got: 257 }));
}

#[test]
fn a_size_has_exactly_these_tiles() {
    let paths = |size| -> Vec<String> {
        tiles_of_size(TreeSize::new(size)).map(|tile| TilePath::Hash(tile).to_string()).collect()
    };
    assert!(paths(0).is_empty());
    assert_eq!(paths(255), ["tile/0/000.p/255"]);
    assert_eq!(paths(256), ["tile/0/000", "tile/1/000.p/1"]);
    let many = paths(70_000);
    assert_eq!(many.len(), 273 + 1 + 2 + 1);
    for path in ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"] {
        assert!(many.iter().any(|each| each == path), "{path}");
    }
    let first = tiles_of_size(TreeSize::new(u64::MAX)).next();
    assert_eq!(first, TileCoord::new(0, 0, 256).ok());
}

#[test]
fn tile_bytes_are_whole_hashes() {
    let tile = Tile::new(vec![leaf_hash(b"0"), leaf_hash(b"1")]).unwrap();
    assert_eq!(tile.to_bytes().len(), 64);
    assert_eq!(Tile::from_bytes(&tile.to_bytes()), Ok(tile.clone()));
    for length in [0, 31, 33, 257 * 32] {
        assert_eq!(Tile::from_bytes(&vec![7; length]), Err(TileError::Bytes { got: length }));
    }
    assert_eq!(Tile::new(vec![]), Err(TileError::Hashes { got: 0 }));
    assert_eq!(tile.narrowed(1).unwrap().hashes(), &[leaf_hash(b"0")]);
    assert_eq!(tile.narrowed(0), None);
    assert_eq!(tile.narrowed(3), None);
}
