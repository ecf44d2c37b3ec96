//! A file as lines, so that one of them is in memory at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use super::json;

/// A file as lines, one of them in memory.
pub(super) struct Lines {
    file: BufReader<File>,
    /// Where the text begins, after a byte order mark.
    pub(super) start: u64,
    /// The byte with which the next line begins.
    offset: u64,
    /// The number of the next line.
    number: u64,
    /// The first line, which was read to see what the file is.
    first: Option<Line>,
    pub(super) is_one_document: bool,
}

/// A line that is not blank.
pub(super) struct Line {
    /// Its bytes, or in words why they were not kept.
    pub(super) bytes: Result<Vec<u8>, String>,
    pub(super) number: u64,
    /// The byte of the file with which it begins.
    pub(super) offset: u64,
}

impl Lines {
    pub(super) fn start(file: File) -> io::Result<Self> {
        let mut file = BufReader::new(file);
        let has_mark = file.fill_buf()?.starts_with(BYTE_ORDER_MARK);
        let skipped = if has_mark { BYTE_ORDER_MARK.len() } else { 0 };
        file.consume(skipped);
        let start = as_offset(skipped);
        let (number, is_one_document) = (FIRST_LINE, false);
        let mut lines = Self { file, start, offset: start, number, first: None, is_one_document };
        lines.first = lines.read()?;
        let first = lines.first.as_ref().and_then(|line| line.bytes.as_ref().ok());
        lines.is_one_document = !first.is_some_and(|bytes| json::is_whole(bytes));
        Ok(lines)
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
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
            let (number, offset) = (self.number, self.offset);
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
            self.offset += as_offset(len);
            if bytes.len() > DOCUMENT_BYTES_MAX {
                return Ok(Some(Line { bytes: Err(too_long()), number, offset }));
            }
            if !bytes.trim_ascii().is_empty() {
                return Ok(Some(Line { bytes: Ok(bytes), number, offset }));
            }
        }
    }

    pub(super) fn whole(&mut self) -> io::Result<Result<Vec<u8>, String>> {
        self.file.seek(SeekFrom::Start(self.start))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(as_offset(DOCUMENT_BYTES_MAX + 1)).read_to_end(&mut bytes)?;
        Ok(if bytes.len() > DOCUMENT_BYTES_MAX { Err(too_long()) } else { Ok(bytes) })
    }
}

fn too_long() -> String {
    format!(
        "a JSON document of more than {DOCUMENT_BYTES_MAX} bytes; publish the releases in several \
         packages, or one on each line"
    )
}

fn as_offset(len: usize) -> u64 {
    u64::try_from(len).expect("a file length fits 64 bits")
}

/// One document of a file, a package or a line: it is in memory as a whole.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;
pub(super) const FIRST_LINE: u64 = 1;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_limited_line_by_line_without_filling_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let mut file = File::create(&path).unwrap();
        io::Write::write_all(&mut file, b"{}\n").unwrap();
        // A line of zero bytes that takes no room on disk.
        let end = 3 + as_offset(DOCUMENT_BYTES_MAX) + 10;
        file.set_len(end).unwrap();
        file.seek(SeekFrom::Start(end)).unwrap();
        io::Write::write_all(&mut file, b"\n{}").unwrap();
        drop(file);
        let mut lines = Lines::start(File::open(&path).unwrap()).unwrap();
        let mut seen = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            seen.push((line.number, line.offset, line.bytes.is_ok()));
        }
        assert_eq!(seen, [(1, 0, true), (2, 3, false), (3, end + 1, true)]);
    }
}
