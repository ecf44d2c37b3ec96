//! `civiclog submit`: rows of a CSV file into the log, receipts out.
//!
//! ```text
//! CSV ─table─► Row ─row─► Draft ─journal, lookup─► Fate ─seal─► Kept ─journal.keep, fsync─►
//!     ─send─► index ─wait for the witnesses─► receipts
//! ```
//! It may be killed at any point and run again: what was sent is in the journal, what is in the
//! log is recognised, and sending the same bytes twice is sending them once.

mod date;
pub(crate) mod journal;
mod lookup;
mod map;
mod receipts;
mod report;
mod row;
mod seal;
mod send;
mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use records::{Disclosure, Submission};
use sha2::{Digest, Sha256};
use tlog::{CosignedCheckpoint, Hash, LeafIndex, Origin, Policy, TreeSize};
use tlog_client::{Limits, LogClient, TreeView};

use crate::args::Submit;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;
use crate::state::StateFolder;
use crate::{keyfile, trust};
use journal::{Journal, Kept};
use lookup::Found;
use receipts::Receipt;
use report::Report;
use row::{Draft, Drafter, RowError};
use seal::{Likeness, Sealer};

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
    pub(crate) fate: Fate,
}

/// Runs the command.
pub(crate) async fn run(args: &Submit, state: &StateFolder, screen: &mut Screen) -> Outcome {
    let map = map::read(&args.map)?;
    let key = keyfile::read_signing_key(&args.key)?;
    let client = LogClient::new(&args.at.log, Limits::default())?;
    let info = client.info().await?;
    let origin: Origin = info
        .origin
        .parse()
        .explain(Exit::Misbehaved, || "the log gives itself a name that is no origin".to_owned())?;
    let policy = trust::policy_or_own(args.policy.as_deref(), &info, screen)?;
    let sealer = Sealer {
        map: &map,
        origin: origin.as_str(),
        key: &key,
        file_sha256: sha256_of(&args.file)?,
        map_sha256: sha256_of(&args.map)?,
    };
    let run = Run { args, client, policy, sealer };
    let (items, mut bad) = run.drafts()?;
    let mut report = Report::new(&origin, items.len() + bad.len(), args);
    if args.dry_run {
        let items = run.rehearse(items, &mut bad);
        report.count(&items);
        report.note_errors(&errors_path(args), &bad)?;
        return Ok(report.finish(screen));
    }
    let journal = match &args.journal {
        Some(path) => path.clone(),
        None => state.journal(&origin, &map.submitter),
    };
    let mut journal = Journal::open(&journal, origin.as_str(), &map.submitter)
        .explain(Exit::Usage, || "opening the journal".to_owned())?;
    let mut items = items;
    run.recognise(&mut items, &journal, screen).await?;
    send::send(&run.client, &run.sealer, &mut journal, &mut items, screen).await?;
    let checkpoint = run.published(&items, screen).await?;
    run.settle_taken(&mut items, &checkpoint).await?;
    bad.extend(items.iter().filter_map(|item| match &item.fate {
        Fate::Bad(error) => Some(error.clone()),
        _ => None,
    }));
    report.count(&items);
    report.note_checkpoint(&checkpoint);
    run.write_receipts(&items, &checkpoint, &mut report, screen).await?;
    report.note_errors(&errors_path(args), &bad)?;
    Ok(report.finish(screen))
}

/// What the steps of one run share.
struct Run<'a> {
    args: &'a Submit,
    client: LogClient,
    policy: Policy,
    sealer: Sealer<'a>,
}

