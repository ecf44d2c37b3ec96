//! What a row says, before anything is sealed or signed.

use std::collections::BTreeMap;
use std::sync::Arc;

use records::{HeldBy, Money, Record, Value};

/// What a row says. Two drafts of the same row are equal; two records made of it are not, for
/// their salts differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Nothing if it is no row of the file: what is gone from it.
    pub position: Option<Position>,
    /// Which kind of record it becomes.
    pub kind: Arc<Kind>,
    /// The id of the object that the record is about.
    pub object: String,
    /// The day on which it happened, `YYYY-MM-DD`.
    pub occurred: String,
    /// The money that counts in totals.
    pub money: Option<Money>,
    /// What is said of stages that are no totals of each other: a budget, a tender, a contract.
    pub stages: Vec<(&'static str, Money)>,
    /// Whether a binary-float tail was rounded away.
    pub rounded: bool,
    /// The clear data: anyone may read it for ever.
    pub data: Value,
    /// The object of the contract that it belongs to.
    pub contract: Option<String>,
    /// What is sealed, sorted by path.
    pub sealed: Vec<Secret>,
    /// The public document that it names.
    pub document: Option<Attachment>,
    /// Whether it is about a natural person: then nothing in clear leads to its row.
    pub is_person: bool,
}

impl Draft {
    /// A draft that says nothing yet.
    pub fn new(kind: &Arc<Kind>, object: &str, occurred: &str) -> Self {
        Self {
            position: None,
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

    /// What is left to say of a row that the file no longer has.
    pub fn vanished(kind: &Arc<Kind>, object: &str, occurred: &str, money: Money) -> Self {
        Self { money: Some(money), ..Self::new(kind, object, occurred) }
    }

    /// About how many bytes it holds in memory.
    pub fn weight(&self) -> usize {
        let sealed: usize =
            self.sealed.iter().map(|secret| secret.path.len() + secret.value.len()).sum();
        self.object.len() + records::to_canonical(&self.data).len() + sealed
    }
}

/// Where a row stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// 1-based line of the text file.
    pub line: u64,
    /// 1-based row of the sheet, the header being 1.
    pub row: u64,
}

/// Which kind of record a draft becomes.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The profile that defines the kind.
    pub profile: String,
    /// The kind within that profile.
    pub name: String,
    /// Where in its data the money is that counts in totals.
    money: Option<String>,
}

impl Kind {
    /// `money`: the member of the data with the money that counts in totals.
    pub fn new(profile: &str, name: &str, money: Option<&str>) -> Arc<Self> {
        let [profile, name] = [profile, name].map(str::to_owned);
        Arc::new(Self { profile, name, money: money.map(str::to_owned) })
    }

    /// Whether a record is of this kind.
    pub fn is_of(&self, record: &Record) -> bool {
        record.profile() == self.profile && record.kind() == self.name
    }

    /// The money that a record of this kind speaks of.
    pub fn money_of(&self, record: &Record) -> Option<Money> {
        let money = record.data().get(self.money.as_ref()?)?;
        let text = |name: &str| money.get(name).and_then(Value::as_text);
        Money::parse(text("value")?, text("currency")?).ok()
    }
}

/// A value to seal. Never shown, never in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// RFC 6901, below `/data/`.
    pub path: String,
    /// One line of text.
    pub value: String,
    /// Who keeps what opens it.
    pub held: HeldBy,
    /// Whether it names a natural person.
    pub is_personal: bool,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A public document: a part of the file that is submitted, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Of its bytes.
    pub sha256: [u8; 32],
    /// The byte of the file with which it begins.
    pub offset: u64,
    /// In bytes.
    pub len: usize,
    /// Its media type.
    pub media: &'static str,
    /// A document type of OCDS.
    pub kind: &'static str,
}

/// Whose records a file becomes, where no map says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// Id of the registered submitter.
    pub submitter: String,
    /// The body that the ids of all objects begin with.
    pub body: String,
}

/// All records of one kind whose ids begin alike: what a complete file is compared with.
#[derive(Debug)]
pub struct Series {
    /// Of all of them.
    pub kind: Arc<Kind>,
    /// How their ids begin.
    pub prefix: String,
}

/// Records list their sealed fields in the order of the paths.
pub(crate) fn sorted(mut secrets: Vec<Secret>) -> Vec<Secret> {
    secrets.sort_by(|a, b| a.path.cmp(&b.path));
    secrets
}

/// A text without the line breaks and tabs that cells of spreadsheets have and records may not.
pub(crate) fn one_line(cell: &str) -> String {
    if !cell.contains(records::json::is_refused_char) {
        return cell.to_owned();
    }
    let spaced: String =
        cell.chars().map(|c| if records::json::is_refused_char(c) { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}
