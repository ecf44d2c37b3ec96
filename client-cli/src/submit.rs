//! `civiclog submit`: a file into the log, receipts out.
//!
//! ```text
//! CSV, OCDS, ISO 20022 ─source─► Draft ─plan: journal, lookup─► add, correct, void or nothing ─seal─►
//!     Kept ─journal.keep, fsync─► ─send─► index ─wait for the witnesses─► receipts
//! ```
//! [`source`] is the only place that knows formats; a row, a release and a payment order are the
//! same to all that follows.
//!
//! It may be killed at any point and run again: what was sent is in the journal, what is in the
//! log is recognised, and sending the same bytes twice is sending them once.

pub(crate) mod date;
mod decimal;
mod iso20022;
pub(crate) mod journal;
mod lookup;
pub(crate) mod map;
mod ocds;
pub(crate) mod period;
mod persons;
mod plan;
mod receipts;
mod report;
mod row;
mod scratch;
mod seal;
mod send;
mod source;
mod table;
mod tally;
pub(crate) mod text;
mod upload;

use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::ProgressBar;
use records::Record;
use sha2::{Digest, Sha256};
use tlog::{CosignedCheckpoint, Hash, LeafIndex, Origin, Policy, TreeSize};
use tlog_client::{HttpSettings, LogClient, TreeView};

use crate::args::Submit;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;
use crate::state::StateFolder;
use crate::{keyfile, trust};
use journal::{Journal, Kept};
use lookup::Lookup;
use map::Map;
use period::Period;
use persons::{PersonIds, SecretFile};
use plan::{Act, Planner};
use report::Report;
use row::{Draft, RowError};
use scratch::{Scratch, Shelf};
use seal::Sealer;
use source::{Input, Series, Source};
use tally::Tally;

/// What becomes of a row.
#[derive(Debug)]
pub(crate) enum Fate {
    /// To be sealed, signed and sent.
    New,
    /// Journalled by an earlier run: these bytes are sent (again).
    Kept(Kept),
    /// In the log, durable.
    There {
        index: LeafIndex,
        /// Whether this run put it there.
        is_new: bool,
    },
    /// The log holds another record of this object, at this index: to be compared.
    Taken(LeafIndex),
    /// Does not go in.
    Bad(RowError),
}

/// A row on its way.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) draft: Draft,
    /// What its record does to its object.
    pub(crate) act: Act,
    /// A journalled revision that is not published yet and that this one builds on: it is sent
    /// before it, once more.
    pub(crate) first: Option<(u32, Kept)>,
    pub(crate) fate: Fate,
}

/// Of which objects the file holds all there are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// Of none, as far as we know.
    Unknown,
    /// Those of these days.
    Period(&'a Period),
    /// All whose ids begin as the map says.
    All,
    /// The same, and it is gone: none of its rows counts any more.
    Gone,
}

impl Scope<'_> {
    fn contains(self, day: &str) -> bool {
        match self {
            Self::Unknown => false,
            Self::Period(period) => period.contains(day),
            Self::All | Self::Gone => true,
        }
    }
}

/// Runs the command.
pub(crate) async fn run(
    args: &Submit,
    http: &HttpSettings,
    state: &StateFolder,
    screen: &mut Screen,
) -> Outcome {
    let chosen = source::choose(args, screen)?;
    let scope = args.complete.as_ref().map_or(Scope::Unknown, Scope::Period);
    run_input(args, http, &chosen.input(), scope, state, screen).await
}

/// Runs the command with a map that says more than its file.
pub(crate) async fn run_with(
    args: &Submit,
    http: &HttpSettings,
    map: &Map,
    scope: Scope<'_>,
    state: &StateFolder,
    screen: &mut Screen,
) -> Outcome {
    run_input(args, http, &Input::Csv(map), scope, state, screen).await
}

async fn run_input(
    args: &Submit,
    http: &HttpSettings,
    input: &Input<'_>,
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
        submitter: input.submitter(),
        origin: origin.as_str(),
        key: &key,
        file_sha256: sha256_of(&args.file)?,
        map_sha256: args.map.as_deref().map(sha256_of).transpose()?,
        why: args.why.as_deref(),
    };
    let path = match &args.journal {
        Some(path) => path.clone(),
        None => state.journal(&origin, input.submitter()),
    };
    // A rehearsal leaves no journal behind where there was none.
    let mut journal = if args.dry_run && !path.exists() {
        None
    } else {
        let opened = Journal::open(&path, origin.as_str(), input.submitter());
        Some(opened.explain(Exit::Usage, || "opening the journal".to_owned())?)
    };
    let persons = match input {
        Input::Csv(map) if map.person.is_some() => {
            let secret = SecretFile::beside(&path, origin.as_str(), input.submitter());
            let prefix = map.object_prefix();
            Some(secret.find_or_make(&client, journal.as_ref(), &prefix, args.dry_run).await?)
        }
        _ => None,
    };
    let folder = path.parent().filter(|folder| folder.is_dir());
    let scratch = Scratch::in_folder(folder.unwrap_or(&std::env::temp_dir()))
        .explain(Exit::Usage, || "making a file for the notes of this run".to_owned())?;
    let report = Report::new(&origin, input.format(), args);
    let run = Run { args, input, client, policy, sealer, scope, persons, scratch: &scratch };
    let tally = Tally::new(report, &scratch);
    run.carry_out(journal.as_mut(), tally, screen).await
}

