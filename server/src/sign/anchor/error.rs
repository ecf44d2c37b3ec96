//! What can be wrong with an anchor.

use std::path::PathBuf;

use tlog::TreeSize;

/// Why the anchor could not be read or moved. Each of them stops the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// There is no anchor: this is not a log's whole data, or `init` did not finish.
    #[error(
        "there is no anchor at {path}: without it nobody can tell whether the database is the \
         newest one, so the log may not sign; put the anchor back, or see the runbook"
    )]
    Missing { path: PathBuf },
    /// An anchor is there already.
    #[error("there is an anchor at {path} already: this log was created before")]
    Exists { path: PathBuf },
    /// Another process holds the anchor.
    #[error("another process holds the anchor {path}: a log has one server")]
    Locked { path: PathBuf },
    /// The file is not an anchor of this log.
    #[error("the anchor {path} cannot be used: {because}")]
    Unusable {
        path: PathBuf,
        /// What was expected and what was found.
        because: &'static str,
    },
    /// A write of this process failed before, so what is there is unknown.
    #[error("an earlier write of the anchor failed; only a restart can tell what it holds")]
    Unknown,
    /// The anchor does not hold the head it was left with.
    #[error(
        "the anchor holds a tree of {found} entries where this process left one of {expected}: \
         something else wrote it"
    )]
    Moved {
        /// The size this process wrote last.
        expected: TreeSize,
        found: TreeSize,
    },
    /// Reading or writing failed; whether a write took effect is unknown.
    #[error("reading or writing the anchor {path}")]
    Io {
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
}
