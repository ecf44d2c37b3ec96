//! One row of the table as what its record will say, before anything is sealed or signed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use records::{Money, Value};
use serde::{Deserialize, Serialize};

use super::map::{ClearRule, Held, Map};
use super::persons::PersonIds;
use super::scratch::{Scratch, Shelf};
use super::source::Kind;
use super::table::{Columns, Row};
use super::upload::Attached;

/// What a row says. Two drafts of the same row are equal; two records made of it are not, for
/// their salts differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    /// Nothing if it is no row of the file: what is gone from it.
    pub(crate) place: Option<Place>,
    pub(crate) kind: Arc<Kind>,
    pub(crate) object: String,
    pub(crate) occurred: String,
    /// The money that counts in totals.
    pub(crate) money: Option<Money>,
    /// What is said of stages that are no totals of each other: a budget, a tender, a contract.
    pub(crate) stages: Vec<(&'static str, Money)>,
    /// Whether a binary-float tail was rounded away.
    pub(crate) rounded: bool,
    /// The clear data.
    pub(crate) data: Value,
    /// The object of the contract that it belongs to.
    pub(crate) contract: Option<String>,
    /// What is sealed, sorted by path.
    pub(crate) sealed: Vec<Secret>,
    /// The public document that it names.
    pub(crate) document: Option<Attached>,
    /// Whether it is about a natural person: then nothing in clear leads to its row.
    pub(crate) is_person: bool,
}

impl Draft {
    /// What is left to say of a row that the file no longer has.
    pub(crate) fn vanished(kind: &Arc<Kind>, object: &str, occurred: &str, money: Money) -> Self {
        Self { money: Some(money), ..Self::new(kind, object, occurred) }
    }

    /// About how many bytes it holds in memory.
    pub(crate) fn weight(&self) -> usize {
        let sealed: usize = self.sealed.iter().map(|it| it.path.len() + it.value.len()).sum();
        self.object.len() + records::to_canonical(&self.data).len() + sealed
    }

    /// A draft that says nothing yet.
    pub(crate) fn new(kind: &Arc<Kind>, object: &str, occurred: &str) -> Self {
        Self {
            place: None,
            kind: Arc::clone(kind),
            object: object.to_owned(),
            occurred: occurred.to_owned(),
            money: None,
            stages: Vec::new(),
            rounded: false,
            data: Value::Map(BTreeMap::new()),
            contract: None,
            sealed: Vec::new(),
            document: None,
            is_person: false,
        }
    }
}

/// Where a row stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// 1-based line of the text file.
    pub(crate) line: u64,
    /// 1-based row of the sheet, the header being 1.
    pub(crate) row: u64,
}

/// A value to seal. Never shown, never in an error.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    /// RFC 6901, below `/data/`.
    pub(crate) path: String,
    pub(crate) value: String,
    pub(crate) held: Held,
    /// Whether it names a natural person.
    pub(crate) is_personal: bool,
}

