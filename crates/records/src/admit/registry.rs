//! The registry's own records: who must sign them, which rules they keep, and what they change.
//!
//! The three are apart because a reader of a receipt file has only some of the log's entries: who
//! signed can be judged from them, the other rules often cannot, and the changes are needed anyway.

mod effects;
mod refused;
mod rules;
mod signers;

pub(super) use effects::effects;
pub(super) use rules::check;
pub(super) use signers::{authorise, check_log, check_parties, check_signers, is_by_governance};
