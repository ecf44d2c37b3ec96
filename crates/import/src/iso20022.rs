//! ISO 20022 messages as banks and treasuries exchange them: payment orders (`pain.001`) and
//! statements (`camt.053`).
//!
//! Each transaction becomes a record, and the file one more, with its count and its sums, which
//! the log holds against what it has. Names of people, account numbers and what was written beside
//! a payment are sealed, and only the submitter keeps them. Amounts stay text from the file to
//! the record.

mod booked;
mod camt053;
mod control;
mod elements;
mod file;
mod pain001;
mod xml;

pub use camt053::Camt053;
pub use file::{FILE_BYTES_MAX, message_of};
pub use pain001::Pain001;
