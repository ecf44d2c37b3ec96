//! The whole-log audit: everything that is stored follows from the entries, or it is named.

use std::ops::ControlFlow;

use tlog::{
    Frontier, Integration, LeafIndex, ProveError, TreeHead, TreeSize, root_from_tiles, tile_of_size,
};

use crate::checkpoint_row::{CheckpointNotes, head_of};
use crate::error::ReadError;
use crate::kv::{Direction, Family, KeyRange, Kv, KvError};
use crate::layout::{parse_index, parse_tile_key};
use crate::open::{last_entry, stored_head};
use crate::recheck::RecheckError;
use crate::store::{Store, last_index};

/// What an audit went through without finding anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// The head that the entries give and the store holds.
    pub head: TreeHead,
    /// How many tiles were compared.
    pub tiles: u64,
    /// How many rows of the leaf index were matched.
    pub leaf_rows: u64,
    /// How many published sizes were held against the tree.
    pub checkpoints: u64,
}

/// Checks everything that is stored against the entries, and calls `progress` with the number of
/// entries done and their total:
/// every entry is there and hashes to its leaf in level 0; every higher tile follows from those
/// below; no tile, entry or leaf row is there that should not be; the root is that of the stored
/// head; every leaf is found under its hash; every published checkpoint is a prefix of this tree.
/// Disclosures and admission state are read to the last byte, so that what the disk damaged shows,
/// but not judged: whoever knows their meaning replays them.
///
/// Memory stays bounded however large the log is. Nothing may commit meanwhile.
///
/// # Errors
/// [`AuditError`] for the first thing found, naming the entry, tile or checkpoint.
pub fn audit<K: Kv>(
    store: &Store<K>,
    mut progress: impl FnMut(u64, u64),
) -> Result<AuditReport, AuditError> {
    let head = store.head();
    let found = stored_head(&store.shared.kv)?.unwrap_or(TreeHead::EMPTY);
    if found != head {
        return Err(AuditError::Head { expected: head, found });
    }
    let last = last_entry(&store.shared.kv)?;
    if last != last_index(head.size) {
        return Err(AuditError::LastEntry { expected: last_index(head.size), found: last });
    }
    let mut indexed = 0;
    progress(0, head.size.get());
    let found = store.rehash(Frontier::empty(), head.size, |step| {
        indexed += leaves_that_lead_here(store, step)?;
        progress(step.head().size.get(), head.size.get());
        Ok(())
    })?;
    if found != head {
        return Err(AuditError::Head { expected: head, found });
    }
    let tiles = audit_tile_rows(store, head.size)?;
    let leaf_rows = audit_leaf_rows(store, indexed)?;
    let checkpoints = audit_checkpoints(store)?;
    audit_disclosure_rows(store, head.size)?;
    each_row_reads(store, Family::State)?;
    Ok(AuditReport { head, tiles, leaf_rows, checkpoints })
}

/// Looks up each leaf of a step and counts those whose row points at it. A row may point further
/// only to a later entry with the same bytes.
fn leaves_that_lead_here<K: Kv>(store: &Store<K>, step: &Integration) -> Result<u64, RecheckError> {
    let first = step.before().get();
    let mut leaves: Vec<_> = (first..).zip(step.leaves()).collect();
    // In key order neighbouring lookups share blocks.
    leaves.sort_unstable_by_key(|(_, leaf)| *leaf);
    let mut here = 0;
    for some in leaves.chunks(LOOKUPS_AT_A_TIME) {
        let keys: Vec<&[u8]> = some.iter().map(|(_, leaf)| leaf.as_bytes().as_slice()).collect();
        let rows = store.shared.kv.multi_get(Family::ByLeaf, &keys).map_err(ReadError::from)?;
        for ((index, leaf), row) in some.iter().zip(rows) {
            let index = LeafIndex::new(*index);
            let found = row.as_deref().and_then(parse_index);
            let found = found.ok_or(RecheckError::LeafRow { index })?;
            if found == index {
                here += 1;
                continue;
            }
            let is_same_entry = found > index
                && store.entry(found)?.is_some_and(|entry| tlog::leaf_hash(&entry) == **leaf);
            if !is_same_entry {
                return Err(RecheckError::LeafRow { index });
            }
        }
    }
    Ok(here)
}

/// Exactly the tiles of the tree are there, each exactly as wide as the tree has it. That they hold
/// the right hashes was seen before.
fn audit_tile_rows<K: Kv>(store: &Store<K>, size: TreeSize) -> Result<u64, AuditError> {
    let mut count = 0;
    let mut wrong = None;
    let kv = &store.shared.kv;
    kv.scan(Family::Tiles, KeyRange::ALL, Direction::Forward, &mut |key, hashes| {
        let expected = parse_tile_key(key)
            .and_then(|(level, index)| tile_of_size(level, index, size))
            .map(|coord| usize::from(coord.width()) * 32);
        if expected != Some(hashes.len()) {
            wrong = Some(parse_tile_key(key).unwrap_or((u8::MAX, u64::MAX)));
            return ControlFlow::Break(());
        }
        count += 1;
        ControlFlow::Continue(())
    })?;
    match wrong {
        Some((level, index)) => Err(AuditError::ExtraTile { level, index }),
        None => Ok(count),
    }
}

