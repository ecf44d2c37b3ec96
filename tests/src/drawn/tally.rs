//! What a close must state, counted from all that stands, without any running total.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Drawer, Kind, Revision};

/// Count and sums, these in hundredths.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) count: i64,
    pub(super) sums: BTreeMap<String, i64>,
}

impl Drawer {
    /// What a total holds for whoever has these values.
    pub(super) fn tally(&self, profile: &str, total: &str, by: &[String]) -> Tally {
        let mut tally = Tally::default();
        for (object, revision) in self.standing() {
            let Some(kind) = self.kind(profile, revision) else { continue };
            let counts = kind.said["counts"].as_array().into_iter().flatten();
            for count in counts.filter(|it| it["total"] == total) {
                if values(&count["by"], object, &revision.record) != by {
                    continue;
                }
                tally.count += count["step"].as_i64().unwrap_or(1);
                let Some(sum) = count["sum"].as_str() else { continue };
                let Some(amount) = revision.record["data"].pointer(sum) else { continue };
                let sign = if count["minus"] == true { -1 } else { 1 };
                let currency = amount["currency"].as_str().unwrap_or_default().to_owned();
                *tally.sums.entry(currency).or_default() += sign * hundredths(&amount["value"]);
            }
        }
        tally
    }

    /// The next number of a stream.
    pub(super) fn next_number(&self, kind: &Kind, rule: &Value, by: &[String]) -> i64 {
        let number = rule["number"].as_str().unwrap_or_default();
        let of_stream = self.standing().filter(|(object, revision)| {
            revision.profile == kind.profile
                && revision.kind == kind.name
                && values(&rule["stream"], object, &revision.record) == by
        });
        let numbers = of_stream.filter_map(|(_, it)| it.record["data"].pointer(number)?.as_i64());
        numbers.max().unwrap_or(0) + 1
    }

    fn standing(&self) -> impl Iterator<Item = (&String, &Revision)> {
        let each = |(object, revisions)| {
            let revisions: &Vec<Revision> = revisions;
            revisions.iter().filter(|it| it.stands).map(move |it| (object, it))
        };
        self.objects.iter().flat_map(each)
    }

    fn kind(&self, profile: &str, revision: &Revision) -> Option<&Kind> {
        let is_it = |it: &&Kind| it.profile == profile && it.name == revision.kind;
        self.kinds.iter().find(is_it).filter(|_| revision.profile == profile)
    }
}

/// What a list such as `["body", "month", "/period"]` says of a record.
pub(super) fn values(by: &Value, object: &str, record: &Value) -> Vec<String> {
    let names = by.as_array().into_iter().flatten().filter_map(Value::as_str);
    let value = |name: &str| match name {
        "body" => object.split('/').next().unwrap_or_default().to_owned(),
        "object" => object.to_owned(),
        "submitter" => record["submitter"].as_str().unwrap_or_default().to_owned(),
        "month" => record["occurred"].as_str().unwrap_or_default().chars().take(7).collect(),
        pointer => match record["data"].pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        },
    };
    names.map(value).collect()
}

/// `12.5` is 1250.
pub(super) fn hundredths(text: &Value) -> i64 {
    let text = text.as_str().unwrap_or_default();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<2}");
    digits.parse().unwrap_or(0)
}

/// 1250 is `12.50`, or 12 in a currency without minor units.
pub(super) fn money(hundredths: i64, currency: &str) -> Value {
    let sign = if hundredths < 0 { "-" } else { "" };
    let (whole, part) = (hundredths.abs() / 100, hundredths.abs() % 100);
    let value = match currency {
        "JPY" => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{part:02}"),
    };
    json!({"currency": currency, "value": value})
}
