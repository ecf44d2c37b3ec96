//! The list of everything that was withdrawn, beside the anchor: what a restored database cannot
//! take back.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::ensure;
use files::Access;
use serde::{Deserialize, Serialize};
use tlog::LeafIndex;

use super::fields::{Withdrawal, Withdrawals, join};
use crate::config::Config;

#[derive(Debug)]
pub(crate) struct List {
    path: PathBuf,
    origin: String,
    entries: BTreeMap<LeafIndex, Withdrawals>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    origin: String,
    withdrawn: Vec<Line>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    index: u64,
    fields: Withdrawals,
}

impl List {
    /// Reads the list; one that is not there is empty.
    pub(crate) fn read(config: &Config) -> anyhow::Result<Self> {
        let (path, origin) = (config.withdrawn_path(), config.origin.to_string());
        let Some(document) = files::read_json::<Document>(&path)? else {
            return Ok(Self { path, origin, entries: BTreeMap::new() });
        };
        ensure!(document.format == FORMAT, "{}: its format is not {FORMAT}", path.display());
        ensure!(document.origin == origin, "{} is of the log {}", path.display(), document.origin);
        let lines = document.withdrawn.into_iter();
        let entries = lines.map(|it| (LeafIndex::new(it.index), it.fields)).collect();
        Ok(Self { path, origin, entries })
    }

    pub(crate) fn entries(&self) -> &BTreeMap<LeafIndex, Withdrawals> {
        &self.entries
    }

    /// Adds to what is said about an entry, durably.
    /// After an error the old list is on the disk, or the new one.
    pub(crate) fn add(&mut self, index: LeafIndex, said: &[Withdrawal]) -> anyhow::Result<()> {
        let mut entries = self.entries.clone();
        let all = entries.entry(index).or_default();
        *all = join(all, said);
        self.replace(entries)
    }

    /// Makes the list say this, durably; nothing is written when it does already.
    pub(crate) fn replace(
        &mut self,
        entries: BTreeMap<LeafIndex, Withdrawals>,
    ) -> anyhow::Result<()> {
        if entries == self.entries {
            return Ok(());
        }
        let line = |(index, fields): (&LeafIndex, &Withdrawals)| Line {
            index: index.get(),
            fields: fields.clone(),
        };
        let document = Document {
            format: FORMAT.to_owned(),
            origin: self.origin.clone(),
            withdrawn: entries.iter().map(line).collect(),
        };
        files::replace_json(&self.path, &document, Access::Everyone)?;
        self.entries = entries;
        Ok(())
    }
}

const FORMAT: &str = "civiclog-withdrawn/1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::withdrawn::Act;

    #[test]
    fn what_was_added_is_read_again_and_another_log_s_list_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = |origin: &str| {
            let path = folder.path().join("server.toml");
            let text = format!("origin = \"{origin}\"\ndata_dir = \".\"\npolicy = \"p\"\n");
            std::fs::write(&path, text).expect("writing the configuration");
            Config::load(&path).expect("a configuration")
        };
        let ours = config("log.example/ours");
        let mut list = List::read(&ours).expect("an empty list");
        assert!(list.entries().is_empty());
        let said = Withdrawal {
            path: "/data/payee/name".to_owned(),
            act: Act::Erased,
            since: "2026-11-23T01:02:03.000Z".to_owned(),
            ground: "erasure".to_owned(),
            because: "asked for".to_owned(),
        };
        list.add(LeafIndex::new(7), std::slice::from_ref(&said)).expect("adding");
        list.add(LeafIndex::new(7), std::slice::from_ref(&said)).expect("adding it again");
        let again = List::read(&ours).expect("the list");
        assert_eq!(again.entries()[&LeafIndex::new(7)], [said]);

        let refused = List::read(&config("log.example/another")).expect_err("another log");
        assert!(refused.to_string().contains("log.example/ours"), "{refused}");
    }
}
