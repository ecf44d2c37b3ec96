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
mod lines;

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use self::lines::{FIRST_LINE, Line, Lines};
use crate::draft::{Attachment, Draft, Kind, Position, Publisher};
use crate::error::ImportError;
use crate::format::{Drafted, Drafts, Format, FormatName, Input};
use crate::object_id::segment;
use crate::row_error::RowError;
use crate::scratch::{Scratch, Table};

/// Releases of a publisher.
#[derive(Debug, Clone)]
pub struct Ocds {
    /// Whose records they become.
    pub publisher: Publisher,
}

impl Format for Ocds {
    fn name(&self) -> FormatName {
        FormatName::Ocds
    }

    fn submitter(&self) -> &str {
        &self.publisher.submitter
    }

    /// A bad line costs that line, and one document is read whole before anything goes in.
    fn check(&self, _file: &Path, _progress: &dyn Fn(u64)) -> Result<Option<u64>, ImportError> {
        Ok(None)
    }

    fn open<'a>(&'a self, input: Input<'a>) -> Result<Box<dyn Drafts + 'a>, ImportError> {
        Ok(Box::new(Releases::open(&self.publisher.body, input)?))
    }
}

struct Releases<'a> {
    lines: Lines,
    file: &'a Path,
    body: &'a str,
    kind: Arc<Kind>,
    /// Of each object the line where it stands, and its document.
    scratch: &'a Scratch,
    count: u64,
    ready: VecDeque<Drafted>,
    warnings: Vec<RowError>,
}

impl Drafts for Releases<'_> {
    fn next(&mut self) -> Result<Option<Drafted>, ImportError> {
        while self.ready.is_empty() {
            let line = self.lines.next().map_err(ImportError::reading(self.file))?;
            let Some(Line { bytes, number, offset }) = line else { return Ok(None) };
            let taken = match bytes {
                Ok(bytes) => self.take(&bytes, number, offset)?,
                Err(words) => Err(words),
            };
            if let Err(words) = taken {
                self.ready.push_back(Err(RowError::new(number, "json", "", words)));
            }
        }
        Ok(self.ready.pop_front())
    }

    fn take_warnings(&mut self) -> Vec<RowError> {
        std::mem::take(&mut self.warnings)
    }
}

impl<'a> Releases<'a> {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read, or is one JSON document that is too large or none of OCDS.
    fn open(body: &'a str, input: Input<'a>) -> Result<Self, ImportError> {
        let Input { file, scratch, .. } = input;
        let lines = File::open(file).and_then(Lines::start).map_err(ImportError::reading(file))?;
        let mut releases = Self {
            lines,
            file,
            body,
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

    /// A file that is one document: what is wrong with it is wrong with all of it.
    fn read_whole(&mut self) -> Result<(), ImportError> {
        let bytes = self.lines.whole().map_err(ImportError::reading(self.file))?;
        let offset = self.lines.start;
        let taken = match bytes {
            Ok(bytes) => self.take(&bytes, FIRST_LINE, offset)?,
            Err(words) => Err(words),
        };
        taken.map_err(|words| ImportError::unusable(self.file, words))
    }

    /// Takes the releases out of one document that begins at a byte of the file, or says in words why
    /// it is none.
    fn take(
        &mut self,
        bytes: &[u8],
        line: u64,
        offset: u64,
    ) -> Result<Result<(), String>, ImportError> {
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
            let offset = offset + u64::try_from(start).unwrap_or(0);
            self.count += 1;
            if let Some(drafted) = self.draft(release, line, offset)?.transpose() {
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
        offset: u64,
    ) -> Result<Result<Option<Draft>, RowError>, ImportError> {
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
        let sha256 = <[u8; 32]>::from(Sha256::digest(release));
        if let Some((first, other)) = self.first_of(&object, line, sha256)? {
            let words = format!("line {first} has a release of this ocid and id too");
            let error = RowError { value: facts.id, ..RowError::new(line, "twice", "/id", words) };
            if other == sha256 {
                self.warnings.push(error);
                return Ok(Ok(None));
            }
            return Ok(Err(error));
        }
        self.warnings.extend(facts.warnings);
        let document = Attachment {
            sha256,
            offset,
            len: release.len(),
            media: "application/json",
            kind: "ocdsRelease",
        };
        Ok(Ok(Some(Draft {
            position: Some(Position { line, row: self.count }),
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
    fn first_of(
        &self,
        object: &str,
        line: u64,
        sha256: [u8; 32],
    ) -> Result<Option<(u64, Vec<u8>)>, ImportError> {
        let found = self.scratch.get(SEEN, object.as_bytes()).map_err(ImportError::Scratch)?;
        if let Some((first, other)) = found.as_deref().and_then(<[u8]>::split_first_chunk) {
            return Ok(Some((u64::from_be_bytes(*first), other.to_vec())));
        }
        let value = [&line.to_be_bytes()[..], &sha256].concat();
        self.scratch.put(SEEN, object.as_bytes(), &value).map_err(ImportError::Scratch)?;
        Ok(None)
    }
}

/// One release. The longest seen have two million bytes.
pub const RELEASE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Of each object the line of its release, and the hash of its bytes.
const SEEN: Table = Table::named("seen");

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "{ \"ocid\":\"ocds-213czf-000-00001\" ,\"id\":\"1\",\
        \"date\":\"2023-10-31T23:30:00.5-01:00\",\"initiationType\":\"tender\",\"tag\":[\"contract\"],\
        \"buyer\":{\"id\":\"GB-LAC-E09000003\",\"name\":\"Borough of\\u0020Barnet\"},\
        \"x_unknown\":1.10E+2,\
        \"contracts\":[{\"id\":1,\"value\":{\"amount\":12.50,\"currency\":\"GBP\"}}]}";

    #[test]
    fn no_change_of_a_byte_makes_a_release_panic() {
        for position in 0..RELEASE.len() {
            for byte in [b'0', b'"', b'{', b'}', b'[', b',', b'\\', b'e', b'-'] {
                let mut bytes = RELEASE.as_bytes().to_vec();
                bytes[position] = byte;
                let text = String::from_utf8(bytes).unwrap();
                for release in json::releases(&text).unwrap_or_default() {
                    drop(facts::read(release, 1));
                }
            }
        }
    }
}
