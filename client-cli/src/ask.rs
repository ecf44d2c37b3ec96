//! What a log is asked: its receipts, entries and tenders, and whether it still says what it said.

pub(crate) mod consistency;
pub(crate) mod get;
pub(crate) mod prove;
pub(crate) mod tender;
