use std::path::Path;

use super::*;
use crate::fixtures::{
    FaultyKv, WriteFault, commit_entries, grow, log_of, new_log, open_in, origin,
};
use crate::{Settings, audit};

#[test]
fn what_was_withdrawn_is_gone_and_said_to_be() {
    let (store, mut writer) = log_of(5);
    let index = LeafIndex::new(3);
    assert!(store.disclosures(index).unwrap().is_some());
    assert_eq!(store.withdrawn(index).unwrap(), None);

    writer.withdraw(index, None, b"because").unwrap();
    writer.withdraw(LeafIndex::new(4), Some(b"the rest"), b"in part").unwrap();
    writer.wipe().unwrap();
    assert_eq!(store.disclosures(index).unwrap(), None);
    assert_eq!(store.withdrawn(index).unwrap().as_deref(), Some(b"because".as_slice()));
    let rest = store.disclosures(LeafIndex::new(4)).unwrap();
    assert_eq!(rest.as_deref(), Some(b"the rest".as_slice()));
    assert_eq!(
        store.all_withdrawn().unwrap(),
        [(index, b"because".to_vec()), (LeafIndex::new(4), b"in part".to_vec())]
    );
    // Entries, tiles and head know nothing of it.
    audit(&store, |_, _| ()).unwrap();
}

#[test]
fn an_entry_that_is_not_there_is_refused() {
    let (_, mut writer) = log_of(5);
    let refused = writer.withdraw(LeafIndex::new(5), None, b"");
    assert!(matches!(refused, Err(WithdrawError::NoEntry { .. })), "{refused:?}");
}

#[test]
fn after_a_failed_write_nothing_is_committed() {
    for fault in [WriteFault::NotApplied, WriteFault::Applied] {
        let kv = FaultyKv::over(new_log());
        let (_, mut writer) = open_in(&kv);
        commit_entries(&mut writer, 0..2);
        kv.fail_next_write(fault);
        let failed = writer.withdraw(LeafIndex::new(1), None, b"");
        assert!(matches!(failed, Err(WithdrawError::Fatal(_))), "{failed:?}");
        assert!(writer.store().alive().is_err());
    }
}

#[test]
fn wiping_leaves_no_byte_of_it_in_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let settings = Settings::default();
    Store::create(&path, &origin(), &settings).unwrap();
    let (_, mut writer) = Store::open(&path, &origin(), &settings).unwrap();
    grow(&mut writer, 300);
    // Once in a table file, and its successor in the write-ahead log.
    let index = LeafIndex::new(123);
    writer.wipe().unwrap();
    writer.withdraw(index, Some(b"a secret replaced"), b"").unwrap();
    assert!(files_with(&path, b"a secret replaced") > 0, "the search finds what is there");
    assert!(files_with(&path, b"sealed entry number 123") > 0, "and what was there before");

    writer.withdraw(index, None, b"because").unwrap();
    writer.wipe().unwrap();
    drop(writer);
    for gone in [b"a secret replaced".as_slice(), b"sealed entry number 123"] {
        assert_eq!(files_with(&path, gone), 0, "{}", String::from_utf8_lossy(gone));
    }
    assert!(files_with(&path, b"sealed entry number 124") > 0);
    let (store, _writer) = Store::open(&path, &origin(), &settings).unwrap();
    assert_eq!(store.withdrawn(index).unwrap().as_deref(), Some(b"because".as_slice()));
    audit(&store, |_, _| ()).unwrap();
}

fn files_with(folder: &Path, bytes: &[u8]) -> usize {
    let files = std::fs::read_dir(folder).unwrap();
    let holds = |path: std::path::PathBuf| {
        std::fs::read(path).unwrap().windows(bytes.len()).any(|it| it == bytes)
    };
    files.filter(|file| holds(file.as_ref().unwrap().path())).count()
}
