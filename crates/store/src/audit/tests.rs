use tlog::UnixMillis;

use super::*;
use crate::fixtures::{batch_upon, commit_entries, cosigned, grow, log_of, origin};
use crate::kv::Batch;
use crate::layout::{META_HEAD, encode_head, index_key, size_key, tile_key};
use crate::{MemoryKv, RocksKv, Settings, Writer};

/// 700 entries, checkpoints at 300 and 700.
fn published_log() -> (Store<MemoryKv>, Writer<MemoryKv>) {
    let (store, mut writer) = log_of(300);
    store.publish(&cosigned(store.head(), 1), UnixMillis::new(1)).unwrap();
    grow(&mut writer, 700);
    store.publish(&cosigned(store.head(), 2), UnixMillis::new(2)).unwrap();
    (store, writer)
}

fn change(
    family: Family,
    key: &[u8],
    edit: impl FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>>,
) -> AuditError {
    let (store, _writer) = published_log();
    let mut batch = Batch::default();
    match edit(store.shared.kv.get(family, key).unwrap()) {
        Some(row) => batch.put(family, key, &row),
        None => batch.delete(family, key),
    }
    store.shared.kv.write(&batch).unwrap();
    audit(&store, |_, _| {}).unwrap_err()
}

fn flip(byte: usize) -> impl FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>> {
    move |row| {
        let mut row = row.unwrap();
        row[byte] ^= 1;
        Some(row)
    }
}

fn index(index: u64) -> [u8; 8] {
    index_key(LeafIndex::new(index))
}

#[test]
fn a_whole_log_is_clean_and_progress_reaches_its_end() {
    let (store, _writer) = published_log();
    let mut seen = Vec::new();
    let report = audit(&store, |done, total| seen.push((done, total))).unwrap();
    let expected = AuditReport { head: store.head(), tiles: 3 + 1, leaf_rows: 700, checkpoints: 2 };
    assert_eq!(report, expected);
    assert_eq!((seen.first(), seen.last()), (Some(&(0, 700)), Some(&(700, 700))));
    let (empty, _writer) = log_of(0);
    assert_eq!(audit(&empty, |_, _| {}).unwrap().tiles, 0);
}

#[test]
fn names_a_changed_a_missing_and_an_extra_entry() {
    let found = change(Family::Entries, &index(123), flip(2));
    let AuditError::Tree(RecheckError::Entry { index: named }) = found else { panic!("{found:?}") };
    assert_eq!(named.get(), 123);
    let found = change(Family::Entries, &index(123), |_| None);
    assert_eq!(found.to_string(), "entry 123 is missing");
    let found = change(Family::Entries, &index(700), |_| Some(b"more".to_vec()));
    assert!(matches!(found, AuditError::LastEntry { .. }));
    let found = change(Family::Entries, &index(699), |_| None);
    assert!(matches!(found, AuditError::LastEntry { .. }));
}

#[test]
fn names_a_changed_a_missing_and_an_extra_tile() {
    let found = change(Family::Tiles, &tile_key(0, 1), flip(32 * 7));
    assert_eq!(found.to_string(), "entry 263 does not have the hash that is in the tree");
    let found = change(Family::Tiles, &tile_key(1, 0), flip(33));
    assert!(matches!(found, AuditError::Tree(RecheckError::Tile { level: 1, index: 0 })));
    let found = change(Family::Tiles, &tile_key(1, 0), |_| None);
    assert_eq!(found.to_string(), "tile 0 of level 1 holds 0 hashes, expected 2");
    let found = change(Family::Tiles, &tile_key(0, 3), |_| Some(vec![0; 32]));
    assert!(matches!(found, AuditError::ExtraTile { level: 0, index: 3 }), "{found:?}");
    let wider = |row: Option<Vec<u8>>| Some([row.unwrap(), vec![0; 32]].concat());
    let found = change(Family::Tiles, &tile_key(0, 2), wider);
    assert!(matches!(found, AuditError::ExtraTile { level: 0, index: 2 }), "{found:?}");
}

#[test]
fn names_an_entry_that_the_leaf_index_misses_and_counts_rows_of_none() {
    let leaf = tlog::leaf_hash(&crate::fixtures::entry(321));
    for edit in [|_| None, |_| Some(index(320).to_vec()), |_| Some(index(322).to_vec())] {
        let found = change(Family::ByLeaf, leaf.as_bytes(), edit);
        assert_eq!(found.to_string(), "entry 321 is not found under its leaf hash");
    }
    let found = change(Family::ByLeaf, &[7; 32], |_| Some(index(5).to_vec()));
    assert!(matches!(found, AuditError::LeafRows { expected: 700, found: 701 }));
}

#[test]
fn entries_with_the_same_bytes_share_a_row() {
    let (store, mut writer) = log_of(10);
    let twice = batch_upon(&writer, vec![b"same".to_vec(), b"other".to_vec(), b"same".to_vec()]);
    writer.commit(twice).unwrap();
    let leaf = tlog::leaf_hash(b"same");
    assert_eq!(store.index_of_leaf(&leaf).unwrap(), Some(LeafIndex::new(12)));
    assert_eq!(audit(&store, |_, _| {}).unwrap().leaf_rows, 12);
}

#[test]
fn holds_the_stored_head_and_every_checkpoint_against_the_tree() {
    let other = TreeHead { size: TreeSize::new(700), root: tlog::EMPTY_ROOT };
    let found = change(Family::Meta, META_HEAD, |_| Some(encode_head(&other).to_vec()));
    assert!(matches!(found, AuditError::Head { .. }));
    // 20 bytes of times and length, then the origin, the size and the root.
    let in_root = 20 + "log.example/test\n300\n".len();
    for byte in [20, in_root + 3] {
        let found = change(Family::Checkpoints, &size_key(TreeSize::new(300)), flip(byte));
        let AuditError::Checkpoint { size } = found else { panic!("{found:?}") };
        assert_eq!(size.get(), 300);
    }
    let beyond = size_key(TreeSize::new(701));
    let (store, _writer) = published_log();
    let row = store.shared.kv.get(Family::Checkpoints, &size_key(store.head().size)).unwrap();
    let found = change(Family::Checkpoints, &beyond, |_| row);
    assert!(matches!(found, AuditError::Checkpoint { .. }));
}

#[test]
fn disclosures_without_an_entry_are_found() {
    let found = change(Family::Disclosures, &index(700), |_| Some(b"sealed".to_vec()));
    assert!(matches!(found, AuditError::Disclosures { .. }));
}

/// Damage below RocksDB: one flipped byte in a file of each family stops opening or auditing.
#[test]
fn a_flipped_byte_in_the_file_of_any_family_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::default();
    for family in Family::ALL {
        let path = folder.path().join(family.name());
        Store::<RocksKv>::create(&path, &origin(), &settings).unwrap();
        let (store, mut writer) = Store::<RocksKv>::open(&path, &origin(), &settings).unwrap();
        commit_entries(&mut writer, 0..300);
        store.publish(&cosigned(store.head(), 1), UnixMillis::new(1)).unwrap();
        audit(&store, |_, _| {}).unwrap();
        store.shared.kv.flush().unwrap();
        let file = store.shared.kv.file_of(family);
        drop((store, writer));

        let mut bytes = std::fs::read(&file).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let found = Store::<RocksKv>::open(&path, &origin(), &settings)
            .map(|(store, _writer)| audit(&store, |_, _| {}));
        assert!(matches!(found, Err(_) | Ok(Err(_))), "{family}: {found:?}");
    }
}