/// Each leaf has a row; if there are no more rows than that, there are no wrong ones.
fn audit_leaf_rows<K: Kv>(store: &Store<K>, expected: u64) -> Result<u64, AuditError> {
    let mut found = 0;
    let kv = &store.shared.kv;
    kv.scan(Family::ByLeaf, KeyRange::ALL, Direction::Forward, &mut |_, _| {
        found += 1;
        ControlFlow::Continue(())
    })?;
    if found == expected { Ok(found) } else { Err(AuditError::LeafRows { expected, found }) }
}

/// Every kept checkpoint has the root of this tree at its size, so all are prefixes of one another.
fn audit_checkpoints<K: Kv>(store: &Store<K>) -> Result<u64, AuditError> {
    let mut count = 0;
    let mut from = TreeSize::ZERO;
    loop {
        // In portions: deriving a root reads tiles, and that must not happen within a scan.
        let mut some = Vec::new();
        store.each_checkpoint(from, |notes| {
            some.push(notes);
            if some.len() < LOOKUPS_AT_A_TIME {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        for notes in &some {
            audit_checkpoint(store, notes)?;
            count += 1;
        }
        match some.last().and_then(|notes| notes.size.checked_add(1)) {
            Some(next) => from = next,
            None => return Ok(count),
        }
    }
}

/// Disclosures belong to entries that are there.
fn audit_disclosure_rows<K: Kv>(store: &Store<K>, size: TreeSize) -> Result<(), AuditError> {
    let mut wrong = false;
    let kv = &store.shared.kv;
    kv.scan(Family::Disclosures, KeyRange::ALL, Direction::Forward, &mut |key, _| {
        wrong = !parse_index(key).is_some_and(|index| index.is_within(size));
        if wrong { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if wrong { Err(AuditError::Disclosures { size }) } else { Ok(()) }
}

/// Reading a row checks the block it is in.
fn each_row_reads<K: Kv>(store: &Store<K>, family: Family) -> Result<(), AuditError> {
    let kv = &store.shared.kv;
    kv.scan(family, KeyRange::ALL, Direction::Forward, &mut |_, _| ControlFlow::Continue(()))?;
    Ok(())
}

fn audit_checkpoint<K: Kv>(store: &Store<K>, notes: &CheckpointNotes) -> Result<(), AuditError> {
    let size = notes.size;
    if size > store.head().size {
        return Err(AuditError::Checkpoint { size });
    }
    let expected = TreeHead { size, root: root_from_tiles(size, store)? };
    for dated in [&notes.first, &notes.last] {
        if head_of(&dated.note, &store.shared.origin) != Some(expected) {
            return Err(AuditError::Checkpoint { size });
        }
    }
    Ok(())
}

/// What an audit found.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// An entry, a tile or a leaf row is wrong, or one could not be read.
    #[error(transparent)]
    Tree(#[from] RecheckError),
    /// The entries, or the stored head, are not those of the head this store opened with.
    #[error("expected the head {expected:?}, found {found:?}")]
    Head {
        /// The head of the open store.
        expected: TreeHead,
        /// What was found.
        found: TreeHead,
    },
    /// There are entries after the last, or the last is missing.
    #[error("expected the last entry at {expected:?}, found {found:?}")]
    LastEntry {
        /// Where the head puts it.
        expected: Option<LeafIndex>,
        /// Where it is.
        found: Option<LeafIndex>,
    },
    /// A tile that the tree does not have, or a wider one than it has.
    #[error("tile {index} of level {level} is more than the tree has")]
    ExtraTile {
        /// Tile level.
        level: u8,
        /// Tile index within the level.
        index: u64,
    },
    /// The leaf index holds rows that belong to no entry.
    #[error("expected {expected} rows in the leaf index, found {found}")]
    LeafRows {
        /// One for each distinct entry.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// A published checkpoint is malformed or not a prefix of this tree.
    #[error("the checkpoint published at size {size} is not of this tree")]
    Checkpoint {
        /// The size it is kept under.
        size: TreeSize,
    },
    /// There are disclosures for entries that are not there.
    #[error("disclosures of an entry that a log of size {size} does not have")]
    Disclosures {
        /// The size of the log.
        size: TreeSize,
    },
    /// A root could not be derived.
    #[error("a root could not be derived from the tiles")]
    Root(#[from] ProveError<ReadError>),
    /// Something could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<KvError> for AuditError {
    fn from(error: KvError) -> Self {
        Self::Read(ReadError::Database(error))
    }
}

const LOOKUPS_AT_A_TIME: usize = 256;

#[cfg(test)]
mod tests;
