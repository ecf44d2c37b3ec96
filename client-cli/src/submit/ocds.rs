//! OCDS 1.1: a release, a release package, or one of these on each line.
//!
//! The exact bytes of a release, as they stand in the file, become a document; what others look
//! releases up by stands in the record ([`facts`]). What the file says beyond that is nobody's
//! business here: no field is dropped, reordered or written again.
//!
//! A file whose first line is a whole JSON document is read line by line, with one line in memory;
//! a bad line costs that line. Any other file is one document, in memory as a whole.

mod facts;
mod json;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tlog::Hash;

use super::row::{Draft, Place, RowError, segment};
use super::scratch::{Scratch, Shelf};
use super::source::{Kind, Publisher};
use super::upload::Attached;
use crate::exit::{Exit, Explain, Failure, Outcome};

/// The releases of a file.
pub(crate) struct Releases<'a> {
    lines: Lines,
    shown: String,
    body: String,
    kind: Arc<Kind>,
    /// Of each object the line where it stands, and its document.
    scratch: &'a Scratch,
    count: u64,
    ready: VecDeque<Result<Draft, RowError>>,
    pub(crate) warnings: Vec<RowError>,
}

impl<'a> Releases<'a> {
    /// Opens a file.
    ///
    /// # Errors
    /// Usage: it cannot be read, or is one JSON document that is too large or none of OCDS.
    pub(crate) fn open(path: &Path, publisher: &Publisher, scratch: &'a Scratch) -> Outcome<Self> {
        let shown = path.display().to_string();
        let file = File::open(path).explain(Exit::Usage, || format!("reading {shown}"))?;
        let lines = Lines::start(file).explain(Exit::Usage, || format!("reading {shown}"))?;
        let mut releases = Self {
            lines,
            shown,
            body: publisher.body.clone(),
            kind: Kind::new("procurement/1", "release", None),
            scratch,
            count: 0,
            ready: VecDeque::new(),
            warnings: Vec::new(),
        };
        if releases.lines.is_one_document {
            releases.read_whole()?;
        }
        Ok(releases)
    }

    /// The next release.
    ///
    /// # Errors
    /// Usage: the file cannot be read any further.
    pub(crate) fn next(&mut self) -> Outcome<Option<Result<Draft, RowError>>> {
        while self.ready.is_empty() {
            let reading = || format!("reading {}", self.shown);
            let Some(line) = self.lines.next().explain(Exit::Usage, reading)? else {
                return Ok(None);
            };
            let Line { bytes, number, at } = line;
            let taken = match bytes {
                Ok(bytes) => self.take(&bytes, number, at)?,
                Err(words) => Err(words),
            };
            if let Err(words) = taken {
                self.ready.push_back(Err(RowError::new(number, "json", "", words)));
            }
        }
        Ok(self.ready.pop_front())
    }

    /// A file that is one document: what is wrong with it is wrong with all of it.
    fn read_whole(&mut self) -> Outcome<()> {
        let reading = || format!("reading {}", self.shown);
        let bytes = self.lines.whole().explain(Exit::Usage, reading)?;
        let at = self.lines.start;
        let taken = match bytes {
            Ok(bytes) => self.take(&bytes, FIRST_LINE, at)?,
            Err(words) => Err(words),
        };
        taken.map_err(|words| Failure::usage(format!("{}: {words}", self.shown)))
    }

    /// Takes the releases out of one document that begins at a byte of the file, or says in words why
    /// it is none.
    fn take(&mut self, bytes: &[u8], line: u64, at: u64) -> Outcome<Result<(), String>> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Ok(Err("not UTF-8, as JSON is".to_owned()));
        };
        let releases = match json::releases(text) {
            Ok(releases) => releases,
            Err(words) => return Ok(Err(words)),
        };
        for release in releases {
            let start = release.as_ptr().addr() - text.as_ptr().addr();
            let lines_before = text[..start].bytes().filter(|byte| *byte == b'\n').count();
            let line = line + u64::try_from(lines_before).unwrap_or(0);
            let at = at + u64::try_from(start).unwrap_or(0);
            self.count += 1;
            if let Some(drafted) = self.draft(release, line, at)?.transpose() {
                self.ready.push_back(drafted);
            }
        }
        Ok(Ok(()))
    }

    /// The draft of a release; `None` if the file has the very same release twice.
    fn draft(
        &mut self,
        release: &str,
        line: u64,
        at: u64,
    ) -> Outcome<Result<Option<Draft>, RowError>> {
        if release.len() > RELEASE_BYTES_MAX {
            let words = format!("a release of more than {RELEASE_BYTES_MAX} bytes");
            return Ok(Err(RowError::new(line, "size", "", words)));
        }
        let facts = match facts::read(release, line) {
            Ok(facts) => facts,
            Err(error) => return Ok(Err(error)),
        };
        let names = [facts.ocid.as_str(), &facts.id].map(segment);
        let object = format!("{}/release/{}", self.body, names.join("/"));
        let sha256 = Hash::new(Sha256::digest(release).into()).to_hex();
        if let Some((first, other)) = self.first_of(&object, line, &sha256)? {
            let words = format!("line {first} has a release of this ocid and id too");
            let error = RowError { value: facts.id, ..RowError::new(line, "twice", "/id", words) };
            if other == sha256 {
                self.warnings.push(error);
                return Ok(Ok(None));
            }
            return Ok(Err(error));
        }
        self.warnings.extend(facts.warnings);
        let document = Attached {
            sha256,
            at,
            len: release.len(),
            media: "application/json",
            kind: "ocdsRelease",
        };
        Ok(Ok(Some(Draft {
            place: Some(Place { line, row: self.count }),
            stages: facts.stages,
            rounded: facts.rounded,
            data: facts.data,
            sealed: facts.sealed,
            document: Some(document),
            ..Draft::new(&self.kind, &object, &facts.occurred)
        })))
    }

    /// The line of an earlier release that is the same object, and the SHA-256 of its bytes. If there
    /// is none, this one is it.
    fn first_of(&self, object: &str, line: u64, sha256: &str) -> Outcome<Option<(u64, String)>> {
        let noting = || "noting the releases of the file".to_owned();
        let found =
            self.scratch.get(Shelf::Seen, object.as_bytes()).explain(Exit::Usage, noting)?;
        if let Some((first, other)) = found.as_deref().and_then(<[u8]>::split_first_chunk) {
            let other = String::from_utf8_lossy(other).into_owned();
            return Ok(Some((u64::from_be_bytes(*first), other)));
        }
        let value = [&line.to_be_bytes(), sha256.as_bytes()].concat();
        self.scratch.put(Shelf::Seen, object.as_bytes(), &value).explain(Exit::Usage, noting)?;
        Ok(None)
    }
}

