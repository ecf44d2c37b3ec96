//! Entry 0, which names the log's keys, its first witness policy and its operators.

use anyhow::{Context as _, ensure};
use records::{Entry, Genesis};
use store::{Kv, Store};
use tlog::{LeafIndex, TreeSize};

/// What entry 0 of a store says, once its bytes were found to be those in the tree.
pub(crate) fn of<K: Kv>(store: &Store<K>) -> anyhow::Result<Genesis> {
    let entry = store
        .entry_in_tree(LeafIndex::new(0))
        .context("reading entry 0")?
        .context("entry 0 is not in the database")?;
    parse(&entry)
}

/// The keys in use must be the ones that entry 0 names.
pub(crate) fn check<K: Kv>(store: &Store<K>, vkeys: &[String; 2]) -> anyhow::Result<()> {
    ensure!(
        store.head().size > TreeSize::ZERO,
        "the database has no entry 0: `init` did not finish; remove the folder `db` in the data \
         folder, keep `keys`, and run `init --genesis` again"
    );
    refuse_other_keys(&of(store)?, vkeys)
}

/// The same of an entry 0 that is not in a database yet.
pub(crate) fn check_entry(entry: &[u8], vkeys: &[String; 2]) -> anyhow::Result<()> {
    refuse_other_keys(&parse(entry)?, vkeys)
}

fn refuse_other_keys(genesis: &Genesis, vkeys: &[String; 2]) -> anyhow::Result<()> {
    let named = &genesis.vkeys;
    ensure!(
        named == vkeys,
        "entry 0 names the log's keys {named:?}, the key files are of {vkeys:?}: these are not \
         the keys of this log"
    );
    Ok(())
}

fn parse(entry: &[u8]) -> anyhow::Result<Genesis> {
    let entry = Entry::parse(entry).context("entry 0")?;
    entry.record().body().genesis().cloned().context("entry 0 is no genesis")
}