impl Secret {
    /// A value of a row about a natural person. `path`: as the map writes it.
    fn of_person(path: &str, value: String) -> Self {
        Self { path: pointer(path), value, held: Held::Submitter, is_personal: true }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Why a row does not go in: one line of the error CSV.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RowError {
    /// 0 if it is about the file as a whole, or about what the file no longer has.
    pub(crate) line: u64,
    /// JSON pointer into the submission, or the name of a column.
    pub(crate) path: String,
    /// What stands there; empty if it is sealed.
    pub(crate) value: String,
    /// A rule of the log (`E06`) or a word of ours: `csv`, `date`, `id`, `twice`, `changed`, `held`.
    pub(crate) rule: String,
    pub(crate) message: String,
}

impl RowError {
    pub(crate) fn new(line: u64, rule: &str, path: &str, message: impl Into<String>) -> Self {
        let (path, rule, message) = (path.to_owned(), rule.to_owned(), message.into());
        Self { line, path, value: String::new(), rule, message }
    }

    /// A rule of the log that the draft of this row breaks. What stands there is shown only if
    /// it is clear data.
    pub(crate) fn of_refusal(draft: &Draft, refusal: &records::Refusal) -> Self {
        Self::of_rule(draft, refusal.rule.as_str(), &refusal.pointer, &refusal.message)
    }

    /// As [`RowError::of_refusal`], for a refusal that the log answered.
    pub(crate) fn of_rule(draft: &Draft, rule: &str, pointer: &str, message: &str) -> Self {
        let mut error =
            Self::new(draft.place.map_or(0, |place| place.line), rule, pointer, message);
        let below_data = pointer.strip_prefix("/record").unwrap_or(pointer).strip_prefix("/data");
        let clear = below_data.and_then(|below| draft.data.at(below)).and_then(Value::as_text);
        clear.unwrap_or_default().clone_into(&mut error.value);
        error
    }
}

/// Turns rows into drafts. Rows are identified in file order; what they say depends on no other row.
#[derive(Debug)]
pub(crate) struct Drafter<'a> {
    map: &'a Map,
    kind: Arc<Kind>,
    columns: Columns,
    /// SHA-256 of the file, hexadecimal: what rows without a number are known by.
    file_sha256: String,
    /// Names the objects of persons.
    persons: Option<&'a PersonIds>,
    /// Of each number how often it was seen, and on which line first.
    scratch: &'a Scratch,
}

impl<'a> Drafter<'a> {
    /// # Panics
    /// If the map knows of persons and nothing names them, or the other way round.
    pub(crate) fn new(
        map: &'a Map,
        columns: Columns,
        file_sha256: String,
        persons: Option<&'a PersonIds>,
        scratch: &'a Scratch,
    ) -> Self {
        assert_eq!(map.person.is_some(), persons.is_some(), "persons, and what names them");
        Self { map, kind: map.record_kind(), columns, file_sha256, persons, scratch }
    }

    /// The id that hides which row it is of, if the row is about a natural person.
    pub(crate) fn hidden_object(&self, row: &Row, identity: &Identity) -> Option<String> {
        Some(self.person(row)?.object(&self.map.object_prefix(), &identity.object))
    }

    /// The draft of a row.
    pub(crate) fn draft(&self, row: &Row, identity: Identity) -> Result<Draft, RowError> {
        let map = self.map;
        let Identity { object, number, line } = identity;
        let person = self.person(row);
        let occurred = self.columns.cell(row, &map.occurred.column);
        let occurred = map.occurred.format.read(occurred).ok_or_else(|| RowError {
            value: occurred.to_owned(),
            ..RowError::new(
                row.line,
                "date",
                &map.occurred.column,
                format!("expected a date as {}", map.occurred.format.pattern()),
            )
        })?;
        let (money, rounded) = self.money(row)?;
        let mut data = BTreeMap::new();
        data.insert(map.kind.body.clone(), Value::map([("id", map.body())]));
        data.insert(map.kind.party.clone(), Value::Map(BTreeMap::new()));
        data.insert(map.kind.money.clone(), money.to_value());
        let mut sealed = self.sealed(row, person.is_some());
        for (path, rule) in &map.clear {
            match self.clear_value(row, rule)? {
                Some(Value::Text(value)) if person.is_some() && self.leads_to_party(path) => {
                    sealed.push(Secret::of_person(path, value));
                }
                Some(value) => insert(&mut data, path, value),
                None => {}
            }
        }
        let object = if let Some(ids) = person {
            // The number of the line is in the derived id, and nowhere else.
            let native = number.map(|number| Secret::of_person("native", one_line(&number)));
            let is_mapped = |it: &Secret| sealed.iter().any(|other| other.path == it.path);
            sealed.extend(native.filter(|it| !is_mapped(it)));
            ids.object(&map.object_prefix(), &object)
        } else {
            let native = number.filter(|number| records::name::is_native_id(number));
            data.extend(native.map(|native| ("native".to_owned(), native.into())));
            data.extend(line.map(|line| ("line".to_owned(), Value::Int(line))));
            object
        };
        sealed.sort_by(|a, b| a.path.cmp(&b.path));
        let contract = map.contract.as_ref().and_then(|rule| {
            let number = self.columns.cell(row, &rule.column);
            (!number.is_empty()).then(|| format!("{}/contract/{}", map.body(), segment(number)))
        });
        let place = Some(Place { line: row.line, row: row.number });
        let (money, data, is_person) = (Some(money), Value::Map(data), person.is_some());
        let draft = Draft::new(&self.kind, &object, &occurred);
        Ok(Draft { place, money, rounded, data, contract, sealed, is_person, ..draft })
    }

