use tlog::UnixMillis;

use super::*;
use crate::MemoryKv;
use crate::fixtures::{cosigned, dump, grow, log_of, new_log, open_in, origin};
use crate::layout::{index_key, tile_key};

fn open(kv: &MemoryKv) -> Result<(Store<MemoryKv>, Writer<MemoryKv>), OpenError> {
    Store::open_on(kv.clone(), &origin(), 0)
}

fn kv_of(size: u64) -> MemoryKv {
    log_of(size).0.shared.kv.snapshot()
}

fn put(kv: &MemoryKv, family: Family, key: &[u8], value: &[u8]) {
    let mut batch = Batch::default();
    batch.put(family, key, value);
    kv.write(&batch).unwrap();
}

#[test]
fn the_right_edge_is_read_from_tiles_at_every_size() {
    let kv = new_log();
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 600] {
        let (store, mut writer) = open_in(&kv);
        grow(&mut writer, size);
        let (reopened, writer) = open(&kv).unwrap();
        assert_eq!(reopened.head(), store.head(), "{size}");
        assert_eq!(writer.frontier().head(), store.head(), "{size}");
    }
}

#[test]
fn refuses_another_log_and_another_format() {
    let kv = kv_of(3);
    let other = "log.example/other".parse().unwrap();
    let refused = Store::open_on(kv.clone(), &other, 0).unwrap_err();
    assert_eq!(refused.to_string(), "expected the log log.example/other, found log.example/test");
    put(&kv, Family::Meta, META_FORMAT, &2_u32.to_be_bytes());
    let refused = open(&kv).unwrap_err();
    assert_eq!(refused.to_string(), "expected format version 1, found 2");
}

#[test]
fn refuses_a_log_that_was_never_finished_being_created() {
    assert!(matches!(open(&MemoryKv::new()), Err(OpenError::Unfinished)));
}

#[test]
fn refuses_a_head_that_the_tiles_do_not_give() {
    let kv = kv_of(300);
    let mut head = stored_head(&kv).unwrap().unwrap();
    head.root = tlog::EMPTY_ROOT;
    put(&kv, Family::Meta, META_HEAD, &encode_head(&head));
    assert!(matches!(open(&kv), Err(OpenError::Head { .. })));
}

#[test]
fn refuses_a_changed_or_missing_tile_at_the_right_edge() {
    let kv = kv_of(300);
    let key = tile_key(0, 1);
    let mut tile = kv.get(Family::Tiles, &key).unwrap().unwrap();
    tile[5] ^= 1;
    put(&kv, Family::Tiles, &key, &tile);
    assert!(matches!(open(&kv), Err(OpenError::Head { .. })));
    let mut batch = Batch::default();
    batch.delete(Family::Tiles, &key);
    kv.write(&batch).unwrap();
    assert!(matches!(open(&kv), Err(OpenError::Frontier(_))));
}

#[test]
fn refuses_entries_beyond_the_head_and_a_missing_last_entry() {
    let kv = kv_of(10);
    put(&kv, Family::Entries, &index_key(LeafIndex::new(10)), b"more");
    assert!(matches!(open(&kv), Err(OpenError::LastEntry { .. })));
    let kv = kv_of(10);
    let mut batch = Batch::default();
    batch.delete(Family::Entries, &index_key(LeafIndex::new(9)));
    kv.write(&batch).unwrap();
    assert!(matches!(open(&kv), Err(OpenError::LastEntry { .. })));
}

#[test]
fn refuses_a_tree_that_lost_what_was_published() {
    let (store, mut writer) = log_of(300);
    let older = store.shared.kv.snapshot();
    grow(&mut writer, 310);
    store.publish(&cosigned(store.head(), 1), UnixMillis::new(1)).unwrap();
    // The older copy of the log under the newer history.
    for (key, row) in &dump(&store.shared.kv)[&Family::Checkpoints] {
        put(&older, Family::Checkpoints, key, row);
    }
    assert!(matches!(open(&older), Err(OpenError::Published { .. })));
    open(&store.shared.kv.snapshot()).unwrap();
}

