//! The commit: one synced batch that makes entries, tiles, head and state durable together.

use std::sync::PoisonError;

use tlog::{ENTRY_BYTES_MAX, Frontier, Integration, LeafIndex, TreeHead, TreeSize};

use crate::error::Fatal;
use crate::kv::{Batch, Family, Kv, Row};
use crate::layout::{META_HEAD, STATE_KEY_BYTES_MAX, encode_head, index_key, tile_key};
use crate::rocks::RocksKv;
use crate::store::Store;

/// The writing side of an open log. There is one, its owner is the sequencer, and it can neither be
/// cloned nor made anew without opening the store again.
#[derive(Debug)]
pub struct Writer<K = RocksKv> {
    store: Store<K>,
    // The right edge of what is durable. Advances only after a write returned.
    frontier: Frontier,
}

/// What one commit makes durable.
#[derive(Debug)]
pub struct NewBatch {
    /// The entries in leaf order, at least one.
    pub entries: Vec<NewEntry>,
    /// Rows of the admission state to set, in order; of two with the same key the later counts.
    pub state: Vec<Row>,
    /// What [`Frontier::integrate`] made of the leaf hashes of `entries`.
    pub integration: Integration,
}

/// An entry to commit.
#[derive(Debug)]
pub struct NewEntry {
    /// The bytes of the leaf.
    pub entry: Vec<u8>,
    /// What the log holds for its sealed fields, kept outside the tree.
    pub disclosures: Option<Vec<u8>>,
}

/// Proof that a tree head is durable. Only [`Writer::commit`] makes one, so what asks for it cannot
/// run before the commit:
///
/// ```compile_fail,E0451
/// # fn sign_before_durable(head: tlog::TreeHead) -> store::Committed {
/// store::Committed { head, first: tlog::LeafIndex::new(0) }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    head: TreeHead,
    first: LeafIndex,
}

impl Committed {
    /// The head of the tree that is now durable.
    pub const fn head(&self) -> TreeHead {
        self.head
    }

    /// The index of the batch's first entry; the others follow it.
    pub const fn first(&self) -> LeafIndex {
        self.first
    }
}

impl<K: Kv> Writer<K> {
    pub(crate) const fn new(store: Store<K>, frontier: Frontier) -> Self {
        Self { store, frontier }
    }

    /// The right edge of the committed tree: integrate the next batch's leaf hashes into it.
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// What is durable already, as the proof of it: opening the store checked it, or the last
    /// commit returned it. Its `first` is the index that the next entry will have.
    pub fn last_committed(&self) -> Committed {
        let head = self.frontier.head();
        Committed { head, first: LeafIndex::new(head.size.get()) }
    }

    /// The reading side.
    pub const fn store(&self) -> &Store<K> {
        &self.store
    }

    /// Makes a batch durable, all of it or nothing. This is the commit point: when it returns `Ok`,
    /// every entry survives a power cut.
    ///
    /// # Errors
    /// [`CommitError::Fatal`] when the write failed or the database is damaged: the outcome is
    /// unknown, and this process can never commit again. Every other variant is a refusal before
    /// anything was written.
    pub fn commit(&mut self, batch: NewBatch) -> Result<Committed, CommitError> {
        self.refuse_what_does_not_fit(&batch)?;
        self.store.shared.alive()?;
        let write = encode(&batch);
        if let Err(source) = self.store.shared.kv.write(&write) {
            return Err(self.store.shared.die(Fatal::WriteFailed { source }).into());
        }
        let first = LeafIndex::new(batch.integration.before().get());
        let head = batch.integration.head();
        self.frontier = batch.integration.into_frontier();
        // Only now: whoever reads this head may sign it.
        *self.store.shared.head.write().unwrap_or_else(PoisonError::into_inner) = head;
        Ok(Committed { head, first })
    }

