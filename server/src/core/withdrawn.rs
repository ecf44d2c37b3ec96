//! What was withdrawn of the log: hidden (`withheld`) or gone for good (`erased`), and what readers are
//! told about it. Commands in `operate` withdraw; every start settles; handlers only read.
//!
//! Entry bytes are never withdrawn; disclosures and documents can be. What was withdrawn of an entry is
//! remembered in two places that are unlikely to be lost together: a row of the database, which every
//! backup of it carries, and a list beside the anchor, which no restored database replaces. At each
//! start the two are joined ([`settle`]): an older copy that still holds what was erased is erased
//! again before anything of it is served.
//!
//! ```text
//! list (synced) ─► row and disclosures (one synced write) ─► flush, compact ─► search of the files
//! ```
//! Trusted: yes, for what readers are told. Losing one of the two: nothing. Losing both: an older copy
//! would serve again what was withdrawn. May it be rolled back: no; what is once in it stays.

mod fields;
mod list;
mod reason;
mod settle;

pub(crate) use fields::{Withdrawal, Withdrawals, join, of_entry};
pub(crate) use list::List;
pub(crate) use reason::{Act, check_reason};
pub(crate) use settle::{SealedFields, apply, audit, settle};
