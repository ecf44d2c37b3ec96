//! What every other part holds: what this process may do at present, what it counts, what the log
//! began with, the state that records are judged by, what was withdrawn, and proofs that were verified
//! before they leave it.

pub(crate) mod genesis;
pub mod metrics;
pub mod mode;
mod process;
pub mod prove;
pub mod state;
pub(crate) mod withdrawn;

pub use process::Core;
