use proptest::prelude::*;

use super::*;
use crate::merkle::{verify_consistency, verify_inclusion};
use crate::position::TreeHead;
use crate::reference::{self, SparseTree};
use crate::tile::TileReader;
use crate::tile_map::{MissingTile, TileMap};

#[test]
fn every_proof_of_a_small_tree_is_the_one_of_the_rfc() {
    let leaves = reference::leaves(300);
    let (_, tiles) = reference::tiles_of(&leaves);
    for size in (1..20).chain([255, 256, 257, 300]) {
        let tree = TreeSize::new(u64::try_from(size).unwrap());
        assert_eq!(root_from_tiles(tree, &tiles), Ok(reference::root(&leaves[..size])));
        for index in 0..size {
            let at = LeafIndex::new(u64::try_from(index).unwrap());
            let path = reference::path(index, &leaves[..size]);
            assert_eq!(prove_inclusion(at, tree, &tiles), Ok(path), "{index} in {size}");
            if index > 0 {
                let from = TreeSize::new(at.get());
                let proof = reference::consistency(index, &leaves[..size]);
                assert_eq!(prove_consistency(from, tree, &tiles), Ok(proof), "{index} -> {size}");
            }
        }
    }
}

#[test]
fn proofs_that_do_not_exist_are_refused() {
    let tiles = TileMap::new();
    let (five, six) = (TreeSize::new(5), TreeSize::new(6));
    let outside = ProofError::IndexOutsideTree { index: LeafIndex::new(5), size: five };
    assert_eq!(prove_inclusion(LeafIndex::new(5), five, &tiles), Err(outside.into()));
    let shrunk = ProofError::SizesOutOfOrder { from: six, to: five };
    assert_eq!(prove_consistency(six, five, &tiles), Err(shrunk.into()));
    let size = TreeSize::new(u64::MAX);
    let too_large = ProofError::TreeTooLarge { size };
    assert_eq!(prove_inclusion(LeafIndex::new(0), size, &tiles), Err(too_large.into()));
    assert_eq!(prove_consistency(five, size, &tiles), Err(too_large.into()));
    assert_eq!(root_from_tiles(size, &tiles), Err(too_large.into()));
    assert_eq!(tiles_for_inclusion(LeafIndex::new(0), size), Err(too_large));
}

#[test]
fn proofs_without_hashes_need_no_tiles() {
    let tiles = TileMap::new();
    let five = TreeSize::new(5);
    assert_eq!(prove_consistency(TreeSize::ZERO, five, &tiles), Ok(vec![]));
    assert_eq!(prove_consistency(five, five, &tiles), Ok(vec![]));
    assert_eq!(prove_inclusion(LeafIndex::new(0), TreeSize::new(1), &tiles), Ok(vec![]));
    assert_eq!(root_from_tiles(TreeSize::ZERO, &tiles), Ok(EMPTY_ROOT));
}

#[test]
fn a_missing_or_narrow_tile_makes_no_proof() {
    struct Narrow;
    impl TileReader for Narrow {
        type Error = MissingTile;
        fn read_tile(&self, _: TileCoord) -> Result<Tile, MissingTile> {
            Ok(Tile::new(vec![EMPTY_ROOT]).unwrap())
        }
    }
    let size = TreeSize::new(5);
    let coord = TileCoord::new(0, 0, 5).unwrap();
    assert_eq!(
        prove_inclusion(LeafIndex::new(0), size, &TileMap::new()),
        Err(ProveError::Read { coord, source: MissingTile(coord) })
    );
    assert_eq!(root_from_tiles(size, &Narrow), Err(ProveError::Width { coord, got: 1 }));
}

#[test]
fn the_largest_trees_are_proven() {
    let size = TREE_SIZE_MAX;
    let last = LeafIndex::new(size.get() - 1);
    let tree = SparseTree::new([0, last.get(), 1 << 61]);
    let proof = prove_inclusion(last, size, &tree).unwrap();
    assert_eq!(proof.len(), 62);
    assert_eq!(verify_inclusion(&tree.leaf(last), last, &tree.head(size), &proof), Ok(()));
    let from = TreeSize::new(last.get());
    let proof = prove_consistency(from, size, &tree).unwrap();
    assert_eq!(proof.len(), 63);
    assert_eq!(verify_consistency(&tree.head(from), &tree.head(size), &proof), Ok(()));
}

