//! What of a release stands in its record: by what others look it up, and what it says of money.
//!
//! | in the release | in the record |
//! |---|---|
//! | `ocid`, `id` | object `<body>/release/<ocid>/<id>`; `ocid`, `native` |
//! | `date` | `date` in UTC, and the day as it is written as `occurred` |
//! | `tag`, `buyer/id` | `tag`, `buyer/id` |
//! | `buyer/name` | sealed, held by the log |
//! | amounts of budget, tender, awards, contracts, transactions | `amounts`: of each the count and the sum, by currency |
//!
//! What departs from the standard is left out here and reported; the document has it all the same.

use std::collections::BTreeMap;

use records::{HeldBy, Money, Value, date};

use super::json::Members;
use crate::draft::{Secret, one_line};
use crate::number::{self, Sum};
use crate::row_error::RowError;

pub(super) struct Facts {
    pub(super) ocid: String,
    pub(super) id: String,
    pub(super) occurred: String,
    pub(super) data: Value,
    pub(super) sealed: Vec<Secret>,
    pub(super) stages: Vec<(&'static str, Money)>,
    pub(super) rounded: bool,
    pub(super) warnings: Vec<RowError>,
}

/// Reads a release that begins on this line.
///
/// # Errors
/// It cannot be named or has no day: `json`, `id`, `date`.
pub(super) fn read(release: &str, line: u64) -> Result<Facts, RowError> {
    let members: Members<'_> = serde_json::from_str(release)
        .map_err(|error| RowError::new(line, "json", "", format!("no release: {error}")))?;
    let mut reader = ReleaseReader { line, members, warnings: Vec::new(), rounded: false };
    let (ocid, id) = (reader.name("ocid")?, reader.name("id")?);
    let (occurred, date) = reader.date()?;
    let mut data = BTreeMap::new();
    if records::name::is_ocid(&ocid) {
        data.insert("ocid".to_owned(), Value::from(ocid.as_str()));
    } else {
        reader.warn("/ocid", &ocid, "no registered prefix `ocds-` with six letters and digits");
    }
    if records::name::is_native_id(&id) {
        data.insert("native".to_owned(), Value::from(id.as_str()));
    }
    data.extend(date.map(|date| ("date".to_owned(), Value::from(date))));
    let tags = reader.tags();
    if !tags.is_empty() {
        data.insert("tag".to_owned(), Value::list(tags));
    }
    if reader.members.get("initiationType").is_none() {
        reader.warn("/initiationType", "", "missing; OCDS demands it");
    }
    let (buyer, sealed) = reader.buyer();
    data.extend(buyer.map(|buyer| ("buyer".to_owned(), buyer)));
    let (stages, amounts) = reader.amounts();
    if !amounts.is_empty() {
        data.insert("amounts".to_owned(), Value::List(amounts));
    }
    let ReleaseReader { warnings, rounded, .. } = reader;
    let data = Value::Map(data);
    Ok(Facts { ocid, id, occurred, data, sealed, stages, rounded, warnings })
}

struct ReleaseReader<'a> {
    line: u64,
    members: Members<'a>,
    warnings: Vec<RowError>,
    rounded: bool,
}

