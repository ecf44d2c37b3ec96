//! What a backup says about itself: which log, which head, which files.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tlog::{Hash, Origin, TreeHead, TreeSize};

use super::copy::{FileSum, Progress, files_below, sum_file};

pub(crate) const MANIFEST: &str = "backup.json";

const FORMAT: &str = "civiclog-backup/1";

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    size: u64,
    root: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: String,
    origin: String,
    /// When it was made, as RFC 3339, by this machine's clock.
    made_at: String,
    head: Head,
    /// The head in the copy of the anchor: the beginning of the database's tree.
    anchored: Head,
    /// The newest published checkpoint in the database, with all its signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published: Option<String>,
    /// Every other file of the backup.
    files: Vec<FileSum>,
    /// SHA-256 of this file's JSON without this member, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Contents<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) made_at_ms: u64,
    pub(crate) head: TreeHead,
    pub(crate) anchored: TreeHead,
    pub(crate) published: Option<String>,
    pub(crate) files: Vec<FileSum>,
}

impl Manifest {
    pub(crate) fn new(contents: Contents<'_>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            origin: contents.origin.to_string(),
            made_at: records::format_millis(contents.made_at_ms),
            head: Head::of(contents.head),
            anchored: Head::of(contents.anchored),
            published: contents.published,
            files: contents.files,
            sha256: None,
        }
    }

    /// Writes it into the folder of its backup, synced.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let whole = Self { sha256: Some(self.checksum()?), ..self.clone() };
        let mut text = serde_json::to_string_pretty(&whole)?;
        text.push('\n');
        files::create(&folder.join(MANIFEST), text.as_bytes(), files::Access::Owner)
            .context("writing the manifest")
    }

    /// Reads the manifest of a backup, and checks that it is whole.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(MANIFEST);
        let bytes = std::fs::read(&path).with_context(|| {
            format!("reading {}: without it this is no finished backup", path.display())
        })?;
        let damaged = || format!("{} is damaged", path.display());
        let manifest: Self = serde_json::from_slice(&bytes).with_context(damaged)?;
        ensure!(
            manifest.format == FORMAT,
            "{}: its format is {:?}, not {FORMAT}",
            path.display(),
            manifest.format
        );
        let is_whole = manifest.sha256.as_ref() == Some(&manifest.checksum()?);
        ensure!(is_whole, "{}: its checksum is not that of its contents", damaged());
        // White space is all that the checksum does not cover.
        let again = serde_json::to_string_pretty(&manifest)? + "\n";
        ensure!(again.as_bytes() == bytes, "{}: it is not as it was written", damaged());
        Ok(manifest)
    }

    /// Reads every file again and compares it; nothing may be missing, nothing too many.
    pub(crate) fn check_files(&self, folder: &Path) -> anyhow::Result<()> {
        let mut there: BTreeSet<String> = files_below(folder)?.into_iter().collect();
        there.remove(MANIFEST);
        let mut progress = Progress::new("checked", self.bytes());
        for expected in &self.files {
            ensure!(there.remove(&expected.path), "{} is missing from the backup", expected.path);
            let path = folder.join(&expected.path);
            let sum = sum_file(&path, &mut progress)
                .with_context(|| format!("reading {}", path.display()))?;
            expected.expect(&sum)?;
        }
        if let Some(extra) = there.first() {
            bail!("{extra} is in the folder and not part of the backup");
        }
        Ok(())
    }

    pub(crate) fn origin(&self) -> anyhow::Result<Origin> {
        self.origin.parse().context("the manifest's origin")
    }

    pub(crate) fn made_at(&self) -> &str {
        &self.made_at
    }

    /// When it was made, in Unix milliseconds; 0 when that is no time.
    pub(crate) fn made_at_ms(&self) -> u64 {
        records::parse_millis(&self.made_at).unwrap_or(0)
    }

    pub(crate) fn head(&self) -> anyhow::Result<TreeHead> {
        self.head.parse()
    }

    pub(crate) fn anchored(&self) -> anyhow::Result<TreeHead> {
        self.anchored.parse()
    }

    /// Every file but the manifest.
    pub(crate) fn files(&self) -> &[FileSum] {
        &self.files
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|it| it.bytes).sum()
    }

    fn checksum(&self) -> anyhow::Result<String> {
        let bare = serde_json::to_vec(&Self { sha256: None, ..self.clone() })?;
        Ok(STANDARD.encode(Sha256::digest(bare)))
    }
}

impl FileSum {
    pub(crate) fn expect(&self, found: &Self) -> anyhow::Result<()> {
        ensure!(
            found.bytes == self.bytes,
            "{} is damaged: it has {} bytes, it had {}",
            self.path,
            found.bytes,
            self.bytes
        );
        ensure!(
            found.sha256 == self.sha256,
            "{} is damaged: its bytes are not those that were written",
            self.path
        );
        Ok(())
    }
}

impl Head {
    fn of(head: TreeHead) -> Self {
        Self { size: head.size.get(), root: head.root.to_base64() }
    }

    fn parse(&self) -> anyhow::Result<TreeHead> {
        let root = Hash::from_base64(&self.root).context("the root in the manifest")?;
        Ok(TreeHead { size: TreeSize::new(self.size), root })
    }
}
