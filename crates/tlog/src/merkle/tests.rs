use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::hash::leaf_hash;
use crate::reference;

fn head(size: u64, root: Hash) -> TreeHead {
    TreeHead { size: TreeSize::new(size), root }
}

fn prefix(leaves: &[Hash], size: usize) -> TreeHead {
    head(u64::try_from(size).unwrap(), reference::root(&leaves[..size]))
}

#[test]
fn every_inclusion_in_small_trees_verifies_and_only_there() {
    let leaves = reference::leaves(20);
    for size in 1..=20 {
        let tree = prefix(&leaves, size);
        for index in 0..size {
            let proof = reference::path(index, &leaves[..size]);
            for (other, leaf) in leaves.iter().enumerate() {
                let at = LeafIndex::new(u64::try_from(other).unwrap());
                let holds = verify_inclusion(leaf, at, &tree, &proof).is_ok();
                assert_eq!(holds, other == index, "{other} by the proof of {index} in {size}");
            }
        }
    }
}

#[test]
fn every_consistency_of_small_trees_verifies_and_only_there() {
    let leaves = reference::leaves(20);
    for to in 1..=20 {
        for from in 1..=to {
            let proof = reference::consistency(from, &leaves[..to]);
            for other in 1..=20 {
                let holds =
                    verify_consistency(&prefix(&leaves, other), &prefix(&leaves, to), &proof);
                // Equal trees need no proof, so the proof of one size is that of another only then.
                assert_eq!(holds.is_ok(), other == from, "{other} by the proof {from} -> {to}");
            }
        }
    }
}

#[test]
fn the_empty_tree_is_a_prefix_of_every_tree_without_proof() {
    let leaf = leaf_hash(b"0");
    assert_eq!(verify_consistency(&TreeHead::EMPTY, &head(1, leaf), &[]), Ok(()));
    assert_eq!(verify_consistency(&TreeHead::EMPTY, &TreeHead::EMPTY, &[]), Ok(()));
    assert_eq!(
        verify_consistency(&TreeHead::EMPTY, &head(1, leaf), &[leaf]),
        Err(ProofError::Length { expected: 0, got: 1 })
    );
    for (from, to) in [
        (head(0, leaf), head(1, leaf)),
        (head(0, leaf), head(0, leaf)),
        (TreeHead::EMPTY, head(0, leaf)),
        (head(0, leaf), TreeHead::EMPTY),
    ] {
        assert_eq!(verify_consistency(&from, &to, &[]), Err(ProofError::RootMismatch));
    }
}

#[test]
fn equal_sizes_need_equal_roots_and_no_proof() {
    let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
    assert_eq!(verify_consistency(&head(9, a), &head(9, a), &[]), Ok(()));
    assert_eq!(verify_consistency(&head(9, a), &head(9, b), &[]), Err(ProofError::RootMismatch));
    assert_eq!(
        verify_consistency(&head(9, a), &head(9, a), &[a]),
        Err(ProofError::Length { expected: 0, got: 1 })
    );
}

#[test]
fn a_tree_never_shrinks() {
    let root = leaf_hash(b"a");
    let (from, to) = (TreeSize::new(5), TreeSize::new(4));
    assert_eq!(
        verify_consistency(&head(5, root), &head(4, root), &[root]),
        Err(ProofError::SizesOutOfOrder { from, to })
    );
}

#[test]
fn sizes_above_the_limit_are_refused() {
    let root = leaf_hash(b"a");
    for size in [(1 << 62) + 1, 1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX] {
        let refused = Err(ProofError::TreeTooLarge { size: TreeSize::new(size) });
        for index in [0, 1, 1 << 63, u64::MAX - 1] {
            let index = LeafIndex::new(index);
            assert_eq!(verify_inclusion(&root, index, &head(size, root), &[root; 63]), refused);
        }
        for from in [0, 1, 1 << 63, size] {
            assert_eq!(verify_consistency(&head(from, root), &head(size, root), &[]), refused);
        }
    }
    let largest = TREE_SIZE_MAX.get();
    let last = LeafIndex::new(largest - 1);
    assert_eq!(
        verify_inclusion(&root, last, &head(largest, root), &[root; 62]),
        Err(ProofError::RootMismatch)
    );
    assert_eq!(inclusion_nodes(last, TREE_SIZE_MAX).unwrap().len(), 62);
    assert_eq!(consistency_nodes(TreeSize::new(largest - 1), TREE_SIZE_MAX).unwrap().len(), 63);
}

/// Sizes of every magnitude, and those where a tree changes shape.
fn size() -> impl Strategy<Value = u64> {
    let around = |exponent: u32, delta: i64| (1_u64 << exponent).wrapping_add_signed(delta);
    prop_oneof![
        1..300_u64,
        (0..64_u32).prop_flat_map(|exponent| 0..=(u64::MAX >> exponent)),
        (0..64_u32, -2..=2_i64).prop_map(move |(exponent, delta)| around(exponent, delta)),
    ]
}

fn hashes() -> impl Strategy<Value = Vec<Hash>> {
    vec(any::<[u8; 32]>().prop_map(Hash::new), 0..70)
}

proptest! {
    #[test]
    fn no_input_panics(size in size(), other in size(), proof in hashes(), root in any::<[u8; 32]>()) {
        let root = Hash::new(root);
        let _ = verify_inclusion(&root, LeafIndex::new(other), &head(size, root), &proof);
        let _ = verify_consistency(&head(other, root), &head(size, root), &proof);
    }

    #[test]
    fn agrees_with_rfc_9162_on_any_inclusion(size in size(), index in size(), proof in hashes()) {
        // A root made by walking the proof leads somewhere even for a proof of random hashes.
        prop_assume!(size <= TREE_SIZE_MAX.get() && size > 0);
        let index = LeafIndex::new(index % size);
        let wanted = inclusion_nodes(index, TreeSize::new(size)).unwrap().len();
        let proof: Vec<Hash> = proof.iter().cycle().take(wanted).copied().collect();
        prop_assume!(proof.len() == wanted);
        let leaf = leaf_hash(b"leaf");
        let root = walk(leaf, index, TreeSize::new(size), &proof);
        let tree = head(size, root);
        prop_assert_eq!(verify_inclusion(&leaf, index, &tree, &proof), Ok(()));
        prop_assert!(reference::inclusion_holds(leaf, index.get(), &tree, &proof));
        for shorter in 0..proof.len() {
            prop_assert!(verify_inclusion(&leaf, index, &tree, &proof[..shorter]).is_err());
        }
        let longer = [proof.as_slice(), &[leaf]].concat();
        prop_assert!(verify_inclusion(&leaf, index, &tree, &longer).is_err());
        prop_assert!(!reference::inclusion_holds(leaf, index.get(), &tree, &longer));
    }
}

/// The root that a proof leads to, by RFC 9162 §2.1.3.2.
fn walk(leaf: Hash, index: LeafIndex, size: TreeSize, proof: &[Hash]) -> Hash {
    let (mut own, mut last, mut hash) = (index.get(), size.get() - 1, leaf);
    for sibling in proof {
        if own & 1 == 1 || own == last {
            hash = node_hash(sibling, &hash);
            while own & 1 == 0 && own != 0 {
                (own, last) = (own >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (own, last) = (own >> 1, last >> 1);
    }
    hash
}
