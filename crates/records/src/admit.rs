//! Admission: the one pure function from (state, submission, time) to an entry or a refusal.
//!
//! The server runs it over its store, an auditor over what was downloaded; both must agree. It
//! reads nothing but the [`State`], and no sealed value, no document and no clock.
//!
//! ```text
//! same record there?  ──► AlreadyThere
//! registered, signed by keys that count, body and profile granted?  else Refused
//! revision taken?  ──► Conflict
//! next in the chain, rules of the registry or of the profile?  else Refused
//! flags ──► Admitted: entry bytes and what to put into the state
//! ```
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod authority;
mod case;
mod chain;
mod excerpt;
mod judge;
mod profiles;
mod registry;
mod rules;

pub use excerpt::{Excerpt, ExcerptSigner, Missing};
pub use judge::{Admitted, Verdict, admit};

#[cfg(test)]
mod tests;
