//! Checking inclusion and consistency proofs, and the only code that knows `ct-merkle`.
//!
//! `ct-merkle` numbers the nodes of a tree in order, left to right (RFC 9420 appendix C). Five
//! leaves, height upwards:
//!
//! ```text
//!               7
//!        3            ╲
//!    1       5          ╲
//!  0   2   4   6         8
//! ```
//!
//! It panics on positions outside its range, so every call below first refuses them. It could number
//! trees of 2^63 leaves; the limit here is 2^62, because the consistency proof from 2^63 - 1 to 2^63
//! leaves has 64 hashes and the wire carries 63.

use ct_merkle::{ConsistencyProof, RootHash};
use sha2::Sha256;

use crate::hash::{EMPTY_ROOT, Hash, node_hash};
use crate::position::{LeafIndex, TreeHead, TreeSize};

/// Checks that a leaf is in a tree. `proof`: at most 63 hashes, the leaf's sibling first.
///
/// Spec: RFC 9162 §2.1.3.2 (the tree of RFC 6962).
pub fn verify_inclusion(
    leaf: &Hash,
    index: LeafIndex,
    head: &TreeHead,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let siblings = inclusion_nodes(index, head.size)?;
    expect_length(proof, siblings.len())?;
    // In-order numbers: what is greater than the leaf's own number lies to its right.
    let own_number = index.get().saturating_mul(2);
    let root = siblings.iter().zip(proof).fold(*leaf, |hash, (sibling, sibling_hash)| {
        if sibling.0 > own_number {
            node_hash(&hash, sibling_hash)
        } else {
            node_hash(sibling_hash, &hash)
        }
    });
    if root == head.root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// Checks that a tree is a prefix of another. Trees of equal size need an empty proof and equal
/// roots; the empty tree is a prefix of every tree and has no proof.
///
/// Spec: RFC 9162 §2.1.4.2; the cases without a proof as in c2sp.org/tlog-witness.
pub fn verify_consistency(
    from: &TreeHead,
    to: &TreeHead,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let path = consistency_nodes(from.size, to.size)?;
    expect_length(proof, path.len())?;
    if from.size == TreeSize::ZERO && from.root != EMPTY_ROOT {
        return Err(ProofError::RootMismatch);
    }
    if to.size == TreeSize::ZERO && to.root != EMPTY_ROOT {
        return Err(ProofError::RootMismatch);
    }
    if from.size == TreeSize::ZERO {
        return Ok(());
    }
    if from.size == to.size {
        return if from.root == to.root { Ok(()) } else { Err(ProofError::RootMismatch) };
    }
    let bytes = proof.iter().flat_map(|hash| *hash.as_bytes()).collect();
    let proof =
        ConsistencyProof::<Sha256>::try_from_bytes(bytes).map_err(|_| ProofError::RootMismatch)?;
    ct_root(to).verify_consistency(&ct_root(from), &proof).map_err(|_| ProofError::RootMismatch)
}

/// The root that the first `size` leaves have in the tree of `later`, if this consistency proof shows
/// one. It shows none when it does not lead to the later root, and none when `size` is a power of
/// two: a proof leaves out the one hash that both ends would know.
///
/// Spec: RFC 9162 §2.1.4.2, the computation of `fr`.
pub(crate) fn earlier_root(size: TreeSize, later: &TreeHead, proof: &[Hash]) -> Option<Hash> {
    if size >= later.size || size.get().is_power_of_two() {
        return None;
    }
    let mut node = size.get().checked_sub(1)?;
    let mut last = later.size.get().checked_sub(1)?;
    let shared = node.trailing_ones();
    node = node.checked_shr(shared)?;
    last = last.checked_shr(shared)?;
    let (first, rest) = proof.split_first()?;
    let mut root = *first;
    for hash in rest {
        // A node on the right edge of the later tree has no sibling on this level.
        let below = if node % 2 == 0 && node == last { node.trailing_zeros() } else { 0 };
        node = node.checked_shr(below)?;
        last = last.checked_shr(below)?;
        if node % 2 == 1 {
            root = node_hash(hash, &root);
        }
        node /= 2;
        last /= 2;
    }
    verify_consistency(&TreeHead { size, root }, later, proof).ok().map(|()| root)
}

/// The nodes whose hashes make an inclusion proof, in its order.
pub(crate) fn inclusion_nodes(
    index: LeafIndex,
    size: TreeSize,
) -> Result<Vec<NodeNumber>, ProofError> {
    refuse_too_large(size)?;
    if !index.is_within(size) {
        return Err(ProofError::IndexOutsideTree { index, size });
    }
    let numbers = ct_merkle::indices_for_inclusion_proof(size.get(), index.get());
    Ok(numbers.into_iter().map(NodeNumber).collect())
}

/// The nodes of the larger tree whose hashes make a consistency proof, in its order. None when
/// `from` is empty or the sizes are equal.
pub(crate) fn consistency_nodes(
    from: TreeSize,
    to: TreeSize,
) -> Result<Vec<NodeNumber>, ProofError> {
    refuse_too_large(to)?;
    let added = to.get().checked_sub(from.get()).ok_or(ProofError::SizesOutOfOrder { from, to })?;
    if from == TreeSize::ZERO || added == 0 {
        return Ok(Vec::new());
    }
    let numbers = ct_merkle::indices_for_consistency_proof(from.get(), added);
    Ok(numbers.into_iter().map(NodeNumber).collect())
}

/// The in-order number of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeNumber(u64);

impl NodeNumber {
    /// Levels above the leaves.
    pub(crate) const fn height(self) -> u32 {
        self.0.trailing_ones()
    }

    /// The first leaf below it.
    pub(crate) fn first_leaf(self) -> u64 {
        // A node of height h is numbered  j ‖ 0 ‖ h ones; its leaves start at j·2^h.
        let height = self.height();
        let position = self.0.checked_shr(height.saturating_add(1)).unwrap_or(0);
        position.checked_shl(height).unwrap_or(0)
    }
}

fn ct_root(head: &TreeHead) -> RootHash<Sha256> {
    RootHash::new((*head.root.as_bytes()).into(), head.size.get())
}

fn expect_length(proof: &[Hash], expected: usize) -> Result<(), ProofError> {
    if proof.len() == expected {
        return Ok(());
    }
    Err(ProofError::Length { expected, got: proof.len() })
}

fn refuse_too_large(size: TreeSize) -> Result<(), ProofError> {
    if size > TREE_SIZE_MAX { Err(ProofError::TreeTooLarge { size }) } else { Ok(()) }
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// No tree of this size has such a leaf.
    #[error("expected an index below the tree size {size}, got {index}")]
    IndexOutsideTree {
        /// The leaf asked for.
        index: LeafIndex,
        /// The size of the tree.
        size: TreeSize,
    },
    /// The older tree is larger than the newer.
    #[error("expected a tree of at least {from} leaves, got {to}")]
    SizesOutOfOrder {
        /// Size of the older tree.
        from: TreeSize,
        /// Size of the newer tree.
        to: TreeSize,
    },
    /// More than [`TREE_SIZE_MAX`] leaves.
    #[error("expected a tree of at most {TREE_SIZE_MAX} leaves, got {size}")]
    TreeTooLarge {
        /// The size stated.
        size: TreeSize,
    },
    /// The position fixes how many hashes there must be.
    #[error("expected a proof of {expected} hashes, got {got}")]
    Length {
        /// How many there must be.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// The hashes do not lead to the root.
    #[error("proof does not lead to the root")]
    RootMismatch,
}

/// The largest tree that proofs are made and checked for, 2^62 leaves: no proof in it has more than
/// 63 hashes.
pub const TREE_SIZE_MAX: TreeSize = TreeSize::new(1 << 62);

#[cfg(test)]
mod tests;
