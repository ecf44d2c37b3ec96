//! `civiclog submit`: a file into the log, receipts out.
//!
//! ```text
//! CSV, OCDS, ISO 20022 ─import─► Draft ─plan: journal, lookup─► add, correct, void or nothing ─seal─►
//!     Kept ─journal.keep, fsync─► ─send─► index ─wait for the witnesses─► receipts
//! ```
//! [`import`] alone knows formats; a row, a release and a payment order are the same to all that
//! follows.
//!
//! It may be killed at any point and run again: what was sent is in the journal, what is in the
//! log is recognised, and sending the same bytes twice is sending them once.
//!
//! | file | what |
//! |---|---|
//! | `run` | the steps, in their order |
//! | `choose`, `scope` | what the arguments mean |
//! | `plan`, `lookup` | what is left to do of each row |
//! | `seal`, `send`, `upload` | signing, sealing, sending |
//! | `receipts`, `tally`, `report` | what became of it |
//! | `planned`, [`journal`], `persons` | a row on its way; what outlives the run |

mod choose;
pub(crate) mod journal;
mod lookup;
mod persons;
mod plan;
mod planned;
mod receipts;
mod report;
mod run;
mod scope;
mod seal;
mod send;
mod tally;
mod upload;

pub(crate) use run::{run, run_with};
pub(crate) use scope::Scope;

#[cfg(test)]
mod tests;
