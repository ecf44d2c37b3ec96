//! The name of a document is the hash of its bytes.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The name of a document: SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DocumentId([u8; 32]);

impl DocumentId {
    pub(super) fn of(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected a SHA-256 as 64 lower-case hexadecimal digits")]
pub(crate) struct NotAnId;

impl FromStr for DocumentId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        records::hex::decode_32(text).map(Self).ok_or(NotAnId)
    }
}

/// Hashes a file from where it stands to its end.
pub(crate) fn hash_of(file: &mut File) -> io::Result<DocumentId> {
    let mut hash = Sha256::new();
    let mut part = vec![0; READ_BYTES];
    loop {
        let count = file.read(&mut part)?;
        if count == 0 {
            return Ok(DocumentId::of(hash));
        }
        hash.update(&part[..count]);
    }
}

/// Where a document is. The first byte of its name is a folder, so that none gets too many files.
pub(crate) fn path_of(folder: &Path, id: DocumentId) -> PathBuf {
    let name = id.to_string();
    folder.join(&name[..2]).join(name)
}

const READ_BYTES: usize = 256 * 1024;
