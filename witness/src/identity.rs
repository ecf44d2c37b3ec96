//! Who this witness is: one name, one key, made once and never replaced.
//!
//! A cosignature does not cover the name of its signer, so one key must never serve two names: the
//! folder keeps the verifier key, which holds both, beside the private one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use service::{KeyFileError, LockError};
use tlog::{CosignatureSigner, KeyName, SignerError, VerifierKey};

use crate::state;

/// Makes the folder and the key of a new witness, and returns its verifier key.
///
/// # Errors
/// [`IdentityError::Exists`] when the folder has a key: it is left as it is.
pub fn init(dir: &Path, name: KeyName, seed: [u8; 32]) -> Result<VerifierKey, IdentityError> {
    let io = |source| IdentityError::Io { path: dir.to_owned(), source };
    service::create_dir_synced(dir).map_err(io)?;
    let _held = service::lock_folder(dir)?;
    if key_path(dir).try_exists().map_err(io)? {
        return Err(IdentityError::Exists { dir: dir.to_owned() });
    }
    let signer = CosignatureSigner::new(name, seed);
    let vkey = signer.verifier_key();
    state::create(dir).map_err(io)?;
    service::write_atomic(&vkey_path(dir), format!("{vkey}\n").as_bytes()).map_err(io)?;
    // The key comes last: as long as it is missing, a crash in here is repaired by another `init`.
    service::write_private_key(&key_path(dir), &signer.to_pkcs8_pem()?)?;
    Ok(vkey)
}

/// The signer in a folder, after checking that it is the one that `init` made under this name.
///
/// # Errors
/// [`IdentityError::Mismatch`] when name or key are not those the folder was made with.
pub fn open(dir: &Path, name: &KeyName) -> Result<CosignatureSigner, IdentityError> {
    let pem = service::read_private_key(&key_path(dir))?;
    let signer = CosignatureSigner::from_pkcs8_pem(name.clone(), &pem)?;
    let expected = published(dir)?;
    let got = signer.verifier_key();
    if got != expected {
        let (expected, got) = (Box::new(expected), Box::new(got));
        return Err(IdentityError::Mismatch { dir: dir.to_owned(), expected, got });
    }
    Ok(signer)
}

/// The verifier key of the witness in a folder.
///
/// # Errors
/// [`IdentityError`] when it cannot be read.
pub fn published(dir: &Path) -> Result<VerifierKey, IdentityError> {
    let path = vkey_path(dir);
    let text = fs::read_to_string(&path)
        .map_err(|source| IdentityError::Io { path: path.clone(), source })?;
    text.trim_end().parse().map_err(|_| IdentityError::Vkey { path })
}

/// Why there is no signer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// `init` never replaces a key.
    #[error("{} holds a witness already: it is left as it is; `civiclog-witness vkey` prints its key", dir.display())]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// Another process has the folder.
    #[error(transparent)]
    Held(#[from] LockError),
    /// The private key could not be read or written.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The private key is not one.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The verifier key is not one.
    #[error("{} does not hold a verifier key", path.display())]
    Vkey {
        /// The file.
        path: PathBuf,
    },
    /// One key for two names, or another key under the old name.
    #[error("the witness in {} is {expected}, but the configured name with its key is {got}", dir.display())]
    Mismatch {
        /// The folder.
        dir: PathBuf,
        /// Who it was made for.
        expected: Box<VerifierKey>,
        /// Who it would be now.
        got: Box<VerifierKey>,
    },
    /// A file or folder could not be read or made.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

fn key_path(dir: &Path) -> PathBuf {
    dir.join("key.pem")
}

fn vkey_path(dir: &Path) -> PathBuf {
    dir.join("vkey")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> KeyName {
        text.parse().unwrap()
    }

    #[test]
    fn init_makes_a_witness_that_opens_and_refuses_a_second_time() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("deep/witness");
        let vkey = init(&dir, name("w.example/1"), [1; 32]).unwrap();
        let key = fs::read(key_path(&dir)).unwrap();
        let again = init(&dir, name("w.example/1"), [2; 32]);
        assert!(matches!(again, Err(IdentityError::Exists { .. })));
        assert_eq!(fs::read(key_path(&dir)).unwrap(), key);
        assert_eq!(open(&dir, &name("w.example/1")).unwrap().verifier_key(), vkey);
        assert_eq!(published(&dir).unwrap(), vkey);
    }

    #[test]
    fn init_after_a_crash_before_the_key_makes_a_new_witness() {
        let folder = tempfile::tempdir().unwrap();
        init(folder.path(), name("w.example/1"), [1; 32]).unwrap();
        fs::remove_file(key_path(folder.path())).unwrap();
        let vkey = init(folder.path(), name("w.example/1"), [2; 32]).unwrap();
        assert_eq!(open(folder.path(), &name("w.example/1")).unwrap().verifier_key(), vkey);
    }

    #[test]
    fn one_key_never_serves_two_names() {
        let folder = tempfile::tempdir().unwrap();
        init(folder.path(), name("w.example/1"), [1; 32]).unwrap();
        let error = open(folder.path(), &name("w.example/2")).unwrap_err();
        assert!(matches!(error, IdentityError::Mismatch { .. }), "{error}");
    }

    #[test]
    fn a_folder_without_a_witness_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(folder.path(), &name("w.example/1")).is_err());
        fs::write(vkey_path(folder.path()), "nothing").unwrap();
        assert!(matches!(published(folder.path()), Err(IdentityError::Vkey { .. })));
    }

    #[test]
    fn a_folder_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _held = service::lock_folder(folder.path()).unwrap();
        let error = init(folder.path(), name("w.example/1"), [1; 32]).unwrap_err();
        assert!(matches!(error, IdentityError::Held(_)), "{error}");
    }
}
