//! What an operator does with a log that does not serve: making, auditing, copying, bringing back,
//! withdrawing.

mod accepted;
pub(crate) mod backup;
pub mod check;
pub mod init;
pub(crate) mod recover;
pub(crate) mod restore;
pub(crate) mod withdraw;
