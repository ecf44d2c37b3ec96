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
//! | what | items |
//! |---|---|
//! | hashes | [`leaf_hash`], [`node_hash`], [`Hash`], [`EMPTY_ROOT`] |
//! | positions, times | [`LeafIndex`], [`TreeSize`], [`TreeHead`]; [`UnixSeconds`], [`UnixMillis`] |
//! | checking Merkle proofs | [`verify_inclusion`], [`verify_consistency`] |
//! | tiles and bundles | [`Tile`], [`TileCoord`], [`TilePath`], [`TileMap`], [`BundleCoord`] |
//! | appending leaves | [`Frontier`]: the tiles that change and the new tree head |
//! | making proofs and roots out of tiles | [`prove_inclusion`], [`prove_consistency`], [`root_from_tiles`] |
//! | signed notes, keys, signers | [`Note`], [`VerifierKey`], [`Ed25519Signer`], [`CosignatureSigner`], [`Rfc6962Signer`] |
//! | what a log states | [`Origin`], [`Checkpoint`], and [`SignedCheckpoint`] once its signature verified |
//! | witnesses | [`AddCheckpoint`], [`WitnessAnswer`]; [`parse_log_list`] |
//! | who must have signed | [`Policy`], [`CosignedCheckpoint`], [`Resilience`] |
//! | the file a user holds, and the one door that checks it | [`TlogProof`], [`verify()`], [`VerifyError`] |
//! | two signed heads that cannot both be true | [`Evidence`] |
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

mod bundle;
mod chain;
mod checkpoint;
mod cosignature;
mod encoding;
mod evidence;
mod frontier;
mod hash;
mod key;
mod log_list;
mod merkle;
mod note;
mod origin;
mod policy;
mod position;
mod proof;
mod prove;
#[cfg(test)]
mod reference;
mod sign;
mod signed_checkpoint;
mod sth;
mod tile;
mod tile_map;
mod tile_path;
mod time;
mod verify;
mod witness_wire;

pub use bundle::*;
pub use chain::*;
pub use checkpoint::*;
pub use cosignature::*;
pub use evidence::*;
pub use frontier::*;
pub use hash::*;
pub use key::*;
pub use log_list::*;
pub use merkle::*;
pub use note::*;
pub use origin::*;
pub use policy::*;
pub use position::*;
pub use proof::*;
pub use prove::*;
pub use sign::*;
pub use signed_checkpoint::*;
pub use sth::*;
pub use tile::*;
pub use tile_map::*;
pub use tile_path::*;
pub use time::*;
pub use verify::*;
pub use witness_wire::*;
