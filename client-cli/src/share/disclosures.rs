//! A disclosures file: sealed values opened for one reader.
//!
//! ```text
//! {"format":"civiclog-disclosures/1","log":ORIGIN,"for":"…","disclosures":[
//!   {"object":"…","rev":0,"path":"/data/payee/name","disclosure":"WyI…"}, …]}
//! ```
//! It proves nothing by itself: each disclosure counts as far as the digest of an entry says that it
//! is the one that was sealed there. Whoever has the file can read every value in it.

use std::path::Path;

use anyhow::{Context as _, ensure};
use files::Access;
use records::{Disclosure, DisclosureDigest};
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Explain, Outcome};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Disclosures {
    format: String,
    pub(crate) log: String,
    #[serde(rename = "for")]
    pub(crate) audience: String,
    #[serde(rename = "disclosures")]
    items: Vec<Item>,
}

/// One opened field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item {
    pub(crate) object: String,
    pub(crate) rev: u32,
    pub(crate) path: String,
    /// As RFC 9901 has it: base64url of `[salt, name, value]`.
    pub(crate) disclosure: String,
}

impl Disclosures {
    pub(crate) fn new(log: &str, audience: &str, items: Vec<Item>) -> Self {
        let (log, audience) = (log.to_owned(), audience.to_owned());
        Self { format: FORMAT.to_owned(), log, audience, items }
    }

    /// Writes it for its owner alone to read.
    pub(crate) fn write(&self, path: &Path) -> Outcome<()> {
        let writing = || format!("writing {}", path.display());
        files::replace_json(path, self, Access::Owner).explain(Exit::Usage, writing)
    }

    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let reading = || format!("the disclosures file {}", path.display());
        let bytes = std::fs::read(path).explain(Exit::Usage, reading)?;
        Self::parse(&bytes).explain(Exit::Usage, reading)
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let file: Self = serde_json::from_slice(bytes).context("this is no disclosures file")?;
        ensure!(file.format == FORMAT, "its format is not {FORMAT}");
        Ok(file)
    }

    /// Each disclosure with its digest and its value.
    ///
    /// # Errors
    /// In words, for the first that is no disclosure, or is not of the field it is said to be of.
    pub(crate) fn open(&self) -> Result<Vec<Opened>, String> {
        let mut opened = Vec::with_capacity(self.items.len());
        for item in &self.items {
            let place = || format!("{} of {}, revision {}", item.path, item.object, item.rev);
            let disclosure = Disclosure::parse(&item.disclosure)
                .map_err(|refusal| format!("{}: {refusal}", place()))?;
            if item.path.rsplit('/').next() != Some(disclosure.name()) {
                return Err(format!("{}: the disclosure is of another member", place()));
            }
            let value = records::to_canonical(disclosure.value());
            let value =
                serde_json::from_slice(&value).map_err(|error| format!("{}: {error}", place()))?;
            opened.push(Opened { digest: disclosure.digest(), item: item.clone(), value });
        }
        Ok(opened)
    }
}

/// A disclosure and the value in it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) digest: DisclosureDigest,
    pub(crate) item: Item,
    pub(crate) value: serde_json::Value,
}

const FORMAT: &str = "civiclog-disclosures/1";

#[cfg(test)]
mod tests {
    use super::*;

    fn item(path: &str, disclosure: &Disclosure) -> Item {
        let (object, path) = ("GB-X-1/payment/1".to_owned(), path.to_owned());
        Item { object, rev: 0, path, disclosure: disclosure.text().to_owned() }
    }

    #[test]
    fn a_file_reads_back_and_is_the_owner_s_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("for.disclosures");
        let name = Disclosure::new([3; 16], "name", "Ada Quillfeather".into());
        Disclosures::new("log.example/a", "the auditor", vec![item("/data/payee/name", &name)])
            .write(&path)
            .unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let read = Disclosures::read(&path).unwrap();
        assert_eq!((read.log.as_str(), read.audience.as_str()), ("log.example/a", "the auditor"));
        let opened = read.open().unwrap();
        assert_eq!(
            (opened[0].digest, &opened[0].value),
            (name.digest(), &"Ada Quillfeather".into())
        );
    }

    #[test]
    fn what_is_no_disclosure_of_its_field_is_refused_without_being_repeated() {
        let name = Disclosure::new([3; 16], "name", "Ada Quillfeather".into());
        for bad in [
            item("/data/payee/id", &name),
            Item { disclosure: name.text().replace('W', "="), ..item("/data/payee/name", &name) },
        ] {
            let words = Disclosures::new("log.example/a", "x", vec![bad]).open().unwrap_err();
            assert!(!words.contains("Quillfeather") && words.contains("payment/1"), "{words}");
        }
        for bytes in
            [b"".as_slice(), b"{}", br#"{"format":"x","log":"","for":"","disclosures":[]}"#]
        {
            assert!(Disclosures::parse(bytes).is_err());
        }
    }
}
