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

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use records::DOCUMENT_BYTES_MAX;
use service::{FileSystems, FreeSpace};
use sha2::{Digest as _, Sha256};

mod audit;
mod ledger;
mod upload;
mod withdrawn;

pub use audit::{Audited, audit};
pub use upload::{Stored, Upload, UploadError};
pub use withdrawn::{Order, Said, withdraw};

use crate::config::Config;
use ledger::Ledger;

/// The name of a document: SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId([u8; 32]);

impl DocumentId {
    fn of(hash: Sha256) -> Self {
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

/// Not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected a SHA-256 as 64 lower-case hexadecimal digits")]
pub struct NotAnId;

impl FromStr for DocumentId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        records::hex::decode_32(text).map(Self).ok_or(NotAnId)
    }
}

/// The documents of a log.
#[derive(Debug)]
pub struct Documents {
    folder: PathBuf,
    space: Box<dyn FreeSpace>,
    free_bytes_min: u64,
    bytes_per_submitter_max: u64,
    next_upload: AtomicU64,
    // Held while a finished upload gets its name, so that a document gets it once.
    ledger: Mutex<Ledger>,
}

/// What is known of one document.
#[derive(Debug)]
pub enum Found {
    /// The log does not have it and never said that it had.
    Nothing,
    /// It is there, so many bytes long.
    Here(File, u64),
    /// It is not served any more.
    Withdrawn(Said),
}

impl Documents {
    /// Opens the folder, makes it if there is none, and removes what uploads left unfinished.
    ///
    /// # Errors
    /// When the folder cannot be made, read or written.
    pub fn open(config: &Config) -> anyhow::Result<Arc<Self>> {
        Self::open_in(config.documents_dir(), config, Box::new(FileSystems))
    }

    fn open_in(
        folder: PathBuf,
        config: &Config,
        space: Box<dyn FreeSpace>,
    ) -> anyhow::Result<Arc<Self>> {
        let incoming = folder.join(INCOMING);
        service::create_dir_synced(&incoming)
            .with_context(|| format!("making the folder {}", incoming.display()))?;
        for left in std::fs::read_dir(&incoming)? {
            let left = left?.path();
            std::fs::remove_file(&left).with_context(|| format!("removing {}", left.display()))?;
        }
        let ledger = Ledger::open(&folder.join(LEDGER))?;
        Ok(Arc::new(Self {
            folder,
            space,
            free_bytes_min: config.documents.disk_free_bytes_min,
            bytes_per_submitter_max: config.documents.bytes_per_submitter_max,
            next_upload: AtomicU64::new(0),
            ledger: Mutex::new(ledger),
        }))
    }

    /// What is there under this name. The bytes are not checked yet: see [`hash_of`].
    ///
    /// # Errors
    /// When the disk could not say. That is never "not there".
    pub fn find(&self, id: DocumentId) -> anyhow::Result<Found> {
        if let Some(said) = withdrawn::read(&self.folder, id)? {
            return Ok(Found::Withdrawn(said));
        }
        let path = path_of(&self.folder, id);
        let reading = || format!("reading {}", path.display());
        match File::open(&path) {
            Ok(file) => {
                let size = file.metadata().with_context(reading)?.len();
                Ok(Found::Here(file, size))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(error) => Err(error).with_context(reading),
        }
    }

    /// Begins to take a document in, and takes the room for it.
    ///
    /// # Errors
    /// [`UploadError`]: too large, no room for it, or the disk refused.
    pub fn begin(
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

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn incoming(&self) -> PathBuf {
        let number = self.next_upload.fetch_add(1, Ordering::Relaxed);
        self.folder.join(INCOMING).join(number.to_string())
    }
}

/// Hashes a file from where it stands to its end.
///
/// # Errors
/// What the system said.
pub fn hash_of(file: &mut File) -> io::Result<DocumentId> {
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

/// Every document that is there, in the order of their names; `visit` gets its path.
fn each(
    folder: &Path,
    mut visit: impl FnMut(DocumentId, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let reading = |path: &Path| format!("listing {}", path.display());
    let shards: BTreeSet<PathBuf> = list(folder)?.into_iter().filter(|it| it.is_dir()).collect();
    for shard in shards.iter().filter(|it| !it.ends_with(INCOMING)) {
        let mut documents = BTreeMap::new();
        for path in list(shard)? {
            let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            if let Ok(id) = name.parse::<DocumentId>() {
                documents.insert(id, path);
            }
        }
        for (id, path) in documents {
            visit(id, &path).with_context(|| reading(&path))?;
        }
    }
    Ok(())
}

fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listing = || format!("listing {}", folder.display());
    let entries = std::fs::read_dir(folder).with_context(listing)?;
    entries.map(|it| Ok(it.with_context(listing)?.path())).collect()
}

/// The folder of uploads under way.
pub(crate) const INCOMING: &str = "incoming";
/// How the name of a word on a withdrawn document ends.
pub(crate) const WITHDRAWN: &str = "withdrawn";
const LEDGER: &str = "ledger";
const READ_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests;
