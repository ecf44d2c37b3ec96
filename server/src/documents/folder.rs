//! The folder of documents: what is in it, and the room that is left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use service::{FileSystems, FreeSpace};

use super::ledger::Ledger;
use super::name::{DocumentId, path_of};
use super::notice::{Notice, notice_path};
use crate::config::Config;

#[derive(Debug)]
pub(crate) struct Documents {
    pub(super) folder: PathBuf,
    pub(super) space: Box<dyn FreeSpace>,
    pub(super) free_bytes_min: u64,
    pub(super) bytes_per_submitter_max: u64,
    next_upload: AtomicU64,
    // Held while a finished upload gets its name, so that a document gets it once.
    ledger: Mutex<Ledger>,
}

/// What is known of one document.
#[derive(Debug)]
pub(crate) enum Found {
    /// The log does not have it and never said that it had.
    Nothing,
    Here(File, u64),
    Withdrawn(Notice),
}

impl Documents {
    /// Opens the folder, makes it if there is none, and removes what uploads left unfinished.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Arc<Self>> {
        Self::open_in(config.documents_dir(), config, Box::new(FileSystems))
    }

    pub(super) fn open_in(
        folder: PathBuf,
        config: &Config,
        space: Box<dyn FreeSpace>,
    ) -> anyhow::Result<Arc<Self>> {
        let incoming = folder.join(INCOMING);
        files::create_folder(&incoming, files::Access::Owner)
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

    /// What is there under this name. The bytes are not checked yet: see [`hash_of`](super::hash_of).
    /// A disk that cannot say is an error, never "not there".
    pub(crate) fn find(&self, id: DocumentId) -> anyhow::Result<Found> {
        if let Some(notice) = Notice::read(&notice_path(&self.folder, id))? {
            return Ok(Found::Withdrawn(notice));
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

    pub(super) fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn incoming(&self) -> PathBuf {
        let number = self.next_upload.fetch_add(1, Ordering::Relaxed);
        self.folder.join(INCOMING).join(number.to_string())
    }
}

/// Every document that is there, in the order of their names; `visit` gets its path.
pub(super) fn each(
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
pub(super) const LEDGER: &str = "ledger";
