use std::convert::Infallible;

use super::*;
use crate::fixtures::{dump, entry, log_of, open_in, origin, state_of};
use crate::{MemoryKv, RocksKv, Store};

fn replayed(kv: &MemoryKv) -> Result<RebuildReport, RebuildError<Infallible>> {
    rebuild_on(kv, &origin(), |_, entry, _: &StateSoFar<'_, MemoryKv>| Ok(state_of(entry)))
}

fn kv_of(size: u64) -> MemoryKv {
    log_of(size).0.shared.kv.snapshot()
}

#[test]
fn gives_the_same_rows_as_before() {
    for size in [0, 1, 256, 700] {
        let kv = kv_of(size);
        let before = dump(&kv);
        let mut damage = Batch::default();
        damage.clear_family(Family::Tiles);
        damage.clear_family(Family::ByLeaf);
        damage.put(Family::Tiles, &[9; 9], b"rubbish");
        damage.put(Family::State, b"last", b"wrong");
        damage.put(Family::State, b"of nobody", b"extra");
        kv.write(&damage).unwrap();
        let report = replayed(&kv).unwrap();
        assert_eq!(report.head.size.get(), size);
        assert_eq!(dump(&kv), before, "{size}");
        open_in(&kv);
    }
}

#[test]
fn a_lost_head_comes_back() {
    let kv = kv_of(300);
    let before = dump(&kv);
    let mut damage = Batch::default();
    damage.delete(Family::Meta, META_HEAD);
    kv.write(&damage).unwrap();
    replayed(&kv).unwrap();
    assert_eq!(dump(&kv), before);
}

#[test]
fn damaged_entries_are_refused_before_anything_changes() {
    let (changed, lost, extra) = (kv_of(300), kv_of(300), kv_of(300));
    let mut damage = Batch::default();
    damage.put(Family::Entries, &index_key(LeafIndex::new(7)), b"another entry");
    changed.write(&damage).unwrap();
    let mut damage = Batch::default();
    damage.delete(Family::Entries, &index_key(LeafIndex::new(7)));
    lost.write(&damage).unwrap();
    let mut damage = Batch::default();
    damage.put(Family::Entries, &index_key(LeafIndex::new(300)), b"one more");
    extra.write(&damage).unwrap();
    for kv in [changed, lost, extra] {
        let before = dump(&kv);
        let refused = replayed(&kv).unwrap_err();
        assert!(matches!(refused, RebuildError::Head { .. } | RebuildError::Read(_)));
        assert_eq!(dump(&kv), before);
    }
}

#[test]
fn replay_sees_what_all_entries_before_it_set() {
    let kv = kv_of(5000);
    rebuild_on(&kv, &origin(), |index, bytes, state: &StateSoFar<'_, MemoryKv>| {
        let before = index.get().checked_sub(1).map(entry);
        assert_eq!(state.get(b"last").unwrap(), before);
        Ok::<_, Infallible>(state_of(bytes))
    })
    .unwrap();
}

#[test]
fn an_interrupted_rebuild_does_not_open_until_it_has_been_finished() {
    #[derive(Debug, thiserror::Error)]
    #[error("stopped")]
    struct Stopped;

    let kv = kv_of(700);
    let before = dump(&kv);
    let stopped = rebuild_on(&kv, &origin(), |index, bytes, _: &StateSoFar<'_, MemoryKv>| {
        if index.get() < 500 { Ok(state_of(bytes)) } else { Err(Stopped) }
    });
    let Err(RebuildError::State { index, .. }) = stopped else { panic!("{stopped:?}") };
    assert_eq!(index.get(), 500);
    let refused = Store::open_on(kv.clone(), &origin(), 0).unwrap_err();
    assert!(matches!(refused, OpenError::RebuildUnfinished));
    replayed(&kv).unwrap();
    assert_eq!(dump(&kv), before);
}

#[test]
fn rebuilds_a_rocksdb_log_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let settings = Settings::default();
    let state_of = |_: LeafIndex, entry: &[u8], _: &StateSoFar<'_, RocksKv>| {
        Ok::<_, Infallible>(state_of(entry))
    };
    let missing = rebuild(&path, &origin(), &settings, state_of).unwrap_err();
    assert!(matches!(missing, RebuildError::Open(OpenError::Missing { .. })));
    Store::<RocksKv>::create(&path, &origin(), &settings).unwrap();
    let (store, mut writer) = Store::<RocksKv>::open(&path, &origin(), &settings).unwrap();
    crate::fixtures::grow(&mut writer, 600);
    let before = dump(&store.shared.kv);
    let busy = rebuild(&path, &origin(), &settings, state_of).unwrap_err();
    assert!(matches!(busy, RebuildError::Open(OpenError::Locked { .. })));
    drop((store, writer));
    rebuild(&path, &origin(), &settings, state_of).unwrap();
    let (store, _writer) = Store::<RocksKv>::open(&path, &origin(), &settings).unwrap();
    assert_eq!(dump(&store.shared.kv), before);
    crate::audit(&store, |_, _| {}).unwrap();
}
