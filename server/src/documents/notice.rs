//! The notice that a document is no longer served: hidden, or gone for good, and why. The server need
//! not be stopped: each request looks for the notice before it looks for the bytes.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::name::{DocumentId, path_of};
use crate::core::withdrawn::Act;

/// What is said about a document that is not served.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notice {
    pub(crate) sha256: String,
    pub(crate) act: Act,
    /// Since when, as RFC 3339.
    pub(crate) since: String,
    /// The legal ground, a code of `GROUNDS`.
    pub(crate) ground: String,
    /// The reason, for everybody to read.
    pub(crate) because: String,
}

impl Notice {
    /// Reads the notice in a file; `None` when there is no such file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        Ok(files::read_json(path)?)
    }
}

/// Where the notice about a document is, if there is one: beside the document.
pub(crate) fn notice_path(folder: &Path, id: DocumentId) -> PathBuf {
    path_of(folder, id).with_extension(WITHDRAWN)
}

pub(crate) const WITHDRAWN: &str = "withdrawn";
