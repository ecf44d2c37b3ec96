use proptest::prelude::*;

use super::*;
use crate::tile::TILE_INDEX_MAX;

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
