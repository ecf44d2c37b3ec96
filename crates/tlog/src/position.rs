//! Where things are in the tree. An index names a leaf, a size counts leaves; they never mix.

use std::fmt;
use std::str::FromStr;

use crate::encoding;
use crate::hash::{EMPTY_ROOT, Hash};

/// The 0-based position of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(u64);

/// The number of leaves in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeSize(u64);

/// A tree of some size and its root: what everybody must agree on. Not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeHead {
    /// How many leaves.
    pub size: TreeSize,
    /// The Merkle tree hash over them.
    pub root: Hash,
}

impl LeafIndex {
    /// The leaf at this position.
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The position as a plain number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// A tree of this size has a leaf here.
    pub const fn is_within(self, size: TreeSize) -> bool {
        self.0 < size.0
    }
}

impl TreeSize {
    /// The empty tree.
    pub const ZERO: Self = Self(0);

    /// The size of a tree with this many leaves.
    pub const fn new(size: u64) -> Self {
        Self(size)
    }

    /// The number of leaves as a plain number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The size after that many more leaves, unless it no longer fits.
    pub const fn checked_add(self, leaves: u64) -> Option<Self> {
        match self.0.checked_add(leaves) {
            Some(size) => Some(Self(size)),
            None => None,
        }
    }
}

impl TreeHead {
    /// The head of the tree without leaves.
    pub const EMPTY: Self = Self { size: TreeSize::ZERO, root: EMPTY_ROOT };
}

impl FromStr for LeafIndex {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        encoding::canonical_decimal(text).map(Self).ok_or(DecimalError)
    }
}

impl FromStr for TreeSize {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        encoding::canonical_decimal(text).map(Self).ok_or(DecimalError)
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not an index or a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a decimal number below 2^64 without sign and leading zeros")]
pub struct DecimalError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_within_a_larger_size_only() {
        assert!(LeafIndex::new(4).is_within(TreeSize::new(5)));
        assert!(!LeafIndex::new(5).is_within(TreeSize::new(5)));
        assert!(!LeafIndex::new(0).is_within(TreeSize::ZERO));
    }

    #[test]
    fn numbers_read_back_as_they_print() {
        for number in [0, 1, 10, u64::MAX] {
            assert_eq!(TreeSize::new(number).to_string().parse(), Ok(TreeSize::new(number)));
            assert_eq!(LeafIndex::new(number).to_string().parse(), Ok(LeafIndex::new(number)));
        }
        assert_eq!("07".parse::<TreeSize>(), Err(DecimalError));
        assert_eq!("+7".parse::<LeafIndex>(), Err(DecimalError));
    }

    #[test]
    fn a_size_that_does_not_fit_is_none() {
        assert_eq!(TreeSize::new(u64::MAX).checked_add(1), None);
        assert_eq!(TreeSize::ZERO.checked_add(7), Some(TreeSize::new(7)));
    }
}
