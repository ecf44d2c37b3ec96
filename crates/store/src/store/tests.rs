use std::thread;

use tlog::{leaf_hash, parse_bundle, tile_of_size};

use super::*;
use crate::Settings;
use crate::fixtures::{FaultyKv, entry, grow, log_of, new_log, open_in, origin};
use crate::kv::{Batch, Family};

#[test]
fn a_bundle_is_the_encoded_range_of_its_entries() {
    let (store, _writer) = log_of(300);
    let coord = BundleCoord::new(1, 44).unwrap();
    let bundle = store.bundle(coord).unwrap();
    let expected: Vec<_> = (256..300).map(entry).collect();
    assert_eq!(parse_bundle(&bundle, 44).unwrap(), expected);
    let beyond = store.bundle(BundleCoord::new(1, 45).unwrap()).unwrap_err();
    assert!(matches!(beyond, ReadError::MissingEntry { index } if index.get() == 300));
}

#[test]
fn a_partial_tile_of_any_width_is_cut_from_the_stored_one() {
    let (store, mut writer) = log_of(300);
    for size in [257, 258, 299, 300] {
        let coord = tile_of_size(0, 1, TreeSize::new(size)).unwrap();
        let expected: Vec<_> = (256..size).map(|index| leaf_hash(&entry(index))).collect();
        assert_eq!(store.read_tile(coord).unwrap().hashes(), expected);
    }
    let wider = TileCoord::new(0, 1, 45).unwrap();
    assert!(matches!(
        store.read_tile(wider),
        Err(ReadError::MissingTile { level: 0, index: 1, expected: 45, stored: 44 })
    ));
    assert!(store.read_tile(TileCoord::new(0, 2, 1).unwrap()).is_err());
    // A tile that was partial when it was first read is not remembered as such.
    grow(&mut writer, 600);
    assert_eq!(store.read_tile(wider).unwrap().width(), 45);
    assert_eq!(store.read_tile(wider.full()).unwrap().width(), 256);
    // And once it is full and in memory, narrower ones are cut from that.
    assert_eq!(store.read_tile(TileCoord::new(0, 1, 3).unwrap()).unwrap().width(), 3);
}

#[test]
fn full_tiles_are_read_once() {
    let kv = FaultyKv::over(new_log());
    let (store, mut writer) = open_in(&kv);
    grow(&mut writer, 300);
    let full = TileCoord::new(0, 0, 256).unwrap();
    let tile = store.read_tile(full).unwrap();
    kv.fail_reads(true);
    assert_eq!(store.read_tile(full).unwrap(), tile);
    assert!(store.read_tile(TileCoord::new(0, 1, 44).unwrap()).is_err());
}

#[test]
fn an_entry_that_is_not_the_one_in_the_tree_is_refused_where_it_matters() {
    let kv = FaultyKv::over(new_log());
    let (store, mut writer) = open_in(&kv);
    grow(&mut writer, 3);
    let last = LeafIndex::new(2);
    assert_eq!(store.entry_in_tree(last).unwrap(), Some(entry(2)));
    assert_eq!(store.entry_in_tree(LeafIndex::new(3)).unwrap(), None);
    let mut batch = Batch::default();
    batch.put(Family::Entries, &index_key(last), b"other bytes");
    kv.write(&batch).unwrap();
    assert_eq!(store.entry(last).unwrap(), Some(b"other bytes".to_vec()));
    let refused = store.entry_in_tree(last).unwrap_err();
    assert!(matches!(refused, ReadError::ChangedEntry { index } if index == last), "{refused}");
}

#[test]
fn a_failed_read_is_never_absent() {
    let kv = FaultyKv::over(new_log());
    let (store, mut writer) = open_in(&kv);
    grow(&mut writer, 3);
    kv.fail_reads(true);
    assert!(store.entry(LeafIndex::new(0)).is_err());
    assert!(store.disclosures(LeafIndex::new(0)).is_err());
    assert!(store.state_get(b"no such key").is_err());
    assert!(store.index_of_leaf(&leaf_hash(b"no such entry")).is_err());
    assert!(store.checkpoint_at(TreeSize::ZERO).is_err());
    // Beyond the log there is nothing to ask for.
    assert_eq!(store.entry(LeafIndex::new(3)).unwrap(), None);
}

#[test]
fn ranges_are_whole_or_an_error_that_names_the_first_missing_entry() {
    let (store, _writer) = log_of(10);
    let range = |from, to| LeafIndex::new(from)..LeafIndex::new(to);
    assert_eq!(store.entries(range(2, 5)).unwrap(), [entry(2), entry(3), entry(4)]);
    assert_eq!(store.entries(range(4, 4)).unwrap(), Vec::<Vec<u8>>::new());
    let beyond = store.entries(range(8, 12)).unwrap_err();
    assert!(matches!(beyond, ReadError::MissingEntry { index } if index.get() == 10));
    let long = store.entries(range(0, ENTRIES_PER_READ_MAX + 1)).unwrap_err();
    assert!(matches!(long, ReadError::RangeTooLong { .. }));
}

#[test]
fn state_is_scanned_by_prefix_in_pages() {
    let (store, _writer) = log_of(12);
    let page = store.state_scan(b"of/", None, 5).unwrap();
    assert_eq!(page.len(), 5);
    let rest = store.state_scan(b"of/", Some(&page[4].0), 100).unwrap();
    assert_eq!(rest.len(), 7);
    assert!(rest[0].0 > page[4].0);
    assert_eq!(store.state_scan(b"of/", Some(&rest[6].0), 100).unwrap(), []);
    assert_eq!(store.state_scan(b"of/", Some(b"a"), 100).unwrap().len(), 12);
    assert_eq!(store.state_scan(b"", None, 100).unwrap().len(), 13);
    assert_eq!(store.state_scan(b"of/", None, 0).unwrap(), []);
    assert_eq!(store.state_scan(b"nothing", None, 100).unwrap(), []);
}

#[test]
fn the_end_of_a_prefix_is_the_next_key_that_differs_in_it() {
    assert_eq!(first_key_after_prefix(b"ab"), Some(b"ac".to_vec()));
    assert_eq!(first_key_after_prefix(&[1, 0xff]), Some(vec![2]));
    assert_eq!(first_key_after_prefix(&[0xff, 0xff]), None);
    assert_eq!(first_key_after_prefix(b""), None);
}

#[test]
fn readers_see_whole_commits_while_the_writer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let settings = Settings::default();
    Store::<RocksKv>::create(&path, &origin(), &settings).unwrap();
    let (store, mut writer) = Store::<RocksKv>::open(&path, &origin(), &settings).unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            let store = store.clone();
            scope.spawn(move || {
                loop {
                    let head = store.head();
                    store.recheck(TreeSize::ZERO, &head).unwrap();
                    if let Some(last) = last_index(head.size) {
                        assert_eq!(store.entry(last).unwrap(), Some(entry(last.get())));
                    }
                    if head.size.get() >= 1000 {
                        return;
                    }
                }
            });
        }
        while writer.frontier().size().get() < 1000 {
            let size = writer.frontier().size().get();
            grow(&mut writer, size + 7);
        }
    });
}
