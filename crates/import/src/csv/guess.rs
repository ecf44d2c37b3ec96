//! A first map for a file, to be read and corrected by a person.
//!
//! It guesses from the beginning of the file and says of each guess what it rests on. What it does
//! not recognise it seals: a value in the clear is there for ever, a sealed one can still be opened.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::date::DateFormat;
use super::encoding::{self, Encoding};
use crate::error::ImportError;

/// What a file does not say of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints<'a> {
    /// Id of the registered submitter.
    pub submitter: Option<&'a str>,
    /// ISO 4217, such as `GBP`.
    pub currency: Option<&'a str>,
}

/// A commented map, guessed from the beginning of a file.
///
/// # Errors
/// It cannot be read, or is no table.
pub fn guess(file: &Path, hints: Hints<'_>) -> Result<String, ImportError> {
    let mut sample = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(SAMPLE_BYTES).read_to_end(&mut sample))
        .map_err(ImportError::reading(file))?;
    let guess = Guess::of(&sample).map_err(|words| ImportError::unusable(file, words))?;
    Ok(guess.map(hints))
}

/// What the file seems to be.
#[derive(Debug)]
struct Guess {
    encoding: &'static str,
    delimiter: char,
    preamble: usize,
    columns: Vec<Column>,
}

/// A column and the cells of it that were seen.
#[derive(Debug)]
struct Column {
    name: String,
    cells: Vec<String>,
}

impl Guess {
    fn of(sample: &[u8]) -> Result<Self, String> {
        let encoding = encoding_of(sample);
        let text =
            decode(sample, encoding).ok_or("not text in any encoding that can be guessed")?;
        let (delimiter, preamble) = layout_of(&text).ok_or("no table of at least three columns")?;
        let below: String = text.split_inclusive('\n').skip(preamble).collect();
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(u8::try_from(delimiter).map_err(|_| "no delimiter")?)
            .flexible(true)
            .from_reader(below.as_bytes());
        let header = reader.headers().map_err(|error| error.to_string())?.clone();
        let mut columns: Vec<Column> = header
            .iter()
            .map(|name| Column { name: name.trim().to_owned(), cells: Vec::new() })
            .collect();
        // The sample may end within a row, which is then one cell short.
        for row in reader.records().map_while(Result::ok).take(ROWS_SEEN) {
            for (column, cell) in columns.iter_mut().zip(&row) {
                column.cells.push(cell.trim().to_owned());
            }
        }
        if columns.iter().all(|column| column.cells.is_empty()) {
            return Err("a header, and no row below it".to_owned());
        }
        Ok(Self { encoding, delimiter, preamble, columns })
    }

    fn map(&self, hints: Hints<'_>) -> String {
        let amount = self.best(Column::amount_score);
        let date = self.best(|column| column.date_format().map_or(0, |_| column.date_score()));
        let number = self.best(Column::number_score);
        let mut text = String::new();
        self.write_head(&mut text, hints);
        write_number(&mut text, number);
        write_date(&mut text, date);
        write_amount(&mut text, amount, hints);
        let taken: Vec<&str> =
            [amount, date, number].into_iter().flatten().map(|it| it.name.as_str()).collect();
        let rest = self.columns.iter().filter(|column| !taken.contains(&column.name.as_str()));
        write_rest(&mut text, &rest.collect::<Vec<_>>());
        text
    }

    /// The column with the highest score above 0; of equals the first.
    fn best(&self, score: impl Fn(&Column) -> u32) -> Option<&Column> {
        let scored = self.columns.iter().map(|column| (score(column), column));
        let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        (best.0 > 0).then_some(best.1)
    }

    fn write_head(&self, text: &mut String, hints: Hints<'_>) {
        let submitter = hints.submitter.unwrap_or("XX-TODO-TODO");
        let delimiter = self.delimiter.escape_default();
        line(
            text,
            "# A first map, guessed from the beginning of the file. Check every line of it.",
        );
        line(text, "");
        line(text, "# Who submits: the id under which the log's governance registered you.");
        line(text, &format!("submitter = {}", quoted(submitter)));
        line(text, "kind = \"payment\"                # or \"register\" for contracts");
        line(text, &format!("encoding = \"{}\"", self.encoding));
        line(text, &format!("delimiter = \"{delimiter}\""));
        if self.preamble > 0 {
            line(text, "# Lines above the header.");
            line(text, &format!("preamble = {}", self.preamble));
        }
        line(text, "");
    }
}

fn write_number(text: &mut String, number: Option<&Column>) {
    let Some(column) = number else {
        line(text, "# No column looks like the publisher's own number, so a row is known by the");
        line(
            text,
            "# SHA-256 of its file and its place there: published again, the file is another.",
        );
        line(text, "# [object]");
        line(text, "# column = \"…\"\n");
        return;
    };
    line(text, "# The publisher's own number: what the record is known by.");
    line(text, "[object]");
    line(text, &format!("column = {}", quoted(&column.name)));
    if column.repeats() {
        line(text, "# Numbers repeat, so they become <number>/1, <number>/2, ... in file order.");
        line(text, "lines = true");
    }
    line(text, "");
}