impl Run<'_> {
    /// Reads the file: drafts of the good rows, errors of the others.
    fn drafts(&self) -> Outcome<(Vec<Item>, Vec<RowError>)> {
        let table = table::read(&self.args.file, self.sealer.map)?;
        if table.rows.len() > ROWS_MAX {
            return Err(Failure::usage(format!(
                "{} has {} rows; a receipts file holds {ROWS_MAX}, so split it",
                self.args.file.display(),
                table.rows.len()
            )));
        }
        let mut drafter = Drafter::new(self.sealer.map, &table);
        let (mut items, mut bad) = (Vec::new(), Vec::new());
        for row in &table.rows {
            let drafted = match row {
                Ok(row) => drafter.draft(row),
                Err(line) => Err(RowError::new(line.line, "csv", "", line.message.as_str())),
            };
            match drafted {
                Ok(draft) => items.push(Item { draft, fate: Fate::New }),
                Err(error) => bad.push(error),
            }
        }
        Ok((items, bad))
    }

    fn rehearse(&self, items: Vec<Item>, bad: &mut Vec<RowError>) -> Vec<Item> {
        let mut good = Vec::new();
        for item in items {
            match self.sealer.rehearse(&item.draft) {
                Ok(()) => good.push(item),
                Err(refusal) => bad.push(RowError::of_refusal(&item.draft, &refusal)),
            }
        }
        good
    }

    /// Finds the rows that were sent before: in the journal, else in the log.
    async fn recognise(
        &self,
        items: &mut [Item],
        journal: &Journal,
        screen: &Screen,
    ) -> Outcome<()> {
        for item in items.iter_mut() {
            let kept = journal
                .kept(&item.draft.object, 0)
                .explain(Exit::Usage, || "reading the journal".to_owned())?;
            if let Some(kept) = kept {
                item.fate = self.of_journal(&item.draft, kept)?;
            }
        }
        let unknown: BTreeSet<&str> = items
            .iter()
            .filter(|item| matches!(item.fate, Fate::New))
            .map(|item| item.draft.object.as_str())
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let checkpoint = trust::checkpoint(&self.client, &self.policy).await?;
        let view = TreeView::new(self.client.clone(), checkpoint.head());
        let bar = screen.progress("comparing", 0);
        let progress = report::progress_of(&bar);
        let mut found = lookup::find(&self.client, &view, &unknown, progress).await?;
        bar.finish_and_clear();
        for item in items.iter_mut().filter(|item| matches!(item.fate, Fate::New)) {
            if let Some(found) = found.remove(&item.draft.object) {
                item.fate = self.of_log(&item.draft, &found);
            }
        }
        Ok(())
    }

    /// A journalled row is sent as it was journalled, unless it says something else today.
    fn of_journal(&self, draft: &Draft, kept: Kept) -> Outcome<Fate> {
        let submission = Submission::parse(&kept.submission, self.sealer.origin)
            .explain(Exit::Usage, || format!("the journal's submission of {}", draft.object))?;
        let mut disclosures = submission.disclosures().to_vec();
        let ours = kept.disclosures.iter().filter_map(|text| Disclosure::parse(text).ok());
        disclosures.extend(ours);
        Ok(match self.sealer.compare(draft, submission.record(), &disclosures) {
            Likeness::Same => Fate::Kept(kept),
            Likeness::Differs(pointer) => Fate::Bad(changed(draft, &pointer, "the journal holds")),
            Likeness::Unknown { pointer, is_personal } => {
                Fate::Bad(unknowable(draft, &pointer, is_personal))
            }
        })
    }

    /// A row whose object the log has: the same, or an error.
    fn of_log(&self, draft: &Draft, found: &Found) -> Fate {
        match self.sealer.compare(draft, found.entry.record(), &found.disclosures) {
            Likeness::Same => Fate::There { index: found.index, is_new: false },
            Likeness::Differs(pointer) => {
                let who = format!("entry {} of the log has", found.index);
                Fate::Bad(changed(draft, &pointer, &who))
            }
            Likeness::Unknown { pointer, is_personal } => {
                Fate::Bad(unknowable(draft, &pointer, is_personal))
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
        for item in items.iter_mut() {
            let Fate::Taken(index) = item.fate else { continue };
            let Some(found) = found.get(&item.draft.object) else {
                let words = format!(
                    "the log answered that {} is entry {index}; that entry is about something else",
                    item.draft.object
                );
                return Err(Failure::new(Exit::Misbehaved, words));
            };
            item.fate = self.of_log(&item.draft, found);
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
                    let (row, object) = (item.draft.place.row, item.draft.object.clone());
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

fn changed(draft: &Draft, pointer: &str, who: &str) -> RowError {
    let message = format!(
        "{who} another value here under the same number: a row that changed needs a correction \
         with a reason, not a second submission"
    );
    RowError::of_rule(draft, "changed", pointer, &message)
}

fn unknowable(draft: &Draft, pointer: &str, is_personal: bool) -> RowError {
    let message = if is_personal {
        "this object is in the log, and this value is sealed as personal data: only the journal of \
         the first run can tell whether this row is unchanged (--journal)"
    } else {
        "this object is in the log, but nobody shows its sealed value any more, so whether the row \
         changed cannot be told; use the journal it was submitted with (--journal)"
    };
    RowError::of_rule(draft, "held", pointer, message)
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
    let bytes =
        std::fs::read(path).explain(Exit::Usage, || format!("reading {}", path.display()))?;
    Ok(Hash::new(Sha256::digest(&bytes).into()).to_hex())
}

/// Rows of one file: its receipts, with the registrations, are one receipt file of 65,536 proofs.
const ROWS_MAX: usize = 65_000;
const PUBLISHED_POLL_MS: u64 = 300;

#[cfg(test)]
mod tests;
