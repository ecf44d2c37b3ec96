//! The anchor: the last head this log allowed itself to sign, kept outside the database.
//!
//! It is what tells a restored or truncated database from the real one. A head is put into the
//! anchor, durably, *before* it is signed, and only on top of the head that was there. So
//! whatever was signed in any life of this log is a prefix of what the anchor says, or the anchor
//! is an old copy, which only the witnesses can know.
//!
//! Trusted: yes. Losing it: the log refuses to start. May it be rolled back: never.

mod adopt;
mod advance;
mod contents;
mod error;
mod medium;

pub use adopt::{AdoptError, Adoption, AnchorCopy};
pub use advance::{Anchor, Anchored};
pub use contents::SetAside;
pub use error::AnchorError;
pub use medium::{AnchorFile, AnchorMedium};
