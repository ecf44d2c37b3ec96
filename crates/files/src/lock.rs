//! One holder at a time: a lock on a file, held as long as a value lives.
//!
//! The lock ends with the process, however that ends; the file stays. It is never the file that is
//! replaced: a renaming would leave the lock on a file that has no name any more.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::durable::Access;

/// Takes a folder for this process alone, by an exclusive lock on the file `lock` in it.
pub fn lock_folder(folder: &Path) -> Result<FileLock, LockError> {
    lock_file(&folder.join("lock")).map_err(|error| match error {
        LockError::Held { .. } => LockError::Held { path: folder.to_owned() },
        LockError::Io { .. } => error,
    })
}

/// Takes the lock file at `path`, which is made if it is not there.
///
/// # Errors
/// [`LockError::Held`] when another holder has it.
pub fn lock_file(path: &Path) -> Result<FileLock, LockError> {
    let io_error = |source| LockError::Io { path: path.to_owned(), source };
    let file = open(path).map_err(io_error)?;
    match file.try_lock() {
        Ok(()) => Ok(FileLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(LockError::Held { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io_error(source)),
    }
}

/// As [`lock_file`], but waits until the other holder is done.
pub fn wait_for_lock(path: &Path) -> Result<FileLock, LockError> {
    let locked = open(path).and_then(|file| file.lock().map(|()| FileLock { _file: file }));
    locked.map_err(|source| LockError::Io { path: path.to_owned(), source })
}

/// A lock held by this process. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "the lock is free again as soon as this is dropped"]
pub struct FileLock {
    _file: File,
}

/// Why something could not be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process, or another part of this one, holds it.
    #[error("{} is in use by another process", path.display())]
    Held {
        /// The folder or the lock file.
        path: PathBuf,
    },
    /// The lock file could not be opened or locked.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(Access::Owner.mode()).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock_folder(folder.path()).unwrap();
        let error = lock_folder(folder.path()).unwrap_err();
        assert!(matches!(&error, LockError::Held { path } if path == folder.path()), "{error}");
        drop(held);
        let _again = lock_folder(folder.path()).unwrap();
    }

    #[test]
    fn one_that_waits_gets_the_lock_when_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let held = lock_file(&path).unwrap();
        let waiting = {
            let path = path.clone();
            std::thread::spawn(move || wait_for_lock(&path).is_ok())
        };
        drop(held);
        assert!(waiting.join().unwrap());
    }
}
