//! A git history as snapshots of its CSV files, read by `git` itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use files::Access;

use crate::exit::{Exit, Explain, Failure, Outcome};

/// The CSV files of a commit: path and the id of its content.
pub(super) type Tables = BTreeMap<String, String>;

#[derive(Debug)]
pub(super) struct History {
    folder: PathBuf,
}

impl History {
    /// A repository that `git` can read.
    pub(super) fn open(folder: &Path) -> Outcome<Self> {
        let history = Self { folder: folder.to_owned() };
        history.git(&["rev-parse", "--git-dir"])?;
        Ok(history)
    }

    /// The first commit: what tells this history from others wherever its folder is.
    pub(super) fn root(&self) -> Outcome<String> {
        let roots = self.git(&["rev-list", "--max-parents=0", "--first-parent", "HEAD"])?;
        Ok(roots.lines().last().unwrap_or_default().to_owned())
    }

    /// The commits after this one up to `HEAD`, oldest first.
    pub(super) fn commits_after(&self, done: Option<&str>) -> Outcome<Vec<String>> {
        if let Some(commit) = done {
            check_id(commit)?;
            self.git(&["merge-base", "--is-ancestor", commit, "HEAD"]).map_err(|failure| {
                let words = format!(
                    "commit {commit}, observed last, is not in this history any more: it was \
                     rewritten. Name a commit to go on from with --after"
                );
                Failure { error: failure.error.context(words), ..failure }
            })?;
        }
        let range = done.map_or_else(|| "HEAD".to_owned(), |commit| format!("{commit}..HEAD"));
        let commits = self.git(&["rev-list", "--first-parent", "--reverse", &range])?;
        Ok(commits.lines().map(str::to_owned).collect())
    }

    /// The CSV files of a commit.
    pub(super) fn tables(&self, commit: &str) -> Outcome<Tables> {
        check_id(commit)?;
        let listed = self.git(&["ls-tree", "-r", "-z", "--full-tree", commit])?;
        // <mode> blob <id>⇥<path>
        let files = listed.split('\0').filter_map(|line| {
            let (about, path) = line.split_once('\t')?;
            let blob = about.strip_prefix("100")?.split(' ').nth(2)?;
            is_table(path).then(|| (path.to_owned(), blob.to_owned()))
        });
        Ok(files.collect())
    }

    /// Writes the content of a file of the history to `to`.
    pub(super) fn copy(&self, blob: &str, to: &Path) -> Outcome<()> {
        let copying = || format!("copying {blob} out of {}", self.folder.display());
        if let Some(folder) = to.parent() {
            files::create_folder(folder, Access::Umask).explain(Exit::Usage, copying)?;
        }
        let file = File::create(to).explain(Exit::Usage, copying)?;
        let mut command = self.command(&["cat-file", "blob", blob]);
        let status = command.stdout(Stdio::from(file)).status().explain(Exit::Usage, copying)?;
        if status.success() { Ok(()) } else { Err(Failure::usage(copying())) }
    }

    fn git(&self, arguments: &[&str]) -> Outcome<String> {
        let output = self.command(arguments).output().explain(Exit::Usage, || {
            "running git, which reading a history needs; install it, or observe files".to_owned()
        })?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let folder = self.folder.display();
            return Err(Failure::usage(format!("git in {folder}: {words}")));
        }
        String::from_utf8(output.stdout)
            .explain(Exit::Usage, || "git names files that are not UTF-8".to_owned())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        // What a repository of strangers configures is not for us.
        command.args(["--no-replace-objects", "-c", "core.fsmonitor=false", "-C"]);
        command.arg(&self.folder).args(arguments).stdin(Stdio::null());
        command
    }
}

/// Whether a name is that of a CSV file.
pub(super) fn is_table(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("csv"))
}

/// A file that differs between two commits.
pub(super) struct Changed {
    pub(super) path: String,
    /// Its content now, or the last it had.
    pub(super) blob: String,
    pub(super) is_gone: bool,
}

/// What differs between two commits.
pub(super) fn changed(before: &Tables, now: &Tables) -> Vec<Changed> {
    let of = |(path, blob): (&String, &String), is_gone| {
        let (path, blob) = (path.clone(), blob.clone());
        Changed { path, blob, is_gone }
    };
    let new = now.iter().filter(|(path, blob)| before.get(*path) != Some(*blob));
    let gone = before.iter().filter(|(path, _)| !now.contains_key(*path));
    new.map(|file| of(file, false)).chain(gone.map(|file| of(file, true))).collect()
}

/// The commit that was observed last.
pub(super) fn read_cursor(path: &Path) -> Outcome<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).explain(Exit::Usage, || format!("reading {}", path.display())),
    }
}

pub(super) fn write_cursor(path: &Path, commit: &str) -> Outcome<()> {
    let writing = || format!("writing {}", path.display());
    if let Some(folder) = path.parent() {
        files::create_folder(folder, Access::Umask).explain(Exit::Usage, writing)?;
    }
    files::replace(path, format!("{commit}\n").as_bytes(), Access::Umask)
        .explain(Exit::Usage, writing)
}

/// A commit's full id and nothing that `git` would take for an option.
fn check_id(commit: &str) -> Outcome<()> {
    let is_id = (40..=64).contains(&commit.len()) && commit.bytes().all(|b| b.is_ascii_hexdigit());
    if is_id {
        return Ok(());
    }
    Err(Failure::usage(format!("`{commit}` is not the full id of a commit")))
}