impl ReleaseReader<'_> {
    fn warn(&mut self, path: &str, value: &str, words: &str) {
        if self.warnings.len() < WARNINGS_MAX {
            let value = value.chars().take(VALUE_CHARS_SHOWN).collect();
            let warning = RowError::new(self.line, "ocds", path, words);
            self.warnings.push(RowError { value, ..warning });
        }
    }

    /// A text that the object's id needs.
    fn name(&mut self, member: &str) -> Result<String, RowError> {
        let path = format!("/{member}");
        let text = match self.members.get(member) {
            Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.warn(&path, number, "a number; OCDS demands a string");
                Some(number.to_owned())
            }
            _ => self.members.text(member),
        };
        text.filter(|text| !text.is_empty()).ok_or_else(|| {
            let words = format!("a release needs its `{member}`: nobody could name it without");
            RowError::new(self.line, "id", &path, words)
        })
    }

    /// The day as it is written, and the time in UTC if there is one.
    fn date(&mut self) -> Result<(String, Option<String>), RowError> {
        let text = self.members.text("date").unwrap_or_default();
        let day = text.get(..DAY_BYTES).filter(|day| date::parse_date(day).is_some());
        let Some(day) = day else {
            let words = "a release needs its date, such as 2026-01-02T03:04:05Z";
            let error = RowError::new(self.line, "date", "/date", words);
            return Err(RowError { value: text, ..error });
        };
        let time = utc(&text);
        if time.is_none() {
            self.warn("/date", &text, "no time as RFC 3339 has it, such as 2026-01-02T03:04:05Z");
        }
        Ok((day.to_owned(), time))
    }

    fn tags(&mut self) -> Vec<String> {
        let listed = self.members.get("tag");
        let listed: Option<Vec<String>> = listed.and_then(|text| serde_json::from_str(text).ok());
        let Some(listed) = listed.filter(|tags| !tags.is_empty()) else {
            self.warn("/tag", "", "missing, or no list of strings");
            return Vec::new();
        };
        let mut tags: Vec<String> = Vec::new();
        for tag in listed {
            if !TAGS.contains(&tag.as_str()) {
                self.warn("/tag", &tag, "not of OCDS's code list releaseTag");
            } else if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        tags
    }

    fn buyer(&mut self) -> (Option<Value>, Vec<Secret>) {
        let Some(buyer) = self.members.object("buyer") else { return (None, Vec::new()) };
        let id = buyer
            .text("id")
            .filter(|id| records::name::is_party_id(id) && !records::name::is_personal_id(id));
        if let (None, Some(other)) = (&id, buyer.get("id")) {
            self.warn("/buyer/id", other, "no id of an organisation such as GB-LAC-E09000003");
        }
        let name = buyer
            .text("name")
            .map(|name| one_line(&name))
            .filter(|name| (1..=NAME_BYTES_MAX).contains(&name.len()));
        if id.is_none() && name.is_none() {
            return (None, Vec::new());
        }
        let secret = name.map(|value| {
            let path = "/data/buyer/name".to_owned();
            Secret { path, value, held: HeldBy::Log, is_personal: false }
        });
        let members = id.map(|id| ("id", Value::from(id.as_str())));
        (Some(Value::map(members)), secret.into_iter().collect())
    }

    /// Of each stage and currency the sum and how many amounts it is of; once as money, once as
    /// the record has it.
    fn amounts(&mut self) -> (Vec<(&'static str, Money)>, Vec<Value>) {
        let mut sums: BTreeMap<(&'static str, &'static str), (i64, Sum)> = BTreeMap::new();
        for Stated { stage, path, value } in stated(&self.members) {
            if let Some(money) = self.money(path, &value) {
                let (count, sum) = sums.entry((stage, money.currency())).or_default();
                *count += 1;
                sum.add(Sum::of_money(&money));
            }
        }
        if sums.len() > AMOUNTS_MAX {
            self.warn("/", "", "more currencies than a record takes; some are left out of it");
        }
        let (mut stages, mut amounts) = (Vec::new(), Vec::new());
        for ((stage, currency), (count, sum)) in sums.into_iter().take(AMOUNTS_MAX) {
            let Ok(sum) = Money::parse(&sum.in_currency(currency), currency) else { continue };
            let members =
                [("amount", sum.to_value()), ("count", Value::Int(count)), ("of", stage.into())];
            amounts.push(Value::map(members));
            stages.push((stage, sum));
        }
        (stages, amounts)
    }

    fn money(&mut self, path: &'static str, value: &Members<'_>) -> Option<Money> {
        let number = value.get("amount")?;
        let Some(currency) = value.text("currency") else {
            self.warn(path, number, "an amount without its currency");
            return None;
        };
        let plain = number::plain(number).unwrap_or_default();
        let rounded = records::round_float_tail(&plain, &currency);
        self.rounded |= rounded.is_some();
        match number::money(rounded.as_deref().unwrap_or(number), &currency) {
            Ok(money) => Some(money),
            Err(refusal) => {
                self.warn(path, &format!("{number} {currency}"), &refusal.message);
                None
            }
        }
    }
}

/// An amount of a release, not read yet.
struct Stated<'a> {
    stage: &'static str,
    path: &'static str,
    value: Members<'a>,
}

