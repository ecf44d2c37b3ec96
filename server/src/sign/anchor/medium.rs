//! What an anchor is kept on: one small value, replaced as a whole, held by one process.
//!
//! The seam through which a simulation lets a write fail, and through which a log on more than one
//! machine can keep its anchor elsewhere.

use std::io;
use std::path::{Path, PathBuf};

use files::{Access, FileLock, LockError};

use super::error::AnchorError;

/// Holds the bytes of one anchor, for one process at a time.
pub trait AnchorMedium: Send {
    fn path(&self) -> &Path;

    /// The bytes that are there; `None` when there never were any.
    ///
    /// # Errors
    /// What the system said. That is never "not there".
    fn read(&self) -> io::Result<Option<Vec<u8>>>;

    /// Replaces the bytes in one step. Once it returned, they survive a power cut.
    ///
    /// # Errors
    /// What the system said; whether the old bytes or the new ones are there is then unknown.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// An anchor in a file of its own, locked while this value lives.
#[derive(Debug)]
pub struct AnchorFile {
    path: PathBuf,
    /// Held, never read: dropping it releases the lock.
    _lock: FileLock,
}

impl AnchorFile {
    /// Locks the anchor at a path, whether it is there already or not.
    ///
    /// The lock is on a file beside the anchor: the anchor itself is replaced by renaming, which
    /// would leave the lock on a file that is no longer there.
    pub fn lock(path: &Path) -> Result<Self, AnchorError> {
        match files::lock_file(&path.with_extension("lock")) {
            Ok(lock) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(LockError::Io { source, .. }) => {
                Err(AnchorError::Io { path: path.to_owned(), source })
            }
            Err(_) => Err(AnchorError::Locked { path: path.to_owned() }),
        }
    }
}

impl AnchorMedium for AnchorFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        files::replace(&self.path, bytes, Access::Everyone)
    }
}
