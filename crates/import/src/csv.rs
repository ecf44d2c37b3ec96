//! Tables of comma-separated values, with a map that says which column is what.
//!
//! | module | what |
//! |---|---|
//! | [`map`] | the map file |
//! | [`guess`] | a first map for a file |
//! | `encoding`, `table` | bytes become text, text becomes rows |
//! | `date`, `drafter` | cells become what a record says |

mod date;
mod drafter;
mod encoding;
pub mod guess;
pub mod map;
mod table;

use std::io;
use std::path::Path;

use self::drafter::{Drafter, Identity};
use self::map::Map;
use self::table::Row;
use crate::draft::Series;
use crate::error::ImportError;
use crate::format::{Drafted, Drafts, Format, FormatName, Input};
use crate::row_error::RowError;
use crate::scratch::{self, Pages, Scratch, Table};

/// A table, as its map reads it.
#[derive(Debug, Clone)]
pub struct Csv {
    map: Map,
}

impl Csv {
    /// Reads the map.
    ///
    /// # Errors
    /// It cannot be read, or is none that can be used; the member is named.
    pub fn with_map(path: &Path) -> Result<Self, ImportError> {
        map::read(path).map(|map| Self { map })
    }

    /// Makes the records those of an observer: what the body publishes in the file of this name.
    pub fn observe(&mut self, observer: &str, name: &str) {
        self.map.observe(observer, name);
    }

    /// How the ids of all objects of the table begin.
    pub fn object_prefix(&self) -> String {
        self.map.object_prefix()
    }
}

impl Format for Csv {
    fn name(&self) -> FormatName {
        FormatName::Csv
    }

    fn submitter(&self) -> &str {
        &self.map.submitter
    }

    fn series(&self) -> Option<Series> {
        Some(Series { kind: self.map.record_kind(), prefix: self.map.object_prefix() })
    }

    fn person_prefix(&self) -> Option<String> {
        self.map.person.as_ref().map(|_| self.map.object_prefix())
    }

    fn check(&self, file: &Path, progress: &dyn Fn(u64)) -> Result<Option<u64>, ImportError> {
        table::count(file, &self.map, progress).map(Some)
    }

    fn open<'a>(&'a self, input: Input<'a>) -> Result<Box<dyn Drafts + 'a>, ImportError> {
        let (columns, rows) = table::open(input.file, &self.map)?;
        let drafter = Drafter::new(&self.map, columns, input);
        let (file, scratch) = (input.file, input.scratch);
        Ok(Box::new(CsvDrafts { file, drafter, rows, scratch, waiting: None }))
    }
}

struct CsvDrafts<'a> {
    file: &'a Path,
    drafter: Drafter<'a>,
    rows: table::Rows,
    scratch: &'a Scratch,
    /// Rows about persons, once all others are through.
    waiting: Option<Waiting<'a>>,
}

/// What was put aside until the end of the file.
struct Waiting<'a> {
    pages: Pages<'a>,
    page: std::vec::IntoIter<scratch::Row>,
}

impl Drafts for CsvDrafts<'_> {
    fn next(&mut self) -> Result<Option<Drafted>, ImportError> {
        while self.waiting.is_none() {
            match self.rows.next().map_err(ImportError::reading(self.file))? {
                Some(Ok(row)) => {
                    if let Some(drafted) = self.take(row).map_err(ImportError::Scratch)? {
                        return Ok(Some(drafted));
                    }
                }
                Some(Err(bad)) => {
                    return Ok(Some(Err(RowError::new(bad.line, "csv", "", bad.message))));
                }
                None => {
                    let pages = self.scratch.pages(WAITING);
                    self.waiting = Some(Waiting { pages, page: Vec::new().into_iter() });
                }
            }
        }
        self.next_waiting().map_err(ImportError::Scratch)
    }
}

impl CsvDrafts<'_> {
    /// The draft of a row, or nothing if it has to wait.
    fn take(&mut self, row: Row) -> io::Result<Option<Drafted>> {
        let identity = match self.drafter.identify(&row)? {
            Ok(identity) => identity,
            Err(error) => return Ok(Some(Err(error))),
        };
        let Some(hidden) = self.drafter.hidden_object(&row, &identity) else {
            return Ok(Some(self.drafter.draft(&row, identity)));
        };
        // Numbers of lines are told apart by the row, should two of them ever share an id.
        let key = [hidden.as_bytes(), &row.number.to_be_bytes()].concat();
        let value = serde_json::to_vec(&(row, identity))?;
        self.scratch.put(WAITING, &key, &value)?;
        Ok(None)
    }

    fn next_waiting(&mut self) -> io::Result<Option<Drafted>> {
        let Some(Waiting { pages, page }) = &mut self.waiting else { return Ok(None) };
        if page.as_slice().is_empty() {
            *page = pages.next().transpose()?.unwrap_or_default().into_iter();
        }
        let Some((_, value)) = page.next() else { return Ok(None) };
        let (row, identity): (Row, Identity) = serde_json::from_slice(&value)?;
        Ok(Some(self.drafter.draft(&row, identity)))
    }
}

/// Rows about persons, in the order in which they go in.
const WAITING: Table = Table::named("waiting");
