use super::*;
use crate::fixtures::{commit_entries, grow, log_of};
use crate::kv::{Batch, Family};
use crate::layout::{index_key, tile_key};
use crate::{MemoryKv, Writer};

/// Flips one bit of a row.
fn flip(store: &Store<MemoryKv>, family: Family, key: &[u8], byte: usize) {
    let mut row = store.shared.kv.get(family, key).unwrap().unwrap();
    row[byte] ^= 0x10;
    let mut batch = Batch::default();
    batch.put(family, key, &row);
    store.shared.kv.write(&batch).unwrap();
}

fn grown() -> (Store<MemoryKv>, Writer<MemoryKv>, TreeSize) {
    let (store, mut writer) = log_of(250);
    grow(&mut writer, 700);
    (store, writer, TreeSize::new(250))
}

#[test]
fn what_was_committed_passes_from_every_earlier_size() {
    let (store, mut writer, _) = grown();
    let head = store.head();
    for from in [0, 1, 255, 256, 257, 512, 699, 700] {
        store.recheck(TreeSize::new(from), &head).unwrap();
    }
    // A head that is no longer the newest can still be signed.
    commit_entries(&mut writer, 900..950);
    store.recheck(TreeSize::new(600), &head).unwrap();
}

#[test]
fn names_an_entry_whose_stored_bytes_changed() {
    let (store, _writer, from) = grown();
    flip(&store, Family::Entries, &index_key(LeafIndex::new(612)), 3);
    let found = store.recheck(from, &store.head()).unwrap_err();
    assert!(matches!(found, RecheckError::Entry { index } if index.get() == 612), "{found:?}");
}

#[test]
fn names_the_leaf_or_the_tile_that_changed() {
    let (store, _writer, from) = grown();
    flip(&store, Family::Tiles, &tile_key(0, 2), 32 * 100);
    let found = store.recheck(from, &store.head()).unwrap_err();
    assert!(matches!(found, RecheckError::Entry { index } if index.get() == 612), "{found:?}");
    let (store, _writer, from) = grown();
    flip(&store, Family::Tiles, &tile_key(1, 0), 32);
    let found = store.recheck(from, &store.head()).unwrap_err();
    assert!(matches!(found, RecheckError::Tile { level: 1, index: 0 }), "{found:?}");
}

#[test]
fn a_full_tile_in_memory_does_not_hide_a_changed_one_on_the_disk() {
    let (store, _writer, _) = grown();
    let full = TileCoord::new(0, 0, 256).unwrap();
    store.read_tile(full).unwrap();
    flip(&store, Family::Tiles, &tile_key(0, 0), 0);
    assert!(store.recheck(TreeSize::ZERO, &store.head()).is_err());
}

#[test]
fn refuses_a_head_that_is_not_the_stored_one() {
    let (store, _writer, from) = grown();
    let other = TreeHead { root: tlog::EMPTY_ROOT, ..store.head() };
    assert!(matches!(store.recheck(from, &other), Err(RecheckError::Head { .. })));
    let larger = TreeHead { size: TreeSize::new(701), ..store.head() };
    assert!(matches!(store.recheck(from, &larger), Err(RecheckError::Read(_))));
}
