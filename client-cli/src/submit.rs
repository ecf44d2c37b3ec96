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
mod seal;
mod send;
mod source;
mod table;
pub(crate) mod text;
mod upload;

use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tlog::{CosignedCheckpoint, Hash, LeafIndex, Origin, Policy, TreeSize};
use tlog_client::{Limits, LogClient, TreeView};

use crate::args::Submit;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;
use crate::state::StateFolder;
use crate::{keyfile, trust};
use journal::{Journal, Kept};
use map::Map;
use period::Period;
use persons::{PersonIds, SecretFile};
use plan::{Act, Planner};
use receipts::Receipt;
use report::Report;
use row::{Draft, RowError};
use seal::Sealer;
use source::{Input, Source};

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
pub(crate) async fn run(args: &Submit, state: &StateFolder, screen: &mut Screen) -> Outcome {
    let chosen = source::choose(args, screen)?;
    let scope = args.complete.as_ref().map_or(Scope::Unknown, Scope::Period);
    run_input(args, &chosen.input(), scope, state, screen).await
}

/// Runs the command with a map that says more than its file.
pub(crate) async fn run_with(
    args: &Submit,
    map: &Map,
    scope: Scope<'_>,
    state: &StateFolder,
    screen: &mut Screen,
) -> Outcome {
    run_input(args, &Input::Csv(map), scope, state, screen).await
}

async fn run_input(
    args: &Submit,
    input: &Input<'_>,
    scope: Scope<'_>,
    state: &StateFolder,
    screen: &mut Screen,
) -> Outcome {
    let key = keyfile::read_signing_key(&args.key)?;
    let client = LogClient::new(&args.at.log, Limits::default())?;
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
    let run = Run { args, input, client, policy, sealer, scope, persons };
    let Drafts { mut items, mut bad, warnings } = run.drafts()?;
    let mut report = Report::new(&origin, input.format(), items.len() + bad.len(), args);
    if !matches!(input, Input::Csv(_)) {
        report.note_warnings(&with_suffix(&args.file, ".warnings.csv"), &warnings)?;
    }
    run.plan(&mut items, &mut bad, journal.as_ref(), screen).await?;
    let Some(journal) = journal.as_mut().filter(|_| !args.dry_run) else {
        run.rehearse(&mut items);
        return finish(report, &items, bad, args, screen);
    };
    upload::upload(&run.client, origin.as_str(), &key, &args.file, &items, screen).await?;
    run.send(journal, &mut items, screen).await?;
    let checkpoint = run.published(&items, screen).await?;
    run.settle_taken(&mut items, &checkpoint).await?;
    report.note_checkpoint(&checkpoint);
    run.write_receipts(&items, &checkpoint, &mut report, screen).await?;
    finish(report, &items, bad, args, screen)
}

/// Counts, lists the bad rows and decides the exit code.
fn finish(
    mut report: Report,
    items: &[Item],
    mut bad: Vec<RowError>,
    args: &Submit,
    screen: &mut Screen,
) -> Outcome {
    bad.extend(items.iter().filter_map(|item| match &item.fate {
        Fate::Bad(error) => Some(error.clone()),
        _ => None,
    }));
    report.count(items);
    report.note_errors(&errors_path(args), &bad)?;
    Ok(report.finish(screen))
}

/// What was read from the file.
#[derive(Default)]
struct Drafts {
    items: Vec<Item>,
    bad: Vec<RowError>,
    warnings: Vec<RowError>,
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
}

