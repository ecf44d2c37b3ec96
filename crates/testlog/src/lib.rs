//! One log for the tests of all crates. Dev-only: a product that depends on it is a mistake, and
//! `tests/tests/architecture.rs` says so.
//!
//! | module | idea |
//! |---|---|
//! | `tree` | entries, their tiles and every head on the way |
//! | `forged` | a log that signs whatever it is told to |
//! | `quorum` | a log key, witnesses, and the policy that asks for them |
//! | `log` | a log that judges what it takes in, behind the HTTP interface |
//! | `http` | a scripted HTTP server on loopback |
//!
//! Its keys follow from fixed seeds, so that everybody can sign for it, and it panics where a test
//! would.
//!
//! The unit tests of `tlog` and `records` cannot use it: to them its types are of another crate.
#![expect(missing_docs, reason = "only tests use it: a comment here says why")]
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

mod forged;
mod http;
mod log;
mod quorum;
mod tree;

pub use crate::forged::{ForgedLog, add_checkpoint};
pub use crate::http::{Reply, Request, Server};
pub use crate::log::{Fault, Log, LogServer, ORIGIN, SUBMITTER};
pub use crate::quorum::Quorum;
pub use crate::tree::Tree;
