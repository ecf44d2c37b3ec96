//! Files that survive a power cut.
//!
//! A file's bytes and its name are two things, each with its own fsync: the second one is that of the
//! folder. When a function here fails, the change may or may not be on disk. The caller must read the
//! file back or stop; it must not guess.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Puts `bytes` at `path`, in place of what is there, in one step.
///
/// A reader sees the old bytes or the new ones, never a mixture, and after the call has returned a
/// power cut cannot bring the old ones back.
///
/// # Errors
/// As [`Replacement::start`] and [`Replacement::finish`].
pub fn replace(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    replace_with(path, access, |file| file.write_all(bytes))
}

/// As [`replace`], for a content too long to hold.
///
/// # Errors
/// As [`replace`]; what `write` returned, and the old bytes are still there.
pub fn replace_with(
    path: &Path,
    access: Access,
    write: impl FnOnce(&mut Replacement) -> io::Result<()>,
) -> io::Result<()> {
    let mut replacement = Replacement::start(path, access)?;
    write(&mut replacement)?;
    replacement.finish()
}

/// Makes a file that did not exist, in one step.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when something has this name; it is left alone.
pub fn create(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut replacement = Replacement::start(path, access)?;
    replacement.write_all(bytes)?;
    replacement.finish_new()
}

/// Makes a folder and those above it, each synced into the one that holds it.
pub fn create_folder(path: &Path, access: Access) -> io::Result<()> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
        .collect();
    for folder in missing.into_iter().rev() {
        match DirBuilder::new().mode(access.folder_mode()).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            made => made?,
        }
        sync_folder(folder_of(folder))?;
    }
    Ok(())
}

/// Makes the names in a folder durable: what was created, renamed or removed there.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder that holds `path`; `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Who may read a new file or enter a new folder. The umask takes away from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner alone: keys, salts, databases.
    Owner,
    /// Everybody; only its owner may change it.
    Everyone,
    /// Whatever the umask allows, also changing it: what a person asked a program to write.
    Umask,
}

impl Access {
    /// The mode of a file.
    pub const fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everyone => 0o644,
            Self::Umask => 0o666,
        }
    }

    const fn folder_mode(self) -> u32 {
        match self {
            Self::Owner => 0o700,
            Self::Everyone => 0o755,
            Self::Umask => 0o777,
        }
    }
}

/// The new content of a file, which takes its name once it is whole.
///
/// It grows in `.<name>.tmp` beside the file. Dropped before it is finished, it is removed; a crash can
/// leave it behind, and the next write removes it.
#[derive(Debug)]
pub struct Replacement {
    path: PathBuf,
    temporary: PathBuf,
    /// Locked, so that a second writer of this name cannot take the temporary file for a left-over.
    file: BufWriter<File>,
    is_in_place: bool,
}

