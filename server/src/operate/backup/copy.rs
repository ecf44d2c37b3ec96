//! Copying files so that a power cut cannot take them back, and summing them up on the way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What a file holds: enough to see whether it still does.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSum {
    /// Below the folder, with slashes.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Says how far a long copy has come.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    done: u64,
    total: u64,
    told: u64,
}

impl Progress {
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        Self { what, done: 0, total, told: 0 }
    }

    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.done - self.told >= TELL_EVERY_BYTES {
            self.told = self.done;
            tracing::info!(bytes = self.done, of = self.total, "{}", self.what);
        }
    }
}

/// Copies a file to a path where there is none. Once it returned, the bytes are on the disk; the
/// name is when the folder was synced.
pub(crate) fn copy_synced(from: &Path, to: &Path, progress: &mut Progress) -> io::Result<FileSum> {
    let mut target = OpenOptions::new().create_new(true).write(true).mode(MODE).open(to)?;
    let sum = sum_of(from, progress, |part| target.write_all(part))?;
    target.sync_all()?;
    Ok(sum)
}

/// Reads a file to its end and sums it up.
pub(crate) fn sum_file(path: &Path, progress: &mut Progress) -> io::Result<FileSum> {
    sum_of(path, progress, |_| Ok(()))
}

fn sum_of(
    path: &Path,
    progress: &mut Progress,
    mut seen: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<FileSum> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    let mut part = vec![0; PART_BYTES];
    loop {
        let length = file.read(&mut part)?;
        if length == 0 {
            break;
        }
        let read = part.get(..length).unwrap_or_default();
        hasher.update(read);
        seen(read)?;
        bytes += length as u64;
        progress.add(length as u64);
    }
    Ok(FileSum { path: String::new(), bytes, sha256: STANDARD.encode(hasher.finalize()) })
}

/// The files of a folder and the folders in it, as paths below it with slashes, sorted.
pub(crate) fn files_below(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut waiting: Vec<(PathBuf, String)> = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = waiting.pop() {
        let reading = || format!("reading the folder {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(reading)? {
            let entry = entry.with_context(reading)?;
            let name = entry.file_name();
            let name = name.to_str().context("a file name that is not UTF-8")?;
            let kind = entry.file_type().with_context(reading)?;
            if kind.is_dir() {
                waiting.push((entry.path(), format!("{prefix}{name}/")));
                continue;
            }
            ensure!(kind.is_file(), "{} is neither a file nor a folder", entry.path().display());
            found.push(format!("{prefix}{name}"));
        }
    }
    found.sort();
    Ok(found)
}

/// Removes a folder that may not be there.
pub(crate) fn remove_folder(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A database holds what only its owner may read.
const MODE: u32 = 0o600;
const PART_BYTES: usize = 1 << 20;
const TELL_EVERY_BYTES: u64 = 256 << 20;