#[test]
fn refuses_a_published_checkpoint_of_another_tree() {
    let (store, _writer) = log_of(300);
    store.publish(&cosigned(store.head(), 1), UnixMillis::new(1)).unwrap();
    let (other, mut writer) = log_of(299);
    crate::fixtures::commit_entries(&mut writer, 1000..1010);
    for (key, row) in &dump(&store.shared.kv)[&Family::Checkpoints] {
        put(&other.shared.kv, Family::Checkpoints, key, row);
    }
    let refused = open(&other.shared.kv.snapshot());
    assert!(matches!(refused, Err(OpenError::Published { .. })));
}

#[test]
fn never_makes_a_database_by_opening_and_never_one_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let settings = Settings::default();
    let missing = Store::<RocksKv>::open(&path, &origin(), &settings).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }));
    assert!(!path.exists());
    Store::<RocksKv>::create(&path, &origin(), &settings).unwrap();
    let again = Store::<RocksKv>::create(&path, &origin(), &settings).unwrap_err();
    assert!(matches!(again, OpenError::AlreadyThere { .. }));
}

#[test]
fn a_log_that_is_open_cannot_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let settings = Settings::default();
    Store::<RocksKv>::create(&path, &origin(), &settings).unwrap();
    let open = Store::<RocksKv>::open(&path, &origin(), &settings).unwrap();
    let second = Store::<RocksKv>::open(&path, &origin(), &settings).unwrap_err();
    assert!(matches!(second, OpenError::Locked { .. }), "{second:?}");
    drop(open);
    Store::<RocksKv>::open(&path, &origin(), &settings).unwrap();
}

/// Name and bytes of every file of a folder.
fn files_of(folder: &Path) -> std::collections::BTreeMap<std::ffi::OsString, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name(), std::fs::read(file.path()).unwrap()))
        .collect()
}

#[test]
fn a_snapshot_holds_what_was_committed_before_and_nothing_after() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("log"), folder.path().join("copy"));
    let settings = Settings::default();
    Store::<RocksKv>::create(&path, &origin(), &settings).unwrap();
    let (store, mut writer) = Store::<RocksKv>::open(&path, &origin(), &settings).unwrap();
    grow(&mut writer, 300);
    store.publish(&cosigned(store.head(), 1), UnixMillis::new(1)).unwrap();
    let before = store.head();
    store.snapshot(&copy).unwrap();
    grow(&mut writer, 600);
    let copied = Store::<RocksKv>::open_read_only(&copy, &origin(), &settings).unwrap();
    assert_eq!(copied.head(), before);
    assert_eq!(copied.latest_published().map(|it| it.head()), Some(before));
    crate::audit(&copied, |_, _| {}).unwrap();
    assert!(store.snapshot(&copy).is_err(), "a snapshot over another one");
    // It is a database like any other.
    drop(copied);
    let (_, mut writer) = Store::<RocksKv>::open(&copy, &origin(), &settings).unwrap();
    grow(&mut writer, 301);
}

#[test]
fn reading_only_replays_the_log_in_memory_and_changes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("log"), folder.path().join("copy"));
    let settings = Settings::default();
    let missing = Store::<RocksKv>::open_read_only(&path, &origin(), &settings).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }));
    Store::<RocksKv>::create(&path, &origin(), &settings).unwrap();
    let (store, mut writer) = Store::<RocksKv>::open(&path, &origin(), &settings).unwrap();
    grow(&mut writer, 300);
    // What a crash would leave: the entries are in the write-ahead log alone.
    std::fs::create_dir(&copy).unwrap();
    for (name, bytes) in files_of(&path) {
        std::fs::write(copy.join(name), bytes).unwrap();
    }
    let files = files_of(&copy);
    let copied = Store::<RocksKv>::open_read_only(&copy, &origin(), &settings).unwrap();
    assert_eq!(copied.head(), store.head());
    crate::audit(&copied, |_, _| {}).unwrap();
    let write = copied.publish(&cosigned(copied.head(), 1), UnixMillis::new(1));
    assert!(write.is_err(), "it writes");
    drop(copied);
    assert_eq!(files_of(&copy), files);
}
