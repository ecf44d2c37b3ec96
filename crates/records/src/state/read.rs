//! Reading the state: keys to bytes, whoever keeps them.

use std::collections::BTreeMap;
use std::convert::Infallible;

/// Read access to the state after a number of entries.
pub trait State {
    /// A read that failed. It is never taken for absence.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The value of a key; `None` when there is none.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl State for BTreeMap<Vec<u8>, Vec<u8>> {
    type Error = Infallible;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(BTreeMap::get(self, key).cloned())
    }
}

impl<S: State> State for &S {
    type Error = S::Error;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, S::Error> {
        (**self).get(key)
    }
}

/// Why the state could not be read. Fatal: nothing may be judged on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError<E: std::error::Error + 'static> {
    /// The reader failed.
    #[error("reading the admission state")]
    Read(#[source] E),
    /// A value is not what this crate writes.
    #[error("the admission state holds bytes that are no {family}")]
    Corrupt {
        /// Which kind of value was expected.
        family: &'static str,
    },
}

/// One value to put into the state.
pub type Put = (Vec<u8>, Vec<u8>);

pub(super) fn read<S: State, T>(
    state: &S,
    key: &[u8],
    family: &'static str,
    decode: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, StateError<S::Error>> {
    let Some(bytes) = state.get(key).map_err(StateError::Read)? else { return Ok(None) };
    decode(&bytes).map(Some).ok_or(StateError::Corrupt { family })
}

pub(super) fn join(prefix: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len().saturating_add(rest.len()).saturating_add(5));
    key.extend_from_slice(prefix);
    key.extend_from_slice(rest);
    key
}
