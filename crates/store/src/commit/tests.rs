use proptest::prelude::*;
use tlog::{
    Frontier, Hash, LeafIndex, TileReader, TreeHead, TreeSize, leaf_hash, prove_inclusion,
    tiles_of_size, verify_inclusion,
};

use super::*;
use crate::fixtures::{
    FaultyKv, WriteFault, batch_upon, commit_entries, dump, empty_log, entry, grow, new_log,
    open_in,
};
use crate::{CommitError, Fatal, NewEntry, RocksKv, Settings};

#[test]
fn a_commit_makes_everything_readable_and_says_where() {
    let (store, mut writer) = empty_log();
    commit_entries(&mut writer, 0..3);
    let committed = commit_entries(&mut writer, 3..5);
    assert_eq!(committed.first(), LeafIndex::new(3));
    assert_eq!(committed.head(), store.head());
    assert_eq!(store.head().size, TreeSize::new(5));
    let index = LeafIndex::new(4);
    assert_eq!(store.entry(index).unwrap(), Some(entry(4)));
    assert_eq!(store.disclosures(index).unwrap(), Some(b"sealed entry number 4".to_vec()));
    assert_eq!(store.index_of_leaf(&leaf_hash(&entry(4))).unwrap(), Some(index));
    assert_eq!(store.state_get(b"of/entry number 4").unwrap(), Some(b"seen".to_vec()));
    let proof = prove_inclusion(index, store.head().size, &store).unwrap();
    verify_inclusion(&leaf_hash(&entry(4)), index, &store.head(), &proof).unwrap();
}

#[test]
fn of_two_rows_with_one_key_the_later_counts() {
    let (store, mut writer) = empty_log();
    commit_entries(&mut writer, 0..70);
    assert_eq!(store.state_get(b"last").unwrap(), Some(entry(69)));
}

#[test]
fn a_batch_upon_another_size_is_refused_and_changes_nothing() {
    let kv = new_log();
    let (store, mut writer) = open_in(&kv);
    let early = batch_upon(&writer, vec![entry(0)]);
    grow(&mut writer, 3);
    let before = dump(&kv);
    let refused = writer.commit(early).unwrap_err();
    let sizes = (TreeSize::new(3), TreeSize::ZERO);
    assert!(matches!(refused, CommitError::OldSize { expected, got } if (expected, got) == sizes));
    assert_eq!(dump(&kv), before);
    grow(&mut writer, 4);
    assert_eq!(store.head().size, TreeSize::new(4));
}

#[test]
fn a_batch_that_does_not_fit_is_refused_and_changes_nothing() {
    let kv = new_log();
    let (_store, mut writer) = open_in(&kv);
    let before = dump(&kv);

    let none = batch_upon(&writer, vec![]);
    assert!(matches!(writer.commit(none), Err(CommitError::EntryCount { got: 0, .. })));
    let many = batch_upon(&writer, vec![entry(0); BATCH_ENTRIES_MAX + 1]);
    assert!(matches!(writer.commit(many), Err(CommitError::EntryCount { .. })));
    let mut unpaired = batch_upon(&writer, vec![entry(0)]);
    unpaired.entries.push(NewEntry { entry: entry(1), disclosures: None });
    let refused = writer.commit(unpaired);
    assert!(matches!(refused, Err(CommitError::LeafCount { entries: 2, leaves: 1 })));
    let long = batch_upon(&writer, vec![vec![0; ENTRY_BYTES_MAX + 1]]);
    assert!(matches!(writer.commit(long), Err(CommitError::EntryTooLong { .. })));
    let mut long_key = batch_upon(&writer, vec![entry(0)]);
    long_key.state.push((vec![0; STATE_KEY_BYTES_MAX + 1], vec![]));
    assert!(matches!(writer.commit(long_key), Err(CommitError::StateKeyTooLong { .. })));

    assert_eq!(dump(&kv), before);
    let longest = batch_upon(&writer, vec![vec![0; ENTRY_BYTES_MAX]]);
    writer.commit(NewBatch { state: vec![], ..longest }).unwrap();
}

