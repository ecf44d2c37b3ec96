//! Withdrawing what the log holds beside the tree: hidden (`withhold`) or gone for good (`erase`).
//!
//! Entry bytes are never withdrawn; disclosures and documents can be. What was withdrawn is
//! remembered in two places that are unlikely to be lost together: a row of the database, which every
//! backup of it carries, and a list beside the anchor, which no restored database replaces. At each
//! start the two are joined ([`settle`]): an older copy that still holds what was erased is erased
//! again before anything of it is served.
//!
//! ```text
//! list (synced) ─► row and disclosures (one synced write) ─► flush, compact ─► search of the files
//! ```
//! Trusted: yes, for what readers are told. Losing one of the two: nothing. Losing both: an older copy
//! would serve again what was withdrawn. May it be rolled back: no; what is once in it stays.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use records::{Disclosure, Entry, HeldBy, SealedField};
use serde::{Deserialize, Serialize};
use store::{Kv, Store, Writer};
use tlog::LeafIndex;

mod draft;
mod erase;
mod list;
mod search;

pub(crate) use erase::check_words;
pub use erase::{Backup, Erased, Order, erase, withhold};
pub use list::List;
pub use search::{Searched, Sought, search};

/// What became of a disclosure.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// The log has it and does not show it.
    Withheld,
    /// The log no longer has it.
    Erased,
}

/// What is said about one sealed field whose disclosure was withdrawn.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// The field, as the record names it.
    pub path: String,
    /// What became of it.
    pub act: Act,
    /// Since when, as RFC 3339.
    pub since: String,
    /// The legal ground, a code of [`GROUNDS`].
    pub ground: String,
    /// The reason in words, for everybody to read.
    pub because: String,
}

/// The legal grounds on which something is withdrawn: those of a sealed field, and two that arise
/// later.
pub const GROUNDS: &[&str] = &[
    "court-order",
    "eo-int",
    "erasure",
    "fair-comp",
    "law-enf",
    "oth-int",
    "person",
    "rd-ser",
    "security",
];

/// The longest reason, in bytes.
pub const BECAUSE_BYTES_MAX: usize = 1000;

/// Withdrawals of one entry, in the order of their paths, each path once.
pub type Withdrawals = Vec<Withdrawal>;

/// Reads what the store says about an entry.
///
/// # Errors
/// When the database could not say, or the row is damaged.
pub fn of_entry<K: Kv>(store: &Store<K>, index: LeafIndex) -> anyhow::Result<Withdrawals> {
    match store.withdrawn(index)? {
        Some(row) => parse_row(index, &row),
        None => Ok(Vec::new()),
    }
}

fn parse_row(index: LeafIndex, row: &[u8]) -> anyhow::Result<Withdrawals> {
    serde_json::from_slice(row).with_context(|| format!("what was withdrawn of entry {index}"))
}

/// Joins what two sources say: what is erased stays erased, and the earlier word counts.
pub fn join(first: &[Withdrawal], second: &[Withdrawal]) -> Withdrawals {
    let mut joined: BTreeMap<&str, &Withdrawal> = BTreeMap::new();
    for said in first.iter().chain(second) {
        let there = joined.entry(&said.path).or_insert(said);
        let is_stronger = said.act > there.act;
        let is_earlier = said.act == there.act && said.since < there.since;
        if is_stronger || is_earlier {
            *there = said;
        }
    }
    joined.into_values().cloned().collect()
}

/// Brings the database and the list beside the anchor to the same state: both say what either said,
/// and nothing that was erased is left in the database. Returns how many entries it changed.
///
/// # Errors
/// When one of the two cannot be read or written.
pub fn settle<K: Kv>(list: &mut List, writer: &mut Writer<K>) -> anyhow::Result<usize> {
    let wanted = said_by_either(list, writer.store())?;
    list.replace(wanted.clone())?;
    let size = writer.store().head().size;
    let mut changed = 0;
    // An older copy may lack the entry itself; it is settled when the entry is back.
    for (index, said) in wanted.iter().filter(|(index, _)| index.is_within(size)) {
        let is_new = of_entry(writer.store(), *index)? != *said;
        if is_new || holds_erased(writer.store(), *index, said)? {
            apply(writer, *index, said)?;
            changed += 1;
        }
    }
    if changed > 0 {
        writer.wipe().context("rewriting the files without what was erased")?;
        tracing::warn!(entries = changed, "this copy held what was withdrawn since: settled");
    }
    Ok(changed)
}

/// What the list or the database says, joined.
fn said_by_either<K: Kv>(
    list: &List,
    store: &Store<K>,
) -> anyhow::Result<BTreeMap<LeafIndex, Withdrawals>> {
    let mut all = list.entries().clone();
    for (index, row) in store.all_withdrawn()? {
        let said = all.entry(index).or_default();
        *said = join(said, &parse_row(index, &row)?);
    }
    Ok(all)
}