    /// What the next row is known by.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn identify(&self, row: &Row) -> io::Result<Result<Identity, RowError>> {
        let rule = &self.map.object;
        let Some(column) = &rule.column else {
            let segments = [self.file_sha256.as_str(), &row.number.to_string()].join("/");
            let object = format!("{}{segments}", self.map.object_prefix());
            return Ok(Ok(Identity { object, number: None, line: None }));
        };
        let number = self.columns.cell(row, column);
        if number.is_empty() {
            let message = "empty; a row needs the publisher's own number, or the map no column";
            return Ok(Err(RowError::new(row.line, "id", column, message)));
        }
        let (count, first) = self.count(number, row.line)?;
        if count > 1 && !rule.lines {
            let message = format!(
                "line {first} has this number too; if one number may stand on several lines, set \
                 lines = true in the map's [object]"
            );
            let error = RowError::new(row.line, "twice", column, message);
            return Ok(Err(RowError { value: number.to_owned(), ..error }));
        }
        let mut object = format!("{}{}", self.map.object_prefix(), segment(number));
        let line = rule.lines.then_some(i64::try_from(count).unwrap_or(i64::MAX));
        if let Some(line) = line {
            object = format!("{object}/{line}");
        }
        Ok(Ok(Identity { object, number: Some(number.to_owned()), line }))
    }

    /// Counts a number: how often it was seen, and on which line first.
    fn count(&self, number: &str, line: u64) -> io::Result<(u64, u64)> {
        let seen = self.scratch.get(Shelf::Seen, number.as_bytes())?;
        let (count, first) = match seen.as_deref().and_then(<[u8]>::split_first_chunk) {
            Some((count, rest)) => {
                let first = rest.first_chunk().expect("written below");
                (u64::from_be_bytes(*count) + 1, u64::from_be_bytes(*first))
            }
            None => (1, line),
        };
        let value = [count.to_be_bytes(), first.to_be_bytes()].concat();
        self.scratch.put(Shelf::Seen, number.as_bytes(), &value)?;
        Ok((count, first))
    }

    /// What names the object, if the row is about a natural person.
    fn person(&self, row: &Row) -> Option<&'a PersonIds> {
        let rule = self.map.person.as_ref()?;
        let cell = self.columns.cell(row, &rule.column);
        self.persons.filter(|_| rule.values.iter().any(|value| value == cell))
    }

    /// Whether a path of the map says who the other party is.
    fn leads_to_party(&self, path: &str) -> bool {
        let party = self.map.kind.party.as_str();
        path == "native" || path.split('.').next() == Some(party)
    }

    fn money(&self, row: &Row) -> Result<(Money, bool), RowError> {
        let rule = &self.map.amount;
        let cell = self.columns.cell(row, &rule.column);
        let plain = plain_decimal(cell);
        let rounded = records::round_float_tail(&plain, &rule.currency);
        let money = Money::parse(rounded.as_deref().unwrap_or(&plain), &rule.currency);
        let money = money.map_err(|refusal| RowError {
            value: cell.to_owned(),
            ..RowError::new(row.line, refusal.rule.as_str(), &rule.column, refusal.message)
        })?;
        Ok((money, rounded.is_some()))
    }

    fn clear_value(&self, row: &Row, rule: &ClearRule) -> Result<Option<Value>, RowError> {
        let cell = self.columns.cell(row, &rule.column);
        if cell.is_empty() || rule.omit.iter().any(|omitted| omitted == cell) {
            return Ok(None);
        }
        let Some(format) = &rule.date else {
            return Ok(Some(format!("{}{cell}", rule.prefix).into()));
        };
        if let Some(date) = format.read(cell) {
            return Ok(Some(date.into()));
        }
        let message = format!("expected a date as {}", format.pattern());
        let error = RowError::new(row.line, "date", &rule.column, message);
        Err(RowError { value: cell.to_owned(), ..error })
    }

    /// The values that the map seals. Those of a row about a natural person are held by nobody but
    /// the submitter, whoever holds them otherwise: there is nothing then that a log could lose.
    fn sealed(&self, row: &Row, is_person: bool) -> Vec<Secret> {
        let mut secrets = Vec::new();
        for (path, rule) in &self.map.sealed {
            let cell = self.columns.cell(row, &rule.column);
            if cell.is_empty() || rule.omit.iter().any(|omitted| omitted == cell) {
                continue;
            }
            let value = one_line(cell);
            secrets.push(if is_person {
                Secret::of_person(path, value)
            } else {
                Secret { path: pointer(path), value, held: rule.held, is_personal: false }
            });
        }
        secrets
    }
}

