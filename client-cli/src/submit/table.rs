//! A CSV file as rows of text.

use std::collections::BTreeMap;
use std::path::Path;

use super::map::{Encoding, Map};
use crate::exit::{Exit, Explain, Failure, Outcome};

/// The file, read and split into cells.
#[derive(Debug)]
pub(crate) struct Table {
    columns: BTreeMap<String, usize>,
    /// The rows in file order, well-formed or not.
    pub(crate) rows: Vec<Result<Row, BadLine>>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// 1-based line of the file where it starts: what an editor shows.
    pub(crate) line: u64,
    /// 1-based row of the sheet, the header being 1: what a spreadsheet shows.
    pub(crate) number: u64,
    cells: Vec<String>,
}

/// A row that is no row of this table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadLine {
    pub(crate) line: u64,
    pub(crate) message: String,
}

/// Reads the file. Rows that cannot be read do not stop the others.
///
/// # Errors
/// Usage: no file, too large, UTF-16, no header, or the header lacks a column of the map.
pub(crate) fn read(path: &Path, map: &Map) -> Outcome<Table> {
    let shown = path.display();
    let bytes = std::fs::read(path).explain(Exit::Usage, || format!("reading {shown}"))?;
    parse(&bytes, map).map_err(|words| Failure::usage(format!("{shown}: {words}")))
}

pub(super) fn parse(bytes: &[u8], map: &Map) -> Result<Table, String> {
    if bytes.len() > CSV_BYTES_MAX {
        return Err(format!("larger than {CSV_BYTES_MAX} bytes; split it"));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("this is UTF-16; save it as UTF-8 CSV".to_owned());
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let delimiter = u8::try_from(map.delimiter).map_err(|_| "delimiter".to_owned())?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(true)
        .from_reader(text);
    let header = reader.byte_headers().map_err(|error| format!("the header: {error}"))?.clone();
    let columns = read_header(&header, map)?;
    let mut rows = Vec::new();
    let mut lines = LineCounter { text, offset: 0, line: 1 };
    for (number, record) in reader.byte_records().enumerate() {
        let record = record.map_err(|error| error.to_string())?;
        let line = lines.line_of(record.position().map_or(0, csv::Position::byte));
        let row = u64::try_from(number).unwrap_or(u64::MAX).saturating_add(FIRST_DATA_ROW);
        rows.push(read_row(&record, header.len(), map.encoding, line, row));
    }
    Ok(Table { columns, rows })
}

/// Counts lines as editors do. The reader's own count is one behind in files with CRLF.
struct LineCounter<'a> {
    text: &'a [u8],
    offset: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// The line of the record that begins at `byte` or after the line ends there. Offsets ascend.
    fn line_of(&mut self, byte: u64) -> u64 {
        let start = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(found) = self.text.get(self.offset) {
            if self.offset >= start && !matches!(found, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*found == b'\n');
            self.offset += 1;
        }
        self.line
    }
}

fn read_header(header: &csv::ByteRecord, map: &Map) -> Result<BTreeMap<String, usize>, String> {
    let mut columns = BTreeMap::new();
    for (position, cell) in header.iter().enumerate() {
        let name = decode(cell, map.encoding)
            .ok_or("the header is not UTF-8; set encoding = \"windows-1252\" in the map")?;
        let name = name.trim().to_owned();
        // A second column of the same name would make "which one" a guess.
        if columns.insert(name.clone(), position).is_some() && map.columns().any(|c| c == name) {
            return Err(format!("two columns are called `{name}`"));
        }
    }
    match map.columns().find(|column| !columns.contains_key(*column)) {
        None => Ok(columns),
        Some(missing) => {
            let found: Vec<&str> = columns.keys().map(String::as_str).collect();
            Err(format!(
                "no column `{missing}`, which the map names; the header has: {}",
                found.join(", ")
            ))
        }
    }
}

fn read_row(
    record: &csv::ByteRecord,
    width: usize,
    encoding: Encoding,
    line: u64,
    row: u64,
) -> Result<Row, BadLine> {
    let bad = |message: String| BadLine { line, message };
    if record.len() != width {
        return Err(bad(format!(
            "{} cells, the header has {width}; is there a stray quote or delimiter?",
            record.len()
        )));
    }
    let cells: Option<Vec<String>> = record.iter().map(|cell| decode(cell, encoding)).collect();
    let cells = cells.ok_or_else(|| {
        bad("not UTF-8; save the file as UTF-8 or set encoding = \"windows-1252\" in the map"
            .to_owned())
    })?;
    Ok(Row { line, number: row, cells })
}

impl Table {
    /// The cell of a column, without the blanks around it.
    ///
    /// # Panics
    /// If the map did not name the column when the table was read.
    pub(crate) fn cell<'a>(&self, row: &'a Row, column: &str) -> &'a str {
        let position = self.columns.get(column).expect("read() checked the map's columns");
        row.cells.get(*position).map_or("", |cell| cell.trim())
    }
}

fn decode(cell: &[u8], encoding: Encoding) -> Option<String> {
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(cell).ok().map(str::to_owned),
        Encoding::Windows1252 => Some(
            cell.iter()
                .map(|byte| match byte {
                    0x80..=0x9f => WINDOWS_1252_HIGH[usize::from(byte - 0x80)],
                    other => char::from(*other),
                })
                .collect(),
        ),
    }
}

/// Bytes 0x80 to 0x9f; the five that the code page leaves open are the C1 controls, which are
/// refused later. Spec: encoding.spec.whatwg.org, index windows-1252.
const WINDOWS_1252_HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];
const CSV_BYTES_MAX: usize = 512 * 1024 * 1024;
const FIRST_DATA_ROW: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn map(extra: &str) -> Map {
        let text = format!(
            "submitter = \"XX-A-B\"\nkind = \"payment\"\n{extra}\nobject = {{ column = \"No\" }}\n\
             occurred = {{ column = \"Date\" }}\namount = {{ column = \"Amount\", currency = \"GBP\" }}"
        );
        toml::from_str(&text).unwrap()
    }

    fn cells(bytes: &[u8], extra: &str) -> Vec<Result<String, u64>> {
        let table = parse(bytes, &map(extra)).unwrap();
        let show = |row: &Result<Row, BadLine>| match row {
            Ok(row) => Ok(format!("{}:{}:{}", row.line, row.number, table.cell(row, "No"))),
            Err(bad) => Err(bad.line),
        };
        table.rows.iter().map(show).collect()
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
    fn windows_1252_is_read() {
        let table =
            parse(b"No,Date,Amount\n\x80\x93\xe9,x,1\n", &map("encoding = \"windows-1252\""));
        let table = table.unwrap();
        let row = table.rows[0].as_ref().unwrap();
        assert_eq!(table.cell(row, "No"), "€“é");
    }

    #[test]
    fn a_file_that_is_no_such_table_is_refused_with_the_fix() {
        for (bytes, expected) in [
            (&b"\xff\xfeN\0o\0"[..], "save it as UTF-8"),
            (b"No,Date\n", "no column `Amount`"),
            (b"No,No,Date,Amount\n", "two columns are called `No`"),
            (b"", "no column"),
        ] {
            let refused = parse(bytes, &map("")).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
