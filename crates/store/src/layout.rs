//! How things are written on the disk. What is here can never change without a new format version.
//!
//! ```text
//! entries       index (8, big-endian)                    entry bytes
//! disclosures   index (8)                                opaque
//! tiles         level (1) ‖ tile index (8)               1 to 256 hashes of 32 bytes
//! by_leaf       leaf hash (32)                           index (8)
//! state         opaque, at most STATE_KEY_BYTES_MAX      opaque
//! checkpoints   size (8)                                 see `checkpoints`
//! meta          "format"                                 4 bytes
//!               "origin"                                 UTF-8
//!               "head"                                   size (8) ‖ root (32)
//!               "rebuilding"                             empty; there while a rebuild is unfinished
//!               "withdrawn" ‖ index (8)                  opaque: what became of disclosures, and why
//! ```
//! Numbers are big-endian, so that key order is number order.

use tlog::{Hash, LeafIndex, TreeHead, TreeSize};

/// The layout this code reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// The longest key of the admission state, in bytes.
pub const STATE_KEY_BYTES_MAX: usize = 512;

pub(crate) const META_FORMAT: &[u8] = b"format";
pub(crate) const META_ORIGIN: &[u8] = b"origin";
pub(crate) const META_HEAD: &[u8] = b"head";
pub(crate) const META_REBUILDING: &[u8] = b"rebuilding";
pub(crate) const META_WITHDRAWN: &[u8; 9] = b"withdrawn";

pub(crate) const fn index_key(index: LeafIndex) -> [u8; 8] {
    index.get().to_be_bytes()
}

pub(crate) fn parse_index(bytes: &[u8]) -> Option<LeafIndex> {
    bytes.try_into().ok().map(u64::from_be_bytes).map(LeafIndex::new)
}

pub(crate) fn withdrawn_key(index: LeafIndex) -> [u8; 17] {
    let mut key = [0; 17];
    key[..META_WITHDRAWN.len()].copy_from_slice(META_WITHDRAWN);
    key[META_WITHDRAWN.len()..].copy_from_slice(&index_key(index));
    key
}

pub(crate) fn parse_withdrawn_key(bytes: &[u8]) -> Option<LeafIndex> {
    parse_index(bytes.strip_prefix(META_WITHDRAWN.as_slice())?)
}

pub(crate) const fn size_key(size: TreeSize) -> [u8; 8] {
    size.get().to_be_bytes()
}

pub(crate) fn parse_size(bytes: &[u8]) -> Option<TreeSize> {
    bytes.try_into().ok().map(u64::from_be_bytes).map(TreeSize::new)
}

pub(crate) fn tile_key(level: u8, index: u64) -> [u8; 9] {
    let mut key = [level; 9];
    key[1..].copy_from_slice(&index.to_be_bytes());
    key
}

pub(crate) fn parse_tile_key(bytes: &[u8]) -> Option<(u8, u64)> {
    let (level, index) = bytes.split_first()?;
    Some((*level, u64::from_be_bytes(index.try_into().ok()?)))
}

pub(crate) fn encode_head(head: &TreeHead) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&head.size.get().to_be_bytes());
    bytes[8..].copy_from_slice(head.root.as_bytes());
    bytes
}

pub(crate) fn parse_head(bytes: &[u8]) -> Option<TreeHead> {
    let (size, root) = bytes.split_first_chunk()?;
    let root = Hash::from_slice(root)?;
    Some(TreeHead { size: TreeSize::new(u64::from_be_bytes(*size)), root })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_numbers_do() {
        assert!(index_key(LeafIndex::new(255)) < index_key(LeafIndex::new(256)));
        assert!(tile_key(0, u64::MAX) < tile_key(1, 0));
        assert_eq!(parse_tile_key(&tile_key(3, 1 << 40)), Some((3, 1 << 40)));
        assert_eq!(parse_tile_key(&[0; 8]), None);
        assert_eq!(parse_index(&index_key(LeafIndex::new(7))), Some(LeafIndex::new(7)));
        assert_eq!(parse_size(&[1]), None);
        assert!(withdrawn_key(LeafIndex::new(255)) < withdrawn_key(LeafIndex::new(256)));
        assert_eq!(parse_withdrawn_key(&withdrawn_key(LeafIndex::new(7))), Some(LeafIndex::new(7)));
        assert_eq!(parse_withdrawn_key(META_WITHDRAWN), None);
    }

    #[test]
    fn a_head_reads_back_and_nothing_else_is_one() {
        let head = TreeHead { size: TreeSize::new(300), root: Hash::new([9; 32]) };
        assert_eq!(parse_head(&encode_head(&head)), Some(head));
        assert_eq!(parse_head(&[0; 39]), None);
        assert_eq!(parse_head(&[0; 41]), None);
    }
}