fn write_date(text: &mut String, date: Option<&Column>) {
    line(text, "# The day it happened. If day and month could be confused, check them.");
    line(text, "[occurred]");
    let name = date.map_or("TODO", |column| &column.name);
    line(text, &format!("column = {}", quoted(name)));
    let format = date.and_then(Column::date_format).unwrap_or("YYYY-MM-DD");
    line(text, &format!("format = \"{format}\"\n"));
}

fn write_amount(text: &mut String, amount: Option<&Column>, hints: Hints<'_>) {
    line(text, "[amount]");
    let name = amount.map_or("TODO", |column| &column.name);
    line(text, &format!("column = {}", quoted(name)));
    let currency = hints.currency;
    let doubt = if currency.is_none() { "            # a guess" } else { "" };
    line(text, &format!("currency = \"{}\"{doubt}\n", currency.unwrap_or("GBP")));
}

fn write_rest(text: &mut String, columns: &[&Column]) {
    let code = columns.iter().find(|column| column.has_word(PAYEE_ID_WORDS) && column.is_code());
    let code = code.map_or("", |column| column.name.as_str());
    let payee = NAME_WORDS.iter().find_map(|word| {
        columns.iter().find(|column| column.name != code && column.has_word(&[word]))
    });
    let payee = payee.map_or("", |column| column.name.as_str());
    line(text, "# Anyone may read these for ever: ids and codes. Never names, never free text.");
    line(text, "[clear]");
    if !code.is_empty() {
        let column = quoted(code);
        line(text, &format!("\"payee.id\" = {{ column = {column}, prefix = \"XI-LOCAL-\" }}"));
    }
    line(
        text,
        "\n# Of these the log's tree holds a salted digest only, so that they can be erased.",
    );
    line(text, "[sealed]");
    if !payee.is_empty() {
        line(text, &format!("\"payee.name\" = {{ column = {} }}", quoted(payee)));
    }
    let mut used = Vec::new();
    for column in columns {
        if column.name.is_empty() || column.name == payee || column.name == code {
            continue;
        }
        let path = column.path();
        let path = path.filter(|path| !used.contains(path));
        let mark = if path.is_some() { "" } else { "# " };
        let shown = path.clone().unwrap_or_else(|| "some_name".to_owned());
        line(text, &format!("{mark}\"{shown}\" = {{ column = {} }}", quoted(&column.name)));
        used.extend(path);
    }
}

impl Column {
    fn has_word(&self, words: &[&str]) -> bool {
        let name = self.name.to_lowercase();
        words.iter().any(|word| name.contains(word))
    }

    fn filled(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(String::as_str).filter(|cell| !cell.is_empty())
    }

    /// Whether nine of ten cells that are not empty satisfy this, and there are any.
    fn mostly(&self, is_so: impl Fn(&str) -> bool) -> bool {
        let (count, fitting) =
            (self.filled().count(), self.filled().filter(|it| is_so(it)).count());
        count > 0 && fitting * 10 >= count * 9
    }

    fn amount_score(&self) -> u32 {
        if !self.mostly(is_amount) {
            return 0;
        }
        let has_decimals = self.filled().any(|cell| cell.contains('.'));
        1 + 4 * u32::from(self.has_word(AMOUNT_WORDS)) + 2 * u32::from(has_decimals)
    }

    fn date_score(&self) -> u32 {
        1 + 2 * u32::from(self.has_word(DATE_WORDS))
    }

    /// The one format in which all dates are read; the more common one if day and month could be
    /// exchanged.
    fn date_format(&self) -> Option<&'static str> {
        DATE_FORMATS.iter().copied().find(|pattern| {
            let format = DateFormat::parse(pattern);
            format.is_some_and(|format| self.mostly(|cell| format.read(cell).is_some()))
        })
    }

    fn number_score(&self) -> u32 {
        let is_full = self.filled().count() == self.cells.len();
        if !is_full || self.cells.is_empty() || !self.is_code() || self.date_format().is_some() {
            return 0;
        }
        // The first word that fits counts most: a transaction before a document before an order.
        let rank = NUMBER_WORDS.iter().position(|word| self.has_word(&[word]));
        rank.map_or(0, |rank| u32::try_from(NUMBER_WORDS.len() - rank).unwrap_or(0))
    }

    fn is_code(&self) -> bool {
        self.mostly(|cell| cell.len() <= 40 && !cell.contains(' '))
    }

    fn repeats(&self) -> bool {
        let mut cells: Vec<&str> = self.filled().collect();
        cells.sort_unstable();
        cells.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Where its values go below `data`, sealed.
    fn path(&self) -> Option<String> {
        let path = SEALED_PATHS.iter().find(|(word, _)| self.has_word(&[word]));
        path.map(|(_, path)| (*path).to_owned())
    }
}

