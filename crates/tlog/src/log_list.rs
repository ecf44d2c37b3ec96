//! Log lists: which logs somebody recommends that a witness watches.
//!
//! ```text
//! logs/v0
//! # the demonstration
//! vkey log.example/spending-2026+0be1d167+AYqI4910…
//! origin log.example/spending-2026        optional; else the name of the key
//! qpd 86400                               add-checkpoint requests a day, at most
//! contact admin@log.example
//! ```
//!
//! Spec: c2sp.org/tlog-list, formerly the log-list-format of the witness network.

use std::collections::BTreeSet;

use crate::encoding;
use crate::key::{KeyError, VerifierKey};
use crate::origin::{Origin, OriginError};

/// Reads a log list: its logs in the order of the file, each origin once.
pub fn parse_log_list(text: &str) -> Result<Vec<ListedLog>, LogListError> {
    if text.len() > LOG_LIST_BYTES_MAX {
        return Err(LogListError::TooLong { got: text.len() });
    }
    let mut parser = Parser::default();
    for (number, line) in (1_usize..).zip(text.split('\n')) {
        let line = line.trim_matches([' ', '\t']);
        // SPEC tlog-list: comments have their own line; empty lines say nothing.
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        parser.line(line).map_err(|source| LogListError::Line { line: number, source })?;
    }
    parser.finish()
}

/// A log as a list describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLog {
    /// Its key.
    pub key: VerifierKey,
    /// The first line of its checkpoints.
    pub origin: Origin,
    /// How many add-checkpoint requests it may send in a day: 1 to 2^31 - 1.
    pub requests_per_day: u32,
    /// How its operator is reached.
    pub contact: String,
}

#[derive(Default)]
struct Parser {
    has_header: bool,
    logs: Vec<ListedLog>,
    origins: BTreeSet<Origin>,
    open: Option<Open>,
}

/// A log of which not all lines were read.
struct Open {
    key: VerifierKey,
    origin: Option<Origin>,
    requests_per_day: Option<u32>,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), LogListLineError> {
        if !self.has_header {
            self.has_header = line == HEADER;
            return if self.has_header { Ok(()) } else { Err(LogListLineError::Header) };
        }
        let (word, value) = line.split_once([' ', '\t']).ok_or(LogListLineError::Words)?;
        let value = value.trim_matches([' ', '\t']);
        // SPEC tlog-list: vkey, origin (optional), qpd, contact, in this order.
        match (word, self.open.take()) {
            ("vkey", None) => {
                let key = value.parse()?;
                self.open = Some(Open { key, origin: None, requests_per_day: None });
                Ok(())
            }
            ("origin", Some(open)) if open.origin.is_none() && open.requests_per_day.is_none() => {
                let origin = value.parse()?;
                self.open = Some(Open { origin: Some(origin), ..open });
                Ok(())
            }
            ("qpd", Some(open)) if open.requests_per_day.is_none() => {
                let number = requests_per_day(value).ok_or(LogListLineError::RequestsPerDay)?;
                self.open = Some(Open { requests_per_day: Some(number), ..open });
                Ok(())
            }
            ("contact", Some(open)) => self.close(open, value),
            _ => Err(LogListLineError::Order),
        }
    }

    fn close(&mut self, open: Open, contact: &str) -> Result<(), LogListLineError> {
        let Open { key, origin, requests_per_day } = open;
        let requests_per_day = requests_per_day.ok_or(LogListLineError::Order)?;
        let origin = match origin {
            Some(origin) => origin,
            None => key.name().as_str().parse()?,
        };
        if !self.origins.insert(origin.clone()) {
            return Err(LogListLineError::OriginTwice);
        }
        if self.logs.len() == LOG_LIST_LOGS_MAX {
            return Err(LogListLineError::TooMany);
        }
        self.logs.push(ListedLog { key, origin, requests_per_day, contact: contact.to_owned() });
        Ok(())
    }

    fn finish(self) -> Result<Vec<ListedLog>, LogListError> {
        match self {
            Self { has_header: false, .. } => Err(LogListError::Empty),
            Self { open: Some(_), .. } => Err(LogListError::Unfinished),
            Self { logs, .. } => Ok(logs),
        }
    }
}

fn requests_per_day(text: &str) -> Option<u32> {
    let number = u32::try_from(encoding::canonical_decimal(text)?).ok()?;
    (1..=REQUESTS_PER_DAY_MAX).contains(&number).then_some(number)
}

/// Why a text is not a log list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogListError {
    /// Longer than [`LOG_LIST_BYTES_MAX`].
    #[error("expected a log list of at most {LOG_LIST_BYTES_MAX} bytes, got {got}")]
    TooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// Not even a first line.
    #[error("expected '{HEADER}' on the first line")]
    Empty,
    /// A line that is wrong.
    #[error("log list line {line}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: LogListLineError,
    },
    /// The last log is not complete.
    #[error("expected a contact line for the last log")]
    Unfinished,
}

