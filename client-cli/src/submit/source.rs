//! Where drafts come from: the one seam between a file's format and everything after it.
//!
//! ```text
//! CSV        ─table─► Row ──row──┐
//! OCDS       ─ocds─► release ────┼─► Source::next ─► Draft ─► plan, seal, send, report
//! ISO 20022  ─xml─► transaction ─┘
//! ```
//! A source yields its drafts one at a time, in the order in which they go in: that of the file, but
//! rows about persons behind all others, in the order of their derived ids. In the order of the file
//! the entries around one would tell its row. What comes after it knows no format: a draft says by
//! itself which kind of record it becomes.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use indicatif::ProgressBar;
use records::{Money, Record, Value};

use super::iso20022::{self, Message, camt053::Statements, pain001::Orders};
use super::map::{self, Map};
use super::ocds::Releases;
use super::persons::PersonIds;
use super::row::{Draft, Drafter, Identity, RowError};
use super::scratch::{Note, Pages, Scratch, Shelf};
use super::table::{self, Row};
use crate::args::{Format, Submit};
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;

/// What kind of record a draft becomes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) profile: String,
    pub(crate) name: String,
    /// Where in its data the money is that counts in totals.
    money: Option<String>,
}

impl Kind {
    pub(crate) fn new(profile: &str, name: &str, money: Option<&str>) -> Arc<Self> {
        let [profile, name] = [profile, name].map(str::to_owned);
        Arc::new(Self { profile, name, money: money.map(str::to_owned) })
    }

    /// Whether a record is of this kind.
    pub(crate) fn is_of(&self, record: &Record) -> bool {
        record.profile() == self.profile && record.kind() == self.name
    }

    /// The money that a record of this kind speaks of.
    pub(crate) fn money_of(&self, record: &Record) -> Option<Money> {
        let money = record.data().get(self.money.as_ref()?)?;
        let text = |name: &str| money.get(name).and_then(Value::as_text);
        Money::parse(text("value")?, text("currency")?).ok()
    }
}

/// All records of one kind whose ids begin alike: what a complete file is compared with.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) kind: Arc<Kind>,
    pub(crate) prefix: String,
}

/// Whose records a file becomes, where no map says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publisher {
    /// Id of the registered submitter.
    pub(crate) submitter: String,
    /// The body that the ids of all objects begin with.
    pub(crate) body: String,
}

/// What a file is, and what its records need beside it.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    Csv(&'a Map),
    Ocds(Publisher),
    Iso20022(Message, Publisher),
}

impl Input<'_> {
    /// Who submits.
    pub(crate) fn submitter(&self) -> &str {
        match self {
            Self::Csv(map) => &map.submitter,
            Self::Ocds(publisher) | Self::Iso20022(_, publisher) => &publisher.submitter,
        }
    }

    /// What `--complete` compares the file with.
    pub(crate) fn series(&self) -> Option<Series> {
        match self {
            Self::Csv(map) => Some(Series { kind: map.record_kind(), prefix: map.object_prefix() }),
            Self::Ocds(_) | Self::Iso20022(..) => None,
        }
    }

    /// The format, as `--format` names it.
    pub(crate) fn format(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Ocds(_) => "ocds",
            Self::Iso20022(message, _) => message.name(),
        }
    }
}

/// A CSV file as drafts.
pub(crate) struct Table<'a> {
    drafter: Drafter<'a>,
    rows: table::Rows,
    scratch: &'a Scratch,
    /// Rows about persons, once all others are through.
    waiting: Option<Waiting<'a>>,
}

/// What was put aside until the end of the file.
struct Waiting<'a> {
    pages: Pages<'a>,
    page: std::vec::IntoIter<Note>,
}

type Drafted = Result<Draft, RowError>;

