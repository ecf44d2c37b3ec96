//! Who brought which document, and how much room each submitter has taken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::name::DocumentId;

/// The ledger: one line for each document, `<sha256> <bytes> <submitter> <time>`, only ever added to.
#[derive(Debug)]
pub(super) struct Ledger {
    file: File,
    /// Where the next line goes.
    end: u64,
    /// Bytes of each submitter's documents, those under way included.
    taken: BTreeMap<String, u64>,
}

impl Ledger {
    /// Opens or makes it. A last line that is not whole was never answered for, and is cut off.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let reading = || format!("the ledger of documents {}", path.display());
        let is_new = !path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(reading)?;
        if is_new {
            files::sync_folder(files::folder_of(path)).with_context(reading)?;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(reading)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut taken = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (number, line) in text[..whole].lines().enumerate() {
            let line = parse(line);
            ensure!(line.is_some(), "{}: line {} is damaged", reading(), number + 1);
            if let Some((id, size, submitter)) = line
                && seen.insert(id)
            {
                *taken.entry(submitter.to_owned()).or_default() += size;
            }
        }
        Ok(Self { file, end: whole as u64, taken })
    }

    /// Takes room for a document that is on its way, if there is as much.
    pub(super) fn reserve(&mut self, submitter: &str, size: u64, bytes_max: u64) -> bool {
        let taken = self.taken.entry(submitter.to_owned()).or_default();
        let fits = taken.checked_add(size).filter(|it| *it <= bytes_max);
        fits.inspect(|it| *taken = *it).is_some()
    }

    /// Gives the room back that a document had taken which did not come.
    pub(super) fn release(&mut self, submitter: &str, size: u64) {
        if let Some(taken) = self.taken.get_mut(submitter) {
            *taken = taken.saturating_sub(size);
        }
    }

    /// Writes down a document that came, synced.
    pub(super) fn add(
        &mut self,
        id: DocumentId,
        size: u64,
        submitter: &str,
        now: &str,
    ) -> std::io::Result<()> {
        let line = format!("{id} {size} {submitter} {now}\n");
        // A write that failed may have left a part of its line behind.
        self.file.set_len(self.end)?;
        self.file.write_all_at(line.as_bytes(), self.end)?;
        self.file.sync_data()?;
        self.end += line.len() as u64;
        Ok(())
    }
}

fn parse(line: &str) -> Option<(DocumentId, u64, &str)> {
    let mut parts = line.split(' ');
    let id = parts.next()?.parse().ok()?;
    let size = parts.next()?.parse().ok()?;
    let submitter = parts.next()?;
    Some((id, size, submitter)).filter(|_| parts.next().is_some() && parts.next().is_none())
}
