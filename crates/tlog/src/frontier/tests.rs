use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::reference;
use crate::tile::tiles_of_size;
use crate::tile_map::{MissingTile, TileMap};

/// Appends leaves in batches, keeping tiles as a store does.
fn append(batches: &[&[Hash]]) -> (Frontier, TileMap) {
    let mut frontier = Frontier::empty();
    let mut tiles = TileMap::new();
    for batch in batches {
        let integration = frontier.integrate(batch);
        for changed in integration.tiles() {
            tiles.insert_changed(changed);
        }
        frontier = integration.into_frontier();
    }
    (frontier, tiles)
}

#[test]
fn every_small_tree_has_the_root_of_the_rfc() {
    let leaves = reference::leaves(600);
    let mut frontier = Frontier::empty();
    assert_eq!(frontier.head(), TreeHead::EMPTY);
    for size in 1..=600 {
        frontier = frontier.integrate(&leaves[size - 1..size]).into_frontier();
        assert_eq!(frontier.head().root, reference::root(&leaves[..size]), "{size}");
    }
}

#[test]
fn only_tiles_that_gained_a_hash_change() {
    let leaves = reference::leaves(600);
    let changed = |integration: &Integration| -> Vec<(u8, u64, u16)> {
        integration.tiles().iter().map(|tile| (tile.level, tile.index, tile.tile.width())).collect()
    };
    let first = Frontier::empty().integrate(&leaves[..255]);
    assert_eq!(changed(&first), [(0, 0, 255)]);
    let second = first.frontier().integrate(&leaves[255..256]);
    assert_eq!(changed(&second), [(0, 0, 256), (1, 0, 1)]);
    let third = second.frontier().integrate(&leaves[256..600]);
    assert_eq!(changed(&third), [(0, 1, 256), (0, 2, 88), (1, 0, 2)]);
    assert_eq!(third.before(), TreeSize::new(256));
    assert_eq!(third.leaves(), &leaves[256..600]);
    let fourth = third.frontier().integrate(&[]);
    assert_eq!(changed(&fourth), []);
    assert_eq!(fourth.head(), third.head());
}

#[test]
fn a_tree_of_three_tile_levels_has_all_its_tiles() {
    let leaves = reference::leaves(70_000);
    let (frontier, tiles) =
        append(&[&leaves[..65_535], &leaves[65_535..65_536], &leaves[65_536..]]);
    for coord in tiles_of_size(frontier.size()) {
        assert_eq!(tiles.read_tile(coord).unwrap().width(), coord.width());
    }
    assert_eq!(Frontier::load(frontier.size(), &tiles), Ok(frontier.clone()));
    assert_eq!(frontier, append(&[&leaves]).0);
}

#[test]
fn a_missing_or_narrow_tile_is_not_loaded() {
    struct Narrow;
    impl TileReader for Narrow {
        type Error = MissingTile;
        fn read_tile(&self, _: TileCoord) -> Result<Tile, MissingTile> {
            Ok(Tile::new(vec![EMPTY_ROOT]).unwrap())
        }
    }
    let coord = TileCoord::new(0, 0, 2).unwrap();
    assert_eq!(
        Frontier::load(TreeSize::new(2), &TileMap::new()),
        Err(FrontierError::Read { coord, source: MissingTile(coord) })
    );
    assert_eq!(
        Frontier::load(TreeSize::new(2), &Narrow),
        Err(FrontierError::Width { coord, got: 1 })
    );
}

#[test]
fn a_frontier_loads_at_any_size() {
    let tree = reference::SparseTree::new([5, 1 << 40, u64::MAX >> 2]);
    for size in [0, 1, 255, 256, 65_536, 1 << 32, (1 << 40) + 7, (1 << 62) + 300, 1 << 63] {
        let size = TreeSize::new(size);
        let frontier = Frontier::load(size, &tree).unwrap();
        assert_eq!(frontier.head(), tree.head(size));
        let grown = frontier.integrate(&vec![tree.leaf(crate::LeafIndex::new(0)); 300]);
        assert_eq!(grown.head().size.get(), size.get() + 300);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn incremental_equals_from_scratch(batches in vec(0..700_usize, 1..6)) {
        let leaves = reference::leaves(3500);
        let mut rest = leaves.as_slice();
        let batches: Vec<&[Hash]> = batches
            .into_iter()
            .map(|length| rest.split_off(..length).unwrap())
            .collect();
        let size = batches.iter().map(|batch| batch.len()).sum();
        let (frontier, tiles) = append(&batches);
        let (at_once, all_tiles) = append(&[&leaves[..size]]);
        prop_assert_eq!(frontier.head().root, reference::root(&leaves[..size]));
        prop_assert_eq!(&tiles, &all_tiles);
        prop_assert_eq!(&frontier, &at_once);
        prop_assert_eq!(Frontier::load(frontier.size(), &tiles).unwrap(), frontier);
    }
}
