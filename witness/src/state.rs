//! What a witness remembers: of each log the last checkpoint it cosigned, in a file of its own.
//!
//! ```text
//! DIR/lock            held for the life of the process
//! DIR/key.pem  vkey   see `identity`
//! DIR/evidence        see `evidence`
//! DIR/cosigned-logs   the origins that have a file below, one a line
//! DIR/state/<sha256 of the origin, hexadecimal>
//!     civiclog-witness state v1
//!     <verifier key of this witness>
//!     <the checkpoint, with the signatures of the log and of this witness>
//! ```
//!
//! Nothing here may be lost or go back: a witness that forgets can be made to sign a second history.
//! So a file that was altered, that is by another key or that is missing stops the witness from
//! starting. One thing cannot be recognised from inside: the whole folder put back to an older copy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, anyhow, bail, ensure};
use files::{Access, FileLock};
use tlog::{Note, Origin, VerifierKey};

use crate::decide::{Cosigned, Logs};

/// Replaces the file at a path, durably. An argument, so that a test can let it fail.
pub type DurableWrite = Arc<dyn Fn(&Path, &[u8]) -> io::Result<()> + Send + Sync>;

/// What a witness writes with outside tests: all it keeps may be shown to everybody.
pub fn durable_write() -> DurableWrite {
    Arc::new(|path: &Path, bytes: &[u8]| files::replace(path, bytes, Access::Everyone))
}

/// The folder, held by this process alone.
pub struct StateFolder {
    dir: PathBuf,
    own_keys: Vec<VerifierKey>,
    durable_write: DurableWrite,
    /// The content of `cosigned-logs`. Taken after the lock of a log, never before one.
    cosigned_logs: Mutex<BTreeSet<Origin>>,
    _lock: FileLock,
}

impl StateFolder {
    /// Takes the folder and reads and verifies every file in it.
    ///
    /// # Errors
    /// When another process has the folder, or when any file is not exactly what a witness with this
    /// key would have left there.
    pub fn open(
        dir: &Path,
        own_keys: Vec<VerifierKey>,
        logs: &Logs,
        durable_write: DurableWrite,
    ) -> anyhow::Result<(Self, BTreeMap<Origin, Cosigned>)> {
        let lock = files::lock_folder(dir)?;
        let (listed, cosigned) = read(dir, &own_keys, logs)?;
        let cosigned_logs = Mutex::new(listed);
        let folder =
            Self { dir: dir.to_owned(), own_keys, durable_write, cosigned_logs, _lock: lock };
        // A crash between a log's first file and its line in the list leaves it unlisted.
        for origin in cosigned.keys() {
            folder.list(origin)?;
        }
        Ok((folder, cosigned))
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes `cosigned` what is remembered of its log. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// What is on disk is then unknown, so nothing may be signed for this log until the folder was
    /// opened anew.
    pub fn save(&self, cosigned: &Cosigned) -> anyhow::Result<()> {
        let bytes = encode(&self.own_keys, cosigned);
        // Read back what is about to be written: a bit that flipped must not end up on disk, where
        // it would stop the next start.
        let read = decode(&bytes, &self.own_keys, None).context("reading back what was decided")?;
        assert_eq!(&read, cosigned, "what is written is what was decided");
        self.write(&state_path(&self.dir, cosigned.origin()), &bytes)?;
        self.list(cosigned.origin())
    }

    /// A listed log without a file is a loss that can be recognised at the next start.
    fn list(&self, origin: &Origin) -> anyhow::Result<()> {
        let mut listed =
            self.cosigned_logs.lock().map_err(|_| anyhow!("an earlier change did not end"))?;
        if listed.contains(origin) {
            return Ok(());
        }
        let mut text = String::new();
        for origin in listed.iter().chain([origin]) {
            text.push_str(origin.as_str());
            text.push('\n');
        }
        self.write(&list_path(&self.dir), text.as_bytes())?;
        listed.insert(origin.clone());
        Ok(())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        (self.durable_write)(path, bytes).with_context(|| format!("writing {}", path.display()))
    }
}

/// Makes what `open` expects in the folder of a new witness.
pub fn create(dir: &Path) -> io::Result<()> {
    files::create_folder(&states_path(dir), Access::Owner)?;
    files::replace(&list_path(dir), b"", Access::Everyone)
}

/// Reads and verifies all that is remembered; changes nothing and takes no lock, so it may be asked
/// beside a running witness.
pub fn read(
    dir: &Path,
    own_keys: &[VerifierKey],
    logs: &Logs,
) -> anyhow::Result<(BTreeSet<Origin>, BTreeMap<Origin, Cosigned>)> {
    // The list first: a running witness writes it last.
    let listed = read_list(&list_path(dir))?;
    let cosigned = read_all(&states_path(dir), own_keys, logs)?;
    if let Some(lost) = listed.iter().find(|origin| !cosigned.contains_key(*origin)) {
        bail!(
            "{} is missing: it held the last checkpoint cosigned of {lost}; without it this \
             witness could be made to sign a second history",
            state_path(dir, lost).display()
        );
    }
    Ok((listed, cosigned))
}

fn read_list(path: &Path) -> anyhow::Result<BTreeSet<Origin>> {
    let reading = || format!("reading the list of logs {}", path.display());
    let text = fs::read_to_string(path).with_context(reading)?;
    text.lines().map(|line| line.parse().with_context(reading)).collect()
}

fn read_all(
    states: &Path,
    own_keys: &[VerifierKey],
    logs: &Logs,
) -> anyhow::Result<BTreeMap<Origin, Cosigned>> {
    let reading = |path: &Path| format!("reading {}", path.display());
    let mut all = BTreeMap::new();
    for file in fs::read_dir(states).with_context(|| reading(states))? {
        let file = file.with_context(|| reading(states))?;
        let (path, name) = (file.path(), file.file_name());
        // A write that a crash cut short; it never counted.
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| reading(&path))?;
        let cosigned = decode(&bytes, own_keys, Some(logs)).with_context(|| {
            format!("{} is not what this witness would have written", path.display())
        })?;
        let origin = cosigned.origin().clone();
        ensure!(
            name == origin.sha256_hex().as_str(),
            "{} is about {origin}, whose file has another name",
            path.display()
        );
        if !logs.contains_key(&origin) {
            tracing::warn!(%origin, "cosigned before, not configured now");
        }
        all.insert(origin, cosigned);
    }
    Ok(all)
}

