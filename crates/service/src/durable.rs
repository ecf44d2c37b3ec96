//! Files that survive a power cut.
//!
//! A file's bytes and its name are two things, each with its own fsync: the second one is that of the
//! folder. When a function here fails, the change may or may not be on disk. The caller must read the
//! file back or stop; it must not guess.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Puts `bytes` at `path`, in place of what is there, in one step.
///
/// A reader sees the old bytes or the new ones, never a mixture, and after the call has returned a
/// power cut cannot bring the old ones back. Only one caller at a time may write a given path. A
/// crash can leave `.<name>.tmp` beside it, which the next write replaces.
///
/// # Errors
/// What the operating system said. The state on disk is then unknown: old or new.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    write_synced(&temporary, bytes, MODE_PUBLIC)?;
    fs::rename(&temporary, path)?;
    sync_folder(folder_of(path))
}

/// Makes a file that did not exist, with these bytes and this mode, in one step.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when something has this name; it is left alone.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    write_synced(&temporary, bytes, mode)?;
    // Unlike a rename, a link never replaces; unlike `create_new`, a crash leaves no half of a file.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    linked?;
    sync_folder(folder_of(path))
}

/// Makes a folder and those above it, each synced into the one that holds it. New folders can be
/// entered by their owner alone.
///
/// # Errors
/// What the operating system said.
pub fn create_dir_synced(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
        .collect();
    for folder in missing.into_iter().rev() {
        match DirBuilder::new().mode(MODE_FOLDER).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            made => made?,
        }
        sync_folder(folder_of(folder))?;
    }
    Ok(())
}

/// Makes the names in a folder durable: what was created, renamed or removed there.
///
/// # Errors
/// What the operating system said.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Takes a folder for this process alone, by an exclusive lock on the file `lock` in it.
///
/// The lock ends with the process, however that ends; the file stays.
///
/// # Errors
/// [`LockError::Held`] when another holder has it.
pub fn lock_folder(folder: &Path) -> Result<FolderLock, LockError> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(MODE_PRIVATE)
        .open(&path)
        .map_err(|source| LockError::Io { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(LockError::Held { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(LockError::Io { path, source }),
    }
}

/// A folder held by this process. Dropping it gives the folder back.
#[derive(Debug)]
#[must_use = "the folder is free again as soon as this is dropped"]
pub struct FolderLock {
    _file: File,
}

/// Why a folder could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process, or another part of this one, holds it.
    #[error("the folder {} is in use by another process", folder.display())]
    Held {
        /// The folder.
        folder: PathBuf,
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

/// The folder that holds `path`.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "expected a path with a file name",
        ));
    };
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(".tmp");
    Ok(path.with_file_name(temporary))
}

fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // A left-over of a crash may have another mode, so it goes first and the new file gets ours.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

const MODE_PUBLIC: u32 = 0o644;
const MODE_PRIVATE: u32 = 0o600;
const MODE_FOLDER: u32 = 0o700;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn write_atomic_replaces_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn write_atomic_replaces_the_leftover_of_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".a.tmp"), "half a fi").unwrap();
        write_atomic(&folder.path().join("a"), b"whole").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn write_atomic_fails_without_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_atomic(&folder.path().join("gone/a"), b"x").is_err());
        assert!(write_atomic(Path::new("/"), b"x").is_err());
    }

    #[test]
    fn write_new_never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_new(&path, b"one", 0o600).unwrap();
        let error = write_new(&path, b"two", 0o600).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn create_dir_synced_makes_all_levels_and_accepts_existing_ones() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        create_dir_synced(&deep).unwrap();
        create_dir_synced(&deep).unwrap();
        assert!(deep.is_dir());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(create_dir_synced(&folder.path().join("file/below")).is_err());
    }

    #[test]
    fn a_folder_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock_folder(folder.path()).unwrap();
        assert!(matches!(lock_folder(folder.path()), Err(LockError::Held { .. })));
        drop(held);
        let _again = lock_folder(folder.path()).unwrap();
    }
}
