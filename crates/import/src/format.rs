//! What all formats have in common: the one seam between what a file is and what follows.
//!
//! ```text
//! CSV        ─table─► row ──────┐
//! OCDS       ─json──► release ──┼─► Drafts::next ─► Draft ─► plan, seal, send, report
//! ISO 20022  ─xml───► entry ────┘
//! ```
//! Whatever comes after it knows no format: a draft says by itself which kind of record it becomes.

use std::path::Path;

use crate::draft::{Draft, Series};
use crate::error::ImportError;
use crate::row_error::RowError;
use crate::scratch::Scratch;

/// The formats, as command lines and reports name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatName {
    /// A table, with a map.
    Csv,
    /// OCDS 1.1: a release, a release package, or one of these a line.
    Ocds,
    /// ISO 20022 payment orders: customer credit transfer initiation.
    Pain001,
    /// ISO 20022 bank statements: bank to customer statement.
    Camt053,
}

impl FormatName {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Ocds, Self::Pain001, Self::Camt053];

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ocds => "ocds",
            Self::Pain001 => "pain.001",
            Self::Camt053 => "camt.053",
        }
    }

    /// What a file of it is, for a sentence about one.
    pub fn words(self) -> &'static str {
        match self {
            Self::Csv => "a table",
            Self::Ocds => "OCDS releases",
            Self::Pain001 => "an ISO 20022 payment order",
            Self::Camt053 => "an ISO 20022 bank statement",
        }
    }
}

/// A format, with what its records need beside the file.
///
/// A file is read twice. Nothing is to go in of one that turns out to be broken, hostile or cut off
/// further down, so [`Format::check`] goes to its end before [`Format::open`] makes the first draft.
pub trait Format {
    /// Its name.
    fn name(&self) -> FormatName;

    /// Id of the registered submitter whose records the file becomes.
    fn submitter(&self) -> &str;

    /// The records that a complete file is compared with: a row of these that the file does not have
    /// is gone. Nothing where a file never says of itself that it is all there is.
    fn series(&self) -> Option<Series> {
        None
    }

    /// How the ids of all objects about natural persons begin, if the format knows of such.
    fn person_prefix(&self) -> Option<String> {
        None
    }

    /// Reads a file to its end, as far as it can fail as a whole. Says how many rows it has, if that
    /// is known then; `progress` hears of each row counted so far.
    ///
    /// # Errors
    /// The file is none of this format, or breaks a limit.
    fn check(&self, file: &Path, progress: &dyn Fn(u64)) -> Result<Option<u64>, ImportError>;

    /// Opens a file that was checked.
    ///
    /// # Panics
    /// If the format knows of persons and the input does not name them, or the other way round.
    fn open<'a>(&'a self, input: Input<'a>) -> Result<Box<dyn Drafts + 'a>, ImportError>;
}

/// A file to read, and what is needed for it.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The file.
    pub file: &'a Path,
    /// SHA-256 of the file, hexadecimal: what rows without a number are known by.
    pub sha256: &'a str,
    /// There if and only if the format has a [`Format::person_prefix`].
    pub persons: Option<&'a dyn PersonNames>,
    /// Room for what has to be remembered of every row.
    pub scratch: &'a Scratch,
}

/// Names the objects about natural persons.
///
/// An id is in clear for ever, and a number in it would lead whoever has the file to the name. How
/// the other id comes about is a secret of the submitter's, which this crate never sees.
pub trait PersonNames {
    /// The id to use instead of `clear`; the same for the same `clear`. Both begin with `prefix`.
    fn object(&self, prefix: &str, clear: &str) -> String;
}

/// The drafts of a file, one at a time, in the order in which they go in: that of the file, but rows
/// about persons behind all others, in the order of their derived ids. In the order of the file the
/// entries around one would tell its row.
pub trait Drafts {
    /// The next draft, or why there is none in this place; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read any further.
    fn next(&mut self) -> Result<Option<Drafted>, ImportError>;

    /// Where the file departed from its standard since this was asked last. It kept nothing out.
    fn take_warnings(&mut self) -> Vec<RowError> {
        Vec::new()
    }
}

/// A draft, or why a row does not become one.
pub type Drafted = Result<Draft, RowError>;
