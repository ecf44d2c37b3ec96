//! Checkpoints: the text a log signs, and that text once a known log key was found to have signed.
//!
//! ```text
//! log.example/spending-2026
//! 5
//! qxNd1Y0r…=
//! ```
//!
//! Spec: c2sp.org/tlog-checkpoint §Format.

use std::fmt;
use std::str::FromStr;

use crate::hash::{Hash, sha256};
use crate::key::{SignatureError, VerifierKey};
use crate::note::{KeyName, Note, NoteError};
use crate::position::TreeHead;

/// What a log states: its name, and the tree it has. Signed only as the text it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Size and root of its tree.
    pub head: TreeHead,
    /// Further lines, none of them empty. civiclog writes none: some signatures do not cover them.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    pub fn new(origin: Origin, head: TreeHead) -> Self {
        Self { origin, head, extensions: Vec::new() }
    }

    /// Reads the text of a checkpoint, its last line feed included.
    ///
    /// # Errors
    /// [`CheckpointError`] naming the line that is not as it must be.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = body.split('\n');
        let origin = lines.next().ok_or(CheckpointError::Lines)?;
        let size = lines.next().ok_or(CheckpointError::Lines)?;
        let root = lines.next().ok_or(CheckpointError::Lines)?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::EmptyExtension);
        }
        Ok(Self {
            origin: origin.parse()?,
            head: TreeHead {
                size: size.parse().map_err(|_| CheckpointError::Size)?,
                root: Hash::from_base64(root).map_err(|_| CheckpointError::Root)?,
            },
            extensions,
        })
    }

    /// The text that is signed. It reads back as this checkpoint when no extension is empty or
    /// holds a line feed.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.head.size, self.head.root);
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// The permanent name of a log: 1 to 255 bytes, no white space, no `+`. Also its key name.
///
/// Spec: tlog-checkpoint §Note text; the length is what ML-DSA cosignatures can carry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(KeyName);

impl Origin {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name under which the log signs.
    pub fn key_name(&self) -> KeyName {
        self.0.clone()
    }

    /// SHA-256 of the name in lower-case hexadecimal: how witnesses name a log in a path.
    ///
    /// Spec: c2sp.org/tlog-witness §monitoring.
    pub fn sha256_hex(&self) -> String {
        sha256(&[self.as_str().as_bytes()]).to_hex()
    }
}

impl FromStr for Origin {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        if text.len() > ORIGIN_BYTES_MAX {
            return Err(CheckpointError::Origin);
        }
        text.parse().map(Self).map_err(|_: NoteError| CheckpointError::Origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A checkpoint that a known key of its log signed. There is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Reads the checkpoint in a note and checks it against the log's keys. Keys of another name
    /// and lines of unknown keys count for nothing.
    ///
    /// # Errors
    /// [`OpenError`] when the text is no checkpoint, no known key signed it, or a line of a known
    /// key does not verify.
    ///
    /// Spec: signed-note §Verification; tlog-policy requires the key name to be the origin.
    pub fn open(note: Note, log_keys: &[VerifierKey]) -> Result<Self, OpenError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        let mut verified = false;
        for key in log_keys.iter().filter(|key| key.name() == &checkpoint.origin.0) {
            // SPEC signed-note: one known key that fails spoils the note, even if another verifies.
            let signed =
                note.verified_by(key).map_err(|source| OpenError::LogSignature { source })?;
            verified |= signed.is_some();
        }
        if verified { Ok(Self { checkpoint, note }) } else { Err(OpenError::NoLogSignature) }
    }

    /// What the log stated.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head
    }

    /// The note it came in, with all its lines.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Gives the note back.
    pub fn into_note(self) -> Note {
        self.note
    }
}

/// Why a text is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Fewer than three lines, or the last does not end.
    #[error("expected origin, size and root, each on a line that ends in a line feed")]
    Lines,
    /// A name no log may have.
    #[error("expected an origin of 1 to 255 bytes without white space and '+'")]
    Origin,
    /// Not a canonical decimal number.
    #[error("expected the tree size as a decimal number without leading zeros")]
    Size,
    /// Not a hash.
    #[error("expected the root as base64 of 32 bytes")]
    Root,
    /// An extension line may not be empty.
    #[error("a checkpoint holds no empty lines")]
    EmptyExtension,
}

/// Why a note is not a signed checkpoint of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The text is not a checkpoint.
    #[error("not a checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// No line is by a known key of this origin.
    #[error("no signature by a known key of this log")]
    NoLogSignature,
    /// A line of a known key does not verify.
    #[error("a signature by a known key of this log is wrong")]
    LogSignature {
        /// What is wrong with it.
        #[source]
        source: SignatureError,
    },
}

/// The longest origin, in bytes.
pub const ORIGIN_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests;
