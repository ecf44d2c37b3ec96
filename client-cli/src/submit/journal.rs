//! The journal: what was signed, byte for byte, before it is sent.
//!
//! A row sealed twice is two records, for its salts are fresh. So each submission is made durable
//! here first, and a re-run sends these bytes again. **Trusted**: it holds the only copy of the
//! values that a submitter sealed for itself; back it up. Rolling it back costs those values for
//! the rows since, and the answer whether a row with personal values, which the log holds and
//! does not show, is unchanged. All other rows are recognised by reading the log.
//!
//! ```text
//! civiclog-journal 1 <origin> <submitter>⏎
//! batch <bytes of the lines> <SHA-256 of the lines, hex>⏎
//! {"object":…,"rev":0,"submission":"…","kept":[…]}⏎      one per submission
//! {"object":…,"rev":0,"refused":"E06"}⏎                  the log refused it: forget it
//! batch …
//! ```
//! A batch is appended and fsynced as one, before any of it is sent. So a damaged *last* batch was
//! never sent and is cut off; damage before it is not ours to repair.
//!
//! It grows with every file for ever, so it is read batch by batch, and where its lines are is noted in
//! a [`Scratch`].

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use files::Access;
use import::scratch::{Scratch, Table};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tlog::Hash;

/// What the journal holds for one revision of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The canonical submission.
    pub(crate) submission: Vec<u8>,
    /// Disclosures that the log never saw.
    pub(crate) disclosures: Vec<String>,
}

/// Why the journal cannot be used.
#[derive(Debug, Error)]
pub(crate) enum JournalError {
    #[error("reading or writing the journal {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("another `civiclog submit` is using the journal {path}; wait for it to end")]
    InUse { path: PathBuf },
    #[error(
        "the journal {path} is not one of {origin} and {submitter}: it begins with `{found}`; \
         name another with --journal"
    )]
    OfAnother { path: PathBuf, origin: String, submitter: String, found: String },
    #[error(
        "the journal {path} is damaged at byte {offset}, before its last batch; restore it from a \
         backup, or move it away: rows that the log holds are then recognised by reading the log"
    )]
    Damaged { path: PathBuf, offset: u64 },
}

/// An open journal, locked against a second process.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Where the next batch goes.
    end: u64,
    /// Where each line that still counts is: [`Extent`]s by [`key`].
    lines: Scratch,
}

#[derive(Debug, Clone, Copy)]
struct Extent {
    offset: u64,
    len: usize,
}

struct Batch {
    body_at: u64,
    body: Vec<u8>,
}

