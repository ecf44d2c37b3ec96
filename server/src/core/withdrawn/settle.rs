//! Database and list say the same, and nothing that was erased is left in the database.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use records::{Disclosure, Entry, HeldBy, SealedField};
use store::{Kv, Store, Writer};
use tlog::LeafIndex;

use super::fields::{Withdrawal, Withdrawals, join, of_entry, parse_row};
use super::list::List;
use super::reason::Act;

/// Brings the database and the list beside the anchor to the same state: both say what either said,
/// and nothing that was erased is left in the database. Returns how many entries it changed.
pub(crate) fn settle<K: Kv>(list: &mut List, writer: &mut Writer<K>) -> anyhow::Result<usize> {
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
/// One that does is a copy made before, and was not started since.
pub(crate) fn audit<K: Kv>(list: &List, store: &Store<K>) -> anyhow::Result<()> {
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
    let opened = SealedFields::of(store, index)?;
    Ok(opened.held.iter().any(|(path, _)| is_erased(said, path)))
}

/// Makes the database say so, and takes out what is erased; returns the disclosures that went.
pub(crate) fn apply<K: Kv>(
    writer: &mut Writer<K>,
    index: LeafIndex,
    said: &[Withdrawal],
) -> anyhow::Result<Vec<Disclosure>> {
    let opened = SealedFields::of(writer.store(), index)?;
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
pub(crate) struct SealedFields {
    pub(crate) fields: Vec<SealedField>,
    pub(crate) held: Vec<(String, Disclosure)>,
}

impl SealedFields {
    pub(crate) fn of<K: Kv>(store: &Store<K>, index: LeafIndex) -> anyhow::Result<Self> {
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
    pub(crate) fn meant(
        &self,
        index: LeafIndex,
        path: Option<&str>,
    ) -> anyhow::Result<Vec<&SealedField>> {
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
