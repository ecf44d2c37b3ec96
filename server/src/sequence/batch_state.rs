//! The committed state with the changes of the batch that is being judged on top, so that a record is
//! judged by everything that stands before it.

use std::collections::HashMap;

use records::State;
use store::{Kv, ReadError, Store};

/// What a record of this batch is judged by.
pub struct BatchState<'a, K: Kv> {
    store: &'a Store<K>,
    changes: HashMap<Vec<u8>, Vec<u8>>,
}

impl<'a, K: Kv> BatchState<'a, K> {
    /// Starts a batch on top of what is committed.
    pub fn new(store: &'a Store<K>) -> Self {
        Self { store, changes: HashMap::new() }
    }

    /// Adds what an accepted entry changes.
    pub fn apply(&mut self, changes: Vec<(Vec<u8>, Vec<u8>)>) {
        self.changes.extend(changes);
    }

    /// All changes of the batch, sorted by key: what the commit writes.
    pub fn into_changes(self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut changes: Vec<_> = self.changes.into_iter().collect();
        changes.sort_unstable();
        changes
    }
}

impl<K: Kv> State for BatchState<'_, K> {
    type Error = ReadError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self.changes.get(key) {
            Some(value) => Ok(Some(value.clone())),
            None => self.store.state_get(key),
        }
    }
}
