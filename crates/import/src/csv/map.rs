//! The map file: which column becomes which part of a record.
//!
//! One map per publisher and file layout. Paths are those below `data`, with dots:
//! `payee.id` is `/data/payee/id`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use records::HeldBy;

use super::date::DateFormat;
use super::encoding::Encoding;
use crate::draft::Kind;
use crate::error::ImportError;
use crate::object_id::segment;

/// A map file, checked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Map {
    /// What it is for, in words. Not used.
    #[serde(default, rename = "about")]
    _about: String,
    /// Id of the registered submitter.
    pub(super) submitter: String,
    /// What stands in the ids of all objects before the number: nothing, or what says that this
    /// was observed. Not read from the file.
    #[serde(skip)]
    label: String,
    pub(super) kind: RowKind,
    /// How the file's bytes are text.
    #[serde(default)]
    pub(super) encoding: Encoding,
    /// One ASCII character; comma if absent.
    #[serde(default = "comma")]
    pub(super) delimiter: char,
    /// Lines above the header.
    #[serde(default)]
    pub(super) preamble: u32,
    /// The object that a row is about.
    #[serde(default)]
    pub(super) object: ObjectRule,
    /// The day on which it happened.
    pub(super) occurred: DateRule,
    pub(super) amount: AmountRule,
    /// The contract that a payment belongs to.
    pub(super) contract: Option<ContractRule>,
    /// Which rows are about natural persons.
    pub(super) person: Option<PersonRule>,
    /// Values that anyone may read for ever: ids, codes, dates. Never names, never free text.
    #[serde(default)]
    pub(super) clear: BTreeMap<String, ClearRule>,
    /// Values of which the tree holds only a salted digest.
    #[serde(default)]
    pub(super) sealed: BTreeMap<String, SealedRule>,
}

/// What a row is: `"payment"`, `"register"`, or a table that spells out any other kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "KindInMap")]
pub(super) struct RowKind {
    pub(super) profile: String,
    pub(super) kind: String,
    /// The segment of the object's id between the body and the number.
    pub(super) segment: String,
    /// Where in `data` the money goes.
    pub(super) money: String,
    /// Where in `data` the body goes.
    pub(super) body: String,
    /// Where in `data` the other party goes.
    pub(super) party: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum KindInMap {
    Short(ShortKind),
    Spelled(SpelledKind),
}

/// Kinds that have a name of their own in maps.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ShortKind {
    /// `spending/1` `payment`
    Payment,
    /// `contract/1` `register`
    Register,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpelledKind {
    profile: String,
    kind: String,
    segment: String,
    money: String,
    body: String,
    party: String,
}

impl From<KindInMap> for RowKind {
    fn from(kind: KindInMap) -> Self {
        let of =
            |profile: &str, kind: &str, segment: &str, money: &str, body: &str, party: &str| {
                let [profile, kind, segment] = [profile, kind, segment].map(str::to_owned);
                let [money, body, party] = [money, body, party].map(str::to_owned);
                Self { profile, kind, segment, money, body, party }
            };
        match kind {
            KindInMap::Short(ShortKind::Payment) => {
                of("spending/1", "payment", "payment", "amount", "payer", "payee")
            }
            KindInMap::Short(ShortKind::Register) => {
                of("contract/1", "register", "contract", "value", "buyer", "supplier")
            }
            KindInMap::Spelled(spelled) => {
                let SpelledKind { profile, kind, segment, money, body, party } = spelled;
                Self { profile, kind, segment, money, body, party }
            }
        }
    }
}

/// `[object]`: `<body>/payment/<number>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectRule {
    /// The body whose money it is; the submitter if absent.
    pub(super) body: Option<String>,
    /// The column with the publisher's own number. Without one a row is known by the SHA-256 of
    /// its file and its number there.
    pub(super) column: Option<String>,
    /// Whether one number may stand on several lines, which then are `<number>/1`, `/2`, …
    #[serde(default)]
    pub(super) lines: bool,
}

/// `[occurred]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DateRule {
    pub(super) column: String,
    /// Such as `DD/MM/YYYY`; a time after the date is ignored.
    #[serde(default)]
    pub(super) format: DateFormat,
}

/// `[amount]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AmountRule {
    pub(super) column: String,
    /// ISO 4217, such as `GBP`.
    pub(super) currency: String,
}

/// `[contract]`: `<body>/contract/<number>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContractRule {
    pub(super) column: String,
}

/// `[person]`: in these rows everything about the paid party is sealed as personal, ids included.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonRule {
    pub(super) column: String,
    /// Cells that mean "a natural person".
    pub(super) values: Vec<String>,
}

/// A line of `[clear]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClearRule {
    pub(super) column: String,
    /// Put before the value, such as `XI-LOCAL-`.
    #[serde(default)]
    pub(super) prefix: String,
    /// Set for dates: how the column writes them.
    pub(super) date: Option<DateFormat>,
    /// Cells that mean "nothing", besides the empty one.
    #[serde(default)]
    pub(super) omit: Vec<String>,
}

/// A line of `[sealed]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealedRule {
    pub(super) column: String,
    /// Who keeps the value.
    #[serde(default = "held_by_log", with = "HeldInMap")]
    pub(super) held: HeldBy,
    /// Cells that mean "nothing", besides the empty one.
    #[serde(default)]
    pub(super) omit: Vec<String>,
}

/// How a map writes who keeps a sealed value.
#[derive(Deserialize)]
#[serde(remote = "HeldBy", rename_all = "lowercase")]
enum HeldInMap {
    /// The log: it serves it until it is told to erase it.
    Log,
    /// The submitter alone, in the journal.
    Submitter,
}

