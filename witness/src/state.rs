//! What a witness remembers: of each log the last checkpoint it cosigned, in a file of its own.
//!
//! ```text
//! DIR/lock            held for the life of the process
//! DIR/key.pem  vkey   see `identity`
//! DIR/cosigned-logs   the origins that have a file below, one a line
//! DIR/state/<sha256 of the origin, hexadecimal>
//!     civiclog-witness state v1
//!     <verifier key of this witness>
//!     <the checkpoint, with the signatures of the log and of this witness>
//! ```
//!
//! Nothing here may be lost or go back: a witness that forgets can be made to sign a second history.
//! So a file that was altered, that is by another key or that is missing stops the witness from
//! starting. One thing cannot be recognised from inside: the whole folder put back to an older copy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use service::{FolderLock, LockError};
use tlog::{Note, NoteError, Origin, VerifierKey};

use crate::decide::{Cosigned, CosignedError, Logs};

/// Replaces the file at a path, durably. An argument, so that a test can let it fail.
pub type DurableWrite = Arc<dyn Fn(&Path, &[u8]) -> io::Result<()> + Send + Sync>;

/// The folder, held by this process alone.
pub struct StateFolder {
    dir: PathBuf,
    own_key: VerifierKey,
    durable_write: DurableWrite,
    /// The content of `cosigned-logs`. Taken after the lock of a log, never before one.
    cosigned_logs: Mutex<BTreeSet<Origin>>,
    _lock: FolderLock,
}

impl StateFolder {
    /// Takes the folder and reads and verifies every file in it.
    ///
    /// # Errors
    /// [`StateError`] when another process has the folder, or when any file is not exactly what a
    /// witness with this key would have left there.
    pub fn open(
        dir: &Path,
        own_key: VerifierKey,
        logs: &Logs,
        durable_write: DurableWrite,
    ) -> Result<(Self, BTreeMap<Origin, Cosigned>), StateError> {
        let lock = service::lock_folder(dir)?;
        let listed = read_list(&list_path(dir))?;
        let cosigned = read_all(dir, &own_key, logs)?;
        if let Some(origin) = listed.iter().find(|origin| !cosigned.contains_key(*origin)) {
            let path = state_path(dir, origin);
            return Err(StateError::Missing { path, origin: Box::new(origin.clone()) });
        }
        let folder = Self {
            dir: dir.to_owned(),
            own_key,
            durable_write,
            cosigned_logs: Mutex::new(listed),
            _lock: lock,
        };
        // A crash between a log's first file and its line in the list leaves it unlisted.
        for origin in cosigned.keys() {
            folder.list(origin)?;
        }
        Ok((folder, cosigned))
    }

    /// Makes `cosigned` what is remembered of its log. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// [`StateError`]; what is on disk is then unknown, so nothing may be signed for this log until
    /// the folder was opened anew.
    pub fn save(&self, cosigned: &Cosigned) -> Result<(), StateError> {
        let path = state_path(&self.dir, cosigned.origin());
        let bytes = encode(&self.own_key, cosigned);
        // Read back what is about to be written: a bit that flipped must not end up on disk, where
        // it would stop the next start.
        let read = decode(&bytes, &self.own_key, None)
            .map_err(|why| StateError::File { path: path.clone(), why })?;
        assert_eq!(&read, cosigned, "what is written is what was decided");
        self.write(&path, &bytes)?;
        self.list(cosigned.origin())
    }

    /// A listed log without a file is a loss that can be recognised at the next start.
    fn list(&self, origin: &Origin) -> Result<(), StateError> {
        let Ok(mut listed) = self.cosigned_logs.lock() else { return Err(StateError::Panicked) };
        if listed.contains(origin) {
            return Ok(());
        }
        let mut longer = listed.clone();
        longer.insert(origin.clone());
        let mut text = String::new();
        for origin in &longer {
            text.push_str(origin.as_str());
            text.push('\n');
        }
        self.write(&list_path(&self.dir), text.as_bytes())?;
        *listed = longer;
        Ok(())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StateError> {
        (self.durable_write)(path, bytes)
            .map_err(|source| StateError::Io { path: path.to_owned(), source })
    }
}

/// Makes what `open` expects in the folder of a new witness.
///
/// # Errors
/// What the operating system said.
pub fn create(dir: &Path) -> io::Result<()> {
    service::create_dir_synced(&states_path(dir))?;
    service::write_atomic(&list_path(dir), b"")
}

/// Why the folder is not used, or could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another process has it.
    #[error(transparent)]
    Held(#[from] LockError),
    /// A file is not what this witness wrote.
    #[error("{} is not what this witness wrote: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: StateFault,
    },
    /// A log was cosigned and nothing is known about it any more.
    #[error(
        "{} is missing: it held the last checkpoint cosigned of {origin}; without it this witness \
         could be made to sign a second history",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The log.
        origin: Box<Origin>,
    },
    /// The list of logs is not a list of origins.
    #[error("{} is not a list of origins, one a line", path.display())]
    List {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Another request died in the middle of a change.
    #[error("an earlier change of the state did not end")]
    Panicked,
}

