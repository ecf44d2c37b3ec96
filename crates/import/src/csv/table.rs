//! A CSV file as rows of text, read as a stream: a row is in memory, never the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use csv_core::ReadRecordResult;
use serde::{Deserialize, Serialize};

use super::encoding::{self, Encoding};
use super::map::Map;
use crate::error::ImportError;

#[derive(Debug)]
pub(super) struct Columns(BTreeMap<String, usize>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// 1-based line of the file where it starts: what an editor shows.
    pub(super) line: u64,
    /// 1-based row of the sheet: what a spreadsheet shows.
    pub(super) number: u64,
    cells: Vec<String>,
}

/// A row that is no row of this table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadLine {
    pub(super) line: u64,
    pub(super) message: String,
}

/// The rows in file order, well-formed or not.
pub(super) struct Rows {
    records: Records,
    encoding: Encoding,
    width: usize,
    /// Row of the sheet that comes next.
    number: u64,
}

/// Opens the file and reads its header.
///
/// # Errors
/// No file, no header, or the header lacks a column of the map.
pub(super) fn open(path: &Path, map: &Map) -> Result<(Columns, Rows), ImportError> {
    let file = File::open(path).map_err(ImportError::reading(path))?;
    let started = start(file, map).map_err(ImportError::reading(path))?;
    started.map_err(|problem| ImportError::unusable(path, problem))
}

/// The header's columns and the rows below it, or in words why there are none.
type Started = Result<(Columns, Rows), String>;

fn start(file: impl Read + Send + 'static, map: &Map) -> io::Result<Started> {
    let (reader, encoding) = encoding::open(file, map.encoding)?;
    let mut records = Records::new(reader, map.delimiter);
    records.skip_lines(map.preamble)?;
    let columns = match records.next()? {
        None => return Ok(Err("no header".to_owned())),
        Some(header) if header.is_too_long => {
            return Ok(Err(format!("the header is longer than {ROW_BYTES_MAX} bytes")));
        }
        Some(_) => read_header(records.cells(), encoding, map),
    };
    let width = records.width;
    let number = u64::from(map.preamble).saturating_add(FIRST_DATA_ROW);
    Ok(columns.map(|columns| (columns, Rows { records, encoding, width, number })))
}

/// Reads a file to its end: how many rows it has, well-formed or not.
///
/// # Errors
/// As [`open`], or it cannot be read to its end.
pub(super) fn count(path: &Path, map: &Map, progress: &dyn Fn(u64)) -> Result<u64, ImportError> {
    let (_, mut rows) = open(path, map)?;
    let mut count = 0;
    while rows.records.next().map_err(ImportError::reading(path))?.is_some() {
        count += 1;
        progress(count);
    }
    Ok(count)
}

fn read_header<'a>(
    cells: impl Iterator<Item = &'a [u8]>,
    encoding: Encoding,
    map: &Map,
) -> Result<Columns, String> {
    let mut columns = BTreeMap::new();
    for (position, cell) in cells.enumerate() {
        let name = encoding.decode(cell).ok_or_else(|| format!("the header is {UNREADABLE}"))?;
        let name = name.trim().to_owned();
        // A second column of the same name would make "which one" a guess.
        if columns.insert(name.clone(), position).is_some() && map.columns().any(|c| c == name) {
            return Err(format!("two columns are called `{name}`"));
        }
    }
    match map.columns().find(|column| !columns.contains_key(*column)) {
        None => Ok(Columns(columns)),
        Some(missing) => {
            let found: Vec<&str> = columns.keys().map(String::as_str).collect();
            Err(format!(
                "no column `{missing}`, which the map names; the header has: {}; if lines stand \
                 above the header, the map's `preamble` says how many",
                found.join(", ")
            ))
        }
    }
}

impl Columns {
    /// The cell of a column, without the blanks around it.
    ///
    /// # Panics
    /// If the map did not name the column when the table was opened.
    pub(super) fn cell<'a>(&self, row: &'a Row, column: &str) -> &'a str {
        let position = self.0.get(column).expect("open() checked the map's columns");
        row.cells.get(*position).map_or("", |cell| cell.trim())
    }
}

