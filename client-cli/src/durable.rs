//! Files that must be whole or absent after a crash.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// The owner alone: keys, salts.
    Owner,
    /// Whoever the umask allows.
    Anyone,
}

impl Readers {
    pub(crate) fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Anyone => 0o666,
        }
    }
}

/// Replaces a file: temporary file beside it, fsync, rename, fsync of the folder.
pub(crate) fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    replace_with(path, readers, |file| file.write_all(bytes))
}

/// As [`replace`], for a content too long to hold twice.
pub(crate) fn replace_with(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut Replacement) -> io::Result<()>,
) -> io::Result<()> {
    let mut replacement = Replacement::start(path, readers)?;
    write(&mut replacement)?;
    replacement.finish()
}

/// The new content of a file, which takes its place once it is whole. If it never is, the file stays
/// as it was.
pub(crate) struct Replacement {
    path: PathBuf,
    temporary: PathBuf,
    file: io::BufWriter<File>,
    is_finished: bool,
}

impl Replacement {
    pub(crate) fn start(path: &Path, readers: Readers) -> io::Result<Self> {
        let temporary = beside(path);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(readers.mode())
            .open(&temporary)?;
        let file = io::BufWriter::new(file);
        Ok(Self { path: path.to_owned(), temporary, file, is_finished: false })
    }

    /// Puts it in place, durable.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        std::fs::rename(&self.temporary, &self.path)?;
        self.is_finished = true;
        sync_folder_of(&self.path)
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
        if !self.is_finished {
            // The error that led here is the one to tell; a left-over temporary file harms nobody.
            drop(std::fs::remove_file(&self.temporary));
        }
    }
}

/// Writes a file that must not exist yet.
pub(crate) fn create_new(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(readers.mode()).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_folder_of(path)
}

/// Creates a folder and those above it, each entry synced.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    // Depth is bounded by the length of a path, PATH_MAX.
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => sync_folder_of(folder)?,
        }
    }
    Ok(())
}

/// Syncs the folder that names `path`, so that the name survives a crash too.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/file");
        create_folder(path.parent().unwrap()).unwrap();
        replace(&path, b"one", Readers::Anyone).unwrap();
        replace(&path, b"two", Readers::Anyone).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"one", Readers::Anyone).unwrap();
        let failed =
            replace_with(&path, Readers::Anyone, |_| Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
