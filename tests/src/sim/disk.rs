//! A machine's disk: rows of a database and the bytes of an anchor, with a page cache in front of it
//! that tells another story after a failed fsync. The rows are held by the store's own memory
//! database, so that the real commit and recovery run on top.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use civiclog_server::sign::anchor::Anchor;
use service::FreeSpace;
use store::{Batch, Direction, Family, KeyRange, Kv as _, MemoryKv};

use super::faults::{DiskFaults, WriteFate};
use super::fodder;
use crate::random::Random;

mod opened;

pub use opened::{SimAnchor, SimKv};

/// One disk. Clones are the same disk.
#[derive(Clone)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

/// How much room a disk has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// More than anybody asks for.
    Plenty,
    /// Less than the log wants to have before it takes records.
    Little,
    /// None: every write fails.
    None,
}

/// The room that a log wants to have, in bytes.
pub const ROOM_BYTES_MIN: u64 = 1 << 20;

impl FreeSpace for Disk {
    fn free_bytes(&self, _folder: &Path) -> io::Result<u64> {
        Ok(match self.lock().room {
            Room::Plenty => 2 * ROOM_BYTES_MIN,
            Room::Little => ROOM_BYTES_MIN / 2,
            Room::None => 0,
        })
    }
}

/// What happens in other threads while one waits for the disk.
pub type Meanwhile = Box<dyn FnMut() + Send>;

/// What a disk holds at one moment: a backup.
#[derive(Clone, Debug)]
pub struct Copy {
    rows: MemoryKv,
    anchor: Option<Vec<u8>>,
}

#[derive(Debug)]
struct State {
    /// What a power cut leaves.
    rows: MemoryKv,
    anchor: Option<Vec<u8>>,
    /// What is read while it differs from the above: the page cache after a failed fsync.
    cached_rows: Option<MemoryKv>,
    cached_anchor: Option<Vec<u8>>,
    faults: DiskFaults,
    random: Random,
    /// The life that has the disk open; what an earlier one still does fails.
    life: u64,
    is_dead: bool,
    background_errors: u64,
    room: Room,
    /// Writes that took effect, of the present life.
    writes: u64,
    /// Whether a write of the present life failed, and the life was told.
    has_failed: bool,
}

impl Disk {
    /// A disk with what a copy holds.
    pub fn with(copy: &Copy, faults: DiskFaults, random: Random) -> Self {
        let state = State {
            rows: copy.rows.snapshot(),
            anchor: copy.anchor.clone(),
            cached_rows: None,
            cached_anchor: None,
            faults,
            random,
            life: 0,
            is_dead: false,
            background_errors: 0,
            room: Room::Plenty,
            writes: 0,
            has_failed: false,
        };
        Self { state: Arc::new(Mutex::new(state)), meanwhile: Arc::default() }
    }

