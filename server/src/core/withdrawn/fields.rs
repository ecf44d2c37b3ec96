//! What is said about the sealed fields of an entry whose disclosures were withdrawn.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use store::{Kv, Store};
use tlog::LeafIndex;

use super::reason::Act;

/// What is said about one sealed field whose disclosure was withdrawn.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withdrawal {
    /// The field, as the record names it.
    pub(crate) path: String,
    pub(crate) act: Act,
    /// Since when, as RFC 3339.
    pub(crate) since: String,
    /// The legal ground, a code of `GROUNDS`.
    pub(crate) ground: String,
    /// The reason in words, for everybody to read.
    pub(crate) because: String,
}

/// Withdrawals of one entry, in the order of their paths, each path once.
pub(crate) type Withdrawals = Vec<Withdrawal>;

/// Reads what the store says about an entry.
pub(crate) fn of_entry<K: Kv>(store: &Store<K>, index: LeafIndex) -> anyhow::Result<Withdrawals> {
    match store.withdrawn(index)? {
        Some(row) => parse_row(index, &row),
        None => Ok(Vec::new()),
    }
}

pub(super) fn parse_row(index: LeafIndex, row: &[u8]) -> anyhow::Result<Withdrawals> {
    serde_json::from_slice(row).with_context(|| format!("what was withdrawn of entry {index}"))
}

/// Joins what two sources say: what is erased stays erased, and the earlier word counts.
pub(crate) fn join(first: &[Withdrawal], second: &[Withdrawal]) -> Withdrawals {
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
}
