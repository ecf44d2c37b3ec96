//! Where evidence against logs is kept: a file for each contradiction, written once, never replaced.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use files::Access;
use tlog::{Checkpoint, Evidence};

/// The folder `evidence` of a witness. It is made when there is something to keep.
#[derive(Debug)]
pub struct EvidenceFolder(PathBuf);

impl EvidenceFolder {
    /// That of the witness in this folder.
    pub fn within(dir: &Path) -> Self {
        Self(dir.join("evidence"))
    }

    /// Keeps evidence durably and returns its file. The same contradiction again is the same file,
    /// as it was. For one log, one caller at a time.
    ///
    /// # Errors
    /// When the file cannot be written, or there are enough against this log: one is enough to end
    /// it, and a dishonest log must not fill the disk.
    pub fn keep(&self, evidence: &Evidence) -> anyhow::Result<PathBuf> {
        let log = evidence.origin().sha256_hex();
        let log = log.get(..LOG_DIGITS).unwrap_or(&log);
        let offered = evidence.notes().last().context("evidence without a checkpoint")?;
        let head = Checkpoint::parse(offered.text())?.head;
        let root: String = head.root.to_hex().chars().take(ROOT_DIGITS).collect();
        let path = self.0.join(format!("{log}-{}-{root}.evidence", head.size));
        if path.try_exists().with_context(|| format!("looking for {}", path.display()))? {
            return Ok(path);
        }
        files::create_folder(&self.0, Access::Owner)
            .with_context(|| format!("making {}", self.0.display()))?;
        if self.files_against(log)? >= FILES_MAX {
            bail!("there are {FILES_MAX} files against this log already in {}", self.0.display());
        }
        match files::create(&path, evidence.to_string().as_bytes(), Access::Everyone) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(path),
            written => written.map(|()| path.clone()).with_context(|| path.display().to_string()),
        }
    }

    fn files_against(&self, log: &str) -> anyhow::Result<usize> {
        let mut count = 0;
        for file in fs::read_dir(&self.0).with_context(|| self.0.display().to_string())? {
            let name = file?.file_name();
            count += usize::from(name.to_string_lossy().starts_with(log));
        }
        Ok(count)
    }
}

/// The most files kept against one log.
pub const FILES_MAX: usize = 16;
const LOG_DIGITS: usize = 16;
const ROOT_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use testlog::ForgedLog;
    use tlog::{Hash, TreeHead, TreeSize};

    use super::*;
    use crate::test_log::small_log;

    fn evidence(log: &ForgedLog, root: u8) -> Evidence {
        let head = TreeHead { size: TreeSize::new(5), root: Hash::new([root; 32]) };
        let (known, offered) = (log.note(5), log.sign(&log.text(head)));
        Evidence::find(&[log.vkey()], &known, &offered, &[]).unwrap()
    }

    #[test]
    fn each_contradiction_is_one_file_that_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (log, kept) = (small_log("log.example/a", 9), EvidenceFolder::within(folder.path()));
        let first = kept.keep(&evidence(&log, 1)).unwrap();
        assert_eq!(Evidence::parse(&fs::read(&first).unwrap()), Ok(evidence(&log, 1)));
        fs::write(&first, "what somebody made of it").unwrap();
        assert_eq!(kept.keep(&evidence(&log, 1)).unwrap(), first);
        assert_eq!(fs::read(&first).unwrap(), b"what somebody made of it");
        assert_ne!(kept.keep(&evidence(&log, 2)).unwrap(), first);
    }

    #[test]
    fn a_log_fills_no_disk_with_its_lies_and_leaves_room_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let (log, kept) = (small_log("log.example/a", 9), EvidenceFolder::within(folder.path()));
        for root in 0..u8::try_from(FILES_MAX).unwrap() {
            kept.keep(&evidence(&log, root)).unwrap();
        }
        assert!(kept.keep(&evidence(&log, 200)).is_err());
        kept.keep(&evidence(&log, 3)).unwrap();
        kept.keep(&evidence(&small_log("log.example/b", 9), 200)).unwrap();
    }
}
