//! What became of the rows of a run: counted, and noted for the files that are written at its end.

use std::io;

use import::scratch::{Row, Table};
use import::{RowError, Scratch};
use tlog::{LeafIndex, TreeSize};

use super::planned::{PlannedRow, RowStatus};
use super::receipts::{RECEIPTS, Receipt};
use super::report::{ERRORS, Report, WARNINGS};
use crate::exit::{Exit, Explain, Outcome};

pub(crate) struct Tally<'a> {
    pub(crate) report: Report,
    /// How large the tree is that holds all rows that went in.
    pub(crate) needed: TreeSize,
    /// Whether any row did not go in.
    pub(crate) has_errors: bool,
    scratch: &'a Scratch,
    /// What was noted so far: no two notes have the same key.
    noted: u64,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(report: Report, scratch: &'a Scratch) -> Self {
        let (needed, has_errors, noted) = (TreeSize::new(0), false, 0);
        Self { report, needed, has_errors, scratch, noted }
    }

    /// Notes that the file has a row of this object.
    pub(crate) fn record_object(&mut self, object: &str) -> Outcome<()> {
        self.scratch.put(OBJECTS, object.as_bytes(), &[]).explain(Exit::Usage, noting)
    }

    /// Notes a row that did not go in, or why nothing was voided.
    pub(crate) fn bad(&mut self, error: &RowError) -> Outcome<()> {
        self.has_errors = true;
        self.list(ERRORS, error).explain(Exit::Usage, noting)
    }

    /// Notes departures from the standard of the format.
    pub(crate) fn warned(&mut self, warnings: &[RowError]) -> Outcome<()> {
        let mut warnings = warnings.iter();
        warnings.try_for_each(|it| self.list(WARNINGS, it)).explain(Exit::Usage, noting)
    }

    /// Counts rows that are through.
    pub(crate) fn take(&mut self, rows: &[PlannedRow]) -> Outcome<()> {
        self.report.count(rows);
        for PlannedRow { draft, status, .. } in rows {
            match status {
                RowStatus::Rejected(error) => self.bad(error)?,
                RowStatus::InLog { index, .. } => {
                    self.is_in(*index);
                    let row = draft.position.map(|position| position.row);
                    let receipt = Receipt { row, object: draft.object.clone(), index: *index };
                    let (key, value) = receipt.to_note(self.next());
                    self.scratch.put(RECEIPTS, &key, &value).explain(Exit::Usage, noting)?;
                }
                RowStatus::New | RowStatus::Kept(_) | RowStatus::Conflict(_) => {}
            }
        }
        Ok(())
    }

    /// Notes that the tree has to hold this entry.
    pub(crate) fn is_in(&mut self, index: LeafIndex) {
        self.needed = self.needed.max(TreeSize::new(index.get().saturating_add(1)));
    }

    fn list(&mut self, shelf: Table, error: &RowError) -> io::Result<()> {
        let (key, value): Row = (
            [error.line.to_be_bytes(), self.next().to_be_bytes()].concat(),
            serde_json::to_vec(error)?,
        );
        self.scratch.put(shelf, &key, &value)
    }

    fn next(&mut self) -> u64 {
        self.noted += 1;
        self.noted
    }
}

fn noting() -> String {
    "noting what became of a row".to_owned()
}

pub(super) const OBJECTS: Table = Table::named("objects");
