//! The protocol of a transparency log, as pure functions.
//!
//! **Guarantees.** The same bytes in give the same answer out, everywhere: this crate has no clock,
//! no randomness, no files, no network and no threads, and it builds for WebAssembly. No input,
//! however hostile, makes it panic. A value of one of its types was checked when it was made: a
//! [`Checkpoint`] is canonical, a [`SignedCheckpoint`] carries a signature of a log key that
//! verified, a [`CosignedCheckpoint`] satisfied a witness [`Policy`], and a [`Verified`] entry was
//! proven to be under such a checkpoint.
//!
//! **Never.** It does not decide what time it is, whom to trust or what an entry means; it does not
//! repair what is not canonical; it does not sign anything it was not handed as finished bytes.
//!
//! | module | idea |
//! |---|---|
//! | [`hash`] | leaf and node hashes, the empty tree |
//! | [`position`], [`time`] | indices, sizes, tree heads; seconds and milliseconds that cannot be mixed |
//! | [`merkle`] | checking inclusion and consistency proofs; the one door to `ct-merkle` |
//! | [`tile`], [`bundle`] | tiles, entry bundles and their canonical paths |
//! | [`frontier`] | appending leaves: the tiles that change and the new tree head |
//! | [`prove`] | making proofs and roots out of tiles |
//! | [`note`], [`key`], [`sign`] | signed notes, verifier keys, signers |
//! | [`cosignature`], [`sth`] | the messages that witnesses and RFC 6962 tree head signatures cover |
//! | [`checkpoint`] | the text a log signs, and the text with its signatures |
//! | [`witness_wire`], [`log_list`] | request and answers of `add-checkpoint`; logs to watch |
//! | [`evidence`] | two signed heads that cannot both be true, as a file that convinces a stranger |
//! | [`policy`] | who must have signed before anybody believes anything |
//! | [`proof`], [`mod@verify`] | the file a user holds, and the one door that checks it |
//!
//! ```
//! /// What a reader does with a proof file and the policy she trusts.
//! fn check(file: &[u8], policy: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
//!     let policy = tlog::Policy::parse(policy)?;
//!     policy.refuse_unsafe()?;
//!     let proof = tlog::TlogProof::parse(file)?;
//!     Ok(tlog::verify(&proof, None, &policy)?.entry().to_vec())
//! }
//! ```
//!
//! Versions implemented (C2SP): signed-note v1.0.0, tlog-checkpoint v1.0.0, tlog-cosignature v1.0.1
//! (type 0x04) and v1.1.0-rc.1 (type 0x06 over whole trees), tlog-witness v1.0.0 with the status codes of its successor, tlog-tiles v0.1.0,
//! the drafts of tlog-proof and tlog-policy as of 2026-07; RFC 6962 §2.1 and §3.5, RFC 9162 §2.1.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
mod encoding;
pub mod evidence;
pub mod frontier;
pub mod hash;
pub mod key;
pub mod log_list;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod position;
pub mod proof;
pub mod prove;
#[cfg(test)]
mod reference;
pub mod sign;
pub mod sth;
pub mod tile;
pub mod time;
pub mod verify;
pub mod witness_wire;

pub use bundle::*;
pub use checkpoint::*;
pub use cosignature::*;
pub use evidence::*;
pub use frontier::*;
pub use hash::*;
pub use key::*;
pub use log_list::*;
pub use merkle::*;
pub use note::*;
pub use policy::*;
pub use position::*;
pub use proof::*;
pub use prove::*;
pub use sign::*;
pub use sth::*;
pub use tile::*;
pub use time::*;
pub use verify::*;
pub use witness_wire::*;
