//! Documents that are no longer served: hidden, or gone for good, and why. The server need not be
//! stopped: each request looks for the word before it looks for the bytes.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use service::{Clock, SystemClock};

use super::{DocumentId, WITHDRAWN, path_of};
use crate::config::Config;
use crate::operate::backup;
use crate::operate::withdraw::{Act, check_words};

/// What is said about a document that is not served.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Its name.
    pub sha256: String,
    /// What became of it.
    pub act: Act,
    /// Since when, as RFC 3339.
    pub since: String,
    /// The legal ground.
    pub ground: String,
    /// The reason, for everybody to read.
    pub because: String,
}

/// What is to be withdrawn, and why.
#[derive(Debug)]
pub struct Order<'a> {
    /// The document.
    pub id: DocumentId,
    /// Hide it, or remove its bytes as well.
    pub act: Act,
    /// The legal ground, a code of [`crate::operate::withdraw::GROUNDS`].
    pub ground: &'a str,
    /// The reason.
    pub because: &'a str,
}

/// A document that was withdrawn, for standard output.
#[derive(Debug, Serialize)]
pub struct Withdrawn {
    /// What readers are told.
    #[serde(flatten)]
    said: Said,
    /// The backups that hold it: where else it is.
    backups: Vec<backup::Listed>,
}

/// Withdraws a document. The word is on the disk before the bytes go; repeating it changes nothing but
/// that what was hidden can be erased.
///
/// # Errors
/// When the log never had it, or the disk refused.
pub fn withdraw(config: &Config, order: &Order<'_>) -> anyhow::Result<Withdrawn> {
    check_words(order.ground, order.because)?;
    let folder = config.documents_dir();
    let path = path_of(&folder, order.id);
    let before = read(&folder, order.id)?;
    ensure!(
        before.is_some() || path.try_exists().context("looking for the document")?,
        "there is no document {}",
        order.id
    );
    let said = match before {
        Some(said) if said.act >= order.act => said,
        _ => {
            let said = Said {
                sha256: order.id.to_string(),
                act: order.act,
                since: records::format_millis(SystemClock::new().unix_millis()),
                ground: order.ground.to_owned(),
                because: order.because.to_owned(),
            };
            let word = word_of(&folder, order.id);
            files::replace_json(&word, &said, files::Access::Everyone)?;
            said
        }
    };
    if said.act == Act::Erased {
        remove(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    let backups = backup::holding(config, order.id)?;
    Ok(Withdrawn { said, backups })
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    files::sync_folder(files::folder_of(path))
}

/// What is said about a document, if it was withdrawn.
pub(super) fn read(folder: &Path, id: DocumentId) -> anyhow::Result<Option<Said>> {
    Ok(files::read_json(&word_of(folder, id))?)
}

fn word_of(folder: &Path, id: DocumentId) -> PathBuf {
    path_of(folder, id).with_extension(WITHDRAWN)
}