/// A file as lines, one of them in memory.
struct Lines {
    file: BufReader<File>,
    /// Where the text begins, after a byte order mark.
    start: u64,
    /// Where the next line begins.
    at: u64,
    /// The number of the next line.
    number: u64,
    /// The first line, which was read to see what the file is.
    first: Option<Line>,
    is_one_document: bool,
}

/// A line that is not blank.
struct Line {
    /// Its bytes, or in words why they were not kept.
    bytes: Result<Vec<u8>, String>,
    number: u64,
    /// Where in the file it begins.
    at: u64,
}

impl Lines {
    fn start(file: File) -> io::Result<Self> {
        let mut file = BufReader::new(file);
        let has_mark = file.fill_buf()?.starts_with(BYTE_ORDER_MARK);
        let skipped = if has_mark { BYTE_ORDER_MARK.len() } else { 0 };
        file.consume(skipped);
        let start = offset(skipped);
        let (number, is_one_document) = (FIRST_LINE, false);
        let mut lines = Self { file, start, at: start, number, first: None, is_one_document };
        lines.first = lines.read()?;
        let first = lines.first.as_ref().and_then(|line| line.bytes.as_ref().ok());
        lines.is_one_document = !first.is_some_and(|bytes| json::is_whole(bytes));
        Ok(lines)
    }

    /// The next line.
    fn next(&mut self) -> io::Result<Option<Line>> {
        if self.is_one_document {
            return Ok(None);
        }
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.read(),
        }
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        loop {
            let (number, at) = (self.number, self.at);
            let mut bytes = Vec::new();
            let mut len = 0;
            loop {
                let buffer = self.file.fill_buf()?;
                let end = buffer.iter().position(|byte| *byte == b'\n');
                let read = end.map_or(buffer.len(), |end| end + 1);
                let is_over = read == 0 || end.is_some();
                // A line that is too long is passed over to its end, and not kept.
                let room = (DOCUMENT_BYTES_MAX + 1).saturating_sub(bytes.len());
                bytes.extend_from_slice(&buffer[..read.min(room)]);
                self.file.consume(read);
                len += read;
                if is_over {
                    break;
                }
            }
            if len == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.at += offset(len);
            if bytes.len() > DOCUMENT_BYTES_MAX {
                return Ok(Some(Line { bytes: Err(too_long()), number, at }));
            }
            if !bytes.trim_ascii().is_empty() {
                return Ok(Some(Line { bytes: Ok(bytes), number, at }));
            }
        }
    }

    /// All lines as one.
    fn whole(&mut self) -> io::Result<Result<Vec<u8>, String>> {
        self.file.seek(SeekFrom::Start(self.start))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(offset(DOCUMENT_BYTES_MAX + 1)).read_to_end(&mut bytes)?;
        Ok(if bytes.len() > DOCUMENT_BYTES_MAX { Err(too_long()) } else { Ok(bytes) })
    }
}

fn too_long() -> String {
    format!(
        "a JSON document of more than {DOCUMENT_BYTES_MAX} bytes; publish the releases in several \
         packages, or one on each line"
    )
}

fn offset(len: usize) -> u64 {
    u64::try_from(len).expect("a file length fits 64 bits")
}

/// One document of a file, a package or a line: it is in memory as a whole.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// One release. The longest seen have two million bytes.
const RELEASE_BYTES_MAX: usize = 8 * 1024 * 1024;
const FIRST_LINE: u64 = 1;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
