//! What the tests of this crate share: small logs, checkpoints with a quorum, databases that fail.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use testlog::Quorum;
use tlog::{CosignedCheckpoint, Origin, TreeHead, UnixSeconds, leaf_hash};

use crate::kv::{Batch, Direction, Family, KeyRange, Kv, KvError, KvErrorKind, Row, RowVisitor};
use crate::{Committed, MemoryKv, NewBatch, NewEntry, Store, Writer};

pub(crate) fn origin() -> Origin {
    "log.example/test".parse().unwrap()
}

/// An empty log in memory, opened.
pub(crate) fn empty_log() -> (Store<MemoryKv>, Writer<MemoryKv>) {
    open_in(&new_log())
}

/// The database of an empty log in memory.
pub(crate) fn new_log() -> MemoryKv {
    let kv = MemoryKv::new();
    Store::create_on(&kv, &origin()).unwrap();
    kv
}

pub(crate) fn open_in<K: Kv + Clone>(kv: &K) -> (Store<K>, Writer<K>) {
    Store::open_on(kv.clone(), &origin(), 1 << 20).unwrap()
}

/// A log in memory with that many entries, committed a hundred at a time.
pub(crate) fn log_of(size: u64) -> (Store<MemoryKv>, Writer<MemoryKv>) {
    let (store, mut writer) = empty_log();
    grow(&mut writer, size);
    (store, writer)
}

/// Commits test entries until the log has that size.
pub(crate) fn grow<K: Kv>(writer: &mut Writer<K>, size: u64) {
    while writer.frontier().size().get() < size {
        let first = writer.frontier().size().get();
        commit_entries(writer, first..size.min(first + 100));
    }
}

/// Commits the test entries of a range.
pub(crate) fn commit_entries<K: Kv>(
    writer: &mut Writer<K>,
    range: std::ops::Range<u64>,
) -> Committed {
    let batch = batch_upon(writer, range.map(entry).collect());
    writer.commit(batch).unwrap()
}

/// A batch of entries that fits the writer, each with disclosures and a row of state.
pub(crate) fn batch_upon<K: Kv>(writer: &Writer<K>, entries: Vec<Vec<u8>>) -> NewBatch {
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let integration = writer.frontier().integrate(&leaves);
    let state = entries.iter().flat_map(|entry| state_of(entry)).collect();
    let entries = entries
        .into_iter()
        .map(|entry| NewEntry { disclosures: Some([b"sealed ", entry.as_slice()].concat()), entry })
        .collect();
    NewBatch { entries, state, integration }
}

pub(crate) fn entry(index: u64) -> Vec<u8> {
    format!("entry number {index}").into_bytes()
}

/// The rows that a test entry sets: one of its own and one that every entry overwrites.
pub(crate) fn state_of(entry: &[u8]) -> Vec<Row> {
    vec![([b"of/", entry].concat(), b"seen".to_vec()), (b"last".to_vec(), entry.to_vec())]
}

pub(crate) fn dump<K: Kv>(kv: &K) -> BTreeMap<Family, BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut all = BTreeMap::new();
    for family in Family::ALL {
        let rows: &mut BTreeMap<_, _> = all.entry(family).or_default();
        kv.scan(family, KeyRange::ALL, Direction::Forward, &mut |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    all
}

/// A checkpoint of this log that its one witness cosigned at a time.
pub(crate) fn cosigned(head: TreeHead, at: u64) -> CosignedCheckpoint {
    cosigned_for(&origin(), head, at)
}

pub(crate) fn cosigned_for(origin: &Origin, head: TreeHead, at: u64) -> CosignedCheckpoint {
    Quorum::new(origin.as_str(), 1).cosigned(head, UnixSeconds::new(at))
}

/// A database that fails on demand.
#[derive(Clone, Debug)]
pub(crate) struct FaultyKv {
    pub(crate) inner: MemoryKv,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
struct Faults {
    next_write: Option<WriteFault>,
    background_errors: u64,
    reads_fail: bool,
}

/// The two forms in which a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteFault {
    NotApplied,
    Applied,
}

impl FaultyKv {
    pub(crate) fn over(inner: MemoryKv) -> Self {
        Self { inner, faults: Arc::default() }
    }

    pub(crate) fn fail_next_write(&self, fault: WriteFault) {
        self.faults.lock().unwrap().next_write = Some(fault);
    }

    pub(crate) fn report_background_errors(&self, count: u64) {
        self.faults.lock().unwrap().background_errors = count;
    }

    pub(crate) fn fail_reads(&self, reads_fail: bool) {
        self.faults.lock().unwrap().reads_fail = reads_fail;
    }

    fn read(&self) -> Result<(), KvError> {
        if self.faults.lock().unwrap().reads_fail { Err(failure()) } else { Ok(()) }
    }
}

impl Kv for FaultyKv {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.read()?;
        self.inner.get(family, key)
    }

    fn scan(
        &self,
        family: Family,
        range: KeyRange<'_>,
        direction: Direction,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), KvError> {
        self.read()?;
        self.inner.scan(family, range, direction, visit)
    }

    fn write(&self, batch: &Batch) -> Result<(), KvError> {
        let fault = self.faults.lock().unwrap().next_write.take();
        if fault != Some(WriteFault::NotApplied) {
            self.inner.write(batch)?;
        }
        fault.map_or(Ok(()), |_| Err(failure()))
    }

    fn background_errors(&self) -> Result<u64, KvError> {
        Ok(self.faults.lock().unwrap().background_errors)
    }

    fn flush(&self) -> Result<(), KvError> {
        self.inner.flush()
    }
}

fn failure() -> KvError {
    KvError::new(KvErrorKind::Io, "no space left on device")
}