fn is_amount(cell: &str) -> bool {
    let plain = cell.trim_start_matches(['-', '(', '£', '€', '$', ' ']).trim_end_matches(')');
    plain.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && plain.bytes().all(|byte| byte.is_ascii_digit() || b".,".contains(&byte))
}

fn encoding_of(sample: &[u8]) -> &'static str {
    let zeros = |parity: usize| {
        let places = sample.iter().skip(parity).step_by(2);
        let len = places.len().max(1);
        places.filter(|byte| **byte == 0).count() * 3 > len
    };
    // The sample may end within a character.
    let is_utf8 = match std::str::from_utf8(sample) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    let has_mark = sample.starts_with(b"\xff\xfe") || sample.starts_with(b"\xfe\xff");
    match (zeros(0), zeros(1)) {
        (false, false) if is_utf8 || has_mark => "utf-8",
        (false, true) => "utf-16le",
        (true, false) => "utf-16be",
        _ => "windows-1252",
    }
}

fn decode(sample: &[u8], encoding: &str) -> Option<String> {
    let encoding = Encoding::find(encoding)?;
    let (mut reader, encoding) =
        encoding::open(std::io::Cursor::new(sample.to_vec()), encoding).ok()?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).ok()?;
    // What the end of the sample cut in two is left out.
    let whole = match std::str::from_utf8(&bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => &bytes,
    };
    let text = encoding.decode(whole);
    text.or_else(|| {
        let cut = whole.iter().rposition(|byte| *byte == b'\n')?;
        encoding.decode(&whole[..cut])
    })
}

/// The delimiter, and how many lines stand above the header: the one that most lines agree on.
fn layout_of(text: &str) -> Option<(char, usize)> {
    let lines: Vec<&str> = text.lines().take(ROWS_SEEN).collect();
    let agreement = |delimiter: char| {
        let counts: Vec<usize> = lines
            .iter()
            .map(|line| cells_of(line, delimiter))
            .filter(|count| *count >= 3)
            .collect();
        let most = counts
            .iter()
            .copied()
            .max_by_key(|width| (counts.iter().filter(|count| *count == width).count(), *width))?;
        Some((counts.iter().filter(|count| **count == most).count(), most))
    };
    let (_, width, delimiter) = DELIMITERS
        .iter()
        .filter_map(|delimiter| {
            agreement(*delimiter).map(|(rows, width)| (rows, width, *delimiter))
        })
        .max_by_key(|(rows, width, _)| (*rows, *width))?;
    let header = lines.iter().position(|line| cells_of(line, delimiter) == width)?;
    Some((delimiter, header))
}

/// Cells of a line, delimiters within quotes not counted.
fn cells_of(line: &str, delimiter: char) -> usize {
    let mut is_quoted = false;
    let mut cells = 1;
    for c in line.chars() {
        is_quoted ^= c == '"';
        cells += usize::from(c == delimiter && !is_quoted);
    }
    cells
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn line(text: &mut String, words: &str) {
    writeln!(text, "{words}").expect("writing to a String cannot fail");
}

const SAMPLE_BYTES: u64 = 1024 * 1024;
const ROWS_SEEN: usize = 2_000;
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];
const DATE_FORMATS: [&str; 8] = [
    "YYYY-MM-DD",
    "DD/MM/YYYY",
    "DD.MM.YYYY",
    "DD-MM-YYYY",
    "MM/DD/YYYY",
    "YYYY/MM/DD",
    "YYYY.MM.DD",
    "YYYYMMDD",
];
const DATE_WORDS: &[&str] = &["date", "datum", "fecha", "data"];
const AMOUNT_WORDS: &[&str] = &["amount", "value", "betrag", "importe", "montant", "kwota", "sum"];
const NUMBER_WORDS: &[&str] = &[
    "transaction",
    "document",
    "payment no",
    "payment ref",
    "contract",
    "invoice",
    "number",
    "ref",
];
const NAME_WORDS: &[&str] =
    &["supplier", "vendor", "payee", "merchant name", "beneficiary", "name"];
const PAYEE_ID_WORDS: &[&str] =
    &["supplier id", "vendor id", "supplier no", "supplier ref", "vendor no"];
/// A word in a column's name, and where its values go. Paths that the shipped profiles know.
const SEALED_PATHS: &[(&str, &str)] = &[
    ("vat", "payee.vat"),
    ("postcode", "payee.postcode"),
    ("address", "payee.address"),
    ("invoice", "invoice"),
    ("description", "description"),
    ("purpose", "purpose"),
    ("area", "area"),
    ("type", "type"),
    ("account", "type"),
    ("category", "category"),
    ("directorate", "directorate"),
    ("department", "directorate"),
    ("entity", "directorate"),
    ("service", "area"),
    ("note", "note"),
];
