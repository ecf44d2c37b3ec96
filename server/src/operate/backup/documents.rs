//! The documents of a log in its backups.
//!
//! They are copied while the server runs. One that is erased meanwhile may still be in the copy, so the
//! notices of what was withdrawn are copied last; and when they are put back the notices come first,
//! those on this machine before those of the backup.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::copy::{FileSum, Progress, copy_synced, files_below};
use crate::core::withdrawn::Act;
use crate::documents::{DocumentId, INCOMING, Notice, WITHDRAWN};

pub(crate) const DOCUMENTS: &str = "documents";

/// Copies all documents into the folder of a backup; returns what was copied.
pub(super) fn copy(documents: &Path, backup: &Path) -> anyhow::Result<Vec<FileSum>> {
    let to = backup.join(DOCUMENTS);
    if !documents.is_dir() {
        return Ok(Vec::new());
    }
    let mut copied = Vec::new();
    for takes_notices in [false, true] {
        let mut paths = files_below(documents)?;
        paths.retain(|it| !it.starts_with(INCOMING) && is_notice(it) == takes_notices);
        let mut progress = Progress::new("documents copied", 0);
        for path in paths {
            let from = documents.join(&path);
            make_folder_of(&to.join(&path))?;
            match copy_synced(&from, &to.join(&path), &mut progress) {
                Ok(sum) => copied.push(FileSum { path: format!("{DOCUMENTS}/{path}"), ..sum }),
                // Erased since it was listed; its notice comes.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !from.exists() => {
                    std::fs::remove_file(to.join(&path)).context("removing half a copy")?;
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("copying {}", from.display()));
                }
            }
        }
    }
    sync_folders(&to, &copied)?;
    Ok(copied)
}

/// Puts the documents of a backup into the folder of a log, which may have some. Nothing that is there
/// is replaced, but by a notice that takes more away. Returns how many documents came back.
/// After an error it can be run again, and goes on.
pub(crate) fn put_back(
    files: &[FileSum],
    backup: &Path,
    documents: &Path,
) -> anyhow::Result<usize> {
    let mut count = 0;
    let mut of_backup: Vec<&FileSum> = files.iter().filter(|it| below(it).is_some()).collect();
    of_backup.sort_by_key(|it| !is_notice(&it.path));
    let mut progress = Progress::new("documents copied", of_backup.iter().map(|it| it.bytes).sum());
    for expected in of_backup {
        let Some(path) = below(expected) else { continue };
        let (from, to) = (backup.join(&expected.path), documents.join(path));
        let is_replaced = is_notice(path) && takes_more_away(&from, &to)?;
        if is_erased(&to)? || (to.exists() && !is_replaced) {
            continue;
        }
        make_folder_of(&to)?;
        // Beside its place first: half a document must never have its name.
        let half = to.with_extension("restoring");
        remove_file(&half)?;
        let sum = copy_synced(&from, &half, &mut progress)
            .with_context(|| format!("copying {}", expected.path))?;
        expected.expect(&sum)?;
        std::fs::rename(&half, &to).with_context(|| format!("writing {}", to.display()))?;
        files::sync_folder(files::folder_of(&to)).context("syncing the documents")?;
        count += usize::from(is_document(path));
    }
    Ok(count)
}

/// Each document in a backup has the hash that it is named by.
pub(super) fn check_names(files: &[FileSum]) -> anyhow::Result<()> {
    for file in files {
        let Some(id) = below(file).and_then(|it| id_of(Path::new(it))) else { continue };
        let sum = tlog::Hash::from_base64(&file.sha256).context("a sum in the manifest")?;
        ensure!(
            sum.to_hex() == id.to_string(),
            "{} does not have the hash that it is named by: it was damaged before the backup was made",
            file.path
        );
    }
    Ok(())
}

fn below(file: &FileSum) -> Option<&str> {
    file.path.strip_prefix(DOCUMENTS)?.strip_prefix('/')
}

fn is_notice(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|it| it == WITHDRAWN)
}

fn is_document(path: &str) -> bool {
    id_of(Path::new(path)).is_some()
}

fn id_of(path: &Path) -> Option<DocumentId> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Whether a document was erased on this machine, or by a notice that was put back before it.
fn is_erased(document: &Path) -> anyhow::Result<bool> {
    if id_of(document).is_none() {
        return Ok(false);
    }
    Ok(Notice::read(&document.with_extension(WITHDRAWN))?.is_some_and(|it| it.act == Act::Erased))
}

