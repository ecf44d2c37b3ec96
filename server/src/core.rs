//! What every other part holds: what this process may do at present, what it counts, and proofs
//! that were verified before they leave it.

pub mod metrics;
pub mod mode;
pub mod prove;
