//! Making the derived families anew from the entries: tiles, leaf index, admission state, head.
//!
//! A damaged entry must not be laundered into a clean tree, so the entries are held against the
//! stored head first, in a pass of their own, and nothing is touched unless they fit.

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

use tlog::{Frontier, LeafIndex, Origin, TreeHead, TreeSize, leaf_hash};

use crate::commit::put_tiles;
use crate::error::ReadError;
use crate::kv::{Batch, Direction, Family, KeyRange, Kv, KvError, Row};
use crate::layout::{
    META_HEAD, META_REBUILDING, STATE_KEY_BYTES_MAX, encode_head, index_key, parse_index,
};
use crate::open::{OpenError, check_identity, open_database, stored_head};
use crate::tuning::Settings;

/// What a rebuild made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebuildReport {
    /// The head of the log, the same as before.
    pub head: TreeHead,
}

/// The admission state while it is rebuilt: what all entries before the current one made of it.
#[derive(Debug)]
pub struct StateSoFar<'a, K> {
    kv: &'a K,
    pending: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<K: Kv> StateSoFar<'_, K> {
    /// A value of the admission state.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self.pending.get(key) {
            Some(value) => Ok(Some(value.clone())),
            None => Ok(self.kv.get(Family::State, key)?),
        }
    }
}

/// Rebuilds the derived families of a log that no process has open. `state_of` is called with each
/// entry in order and returns the rows that it sets. Run it again after an interruption: until it
/// has finished, the log does not open.
///
/// # Errors
/// [`RebuildError::Head`] when the entries are not those of the stored head, before anything is
/// changed; otherwise what reading, writing or `state_of` reported.
pub fn rebuild<E: Error + 'static>(
    path: &Path,
    origin: &Origin,
    settings: &Settings,
    state_of: impl FnMut(LeafIndex, &[u8], &StateSoFar<'_, crate::RocksKv>) -> Result<Vec<Row>, E>,
) -> Result<RebuildReport, RebuildError<E>> {
    let kv = open_database(path, settings)?;
    rebuild_on(&kv, origin, state_of)
}

/// [`rebuild`] in a database.
pub fn rebuild_on<K: Kv, E: Error + 'static>(
    kv: &K,
    origin: &Origin,
    mut state_of: impl FnMut(LeafIndex, &[u8], &StateSoFar<'_, K>) -> Result<Vec<Row>, E>,
) -> Result<RebuildReport, RebuildError<E>> {
    check_identity(kv, origin)?;
    refuse_other_entries(kv)?;

    let mut first_batch = Batch::default();
    first_batch.put(Family::Meta, META_REBUILDING, &[]);
    first_batch.clear_family(Family::Tiles);
    first_batch.clear_family(Family::ByLeaf);
    first_batch.clear_family(Family::State);
    kv.write(&first_batch)?;

    let mut frontier = Frontier::empty();
    let mut state = StateSoFar { kv, pending: BTreeMap::new() };
    loop {
        let entries = entries_from(kv, frontier.size())?;
        if entries.is_empty() {
            break;
        }
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let integration = frontier.integrate(&leaves);
        let mut batch = Batch::default();
        for ((index, entry), leaf) in (frontier.size().get()..).zip(&entries).zip(&leaves) {
            let index = LeafIndex::new(index);
            batch.put(Family::ByLeaf, leaf.as_bytes(), &index_key(index));
            let rows = state_of(index, entry, &state)
                .map_err(|source| RebuildError::State { index, source })?;
            for (key, value) in rows {
                if key.len() > STATE_KEY_BYTES_MAX {
                    return Err(RebuildError::StateKeyTooLong { index });
                }
                state.pending.insert(key, value);
            }
        }
        put_tiles(&mut batch, &integration);
        for (key, value) in std::mem::take(&mut state.pending) {
            batch.put(Family::State, &key, &value);
        }
        kv.write(&batch)?;
        frontier = integration.into_frontier();
    }

    let head = frontier.head();
    let mut last_batch = Batch::default();
    last_batch.put(Family::Meta, META_HEAD, &encode_head(&head));
    last_batch.delete(Family::Meta, META_REBUILDING);
    kv.write(&last_batch)?;
    kv.flush()?;
    Ok(RebuildReport { head })
}

/// The entries give the stored head. Without one, lost with its family, what there is counts.
fn refuse_other_entries<K: Kv, E: Error + 'static>(kv: &K) -> Result<(), RebuildError<E>> {
    let Some(stored) = stored_head(kv)? else { return Ok(()) };
    let mut frontier = Frontier::empty();
    loop {
        let leaves: Vec<_> =
            entries_from(kv, frontier.size())?.iter().map(|entry| leaf_hash(entry)).collect();
        if leaves.is_empty() {
            break;
        }
        frontier = frontier.integrate(&leaves).into_frontier();
    }
    let entries = frontier.head();
    if entries == stored { Ok(()) } else { Err(RebuildError::Head { stored, entries }) }
}

/// The next entries, none at the end of the log.
fn entries_from<K: Kv>(kv: &K, size: TreeSize) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    let mut gap = None;
    let from = index_key(LeafIndex::new(size.get()));
    let range = KeyRange { from: &from, to: None };
    kv.scan(Family::Entries, range, Direction::Forward, &mut |key, entry| {
        let index = LeafIndex::new(size.get() + entries.len() as u64);
        if parse_index(key) != Some(index) {
            gap = Some(index);
            return ControlFlow::Break(());
        }
        entries.push(entry.to_vec());
        bytes += entry.len();
        if entries.len() >= STEP_ENTRIES || bytes >= STEP_BYTES {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    gap.map_or(Ok(entries), |index| Err(ReadError::MissingEntry { index }))
}

/// Why the derived families were not rebuilt.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError<E: Error + 'static> {
    /// The database could not be opened, or is of another log or version.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The entries are not those of the stored head: one is damaged, lost or too many. Nothing was
    /// changed; an audit names it.
    #[error("the stored head is {stored:?}, the entries give {entries:?}")]
    Head {
        /// What the last commit stored.
        stored: TreeHead,
        /// What the entries give.
        entries: TreeHead,
    },
    /// The caller could not say what an entry does to the admission state.
    #[error("entry {index} does not replay")]
    State {
        /// Which.
        index: LeafIndex,
        /// What the caller reported.
        #[source]
        source: E,
    },
    /// An entry sets a row with a longer key than a commit takes.
    #[error("entry {index} sets a row with too long a key")]
    StateKeyTooLong {
        /// Which.
        index: LeafIndex,
    },
    /// Something could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something could not be written.
    #[error("the database could not be written")]
    Write(#[from] KvError),
}

// One step is held in memory, whatever the entries' length.
const STEP_ENTRIES: usize = 4096;
const STEP_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests;