    fn refuse_what_does_not_fit(&self, batch: &NewBatch) -> Result<(), CommitError> {
        let (expected, got) = (self.frontier.size(), batch.integration.before());
        if expected != got {
            return Err(CommitError::OldSize { expected, got });
        }
        let (leaves, entries) = (batch.integration.leaves().len(), batch.entries.len());
        if entries == 0 || entries > BATCH_ENTRIES_MAX {
            return Err(CommitError::EntryCount { max: BATCH_ENTRIES_MAX, got: entries });
        }
        if leaves != entries {
            return Err(CommitError::LeafCount { entries, leaves });
        }
        let longest = batch.entries.iter().map(|new| new.entry.len()).max().unwrap_or(0);
        if longest > ENTRY_BYTES_MAX {
            return Err(CommitError::EntryTooLong { max: ENTRY_BYTES_MAX, got: longest });
        }
        let longest = batch.state.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        if longest > STATE_KEY_BYTES_MAX {
            return Err(CommitError::StateKeyTooLong { max: STATE_KEY_BYTES_MAX, got: longest });
        }
        Ok(())
    }
}

fn encode(batch: &NewBatch) -> Batch {
    let integration = &batch.integration;
    let entries_bytes: usize = batch.entries.iter().map(|new| new.entry.len()).sum();
    let state_bytes: usize = batch.state.iter().map(|(key, value)| key.len() + value.len()).sum();
    let tiles_bytes = integration.tiles().len() * 8200;
    let mut write = Batch::with_capacity(
        batch.entries.len() * 3 + batch.state.len() + integration.tiles().len() + 1,
        entries_bytes + batch.entries.len() * 64 + state_bytes + tiles_bytes,
    );
    let first = integration.before().get();
    for (index, new) in (first..).zip(&batch.entries) {
        let key = index_key(LeafIndex::new(index));
        write.put(Family::Entries, &key, &new.entry);
        if let Some(disclosures) = &new.disclosures {
            write.put(Family::Disclosures, &key, disclosures);
        }
    }
    // Rows with scattered keys go in sorted: neighbours in a write buffer share most of the way to
    // their place, and finding it is the dearest part of a commit.
    let mut leaves: Vec<_> = integration.leaves().iter().zip(first..).collect();
    leaves.sort_unstable();
    for (leaf, index) in leaves {
        write.put(Family::ByLeaf, leaf.as_bytes(), &index_key(LeafIndex::new(index)));
    }
    put_tiles(&mut write, integration);
    // A stable sort: of two rows with the same key the later must stay the later.
    let mut state: Vec<_> = batch.state.iter().collect();
    state.sort_by_key(|(key, _)| key);
    for (key, value) in state {
        write.put(Family::State, key, value);
    }
    write.put(Family::Meta, META_HEAD, &encode_head(&integration.head()));
    write
}

/// Writes the tiles that gained a hash, whole.
pub(crate) fn put_tiles(write: &mut Batch, integration: &Integration) {
    for changed in integration.tiles() {
        let key = tile_key(changed.level, changed.index);
        write.put(Family::Tiles, &key, &changed.tile.to_bytes());
    }
}

/// Why a batch was not committed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// This process can never commit again.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The batch was integrated into another tree than the one that is stored.
    #[error("expected a batch upon size {expected}, got one upon size {got}")]
    OldSize {
        /// The committed size.
        expected: TreeSize,
        /// The size the batch was made for.
        got: TreeSize,
    },
    /// No entries, or too many for one write.
    #[error("expected 1 to {max} entries, got {got}")]
    EntryCount {
        /// The limit.
        max: usize,
        /// How many there were.
        got: usize,
    },
    /// Entries and leaf hashes do not pair up.
    #[error("expected a leaf hash for each of {entries} entries, got {leaves}")]
    LeafCount {
        /// Entries in the batch.
        entries: usize,
        /// Leaf hashes in the integration.
        leaves: usize,
    },
    /// An entry that no bundle can hold.
    #[error("expected entries of at most {max} bytes, got {got}")]
    EntryTooLong {
        /// The limit.
        max: usize,
        /// Length of the longest entry.
        got: usize,
    },
    /// A state key that is too long.
    #[error("expected state keys of at most {max} bytes, got {got}")]
    StateKeyTooLong {
        /// The limit.
        max: usize,
        /// Length of the longest key.
        got: usize,
    },
}

/// The most entries in one commit. RocksDB refuses a write of 4 GiB; this many entries of the
/// longest kind are half of that.
pub const BATCH_ENTRIES_MAX: usize = 32_768;

#[cfg(test)]
mod tests;
