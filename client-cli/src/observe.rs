//! `civiclog observe`: what a portal publishes, logged by someone who only reads it.
//!
//! Each file of the source becomes records of the *observer*, never of the body that published it:
//!
//! ```text
//! XX-NGO-WATCH/payment/observed/GB-LAE-DEV/2024/january.csv/T4711
//! observer             label    who published   which file   its own number
//! ```
//! A file that changed since it was seen last is compared row by row: what changed is corrected,
//! what is gone is voided, both with the reason `observed-change`. The log then tells when the
//! change was seen, and keeps what stood there before.
//!
//! A git repository is walked commit by commit. How far is remembered in a file, for going over
//! old commits again would log changes back and forth that never happened.

mod history;

use std::path::{Path, PathBuf};

use import::FormatName;
use import::csv::Csv;
use tlog::Origin;
use tlog_client::{HttpSettings, LogClient};

use crate::args::{Observe, Submit};
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;
use crate::state::StateFolder;
use crate::submit::{self, Scope};
use history::History;

pub(crate) async fn run(
    args: &Observe,
    http: &HttpSettings,
    state: &StateFolder,
    screen: &mut Screen,
) -> Outcome {
    let mut worst = Exit::Done;
    for source in &args.sources {
        let watch = Watch { args, http, state, source };
        let exit = if source.is_file() {
            let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
            watch.file(source, &name, Scope::All, screen).await?
        } else if source.join(".git").exists() || source.join("HEAD").is_file() {
            watch.history(screen).await?
        } else if source.is_dir() {
            watch.folder(screen).await?
        } else {
            return Err(Failure::usage(format!("{} is not there", source.display())));
        };
        worst = if exit == Exit::Done { worst } else { exit };
    }
    Ok(worst)
}

struct Watch<'a> {
    args: &'a Observe,
    http: &'a HttpSettings,
    state: &'a StateFolder,
    source: &'a Path,
}

impl Watch<'_> {
    /// Logs what a file says now. `name`: how the publisher calls it.
    async fn file(
        &self,
        path: &Path,
        name: &str,
        scope: Scope<'_>,
        screen: &mut Screen,
    ) -> Outcome {
        screen.note(format!("observing {name}"));
        let mut csv = Csv::with_map(&self.args.map)?;
        csv.observe(&self.args.observer, name);
        let out = |suffix: &str| {
            let mut file = self.args.out.join(name.replace(['/', '\\'], "_")).into_os_string();
            file.push(suffix);
            Some(PathBuf::from(file))
        };
        let submit = Submit {
            file: path.to_owned(),
            format: Some(FormatName::Csv),
            map: Some(self.args.map.clone()),
            submitter: None,
            body: None,
            key: self.args.key.clone(),
            at: self.args.at.clone(),
            policy: self.args.policy.clone(),
            receipts: out(".receipts"),
            journal: self.args.journal.clone(),
            errors: out(".errors.csv"),
            why: Some(OBSERVED_CHANGE.to_owned()),
            complete: None,
            dry_run: self.args.dry_run,
            wait_seconds: self.args.wait_seconds,
        };
        submit::run_with(&submit, self.http, &csv, scope, self.state, screen).await
    }

    /// The CSV files of a folder, in the order of their names.
    async fn folder(&self, screen: &mut Screen) -> Outcome {
        let mut files = Vec::new();
        let mut folders = vec![self.source.to_owned()];
        while let Some(folder) = folders.pop() {
            let reading = || format!("reading {}", folder.display());
            for found in std::fs::read_dir(&folder).explain(Exit::Usage, reading)? {
                let path = found.explain(Exit::Usage, reading)?.path();
                // A link may lead round in a circle.
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if history::is_table(&path.to_string_lossy()) {
                    files.push(path);
                }
            }
        }
        files.sort();
        let mut worst = Exit::Done;
        for path in files {
            let name = path.strip_prefix(self.source).unwrap_or(&path);
            let exit = self.file(&path, &name.to_string_lossy(), Scope::All, screen).await?;
            worst = if exit == Exit::Done { worst } else { exit };
        }
        Ok(worst)
    }

    /// Every commit of a repository since the last one that was observed.
    async fn history(&self, screen: &mut Screen) -> Outcome {
        let client = LogClient::new(&self.args.at.log, self.http)?;
        let info = client.info().await?;
        let history = History::open(self.source)?;
        let origin: Origin = info
            .origin
            .parse()
            .explain(Exit::Misbehaved, || "the log's name is no origin".to_owned())?;
        let cursor = self.state.observed(&origin, &self.args.observer, &history.root()?);
        let known = match &self.args.after {
            Some(commit) => Some(commit.clone()),
            None => history::read_cursor(&cursor)?,
        };
        if known.is_none() {
            self.refuse_to_start_over(&client).await?;
            if !self.args.dry_run {
                // A run that is killed within the first commit was here before, and goes on.
                history::write_cursor(&cursor, FROM_THE_START)?;
            }
        }
        let done = known.filter(|commit| commit != FROM_THE_START);
        let commits = history.commits_after(done.as_deref())?;
        let mut files = match &done {
            Some(commit) => history.tables(commit)?,
            None => history::Tables::new(),
        };
        let mut worst = Exit::Done;
        for commit in &commits {
            let now = history.tables(commit)?;
            screen.note(format!("commit {commit}"));
            for changed in history::changed(&files, &now) {
                let copy = cursor.with_extension("csv");
                history.copy(&changed.blob, &copy)?;
                let scope = if changed.is_gone { Scope::Gone } else { Scope::All };
                let exit = self.file(&copy, &changed.path, scope, screen).await;
                drop(std::fs::remove_file(&copy));
                let exit = exit?;
                worst = if exit == Exit::Done { worst } else { exit };
            }
            files = now;
            if !self.args.dry_run {
                history::write_cursor(&cursor, commit)?;
            }
        }
        screen.say(format!("{} commits observed.", commits.len()));
        Ok(worst)
    }

    /// Without the memory of how far it went, walking the commits again would log changes that
    /// never happened.
    async fn refuse_to_start_over(&self, client: &LogClient) -> Outcome<()> {
        let mut csv = Csv::with_map(&self.args.map)?;
        csv.observe(&self.args.observer, "");
        let known = client.objects(&csv.object_prefix(), None).await?;
        if known.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(
            "the log holds observations of this publisher already, and the state folder does not \
             say up to which commit; name the last one that was observed with --after, or --after \
             start if that was another source",
        ))
    }
}

/// Said instead of a commit.
const FROM_THE_START: &str = "start";
const OBSERVED_CHANGE: &str = "observed-change";

#[cfg(test)]
mod tests;
