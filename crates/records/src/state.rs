//! The admission state: what the judgement may look at. Keys to bytes; this crate owns all of them.
//!
//! | key | value |
//! |---|---|
//! | `g` | canonical bytes of the genesis record |
//! | `k/` kid | [`KeyState`] |
//! | `s/` submitter | [`SubmitterState`] |
//! | `o/` object | [`ObjectHead`]: the newest revision |
//! | `r/` object `\0` rev (4 bytes, big-endian) | [`Revision`]: each older one |
//! | `f/` object | [`Fold`]: its current state, and what its newest revision did |
//! | `v/` object `\0` rev | what each older revision did |
//! | `t/`, `u/`, `n/` SHA-256 of name and group | a total, the holder of a value, the last number of a stream |
//! | `p/` profile, `P/` profile | [`ProfileState`], and the document of a published one |
//! | `c/` list, `c/` list `\0` code | how many parts a code list has; a code of it |
//! | `l/` submitter `\0` body | [`Delegation`] |
//! | `G`, `z` | who governs since the last rotation; that the log is frozen |
//!
//! An object's only revision stands in its head alone, so a first revision costs one write.

mod codec;
mod fold;
mod objects;
mod published;
mod read;
mod registered;
mod row;
mod rows;

pub(crate) use fold::{
    Added, Contribution, Total, contribution_at, fold_and_newest, holder, last_number,
    put_contribution, put_fold, put_holder, put_number, put_total, total,
};
pub use fold::{Facts, Fold, object_fold};
pub use objects::{object_head, object_head_key, object_revision, parse_object_head};
pub(crate) use objects::{put_head, put_revision, revision_below};
pub use published::{
    Delegation, Governance, ProfileState, delegation, governance, is_listed, profile_state,
    published_profile,
};
pub(crate) use published::{
    codelist_parts, frozen, put_code, put_codelist, put_delegation, put_frozen, put_governance,
    put_profile, put_profile_document,
};
pub use read::{Put, State, StateError};
pub use registered::{
    KEYS_PREFIX, genesis, key, parse_key, parse_submitter, submitter, submitter_key,
};
pub(crate) use registered::{key_row, put_genesis, put_key, put_submitter};
pub use row::Row;
pub use rows::{KeyRole, KeyState, ObjectHead, Revision, SubmitterState};

#[cfg(test)]
mod tests;
