//! Private keys on disk: one file each, PKCS#8 PEM, readable by its owner alone.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::durable::{Access, create};

/// Reads a private key in PKCS#8 PEM, and refuses one that others than its owner can read or change.
///
/// # Errors
/// [`KeyFileError::OtherForm`] for the forms in which other programs keep keys: it says how to
/// convert them. Otherwise as [`read_secret`].
pub fn read_private_key(path: &Path) -> Result<String, KeyFileError> {
    let text = read_secret(path)?;
    match KeyForm::of(&text) {
        None => Ok(text),
        Some(form) => Err(KeyFileError::OtherForm { path: path.to_owned(), form }),
    }
}

/// Reads a text that nobody but its owner may know.
///
/// # Errors
/// [`KeyFileError::TooOpen`] when group or others have any permission on the file.
pub fn read_secret(path: &Path) -> Result<String, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // Asked of the open file, not of its name: nobody can exchange it in between.
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
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
pub fn create_private_key(path: &Path, pem: &str) -> Result<(), KeyFileError> {
    create(path, pem.as_bytes(), Access::Owner).map_err(|source| match source.kind() {
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
        "{0} is secret and has mode {mode:04o}, expected 0600: others can read it; fix it with: \
         chmod 600 {0} (and make a new one if anyone may have read it)",
        path.display()
    )]
    TooOpen {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A folder, a device or a file far too large to be a key.
    #[error("{} holds no key: expected a regular file of at most {KEY_FILE_BYTES_MAX} bytes", path.display())]
    NotAKeyFile {
        /// The path.
        path: PathBuf,
    },
    /// A private key, but not in unencrypted PKCS#8.
    #[error(
        "{} {}; expected unencrypted PKCS#8 (\"BEGIN PRIVATE KEY\"); {}",
        path.display(), form.described(), form.conversion(path)
    )]
    OtherForm {
        /// The key file.
        path: PathBuf,
        /// What it holds.
        form: KeyForm,
    },
    /// A new key never replaces an old one.
    #[error("{} exists already and is left as it is: keys are never overwritten", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// The file could not be read or written.
    #[error("cannot read or write the secret file {}", path.display())]
    Io {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl KeyFileError {
    /// Whether there is no such file.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// A form of private key that is not unencrypted PKCS#8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// PKCS#8 under a passphrase (RFC 5958): a server has nobody who could type it.
    Encrypted,
    /// SEC 1, which OpenSSL calls an EC key (RFC 5915).
    Sec1,
    /// PKCS#1: RSA, with which nothing is signed here.
    Rsa,
    /// The form of `ssh-keygen`.
    OpenSsh,
}

impl KeyForm {
    fn of(pem: &str) -> Option<Self> {
        let labels = [
            ("ENCRYPTED PRIVATE KEY", Self::Encrypted),
            ("EC PRIVATE KEY", Self::Sec1),
            ("RSA PRIVATE KEY", Self::Rsa),
            ("OPENSSH PRIVATE KEY", Self::OpenSsh),
        ];
        let is_in =
            |label: &str| pem.lines().any(|line| line == format!("-----BEGIN {label}-----"));
        labels.into_iter().find(|(label, _)| is_in(label)).map(|(_, form)| form)
    }

    const fn described(self) -> &'static str {
        match self {
            Self::Encrypted => "is encrypted with a passphrase (\"BEGIN ENCRYPTED PRIVATE KEY\")",
            Self::Sec1 => "is in the SEC 1 form (\"BEGIN EC PRIVATE KEY\")",
            Self::Rsa => "holds an RSA key (\"BEGIN RSA PRIVATE KEY\")",
            Self::OpenSsh => "is in the form of OpenSSH (\"BEGIN OPENSSH PRIVATE KEY\")",
        }
    }

    /// The command that makes a usable key of it.
    fn conversion(self, path: &Path) -> String {
        let (from, to) = (quoted(path), quoted(&path.with_extension("pkcs8.pem")));
        match self {
            Self::Encrypted | Self::Sec1 => {
                format!("convert it with: (umask 077 && openssl pkey -in {from} -out {to})")
            }
            Self::Rsa => format!(
                "no RSA key signs here; make another with: \
                 (umask 077 && openssl genpkey -algorithm ed25519 -out {to})"
            ),
            Self::OpenSsh => format!(
                "convert a copy of it (Ed25519 needs OpenSSH 9.6 or later) with: \
                 (umask 077 && cp {from} {to} && ssh-keygen -p -N '' -m PKCS8 -f {to})"
            ),
        }
    }
}

/// For a shell, in one word.
fn quoted(path: &Path) -> String {
    let shown = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@".contains(c);
    if shown.chars().all(is_plain) { shown } else { format!("'{}'", shown.replace('\'', r"'\''")) }
}

const OTHERS: u32 = 0o077;
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests;