/// What a row is known by.
#[derive(Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The object, as it is called if the row is not about a person.
    object: String,
    /// The publisher's own number.
    number: Option<String>,
    /// Which of the lines of that number it is.
    line: Option<i64>,
}

/// A path of the map as a pointer into the record.
fn pointer(path: &str) -> String {
    format!("/data/{}", path.replace('.', "/"))
}

pub(super) fn sorted(mut secrets: Vec<Secret>) -> Vec<Secret> {
    secrets.sort_by(|a, b| a.path.cmp(&b.path));
    secrets
}

/// Puts a value at a dotted path. The map was checked: no path holds another.
fn insert(data: &mut BTreeMap<String, Value>, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        data.insert(path.to_owned(), value);
        return;
    };
    let below = data.entry(first.to_owned()).or_insert_with(|| Value::Map(BTreeMap::new()));
    if let Value::Map(members) = below {
        // As deep as the map's paths, PATH_DEPTH_MAX.
        insert(members, rest, value);
    }
}

/// A number as a segment of an object's id. What the grammar does not allow, and the escape
/// itself, becomes `~` and two hexadecimal digits, so that two numbers never become one.
pub(crate) fn segment(number: &str) -> String {
    let mut escaped = String::with_capacity(number.len());
    for byte in number.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "~{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    match escaped.as_str() {
        "." => "~2E".to_owned(),
        ".." => "~2E~2E".to_owned(),
        _ => escaped,
    }
}

/// An amount without what spreadsheets add to it: a currency sign, thousands separators, brackets
/// for "negative", an empty whole part. What is then no decimal is left for the log's rule to name.
fn plain_decimal(cell: &str) -> String {
    let (cell, is_bracketed) = match cell.strip_prefix('(').and_then(|c| c.strip_suffix(')')) {
        Some(inner) => (inner.trim(), true),
        None => (cell, false),
    };
    let unsigned = cell.strip_prefix('-').unwrap_or(cell);
    let is_negative = is_bracketed || unsigned.len() < cell.len();
    let unsigned = unsigned.trim_start_matches(['£', '€', '$']).trim_start();
    let mut plain = if has_thousands_commas(unsigned) {
        unsigned.replace(',', "")
    } else {
        unsigned.to_owned()
    };
    if plain.starts_with('.') {
        plain.insert(0, '0');
    }
    let is_zero = plain.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if is_negative && !is_zero { format!("-{plain}") } else { plain }
}

fn has_thousands_commas(text: &str) -> bool {
    let whole = text.split('.').next().unwrap_or_default();
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let is_digits = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    !rest.is_empty()
        && first.len() <= 3
        && is_digits(first)
        && rest.iter().all(|group| group.len() == 3 && is_digits(group))
}

/// A text without the line breaks and tabs that spreadsheet cells have and records may not.
pub(super) fn one_line(cell: &str) -> String {
    if !cell.contains(|c: char| records::json::is_refused_char(c)) {
        return cell.to_owned();
    }
    let spaced: String =
        cell.chars().map(|c| if records::json::is_refused_char(c) { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