fn encode(own_keys: &[VerifierKey], cosigned: &Cosigned) -> Vec<u8> {
    format!("{HEADER}\n{}\n{}", main_key(own_keys), cosigned.note()).into_bytes()
}

/// The first key stands for the witness.
fn main_key(own_keys: &[VerifierKey]) -> String {
    own_keys.first().map(ToString::to_string).unwrap_or_default()
}

fn decode(bytes: &[u8], own_keys: &[VerifierKey], logs: Option<&Logs>) -> anyhow::Result<Cosigned> {
    let (header, rest) = cut_line(std::str::from_utf8(bytes)?)?;
    ensure!(header == HEADER, "expected the first line to be `{HEADER}`");
    let (written_by, note) = cut_line(rest)?;
    ensure!(written_by == main_key(own_keys), "it is by the witness {written_by}");
    let note = Note::parse(note.as_bytes())?;
    // Which log it is about is known only once the text is read; its keys are looked up by that.
    let keys = logs.and_then(|logs| {
        let origin: Origin = note.text().lines().next()?.parse().ok()?;
        logs.get(&origin).map(|log| log.keys.as_slice())
    });
    let cosigned = Cosigned::verify(note, own_keys, keys)?;
    ensure!(encode(own_keys, &cosigned) == bytes, "it is not in the form in which it was written");
    Ok(cosigned)
}

fn cut_line(text: &str) -> anyhow::Result<(&str, &str)> {
    text.split_once('\n').context("it ends too early")
}

fn list_path(dir: &Path) -> PathBuf {
    dir.join("cosigned-logs")
}

fn states_path(dir: &Path) -> PathBuf {
    dir.join("state")
}

fn state_path(dir: &Path, origin: &Origin) -> PathBuf {
    states_path(dir).join(origin.sha256_hex())
}

const HEADER: &str = "civiclog-witness state v1";

#[cfg(test)]
mod tests;