impl Table<'_> {
    fn next(&mut self) -> Outcome<Option<Drafted>> {
        let reading = || "reading the rows".to_owned();
        while self.waiting.is_none() {
            match self.rows.next().explain(Exit::Usage, reading)? {
                Some(Ok(row)) => {
                    if let Some(drafted) = self.take(row).explain(Exit::Usage, reading)? {
                        return Ok(Some(drafted));
                    }
                }
                Some(Err(bad)) => {
                    return Ok(Some(Err(RowError::new(bad.line, "csv", "", bad.message))));
                }
                None => {
                    let pages = self.scratch.pages(Shelf::Waiting);
                    self.waiting = Some(Waiting { pages, page: Vec::new().into_iter() });
                }
            }
        }
        self.next_waiting().explain(Exit::Usage, reading)
    }

    /// The draft of a row, or nothing if it has to wait.
    fn take(&mut self, row: Row) -> io::Result<Option<Drafted>> {
        let identity = match self.drafter.identify(&row)? {
            Ok(identity) => identity,
            Err(error) => return Ok(Some(Err(error))),
        };
        let Some(hidden) = self.drafter.hidden_object(&row, &identity) else {
            return Ok(Some(self.drafter.draft(&row, identity)));
        };
        let key = [hidden.as_bytes(), &row.number.to_be_bytes()].concat();
        let value = serde_json::to_vec(&(row, identity))?;
        self.scratch.put(Shelf::Waiting, &key, &value)?;
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

/// The file as drafts.
pub(crate) enum Source<'a> {
    Csv(Box<Table<'a>>),
    Ocds(Box<Releases<'a>>),
    Orders(Box<Orders>),
    Statements(Box<Statements>),
}

/// Reads a file to its end, as far as that can fail as a whole: nothing goes in of one that turns out
/// to be broken, hostile or cut off further down. Says how many rows it has, if its format does.
///
/// # Errors
/// Usage.
pub(crate) fn check(file: &Path, input: &Input<'_>, bar: &ProgressBar) -> Outcome<Option<u64>> {
    match input {
        Input::Csv(map) => table::count(file, map, bar).map(Some),
        // A bad line costs that line, and one document is read whole before anything goes in.
        Input::Ocds(_) => Ok(None),
        Input::Iso20022(message, _) => iso20022::check(file, *message).map(|()| None),
    }
}

impl<'a> Source<'a> {
    /// Opens a file that was [checked](check). `persons`: names the objects of persons, if its map
    /// knows of any.
    ///
    /// # Errors
    /// Usage: it cannot be read, or is no file of this format.
    pub(crate) fn open(
        file: &Path,
        input: &Input<'a>,
        file_sha256: &str,
        persons: Option<&'a PersonIds>,
        scratch: &'a Scratch,
    ) -> Outcome<Self> {
        match input {
            Input::Csv(map) => {
                let (columns, rows) = table::open(file, map)?;
                let file_sha256 = file_sha256.to_owned();
                let drafter = Drafter::new(map, columns, file_sha256, persons, scratch);
                Ok(Self::Csv(Box::new(Table { drafter, rows, scratch, waiting: None })))
            }
            Input::Ocds(publisher) => {
                Ok(Self::Ocds(Box::new(Releases::open(file, publisher, scratch)?)))
            }
            Input::Iso20022(message, publisher) => {
                let walk = iso20022::open(file)?;
                Ok(match message {
                    Message::Pain001 => Self::Orders(Box::new(Orders::new(walk, publisher))),
                    Message::Camt053 => {
                        Self::Statements(Box::new(Statements::new(walk, publisher)))
                    }
                })
            }
        }
    }

    /// The next draft, or why there is none in this place; `None` at the end.
    ///
    /// # Errors
    /// Usage: the file cannot be read any further.
    pub(crate) fn next(&mut self) -> Outcome<Option<Drafted>> {
        match self {
            Self::Csv(table) => table.next(),
            Self::Ocds(releases) => releases.next(),
            Self::Orders(orders) => orders.next(),
            Self::Statements(statements) => statements.next(),
        }
    }

    /// Where the file departs from its standard, without that anything is kept out.
    pub(crate) fn take_warnings(&mut self) -> Vec<RowError> {
        match self {
            Self::Csv(_) => Vec::new(),
            Self::Ocds(releases) => std::mem::take(&mut releases.warnings),
            Self::Orders(orders) => std::mem::take(&mut orders.warnings),
            Self::Statements(statements) => std::mem::take(&mut statements.warnings),
        }
    }
}

/// What the command line says of the file, or the file of itself.
pub(crate) enum Chosen {
    Csv(Box<Map>),
    Ocds(Publisher),
    Iso20022(Message, Publisher),
}

impl Chosen {
    pub(crate) fn input(&self) -> Input<'_> {
        match self {
            Self::Csv(map) => Input::Csv(map),
            Self::Ocds(publisher) => Input::Ocds(publisher.clone()),
            Self::Iso20022(message, publisher) => Input::Iso20022(*message, publisher.clone()),
        }
    }
}

/// Decides the format, and that the other arguments go with it.
///
/// # Errors
/// Usage.
pub(crate) fn choose(args: &Submit, screen: &mut Screen) -> Outcome<Chosen> {
    let shown = args.file.display();
    let format = match args.format {
        Some(format) => format,
        None => guessed(args, screen)?,
    };
    if format == Format::Csv {
        let Some(map) = &args.map else {
            let words = "a CSV file needs a map that says which column is what: --map MAP.toml; \
                         `civiclog map init` guesses a first one";
            return Err(Failure::usage(words));
        };
        if args.submitter.is_some() || args.body.is_some() {
            let words =
                "the map says who submits and for which body; leave --submitter and --body out";
            return Err(Failure::usage(words));
        }
        return Ok(Chosen::Csv(Box::new(map::read(map)?)));
    }
    if args.map.is_some() {
        let words = format!("--map is for CSV files; {shown} is {}", kind_words(format));
        return Err(Failure::usage(words));
    }
    if args.complete.is_some() {
        let words = "--complete is for CSV files: of these only what is in them can be said";
        return Err(Failure::usage(words));
    }
    let Some(submitter) = args.submitter.clone() else {
        let words = "who submits? Give your id at the log: --submitter ID";
        return Err(Failure::usage(words));
    };
    let body = args.body.clone().unwrap_or_else(|| submitter.clone());
    let publisher = Publisher { submitter, body };
    Ok(match format {
        Format::Pain001 => Chosen::Iso20022(Message::Pain001, publisher),
        Format::Camt053 => Chosen::Iso20022(Message::Camt053, publisher),
        Format::Ocds | Format::Csv => Chosen::Ocds(publisher),
    })
}

/// The format of a file of which the command line says none; whoever gave a map for a table knows
/// what it is.
fn guessed(args: &Submit, screen: &mut Screen) -> Outcome<Format> {
    let format = guess(&args.file)?;
    if format != Format::Csv || args.map.is_none() {
        let (shown, words) = (args.file.display(), kind_words(format));
        screen.note(format!("{shown} looks like {words}: --format {}", format.name()));
    }
    Ok(format)
}

/// What a file is by its first bytes: `<` begins XML, whose namespace names the message, `{` and
/// `[` begin JSON; all else can only be a table.
fn guess(file: &Path) -> Outcome<Format> {
    let reading = || format!("reading {}", file.display());
    let opened = std::fs::File::open(file).explain(Exit::Usage, reading)?;
    let mut reader = BufReader::new(opened);
    let start = reader.fill_buf().explain(Exit::Usage, reading)?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    Ok(match start.first() {
        Some(b'<') => match iso20022::open(file)?.message()? {
            Message::Pain001 => Format::Pain001,
            Message::Camt053 => Format::Camt053,
        },
        Some(b'{' | b'[') => Format::Ocds,
        _ => Format::Csv,
    })
}

fn kind_words(format: Format) -> &'static str {
    match format {
        Format::Csv => "a table",
        Format::Ocds => "OCDS releases",
        Format::Pain001 => "an ISO 20022 payment order",
        Format::Camt053 => "an ISO 20022 bank statement",
    }
}
