//! Documents: files that records name by hash, kept beside the log.
//!
//! ```text
//! documents/ab/<sha256>            the bytes, never changed
//! documents/ab/<sha256>.withdrawn  why they are not served, or gone
//! documents/incoming/              uploads under way; emptied at each start
//! documents/ledger                 who brought what, a line each
//! ```
//! A document is in its place only when its bytes are on the disk and have the hash that it is named
//! by. No rule of admission reads one: entries, proofs and replay are the same without them.
//!
//! Trusted: no, each is hashed before it is served and by `audit`. Losing one: whoever has a copy
//! uploads it again. May it be rolled back: yes, with the same loss; what was withdrawn comes back.

mod audit;
mod folder;
mod ledger;
mod name;
mod notice;
mod upload;

pub(crate) use audit::audit;
pub(crate) use folder::{Documents, Found, INCOMING};
pub(crate) use name::{DocumentId, hash_of, path_of};
pub(crate) use notice::{Notice, WITHDRAWN, notice_path};
pub(crate) use upload::{Stored, Upload, UploadError};

#[cfg(test)]
mod tests;
