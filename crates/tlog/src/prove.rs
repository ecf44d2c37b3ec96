//! Making proofs and roots out of tiles.
//!
//! A proof is a list of nodes. A node over 2^h leaves that are all there is kept in no tile itself
//! unless 8 divides h: it is hashed from 2^(h mod 8) neighbours in the tile at level h / 8. A node
//! at the right edge covers fewer leaves and is hashed from several such nodes:
//!
//! ```text
//!            ┌────────┴────────┐
//!        ┌───┴───┐         ┌────┴────┐      13 leaves: the right child of the root is
//!      0..4    4..8      8..12      12      hashed from the subtrees over 8..12 and 12
//! ```
//!
//! Every tile is read once per proof, and the list of tiles is known before any is read.

use std::collections::BTreeMap;

use crate::frontier::root_of_row;
use crate::hash::{EMPTY_ROOT, Hash, node_hash};
use crate::merkle::{NodeNumber, ProofError, TREE_SIZE_MAX, consistency_nodes, inclusion_nodes};
use crate::position::{LeafIndex, TreeSize};
use crate::tile::{TILE_HASHES_MAX, TILE_HEIGHT, Tile, TileCoord, TileReader, tile_of_size};

/// Proves that a leaf is in the tree of this size: at most 63 hashes, the leaf's sibling first.
///
/// Spec: RFC 6962 §2.1.1.
pub fn prove_inclusion<R: TileReader>(
    index: LeafIndex,
    size: TreeSize,
    tiles: &R,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    let plan = plan_inclusion(index, size)?;
    Ok(plan.hashes(&read_all(&plan, tiles)?))
}

/// Proves that the tree of size `from` is a prefix of the tree of size `to`: at most 63 hashes.
/// Empty when the sizes are equal or `from` is 0.
///
/// Spec: RFC 6962 §2.1.2.
pub fn prove_consistency<R: TileReader>(
    from: TreeSize,
    to: TreeSize,
    tiles: &R,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    let plan = plan_consistency(from, to)?;
    Ok(plan.hashes(&read_all(&plan, tiles)?))
}

/// Computes the root of the tree of this size from its tiles.
///
/// Spec: RFC 6962 §2.1.
pub fn root_from_tiles<R: TileReader>(
    size: TreeSize,
    tiles: &R,
) -> Result<Hash, ProveError<R::Error>> {
    let plan = plan_root(size)?;
    Ok(plan.hashes(&read_all(&plan, tiles)?).first().copied().unwrap_or(EMPTY_ROOT))
}

/// The tiles that [`prove_inclusion`] reads, each once, to be fetched beforehand.
pub fn tiles_for_inclusion(index: LeafIndex, size: TreeSize) -> Result<Vec<TileCoord>, ProofError> {
    plan_inclusion(index, size).map(|plan| plan.tiles())
}

/// Which hashes to compute: one row of complete subtrees for each.
struct Plan {
    rows: Vec<Vec<Subtree>>,
}

/// A complete subtree, as a run of hashes within one tile.
struct Subtree {
    tile: TileCoord,
    offset: usize,
    length: usize,
}

fn plan_inclusion(index: LeafIndex, size: TreeSize) -> Result<Plan, ProofError> {
    Ok(Plan::of_nodes(&inclusion_nodes(index, size)?, size))
}

fn plan_consistency(from: TreeSize, to: TreeSize) -> Result<Plan, ProofError> {
    Ok(Plan::of_nodes(&consistency_nodes(from, to)?, to))
}

fn plan_root(size: TreeSize) -> Result<Plan, ProofError> {
    if size > TREE_SIZE_MAX {
        return Err(ProofError::TreeTooLarge { size });
    }
    Ok(Plan { rows: vec![complete_subtrees(0, size.get(), size)] })
}

impl Plan {
    fn of_nodes(nodes: &[NodeNumber], size: TreeSize) -> Self {
        let row_of = |node: &NodeNumber| {
            let first = node.first_leaf();
            let width = 1_u64.checked_shl(node.height()).unwrap_or(u64::MAX);
            complete_subtrees(first, first.saturating_add(width).min(size.get()), size)
        };
        Self { rows: nodes.iter().map(row_of).collect() }
    }

    fn tiles(&self) -> Vec<TileCoord> {
        let mut tiles: Vec<TileCoord> = self.rows.iter().flatten().map(|part| part.tile).collect();
        tiles.sort_unstable();
        tiles.dedup();
        tiles
    }

    fn hashes(&self, tiles: &BTreeMap<TileCoord, Tile>) -> Vec<Hash> {
        self.rows.iter().filter_map(|row| root_of_subtrees(row, tiles)).collect()
    }
}

/// Cuts the leaves `first..end` into complete subtrees, largest first. `first` is a multiple of
/// every power of two up to the length, so the cuts are the ones the tree has.
fn complete_subtrees(first: u64, end: u64, size: TreeSize) -> Vec<Subtree> {
    let mut subtrees = Vec::new();
    let mut start = first;
    while let Some(height) = end.checked_sub(start).and_then(u64::checked_ilog2) {
        subtrees.extend(subtree(start, height, size));
        start = start.saturating_add(1_u64.checked_shl(height).unwrap_or(u64::MAX));
    }
    subtrees
}

/// Where the subtree over `2^height` leaves from `start` is found.
fn subtree(start: u64, height: u32, size: TreeSize) -> Option<Subtree> {
    let level = height / TILE_HEIGHT;
    let length = 1_usize.checked_shl(height % TILE_HEIGHT)?;
    let position = start.checked_shr(level.saturating_mul(TILE_HEIGHT))?;
    let tile = tile_of_size(u8::try_from(level).ok()?, position / TILE_HASHES_MAX, size)?;
    let offset = usize::try_from(position % TILE_HASHES_MAX).ok()?;
    Some(Subtree { tile, offset, length })
}

/// Hashes a row of complete subtrees, each smaller than the one before, from the right.
fn root_of_subtrees(row: &[Subtree], tiles: &BTreeMap<TileCoord, Tile>) -> Option<Hash> {
    let mut right = None;
    for part in row.iter().rev() {
        let end = part.offset.checked_add(part.length)?;
        let left = root_of_row(tiles.get(&part.tile)?.hashes().get(part.offset..end)?);
        right = Some(right.map_or(left, |right| node_hash(&left, &right)));
    }
    right
}

fn read_all<R: TileReader>(
    plan: &Plan,
    tiles: &R,
) -> Result<BTreeMap<TileCoord, Tile>, ProveError<R::Error>> {
    let mut read = BTreeMap::new();
    for coord in plan.tiles() {
        let tile = tiles.read_tile(coord).map_err(|source| ProveError::Read { coord, source })?;
        if tile.width() != coord.width() {
            return Err(ProveError::Width { coord, got: tile.width() });
        }
        read.insert(coord, tile);
    }
    Ok(read)
}

/// Why there is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError<E: std::error::Error + 'static> {
    /// No such proof exists.
    #[error(transparent)]
    Position(#[from] ProofError),
    /// The source of tiles failed.
    #[error("reading {}", crate::tile_path::TilePath::Hash(*coord))]
    Read {
        /// Which tile.
        coord: TileCoord,
        /// Why.
        source: E,
    },
    /// The source returned another number of hashes than asked for.
    #[error("expected {} hashes, got {got}", coord.width())]
    Width {
        /// Which tile.
        coord: TileCoord,
        /// How many hashes came.
        got: u16,
    },
}

#[cfg(test)]
mod tests;
