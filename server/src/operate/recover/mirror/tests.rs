//! What is read from a folder of tiles, and what is not taken for one.

use std::path::Path;

use tlog::{Frontier, TileMap, TilePath, encode_bundle, leaf_hash};
use tlog_client::files::TILE_BYTES_MAX;

use super::*;

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn put(folder: &Path, path: &TilePath, bytes: &[u8]) {
    let file = folder.join(path.to_string());
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("making a folder");
    std::fs::write(file, bytes).expect("writing");
}

/// A tile copy of a log of 512 entries: of the tiles and bundles that are full, no partial ones are
/// left.
fn copy_of_512() -> (tempfile::TempDir, Mirror, TileMap) {
    let folder = tempfile::tempdir().expect("a folder");
    let leaves: Vec<_> = (0..512).map(|it| leaf_hash(&entry(it))).collect();
    let mut tiles = TileMap::new();
    for changed in Frontier::empty().integrate(&leaves).tiles() {
        tiles.insert_changed(changed);
        let widths = if changed.level == 0 { 256..=256 } else { 1..=changed.tile.width() };
        for width in widths {
            let coord = TileCoord::new(changed.level, changed.index, width).expect("a tile");
            let tile = changed.tile.narrowed(width).expect("a part of it");
            put(folder.path(), &TilePath::Hash(coord), &tile.to_bytes());
        }
    }
    for bundle in 0..2 {
        let entries: Vec<_> = (bundle * 256..bundle * 256 + 256).map(entry).collect();
        let bytes = encode_bundle(entries.iter().map(Vec::as_slice)).expect("a bundle");
        let coord = BundleCoord::new(bundle, 256).expect("a bundle");
        put(folder.path(), &TilePath::Entries(coord), &bytes);
    }
    let mirror = Mirror::open(folder.path().to_str().expect("UTF-8"), &HttpSettings::default())
        .expect("a mirror");
    (folder, mirror, tiles)
}

#[test]
fn full_tiles_and_bundles_stand_in_for_partial_ones_that_are_gone() {
    let (_folder, mirror, tiles) = copy_of_512();
    for (from, size) in [(1, 2), (7, 300), (256, 300), (255, 257), (300, 511)] {
        let (from, size) = (TreeSize::new(from), TreeSize::new(size));
        let expected = tlog::prove_consistency(from, size, &tiles).expect("a proof");
        assert_eq!(tlog::prove_consistency(from, size, &mirror).expect("a proof"), expected);
    }
    for (first, end, size) in [(0, 1, 1), (3, 300, 300), (256, 300, 300), (250, 260, 511)] {
        let range = LeafIndex::new(first)..LeafIndex::new(end);
        let found = mirror.entries(range, TreeSize::new(size)).expect("entries");
        assert_eq!(found, (first..end).map(entry).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_missing_cut_or_too_long_is_named() {
    let (folder, mirror, _) = copy_of_512();
    let words = |error: ClientError| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    let missing = mirror.checkpoint().expect_err("there is none");
    assert_eq!(words(missing), "the mirror has no checkpoint: ");
    let beyond = TileCoord::new(0, 2, 5).expect("a tile");
    let missing = mirror.read_tile(beyond).expect_err("there is none");
    assert_eq!(words(missing), "the mirror has no tile/0/002: ");

    let bundle = TilePath::Entries(BundleCoord::new(1, 256).expect("a bundle"));
    let file = folder.path().join(bundle.to_string());
    let bytes = std::fs::read(&file).expect("reading");
    let range = || LeafIndex::new(256)..LeafIndex::new(300);
    std::fs::write(&file, &bytes[..bytes.len() - 1]).expect("writing");
    let cut = mirror.entries(range(), TreeSize::new(300)).expect_err("it is cut");
    assert!(words(cut).starts_with("tile/entries/001.p/44 is no bundle of entries"));

    let tile = TilePath::Hash(TileCoord::new(0, 1, 256).expect("a tile"));
    put(folder.path(), &tile, &[0; TILE_BYTES_MAX + 1]);
    let long = mirror.read_tile(TileCoord::new(0, 1, 9).expect("a tile")).expect_err("too long");
    assert!(words(long).contains("more than 8192 bytes"));
    put(folder.path(), &tile, &[0; 33]);
    let odd = mirror.read_tile(TileCoord::new(0, 1, 8).expect("a tile")).expect_err("no tile");
    assert!(words(odd).contains("is no tile of 8 hashes"));
    put(folder.path(), &tile, &[0; 64]);
    let narrow = mirror.read_tile(TileCoord::new(0, 1, 7).expect("a tile")).expect_err("narrow");
    assert!(words(narrow).contains("is no tile of 7 hashes"));
}
