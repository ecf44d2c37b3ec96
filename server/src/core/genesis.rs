//! Entry 0, which names the log's keys, its first witness policy and its operators.

use anyhow::{Context as _, ensure};
use records::json::Value;
use records::{Entry, Record};
use store::{Kv, Store};
use tlog::{LeafIndex, TreeSize};

/// Entry 0 of a store that has one.
pub(crate) fn entry<K: Kv>(store: &Store<K>) -> anyhow::Result<Entry> {
    let entry = store
        .entry_in_tree(LeafIndex::new(0))
        .context("reading entry 0")?
        .context("entry 0 is not in the database")?;
    Entry::parse(&entry).context("entry 0")
}

/// The keys in use must be the ones that entry 0 names.
pub(crate) fn check<K: Kv>(store: &Store<K>, vkeys: &[String; 2]) -> anyhow::Result<()> {
    ensure!(
        store.head().size > TreeSize::ZERO,
        "the database has no entry 0: `init` did not finish; remove the folder `db` in the data \
         folder, keep `keys`, and run `init --genesis` again"
    );
    check_record(entry(store)?.record(), vkeys)
}

/// The same of an entry 0 that is not in a database yet.
pub(crate) fn check_entry(entry: &[u8], vkeys: &[String; 2]) -> anyhow::Result<()> {
    check_record(Entry::parse(entry).context("entry 0")?.record(), vkeys)
}

fn check_record(record: &Record, vkeys: &[String; 2]) -> anyhow::Result<()> {
    let named = self::vkeys(record);
    ensure!(
        named == vkeys,
        "entry 0 names the log's keys {named:?}, the key files are of {vkeys:?}: these are not \
         the keys of this log"
    );
    Ok(())
}

/// The verifier keys that a genesis record names: Ed25519, then P-256.
pub(crate) fn vkeys(record: &Record) -> Vec<String> {
    texts(record, "vkeys")
}

/// The lines of the witness policy that a genesis record names.
pub(crate) fn policy(record: &Record) -> Vec<String> {
    texts(record, "policy")
}

fn texts(record: &Record, name: &str) -> Vec<String> {
    let list = record.data().as_map().and_then(|it| it.get(name)).and_then(Value::as_list);
    list.into_iter().flatten().filter_map(Value::as_text).map(str::to_owned).collect()
}
