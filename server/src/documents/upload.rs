//! Taking one document in: bytes to a file of its own, hashed as they come, and a name only at the end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use records::DOCUMENT_BYTES_MAX;
use sha2::{Digest as _, Sha256};

use super::folder::Documents;
use super::name::{DocumentId, path_of};

/// An upload under way. Dropping it removes what came, and gives the room back.
#[derive(Debug)]
pub(crate) struct Upload {
    documents: Arc<Documents>,
    submitter: String,
    id: DocumentId,
    size: u64,
    path: PathBuf,
    file: File,
    hash: Sha256,
    written: u64,
    is_kept: bool,
}

/// How an upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    New,
    /// The same bytes came in the meantime.
    Duplicate,
}

/// Why a document was not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum UploadError {
    /// Reject: longer than a document may be.
    #[error("a document has at most {DOCUMENT_BYTES_MAX} bytes, this one {size}")]
    TooLarge { size: u64 },
    /// Reject: the submitter has no room left.
    #[error("the documents of one submitter take at most {bytes_max} bytes here")]
    Quota { bytes_max: u64 },
    /// Reject: the bytes are not those that were announced.
    #[error("expected {expected} in {size} bytes, got {got} in {written} bytes")]
    OtherBytes { expected: DocumentId, size: u64, got: DocumentId, written: u64 },
    /// Retry: the disk is almost full.
    #[error("the disk of the documents has {free} bytes left")]
    DiskAlmostFull { free: u64 },
    /// Retry: the disk refused. The document may be there or not; sending it again is safe.
    #[error("the disk refused")]
    Disk(#[source] io::Error),
}

impl Documents {
    /// Begins to take a document in, and takes the room for it.
    pub(crate) fn begin(
        self: &Arc<Self>,
        submitter: &str,
        id: DocumentId,
        size: u64,
    ) -> Result<Upload, UploadError> {
        if size > DOCUMENT_BYTES_MAX {
            return Err(UploadError::TooLarge { size });
        }
        let free = self.space.free_bytes(&self.folder).map_err(UploadError::Disk)?;
        if free < self.free_bytes_min.saturating_add(size) {
            return Err(UploadError::DiskAlmostFull { free });
        }
        if !self.ledger().reserve(submitter, size, self.bytes_per_submitter_max) {
            return Err(UploadError::Quota { bytes_max: self.bytes_per_submitter_max });
        }
        Upload::begin(self, submitter, id, size)
    }
}

impl Upload {
    fn begin(
        documents: &Arc<Documents>,
        submitter: &str,
        id: DocumentId,
        size: u64,
    ) -> Result<Self, UploadError> {
        let path = documents.incoming();
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) => {
                documents.ledger().release(submitter, size);
                return Err(UploadError::Disk(error));
            }
        };
        Ok(Self {
            documents: Arc::clone(documents),
            submitter: submitter.to_owned(),
            id,
            size,
            path,
            file,
            hash: Sha256::new(),
            written: 0,
            is_kept: false,
        })
    }

    pub(crate) const fn id(&self) -> DocumentId {
        self.id
    }

    /// Takes the next bytes.
    /// Refused as soon as there are more than announced.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.hash.update(bytes);
        self.written = self.written.saturating_add(bytes.len() as u64);
        if self.written > self.size {
            return Err(self.other_bytes());
        }
        self.file.write_all(bytes).map_err(UploadError::Disk)
    }

    /// Ends it: the bytes are synced, then they get their name, then who brought them is written down.
    /// Refused unless they are exactly those that were announced.
    pub(crate) fn finish(mut self, now: &str) -> Result<Stored, UploadError> {
        if self.written != self.size || DocumentId::of(self.hash.clone()) != self.id {
            return Err(self.other_bytes());
        }
        self.file.sync_all().map_err(UploadError::Disk)?;
        let documents = Arc::clone(&self.documents);
        let mut ledger = documents.ledger();
        let path = path_of(&documents.folder, self.id);
        if path.try_exists().map_err(UploadError::Disk)? {
            drop(ledger);
            return Ok(Stored::Duplicate);
        }
        let shard = path.parent().unwrap_or(&documents.folder);
        files::create_folder(shard, files::Access::Owner).map_err(UploadError::Disk)?;
        std::fs::rename(&self.path, &path).map_err(UploadError::Disk)?;
        self.is_kept = true;
        files::sync_folder(shard).map_err(UploadError::Disk)?;
        ledger.add(self.id, self.size, &self.submitter, now).map_err(UploadError::Disk)?;
        Ok(Stored::New)
    }

    fn other_bytes(&self) -> UploadError {
        UploadError::OtherBytes {
            expected: self.id,
            size: self.size,
            got: DocumentId::of(self.hash.clone()),
            written: self.written,
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // What cannot be removed now is removed at the next start.
        let _ = std::fs::remove_file(&self.path);
        self.documents.ledger().release(&self.submitter, self.size);
    }
}