    /// What others do during the next write of the database.
    pub fn meanwhile(&self, meanwhile: Option<Meanwhile>) {
        *self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner) = meanwhile;
    }

    /// Opens it for a new process: the database and the anchor.
    pub fn open(&self) -> (SimKv, SimAnchor) {
        let mut state = self.lock();
        state.life += 1;
        state.is_dead = false;
        state.background_errors = 0;
        state.writes = 0;
        state.has_failed = false;
        let life = state.life;
        (SimKv::new(self.clone(), life), SimAnchor::new(self.clone(), life))
    }

    /// The process is gone. After SIGKILL the page cache may still reach the disk or not; after a
    /// power cut it is gone.
    pub fn close(&self, is_power_cut: bool) {
        let mut state = self.lock();
        let state = &mut *state;
        state.life += 1;
        if let Some(rows) = state.cached_rows.take()
            && !is_power_cut
            && state.random.below(2) == 0
        {
            state.rows = rows;
        }
        if let Some(anchor) = state.cached_anchor.take()
            && !is_power_cut
            && state.random.below(2) == 0
        {
            state.anchor = Some(anchor);
        }
    }

    /// Whether the process died inside an operation.
    pub fn is_dead(&self) -> bool {
        self.lock().is_dead
    }

    /// Writes that took effect since it was opened.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// Whether a write failed since it was opened.
    pub fn has_failed(&self) -> bool {
        self.lock().has_failed
    }

    /// What would be left after a power cut now.
    pub fn copy(&self) -> Copy {
        let state = self.lock();
        Copy { rows: state.rows.snapshot(), anchor: state.anchor.clone() }
    }

    /// Puts an older copy in place: of the database, of the anchor, or of both.
    pub fn put_back(&self, copy: &Copy, rows: bool, anchor: bool) {
        let mut state = self.lock();
        if rows {
            state.rows = copy.rows.snapshot();
        }
        if anchor {
            state.anchor.clone_from(&copy.anchor);
        }
    }

    /// Flips a bit of something that lies on the disk.
    pub fn rot(&self) {
        let mut state = self.lock();
        let state = &mut *state;
        if state.random.below(5) == 0 {
            if let Some(anchor) = &mut state.anchor {
                flip(anchor, &mut state.random);
            }
            return;
        }
        let family = Family::ALL[pick(&mut state.random, Family::ALL.len())];
        let rows = rows_of(&state.rows, family);
        if rows.is_empty() {
            return;
        }
        let (key, mut value) = rows[pick(&mut state.random, rows.len())].clone();
        flip(&mut value, &mut state.random);
        let mut batch = Batch::default();
        batch.put(family, &key, &value);
        state.rows.write(&batch).expect("memory takes it");
    }

    /// A flush or a compaction fails.
    pub fn fail_in_background(&self) {
        self.lock().background_errors += 1;
    }

    /// Something else takes its room, or gives it back.
    pub fn fill(&self, room: Room) {
        self.lock().room = room;
    }

    /// The power goes, and half of the anchor is there: a file system that does not keep its word.
    pub fn tear_anchor(&self) {
        let mut state = self.lock();
        let state = &mut *state;
        if let Some(anchor) = &mut state.anchor {
            let left = pick(&mut state.random, anchor.len().max(1));
            anchor.truncate(left);
        }
    }

    /// Marks the anchor as restored, with the code that the operator's command runs. An anchor that
    /// cannot be read stays as it is.
    pub fn mark_restored(&self) {
        let sane = Self::with(&self.copy(), DiskFaults::default(), Random::new(0));
        let (_, medium) = sane.open();
        if let Ok(mut anchor) = Anchor::open_on(Box::new(medium), &fodder::origin()) {
            anchor.mark_restored().expect("memory takes it");
            self.lock().anchor = sane.copy().anchor;
        }
    }

    /// From now on it does what it is told.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.faults = DiskFaults::default();
        state.room = Room::Plenty;
    }

    /// The entries that lie on it, in order; as a judge sees them, without any fault.
    pub fn entries(&self) -> Vec<Vec<u8>> {
        let rows = self.lock().rows.clone();
        rows_of(&rows, Family::Entries).into_iter().map(|(_, entry)| entry).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

impl Copy {
    /// A new log's disk.
    pub fn new(rows: &MemoryKv, anchor: Option<Vec<u8>>) -> Self {
        Self { rows: rows.snapshot(), anchor }
    }
}

impl State {
    fn write_fate(&mut self) -> WriteFate {
        let fate = if self.room == Room::None {
            WriteFate::FailsNotApplied
        } else {
            self.faults.write_fate(&mut self.random)
        };
        self.has_failed |= fate.is_error();
        fate
    }
}

fn rows_of(rows: &MemoryKv, family: Family) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    rows.scan(family, KeyRange::ALL, Direction::Forward, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        std::ops::ControlFlow::Continue(())
    })
    .expect("memory answers");
    found
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    if !bytes.is_empty() {
        let at = pick(random, bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
}

/// A position among that many.
pub fn pick(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.below(count as u64)).expect("below a usize")
}
