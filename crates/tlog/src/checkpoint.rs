//! Checkpoints: the text that a log signs.
//!
//! ```text
//! log.example/spending-2026
//! 5
//! qxNd1Y0r…=
//! ```
//!
//! Spec: c2sp.org/tlog-checkpoint §Format.

use crate::hash::Hash;
use crate::origin::{Origin, OriginError};
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

/// Why a text is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Fewer than three lines, or the last does not end.
    #[error("expected origin, size and root, each on a line that ends in a line feed")]
    Lines,
    /// A name no log may have.
    #[error(transparent)]
    Origin(#[from] OriginError),
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

#[cfg(test)]
mod tests;