impl Rows {
    /// The next row, or why it is none.
    ///
    /// # Errors
    /// Those of reading. Rows that cannot be understood do not stop the others.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<Row, BadLine>>> {
        let Some(start_of_record) = self.records.next()? else { return Ok(None) };
        let number = self.number;
        self.number += 1;
        let cells = self.cells(&start_of_record);
        Ok(Some(match cells {
            Ok(cells) => Ok(Row { line: start_of_record.line, number, cells }),
            Err(message) => Err(BadLine { line: start_of_record.line, message }),
        }))
    }

    fn cells(&self, start_of_record: &RecordStart) -> Result<Vec<String>, String> {
        if start_of_record.is_too_long {
            return Err(format!(
                "longer than {ROW_BYTES_MAX} bytes or {ROW_CELLS_MAX} cells; is there a stray quote?"
            ));
        }
        if self.records.cells().any(|cell| cell.contains(&0)) {
            return Err("a NUL byte; is the file damaged, or UTF-16 without a byte order mark \
                        (encoding = \"utf-16le\" in the map)?"
                .to_owned());
        }
        let count = self.records.width;
        // Some programs end each row, but not the header, with a delimiter.
        let is_blank = |cell: &[u8]| cell.trim_ascii().is_empty();
        if count < self.width || !self.records.cells().skip(self.width).all(is_blank) {
            return Err(format!(
                "{count} cells, the header has {}; is there a stray quote or delimiter?",
                self.width
            ));
        }
        let cells = self.records.cells().take(self.width).map(|cell| self.encoding.decode(cell));
        cells.collect::<Option<_>>().ok_or_else(|| UNREADABLE.to_owned())
    }
}

/// The file split into cells. A record longer than memory allows is passed over, not kept; one that
/// does not end within [`PASSED_OVER_BYTES_MAX`] ends the reading, for then nearly all of the file
/// may be in it.
struct Records {
    reader: BufReader<Box<dyn Read + Send>>,
    splitter: csv_core::Reader,
    /// Line of the file that `reader` is in. The splitter's own count is one behind after CRLF.
    line: u64,
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Cells of the record read last.
    width: usize,
}

struct RecordStart {
    line: u64,
    is_too_long: bool,
}

impl Records {
    fn new(reader: BufReader<Box<dyn Read + Send>>, delimiter: char) -> Self {
        // The map was checked: the delimiter is ASCII.
        let delimiter = u8::try_from(delimiter).unwrap_or(b',');
        let splitter = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        let (text, ends) = (vec![0; ROW_BYTES_MAX], vec![0; ROW_CELLS_MAX]);
        Self { reader, splitter, line: 1, text, ends, width: 0 }
    }

    /// Passes over lines, without looking what is in them.
    fn skip_lines(&mut self, count: u32) -> io::Result<()> {
        let last = self.line + u64::from(count);
        while self.line < last {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            self.line += u64::from(end.is_some());
            let len = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(len);
        }
        Ok(())
    }

    fn next(&mut self) -> io::Result<Option<RecordStart>> {
        self.skip_line_ends()?;
        let mut start_of_record = RecordStart { line: self.line, is_too_long: false };
        let (mut len, mut width) = (0, 0);
        let mut record_bytes = 0;
        loop {
            let buffer = self.reader.fill_buf()?;
            let (result, read, written, ended) =
                self.splitter.read_record(buffer, &mut self.text[len..], &mut self.ends[width..]);
            self.line += lines_in(&buffer[..read]);
            self.reader.consume(read);
            record_bytes += read;
            if record_bytes > PASSED_OVER_BYTES_MAX {
                let words = format!(
                    "the row that begins on line {} does not end within {PASSED_OVER_BYTES_MAX} \
                     bytes; is this a CSV file, and is there a stray quote?",
                    start_of_record.line
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, words));
            }
            len += written;
            width += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    // What was read of it is overwritten by the rest.
                    start_of_record.is_too_long = true;
                    (len, width) = (0, 0);
                }
                ReadRecordResult::Record => {
                    self.width = width;
                    return Ok(Some(start_of_record));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    fn skip_line_ends(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.reader.fill_buf()?;
            let ends = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.line += lines_in(&buffer[..ends]);
            let is_over = ends < buffer.len() || buffer.is_empty();
            self.reader.consume(ends);
            if is_over {
                return Ok(());
            }
        }
    }

