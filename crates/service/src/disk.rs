//! How much room a disk has left, behind a trait, so that a test need not fill one.

use std::fmt;
use std::io;
use std::path::Path;

/// Says how many bytes may still be written where a path is.
pub trait FreeSpace: fmt::Debug + Send + Sync {
    /// What is left for this process on the file system that holds `path`, in bytes.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// The file systems of this machine. Asking costs about a microsecond and reads no disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystems;

impl FreeSpace for FileSystems {
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let told = rustix::fs::statvfs(path)?;
        // What is kept back for root is of no use here: `f_bavail`, and not `f_bfree`.
        Ok(told.f_bavail.saturating_mul(told.f_frsize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_room_and_a_missing_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(FileSystems.free_bytes(folder.path()).unwrap() > 0);
        let error = FileSystems.free_bytes(&folder.path().join("none")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
