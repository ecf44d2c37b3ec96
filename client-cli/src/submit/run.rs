//! The steps of one run, in their order.

use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use import::{Drafts, Format, FormatName, Input, PersonNames, RowError, Scratch, Series};
use indicatif::ProgressBar;
use records::Record;
use sha2::{Digest, Sha256};
use tlog::{CosignedCheckpoint, Hash, LeafIndex, Origin, Policy, TreeSize};
use tlog_client::{HttpSettings, LogClient, TreeView};

use super::choose::choose;
use super::journal::Journal;
use super::lookup::{self, Lookup};
use super::persons::{PersonIds, SecretFile};
use super::plan::Planner;
use super::planned::{Act, PlannedRow, RowStatus};
use super::report::Report;
use super::scope::Scope;
use super::seal::Sealer;
use super::tally::{OBJECTS, Tally};
use super::{receipts, send, upload};
use crate::args::Submit;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;
use crate::state::StateFolder;
use crate::{keyfile, trust};

pub(crate) async fn run(
    args: &Submit,
    http: &HttpSettings,
    state: &StateFolder,
    screen: &mut Screen,
) -> Outcome {
    let format = choose(args, screen)?;
    let scope = args.complete.as_ref().map_or(Scope::Unknown, Scope::Period);
    run_with(args, http, &*format, scope, state, screen).await
}

/// Runs the command with a format that says more than its arguments.
pub(crate) async fn run_with(
    args: &Submit,
    http: &HttpSettings,
    format: &dyn Format,
    scope: Scope<'_>,
    state: &StateFolder,
    screen: &mut Screen,
) -> Outcome {
    let key = keyfile::read_signing_key(&args.key)?;
    let client = LogClient::new(&args.at.log, http)?;
    let info = client.info().await?;
    let origin: Origin = info
        .origin
        .parse()
        .explain(Exit::Misbehaved, || "the log gives itself a name that is no origin".to_owned())?;
    let policy = trust::policy_or_own(args.policy.as_deref(), &info, screen)?;
    let sealer = Sealer {
        submitter: format.submitter(),
        origin: origin.as_str(),
        key: &key,
        file_sha256: sha256_of(&args.file)?,
        map_sha256: args.map.as_deref().map(sha256_of).transpose()?,
        why: args.why.as_deref(),
    };
    let path = match &args.journal {
        Some(path) => path.clone(),
        None => state.journal(&origin, format.submitter()),
    };
    // A rehearsal leaves no journal behind where there was none.
    let mut journal = if args.dry_run && !path.exists() {
        None
    } else {
        let opened = Journal::open(&path, origin.as_str(), format.submitter());
        Some(opened.explain(Exit::Usage, || "opening the journal".to_owned())?)
    };
    let persons = match format.person_prefix() {
        Some(prefix) => {
            let secret = SecretFile::beside(&path, origin.as_str(), format.submitter());
            Some(secret.find_or_make(&client, journal.as_ref(), &prefix, args.dry_run).await?)
        }
        None => None,
    };
    let folder = path.parent().filter(|folder| folder.is_dir());
    let scratch = Scratch::in_folder(folder.unwrap_or(&std::env::temp_dir()))
        .explain(Exit::Usage, || "making a file for the notes of this run".to_owned())?;
    let report = Report::new(&origin, format.name(), args);
    let run = Run { args, format, client, policy, sealer, scope, persons, scratch: &scratch };
    let tally = Tally::new(report, &scratch);
    run.carry_out(journal.as_mut(), tally, screen).await
}

/// What the steps of one run share.
struct Run<'a> {
    args: &'a Submit,
    format: &'a dyn Format,
    client: LogClient,
    policy: Policy,
    sealer: Sealer<'a>,
    scope: Scope<'a>,
    /// There if the map knows of persons.
    persons: Option<PersonIds>,
    scratch: &'a Scratch,
}

