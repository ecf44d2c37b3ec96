//! Records of public money: canonical bytes, signatures, profiles, admission.
//!
//! What this crate guarantees: a [`Record`] has exactly one byte form; a [`Submission`] passed every
//! rule that needs no state; [`admit()`] gives the same verdict to everyone who has the same entries
//! before; [`replay`] accepts exactly the entries that [`admit()`] makes. A [`Refusal`] names its rule
//! and place, says what was expected and got and how to fix it, and never repeats what should have
//! been sealed.
//!
//! What it never does: read a clock, draw randomness, touch files or the network, repair input.
//!
//! | module | holds |
//! |---|---|
//! | [`json`] | strict values and the canonical form |
//! | [`record`], [`submission`], [`entry`] | the three documents |
//! | [`envelope`] | what every record says, whatever its profile |
//! | [`sealed`], [`money`], [`date`], [`name`], [`codes`], [`hex`] | what they are made of |
//! | [`profile`], [`registry`] | what the data of each kind must hold |
//! | [`jwk`], [`jws`], [`signing`] | keys and detached signatures |
//! | [`state`], [`admit`](mod@admit) | the admission state and the one judgement |
//! | [`document`] | what the uploader of a document signs |
//! | [`build`] | making records |
//! | [`limits`], [`refusal`] | every limit, every rule |
//! | [`signed_refusal`] | a refusal under the operator's signature |
//!
//! Implements: RFC 8785 and RFC 7493 (JSON), RFC 7515 appendix F with ES256 (RFC 7518) and Ed25519
//! (RFC 8037, RFC 9864), RFC 7638 (thumbprints), RFC 9901 (disclosures), RFC 6901 (pointers),
//! ISO 4217 (minor units).
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod admit;
mod base64url;
pub mod build;
pub mod codes;
pub mod date;
pub mod document;
pub mod entry;
mod entry_index;
pub mod envelope;
mod fields;
#[cfg(test)]
mod fixture;
pub mod hex;
pub mod json;
pub mod jwk;
pub mod jws;
pub mod limits;
pub mod money;
pub mod name;
pub mod profile;
pub mod record;
pub mod refusal;
pub mod registry;
pub mod replay;
pub mod sealed;
pub mod signed_refusal;
pub mod signing;
pub mod state;
pub mod submission;

pub use admit::{Admitted, Excerpt, ExcerptSigner, Missing, Verdict, admit};
pub use build::{RecordDraft, seal};
pub use document::{DOCUMENT_BYTES_MAX, DOCUMENT_TYP, DocumentClaim};
pub use entry::{Entry, entry_start, format_millis, parse_millis};
pub use entry_index::EntryIndex;
pub use json::{Value, parse, to_canonical};
pub use jwk::{Algorithm, Kid, PublicKey, RawPublicKey};
pub use jws::{DetachedJws, Es256Verify, P256Verify};
pub use limits::*;
pub use money::{Money, minor_units, round_float_tail};
pub use record::{Body, Op, Record, RecordHash, Reference, Target};
pub use refusal::{Refusal, RuleId, rules};
pub use registry::{Genesis, RegistryRecord};
pub use replay::replay;
pub use sealed::{Disclosure, DisclosureDigest, HeldBy, SealedField, Until};
pub use signed_refusal::{RefusalStatement, SignedRefusal, SignedRefusalError};
pub use signing::{SigningKey, SigningKeyError};
pub use state::{
    KeyRole, KeyState, ObjectHead, Revision, Row, State, StateError, SubmitterState, genesis, key,
    object_head, object_head_key, object_revision, parse_object_head, parse_submitter, submitter,
    submitter_key,
};
pub use submission::{CheckedSubmission, SignatureCheck, Submission};
