//! Why a file cannot be read as a whole.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a file cannot be read as a whole. What is wrong with one row is a [`RowError`].
///
/// All of it is mended outside of the program, in the file or in its map, so each says where it
/// stands and what was expected.
///
/// [`RowError`]: crate::RowError
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The disk failed, or the bytes are of no kind that is read here.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// What the file says makes it no file of its format.
    #[error("{}: {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// In words, with the line where there is one.
        problem: String,
    },
    /// A map is not what a map has to be.
    #[error("the map {} cannot be used", path.display())]
    Map {
        /// The map.
        path: PathBuf,
        /// The cause.
        source: toml::de::Error,
    },
    /// What has to be remembered of the file could not be written or read again.
    #[error("noting the rows of the file")]
    Scratch(#[source] io::Error),
}

impl ImportError {
    /// For `map_err` on what reads this file.
    pub(crate) fn reading(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    /// The file is none of its format.
    pub(crate) fn unusable(path: &Path, problem: impl Into<String>) -> Self {
        Self::Unusable { path: path.to_owned(), problem: problem.into() }
    }
}
