//! A file with one message in it.

use std::fs::File;
use std::io::BufReader;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::xml::{Broken, Node, Walk};
use crate::error::ImportError;
use crate::format::FormatName;

/// Which message a file holds.
///
/// # Errors
/// It cannot be read, or holds none that is known.
pub fn message_of(path: &Path) -> Result<FormatName, ImportError> {
    MessageFile::open(path)?.message()
}

/// Reads a file to its end and makes nothing of it.
///
/// # Errors
/// It holds another message, or breaks a rule of the reader.
pub(super) fn check(path: &Path, expected: FormatName) -> Result<(), ImportError> {
    let mut file = MessageFile::open(path)?;
    let found = file.message()?;
    if found != expected {
        let (found, expected) = (found.as_str(), expected.as_str());
        let problem = format!("this is a {found}, not a {expected}: --format {found}");
        return Err(ImportError::unusable(path, problem));
    }
    while file.next()?.is_some() {}
    Ok(())
}

/// A file on its way through the reader.
pub(super) struct MessageFile {
    walk: Walk<BufReader<File>>,
    path: PathBuf,
}

impl MessageFile {
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let file = File::open(path).map_err(ImportError::reading(path))?;
        let length = file.metadata().map_err(ImportError::reading(path))?.len();
        if length > FILE_BYTES_MAX {
            let problem = format!("{length} bytes; a message may have {FILE_BYTES_MAX}");
            return Err(ImportError::unusable(path, problem));
        }
        Ok(Self { walk: Walk::new(BufReader::new(file)), path: path.to_owned() })
    }

    fn message(&mut self) -> Result<FormatName, ImportError> {
        let namespace = self.walk.document().map_err(|broken| self.broken(&broken))?;
        message_in(&namespace).map_err(|problem| self.unusable(&problem))
    }

    /// The next place in it; see [`Walk::next`].
    pub(super) fn next(&mut self) -> Result<Option<Node>, ImportError> {
        self.walk.next().map_err(|broken| self.broken(&broken))
    }

    /// The path of the element that the last node is about, below `Document`.
    pub(super) fn element(&self) -> &str {
        self.walk.path()
    }

    /// The line that has been read to.
    pub(super) fn line(&self) -> u64 {
        self.walk.line()
    }

    /// It cannot be read any further.
    pub(super) fn unusable(&self, problem: &dyn std::fmt::Display) -> ImportError {
        ImportError::unusable(&self.path, problem.to_string())
    }

    fn broken(&self, broken: &Broken) -> ImportError {
        self.unusable(&format_args!("line {}: {}", broken.line, broken.words))
    }
}

/// The message of a namespace, in a version of which the names that are read here are known.
fn message_in(namespace: &str) -> Result<FormatName, String> {
    let known = [
        (FormatName::Pain001, "pain.001.001.", PAIN_001_VERSIONS),
        (FormatName::Camt053, "camt.053.001.", CAMT_053_VERSIONS),
    ];
    let name = namespace.rsplit(':').next().unwrap_or_default();
    for (message, prefix, versions) in known {
        let Some(version) = name.strip_prefix(prefix) else { continue };
        let number = version.parse().ok().filter(|_| version.len() == VERSION_DIGITS);
        if number.is_some_and(|number| versions.contains(&number)) {
            return Ok(message);
        }
        let (first, last) = (versions.start(), versions.end());
        return Err(format!(
            "`{name}` is a version that is not known here: {prefix}{first:02} to {last:02}"
        ));
    }
    Err(format!("`{namespace}` is neither a payment order (pain.001) nor a statement (camt.053)"))
}

/// The longest file, in bytes: some hundred thousand transactions.
pub const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The versions whose element names were compared with what is read here.
const PAIN_001_VERSIONS: RangeInclusive<u32> = 3..=12;
const CAMT_053_VERSIONS: RangeInclusive<u32> = 2..=13;
const VERSION_DIGITS: usize = 2;
