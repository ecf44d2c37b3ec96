use std::fs::{File, OpenOptions};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};
use tempfile::TempDir;

use super::*;
use crate::MemoryKv;

impl RocksKv {
    /// A table file of a family.
    pub(crate) fn file_of(&self, family: Family) -> PathBuf {
        let files = self.db.live_files().unwrap();
        let file = files.iter().find(|file| file.column_family_name == family.name()).unwrap();
        self.path.join(file.name.trim_start_matches('/'))
    }
}

struct Database {
    folder: TempDir,
    settings: Settings,
}

impl Database {
    fn create(settings: Settings) -> (Self, RocksKv) {
        let folder = tempfile::tempdir().unwrap();
        let kv = RocksKv::create(&folder.path().join("db"), &settings).unwrap();
        (Self { folder, settings }, kv)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    fn open(&self) -> Result<RocksKv, KvError> {
        RocksKv::open(&self.path(), &self.settings)
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension() == Some(OsStr::new(extension)))
            .collect();
        files.sort();
        files
    }

    /// The one log file that is not empty.
    fn wal(&self) -> PathBuf {
        let mut files = self.files("log");
        files.retain(|file| file.metadata().unwrap().len() > 0);
        assert_eq!(files.len(), 1);
        files.remove(0)
    }
}

