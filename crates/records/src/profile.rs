//! Profiles: published documents that say what the records of a family hold, and one small engine
//! that reads them.
//!
//! A profile is data. It lists kinds; each kind its fields, what of it is sealed, how its objects
//! are named, who submits it, and which of eight [rules](rule::Primitive) it is held to. Nothing
//! in it is a program: a rule is a pure function of the entries before, the record, and the time
//! the log stamped on it. There is no type for clear text, so a profile cannot ask for any.
//!
//! | module | holds |
//! |---|---|
//! | [`document`] | the document: strict parser, [`Profile`], [`Kind`] |
//! | [`field`] | types of fields, and checking data against them |
//! | [`sealing`] | what may be sealed, by whom it is held |
//! | [`pattern`] | how objects are named |
//! | [`rule`] | the rules that look at the entries before |
//! | [`shipped`] | the profiles that engine version 1 carries |
//!
//! This module checks all of a record that needs no state. A record of a shipped profile is checked
//! when it is parsed; one of a published profile when it is judged, for only the log has its rules.

mod check;
pub mod document;
pub mod field;
pub mod pattern;
pub mod rule;
pub mod sealing;
pub mod shipped;

pub use document::{Kind, Profile};
pub use shipped::shipped;

#[cfg(test)]
mod tests;