/// All amounts of a release that say what a stage costs as a whole.
fn stated<'a>(release: &Members<'a>) -> Vec<Stated<'a>> {
    let mut found = Vec::new();
    let mut add = |stage, path, value: Option<Members<'a>>| {
        found.extend(value.map(|value| Stated { stage, path, value }));
    };
    let budget = release.object("planning").and_then(|planning| planning.object("budget"));
    let budget = budget.and_then(|budget| budget.object("amount"));
    add("budget", "/planning/budget/amount", budget);
    let tender = release.object("tender").and_then(|tender| tender.object("value"));
    add("tender", "/tender/value", tender);
    for award in release.objects("awards") {
        add("award", "/awards/value", award.object("value"));
    }
    for contract in release.objects("contracts") {
        add("contract", "/contracts/value", contract.object("value"));
        let implementation = contract.object("implementation").unwrap_or_default();
        for transaction in implementation.objects("transactions") {
            // OCDS 1.0 called it `amount`.
            let value = transaction.object("value").or_else(|| transaction.object("amount"));
            add("transaction", "/contracts/implementation/transactions/value", value);
        }
    }
    found
}

/// A time of RFC 3339 in UTC, to the millisecond.
fn utc(text: &str) -> Option<String> {
    let (day, time) = text.split_at_checked(DAY_BYTES)?;
    let time = time.strip_prefix(['T', 't', ' '])?;
    let (clock, zone) = time.split_at_checked(CLOCK_BYTES)?;
    let digits = zone
        .strip_prefix('.')
        .map_or(0, |fraction| fraction.bytes().take_while(u8::is_ascii_digit).count());
    let (fraction, zone) = match digits {
        0 => ("", zone),
        digits => zone[1..].split_at(digits),
    };
    let millis: String = fraction.chars().chain("000".chars()).take(MILLIS_DIGITS).collect();
    let local = date::parse_millis(&format!("{day}T{clock}.{millis}Z"))?;
    let unix_ms = match zone {
        "Z" | "z" => local,
        _ => {
            let (sign, offset) = zone.split_at_checked(1)?;
            let shift = date::parse_millis(&format!("1970-01-01T{offset}:00.000Z"))?;
            match sign {
                "+" => local.checked_sub(shift)?,
                "-" => local.checked_add(shift)?,
                _ => return None,
            }
        }
    };
    Some(date::format_millis(unix_ms))
}

/// Spec: OCDS 1.1 `releaseTag`.
#[rustfmt::skip]
const TAGS: &[&str] = &[
    "planning", "planningUpdate", "tender", "tenderAmendment", "tenderUpdate",
    "tenderCancellation", "award", "awardUpdate", "awardCancellation", "contract",
    "contractUpdate", "contractAmendment", "implementation", "implementationUpdate",
    "contractTermination", "compiled",
];
/// As many as the record takes.
const AMOUNTS_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 4096;
/// Of one release; a thousand bad amounts are told by a few.
const WARNINGS_MAX: usize = 20;
const VALUE_CHARS_SHOWN: usize = 100;
const DAY_BYTES: usize = 10;
const CLOCK_BYTES: usize = 8;
const MILLIS_DIGITS: usize = 3;
