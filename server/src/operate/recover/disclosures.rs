//! What the log held for sealed fields. It is in no tile, so only a server of this log that still
//! has it can give it back, and it gives what it may show to everybody. Nothing else depends on it.

use records::{Disclosure, Entry, HeldBy};
use serde::Deserialize;
use tlog::LeafIndex;
use tlog_client::ClientError;

use super::mirror::Mirror;

/// Collects disclosures, and counts what stays missing.
#[derive(Debug, Default)]
pub(super) struct Disclosures {
    found: u64,
    missing: u64,
    /// Whether the mirror serves records at all; unknown before it was asked for one.
    are_served: Option<bool>,
}

#[derive(Deserialize)]
struct RecordAnswer {
    #[serde(default)]
    disclosures: Vec<String>,
}

impl Disclosures {
    /// What the mirror has for entries that begin at `first`, as the store keeps it.
    /// A mirror that could not say is an error: what it has would be lost for good.
    pub(super) fn of_entries(
        &mut self,
        mirror: &Mirror,
        first: LeafIndex,
        entries: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<u8>>>, ClientError> {
        let parsed: Vec<Option<Entry>> = entries.iter().map(|it| Entry::parse(it).ok()).collect();
        let held = |entry: &Option<Entry>| {
            let fields = entry.iter().flat_map(|it| it.record().sealed());
            fields.filter(|it| it.held == HeldBy::Log).count()
        };
        let mut wanted: Vec<LeafIndex> = (first.get()..)
            .zip(&parsed)
            .filter(|(_, entry)| held(entry) > 0)
            .map(|(index, _)| LeafIndex::new(index))
            .collect();
        if !self.are_served_by(mirror, wanted.get(..1).unwrap_or_default())? {
            wanted.clear();
        }
        let mut answers = wanted.iter().zip(mirror.records(&wanted)?).peekable();
        let mut all = Vec::with_capacity(entries.len());
        for (index, entry) in (first.get()..).zip(&parsed) {
            let answer = answers.next_if(|(wanted, _)| wanted.get() == index);
            let body = answer.and_then(|(_, body)| body);
            let texts = match (entry, &body) {
                (Some(entry), Some(body)) => those_that_fit(entry, body),
                _ => Vec::new(),
            };
            self.found += texts.len() as u64;
            self.missing += (held(entry) - texts.len()) as u64;
            all.push((!texts.is_empty()).then(|| as_stored(&texts)));
        }
        Ok(all)
    }

    /// Asks for one record, once, before asking for many.
    fn are_served_by(&mut self, mirror: &Mirror, one: &[LeafIndex]) -> Result<bool, ClientError> {
        if self.are_served.is_none() && !one.is_empty() {
            self.are_served = Some(mirror.records(one)?.iter().all(Option::is_some));
        }
        Ok(self.are_served.unwrap_or(false))
    }

    pub(super) fn found(&self) -> u64 {
        self.found
    }

    /// Disclosures that the log held and the mirror did not give.
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }
}

/// The disclosures of an answer that the entry's digests name, in the entry's order.
fn those_that_fit(entry: &Entry, body: &[u8]) -> Vec<String> {
    let Ok(answer) = serde_json::from_slice::<RecordAnswer>(body) else {
        return Vec::new();
    };
    let offered: Vec<Disclosure> =
        answer.disclosures.iter().filter_map(|it| Disclosure::parse(it).ok()).collect();
    let fields = entry.record().sealed().iter().filter(|it| it.held == HeldBy::Log);
    fields
        .filter_map(|field| {
            let fits = |it: &&Disclosure| it.digest() == field.digest && it.name() == field.name();
            offered.iter().find(fits).map(|it| it.text().to_owned())
        })
        .collect()
}

/// Canonical JSON: base64url needs no escaping.
fn as_stored(texts: &[String]) -> Vec<u8> {
    let quoted: Vec<String> = texts.iter().map(|it| format!("\"{it}\"")).collect();
    format!("[{}]", quoted.join(",")).into_bytes()
}