/// What is wrong with a state file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateFault {
    /// It does not begin as a state file does.
    #[error("expected a first line `{HEADER}`")]
    Header,
    /// It belongs to another witness, or to this one before its key was changed.
    #[error("it is by the witness {found}")]
    OtherWitness {
        /// The verifier key in the file.
        found: String,
    },
    /// No signed note follows.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note is not a checkpoint cosigned by this witness.
    #[error(transparent)]
    Cosigned(#[from] CosignedError),
    /// The bytes are not those this witness would write.
    #[error("it is not in the form in which it was written")]
    NotCanonical,
    /// Its name is not that of its log.
    #[error("it is about {origin}, whose file has another name")]
    OtherName {
        /// The log in the file.
        origin: Box<Origin>,
    },
}

fn read_list(path: &Path) -> Result<BTreeSet<Origin>, StateError> {
    let text = fs::read_to_string(path)
        .map_err(|source| StateError::Io { path: path.to_owned(), source })?;
    text.lines()
        .map(|line| line.parse().map_err(|_| StateError::List { path: path.to_owned() }))
        .collect()
}

fn read_all(
    dir: &Path,
    own_key: &VerifierKey,
    logs: &Logs,
) -> Result<BTreeMap<Origin, Cosigned>, StateError> {
    let states = states_path(dir);
    let failed = |source| StateError::Io { path: states.clone(), source };
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(&states).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        // A write that a crash cut short; it never counted.
        if name.starts_with('.') {
            continue;
        }
        let bytes =
            fs::read(&path).map_err(|source| StateError::Io { path: path.clone(), source })?;
        let cosigned = decode(&bytes, own_key, Some(logs))
            .and_then(|cosigned| {
                let origin = cosigned.origin();
                if origin.sha256_hex() == name {
                    return Ok(cosigned);
                }
                Err(StateFault::OtherName { origin: Box::new(origin.clone()) })
            })
            .map_err(|why| StateError::File { path, why })?;
        if !logs.contains_key(cosigned.origin()) {
            tracing::warn!(origin = %cosigned.origin(), "cosigned before, not configured now");
        }
        all.insert(cosigned.origin().clone(), cosigned);
    }
    Ok(all)
}

fn encode(own_key: &VerifierKey, cosigned: &Cosigned) -> Vec<u8> {
    format!("{HEADER}\n{own_key}\n{}", cosigned.note()).into_bytes()
}

fn decode(
    bytes: &[u8],
    own_key: &VerifierKey,
    logs: Option<&Logs>,
) -> Result<Cosigned, StateFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| StateFault::Header)?;
    let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n'));
    let (found, note) = rest.and_then(|rest| rest.split_once('\n')).ok_or(StateFault::Header)?;
    if found != own_key.to_string() {
        return Err(StateFault::OtherWitness { found: found.to_owned() });
    }
    let note = Note::parse(note.as_bytes())?;
    // Which log it is about is known only once the text is read; its keys are looked up by that.
    let keys = logs.and_then(|logs| {
        let origin = note.text().lines().next()?.parse().ok()?;
        logs.get::<Origin>(&origin).map(Vec::as_slice)
    });
    let cosigned = Cosigned::verify(note, own_key, keys)?;
    if encode(own_key, &cosigned) == bytes { Ok(cosigned) } else { Err(StateFault::NotCanonical) }
}

fn list_path(dir: &Path) -> PathBuf {
    dir.join("cosigned-logs")
}

fn states_path(dir: &Path) -> PathBuf {
    dir.join("state")
}

fn state_path(dir: &Path, origin: &Origin) -> PathBuf {
    states_path(dir).join(origin.sha256_hex())
}

const HEADER: &str = "civiclog-witness state v1";

#[cfg(test)]
mod tests;
