//! State as one JSON document, replaced as a whole.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::durable::{Access, replace};

/// Reads a document; `None` when there is no such file.
///
/// # Errors
/// [`JsonError::Format`] when it is not what `T` expects; any other failure to read is never "absent".
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, JsonError> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|source| JsonError::Io { path: path.to_owned(), source })?,
    };
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|source| JsonError::Format { path: path.to_owned(), source })
}

/// Replaces a document, durably, indented and with a line feed at its end.
///
/// # Errors
/// [`JsonError::Io`]: the old document or the new one is there.
pub fn replace_json<T: Serialize>(path: &Path, value: &T, access: Access) -> Result<(), JsonError> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|source| JsonError::Format { path: path.to_owned(), source })?;
    text.push('\n');
    replace(path, text.as_bytes(), access)
        .map_err(|source| JsonError::Io { path: path.to_owned(), source })
}

/// Why a document was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The file could not be read or written.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// It is not JSON, or JSON of another shape.
    #[error("{} is not the JSON that was expected", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and where.
        #[source]
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_it_was_written_and_damage_is_never_absence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        assert_eq!(read_json::<Vec<u64>>(&path).unwrap(), None);
        replace_json(&path, &[1_u64, 2], Access::Owner).unwrap();
        assert_eq!(read_json::<Vec<u64>>(&path).unwrap(), Some(vec![1, 2]));
        std::fs::write(&path, "[1, ").unwrap();
        assert!(matches!(read_json::<Vec<u64>>(&path), Err(JsonError::Format { .. })));
        assert!(matches!(read_json::<Vec<u64>>(folder.path()), Err(JsonError::Io { .. })));
    }
}
