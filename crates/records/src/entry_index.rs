//! Where an entry stands in the log.

use std::fmt;

/// Position of an entry in the log, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryIndex(u64);

impl EntryIndex {
    /// Entry 0 is the genesis.
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// Also how many entries stand before it.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for EntryIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