impl Replacement {
    /// Begins a new content for `path`.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] while another process or thread writes the same file.
    pub fn start(path: &Path, access: Access) -> io::Result<Self> {
        let temporary = temporary_beside(path)?;
        remove_leftover(&temporary)?;
        let mut new = OpenOptions::new();
        let file = match new.create_new(true).write(true).mode(access.mode()).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(busy(path)),
            opened => opened?,
        };
        if !holds(&file, &temporary)? {
            return Err(busy(path));
        }
        let file = BufWriter::new(file);
        Ok(Self { path: path.to_owned(), temporary, file, is_in_place: false })
    }

    /// Puts it in place of what is there, durably.
    ///
    /// # Errors
    /// What the operating system said. The state on disk is then unknown: old or new.
    pub fn finish(mut self) -> io::Result<()> {
        self.sync()?;
        fs::rename(&self.temporary, &self.path)?;
        self.is_in_place = true;
        sync_folder(folder_of(&self.path))
    }

    /// Puts it in place, durably, where nothing is yet.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when something has this name; it is left alone.
    pub fn finish_new(mut self) -> io::Result<()> {
        self.sync()?;
        // Unlike a rename, a link never replaces; unlike `create_new`, a crash leaves no half of a file.
        match fs::hard_link(&self.temporary, &self.path) {
            Err(error) if has_no_links(&error) => {
                let (from, to) = (&self.temporary, &self.path);
                renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?;
            }
            linked => {
                linked?;
                fs::remove_file(&self.temporary)?;
            }
        }
        self.is_in_place = true;
        sync_folder(folder_of(&self.path))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.is_in_place {
            // The error that led here is the one to tell; the next write removes what is left.
            let _ = fs::remove_file(&self.temporary);
        }
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

/// Removes the temporary file of a crash. It may have another mode, so it is not used again.
fn remove_leftover(temporary: &Path) -> io::Result<()> {
    let leftover = match File::open(temporary) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    // Whoever writes it holds its lock; what has no holder has no writer.
    if holds(&leftover, temporary)? { fs::remove_file(temporary) } else { Err(busy(temporary)) }
}

/// Locks an open file, and says whether this caller has it and it still has its name.
fn holds(file: &File, path: &Path) -> io::Result<bool> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(false),
        // Some network file systems know no locks: there only one process may write a file.
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
            return Err(error);
        }
        _ => {}
    }
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn busy(path: &Path) -> io::Error {
    let words = format!("{} is being written by somebody else", path.display());
    io::Error::new(io::ErrorKind::ResourceBusy, words)
}

/// What memory sticks and some network folders answer to `link`.
fn has_no_links(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn files_in(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn replace_replaces_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, b"one", Access::Everyone).unwrap();
        replace(&path, b"two", Access::Everyone).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(files_in(folder.path()), 1);
    }

    #[test]
    fn replace_removes_the_leftover_of_a_crash_whatever_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let leftover = folder.path().join(".a.tmp");
        fs::write(&leftover, "half a fi").unwrap();
        fs::set_permissions(&leftover, fs::Permissions::from_mode(0o666)).unwrap();
        let path = folder.path().join("a");
        replace(&path, b"whole", Access::Owner).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(files_in(folder.path()), 1);
    }

    #[test]
    fn replace_fails_without_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(replace(&folder.path().join("gone/a"), b"x", Access::Owner).is_err());
        assert!(replace(Path::new("/"), b"x", Access::Owner).is_err());
    }

    #[test]
    fn create_never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        create(&path, b"one", Access::Owner).unwrap();
        let error = create(&path, b"two", Access::Owner).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(files_in(folder.path()), 1);
    }

    #[test]
    fn a_write_that_fails_or_never_ends_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let mut failing = Replacement::start(&path, Access::Owner).unwrap();
        failing.write_all(b"half").unwrap();
        drop(failing);
        assert_eq!(files_in(folder.path()), 0);

        let mut crashing = Replacement::start(&path, Access::Owner).unwrap();
        crashing.write_all(b"half").unwrap();
        crashing.flush().unwrap();
        // What a killed process leaves: the lock goes with it, the temporary file stays.
        crashing.file.get_ref().unlock().unwrap();
        std::mem::forget(crashing);
        assert!(!path.exists());
        create(&path, b"whole", Access::Owner).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(files_in(folder.path()), 1);
    }

    #[test]
    fn two_writers_of_one_file_cannot_mix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut first = Replacement::start(&path, Access::Umask).unwrap();
        first.write_all(b"first").unwrap();
        let second = replace(&path, b"second", Access::Umask).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
        first.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        replace(&path, b"second", Access::Umask).unwrap();
    }

    #[test]
    fn create_folder_makes_all_levels_and_accepts_existing_ones() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        create_folder(&deep, Access::Owner).unwrap();
        create_folder(&deep, Access::Owner).unwrap();
        assert_eq!(fs::metadata(&deep).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(create_folder(&folder.path().join("file/below"), Access::Owner).is_err());
    }
}
