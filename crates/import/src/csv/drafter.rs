//! One row of the table as what its record will say.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use records::{HeldBy, Money, Value};
use serde::{Deserialize, Serialize};

use super::map::{ClearRule, Map};
use super::table::{Columns, Row};
use crate::draft::{Draft, Kind, Position, Secret, one_line, sorted};
use crate::format::{Input, PersonNames};
use crate::object_id::segment;
use crate::row_error::RowError;
use crate::scratch::{Scratch, Table};

/// Turns rows into drafts. Rows are identified in file order; what they say depends on no other row.
pub(super) struct Drafter<'a> {
    map: &'a Map,
    kind: Arc<Kind>,
    columns: Columns,
    file_sha256: &'a str,
    persons: Option<&'a dyn PersonNames>,
    /// Of each number how often it was seen, and on which line first.
    scratch: &'a Scratch,
}

impl<'a> Drafter<'a> {
    /// # Panics
    /// If the map knows of persons and nothing names them, or the other way round.
    pub(super) fn new(map: &'a Map, columns: Columns, input: Input<'a>) -> Self {
        let Input { sha256: file_sha256, persons, scratch, .. } = input;
        assert_eq!(map.person.is_some(), persons.is_some(), "persons, and what names them");
        Self { map, kind: map.record_kind(), columns, file_sha256, persons, scratch }
    }

    /// The id that hides which row it is of, if the row is about a natural person.
    pub(super) fn hidden_object(&self, row: &Row, identity: &Identity) -> Option<String> {
        Some(self.person(row)?.object(&self.map.object_prefix(), &identity.object))
    }

    pub(super) fn draft(&self, row: &Row, identity: Identity) -> Result<Draft, RowError> {
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
                    sealed.push(of_person(path, value));
                }
                Some(value) => insert(&mut data, path, value),
                None => {}
            }
        }
        let object = if let Some(ids) = person {
            // The number of the line is in the derived id, and nowhere else.
            let native = number.map(|number| of_person("native", one_line(&number)));
            let is_mapped = |it: &Secret| sealed.iter().any(|other| other.path == it.path);
            sealed.extend(native.filter(|it| !is_mapped(it)));
            ids.object(&map.object_prefix(), &object)
        } else {
            let native = number.filter(|number| records::name::is_native_id(number));
            data.extend(native.map(|native| ("native".to_owned(), native.into())));
            data.extend(line.map(|line| ("line".to_owned(), Value::Int(line))));
            object
        };
        let sealed = sorted(sealed);
        let contract = map.contract.as_ref().and_then(|rule| {
            let number = self.columns.cell(row, &rule.column);
            (!number.is_empty()).then(|| format!("{}/contract/{}", map.body(), segment(number)))
        });
        let position = Some(Position { line: row.line, row: row.number });
        let (money, data, is_person) = (Some(money), Value::Map(data), person.is_some());
        let draft = Draft::new(&self.kind, &object, &occurred);
        Ok(Draft { position, money, rounded, data, contract, sealed, is_person, ..draft })
    }

    /// What the next row is known by.
    pub(super) fn identify(&self, row: &Row) -> io::Result<Result<Identity, RowError>> {
        let rule = &self.map.object;
        let Some(column) = &rule.column else {
            let segments = [self.file_sha256, &row.number.to_string()].join("/");
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
        let seen = self.scratch.get(SEEN, number.as_bytes())?;
        let (count, first) = match seen.as_deref().and_then(<[u8]>::split_first_chunk) {
            Some((count, rest)) => {
                let first = rest.first_chunk().expect("written below");
                (u64::from_be_bytes(*count) + 1, u64::from_be_bytes(*first))
            }
            None => (1, line),
        };
        let value = [count.to_be_bytes(), first.to_be_bytes()].concat();
        self.scratch.put(SEEN, number.as_bytes(), &value)?;
        Ok((count, first))
    }

    /// What names the object, if the row is about a natural person.
    fn person(&self, row: &Row) -> Option<&'a dyn PersonNames> {
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
                of_person(path, value)
            } else {
                Secret { path: pointer(path), value, held: rule.held, is_personal: false }
            });
        }
        secrets
    }
}

/// What a row is known by.
#[derive(Serialize, Deserialize)]
pub(super) struct Identity {
    /// The object, as it is called if the row is not about a person.
    object: String,
    /// The publisher's own number.
    number: Option<String>,
    line: Option<i64>,
}

/// A value of a row about a natural person. `path`: as the map writes it.
fn of_person(path: &str, value: String) -> Secret {
    Secret { path: pointer(path), value, held: HeldBy::Submitter, is_personal: true }
}

/// A path of the map as a pointer into the record.
fn pointer(path: &str) -> String {
    format!("/data/{}", path.replace('.', "/"))
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

/// Of each number how often it was seen, and on which line first.
const SEEN: Table = Table::named("seen");

#[cfg(test)]
mod tests;
