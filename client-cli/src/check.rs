//! What anybody checks on their own machine: receipts, refusals, evidence. No command here uses a
//! network.

pub(crate) mod evidence;
pub(crate) mod refusal;
pub(crate) mod verify;
