//! Witness policies: whose signatures a checkpoint needs before anybody believes it.
//!
//! ```text
//! log log.example/spending-2026+0be1d167+AYqI4910…
//! witness w1 witness.example/w1+d9ed62c5+BO1JKMYo… https://witness.example
//! …
//! group four 3 w1 w2 w3 w4
//! quorum four
//! ```
//!
//! A witness or group is a member of at most one group, so groups form a tree, and what a policy
//! withstands can be counted: see [`Policy::resilience`].
//!
//! Spec: c2sp.org/tlog-policy.

mod check;
mod error;
mod parse;
mod resilience;

pub use check::{CosignedCheckpoint, Cosigner, LogEntry, Policy, Witness};
pub use error::{POLICY_BYTES_MAX, POLICY_ENTRIES_MAX, PolicyError, PolicyLineError};
pub use resilience::Resilience;

#[cfg(test)]
mod tests;