/// What is wrong with a line of a log list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogListLineError {
    /// Another first line.
    #[error("expected '{HEADER}'")]
    Header,
    /// A keyword without a value.
    #[error("expected a keyword and a value")]
    Words,
    /// A line where it does not belong, or of an unknown keyword.
    #[error("expected for each log the lines vkey, origin (optional), qpd, contact")]
    Order,
    /// Not a verifier key.
    #[error("expected a verifier key")]
    Key(#[from] KeyError),
    /// A name no log may have.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// Another log of this list has the same origin.
    #[error("this origin is in the list already")]
    OriginTwice,
    /// Not a number of requests.
    #[error("expected a number of requests from 1 to {REQUESTS_PER_DAY_MAX}")]
    RequestsPerDay,
    /// More than [`LOG_LIST_LOGS_MAX`].
    #[error("expected at most {LOG_LIST_LOGS_MAX} logs")]
    TooMany,
}

/// The longest log list that is read, in bytes.
pub const LOG_LIST_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most logs of one list.
pub const LOG_LIST_LOGS_MAX: usize = 10_000;
/// The most requests a day that a list can allow: 2^31 - 1.
pub const REQUESTS_PER_DAY_MAX: u32 = u32::MAX >> 1;

const HEADER: &str = "logs/v0";

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::sign::Ed25519Signer;

    fn vkey(name: &str) -> String {
        Ed25519Signer::new(name.parse().unwrap(), [1; 32]).verifier_key().to_string()
    }

    #[test]
    fn reads_logs_with_comments_white_space_and_an_origin_of_their_own() {
        let text = format!(
            "# of the network\n\nlogs/v0\n\n \tvkey\t{}  \nqpd 86400\n# in between\ncontact a b, c\n\
             vkey {}\norigin log.example/second\nqpd 1\ncontact x\n",
            vkey("log.example/a"),
            vkey("key.example")
        );
        let logs = parse_log_list(&text).unwrap();
        let shown: Vec<(&str, u32, &str)> = logs
            .iter()
            .map(|log| (log.origin.as_str(), log.requests_per_day, log.contact.as_str()))
            .collect();
        assert_eq!(shown, [("log.example/a", 86_400, "a b, c"), ("log.example/second", 1, "x")]);
        assert_eq!(logs[1].key.to_string(), vkey("key.example"));
        assert_eq!(parse_log_list("logs/v0\n"), Ok(Vec::new()));
    }

    #[test]
    fn refuses_what_is_not_a_list_and_names_the_line() {
        let key = vkey("log.example/a");
        let whole = format!("vkey {key}\nqpd 2\ncontact c\n");
        let rows = [
            ("logs/v1\n".to_owned(), 1, LogListLineError::Header),
            (whole.clone(), 1, LogListLineError::Header),
            (format!("logs/v0\nqpd 2\nvkey {key}\n"), 2, LogListLineError::Order),
            (format!("logs/v0\nvkey {key}\ncontact c\n"), 3, LogListLineError::Order),
            (format!("logs/v0\nvkey {key}\nqpd 2\norigin a\n"), 4, LogListLineError::Order),
            (format!("logs/v0\nvkey {key}\nqpd 2\nqpd 2\n"), 4, LogListLineError::Order),
            (format!("logs/v0\nvkey {key}\nvkey {key}\n"), 3, LogListLineError::Order),
            (format!("logs/v0\n{whole}\nname x\n"), 6, LogListLineError::Order),
            (format!("logs/v0\n{whole}{whole}"), 7, LogListLineError::OriginTwice),
            (
                format!("logs/v0\nvkey {key}\norigin a+b\n"),
                3,
                LogListLineError::Origin(OriginError),
            ),
            ("logs/v0\nvkey\n".to_owned(), 2, LogListLineError::Words),
            ("logs/v0\nvkey a+b\n".to_owned(), 2, LogListLineError::Key(KeyError::Form)),
        ];
        for (text, line, source) in rows {
            assert_eq!(parse_log_list(&text), Err(LogListError::Line { line, source }), "{text}");
        }
        for qpd in ["0", "01", "-1", "2147483648", "many", "1 2"] {
            let text = format!("logs/v0\nvkey {key}\nqpd {qpd}\n");
            let source = LogListLineError::RequestsPerDay;
            assert_eq!(parse_log_list(&text), Err(LogListError::Line { line: 3, source }), "{qpd}");
        }
        assert_eq!(parse_log_list(""), Err(LogListError::Empty));
        let open = format!("logs/v0\nvkey {key}\nqpd 2147483647\n");
        assert_eq!(parse_log_list(&open), Err(LogListError::Unfinished));
        let got = LOG_LIST_BYTES_MAX + 1;
        assert_eq!(parse_log_list(&"#".repeat(got)), Err(LogListError::TooLong { got }));
    }

    #[test]
    fn a_list_has_a_limit() {
        let list = |count: usize| {
            let mut text = "logs/v0\n".to_owned();
            let key = vkey("log.example/a");
            for number in 0..count {
                writeln!(text, "vkey {key}\norigin l{number}\nqpd 2\ncontact c").unwrap();
            }
            parse_log_list(&text)
        };
        assert_eq!(list(LOG_LIST_LOGS_MAX).unwrap().len(), LOG_LIST_LOGS_MAX);
        assert!(list(LOG_LIST_LOGS_MAX + 1).is_err());
    }
}
