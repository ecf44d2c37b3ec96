//! Private keys on disk: one file each, PEM, readable by its owner alone.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::durable::write_new;

/// Reads a private key, and refuses one that others than its owner can read or change.
///
/// # Errors
/// [`KeyFileError::TooOpen`] when group or others have any permission on the file.
pub fn read_private_key(path: &Path) -> Result<String, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // Asked of the open file, not of its name: nobody can exchange it in between.
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::TooOpen { path: path.to_owned(), mode });
    }
    if !metadata.is_file() || metadata.len() > KEY_FILE_BYTES_MAX {
        return Err(KeyFileError::NotAKeyFile { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Writes a private key to a new file of mode 0600, durably. Never replaces a file.
///
/// # Errors
/// [`KeyFileError::Exists`] when something has this name.
pub fn write_private_key(path: &Path, pem: &str) -> Result<(), KeyFileError> {
    write_new(path, pem.as_bytes(), 0o600).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
        _ => KeyFileError::Io { path: path.to_owned(), source },
    })
}

/// Why a key file was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Somebody else could read or change the key.
    #[error(
        "the private key {} has mode {mode:04o}, expected 0600: others can read it; `chmod 600` it, \
         and make a new key if anyone may have",
        path.display()
    )]
    TooOpen {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A folder, a device or a file far too large to be a key.
    #[error("{} is not a key file: expected a regular file of at most {KEY_FILE_BYTES_MAX} bytes", path.display())]
    NotAKeyFile {
        /// The path.
        path: PathBuf,
    },
    /// A new key never replaces an old one.
    #[error("{} exists already and is left as it is", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// The file could not be read or written.
    #[error("cannot read or write the private key {}", path.display())]
    Io {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn written_keys_are_private_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write_private_key(&path, "secret").unwrap();
        assert_eq!(read_private_key(&path).unwrap(), "secret");
        assert!(matches!(write_private_key(&path, "other"), Err(KeyFileError::Exists { .. })));
        assert_eq!(read_private_key(&path).unwrap(), "secret");
    }

    #[test]
    fn refuses_keys_that_others_can_read_or_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write_private_key(&path, "secret").unwrap();
        for (mode, accepted) in [(0o400, true), (0o600, true), (0o640, false), (0o602, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_private_key(&path).is_ok(), accepted, "mode {mode:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let message = read_private_key(&path).unwrap_err().to_string();
        assert!(message.contains("0644") && message.contains("chmod 600"), "{message}");
    }

    #[test]
    fn refuses_what_cannot_be_a_key() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(read_private_key(folder.path()), Err(KeyFileError::NotAKeyFile { .. })));
        assert!(matches!(
            read_private_key(&folder.path().join("absent")),
            Err(KeyFileError::Io { .. })
        ));
    }
}