impl Extent {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.offset.to_be_bytes());
        bytes[8..].copy_from_slice(&as_offset(self.len).to_be_bytes());
        bytes
    }

    /// # Panics
    /// If [`Extent::to_bytes`] did not make them.
    fn parse(bytes: &[u8]) -> Self {
        let (offset, len) = bytes.split_first_chunk().expect("an extent");
        let len = u64::from_be_bytes(*len.first_chunk().expect("an extent"));
        let len = usize::try_from(len).expect("it was one");
        Self { offset: u64::from_be_bytes(*offset), len }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    object: String,
    rev: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    submission: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

impl Journal {
    /// Opens or creates the journal of one submitter at one log.
    pub(crate) fn open(path: &Path, origin: &str, submitter: &str) -> Result<Self, JournalError> {
        let io_error = |source| JournalError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            files::create_folder(folder, Access::Umask).map_err(io_error)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(Access::Owner.mode())
            .open(path)
            .map_err(io_error)?;
        file.try_lock().map_err(|_| JournalError::InUse { path: path.to_owned() })?;
        let header = format!("civiclog-journal 1 {origin} {submitter}\n");
        let found = read_at_most(&file, 0, header.len()).map_err(io_error)?;
        if found != header.as_bytes() {
            // A crash right after creation leaves a part of the header; nothing was sent then.
            let is_cut_off = header.as_bytes().starts_with(&found);
            if !is_cut_off || len_of(&file).map_err(io_error)? != as_offset(found.len()) {
                return Err(JournalError::OfAnother {
                    path: path.to_owned(),
                    origin: origin.to_owned(),
                    submitter: submitter.to_owned(),
                    found: first_line(&file).map_err(io_error)?,
                });
            }
            file.set_len(0).map_err(io_error)?;
            file.write_all_at(header.as_bytes(), 0).map_err(io_error)?;
            file.sync_all().map_err(io_error)?;
            files::sync_folder(files::folder_of(path)).map_err(io_error)?;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let lines = Scratch::in_folder(folder.unwrap_or(Path::new("."))).map_err(io_error)?;
        let end = as_offset(header.len());
        let mut journal = Self { path: path.to_owned(), file, end, lines };
        journal.load()?;
        Ok(journal)
    }

    /// What is journalled for a revision and still counts.
    pub(crate) fn kept(&self, object: &str, rev: u32) -> Result<Option<Kept>, JournalError> {
        let extent = self.lines.get(LINES, &key(object, rev));
        match extent.map_err(|e| self.io_error(e))? {
            Some(extent) => self.read(Extent::parse(&extent)).map(Some),
            None => Ok(None),
        }
    }

    fn read(&self, extent: Extent) -> Result<Kept, JournalError> {
        let mut bytes = vec![0; extent.len];
        self.file.read_exact_at(&mut bytes, extent.offset).map_err(|e| self.io_error(e))?;
        match serde_json::from_slice::<Line>(&bytes) {
            Ok(Line { submission: Some(submission), kept, .. }) => {
                Ok(Kept { submission: submission.into_bytes(), disclosures: kept })
            }
            _ => Err(JournalError::Damaged { path: self.path.clone(), offset: extent.offset }),
        }
    }

    /// The newest journalled revision of an object that still counts.
    pub(crate) fn head(&self, object: &str) -> Result<Option<(u32, Kept)>, JournalError> {
        let newest = self.lines.last(LINES, &key_of(object));
        let Some((key, extent)) = newest.map_err(|e| self.io_error(e))? else { return Ok(None) };
        let rev = key.last_chunk().map_or(0, |rev| u32::from_be_bytes(*rev));
        Ok(Some((rev, self.read(Extent::parse(&extent))?)))
    }

    /// Whether something that still counts is journalled of such an object.
    pub(crate) fn has(&self, mut is_such: impl FnMut(&str) -> bool) -> Result<bool, JournalError> {
        for page in self.lines.pages(LINES) {
            for (key, _) in page.map_err(|e| self.io_error(e))? {
                let object = key.split(|byte| *byte == KEY_END).next().unwrap_or_default();
                if is_such(&String::from_utf8_lossy(object)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Makes a batch of submissions durable. Only then may any of them be sent.
    pub(crate) fn keep(
        &mut self,
        batch: impl IntoIterator<Item = (String, u32, Kept)>,
    ) -> Result<(), JournalError> {
        self.append(batch.into_iter().map(|(object, rev, kept)| Line {
            object,
            rev,
            submission: Some(String::from_utf8_lossy(&kept.submission).into_owned()),
            kept: kept.disclosures,
            refused: None,
        }))
    }

    /// Notes that the log refused these for good, so that a corrected row is built afresh.
    pub(crate) fn forget(
        &mut self,
        refused: impl IntoIterator<Item = (String, u32, String)>,
    ) -> Result<(), JournalError> {
        self.append(refused.into_iter().map(|(object, rev, rule)| Line {
            object,
            rev,
            submission: None,
            kept: Vec::new(),
            refused: Some(rule),
        }))
    }

    fn append(&mut self, lines: impl IntoIterator<Item = Line>) -> Result<(), JournalError> {
        let mut body = Vec::new();
        let mut added = Vec::new();
        for line in lines {
            let text = serde_json::to_vec(&line).expect("a struct of strings always serialises");
            added.push((line, body.len(), text.len()));
            body.extend_from_slice(&text);
            body.push(b'\n');
        }
        if added.is_empty() {
            return Ok(());
        }
        assert!(body.len() <= BATCH_BODY_BYTES_MAX, "a batch that nobody could read again");
        let head = batch_head(&body);
        let body_at = self.end + as_offset(head.len());
        let whole = [head.as_bytes(), &body].concat();
        self.file
            .write_all_at(&whole, self.end)
            .and_then(|()| self.file.sync_data())
            .map_err(|source| self.io_error(source))?;
        self.end += as_offset(whole.len());
        added.iter().try_for_each(|(line, start, len)| {
            self.note(line, Extent { offset: body_at + as_offset(*start), len: *len })
        })
    }

    /// Notes where all lines are, from the end of the header on.
    fn load(&mut self) -> Result<(), JournalError> {
        let len = len_of(&self.file).map_err(|e| self.io_error(e))?;
        while self.end < len {
            let at = self.end;
            let Some(batch) = self.batch(at)? else {
                if self.holds_a_batch(at + 1)? {
                    return Err(JournalError::Damaged { path: self.path.clone(), offset: at });
                }
                return self
                    .file
                    .set_len(at)
                    .and_then(|()| self.file.sync_all())
                    .map_err(|source| self.io_error(source));
            };
            let mut offset = batch.body_at;
            for text in batch.body.split_inclusive(|byte| *byte == b'\n') {
                let len = text.len() - 1;
                let line: Line = serde_json::from_slice(&text[..len])
                    .map_err(|_| JournalError::Damaged { path: self.path.clone(), offset })?;
                self.note(&line, Extent { offset, len })?;
                offset += as_offset(text.len());
            }
            self.end = offset;
        }
        Ok(())
    }

    /// The whole batch that begins at `at`; `None` if it is damaged.
    fn batch(&self, at: u64) -> Result<Option<Batch>, JournalError> {
        let read = |at, len| read_at_most(&self.file, at, len).map_err(|e| self.io_error(e));
        let head = read(at, BATCH_HEAD_BYTES_MAX)?;
        let Some(end) = head.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let head = &head[..=end];
        let Some(body_len) = body_len(head).filter(|len| *len <= BATCH_BODY_BYTES_MAX) else {
            return Ok(None);
        };
        let body_at = at + as_offset(head.len());
        let body = read(body_at, body_len)?;
        let is_whole = body.ends_with(b"\n") && batch_head(&body).as_bytes() == head;
        Ok(is_whole.then_some(Batch { body_at, body }))
    }

    /// Whether an undamaged batch begins anywhere from `from` on.
    fn holds_a_batch(&self, from: u64) -> Result<bool, JournalError> {
        let word = BATCH_WORD.as_bytes();
        let mut from = from;
        loop {
            let block = read_at_most(&self.file, from, SEARCH_BLOCK_BYTES);
            let block = block.map_err(|e| self.io_error(e))?;
            for (at, window) in (from..).zip(block.windows(word.len())) {
                if window == word && self.batch(at)?.is_some() {
                    return Ok(true);
                }
            }
            if block.len() < SEARCH_BLOCK_BYTES {
                return Ok(false);
            }
            // A word that the block cuts in two is seen whole in the next.
            from += as_offset(SEARCH_BLOCK_BYTES - word.len() + 1);
        }
    }

    fn note(&self, line: &Line, extent: Extent) -> Result<(), JournalError> {
        let key = key(&line.object, line.rev);
        if line.refused.is_some() {
            self.lines.remove(LINES, &key)
        } else {
            self.lines.put(LINES, &key, &extent.to_bytes())
        }
        .map_err(|e| self.io_error(e))
    }

    fn io_error(&self, source: io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), source }
    }
}

fn batch_head(body: &[u8]) -> String {
    let hash = Hash::new(Sha256::digest(body).into()).to_hex();
    format!("{BATCH_WORD}{} {hash}\n", body.len())
}

/// How long the lines are, as the head of their batch says.
fn body_len(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    head.strip_prefix(BATCH_WORD)?.split(' ').next()?.parse().ok()
}

fn read_at_most(file: &File, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let there = len_of(file)?.saturating_sub(at);
    let mut bytes = vec![0; usize::try_from(there).unwrap_or(usize::MAX).min(len)];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn len_of(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

/// What a file begins with, for whoever wonders which one it is.
fn first_line(file: &File) -> io::Result<String> {
    let bytes = read_at_most(file, 0, BATCH_HEAD_BYTES_MAX)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}

/// Under what a line is noted: the revisions of an object stand together, in their order.
fn key(object: &str, rev: u32) -> Vec<u8> {
    [&key_of(object)[..], &rev.to_be_bytes()].concat()
}

/// How the keys of all revisions of an object begin. No id holds the byte that ends it.
fn key_of(object: &str) -> Vec<u8> {
    [object.as_bytes(), &[KEY_END]].concat()
}

fn as_offset(len: usize) -> u64 {
    u64::try_from(len).expect("a file length fits 64 bits")
}

const KEY_END: u8 = 0;
const BATCH_WORD: &str = "batch ";
/// The word, a length and a hash.
const BATCH_HEAD_BYTES_MAX: usize = 128;
/// The lines of a batch: what the log takes at once, as JSON text within JSON, and what it never sees.
const BATCH_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
const SEARCH_BLOCK_BYTES: usize = 64 * 1024;

/// The extents of the lines that still count, by [`key`].
const LINES: Table = Table::named("lines");

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Kept {
        Kept { submission: text.as_bytes().to_vec(), disclosures: vec![format!("salt of {text}")] }
    }

    fn open(path: &Path) -> Result<Journal, JournalError> {
        Journal::open(path, "log.example/a", "XX-A-B")
    }

    /// A journal of three batches: {a}, {b, c}, {d}.
    fn three_batches(path: &Path) -> Vec<u64> {
        let mut journal = open(path).unwrap();
        let mut ends = Vec::new();
        for batch in [&["a"][..], &["b", "c"], &["d"]] {
            let items = batch.iter().map(|name| ((*name).to_owned(), 0, kept(name)));
            journal.keep(items).unwrap();
            ends.push(journal.end);
        }
        ends
    }

    #[test]
    fn what_was_kept_is_there_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/journal");
        three_batches(&path);
        let mut journal = open(&path).unwrap();
        for name in ["a", "b", "c", "d"] {
            assert_eq!(journal.kept(name, 0).unwrap(), Some(kept(name)));
        }
        assert_eq!(journal.kept("a", 1).unwrap(), None);
        assert_eq!(journal.head("a").unwrap(), Some((0, kept("a"))));
        journal.keep([("a".to_owned(), 1, kept("a, corrected"))]).unwrap();
        assert_eq!(journal.head("a").unwrap(), Some((1, kept("a, corrected"))));
        assert_eq!(journal.head("aa").unwrap(), None);
        journal.forget([("b".to_owned(), 0, "E06".to_owned())]).unwrap();
        assert_eq!(journal.kept("b", 0).unwrap(), None);
        drop(journal);
        let mut journal = open(&path).unwrap();
        assert_eq!(journal.kept("b", 0).unwrap(), None);
        journal.keep([("b".to_owned(), 0, kept("again"))]).unwrap();
        assert_eq!(journal.kept("b", 0).unwrap(), Some(kept("again")));
        assert_eq!(journal.kept("c", 0).unwrap(), Some(kept("c")));
    }

    #[test]
    fn survives_being_cut_at_any_byte_of_the_last_batch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let ends = three_batches(&path);
        let whole = std::fs::read(&path).unwrap();
        for len in ends[1]..ends[2] {
            std::fs::write(&path, &whole[..usize::try_from(len).unwrap()]).unwrap();
            let mut journal = open(&path).unwrap();
            assert_eq!(journal.kept("c", 0).unwrap(), Some(kept("c")));
            assert_eq!(journal.kept("d", 0).unwrap(), None, "cut at {len}");
            journal.keep([("e".to_owned(), 0, kept("e"))]).unwrap();
            drop(journal);
            assert_eq!(open(&path).unwrap().kept("e", 0).unwrap(), Some(kept("e")));
        }
    }

    #[test]
    fn survives_a_header_cut_at_any_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        drop(open(&path).unwrap());
        let header = std::fs::read(&path).unwrap();
        for len in 0..header.len() {
            std::fs::write(&path, &header[..len]).unwrap();
            drop(open(&path).unwrap());
            assert_eq!(std::fs::read(&path).unwrap(), header);
        }
    }

    #[test]
    fn damage_before_the_last_batch_is_an_error_not_a_loss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let ends = three_batches(&path);
        let whole = std::fs::read(&path).unwrap();
        let header_len = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for position in header_len..usize::try_from(ends[1]).unwrap() {
            let mut damaged = whole.clone();
            damaged[position] ^= 0x01;
            std::fs::write(&path, &damaged).unwrap();
            assert!(
                matches!(open(&path), Err(JournalError::Damaged { .. })),
                "byte {position} flipped"
            );
        }
    }

    #[test]
    fn a_second_process_and_another_log_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let first = open(&path).unwrap();
        assert!(matches!(open(&path), Err(JournalError::InUse { .. })));
        drop(first);
        let other = Journal::open(&path, "log.example/b", "XX-A-B");
        assert!(matches!(other, Err(JournalError::OfAnother { .. })));
    }

    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        drop(open(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}
