//! What an operator does with a log that does not serve: making, auditing, copying, bringing back,
//! withdrawing.

pub mod backup;
pub mod check;
pub mod init;
pub mod recover;
pub mod restore;
pub mod withdraw;
