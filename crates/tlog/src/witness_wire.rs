//! What a log says to a witness and hears back.
//!
//! ```text
//! old 5                       the size the witness cosigned last
//! n3+…=                       the consistency proof from there, at most 63 lines
//!
//! log.example/spending-2026   the signed checkpoint
//! …
//! ```
//!
//! Spec: c2sp.org/tlog-witness §add-checkpoint.

use crate::hash::Hash;
use crate::note::{Note, NoteError, NoteSignature, parse_signature_lines};
use crate::position::TreeSize;

/// The body of a request to cosign a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of the tree the proof starts from: what the log believes the witness has.
    pub old_size: TreeSize,
    /// The consistency proof from there, at most 63 hashes.
    pub consistency_proof: Vec<Hash>,
    /// The note as it came; its signatures are not verified.
    pub checkpoint: Note,
}

impl AddCheckpoint {
    /// Reads a request body. Only its form is checked: not the signature, not the proof.
    ///
    /// # Errors
    /// [`AddCheckpointError`]: the witness answers 400.
    pub fn parse(body: &[u8]) -> Result<Self, AddCheckpointError> {
        if body.len() > ADD_CHECKPOINT_BYTES_MAX {
            return Err(AddCheckpointError::TooLong { got: body.len() });
        }
        let body = std::str::from_utf8(body).map_err(|_| NoteError::Utf8)?;
        let (head, checkpoint) = body.split_once("\n\n").ok_or(AddCheckpointError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        let old_size = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(|size| size.parse().ok())
            .ok_or(AddCheckpointError::Old)?;
        let mut consistency_proof = Vec::new();
        for line in lines {
            if consistency_proof.len() == CONSISTENCY_PROOF_HASHES_MAX {
                return Err(AddCheckpointError::TooManyHashes);
            }
            let hash = Hash::from_base64(line).map_err(|_| AddCheckpointError::Hash)?;
            consistency_proof.push(hash);
        }
        let checkpoint = Note::parse(checkpoint.as_bytes())?;
        Ok(Self { old_size, consistency_proof, checkpoint })
    }

    /// Writes the request body. Put only the log's own signatures in the note: witnesses cap what
    /// they read, some at 10 KiB.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = format!("old {}\n", self.old_size);
        for hash in &self.consistency_proof {
            body.push_str(&hash.to_base64());
            body.push('\n');
        }
        body.push('\n');
        body.push_str(&self.checkpoint.to_string());
        body.into_bytes()
    }
}

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WitnessAnswer {
    /// 200: signature lines, not verified. Add them to the note and ask the policy.
    Cosigned(Vec<NoteSignature>),
    /// 409 with the size the witness has: try again from there.
    Conflict {
        /// The size of the last tree the witness cosigned.
        size: TreeSize,
    },
    /// 403: it knows the log and none of the keys that signed.
    NotAuthorized,
    /// 404: it does not know the log.
    UnknownOrigin,
    /// 422, or a 409 that names no size: it holds another history of this log. Stop and look.
    Inconsistent,
    /// 400: it could not read what we sent.
    Malformed,
    /// Anything else, also a 200 that cannot be read: nothing was learnt.
    TryLater,
}

impl WitnessAnswer {
    /// Reads an answer. `content_type` is the header's value as it came.
    ///
    /// Spec: tlog-witness §add-checkpoint; a conflict names a size only under exactly the content
    /// type [`TREE_SIZE_CONTENT_TYPE`]. Older witnesses answer 409 to another root at the same size.
    pub fn parse(status: u16, content_type: Option<&str>, body: &[u8]) -> Self {
        match status {
            200 => parse_cosignatures(body).map_or(Self::TryLater, Self::Cosigned),
            400 => Self::Malformed,
            403 => Self::NotAuthorized,
            404 => Self::UnknownOrigin,
            409 if content_type == Some(TREE_SIZE_CONTENT_TYPE) => {
                parse_size(body).map_or(Self::Inconsistent, |size| Self::Conflict { size })
            }
            409 | 422 => Self::Inconsistent,
            _ => Self::TryLater,
        }
    }
}

/// The body of a 409: the size of the last checkpoint the witness cosigned, on a line.
pub fn encode_tree_size(size: TreeSize) -> String {
    format!("{size}\n")
}

/// The body of a 200: signature lines and nothing else.
pub fn encode_cosignatures(signatures: &[NoteSignature]) -> String {
    let mut body = String::new();
    for signature in signatures {
        body.push_str(&signature.to_string());
        body.push('\n');
    }
    body
}

fn parse_cosignatures(body: &[u8]) -> Option<Vec<NoteSignature>> {
    if body.len() > ANSWER_BYTES_MAX {
        return None;
    }
    parse_signature_lines(std::str::from_utf8(body).ok()?).ok()
}

fn parse_size(body: &[u8]) -> Option<TreeSize> {
    let text = std::str::from_utf8(body).ok()?;
    text.strip_suffix('\n').unwrap_or(text).parse().ok()
}

/// Why a request body is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
    /// Longer than [`ADD_CHECKPOINT_BYTES_MAX`].
    #[error("expected at most {ADD_CHECKPOINT_BYTES_MAX} bytes, got {got}")]
    TooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// The first line is not `old <size>`.
    #[error("expected 'old <size>' on the first line")]
    Old,
    /// A proof line that is not a hash.
    #[error("expected a base64 hash on each line of the proof")]
    Hash,
    /// A longer proof than any tree needs.
    #[error("expected at most {CONSISTENCY_PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// No empty line, so no checkpoint.
    #[error("expected an empty line and a signed checkpoint after the proof")]
    NoCheckpoint,
    /// What follows is not a note.
    #[error("the checkpoint is not a signed note")]
    Note(#[from] NoteError),
}

/// The largest request body that is read, in bytes.
pub const ADD_CHECKPOINT_BYTES_MAX: usize = 128 * 1024;
/// The most hashes a consistency proof may have.
pub const CONSISTENCY_PROOF_HASHES_MAX: usize = 63;
/// The largest answer of a witness that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The content type of a 409 that names the witness's size.
pub const TREE_SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

#[cfg(test)]
mod tests;
