//! Database and anchor as one life of the server has them open: what it asks of them, and what goes
//! wrong then. Once the life is over, everything fails.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use civiclog_server::sign::anchor::AnchorMedium;
use store::{
    Batch, Direction, Family, KeyRange, Kv, KvError, KvErrorKind, MemoryKv, Op, RowVisitor,
};

use super::super::faults::WriteFate;
use super::{Disk, Room, State, flip, pick};
use crate::random::Random;

/// The database as one life of the server has it open.
#[derive(Debug)]
pub struct SimKv {
    disk: Disk,
    life: u64,
}

impl SimKv {
    pub(super) fn new(disk: Disk, life: u64) -> Self {
        Self { disk, life }
    }

    /// The disk, unless this life is over.
    fn alive(&self) -> Result<MutexGuard<'_, State>, KvError> {
        let state = self.disk.lock();
        if state.life == self.life && !state.is_dead {
            Ok(state)
        } else {
            Err(failed("the process is gone"))
        }
    }

    fn reading(&self) -> Result<(MemoryKv, bool), KvError> {
        let mut state = self.alive()?;
        let state = &mut *state;
        if state.faults.read_fails.happens(&mut state.random) {
            return Err(failed("a read failed"));
        }
        let is_flipped = state.faults.read_flips.happens(&mut state.random);
        Ok((state.cached_rows.as_ref().unwrap_or(&state.rows).clone(), is_flipped))
    }

    fn flipped(&self, value: &mut [u8]) {
        flip(value, &mut self.disk.lock().random);
    }
}

impl Kv for SimKv {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        let (rows, is_flipped) = self.reading()?;
        let mut value = rows.get(family, key)?;
        if let (Some(value), true) = (&mut value, is_flipped) {
            self.flipped(value);
        }
        Ok(value)
    }

    fn scan(
        &self,
        family: Family,
        range: KeyRange<'_>,
        direction: Direction,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), KvError> {
        let (rows, mut is_flipped) = self.reading()?;
        rows.scan(family, range, direction, &mut |key, value| {
            if !is_flipped {
                return visit(key, value);
            }
            // One row of the scan is hit: the first.
            is_flipped = false;
            let mut value = value.to_vec();
            self.flipped(&mut value);
            visit(key, &value)
        })
    }

    fn write(&self, batch: &Batch) -> Result<(), KvError> {
        // Taken first: what happens meanwhile may write too.
        let meanwhile = self.disk.meanwhile.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut meanwhile) = meanwhile else {
            return self.write_now(batch);
        };
        // The others run before it reaches the disk, and before the caller knows that it did.
        meanwhile();
        let written = self.write_now(batch);
        if !self.disk.is_dead() {
            meanwhile();
        }
        written
    }

    fn background_errors(&self) -> Result<u64, KvError> {
        Ok(self.alive()?.background_errors)
    }

    fn flush(&self) -> Result<(), KvError> {
        let mut state = self.alive()?;
        let state = &mut *state;
        if state.room == Room::None || state.faults.write_fails.happens(&mut state.random) {
            return Err(failed("a flush failed"));
        }
        Ok(())
    }
}

impl SimKv {
    fn write_now(&self, batch: &Batch) -> Result<(), KvError> {
        let mut state = self.alive()?;
        let state = &mut *state;
        let flipped;
        let batch = if state.faults.write_flips.happens(&mut state.random) {
            flipped = with_a_flipped_bit(batch, &mut state.random);
            &flipped
        } else {
            batch
        };
        let fate = state.write_fate();
        if fate.is_durable() {
            state.rows.write(batch)?;
            state.writes += 1;
            if let Some(cached) = &state.cached_rows {
                cached.write(batch)?;
            }
        }
        match fate {
            WriteFate::Done => Ok(()),
            WriteFate::DiesBefore | WriteFate::DiesAfter => {
                state.is_dead = true;
                Err(failed("the process is gone"))
            }
            WriteFate::FailsCached => {
                let cached = state.cached_rows.get_or_insert_with(|| state.rows.snapshot());
                cached.write(batch)?;
                Err(failed("fsync failed"))
            }
            WriteFate::FailsApplied | WriteFate::FailsNotApplied => Err(failed("a write failed")),
        }
    }
}

/// The anchor as one life of the server holds it.
#[derive(Debug)]
pub struct SimAnchor {
    disk: Disk,
    life: u64,
    path: PathBuf,
}

impl SimAnchor {
    pub(super) fn new(disk: Disk, life: u64) -> Self {
        Self { disk, life, path: PathBuf::from("anchor") }
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock();
        let is_mine = state.life == self.life && !state.is_dead;
        if is_mine { Ok(state) } else { Err(io::Error::other("the process is gone")) }
    }
}

impl AnchorMedium for SimAnchor {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let mut state = self.alive()?;
        let state = &mut *state;
        if state.faults.read_fails.happens(&mut state.random) {
            return Err(io::Error::other("a read failed"));
        }
        let mut bytes = state.cached_anchor.as_ref().or(state.anchor.as_ref()).cloned();
        if let Some(bytes) = &mut bytes
            && state.faults.read_flips.happens(&mut state.random)
        {
            flip(bytes, &mut state.random);
        }
        Ok(bytes)
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.alive()?;
        let state = &mut *state;
        let mut bytes = bytes.to_vec();
        if state.faults.write_flips.happens(&mut state.random) {
            flip(&mut bytes, &mut state.random);
        }
        let fate = state.write_fate();
        if fate.is_durable() {
            state.anchor = Some(bytes.clone());
            state.cached_anchor = None;
            state.writes += 1;
        }
        match fate {
            WriteFate::Done => Ok(()),
            WriteFate::DiesBefore | WriteFate::DiesAfter => {
                state.is_dead = true;
                Err(io::Error::other("the process is gone"))
            }
            WriteFate::FailsCached => {
                state.cached_anchor = Some(bytes);
                Err(io::Error::other("fsync failed"))
            }
            WriteFate::FailsApplied | WriteFate::FailsNotApplied => {
                Err(io::Error::other("a write failed"))
            }
        }
    }
}

fn with_a_flipped_bit(batch: &Batch, random: &mut Random) -> Batch {
    let hit = pick(random, batch.len().max(1));
    let mut flipped = Batch::default();
    for (number, op) in batch.ops().enumerate() {
        match op {
            Op::Put { family, key, value } if number == hit => {
                let mut value = value.to_vec();
                flip(&mut value, random);
                flipped.put(family, key, &value);
            }
            Op::Put { family, key, value } => flipped.put(family, key, value),
            Op::Delete { family, key } => flipped.delete(family, key),
            Op::Clear { family } => flipped.clear_family(family),
        }
    }
    flipped
}

fn failed(what: &'static str) -> KvError {
    KvError::new(KvErrorKind::Io, what)
}