    /// The cells of the record read last.
    fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).take(self.width).map(|(start, end)| &self.text[*start..*end])
    }
}

fn lines_in(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// Bytes of one row: a record holds less.
const ROW_BYTES_MAX: usize = 1024 * 1024;
const ROW_CELLS_MAX: usize = 4096;
/// Bytes of a row that is too long, before the file is given up.
const PASSED_OVER_BYTES_MAX: usize = 64 * 1024 * 1024;
const FIRST_DATA_ROW: u64 = 2;
const UNREADABLE: &str = "not in the encoding of the map; save the file as UTF-8, or set encoding = \
                          \"windows-1252\" in the map, or \"mixed\" if only some rows are";

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn map(extra: &str) -> Map {
        let text = format!(
            "submitter = \"XX-A-B\"\nkind = \"payment\"\n{extra}\nobject = {{ column = \"No\" }}\n\
             occurred = {{ column = \"Date\" }}\namount = {{ column = \"Amount\", currency = \"GBP\" }}"
        );
        toml::from_str(&text).unwrap()
    }

    fn cells(bytes: &[u8], extra: &str) -> Vec<Result<String, u64>> {
        let (columns, rows) = parse(bytes, extra).unwrap();
        let show = |row: Result<Row, BadLine>| match row {
            Ok(row) => Ok(format!("{}:{}:{}", row.line, row.number, columns.cell(&row, "No"))),
            Err(bad) => Err(bad.line),
        };
        rows.into_iter().map(show).collect()
    }

    pub(in crate::csv) type Parsed = (Columns, Vec<Result<Row, BadLine>>);

    fn parse(bytes: &[u8], extra: &str) -> Result<Parsed, String> {
        parse_from(io::Cursor::new(bytes.to_vec()), extra)
    }

    fn parse_from(file: impl Read + Send + 'static, extra: &str) -> Result<Parsed, String> {
        let (columns, mut rows) = start(file, &map(extra)).unwrap()?;
        let all = std::iter::from_fn(|| rows.next().unwrap()).collect();
        Ok((columns, all))
    }

    pub(in crate::csv) fn parse_with(bytes: &[u8], map: &Map) -> Parsed {
        let (columns, mut rows) = start(io::Cursor::new(bytes.to_vec()), map).unwrap().unwrap();
        let all = std::iter::from_fn(|| rows.next().unwrap()).collect();
        (columns, all)
    }

    #[test]
    fn a_byte_order_mark_and_blanks_around_cells_do_not_matter() {
        let read = cells(b"\xef\xbb\xbfNo,Date, Amount \r\n a1 ,x,y\r\n", "");
        assert_eq!(read, [Ok("2:2:a1".to_owned())]);
    }

    #[test]
    fn rows_keep_their_place_when_cells_span_lines() {
        let read = cells(b"No,Date,Amount\n\"a\",\"x\ny\",1\nb,x,1\n", "");
        assert_eq!(read, [Ok("2:2:a".to_owned()), Ok("4:3:b".to_owned())]);
        let read = cells(b"No,Date,Amount\r\n\r\n\"a\",\"x\r\ny\",1\r\nb,x,1\r\n", "");
        assert_eq!(read, [Ok("3:2:a".to_owned()), Ok("5:3:b".to_owned())]);
    }

    #[test]
    fn one_bad_row_does_not_stop_the_rest() {
        let read = cells(b"No,Date,Amount\na,x\nb,x,\xff\nc,x,1\n", "");
        assert_eq!(read, [Err(2), Err(3), Ok("4:4:c".to_owned())]);
    }

    #[test]
    fn other_encodings_and_delimiters_are_read() {
        let (columns, rows) = parse(
            b"No;Date;Amount\n\x80\x93\xe9;x;1\n",
            "encoding = \"windows-1252\"\ndelimiter = \";\"",
        )
        .unwrap();
        assert_eq!(columns.cell(rows[0].as_ref().unwrap(), "No"), "€“é");
        let utf16: Vec<u8> = "\u{feff}No\tDate\tAmount\r\nж\tx\t1\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let (columns, rows) = parse(&utf16, "delimiter = \"\\t\"").unwrap();
        assert_eq!(columns.cell(rows[0].as_ref().unwrap(), "No"), "ж");
        let read = cells(b"No,Date,Amount\n\xe9,x,1\n\xc3\xa9,x,1\n", "encoding = \"mixed\"");
        assert_eq!(read, [Ok("2:2:é".to_owned()), Ok("3:3:é".to_owned())]);
    }

    #[test]
    fn lines_above_the_header_are_passed_over() {
        let text = b"select *\nfrom \"payments,\n\nNo,Date,Amount\na,x,1\n";
        assert_eq!(cells(text, "preamble = 3"), [Ok("5:5:a".to_owned())]);
        assert!(parse(text, "").is_err() && parse(text, "preamble = 9").is_err());
    }

    #[test]
    fn cells_that_look_like_formulas_are_data_and_nul_bytes_are_not() {
        let read = cells(b"No,Date,Amount\n=1+1,x,1\n@b,x,1\n+c,-x,1\nd\0,x,1\n", "");
        let text = ["2:2:=1+1", "3:3:@b", "4:4:+c"].map(|it| Ok(it.to_owned()));
        assert_eq!(read[..3], text);
        assert_eq!(read[3], Err(5));
    }

    #[test]
    fn blank_cells_beyond_the_header_do_not_matter_and_others_do() {
        let read = cells(b"No,Date,Amount\na,x,1,, \nb,x,1,2\nc,x\n", "");
        assert_eq!(read, [Ok("2:2:a".to_owned()), Err(3), Err(4)]);
    }

    #[test]
    fn a_long_line_is_one_bad_row() {
        // 32 MB that exist nowhere: a line without end, a cell whose quote never closes before
        // it, a row of nothing but delimiters.
        for (start, filler, end) in [("b", b'x', "\n"), ("\"", b'\n', "\"\n"), ("", b',', "\n")] {
            let head = format!("No,Date,Amount\na,x,1\n{start}");
            let tail = format!("{end}c,x,1\n");
            let long = io::repeat(filler).take(32 * 1024 * 1024);
            let file = io::Cursor::new(head).chain(long).chain(io::Cursor::new(tail));
            let (columns, rows) = parse_from(file, "").unwrap();
            assert_eq!(rows.len(), 3);
            assert!(rows[1].as_ref().unwrap_err().message.contains("longer than"));
            assert_eq!(columns.cell(rows[2].as_ref().unwrap(), "No"), "c");
        }
    }

    #[test]
    fn a_line_of_a_gigabyte_ends_the_reading_long_before_its_end() {
        for (start, filler) in [("b", b'x'), ("\"", b'\n'), ("", b',')] {
            let read = Arc::new(AtomicU64::new(0));
            let head = format!("No,Date,Amount\na,x,1\n{start}");
            let file = io::Cursor::new(head).chain(io::repeat(filler).take(1 << 30));
            let file = Counted { file, read: Arc::clone(&read) };
            let (columns, mut rows) = super::start(file, &map("")).unwrap().unwrap();
            let first = rows.next().unwrap().unwrap().unwrap();
            assert_eq!(columns.cell(&first, "No"), "a");
            let refused = rows.next().unwrap_err().to_string();
            assert!(refused.contains("begins on line 3"), "{refused}");
            assert!(refused.contains("stray quote"), "{refused}");
            let read = read.load(Ordering::Relaxed);
            assert!(read < 65 << 20, "{read} bytes were read");
        }
        // The header too.
        let refused = super::start(io::repeat(b'x').take(1 << 30), &map("")).err().unwrap();
        assert!(refused.to_string().contains("begins on line 1"), "{refused}");
    }

    /// A file that tells how much of it was read.
    struct Counted<R> {
        file: R,
        read: Arc<AtomicU64>,
    }

    impl<R: Read> Read for Counted<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.file.read(buffer)?;
            self.read.fetch_add(len as u64, Ordering::Relaxed);
            Ok(len)
        }
    }

    #[test]
    fn a_file_that_is_no_such_table_is_refused_with_the_fix() {
        for (bytes, expected) in [
            (&b"No,Date\n"[..], "no column `Amount`"),
            (b"No,No,Date,Amount\n", "two columns are called `No`"),
            (b"", "no header"),
            (b"N\xe9,Date,Amount\n", "set encoding = \"windows-1252\""),
        ] {
            let refused = parse(bytes, "").unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