impl Run<'_> {
    /// Reads the file: drafts of the good rows, errors of the others.
    fn drafts(&self) -> Outcome<Drafts> {
        let mut drafts = Drafts::default();
        if matches!(self.scope, Scope::Gone) {
            return Ok(drafts);
        }
        let (file, persons) = (&self.args.file, self.persons.as_ref());
        let mut source = Source::open(file, self.input, &self.sealer.file_sha256, persons)?;
        let reading = |failure: Failure| {
            let words = format!("reading {}", self.args.file.display());
            Failure { error: failure.error.context(words), ..failure }
        };
        while let Some(drafted) = source.next().map_err(reading)? {
            if drafts.items.len() == ROWS_MAX {
                return Err(Failure::usage(format!(
                    "{} has more than {ROWS_MAX} rows, as many as a receipts file holds; split it",
                    self.args.file.display()
                )));
            }
            match drafted {
                Ok(draft) => {
                    let (act, first, fate) = (Act::Add, None, Fate::New);
                    drafts.items.push(Item { draft, act, first, fate });
                }
                Err(error) => drafts.bad.push(error),
            }
        }
        drafts.warnings = source.take_warnings();
        Ok(drafts)
    }

    /// Finds out what is left to do, and with `--complete` what the file no longer has.
    async fn plan(
        &self,
        items: &mut Vec<Item>,
        bad: &mut Vec<RowError>,
        journal: Option<&Journal>,
        screen: &Screen,
    ) -> Outcome<()> {
        let checkpoint = trust::checkpoint(&self.client, &self.policy).await?;
        let view = TreeView::new(self.client.clone(), checkpoint.head());
        let planner = Planner { client: &self.client, sealer: &self.sealer, view: &view };
        planner.recognise(items, journal, screen).await?;
        if matches!(self.scope, Scope::Unknown) {
            return Ok(());
        }
        let unread = items.iter().filter(|item| matches!(item.fate, Fate::Bad(_))).count();
        if bad.len() + unread > 0 {
            // A row that could not be read may be one of those that seem to be gone.
            let words = "nothing was voided: while there are bad rows, nobody can tell which rows \
                         are gone; correct them and run again";
            bad.push(RowError::new(0, "complete", "", words));
            return Ok(());
        }
        if let Some(series) = self.input.series() {
            items.extend(planner.vanished(items, journal, &series, self.scope).await?);
        }
        Ok(())
    }

    /// Sends what is to be sent. Rows about persons go behind all others, in the order of their
    /// derived ids: in the order of the file, the entries around one would tell its row.
    async fn send(
        &self,
        journal: &mut Journal,
        items: &mut [Item],
        screen: &Screen,
    ) -> Outcome<()> {
        let persons = self.persons.is_some();
        if persons {
            let hidden = |item: &Item| item.draft.is_person.then(|| item.draft.object.clone());
            items.sort_by_cached_key(hidden);
        }
        send::send(&self.client, &self.sealer, journal, items, screen).await?;
        if persons {
            // What the file no longer has stands behind its rows, as it did.
            items.sort_by_key(|item| item.draft.place.map_or(u64::MAX, |place| place.row));
        }
        Ok(())
    }

    /// Holds what would be sent to the rules that need no log.
    fn rehearse(&self, items: &mut [Item]) {
        for item in items.iter_mut().filter(|item| matches!(item.fate, Fate::New)) {
            if let Err(refusal) = self.sealer.rehearse(&item.draft, &item.act) {
                item.fate = Fate::Bad(RowError::of_refusal(&item.draft, &refusal));
            }
        }
    }

    /// Waits until the published checkpoint covers every row that is in.
    async fn published(&self, items: &[Item], screen: &Screen) -> Outcome<CosignedCheckpoint> {
        let highest = items.iter().filter_map(|item| match item.fate {
            Fate::There { index, .. } | Fate::Taken(index) => Some(index.get()),
            _ => None,
        });
        let needed = TreeSize::new(highest.max().map_or(0, |index| index.saturating_add(1)));
        let bar = screen.progress("waiting for witnesses", 0);
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
        bar.finish_and_clear();
        covered.unwrap_or_else(|_| {
            Err(Failure::new(
                Exit::Unreachable,
                format!(
                    "all rows are in the log and durable, but after {seconds} s the witnesses had \
                     not signed a checkpoint of {needed} entries; run the same command again for \
                     the receipts"
                ),
            ))
        })
    }

    /// Compares rows that the log answered "conflict" to with what it holds instead.
    async fn settle_taken(
        &self,
        items: &mut [Item],
        checkpoint: &CosignedCheckpoint,
    ) -> Outcome<()> {
        let indices: BTreeSet<LeafIndex> = items
            .iter()
            .filter_map(|item| match item.fate {
                Fate::Taken(index) => Some(index),
                _ => None,
            })
            .collect();
        if indices.is_empty() {
            return Ok(());
        }
        let view = TreeView::new(self.client.clone(), checkpoint.head());
        let found = lookup::open(&self.client, &view, &indices, |_, _| ()).await?;
        let planner = Planner { client: &self.client, sealer: &self.sealer, view: &view };
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

    async fn write_receipts(
        &self,
        items: &[Item],
        checkpoint: &CosignedCheckpoint,
        report: &mut Report,
        screen: &Screen,
    ) -> Outcome<()> {
        let receipts: Vec<Receipt> = items
            .iter()
            .filter_map(|item| match item.fate {
                Fate::There { index, .. } => {
                    let row = item.draft.place.map(|place| place.row);
                    let object = item.draft.object.clone();
                    Some(Receipt { row, object, index })
                }
                _ => None,
            })
            .collect();
        if receipts.is_empty() {
            return Ok(());
        }
        let view = TreeView::new(self.client.clone(), checkpoint.head());
        let bar = screen.progress("proving", 0);
        let progress = report::progress_of(&bar);
        let proven = receipts::prove(&self.client, &view, &receipts, progress).await?;
        bar.finish_and_clear();
        let path = match &self.args.receipts {
            Some(path) => path.clone(),
            None => with_suffix(&self.args.file, ".receipts"),
        };
        let table = receipts::write(&path, &receipts, &proven, checkpoint)?;
        report.note_receipts(&path, &table);
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

/// Rows of one file: its receipts, with the registrations, are one receipt file of 65,536 proofs.
const ROWS_MAX: usize = 65_000;
const PUBLISHED_POLL_MS: u64 = 300;

#[cfg(test)]
mod tests;
