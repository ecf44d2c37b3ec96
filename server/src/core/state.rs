//! The admission state of committed entries, as `records` reads it.

use records::State;
use store::{Family, Kv, ReadError, StateSoFar, Store};

/// A row of the state that `records` cannot read: it alone writes them, so this is damage.
pub const DAMAGED: ReadError = ReadError::MalformedRow { family: Family::State };

/// The state of all committed entries.
pub struct CommittedState<'a, K: Kv>(pub &'a Store<K>);

impl<K: Kv> State for CommittedState<'_, K> {
    type Error = ReadError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.0.state_get(key)
    }
}

/// The state while it is rebuilt from the entries.
pub struct RebuiltState<'a, K: Kv>(pub &'a StateSoFar<'a, K>);

impl<K: Kv> State for RebuiltState<'_, K> {
    type Error = ReadError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.0.get(key)
    }
}
