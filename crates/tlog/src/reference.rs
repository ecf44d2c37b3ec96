//! The tree as the RFCs write it down, recursion and all: what the code is compared with in tests.
//!
//! Here and not in `testlog`, whose `tlog` would be another crate to the unit tests of this one.

use std::collections::BTreeMap;
use std::convert::Infallible;

use crate::frontier::Frontier;
use crate::hash::{EMPTY_ROOT, Hash, leaf_hash, node_hash};
use crate::position::{LeafIndex, TreeHead, TreeSize};
use crate::tile::{Tile, TileCoord, TileReader};
use crate::tile_map::TileMap;

/// RFC 6962 §2.1: the Merkle tree hash.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// RFC 6962 §2.1.1: the audit path of a leaf.
pub(crate) fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if index < k {
        (path(index, left), root(right))
    } else {
        (path(index - k, right), root(left))
    };
    path.push(sibling);
    path
}

/// RFC 6962 §2.1.2: the consistency proof from the first `from` leaves.
pub(crate) fn consistency(from: usize, leaves: &[Hash]) -> Vec<Hash> {
    subproof(from, leaves, true)
}

fn subproof(from: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if from == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, other) = if from <= k {
        (subproof(from, left, whole), root(right))
    } else {
        (subproof(from - k, right, false), root(left))
    };
    proof.push(other);
    proof
}

fn split(size: usize) -> usize {
    1 << (size - 1).ilog2()
}

/// RFC 9162 §2.1.3.2: checks an inclusion proof.
pub(crate) fn inclusion_holds(leaf: Hash, index: u64, head: &TreeHead, proof: &[Hash]) -> bool {
    if index >= head.size.get() {
        return false;
    }
    let (mut fn_, mut sn, mut r) = (index, head.size.get() - 1, leaf);
    for p in proof {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            r = node_hash(p, &r);
            while fn_ & 1 == 0 && fn_ != 0 {
                (fn_, sn) = (fn_ >> 1, sn >> 1);
            }
        } else {
            r = node_hash(&r, p);
        }
        (fn_, sn) = (fn_ >> 1, sn >> 1);
    }
    sn == 0 && r == head.root
}

/// RFC 9162 §2.1.4.2: checks a consistency proof between trees of different sizes, neither empty.
pub(crate) fn consistency_holds(from: &TreeHead, to: &TreeHead, proof: &[Hash]) -> bool {
    let mut proof = proof.to_vec();
    if proof.is_empty() {
        return false;
    }
    if from.size.get().is_power_of_two() {
        proof.insert(0, from.root);
    }
    let (mut fn_, mut sn) = (from.size.get() - 1, to.size.get() - 1);
    while fn_ & 1 == 1 {
        (fn_, sn) = (fn_ >> 1, sn >> 1);
    }
    let (mut fr, mut sr) = (proof[0], proof[0]);
    for c in &proof[1..] {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            fr = node_hash(c, &fr);
            sr = node_hash(c, &sr);
            while fn_ & 1 == 0 && fn_ != 0 {
                (fn_, sn) = (fn_ >> 1, sn >> 1);
            }
        } else {
            sr = node_hash(&sr, c);
        }
        (fn_, sn) = (fn_ >> 1, sn >> 1);
    }
    fr == from.root && sr == to.root && sn == 0
}

/// `entry 0`, `entry 1`, … as in the shared vectors.
pub(crate) fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(format!("entry {index}").as_bytes())).collect()
}

/// A tree in tiles, appended in one go.
pub(crate) fn tiles_of(leaves: &[Hash]) -> (TreeHead, TileMap) {
    let integration = Frontier::empty().integrate(leaves);
    let mut tiles = TileMap::new();
    for changed in integration.tiles() {
        tiles.insert_changed(changed);
    }
    (integration.head(), tiles)
}

/// A tree too large to hold: all leaves are the same but for a few.
#[derive(Debug)]
pub(crate) struct SparseTree {
    special: BTreeMap<u64, Hash>,
    /// The hash over 2^height usual leaves.
    usual: Vec<Hash>,
}

impl SparseTree {
    pub(crate) fn new(special: impl IntoIterator<Item = u64>) -> Self {
        let mut usual = vec![leaf_hash(b"usual")];
        for height in 0..63 {
            usual.push(node_hash(&usual[height], &usual[height]));
        }
        let special = special.into_iter().map(|index| (index, leaf_hash(&index.to_be_bytes())));
        Self { special: special.collect(), usual }
    }

    pub(crate) fn leaf(&self, index: LeafIndex) -> Hash {
        self.range(index.get(), 1)
    }

    pub(crate) fn head(&self, size: TreeSize) -> TreeHead {
        TreeHead { size, root: self.range(0, size.get()) }
    }

    /// RFC 6962 §2.1 over `length` leaves from `start`.
    fn range(&self, start: u64, length: u64) -> Hash {
        if length == 0 {
            return EMPTY_ROOT;
        }
        let is_special = self.special.range(start..=start + (length - 1)).next().is_some();
        if length.is_power_of_two() && !is_special {
            return self.usual[length.ilog2() as usize];
        }
        if length == 1 {
            return self.special[&start];
        }
        let k = 1 << (length - 1).ilog2();
        node_hash(&self.range(start, k), &self.range(start + k, length - k))
    }
}

impl TileReader for SparseTree {
    type Error = Infallible;

    fn read_tile(&self, coord: TileCoord) -> Result<Tile, Infallible> {
        let length = 1 << (8 * u32::from(coord.level()));
        let first = coord.index() * 256;
        let hashes =
            (0..u64::from(coord.width())).map(|i| self.range((first + i) * length, length));
        Ok(Tile::new(hashes.collect()).unwrap())
    }
}
