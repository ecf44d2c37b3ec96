//! ISO 20022 messages as banks and treasuries exchange them: payment orders (`pain.001`) and
//! statements (`camt.053`).
//!
//! Each transaction becomes a record, and the file one more, with its count and its sums, which
//! the log holds against what it has. Names of people, account numbers and what was written beside
//! a payment are sealed, and only the submitter keeps them. Amounts stay text from the file to
//! the record.
//!
//! A file is read twice: first whole, without a draft made of it, so that nothing goes in of one
//! that turns out to be broken, hostile or cut off further down.

mod booked;
pub(crate) mod camt053;
mod control;
mod leaves;
pub(crate) mod pain001;
mod xml;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use xml::{Broken, Walk};

use crate::exit::{Exit, Explain, Failure, Outcome};

/// Which message a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// Customer credit transfer initiation: orders to pay.
    Pain001,
    /// Bank to customer statement: what was booked.
    Camt053,
}

impl Message {
    /// As `--format` names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pain001 => "pain.001",
            Self::Camt053 => "camt.053",
        }
    }

    /// Reads a namespace: the message, and a version of which the names that are read here are
    /// known.
    fn of_namespace(namespace: &str) -> Result<Self, String> {
        let known = [
            (Self::Pain001, "pain.001.001.", PAIN_001_VERSIONS),
            (Self::Camt053, "camt.053.001.", CAMT_053_VERSIONS),
        ];
        let name = namespace.rsplit(':').next().unwrap_or_default();
        for (message, prefix, versions) in known {
            let Some(version) = name.strip_prefix(prefix) else { continue };
            let number = version.parse().ok().filter(|_| version.len() == VERSION_DIGITS);
            if number.is_some_and(|number| versions.contains(&number)) {
                return Ok(message);
            }
            let (first, last) = (versions.start(), versions.end());
            return Err(format!(
                "`{name}` is a version that is not known here: {prefix}{first:02} to {last:02}"
            ));
        }
        Err(format!(
            "`{namespace}` is neither a payment order (pain.001) nor a statement (camt.053)"
        ))
    }
}

/// A file on its way through the reader, its message not looked at yet.
pub(crate) struct Opened {
    walk: Walk<BufReader<File>>,
    shown: String,
}

/// Opens a file.
///
/// # Errors
/// Usage: it cannot be read, or is too large.
pub(crate) fn open(path: &Path) -> Outcome<Opened> {
    let shown = path.display().to_string();
    let reading = || format!("reading {shown}");
    let file = File::open(path).explain(Exit::Usage, reading)?;
    let length = file.metadata().explain(Exit::Usage, reading)?.len();
    if length > FILE_BYTES_MAX {
        let words = format!("{shown} has {length} bytes; a message may have {FILE_BYTES_MAX}");
        return Err(Failure::usage(words));
    }
    Ok(Opened { walk: Walk::new(BufReader::new(file)), shown })
}

impl Opened {
    /// Which message it is.
    ///
    /// # Errors
    /// Usage: none that is known, or no XML that is read here.
    pub(crate) fn message(&mut self) -> Outcome<Message> {
        let namespace = self.walk.document().map_err(|broken| failure(&self.shown, &broken))?;
        Message::of_namespace(&namespace)
            .map_err(|words| Failure::usage(format!("{}: {words}", self.shown)))
    }

    /// The next place in it; see [`Walk::next`].
    fn next(&mut self) -> Outcome<Option<xml::Node>> {
        self.walk.next().map_err(|broken| failure(&self.shown, &broken))
    }
}

/// Reads a file to its end and makes nothing of it.
///
/// # Errors
/// Usage: it is no such message, or breaks a rule of the reader.
pub(crate) fn check(path: &Path, expected: Message) -> Outcome<()> {
    let mut opened = open(path)?;
    let found = opened.message()?;
    if found != expected {
        let (found, expected) = (found.name(), expected.name());
        let words = format!("{} is a {found}, not a {expected}: --format {found}", opened.shown);
        return Err(Failure::usage(words));
    }
    while opened.next()?.is_some() {}
    Ok(())
}

fn failure(shown: &str, broken: &Broken) -> Failure {
    Failure::usage(format!("{shown}: line {}: {}", broken.line, broken.words))
}

/// The longest file, in bytes: some hundred thousand transactions.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The versions whose element names were compared with what is read here.
const PAIN_001_VERSIONS: std::ops::RangeInclusive<u32> = 3..=12;
const CAMT_053_VERSIONS: std::ops::RangeInclusive<u32> = 2..=13;
const VERSION_DIGITS: usize = 2;

#[cfg(test)]
mod tests;
