use proptest::prelude::*;

use super::*;
use crate::bundle::BundleCoord;
use crate::hash::leaf_hash;

#[test]
fn paths_are_canonical() {
    let rows = [
        ("tile/0/000", 0, 0, 256),
        ("tile/0/x001/234.p/8", 0, 1234, 8),
        ("tile/63/x001/x234/067", 63, 1_234_067, 256),
        ("tile/1/001.p/17", 1, 1, 17),
        ("tile/0/x072/x057/x594/x037/x927/935", 0, TILE_INDEX_MAX, 256),
    ];
    for (path, level, index, width) in rows {
        let coord = TileCoord::new(level, index, width).unwrap();
        assert_eq!(TilePath::parse(path), Ok(TilePath::Hash(coord)));
        assert_eq!(TilePath::Hash(coord).to_string(), path);
    }
    let bundle = BundleCoord::new(273, 112).unwrap();
    assert_eq!(TilePath::parse("tile/entries/273.p/112"), Ok(TilePath::Entries(bundle)));
}

#[test]
fn rejects_every_other_path() {
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/1000",
        "tile/0/x000/001",
        "tile/0/001/234",
        "tile/0/x001",
        "tile/0/x001/x234",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/08",
        "tile/0/000.p/",
        "tile/0/000.p/1/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/data/000",
        "tile/0/+01",
        "tile/0/x072/x057/x594/x037/x927/936",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/entries/000.p/256",
    ] {
        assert_eq!(TilePath::parse(path), Err(TileError::Path), "{path}");
    }
}

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

proptest! {
    #[test]
    fn every_coordinate_has_one_path(level in 0..=63_u8, index in 0..=TILE_INDEX_MAX, width in 1..=256_u16) {
        for path in [
            TilePath::Hash(TileCoord::new(level, index, width).unwrap()),
            TilePath::Entries(BundleCoord::new(index, width).unwrap()),
        ] {
            prop_assert_eq!(TilePath::parse(&path.to_string()), Ok(path));
        }
    }

    #[test]
    fn no_path_panics(path in "(tile/)?(entries|[0-9]{0,3})?/?(x?[0-9]{2,4}/){0,8}[0-9x]{0,4}(.p/[0-9]{0,4})?") {
        if let Ok(parsed) = TilePath::parse(&path) {
            prop_assert_eq!(parsed.to_string(), path);
        }
    }
}
