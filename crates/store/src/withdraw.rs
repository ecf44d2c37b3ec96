//! Taking away what the log holds for sealed fields, and keeping why.
//!
//! A disclosure lies outside the tree, so it can go while entry, hashes, proofs and replay stay as
//! they are. What was taken away leaves a row in `meta`, opaque here like the disclosures are, so
//! that readers are told "erased" and never "there was nothing".

use std::ops::ControlFlow;

use tlog::LeafIndex;

use crate::commit::Writer;
use crate::error::{Fatal, ReadError};
use crate::kv::{Batch, Direction, Family, KeyRange, Kv, KvError};
use crate::layout::{index_key, parse_withdrawn_key, withdrawn_key};
use crate::store::Store;

impl<K: Kv> Store<K> {
    /// What is said about disclosures of an entry that were taken away; `None` when none were.
    pub fn withdrawn(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.shared.kv.get(Family::Meta, &withdrawn_key(index))?)
    }

    /// The same for every entry of which something was taken away, in the order of the entries.
    pub fn all_withdrawn(&self) -> Result<Vec<(LeafIndex, Vec<u8>)>, ReadError> {
        let mut rows = Vec::new();
        let mut malformed = false;
        let (from, to) =
            (withdrawn_key(LeafIndex::new(0)), withdrawn_key(LeafIndex::new(u64::MAX)));
        let range = KeyRange { from: &from, to: Some(&to) };
        self.shared.kv.scan(Family::Meta, range, Direction::Forward, &mut |key, row| {
            match parse_withdrawn_key(key) {
                Some(index) => rows.push((index, row.to_vec())),
                None => malformed = true,
            }
            if malformed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if malformed { Err(ReadError::MalformedRow { family: Family::Meta }) } else { Ok(rows) }
    }
}

impl<K: Kv> Writer<K> {
    /// Replaces what the log holds for an entry, and what is said about what it no longer holds or
    /// shows, in one synced write. Nobody reads the old disclosures from here on; on the disk they
    /// remain until [`Writer::wipe`].
    ///
    /// # Errors
    /// [`WithdrawError`]; after a failed write this process can never commit again.
    pub fn withdraw(
        &mut self,
        index: LeafIndex,
        disclosures: Option<&[u8]>,
        said: &[u8],
    ) -> Result<(), WithdrawError> {
        let store = self.store();
        let size = store.head().size;
        if !index.is_within(size) {
            return Err(WithdrawError::NoEntry { index });
        }
        store.shared.alive()?;
        let mut batch = Batch::default();
        match disclosures {
            Some(left) => batch.put(Family::Disclosures, &index_key(index), left),
            None => batch.delete(Family::Disclosures, &index_key(index)),
        }
        batch.put(Family::Meta, &withdrawn_key(index), said);
        let written = store.shared.kv.write(&batch);
        written.map_err(|source| store.shared.die(Fatal::WriteFailed { source }))?;
        Ok(())
    }

    /// Rewrites the files that hold disclosures without what was withdrawn, and lets go of the
    /// write-ahead log that brought it. Whoever has to be sure searches the files afterwards, with
    /// the store closed: the database reports no failed compaction here.
    pub fn wipe(&mut self) -> Result<(), WithdrawError> {
        let store = self.store();
        store.shared.alive()?;
        // All families: a write-ahead log stays as long as any of them needs it.
        store.shared.kv.flush()?;
        store.shared.kv.compact(Family::Disclosures)?;
        store.shared.alive()?;
        Ok(())
    }
}

/// Why disclosures were not taken away.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WithdrawError {
    /// This process can never write again.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// There is no such entry.
    #[error("there is no entry {index}")]
    NoEntry {
        /// Which.
        index: LeafIndex,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] KvError),
}

#[cfg(test)]
mod tests;