impl Run<'_> {
    async fn carry_out(
        &self,
        mut journal: Option<&mut Journal>,
        mut tally: Tally<'_>,
        screen: &mut Screen,
    ) -> Outcome {
        let is_gone = matches!(self.scope, Scope::Gone);
        let rows = if is_gone { Some(0) } else { self.check(screen)? };
        let checkpoint = trust::checkpoint(&self.client, &self.policy).await?;
        let view = TreeView::new(self.client.clone(), checkpoint.head());
        let mut lookup = Lookup::new(&self.client, &view, self.scratch, rows.unwrap_or(0));
        let planner = Planner { sealer: &self.sealer };
        let what = if self.args.dry_run { "checking" } else { "submitting" };
        let bar = screen.progress(what, rows.map_or(0, |rows| usize::try_from(rows).unwrap_or(0)));
        if !is_gone {
            let mut source = self.open()?;
            loop {
                let (mut some, is_end) = self.some_rows(&mut *source, &mut tally)?;
                planner.recognise(&mut some, journal.as_deref(), &mut lookup).await?;
                self.settle(&mut some, journal.as_deref_mut(), &mut tally, &bar).await?;
                if is_end {
                    break;
                }
            }
        }
        self.void_vanished(&planner, &mut lookup, &view, journal, &mut tally, &bar).await?;
        bar.finish_and_clear();
        if !self.args.dry_run {
            self.write_receipts(&mut tally, screen).await?;
        }
        let Tally { mut report, .. } = tally;
        report.note_errors(&errors_path(self.args), self.scratch)?;
        if self.format.name() != FormatName::Csv {
            let path = with_suffix(&self.args.file, ".warnings.csv");
            report.note_warnings(&path, self.scratch)?;
        }
        Ok(report.finish(screen))
    }

    /// Reads the file through before anything goes in. Says how many rows it has, if that is known.
    fn check(&self, screen: &Screen) -> Outcome<Option<u64>> {
        let bar = screen.progress("reading", 0);
        let rows = self.format.check(&self.args.file, &|count| bar.set_position(count));
        bar.finish_and_clear();
        Ok(rows?)
    }

    fn open(&self) -> Outcome<Box<dyn Drafts + '_>> {
        Ok(self.format.open(Input {
            file: &self.args.file,
            sha256: &self.sealer.file_sha256,
            persons: self.persons.as_ref().map(|persons| persons as &dyn PersonNames),
            scratch: self.scratch,
        })?)
    }

    /// The next rows of the file, as many as make a request, and whether they are the last. Bad ones
    /// are noted.
    fn some_rows(
        &self,
        source: &mut dyn Drafts,
        tally: &mut Tally<'_>,
    ) -> Outcome<(Vec<PlannedRow>, bool)> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        let mut is_end = false;
        while rows.len() < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE {
            let Some(drafted) = source.next()? else {
                is_end = true;
                break;
            };
            tally.report.count_row();
            match drafted {
                Ok(draft) => {
                    bytes += draft.weight();
                    if !matches!(self.scope, Scope::Unknown) {
                        tally.record_object(&draft.object)?;
                    }
                    let (act, predecessor, status) = (Act::Add, None, RowStatus::New);
                    rows.push(PlannedRow { draft, act, predecessor, status });
                }
                Err(error) => tally.bad(&error)?,
            }
        }
        tally.warned(&source.take_warnings())?;
        Ok((rows, is_end))
    }

    /// Sends what is to be sent, or holds it to the rules that need no log, and counts what became of
    /// it.
    async fn settle(
        &self,
        rows: &mut [PlannedRow],
        journal: Option<&mut Journal>,
        tally: &mut Tally<'_>,
        bar: &ProgressBar,
    ) -> Outcome<()> {
        if let Some(journal) = journal.filter(|_| !self.args.dry_run) {
            let (origin, key) = (self.sealer.origin, self.sealer.key);
            upload::upload(&self.client, origin, key, &self.args.file, rows).await?;
            send::send(&self.client, &self.sealer, journal, rows, bar).await?;
            self.settle_conflicts(rows).await?;
        } else {
            self.rehearse(rows);
            bar.inc(u64::try_from(rows.len()).unwrap_or(0));
        }
        tally.take(rows)
    }

    fn rehearse(&self, rows: &mut [PlannedRow]) {
        for row in rows.iter_mut().filter(|row| matches!(row.status, RowStatus::New)) {
            if let Err(refusal) = self.sealer.rehearse(&row.draft, &row.act) {
                row.status = RowStatus::Rejected(RowError::of_refusal(&row.draft, &refusal));
            }
        }
    }

    /// Voids what the log has of the scope and the file has not.
    async fn void_vanished(
        &self,
        planner: &Planner<'_>,
        lookup: &mut Lookup<'_>,
        view: &TreeView,
        mut journal: Option<&mut Journal>,
        tally: &mut Tally<'_>,
        bar: &ProgressBar,
    ) -> Outcome<()> {
        if matches!(self.scope, Scope::Unknown) {
            return Ok(());
        }
        if tally.has_errors {
            // A row that could not be read may be one of those that seem to be gone.
            let words = "nothing was voided: while there are bad rows, nobody can tell which rows \
                         are gone; correct them and run again";
            return tally.bad(&RowError::new(0, "complete", "", words));
        }
        let Some(Series { kind, prefix }) = self.format.series() else { return Ok(()) };
        let mut after: Option<String> = None;
        loop {
            let heads = lookup.below(&prefix, after.as_deref()).await?;
            let Some((last, _)) = heads.last() else { return Ok(()) };
            after = Some(last.clone());
            let mut missing = BTreeSet::new();
            for (object, index) in heads {
                // One published since our checkpoint is for the next run.
                if index.is_within(view.head().size) && self.is_missing(&object)? {
                    missing.insert(index);
                }
            }
            let is_meant = |record: &Record| {
                // The log said of which object this is; the entry says it too.
                Ok(self.scope.contains(record.occurred()) && self.is_missing(record.object())?)
            };
            let vanished =
                planner.vanished(&missing, view, journal.as_deref(), &kind, is_meant).await?;
            let mut vanished = vanished;
            bar.inc_length(u64::try_from(vanished.len()).unwrap_or(0));
            self.settle(&mut vanished, journal.as_deref_mut(), tally, bar).await?;
        }
    }

    /// Whether the file has no row of an object.
    fn is_missing(&self, object: &str) -> Outcome<bool> {
        let found = self.scratch.get(OBJECTS, object.as_bytes());
        let found = found.explain(Exit::Usage, || "reading the notes of this run".to_owned())?;
        Ok(found.is_none())
    }

    /// Waits until the published checkpoint covers every row that is in.
    async fn published(&self, needed: TreeSize, bar: &ProgressBar) -> Outcome<CosignedCheckpoint> {
        let covering = async {
            loop {
                let checkpoint = trust::checkpoint(&self.client, &self.policy).await?;
                if checkpoint.head().size >= needed {
                    return Ok::<_, Failure>(checkpoint);
                }
                bar.tick();
                tokio::time::sleep(Duration::from_millis(PUBLISHED_POLL_MS)).await;
            }
        };
        let seconds = self.args.wait_seconds;
        let covered = tokio::time::timeout(Duration::from_secs(seconds), covering).await;
        covered.unwrap_or_else(|_| {
            Err(Failure::new(
                Exit::Unreachable,
                format!(
                    "all rows that were sent are in the log and durable, but after {seconds} s the \
                     witnesses had not signed a checkpoint of {needed} entries; run the same \
                     command again for the receipts"
                ),
            ))
        })
    }

    /// Compares rows that the log answered "conflict" to with what it holds instead.
    async fn settle_conflicts(&self, rows: &mut [PlannedRow]) -> Outcome<()> {
        let indices: BTreeSet<LeafIndex> = rows
            .iter()
            .filter_map(|row| match row.status {
                RowStatus::Conflict(index) => Some(index),
                _ => None,
            })
            .collect();
        let Some(last) = indices.last() else { return Ok(()) };
        let needed = TreeSize::new(last.get().saturating_add(1));
        let checkpoint = self.published(needed, &ProgressBar::hidden()).await?;
        let view = TreeView::new(self.client.clone(), checkpoint.head());
        let found = lookup::open(&self.client, &view, &indices).await?;
        let planner = Planner { sealer: &self.sealer };
        for row in rows.iter_mut() {
            let RowStatus::Conflict(index) = row.status else { continue };
            let Some(found) = found.get(&row.draft.object) else {
                let words = format!(
                    "the log answered that {} is entry {index}; that entry is about something else",
                    row.draft.object
                );
                return Err(Failure::new(Exit::Misbehaved, words));
            };
            planner.of_log(row, found);
            if matches!(row.status, RowStatus::Conflict(_)) {
                let words = "the log has taken another revision of this object meanwhile; run the \
                             same command again";
                row.status =
                    RowStatus::Rejected(RowError::of_rule(&row.draft, "changed", "", words));
            }
        }
        Ok(())
    }

    async fn write_receipts(&self, tally: &mut Tally<'_>, screen: &Screen) -> Outcome<()> {
        let bar = screen.progress("waiting for witnesses", 0);
        let checkpoint = self.published(tally.needed, &bar).await;
        bar.finish_and_clear();
        let checkpoint = checkpoint?;
        tally.report.note_checkpoint(&checkpoint);
        let path = match &self.args.receipts {
            Some(path) => path.clone(),
            None => with_suffix(&self.args.file, ".receipts"),
        };
        let bar = screen.progress("proving", tally.report.in_log());
        let written = receipts::write(&path, &self.client, &checkpoint, self.scratch, &bar).await?;
        bar.finish_and_clear();
        if let Some(written) = written {
            tally.report.note_receipts(written);
        }
        Ok(())
    }
}

fn errors_path(args: &Submit) -> PathBuf {
    args.errors.clone().unwrap_or_else(|| with_suffix(&args.file, ".errors.csv"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn sha256_of(path: &Path) -> Outcome<String> {
    let reading = || format!("reading {}", path.display());
    let file = std::fs::File::open(path).explain(Exit::Usage, reading)?;
    let mut file = std::io::BufReader::new(file);
    let mut hasher = Sha256::new();
    loop {
        let bytes = file.fill_buf().explain(Exit::Usage, reading)?;
        if bytes.is_empty() {
            return Ok(Hash::new(hasher.finalize().into()).to_hex());
        }
        hasher.update(bytes);
        let len = bytes.len();
        file.consume(len);
    }
}

/// Rows on their way at a time, if each is a line of a request or, with what it builds on, two.
const ROWS_AT_ONCE: usize = if cfg!(test) { 100 } else { send::LINES_PER_BATCH - 2 };
/// What these rows may say, about, in bytes.
const BYTES_AT_ONCE: usize = 8 * 1024 * 1024;
const PUBLISHED_POLL_MS: u64 = 300;