fn takes_more_away(notice: &Path, than: &Path) -> anyhow::Result<bool> {
    let act = |path| anyhow::Ok(Notice::read(path)?.map(|it| it.act));
    Ok(act(notice)? > act(than)?)
}

fn remove_file(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn make_folder_of(path: &Path) -> anyhow::Result<()> {
    let folder = files::folder_of(path);
    files::create_folder(folder, files::Access::Owner)
        .with_context(|| format!("making {}", folder.display()))
}

fn sync_folders(to: &Path, copied: &[FileSum]) -> anyhow::Result<()> {
    let folders: BTreeSet<PathBuf> = copied
        .iter()
        .filter_map(below)
        .map(|it| files::folder_of(&to.join(it)).to_owned())
        .collect();
    folders.iter().try_for_each(|it| files::sync_folder(it)).context("syncing the documents")
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn name_of(bytes: &[u8]) -> String {
        tlog::Hash::new(Sha256::digest(bytes).into()).to_hex()
    }

    fn put(documents: &Path, bytes: &[u8]) -> PathBuf {
        let name = name_of(bytes);
        let path = documents.join(&name[..2]).join(&name);
        std::fs::create_dir_all(files::folder_of(&path)).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn say(document: &Path, act: Act) {
        let notice = Notice {
            sha256: id_of(document).unwrap().to_string(),
            act,
            since: "2026-01-01T00:00:00.000Z".to_owned(),
            ground: "court-order".to_owned(),
            because: "file 12/26".to_owned(),
        };
        let place = document.with_extension(WITHDRAWN);
        std::fs::write(place, serde_json::to_vec(&notice).unwrap()).unwrap();
    }

    #[test]
    fn documents_come_back_but_for_what_was_erased_before_or_since() {
        let folder = tempfile::tempdir().unwrap();
        let [here, backup, back] = ["here", "backup", "back"].map(|it| folder.path().join(it));
        let [kept, hidden, erased] = [&b"one"[..], b"two", b"three"].map(|it| put(&here, it));
        std::fs::write(here.join("ledger"), "a line").unwrap();
        std::fs::create_dir_all(here.join(INCOMING)).unwrap();
        std::fs::write(here.join(INCOMING).join("1"), "half").unwrap();
        say(&hidden, Act::Withheld);
        // The bytes were copied before they went.
        say(&erased, Act::Erased);
        let files = copy(&here, &backup).unwrap();
        assert_eq!(files.len(), 6, "{files:?}");
        check_names(&files).unwrap();

        assert_eq!(put_back(&files, &backup, &back).unwrap(), 2);
        let in_back = |it: &Path| back.join(it.strip_prefix(&here).unwrap());
        assert_eq!(std::fs::read(in_back(&kept)).unwrap(), b"one");
        assert!(in_back(&hidden).exists() && !in_back(&erased).exists());
        assert_eq!(std::fs::read(back.join("ledger")).unwrap(), b"a line");

        // What this machine says of later days stands; what it forgot is said again.
        std::fs::remove_file(in_back(&kept)).unwrap();
        say(&in_back(&kept), Act::Erased);
        say(&in_back(&erased), Act::Withheld);
        assert_eq!(put_back(&files, &backup, &back).unwrap(), 0);
        assert!(!in_back(&kept).exists() && !in_back(&erased).exists());
        let notice = Notice::read(&in_back(&erased).with_extension(WITHDRAWN)).unwrap().unwrap();
        assert_eq!(notice.act, Act::Erased);
    }

    #[test]
    fn a_document_that_is_not_what_its_name_says_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let [here, backup] = ["here", "backup"].map(|it| folder.path().join(it));
        let document = put(&here, b"one");
        std::fs::write(&document, "0ne").unwrap();
        let refused = check_names(&copy(&here, &backup).unwrap()).unwrap_err().to_string();
        assert!(refused.contains(&name_of(b"one")), "{refused}");
    }

    #[test]
    fn a_log_without_documents_has_none_in_its_backup() {
        let folder = tempfile::tempdir().unwrap();
        let (here, backup) = (folder.path().join("here"), folder.path().join("backup"));
        assert!(copy(&here, &backup).unwrap().is_empty());
        assert_eq!(put_back(&[], &backup, &here).unwrap(), 0);
    }
}
