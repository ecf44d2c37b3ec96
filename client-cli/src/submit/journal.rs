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

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tlog::Hash;

use crate::durable::{self, Readers};

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
    /// Where each line that still counts is.
    places: BTreeMap<(String, u32), Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    len: usize,
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
            durable::create_folder(folder).map_err(io_error)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(Readers::Owner.mode())
            .open(path)
            .map_err(io_error)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| JournalError::InUse { path: path.to_owned() })?;
        let header = format!("civiclog-journal 1 {origin} {submitter}\n");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io_error)?;
        if !bytes.starts_with(header.as_bytes()) {
            // A crash right after creation leaves a part of the header; nothing was sent then.
            if !header.as_bytes().starts_with(&bytes) {
                let found = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let found = String::from_utf8_lossy(&found[..found.len().min(120)]).into_owned();
                return Err(JournalError::OfAnother {
                    path: path.to_owned(),
                    origin: origin.to_owned(),
                    submitter: submitter.to_owned(),
                    found,
                });
            }
            file.set_len(0).map_err(io_error)?;
            file.write_all_at(header.as_bytes(), 0).map_err(io_error)?;
            file.sync_all().map_err(io_error)?;
            durable::sync_folder_of(path).map_err(io_error)?;
            bytes = header.clone().into_bytes();
        }
        let mut journal = Self { path: path.to_owned(), file, end: 0, places: BTreeMap::default() };
        journal.load(&bytes, header.len())?;
        Ok(journal)
    }

    /// What is journalled for a revision and still counts.
    pub(crate) fn kept(&self, object: &str, rev: u32) -> Result<Option<Kept>, JournalError> {
        let Some(place) = self.places.get(&(object.to_owned(), rev)) else { return Ok(None) };
        let mut bytes = vec![0; place.len];
        self.file.read_exact_at(&mut bytes, place.offset).map_err(|e| self.io_error(e))?;
        match serde_json::from_slice::<Line>(&bytes) {
            Ok(Line { submission: Some(submission), kept, .. }) => {
                Ok(Some(Kept { submission: submission.into_bytes(), disclosures: kept }))
            }
            _ => Err(JournalError::Damaged { path: self.path.clone(), offset: place.offset }),
        }
    }

    /// The newest journalled revision of an object that still counts.
    pub(crate) fn head(&self, object: &str) -> Result<Option<(u32, Kept)>, JournalError> {
        let revisions = (object.to_owned(), 0)..=(object.to_owned(), u32::MAX);
        let Some(((_, rev), _)) = self.places.range(revisions).next_back() else {
            return Ok(None);
        };
        Ok(self.kept(object, *rev)?.map(|kept| (*rev, kept)))
    }

    /// All objects that something is journalled of and still counts.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(|(object, _)| object.as_str())
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
        let head = batch_head(&body);
        let body_at = self.end + as_offset(head.len());
        let whole = [head.as_bytes(), &body].concat();
        self.file
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.file.write_all(&whole))
            .and_then(|()| self.file.sync_data())
            .map_err(|source| self.io_error(source))?;
        self.end += as_offset(whole.len());
        for (line, start, len) in added {
            self.note(&line, Place { offset: body_at + as_offset(start), len });
        }
        Ok(())
    }

    fn load(&mut self, bytes: &[u8], header_len: usize) -> Result<(), JournalError> {
        let mut at = header_len;
        while at < bytes.len() {
            let Some((body_at, next)) = find_batch(bytes, at) else {
                if holds_a_batch(&bytes[at + 1..]) {
                    let offset = as_offset(at);
                    return Err(JournalError::Damaged { path: self.path.clone(), offset });
                }
                let cut = as_offset(at);
                self.file
                    .set_len(cut)
                    .and_then(|()| self.file.sync_all())
                    .map_err(|source| self.io_error(source))?;
                break;
            };
            let mut start = body_at;
            for text in bytes[body_at..next].split_inclusive(|byte| *byte == b'\n') {
                let len = text.len() - 1;
                let offset = as_offset(start);
                let line: Line = serde_json::from_slice(&text[..len])
                    .map_err(|_| JournalError::Damaged { path: self.path.clone(), offset })?;
                self.note(&line, Place { offset, len });
                start += text.len();
            }
            at = next;
        }
        self.end = as_offset(at);
        Ok(())
    }

    fn note(&mut self, line: &Line, place: Place) {
        let key = (line.object.clone(), line.rev);
        if line.refused.is_some() {
            self.places.remove(&key);
        } else {
            self.places.insert(key, place);
        }
    }

    fn io_error(&self, source: io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), source }
    }
}

fn batch_head(body: &[u8]) -> String {
    let hash = Hash::new(Sha256::digest(body).into()).to_hex();
    format!("{BATCH_WORD}{} {hash}\n", body.len())
}

/// The whole batch at `at`: where its lines begin and where it ends. `None` if it is damaged.
fn find_batch(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = bytes.get(at..)?;
    let head_len = rest.iter().take(BATCH_HEAD_BYTES_MAX).position(|byte| *byte == b'\n')? + 1;
    let head = std::str::from_utf8(&rest[..head_len]).ok()?;
    let body_len: usize = head.strip_prefix(BATCH_WORD)?.split(' ').next()?.parse().ok()?;
    let body_at = at + head_len;
    let next = body_at.checked_add(body_len)?;
    let body = bytes.get(body_at..next)?;
    (body.ends_with(b"\n") && batch_head(body) == head).then_some((body_at, next))
}

/// Whether an undamaged batch begins anywhere in `bytes`.
fn holds_a_batch(bytes: &[u8]) -> bool {
    let word = BATCH_WORD.as_bytes();
    bytes
        .windows(word.len())
        .enumerate()
        .any(|(at, window)| window == word && find_batch(bytes, at).is_some())
}

fn as_offset(len: usize) -> u64 {
    u64::try_from(len).expect("a file length fits 64 bits")
}

const BATCH_WORD: &str = "batch ";
/// The word, a length and a hash.
const BATCH_HEAD_BYTES_MAX: usize = 128;

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
