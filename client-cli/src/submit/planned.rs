//! A row on its way into the log: what is to be done with it, and what became of it so far.

use import::{Draft, Kind, RowError};
use records::{Money, Record, RecordHash};
use tlog::LeafIndex;

use super::journal::Kept;

#[derive(Debug)]
pub(super) struct PlannedRow {
    pub(super) draft: Draft,
    /// What its record does to its object.
    pub(super) act: Act,
    /// The number and the bytes of a journalled revision that is not published yet and that this one
    /// builds on: it is sent before it, once more.
    pub(super) predecessor: Option<(u32, Kept)>,
    pub(super) status: RowStatus,
}

#[derive(Debug)]
pub(super) enum RowStatus {
    /// To be sealed, signed and sent.
    New,
    /// Journalled by an earlier run: these bytes are sent (again).
    Kept(Kept),
    InLog {
        index: LeafIndex,
        /// Whether this run put it there.
        is_new: bool,
    },
    /// The log holds another record of this object, at this index: to be compared.
    Conflict(LeafIndex),
    /// Does not go in.
    Rejected(RowError),
}

/// What a new revision does to its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// The first of its object.
    Add,
    /// The row says something else than before.
    Correct(Standing),
    /// The row is gone.
    Void(Standing),
}

impl Act {
    /// The number of the new revision.
    pub(super) fn rev(&self) -> u32 {
        match self {
            Self::Add => 0,
            Self::Correct(on) | Self::Void(on) => on.rev.saturating_add(1),
        }
    }
}

/// The newest revision of an object, which the next one replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) rev: u32,
    pub(super) hash: RecordHash,
    /// The money it speaks of; nothing if it is a void.
    pub(super) money: Option<Money>,
}

impl Standing {
    pub(super) fn of(record: &Record, kind: &Kind) -> Self {
        Self { rev: record.rev(), hash: record.hash(), money: kind.money_of(record) }
    }
}