fn number(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// One write for each number, with a value that does not compress.
fn write(kv: &impl Kv, family: Family, numbers: std::ops::Range<u64>, value_len: usize) {
    for key in numbers {
        let mut batch = Batch::default();
        batch.put(family, &number(key), &noise(key, value_len));
        kv.write(&batch).unwrap();
    }
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn keys(kv: &impl Kv, family: Family, range: KeyRange<'_>, direction: Direction) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    kv.scan(family, range, direction, &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })
    .unwrap();
    keys
}

#[test]
fn rocksdb_and_memory_answer_alike() {
    let (_database, rocks) = Database::create(Settings::default());
    let memory = MemoryKv::new();
    let answers = |kv: &dyn Kv| {
        let mut batch = Batch::default();
        batch.put(Family::State, b"before", b"cleared");
        batch.put(Family::Tiles, b"a", b"other family");
        kv.write(&batch).unwrap();
        let mut batch = Batch::default();
        batch.clear_family(Family::State);
        for key in [b"b".as_slice(), b"a", b"ab", b"c", &[0xff; 40], b""] {
            batch.put(Family::State, key, key);
        }
        batch.put(Family::State, b"a", b"twice");
        batch.put(Family::State, b"gone", b"");
        batch.delete(Family::State, b"gone");
        kv.write(&batch).unwrap();
        let mut seen = Vec::new();
        let ranges = [
            KeyRange::ALL,
            KeyRange { from: b"a", to: Some(b"b") },
            KeyRange { from: b"aa", to: None },
            KeyRange { from: b"b", to: Some(b"a") },
            KeyRange { from: b"b", to: Some(b"b") },
        ];
        for range in ranges {
            for direction in [Direction::Forward, Direction::Backward] {
                kv.scan(Family::State, range, direction, &mut |key, value| {
                    seen.push(Some((key.to_vec(), value.to_vec())));
                    if key == b"c" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .unwrap();
                seen.push(None);
            }
        }
        let many = kv.multi_get(Family::State, &[b"c", b"no", b"a", b""]).unwrap();
        (seen, many, kv.get(Family::Tiles, b"a").unwrap(), kv.get(Family::Meta, b"a").unwrap())
    };
    assert_eq!(answers(&rocks), answers(&memory));
}

#[test]
fn a_flipped_bit_in_the_middle_of_the_log_is_refused() {
    let (database, kv) = Database::create(Settings::default());
    write(&kv, Family::Entries, 0..400, 1000);
    drop(kv);
    let wal = database.wal();
    let whole = fs::read(&wal).unwrap();
    // The last 32 KiB block is left out: there a flipped length looks like a torn tail, and only
    // the anchor outside this database can tell.
    let middle = whole.len() - 64 * 1024;
    for step in 0..12 {
        let mut flipped = whole.clone();
        flipped[middle * step / 12 + step] ^= 0x04;
        fs::write(&wal, flipped).unwrap();
        let refused = database.open().unwrap_err();
        assert_eq!(refused.kind(), KvErrorKind::Corrupt, "step {step}");
    }
    fs::write(&wal, whole).unwrap();
    let kv = database.open().unwrap();
    assert_eq!(keys(&kv, Family::Entries, KeyRange::ALL, Direction::Forward).len(), 400);
}

#[test]
fn a_torn_tail_costs_only_the_write_that_was_torn() {
    let (database, kv) = Database::create(Settings::default());
    write(&kv, Family::Entries, 0..100, 100);
    drop(kv);
    let wal = database.wal();
    let whole = fs::read(&wal).unwrap();
    for (cut, lost) in [(1, 1), (60, 1), (120, 1), (150, 2)] {
        fs::write(&wal, &whole[..whole.len() - cut]).unwrap();
        let torn = TempDir::new().unwrap();
        copy_folder(&database.path(), torn.path(), |_| true);
        let kv = RocksKv::open(torn.path(), &database.settings).unwrap();
        let left = keys(&kv, Family::Entries, KeyRange::ALL, Direction::Forward);
        let expected: Vec<_> = (0..100 - lost).map(|key| number(key).to_vec()).collect();
        assert_eq!(left, expected, "{cut}");
    }
}

#[test]
fn a_last_write_with_lost_sectors_costs_only_that_write() {
    let (database, kv) = Database::create(Settings::default());
    write(&kv, Family::Entries, 0..100, 100);
    let synced = usize::try_from(database.wal().metadata().unwrap().len()).unwrap();
    // One write over several blocks.
    let mut batch = Batch::default();
    batch.put(Family::Entries, &number(100), &noise(7, 80_000));
    kv.write(&batch).unwrap();
    drop(kv);
    let wal = database.wal();
    let whole = fs::read(&wal).unwrap();
    let opened = |log: &[u8]| {
        fs::write(&wal, log).unwrap();
        let torn = TempDir::new().unwrap();
        copy_folder(&database.path(), torn.path(), |_| true);
        RocksKv::open(torn.path(), &database.settings)
            .map(|kv| keys(&kv, Family::Entries, KeyRange::ALL, Direction::Forward).len())
    };
    assert_eq!(opened(&whole).unwrap(), 101);
    let lost = |log: &mut Vec<u8>, from: usize| {
        let end = ((from / 512 + 1) * 512).min(log.len());
        log[from..end].fill(0);
    };
    // Its first sector with its header, one in each block, its last one; and many at once.
    let sectors: Vec<usize> = (synced..whole.len()).step_by(512).map(|it| it / 512 * 512).collect();
    for from in sectors.iter().step_by(17).chain(sectors.last()) {
        let mut log = whole.clone();
        lost(&mut log, synced.max(*from));
        assert_eq!(opened(&log).unwrap(), 100, "a hole at {from}");
    }
    let mut log = whole.clone();
    sectors.iter().step_by(2).for_each(|from| lost(&mut log, synced.max(*from)));
    log.truncate(log.len() - 700);
    assert_eq!(opened(&log).unwrap(), 100);

    // A bit is not a sector, and a hole that a later write follows was synced once.
    let mut log = whole.clone();
    log[synced + 30_000] ^= 1;
    assert_eq!(opened(&log).unwrap_err().kind(), KvErrorKind::Corrupt);
    let mut log = whole.clone();
    lost(&mut log, 4096);
    assert_eq!(opened(&log).unwrap_err().kind(), KvErrorKind::Corrupt);
}

/// RocksDB takes the first for the end of the log and never ends reading the second.
#[test]
fn a_flipped_bit_in_the_kind_of_a_fragment_is_refused() {
    let (database, kv) = Database::create(Settings::default());
    write(&kv, Family::Entries, 0..20, 100);
    drop(kv);
    let current = fs::read_to_string(database.path().join("CURRENT")).unwrap();
    let manifest = database.path().join(current.trim_end());
    for file in [database.wal(), manifest] {
        let whole = fs::read(&file).unwrap();
        // The second fragment's kind.
        let second = 7 + usize::from(u16::from_le_bytes([whole[4], whole[5]]));
        for bit in 2..8 {
            let mut flipped = whole.clone();
            flipped[second + 6] ^= 1 << bit;
            fs::write(&file, flipped).unwrap();
            let refused = database.open().unwrap_err();
            assert_eq!(refused.kind(), KvErrorKind::Corrupt, "bit {bit}");
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(refused.to_string().contains(name) || format!("{refused:?}").contains(name));
        }
        fs::write(&file, whole).unwrap();
    }
    let kv = database.open().unwrap();
    assert_eq!(keys(&kv, Family::Entries, KeyRange::ALL, Direction::Forward).len(), 20);
}

#[test]
fn all_families_are_flushed_together() {
    let settings = Settings { large_family_buffer_bytes: 64 * 1024, ..Settings::default() };
    let (_database, kv) = Database::create(settings);
    write(&kv, Family::Meta, 0..1, 10);
    let has_file = |family: Family| {
        let files = kv.db.live_files().unwrap();
        files.iter().any(|it| it.column_family_name == family.name())
    };
    // Flushed in the background, once a buffer is full.
    let flushed = (0..100_000).find(|round| {
        write(&kv, Family::Entries, *round..round + 1, 1000);
        has_file(Family::Entries)
    });
    assert!(flushed.is_some(), "the buffer was never full");
    assert!(has_file(Family::Meta), "a commit can be torn between families");
}

fn copy_folder(from: &Path, to: &Path, keep: impl Fn(&Path) -> bool) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap().path();
        if keep(&file) {
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_log_file_that_went_missing_is_refused() {
    // Many small log files: each flush of a family starts a new one, and an idle family keeps the
    // old ones needed.
    let (database, kv) = Database::create(Settings::default());
    write(&kv, Family::Disclosures, 0..1, 10);
    for round in 0..3 {
        write(&kv, Family::Entries, round * 10..round * 10 + 10, 1000);
        kv.db.flush_cf(kv.family(Family::Entries).unwrap()).unwrap();
    }
    drop(kv);
    let wals = database.files("log");
    assert!(wals.len() > 2, "{wals:?}");
    fs::remove_file(&wals[1]).unwrap();
    assert_eq!(database.open().unwrap_err().kind(), KvErrorKind::Corrupt);
}

#[test]
fn opening_moves_the_log_into_synced_files() {
    let (database, kv) = Database::create(Settings::default());
    for family in Family::ALL {
        write(&kv, family, 0..50, 100);
    }
    assert!(kv.usage().unwrap().wal_bytes > 0);
    drop(kv);
    let kv = database.open().unwrap();
    for family in Family::ALL {
        let rows = kv
            .db
            .property_int_value_cf(
                kv.family(family).unwrap(),
                properties::NUM_ENTRIES_ACTIVE_MEM_TABLE,
            )
            .unwrap();
        assert_eq!(rows, Some(0), "{family}");
    }
    drop(kv);
    // What was in the log is in the files now: without any log nothing is lost.
    let copy = TempDir::new().unwrap();
    let is_wal = |file: &Path| file.extension() == Some(OsStr::new("log"));
    copy_folder(&database.path(), copy.path(), |file| !is_wal(file));
    let kv = RocksKv::open(copy.path(), &database.settings).unwrap();
    for family in Family::ALL {
        assert_eq!(keys(&kv, family, KeyRange::ALL, Direction::Forward).len(), 50, "{family}");
    }
}

#[test]
fn the_log_stays_bounded_although_a_family_is_idle() {
    let bound = 2 << 20;
    let settings = Settings { wal_bytes_max: bound, ..Settings::default() };
    let (_database, kv) = Database::create(settings);
    // Written once and never again: by itself it would keep the first log file for ever.
    write(&kv, Family::Checkpoints, 0..1, 100);
    let mut peak = 0;
    for round in 0..40 {
        write(&kv, Family::Entries, round * 10..round * 10 + 10, 30_000);
        let wal = kv.usage().unwrap().wal_bytes;
        peak = peak.max(wal);
    }
    assert!(peak > bound / 2 && peak < bound * 4, "{peak}");
}

#[test]
fn write_buffers_stay_bounded_over_all_families() {
    let bound = 4 << 20;
    let settings = Settings { write_buffers_bytes: bound, ..Settings::default() };
    let (_database, kv) = Database::create(settings);
    let mut peak = 0;
    for round in 0..20 {
        for family in [Family::Entries, Family::Tiles, Family::ByLeaf, Family::State] {
            write(&kv, family, round * 10..round * 10 + 10, 20_000);
        }
        peak = peak.max(kv.usage().unwrap().write_buffers_bytes);
    }
    assert!(peak > 1 << 20 && peak < 4 * bound as u64, "{peak}");
}

#[test]
fn the_block_cache_stays_bounded_indices_and_filters_included() {
    let bound = 1 << 20;
    let settings = Settings { block_cache_bytes: bound, ..Settings::default() };
    let (_database, kv) = Database::create(settings);
    for start in (0..40_000).step_by(1000) {
        let mut batch = Batch::default();
        for key in start..start + 1000 {
            batch.put(Family::ByLeaf, &noise(key, 32), &[0; 100]);
        }
        kv.write(&batch).unwrap();
    }
    kv.flush().unwrap();
    for key in 0..40_000 {
        assert!(kv.get(Family::ByLeaf, &noise(key, 32)).unwrap().is_some());
    }
    let cached = kv.usage().unwrap().block_cache_bytes;
    assert!(cached > 0 && cached <= bound as u64 + (64 << 10), "{cached}");
    // Indices and filters are cut into partitions and nothing of them is held outside the cache.
    let family = kv.family(Family::ByLeaf).unwrap();
    let readers = kv.db.property_int_value_cf(family, properties::ESTIMATE_TABLE_READERS_MEM);
    assert!(readers.unwrap().unwrap() < 64 << 10);
    let tables = kv.db.property_value_cf(family, properties::AGGREGATED_TABLE_PROPERTIES);
    let tables = tables.unwrap().unwrap();
    let partitions = tables.split("# index partitions=").nth(1).expect(&tables);
    let partitions: u64 = partitions.split(';').next().unwrap().parse().unwrap();
    assert!(partitions > 1, "{tables}");
}

#[test]
fn lookups_of_what_is_not_there_read_no_data() {
    for family in [Family::ByLeaf, Family::State] {
        let (_database, kv) = Database::create(Settings::default());
        let mut batch = Batch::default();
        for key in 0..10_000 {
            batch.put(family, &noise(key, 32), b"value");
        }
        kv.write(&batch).unwrap();
        kv.flush().unwrap();
        set_perf_stats(PerfStatsLevel::EnableCount);
        let mut perf = PerfContext::default();
        perf.reset();
        for key in 10_000..11_000 {
            assert_eq!(kv.get(family, &noise(key, 32)).unwrap(), None);
        }
        let passed = perf.metric(PerfMetric::BloomSstHitCount);
        let stopped = perf.metric(PerfMetric::BloomSstMissCount);
        set_perf_stats(PerfStatsLevel::Disable);
        assert_eq!(passed + stopped, 1000, "{family}");
        assert!(passed < 40, "{family}: {passed} of 1000 passed the filter");
    }
}

#[test]
fn lookups_of_what_is_not_in_the_write_buffer_search_nothing() {
    let (_database, kv) = Database::create(Settings::default());
    write(&kv, Family::State, 0..100, 10);
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut perf = PerfContext::default();
    perf.reset();
    for key in 1000..2000 {
        assert_eq!(kv.get(Family::State, &number(key)).unwrap(), None);
    }
    let stopped = perf.metric(PerfMetric::BloomMemtableMissCount);
    set_perf_stats(PerfStatsLevel::Disable);
    assert!(stopped > 950, "{stopped}");
}

#[test]
fn entries_are_compressed_and_disclosures_lie_open() {
    let (_database, kv) = Database::create(Settings::default());
    let text = b"The quick brown fox pays the lazy dog. ".repeat(20);
    for family in [Family::Entries, Family::Disclosures] {
        let mut batch = Batch::default();
        for key in 0..1000 {
            batch.put(family, &number(key), &text);
        }
        kv.write(&batch).unwrap();
    }
    kv.flush().unwrap();
    let whole = text.len() * 1000;
    let entries = fs::read(kv.file_of(Family::Entries)).unwrap();
    assert!(entries.len() < whole / 5, "{}", entries.len());
    let disclosures = fs::read(kv.file_of(Family::Disclosures)).unwrap();
    assert!(disclosures.len() > whole);
    assert!(disclosures.windows(text.len()).any(|bytes| bytes == text));
}

#[test]
fn rocksdbs_own_diary_is_bounded() {
    let (database, kv) = Database::create(Settings::default());
    drop(kv);
    for _ in 0..8 {
        drop(database.open().unwrap());
    }
    let diaries = fs::read_dir(database.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("LOG"))
        .count();
    assert!(diaries <= 5, "{diaries}");
}

#[test]
fn compaction_runs_behind_everything_else_and_flushes_do_not() {
    let (_database, kv) = Database::create(Settings::default());
    write(&kv, Family::State, 0..100, 10);
    kv.flush().unwrap();
    let own = niceness("").into_iter().min().unwrap();
    let compacting = niceness("rocksdb:low");
    assert!(!compacting.is_empty());
    assert!(compacting.iter().all(|nice| *nice == own.max(10)), "{compacting:?}");
    assert!(niceness("rocksdb:high").iter().all(|nice| *nice == own));
}

/// The nice values of this process's threads whose name begins so.
fn niceness(name: &str) -> Vec<i64> {
    let mut found = Vec::new();
    for thread in fs::read_dir("/proc/self/task").unwrap() {
        // A thread may end between being listed and being read.
        let Ok(stat) = fs::read_to_string(thread.unwrap().path().join("stat")) else { continue };
        let (head, fields) = stat.rsplit_once(") ").unwrap();
        if head.split_once('(').unwrap().1.starts_with(name) {
            // Fields from the third on; nice is the nineteenth.
            found.push(fields.split(' ').nth(16).unwrap().parse().unwrap());
        }
    }
    found
}

#[test]
fn a_failed_flush_is_counted() {
    let (database, kv) = Database::create(Settings::default());
    assert_eq!(kv.background_errors().unwrap(), 0);
    write(&kv, Family::Entries, 0..10, 1000);
    // Take the next table file's name: a folder cannot be opened for writing.
    for file in 1..60 {
        let name = database.path().join(format!("{file:06}.sst"));
        if !name.exists() {
            fs::create_dir(name).unwrap();
        }
    }
    assert!(kv.flush().is_err());
    assert!(kv.background_errors().unwrap() > 0);
}

#[test]
fn damage_in_a_file_is_an_error_and_not_another_value() {
    let (_database, kv) = Database::create(Settings::default());
    write(&kv, Family::Entries, 0..100, 1000);
    kv.flush().unwrap();
    let file = OpenOptions::new().write(true).open(kv.file_of(Family::Entries)).unwrap();
    flip_bit(&file, &kv.file_of(Family::Entries), 500);
    let refused = kv.get(Family::Entries, &number(0)).unwrap_err();
    assert_eq!(refused.kind(), KvErrorKind::Corrupt);
    let scanned = kv.scan(Family::Entries, KeyRange::ALL, Direction::Forward, &mut |_, _| {
        ControlFlow::Continue(())
    });
    assert_eq!(scanned.unwrap_err().kind(), KvErrorKind::Corrupt);
}

fn flip_bit(file: &File, path: &Path, at: u64) {
    let byte = fs::read(path).unwrap()[usize::try_from(at).unwrap()];
    file.write_all_at(&[byte ^ 1], at).unwrap();
}
