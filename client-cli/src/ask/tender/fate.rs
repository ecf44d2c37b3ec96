//! What became of one commitment.

use std::collections::BTreeMap;

use records::{Entry, Value};
use serde::Serialize;

/// One entry about an object.
pub(super) struct Step {
    pub(super) index: u64,
    pub(super) entry: Entry,
}

impl Step {
    pub(super) fn kind(&self) -> &str {
        self.entry.record().kind()
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.entry.record().data().get(name)?.as_text().map(str::to_owned)
    }

    pub(super) fn number(&self, name: &str) -> Option<usize> {
        usize::try_from(self.entry.record().data().get(name)?.as_int()?).ok()
    }
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Commitment {
    pub(super) object: String,
    /// Of the commitment itself.
    pub(super) index: u64,
    pub(super) admitted: String,
    /// `revealed`, `withdrawn`, `unrevealed` (the buyer listed it so), or `not revealed` so far.
    pub(super) fate: &'static str,
    /// The entry that decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fate_index: Option<u64>,
    /// Who bid, once revealed and not sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bidder: Option<String>,
    /// For how much, as the reveal says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) price: Option<String>,
}

impl Commitment {
    pub(super) fn words(&self) -> String {
        let key = self.object.rsplit('/').next().unwrap_or_default();
        let by = self.fate_index.map(|index| format!(" by entry {index}")).unwrap_or_default();
        let mut fate = vec![format!("{}{by}", self.fate)];
        fate.extend([&self.bidder, &self.price].into_iter().flatten().cloned());
        format!("  entry {} of {}, key {key}: {}", self.index, self.admitted, fate.join(", "))
    }
}

/// Judges the steps of one commitment; `None` if they begin with no commitment.
pub(super) fn of(
    object: &str,
    steps: &[Step],
    names: &BTreeMap<u64, String>,
) -> Option<Commitment> {
    let first = steps.first().filter(|it| it.kind() == "bid.commit")?;
    let decided = steps.iter().find_map(|it| Some((fate(it.kind())?, it)));
    let reveal = decided.filter(|(fate, _)| *fate == "revealed").map(|(_, step)| step);
    let bidder = reveal.and_then(|step| {
        let id = step.entry.record().data().at("/bidder/id").and_then(Value::as_text);
        names.get(&step.index).cloned().or_else(|| id.map(str::to_owned))
    });
    Some(Commitment {
        object: object.to_owned(),
        index: first.index,
        admitted: records::format_millis(first.entry.admitted_ms()),
        fate: decided.map_or("not revealed", |(fate, _)| fate),
        fate_index: decided.map(|(_, step)| step.index),
        bidder,
        price: reveal.and_then(|step| price(step.entry.record().data())),
    })
}

fn fate(kind: &str) -> Option<&'static str> {
    match kind {
        "bid.reveal" => Some("revealed"),
        "bid.withdraw" => Some("withdrawn"),
        "bid.unrevealed" => Some("unrevealed"),
        _ => None,
    }
}

fn price(data: &Value) -> Option<String> {
    let text = |pointer| data.at(pointer).and_then(Value::as_text);
    Some(format!("{} {}", text("/price/currency")?, text("/price/value")?))
}