#[test]
fn after_a_failed_write_nothing_is_ever_committed_again() {
    for fault in [WriteFault::NotApplied, WriteFault::Applied] {
        let kv = FaultyKv::over(new_log());
        let (store, mut writer) = open_in(&kv);
        grow(&mut writer, 3);
        let head = store.head();
        kv.fail_next_write(fault);
        let failing = batch_upon(&writer, vec![entry(3)]);
        let failed = writer.commit(failing).unwrap_err();
        assert!(matches!(failed, CommitError::Fatal(Fatal::WriteFailed { .. })), "{fault:?}");

        // The database works again, and that changes nothing: what it holds is unknown.
        let rows = dump(&kv.inner);
        for _ in 0..3 {
            let again = batch_upon(&writer, vec![entry(3)]);
            assert!(matches!(writer.commit(again), Err(CommitError::Fatal(_))), "{fault:?}");
        }
        assert_eq!(dump(&kv.inner), rows, "{fault:?}");
        assert!(matches!(store.alive(), Err(Fatal::WriteFailed { .. })));

        // Reads go on, of what was acknowledged.
        assert_eq!(store.head(), head);
        assert_eq!(store.entry(LeafIndex::new(2)).unwrap(), Some(entry(2)));
        assert_eq!(store.entry(LeafIndex::new(3)).unwrap(), None);

        // A restart finds one of the two outcomes, whole.
        let (store, mut writer) = open_in(&kv.inner);
        let size = if fault == WriteFault::Applied { 4 } else { 3 };
        assert_eq!(store.head().size, TreeSize::new(size), "{fault:?}");
        grow(&mut writer, 5);
        crate::audit(&store, |_, _| {}).unwrap();
    }
}

#[test]
fn a_background_error_is_fatal_before_anything_is_written() {
    let kv = FaultyKv::over(new_log());
    let (store, mut writer) = open_in(&kv);
    grow(&mut writer, 3);
    let rows = dump(&kv.inner);
    store.alive().unwrap();
    kv.report_background_errors(1);
    let batch = batch_upon(&writer, vec![entry(3)]);
    let refused = writer.commit(batch).unwrap_err();
    let expected = CommitError::Fatal(Fatal::BackgroundErrors { count: 1 });
    assert_eq!(refused.to_string(), expected.to_string());
    assert_eq!(dump(&kv.inner), rows);
    // A counter that went back to 0 does not bring the process back.
    kv.report_background_errors(0);
    assert!(matches!(store.alive(), Err(Fatal::BackgroundErrors { count: 1 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn batches_of_any_size_give_the_tree_of_all_entries_at_once(
        sizes in prop::collection::vec(1_usize..400, 1..8),
    ) {
        let (store, mut writer) = empty_log();
        let mut leaves: Vec<Hash> = Vec::new();
        for size in sizes {
            let first = leaves.len() as u64;
            let entries: Vec<_> = (first..first + size as u64).map(entry).collect();
            leaves.extend(entries.iter().map(|entry| leaf_hash(entry)));
            let batch = batch_upon(&writer, entries);
            writer.commit(batch).unwrap();
        }
        let whole = Frontier::empty().integrate(&leaves);
        prop_assert_eq!(store.head(), whole.head());
        let from_scratch: std::collections::BTreeMap<_, _> =
            whole.tiles().iter().map(|changed| ((changed.level, changed.index), &changed.tile)).collect();
        for coord in tiles_of_size(store.head().size) {
            let tile = store.read_tile(coord).unwrap();
            prop_assert_eq!(Some(&&tile), from_scratch.get(&(coord.level(), coord.index())));
        }
        crate::audit(&store, |_, _| {}).unwrap();
    }
}

#[test]
fn commits_to_rocksdb_survive_closing_and_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (origin, settings) = (crate::fixtures::origin(), Settings::default());
    Store::<RocksKv>::create(&path, &origin, &settings).unwrap();
    let mut heads: Vec<TreeHead> = Vec::new();
    for round in 1..=3 {
        let (store, mut writer) = Store::<RocksKv>::open(&path, &origin, &settings).unwrap();
        assert_eq!(heads.last().copied().unwrap_or(TreeHead::EMPTY), store.head());
        grow(&mut writer, round * 300);
        heads.push(store.head());
        crate::audit(&store, |_, _| {}).unwrap();
    }
}