/// Reads a map file.
///
/// # Errors
/// It cannot be read, or the member that is named makes it none that can be used.
pub(super) fn read(path: &Path) -> Result<Map, ImportError> {
    let text = std::fs::read_to_string(path).map_err(ImportError::reading(path))?;
    let map: Map = toml::from_str(&text)
        .map_err(|source| ImportError::Map { path: path.to_owned(), source })?;
    map.check().map_err(|problem| ImportError::unusable(path, problem))?;
    Ok(map)
}

impl Map {
    pub(super) fn body(&self) -> &str {
        self.object.body.as_deref().unwrap_or(&self.submitter)
    }

    /// What its rows become.
    pub(super) fn record_kind(&self) -> Arc<Kind> {
        let RowKind { profile, kind, money, .. } = &self.kind;
        Kind::new(profile, kind, Some(money))
    }

    /// How the ids of all objects of this map begin.
    pub(super) fn object_prefix(&self) -> String {
        let owner = if self.label.is_empty() { self.body() } else { &self.submitter };
        format!("{owner}/{}/{}", self.kind.segment, self.label)
    }

    /// Makes the records those of an observer: what the body publishes in the file of this name.
    pub(super) fn observe(&mut self, observer: &str, name: &str) {
        let body = self.body().to_owned();
        let mut label = format!("observed/{body}/");
        for part in name.split(['/', '\\']).filter(|part| !part.is_empty()) {
            label.push_str(&segment(part));
            label.push('/');
        }
        self.label = label;
        self.object.body = Some(body);
        observer.clone_into(&mut self.submitter);
    }

    /// All columns that the map names.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        [&self.occurred.column, &self.amount.column]
            .into_iter()
            .chain(&self.object.column)
            .chain(self.contract.iter().map(|rule| &rule.column))
            .chain(self.person.iter().map(|rule| &rule.column))
            .chain(self.clear.values().map(|rule| &rule.column))
            .chain(self.sealed.values().map(|rule| &rule.column))
            .map(String::as_str)
    }

    fn check(&self) -> Result<(), String> {
        if !self.delimiter.is_ascii() {
            return Err(format!("delimiter `{}` is not one ASCII character", self.delimiter));
        }
        let RowKind { body, money, .. } = &self.kind;
        if self.object.lines && self.object.column.is_none() {
            return Err("`lines` in [object] needs a column with the number".to_owned());
        }
        for path in self.clear.keys().chain(self.sealed.keys()) {
            let first = path.split('.').next().unwrap_or_default();
            if first == body.as_str() || first == money.as_str() {
                return Err(format!(
                    "`{path}` is set by [object] and [amount], not by [clear] or [sealed]"
                ));
            }
            if path.split('.').any(str::is_empty) || path.split('.').count() > PATH_DEPTH_MAX {
                return Err(format!("`{path}` is not a path such as payee.id"));
            }
        }
        let paths: Vec<&String> = self.clear.keys().chain(self.sealed.keys()).collect();
        for path in &paths {
            let below = format!("{path}.");
            let clashes = paths.iter().filter(|other| ***other == **path).count() > 1
                || paths.iter().any(|other| other.starts_with(&below));
            if clashes {
                return Err(format!("`{path}` is set twice, or holds another path"));
            }
        }
        Ok(())
    }
}

fn comma() -> char {
    ','
}

fn held_by_log() -> HeldBy {
    HeldBy::Log
}

const PATH_DEPTH_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        submitter = "XX-LAE-WMC"
        kind = "payment"
        object = { column = "No" }
        occurred = { column = "Date" }
        amount = { column = "Amount", currency = "GBP" }
    "#;

    fn parse(extra: &str) -> Result<Map, String> {
        let map: Map = toml::from_str(&format!("{MINIMAL}{extra}")).map_err(|e| e.to_string())?;
        map.check().map(|()| map)
    }

    #[test]
    fn a_minimal_map_has_documented_defaults() {
        let map = parse("").unwrap();
        assert_eq!(map.body(), "XX-LAE-WMC");
        assert_eq!((map.encoding, map.delimiter), (Encoding::Utf8, ','));
        assert_eq!(map.columns().collect::<Vec<_>>(), ["Date", "Amount", "No"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (extra, expected) in [
            ("colour = 1", "colour"),
            ("[clear]\n\"payer.id\" = { column = \"x\" }", "payer.id"),
            ("[sealed]\n\"amount\" = { column = \"x\" }", "amount"),
            ("[clear]\n\"a..b\" = { column = \"x\" }", "a..b"),
            ("[clear]\na = { column = \"x\" }\n[sealed]\n\"a.b\" = { column = \"x\" }", "`a`"),
            ("[clear]\na = { column = \"x\", date = \"MM\" }", "MM"),
        ] {
            let refused = parse(extra).unwrap_err();
            assert!(refused.contains(expected), "{extra}: {refused}");
        }
    }

    #[test]
    fn a_kind_can_be_spelled_out() {
        let table = "{ profile = \"p/1\", kind = \"k\", segment = \"s\", money = \"m\", \
                     body = \"b\", party = \"o\" }";
        let map: Map = toml::from_str(&MINIMAL.replace("\"payment\"", table)).unwrap();
        assert_eq!(map.object_prefix(), "XX-LAE-WMC/s/");
        assert_eq!((map.kind.profile.as_str(), map.kind.party.as_str()), ("p/1", "o"));
        assert!(toml::from_str::<Map>(&MINIMAL.replace("\"payment\"", "\"transfer\"")).is_err());
    }

    #[test]
    fn shipped_maps_can_be_used() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/maps");
        let mut maps = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            read(&path).unwrap_or_else(|error| panic!("{error:?}"));
            maps += 1;
        }
        assert_eq!(maps, 7);
    }
}