/// Every proof that differs from `proof` in one bit, or by one hash.
fn one_change(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut changed = Vec::new();
    for position in 0..proof.len() {
        for bit in 0..256 {
            let mut bytes = *proof[position].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut other = proof.to_vec();
            other[position] = Hash::new(bytes);
            changed.push(other);
        }
        let mut shorter = proof.to_vec();
        shorter.remove(position);
        changed.push(shorter);
    }
    changed.push([&[EMPTY_ROOT], proof].concat());
    changed.push([proof, &[EMPTY_ROOT]].concat());
    changed
}

#[test]
fn every_changed_bit_of_a_proof_fails() {
    let tree = SparseTree::new([3, 7, 99, 100]);
    let (from, size) = (TreeSize::new(37), TreeSize::new(101));
    let head = tree.head(size);
    let index = LeafIndex::new(7);
    let proof = prove_inclusion(index, size, &tree).unwrap();
    for changed in one_change(&proof) {
        assert!(verify_inclusion(&tree.leaf(index), index, &head, &changed).is_err());
    }
    for changed in one_change(&[tree.leaf(index)]).iter().filter(|changed| changed.len() == 1) {
        assert!(verify_inclusion(&changed[0], index, &head, &proof).is_err());
    }
    for changed in one_change(&[head.root]).iter().filter(|changed| changed.len() == 1) {
        let other = TreeHead { size, root: changed[0] };
        assert!(verify_inclusion(&tree.leaf(index), index, &other, &proof).is_err());
    }
    let proof = prove_consistency(from, size, &tree).unwrap();
    for changed in one_change(&proof) {
        assert!(verify_consistency(&tree.head(from), &head, &changed).is_err());
    }
    for changed in one_change(&[head.root]).iter().filter(|changed| changed.len() == 1) {
        let other = TreeHead { size, root: changed[0] };
        assert!(verify_consistency(&tree.head(from), &other, &proof).is_err());
    }
}

/// Sizes of every magnitude up to the largest, with a position below.
fn size_and_below() -> impl Strategy<Value = (u64, u64)> {
    (0..62_u32)
        .prop_flat_map(|exponent| 1..=(TREE_SIZE_MAX.get() >> exponent))
        .prop_flat_map(|size| (Just(size), prop_oneof![0..size, size.saturating_sub(300)..size]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_proven_verifies((size, index) in size_and_below(), others: [u64; 3]) {
        let tree = SparseTree::new(others.map(|other| other % size).into_iter().chain([index]));
        let (size, index) = (TreeSize::new(size), LeafIndex::new(index));
        let head = tree.head(size);
        let proof = prove_inclusion(index, size, &tree).unwrap();
        let leaf = tree.leaf(index);
        prop_assert!(proof.len() <= 63);
        prop_assert_eq!(verify_inclusion(&leaf, index, &head, &proof), Ok(()));
        prop_assert!(reference::inclusion_holds(leaf, index.get(), &head, &proof));
        prop_assert_eq!(root_from_tiles(size, &tree).unwrap(), head.root);
    }

    #[test]
    fn what_is_proven_consistent_verifies(
        (size, from) in size_and_below(),
        others: [u64; 3],
        changed: (prop::sample::Index, prop::sample::Index),
    ) {
        let tree = SparseTree::new(others.map(|other| other % size).into_iter().chain([size - 1]));
        let (from, to) = (tree.head(TreeSize::new(from)), tree.head(TreeSize::new(size)));
        let mut proof = prove_consistency(from.size, to.size, &tree).unwrap();
        prop_assert!(proof.len() <= 63);
        prop_assert_eq!(verify_consistency(&from, &to, &proof), Ok(()));
        prop_assume!(from.size > TreeSize::ZERO);
        prop_assert!(reference::consistency_holds(&from, &to, &proof));
        let position = changed.0.index(proof.len());
        let mut bytes = *proof[position].as_bytes();
        bytes[changed.1.index(32)] ^= 4;
        proof[position] = Hash::new(bytes);
        prop_assert!(verify_consistency(&from, &to, &proof).is_err());
        prop_assert!(!reference::consistency_holds(&from, &to, &proof));
    }

    #[test]
    fn the_tiles_named_beforehand_are_enough((size, index) in size_and_below()) {
        let (size, index) = (TreeSize::new(size), LeafIndex::new(index));
        let tree = SparseTree::new([index.get()]);
        let mut tiles = TileMap::new();
        for coord in tiles_for_inclusion(index, size).unwrap() {
            tiles.insert(coord, tree.read_tile(coord).unwrap());
        }
        prop_assert!(prove_inclusion(index, size, &tiles).is_ok());
    }
}
