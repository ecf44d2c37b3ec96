//! The list of backups that were made: whoever erases something from the log has to know where else
//! it still is.
//!
//! Trusted: no. Losing it: nobody can name the backups any more. May it be rolled back: yes, with
//! the same loss.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Config;

/// One backup that was made, or at least begun.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    /// Its folder. It may have been moved, copied or removed by hand since.
    pub(crate) folder: PathBuf,
    /// When it was made, as RFC 3339.
    pub(crate) made_at: String,
    pub(crate) size: u64,
}

/// The backups that were made of a log, oldest first, without those that `--keep` removed.
pub(crate) fn backups(config: &Config) -> anyhow::Result<Vec<Listed>> {
    Ok(files::read_json(&path(config))?.unwrap_or_default())
}

/// Adds a backup. Done before the backup has its name, so that none is ever missing here.
pub(super) fn remember(config: &Config, backup: Listed) -> anyhow::Result<()> {
    let mut all = backups(config)?;
    all.push(backup);
    write(config, &all)
}

/// Takes a backup off the list, after it was removed.
pub(super) fn forget(config: &Config, folder: &Path) -> anyhow::Result<()> {
    let mut all = backups(config)?;
    all.retain(|it| it.folder != folder);
    write(config, &all)
}

fn write(config: &Config, all: &[Listed]) -> anyhow::Result<()> {
    Ok(files::replace_json(&path(config), &all, files::Access::Everyone)?)
}

fn path(config: &Config) -> PathBuf {
    config.data_dir.join("backup").join("made.json")
}
