//! Proof files: one entry's inclusion proof with the cosigned checkpoint it leads to.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra eyJhZG1pdHRlZCI6…=      optional, signed by nobody: civiclog puts the entry here
//! index 12345
//! Tgi/BfSy…=                    the inclusion proof, the leaf's sibling first
//!
//! log.example/spending-2026     the checkpoint with all its signatures
//! …
//! ```
//!
//! A receipt file is several of these, one after the other.
//!
//! Spec: c2sp.org/tlog-proof §Format.

use std::fmt;

use crate::bundle::ENTRY_BYTES_MAX;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::encoding;
use crate::hash::Hash;
use crate::note::{Note, NoteError};
use crate::position::LeafIndex;

/// The content of a proof file. Well formed; no signature and no hash was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Unauthenticated bytes; in civiclog the entry, at most 65,535 bytes.
    pub extra: Option<Vec<u8>>,
    /// The position of the entry.
    pub index: LeafIndex,
    /// The inclusion proof: at most 63 hashes, the leaf's sibling first.
    pub path: Vec<Hash>,
    /// The checkpoint with its signatures.
    pub note: Note,
}

impl TlogProof {
    /// Reads a proof file.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        let text = std::str::from_utf8(bytes).map_err(|_| TlogProofError::Utf8)?;
        if end_of_first(text) < text.len() {
            return Err(TlogProofError::SeveralProofs);
        }
        Self::parse_text(text)
    }

    /// Reads a receipt file: one proof or several, one after the other.
    pub fn parse_many(bytes: &[u8]) -> Result<Vec<Self>, TlogProofError> {
        let text = std::str::from_utf8(bytes).map_err(|_| TlogProofError::Utf8)?;
        let mut proofs = Vec::new();
        let mut rest = text;
        while !rest.is_empty() || proofs.is_empty() {
            if proofs.len() == RECEIPT_PROOFS_MAX {
                return Err(TlogProofError::TooManyProofs);
            }
            let (first, after) = rest.split_at(end_of_first(rest));
            proofs.push(Self::parse_text(first)?);
            rest = after;
        }
        Ok(proofs)
    }

    fn parse_text(text: &str) -> Result<Self, TlogProofError> {
        let (head, note) = text.split_once("\n\n").ok_or(TlogProofError::NoCheckpoint)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(TlogProofError::Header);
        }
        let extra = match lines.next_if(|line| line.starts_with(EXTRA)) {
            None => None,
            Some(line) => Some(parse_extra(line).ok_or(TlogProofError::Extra)?),
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix(INDEX))
            .and_then(|index| index.parse().ok())
            .ok_or(TlogProofError::Index)?;
        let mut path = Vec::new();
        for line in lines {
            if path.len() == INCLUSION_PROOF_HASHES_MAX {
                return Err(TlogProofError::TooManyHashes);
            }
            path.push(Hash::from_base64(line).map_err(|_| TlogProofError::Hash)?);
        }
        let note = Note::parse(note.as_bytes())?;
        // A checkpoint has no empty lines, so nothing can hide between two proofs.
        Checkpoint::parse(note.text())?;
        Ok(Self { extra, index, path, note })
    }

    /// Writes the proof file. Several written one after the other are a receipt file.
    pub fn encode(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "{EXTRA}{}", encoding::to_base64(extra))?;
        }
        writeln!(f, "{INDEX}{}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

fn parse_extra(line: &str) -> Option<Vec<u8>> {
    let extra = encoding::from_base64(line.strip_prefix(EXTRA)?)?;
    (extra.len() <= ENTRY_BYTES_MAX).then_some(extra)
}

/// Where the next proof begins: at a header line that follows a signature line. A header line
/// elsewhere belongs to the text of a checkpoint.
fn end_of_first(text: &str) -> usize {
    let mut end = 0_usize;
    let mut after_signature = false;
    for line in text.split_inclusive('\n') {
        if after_signature && line.strip_suffix('\n') == Some(HEADER) {
            return end;
        }
        after_signature = line.starts_with(SIGNATURE_PREFIX);
        end = end.saturating_add(line.len());
    }
    end
}

/// Why bytes are not a proof file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlogProofError {
    /// Not UTF-8.
    #[error("expected UTF-8")]
    Utf8,
    /// Another first line.
    #[error("expected '{HEADER}' on the first line")]
    Header,
    /// An extra line that is not base64, or of more than 65,535 bytes.
    #[error("expected 'extra <base64>' of at most {ENTRY_BYTES_MAX} bytes")]
    Extra,
    /// No index line.
    #[error("expected 'index <number>'")]
    Index,
    /// A line of the proof that is not a hash.
    #[error("expected a base64 hash on each line of the proof")]
    Hash,
    /// A longer proof than any tree needs.
    #[error("expected at most {INCLUSION_PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// No empty line, so no checkpoint.
    #[error("expected an empty line and a signed checkpoint after the proof")]
    NoCheckpoint,
    /// What follows is not a note.
    #[error("the checkpoint is not a signed note")]
    Note(#[from] NoteError),
    /// The text of the note is not a checkpoint.
    #[error("the signed note is not a checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// A receipt file where one proof was expected.
    #[error("expected one proof, got several")]
    SeveralProofs,
    /// More than [`RECEIPT_PROOFS_MAX`].
    #[error("expected at most {RECEIPT_PROOFS_MAX} proofs in a file")]
    TooManyProofs,
}

/// The most hashes an inclusion proof may have.
pub const INCLUSION_PROOF_HASHES_MAX: usize = 63;
/// The most proofs that are read from one file.
pub const RECEIPT_PROOFS_MAX: usize = 65_536;

const HEADER: &str = "c2sp.org/tlog-proof@v1";
const EXTRA: &str = "extra ";
const INDEX: &str = "index ";
const SIGNATURE_PREFIX: &str = "\u{2014} ";

#[cfg(test)]
mod tests;