/// Checks that the database holds nothing that was erased.
///
/// # Errors
/// Names the entry: this database is a copy made before, and was not started since.
pub fn audit<K: Kv>(list: &List, store: &Store<K>) -> anyhow::Result<()> {
    let size = store.head().size;
    for (index, said) in said_by_either(list, store)? {
        ensure!(
            !index.is_within(size) || !holds_erased(store, index, &said)?,
            "the database holds what was erased of entry {index}: it is an older copy. `run` erases \
             it again when it starts"
        );
    }
    Ok(())
}

fn holds_erased<K: Kv>(
    store: &Store<K>,
    index: LeafIndex,
    said: &[Withdrawal],
) -> anyhow::Result<bool> {
    let opened = Opened::of(store, index)?;
    Ok(opened.held.iter().any(|(path, _)| is_erased(said, path)))
}

/// Makes the database say so, and takes out what is erased; returns the disclosures that went.
fn apply<K: Kv>(
    writer: &mut Writer<K>,
    index: LeafIndex,
    said: &[Withdrawal],
) -> anyhow::Result<Vec<Disclosure>> {
    let opened = Opened::of(writer.store(), index)?;
    let (gone, left): (Vec<_>, Vec<_>) =
        opened.held.into_iter().partition(|(path, _)| is_erased(said, path));
    let left: Vec<&str> = left.iter().map(|(_, it)| it.text()).collect();
    let row = if left.is_empty() { None } else { Some(serde_json::to_vec(&left)?) };
    writer.withdraw(index, row.as_deref(), &serde_json::to_vec(said)?)?;
    Ok(gone.into_iter().map(|(_, disclosure)| disclosure).collect())
}

fn is_erased(said: &[Withdrawal], path: &str) -> bool {
    said.iter().any(|it| it.act == Act::Erased && it.path == path)
}

/// An entry's sealed fields, and the disclosures of them that the log still has.
struct Opened {
    fields: Vec<SealedField>,
    held: Vec<(String, Disclosure)>,
}

impl Opened {
    fn of<K: Kv>(store: &Store<K>, index: LeafIndex) -> anyhow::Result<Self> {
        let entry =
            store.entry_in_tree(index)?.with_context(|| format!("there is no entry {index}"))?;
        let entry = Entry::parse(&entry).with_context(|| format!("entry {index}"))?;
        let fields = entry.record().sealed().to_vec();
        let row = store.disclosures(index)?;
        let texts: Vec<String> = match &row {
            Some(row) => serde_json::from_slice(row)
                .with_context(|| format!("the disclosures of entry {index}"))?,
            None => Vec::new(),
        };
        let mut held = Vec::with_capacity(texts.len());
        for text in &texts {
            let disclosure = Disclosure::parse(text)?;
            let digest = disclosure.digest();
            let field = fields.iter().find(|it| it.digest == digest).with_context(|| {
                format!("entry {index} has a disclosure that fits none of its digests")
            })?;
            held.push((field.path.clone(), disclosure));
        }
        Ok(Self { fields, held })
    }

    /// The fields that are meant: this one, or all that the log holds.
    fn meant(&self, index: LeafIndex, path: Option<&str>) -> anyhow::Result<Vec<&SealedField>> {
        let by_log = self.fields.iter().filter(|it| it.held == HeldBy::Log);
        let Some(path) = path else {
            let all: Vec<_> = by_log.collect();
            ensure!(!all.is_empty(), "entry {index} has no sealed field that the log holds");
            return Ok(all);
        };
        let field = self.fields.iter().find(|it| it.path == path).with_context(|| {
            let paths: Vec<&str> = self.fields.iter().map(|it| it.path.as_str()).collect();
            format!("entry {index} has no sealed field {path}; it has {}", paths.join(", "))
        })?;
        ensure!(
            field.held == HeldBy::Log,
            "{path} of entry {index} is held by its submitter: the log never had it"
        );
        Ok(vec![field])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, act: Act, since: &str) -> Withdrawal {
        let text = str::to_owned;
        Withdrawal {
            path: text(path),
            act,
            since: text(since),
            ground: text("erasure"),
            because: text("asked for"),
        }
    }

    #[test]
    fn erased_wins_over_withheld_and_the_earlier_word_counts() {
        let (hidden, gone) =
            (said("/a", Act::Withheld, "2026-01"), said("/a", Act::Erased, "2027"));
        let later = said("/a", Act::Erased, "2028");
        let other = said("/b", Act::Withheld, "2026-01");
        for (first, second) in [
            (vec![hidden.clone(), other.clone()], vec![later.clone(), gone.clone()]),
            (vec![gone.clone()], vec![hidden, other.clone(), later]),
        ] {
            assert_eq!(join(&first, &second), [gone.clone(), other.clone()]);
            assert_eq!(join(&second, &first), [gone.clone(), other.clone()]);
        }
    }

    #[test]
    fn grounds_are_sorted_and_hold_every_reason_for_sealing() {
        assert!(GROUNDS.is_sorted());
        assert!(records::codes::SEALED_WHY.iter().all(|it| GROUNDS.contains(it)));
    }
}
