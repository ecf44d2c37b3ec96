//! Entry bundles: the entries of one level-0 tile, each after its length.
//!
//! ```text
//! u16 length ‖ entry ‖ u16 length ‖ entry ‖ …        lengths are big-endian
//! ```
//!
//! Spec: c2sp.org/tlog-tiles §Log Entries.

use crate::position::{LeafIndex, TreeSize};
use crate::tile::{
    TILE_HASHES_MAX, TILE_INDEX_MAX, TILE_WIDTH_MAX, TileCoord, TileError, tile_of_size,
};

/// Which bundle: its index and how many entries it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleCoord {
    /// At level 0; same index, same width.
    tile: TileCoord,
}

impl BundleCoord {
    /// The bundle with this `index` (below 2^56) and `width` entries (1..=256).
    pub const fn new(index: u64, width: u16) -> Result<Self, TileError> {
        match TileCoord::new(0, index, width) {
            Ok(tile) => Ok(Self { tile }),
            Err(error) => Err(error),
        }
    }

    /// The bundle that holds an entry in a tree of this size; `None` when the tree does not.
    pub fn of_entry(index: LeafIndex, size: TreeSize) -> Option<Self> {
        if !index.is_within(size) {
            return None;
        }
        tile_of_size(0, index.get() / TILE_HASHES_MAX, size).map(|tile| Self { tile })
    }

    /// Position among the bundles.
    pub const fn index(self) -> u64 {
        self.tile.index()
    }

    /// How many entries, 1..=256.
    pub const fn width(self) -> u16 {
        self.tile.width()
    }

    /// It holds all 256 entries and will never change.
    pub const fn is_full(self) -> bool {
        self.tile.is_full()
    }

    /// The index of its first entry.
    pub const fn first_index(self) -> LeafIndex {
        // The constructor keeps the index small enough for this to fit.
        LeafIndex::new(self.tile.index().saturating_mul(TILE_HASHES_MAX))
    }

    /// The level-0 tile with the leaf hashes of these entries.
    pub const fn tile(self) -> TileCoord {
        self.tile
    }
}

/// All bundles of a tree, left to right; the last may be partial.
pub fn bundles_of_size(size: TreeSize) -> impl Iterator<Item = BundleCoord> {
    (0..=TILE_INDEX_MAX)
        .map_while(move |index| tile_of_size(0, index, size))
        .map(|tile| BundleCoord { tile })
}

/// Writes entries as a bundle.
///
/// # Errors
/// [`BundleError::EntryTooLong`] for an entry above [`ENTRY_BYTES_MAX`]; [`BundleError::Width`]
/// unless there are 1 to 256 entries.
pub fn encode_bundle<'a>(
    entries: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, BundleError> {
    let mut bundle = Vec::new();
    let mut width = 0_u16;
    for entry in entries {
        width = width.saturating_add(1);
        if width > TILE_WIDTH_MAX {
            return Err(BundleError::Width { got: width });
        }
        let length = u16::try_from(entry.len())
            .map_err(|_| BundleError::EntryTooLong { got: entry.len() })?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    if width == 0 {
        return Err(BundleError::Width { got: 0 });
    }
    Ok(bundle)
}

/// Reads a bundle of exactly `width` entries. Whether they are the right ones is for their leaf
/// hashes to say.
///
/// # Errors
/// [`BundleError::Width`] for a width outside 1..=256, [`BundleError::Truncated`] when an entry is
/// missing or cut short, [`BundleError::TrailingBytes`] when there is more.
pub fn parse_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    if width == 0 || width > TILE_WIDTH_MAX {
        return Err(BundleError::Width { got: width });
    }
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bytes;
    for position in 0..width {
        let (entry, after) = take_entry(rest).ok_or(BundleError::Truncated { position })?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(BundleError::TrailingBytes { got: rest.len() }) }
}

fn take_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Why something is not a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// No entries or more than 256.
    #[error("expected 1 to 256 entries, got {got}")]
    Width {
        /// How many entries.
        got: u16,
    },
    /// An entry longer than its length field can say.
    #[error("expected an entry of at most 65535 bytes, got {got}")]
    EntryTooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// The bytes end before or within an entry.
    #[error("bundle ends within entry {position}")]
    Truncated {
        /// Which entry of the bundle, from 0.
        position: u16,
    },
    /// More bytes than entries.
    #[error("{got} bytes after the last entry")]
    TrailingBytes {
        /// How many bytes are left.
        got: usize,
    },
}

/// The longest entry a bundle can hold, in bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_at_the_limit_fits_and_one_above_does_not() {
        let longest = vec![7; ENTRY_BYTES_MAX];
        let bundle = encode_bundle([longest.as_slice(), b""]).unwrap();
        assert_eq!(parse_bundle(&bundle, 2), Ok(vec![longest.as_slice(), b""]));
        let longer = vec![7; ENTRY_BYTES_MAX + 1];
        assert_eq!(
            encode_bundle([longer.as_slice()]),
            Err(BundleError::EntryTooLong { got: ENTRY_BYTES_MAX + 1 })
        );
    }

    #[test]
    fn rejects_missing_cut_and_extra_bytes() {
        let bundle = encode_bundle([b"ab".as_slice(), b"c"]).unwrap();
        assert_eq!(parse_bundle(&bundle, 1), Err(BundleError::TrailingBytes { got: 3 }));
        assert_eq!(parse_bundle(&bundle, 3), Err(BundleError::Truncated { position: 2 }));
        assert_eq!(parse_bundle(&bundle[..6], 2), Err(BundleError::Truncated { position: 1 }));
        assert_eq!(parse_bundle(&bundle, 0), Err(BundleError::Width { got: 0 }));
        assert_eq!(parse_bundle(&bundle, 257), Err(BundleError::Width { got: 257 }));
        assert_eq!(encode_bundle([]), Err(BundleError::Width { got: 0 }));
        assert_eq!(encode_bundle([b"".as_slice(); 257]), Err(BundleError::Width { got: 257 }));
    }

    #[test]
    fn an_entry_is_in_one_bundle() {
        let size = TreeSize::new(300);
        let bundle = BundleCoord::of_entry(LeafIndex::new(299), size).unwrap();
        assert_eq!((bundle.index(), bundle.width(), bundle.first_index().get()), (1, 44, 256));
        assert_eq!(BundleCoord::of_entry(LeafIndex::new(300), size), None);
        assert_eq!(bundles_of_size(size).count(), 2);
        assert_eq!(bundles_of_size(TreeSize::ZERO).count(), 0);
        assert_eq!(bundles_of_size(TreeSize::new(256)).count(), 1);
    }

    proptest! {
        #[test]
        fn bundles_read_back_as_written(entries in vec(vec(any::<u8>(), 0..40), 1..=256)) {
            let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
            let width = u16::try_from(entries.len()).unwrap();
            prop_assert_eq!(parse_bundle(&bundle, width).unwrap(), entries);
        }

        #[test]
        fn no_bundle_panics(bytes in vec(any::<u8>(), 0..600), width in any::<u16>()) {
            let _ = parse_bundle(&bytes, width);
        }
    }
}
