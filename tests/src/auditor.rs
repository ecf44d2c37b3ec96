//! A stranger who judges a log again from nothing but its entries, with nothing but `records`.

use std::collections::BTreeMap;

use records::{Admitted, EntryIndex, P256Verify, Refusal, entry_start, replay};

/// What an auditor knows: the state after the entries so far.
#[derive(Clone, Debug)]
pub struct Auditor {
    origin: String,
    size: u64,
    last_admitted_ms: u64,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Auditor {
    /// Before entry 0.
    pub fn new(origin: &str) -> Self {
        let state = BTreeMap::new();
        Self { origin: origin.to_owned(), size: 0, last_admitted_ms: 0, state }
    }

    /// Judges an entry as the next one, and goes no further.
    ///
    /// # Errors
    /// Why it may not stand there.
    pub fn judge(&self, entry: &[u8]) -> Result<Admitted, Refusal> {
        let index = EntryIndex::new(self.size);
        replay(&self.state, index, &self.origin, self.last_admitted_ms, entry, &P256Verify)
            .expect("a state in memory can be read")
    }

    /// Judges the next entry and goes on behind it.
    ///
    /// # Errors
    /// Why it may not stand there.
    ///
    /// # Panics
    /// Never: what is accepted can be read.
    pub fn take(&mut self, entry: &[u8]) -> Result<Admitted, Refusal> {
        let admitted = self.judge(entry)?;
        self.state.extend(admitted.changes.iter().cloned());
        self.size += 1;
        self.last_admitted_ms = records::Entry::parse(entry).expect("an entry").admitted_ms();
        Ok(admitted)
    }

    /// How many entries it took.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The state after them.
    pub fn state(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.state
    }

    /// The entry that a log would have to make of what was posted, if it took it at this time: what a
    /// dishonest log puts into its tree. `None` when nothing in it is a record.
    pub fn forged(posted: &[u8], admitted_ms: u64) -> Option<Vec<u8>> {
        let start = posted.windows(RECORD.len()).position(|it| it == RECORD)? + RECORD.len();
        let mut entry = entry_start(admitted_ms, &[]);
        entry.extend_from_slice(posted.get(start..posted.len().checked_sub(1)?)?);
        entry.extend_from_slice(b",\"v\":1}");
        Some(entry)
    }
}

const RECORD: &[u8] = b"\"record\":";