/// What the steps of one run share.
struct Run<'a> {
    args: &'a Submit,
    input: &'a Input<'a>,
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
                let (mut items, is_end) = self.some_rows(&mut source, &mut tally)?;
                planner.recognise(&mut items, journal.as_deref(), &mut lookup).await?;
                self.settle(&mut items, journal.as_deref_mut(), &mut tally, &bar).await?;
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
        if !matches!(self.input, Input::Csv(_)) {
            let path = with_suffix(&self.args.file, ".warnings.csv");
            report.note_warnings(&path, self.scratch)?;
        }
        Ok(report.finish(screen))
    }

    /// Reads the file through before anything goes in. Says how many rows it has, if that is known.
    fn check(&self, screen: &Screen) -> Outcome<Option<u64>> {
        let bar = screen.progress("reading", 0);
        let rows = source::check(&self.args.file, self.input, &bar);
        bar.finish_and_clear();
        self.while_reading(rows)
    }

    fn open(&self) -> Outcome<Source<'_>> {
        let (file, persons) = (&self.args.file, self.persons.as_ref());
        Source::open(file, self.input, &self.sealer.file_sha256, persons, self.scratch)
    }

    /// The next rows of the file, as many as make a request, and whether they are the last. Bad ones
    /// are noted.
    fn some_rows(
        &self,
        source: &mut Source<'_>,
        tally: &mut Tally<'_>,
    ) -> Outcome<(Vec<Item>, bool)> {
        let mut items = Vec::new();
        let mut bytes = 0;
        let mut is_end = false;
        while items.len() < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE {
            let Some(drafted) = self.while_reading(source.next())? else {
                is_end = true;
                break;
            };
            tally.report.count_row();
            match drafted {
                Ok(draft) => {
                    bytes += draft.weight();
                    if !matches!(self.scope, Scope::Unknown) {
                        tally.is_present(&draft.object)?;
                    }
                    let (act, first, fate) = (Act::Add, None, Fate::New);
                    items.push(Item { draft, act, first, fate });
                }
                Err(error) => tally.bad(&error)?,
            }
        }
        tally.warned(&source.take_warnings())?;
        Ok((items, is_end))
    }

    fn while_reading<T>(&self, outcome: Outcome<T>) -> Outcome<T> {
        outcome.map_err(|failure| {
            let words = format!("reading {}", self.args.file.display());
            Failure { error: failure.error.context(words), ..failure }
        })
    }

    /// Sends what is to be sent, or holds it to the rules that need no log, and counts what became of
    /// it.
    async fn settle(
        &self,
        items: &mut [Item],
        journal: Option<&mut Journal>,
        tally: &mut Tally<'_>,
        bar: &ProgressBar,
    ) -> Outcome<()> {
        if let Some(journal) = journal.filter(|_| !self.args.dry_run) {
            let (origin, key) = (self.sealer.origin, self.sealer.key);
            upload::upload(&self.client, origin, key, &self.args.file, items).await?;
            send::send(&self.client, &self.sealer, journal, items, bar).await?;
            self.settle_taken(items).await?;
        } else {
            self.rehearse(items);
            bar.inc(u64::try_from(items.len()).unwrap_or(0));
        }
        tally.take(items)
    }

    fn rehearse(&self, items: &mut [Item]) {
        for item in items.iter_mut().filter(|item| matches!(item.fate, Fate::New)) {
            if let Err(refusal) = self.sealer.rehearse(&item.draft, &item.act) {
                item.fate = Fate::Bad(RowError::of_refusal(&item.draft, &refusal));
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
        let Some(Series { kind, prefix }) = self.input.series() else { return Ok(()) };
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
        let found = self.scratch.get(Shelf::Objects, object.as_bytes());
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
    async fn settle_taken(&self, items: &mut [Item]) -> Outcome<()> {
        let indices: BTreeSet<LeafIndex> = items
            .iter()
            .filter_map(|item| match item.fate {
                Fate::Taken(index) => Some(index),
                _ => None,
            })
            .collect();
        let Some(last) = indices.last() else { return Ok(()) };
        let needed = TreeSize::new(last.get().saturating_add(1));
        let checkpoint = self.published(needed, &ProgressBar::hidden()).await?;
        let view = TreeView::new(self.client.clone(), checkpoint.head());
        let found = lookup::open(&self.client, &view, &indices).await?;
        let planner = Planner { sealer: &self.sealer };
        for item in items.iter_mut() {
            let Fate::Taken(index) = item.fate else { continue };
            let Some(found) = found.get(&item.draft.object) else {
                let words = format!(
                    "the log answered that {} is entry {index}; that entry is about something else",
                    item.draft.object
                );
                return Err(Failure::new(Exit::Misbehaved, words));
            };
            planner.of_log(item, found);
            if matches!(item.fate, Fate::Taken(_)) {
                let words = "the log has taken another revision of this object meanwhile; run the \
                             same command again";
                item.fate = Fate::Bad(RowError::of_rule(&item.draft, "changed", "", words));
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

#[cfg(test)]
mod tests;
