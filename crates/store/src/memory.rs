//! A database in memory, for tests and simulations. Durable as long as the value lives.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use crate::kv::{Batch, Direction, Family, KeyRange, Kv, KvError, Op, RowVisitor};

/// All rows in ordered maps. Clones share the rows, so a clone kept aside is "the disk" after the
/// store that used the other clone is gone.
#[derive(Clone, Debug, Default)]
pub struct MemoryKv {
    rows: Arc<RwLock<Rows>>,
}

type Rows = BTreeMap<Family, BTreeMap<Vec<u8>, Vec<u8>>>;

impl MemoryKv {
    /// A database without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// A database with a copy of the rows as they are now: a backup.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner).clone();
        Self { rows: Arc::new(RwLock::new(rows)) }
    }
}

impl Kv for MemoryKv {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.get(&family).and_then(|family| family.get(key)).cloned())
    }

    fn scan(
        &self,
        family: Family,
        range: KeyRange<'_>,
        direction: Direction,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), KvError> {
        // `BTreeMap::range` panics on a range that ends before it starts.
        if range.to.is_some_and(|to| to <= range.from) {
            return Ok(());
        }
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let Some(family) = rows.get(&family) else { return Ok(()) };
        let to = range.to.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = family.range::<[u8], _>((Bound::Included(range.from), to));
        let mut each = |(key, value): (&Vec<u8>, &Vec<u8>)| visit(key, value);
        let _stopped_early = match direction {
            Direction::Forward => rows.into_iter().try_for_each(&mut each),
            Direction::Backward => rows.into_iter().rev().try_for_each(&mut each),
        };
        Ok(())
    }

    fn write(&self, batch: &Batch) -> Result<(), KvError> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for op in batch.ops() {
            match op {
                Op::Put { family, key, value } => {
                    rows.entry(family).or_default().insert(key.to_vec(), value.to_vec());
                }
                Op::Delete { family, key } => {
                    rows.entry(family).or_default().remove(key);
                }
                Op::Clear { family } => {
                    rows.remove(&family);
                }
            }
        }
        Ok(())
    }

    fn background_errors(&self) -> Result<u64, KvError> {
        Ok(0)
    }

    fn flush(&self) -> Result<(), KvError> {
        Ok(())
    }
}
