//! What must be sent so that the log says what the file says.
//!
//! | the newest revision of the row's object | the row becomes |
//! |---|---|
//! | there is none | `add` |
//! | says the same | nothing: it is unchanged |
//! | says something else, or is a `void` | `correct` of it, if a reason was given; else an error |
//! | was in the period, and the file has no such row | `void` of it, if the file is complete |
//!
//! The journal answers first, for it holds what was sealed. A row that the journal does not know,
//! or knows otherwise, is looked up in the log: only there is seen what others have added.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use import::{Draft, Kind, RowError};
use records::{Disclosure, Entry, Op, Record, Submission};
use tlog::LeafIndex;
use tlog_client::TreeView;

use super::journal::{Journal, Kept};
use super::lookup::{Found, Lookup};
use super::planned::{Act, PlannedRow, RowStatus, Standing};
use super::seal::{Likeness, Sealer};
use crate::exit::{Exit, Explain, Outcome};

/// What the journal holds as the newest revision of an object.
struct Past {
    kept: Kept,
    record: Record,
    disclosures: Vec<Disclosure>,
}

/// Decides what becomes of rows.
pub(crate) struct Planner<'a> {
    pub(crate) sealer: &'a Sealer<'a>,
}

impl Planner<'_> {
    /// Finds out what became of each row before, and so what is left to do.
    pub(crate) async fn recognise(
        &self,
        rows: &mut [PlannedRow],
        journal: Option<&Journal>,
        lookup: &mut Lookup<'_>,
    ) -> Outcome<()> {
        let mut otherwise = BTreeMap::new();
        for row in rows.iter_mut() {
            let Some(past) = self.past(journal, &row.draft.object)? else { continue };
            match self.sealer.compare(&row.draft, &past.record, &past.disclosures) {
                Likeness::Same => send_again(row, past),
                _ => drop(otherwise.insert(row.draft.object.clone(), past)),
            }
        }
        let unknown: BTreeSet<&str> = rows
            .iter()
            .filter(|row| matches!(row.status, RowStatus::New))
            .map(|row| row.draft.object.as_str())
            .collect();
        let mut found = lookup.find(&unknown).await?;
        for row in rows.iter_mut().filter(|row| matches!(row.status, RowStatus::New)) {
            let found = found.remove(&row.draft.object);
            let past = otherwise.remove(&row.draft.object);
            self.decide(row, found, past);
        }
        Ok(())
    }

    /// Rows that the log has and the file has not, as rows to void: those of this kind that are meant.
    pub(crate) async fn vanished(
        &self,
        missing: &BTreeSet<LeafIndex>,
        view: &TreeView,
        journal: Option<&Journal>,
        kind: &Arc<Kind>,
        is_meant: impl Fn(&Record) -> Outcome<bool>,
    ) -> Outcome<Vec<PlannedRow>> {
        let entries = view.entries(missing).await?;
        let mut vanished = Vec::new();
        for (index, proven) in entries {
            let entry = Entry::parse(&proven.bytes)
                .explain(Exit::Misbehaved, || format!("entry {index} is not a record"))?;
            let record = entry.record();
            if !self.sealer.is_ours(record, kind) || !is_meant(record)? {
                continue;
            }
            let past = self.past(journal, record.object())?;
            // What this journal holds beyond the log was sent, or will be with this run.
            let (predecessor, standing) = match past.filter(|past| past.record.rev() > record.rev())
            {
                Some(past) => {
                    let standing = Standing::of(&past.record, kind);
                    (Some((past.record.rev(), past.kept)), standing)
                }
                None => (None, Standing::of(record, kind)),
            };
            vanished.extend(to_void(kind, record, predecessor, standing));
        }
        Ok(vanished)
    }

    /// Takes the newest journalled revision of an object apart.
    fn past(&self, journal: Option<&Journal>, object: &str) -> Outcome<Option<Past>> {
        let Some(journal) = journal else { return Ok(None) };
        let head =
            journal.head(object).explain(Exit::Usage, || "reading the journal".to_owned())?;
        let Some((_, kept)) = head else { return Ok(None) };
        let submission = Submission::parse(&kept.submission, self.sealer.origin)
            .explain(Exit::Usage, || format!("the journal's submission of {object}"))?;
        let mut disclosures = submission.disclosures().to_vec();
        disclosures.extend(kept.disclosures.iter().filter_map(|text| Disclosure::parse(text).ok()));
        Ok(Some(Past { kept, record: submission.record().clone(), disclosures }))
    }

    fn decide(&self, row: &mut PlannedRow, found: Option<Found>, past: Option<Past>) {
        let published = found.as_ref().map(|found| found.entry.record().rev());
        // The log is the authority; the journal is ahead of it only by what is not published yet.
        if let Some(past) = past {
            let ahead = published.is_none_or(|rev| past.record.rev() > rev);
            if ahead {
                self.settle(row, &past.record, &past.disclosures, "the journal holds");
                if matches!(row.act, Act::Correct(_)) {
                    row.predecessor = Some((past.record.rev(), past.kept));
                }
                return;
            }
            if let Some(mut found) = found {
                // The log does not show what it holds of persons; the journal may.
                found.disclosures.extend(past.disclosures);
                self.of_log(row, &found);
            }
            return;
        }
        if let Some(found) = found {
            self.of_log(row, &found);
        }
    }

    /// A row whose object the log has.
    pub(crate) fn of_log(&self, row: &mut PlannedRow, found: &Found) {
        let who = format!("entry {} of the log has", found.index);
        let record = found.entry.record();
        if self.settle(row, record, &found.disclosures, &who) {
            row.status = RowStatus::InLog { index: found.index, is_new: false };
        }
    }

    /// Compares a row with the newest revision and plans the correction, or says why there is
    /// none. True if they say the same.
    fn settle(
        &self,
        row: &mut PlannedRow,
        record: &Record,
        disclosures: &[Disclosure],
        who: &str,
    ) -> bool {
        match self.sealer.compare(&row.draft, record, disclosures) {
            Likeness::Same => return true,
            Likeness::Differs(pointer) if self.sealer.why.is_none() => {
                row.status = RowStatus::Rejected(changed(&row.draft, &pointer, who));
            }
            Likeness::Differs(pointer) => match misfit(record, &row.draft.kind, self.sealer) {
                Some(words) => {
                    let error = RowError::of_rule(&row.draft, "changed", &pointer, words);
                    row.status = RowStatus::Rejected(error);
                }
                None => row.act = Act::Correct(Standing::of(record, &row.draft.kind)),
            },
            Likeness::Unknown { pointer, is_personal } => {
                row.status = RowStatus::Rejected(unknowable(&row.draft, &pointer, is_personal));
            }
        }
        false
    }
}

fn to_void(
    kind: &Arc<Kind>,
    record: &Record,
    predecessor: Option<(u32, Kept)>,
    standing: Standing,
) -> Option<PlannedRow> {
    let published = Standing::of(record, kind);
    match (predecessor, standing.money.clone(), published.money.clone()) {
        // Journalled as void and not published yet: the same bytes again.
        (Some((_, kept)), None, Some(money)) => {
            let draft = Draft::vanished(kind, record.object(), record.occurred(), money);
            Some(PlannedRow {
                draft,
                act: Act::Void(published),
                predecessor: None,
                status: RowStatus::Kept(kept),
            })
        }
        (predecessor, Some(money), _) => {
            let draft = Draft::vanished(kind, record.object(), record.occurred(), money);
            Some(PlannedRow {
                draft,
                act: Act::Void(standing),
                predecessor,
                status: RowStatus::New,
            })
        }
        // It is a void already.
        (_, None, _) => None,
    }
}

/// The row says what the journal's newest revision says: these bytes are sent again.
fn send_again(row: &mut PlannedRow, past: Past) {
    if let (Some(rev), Some(hash)) = (past.record.rev().checked_sub(1), past.record.prev()) {
        row.act = Act::Correct(Standing { rev, hash, money: None });
    }
    row.status = RowStatus::Kept(past.kept);
}

/// Why a row of a file cannot correct this revision.
fn misfit(record: &Record, kind: &Kind, sealer: &Sealer<'_>) -> Option<&'static str> {
    if !sealer.is_ours(record, kind) {
        return Some(
            "the log has another kind of record here, or another submitter's: a row of this file \
             cannot correct it",
        );
    }
    (record.op() == Op::Next).then_some(
        "this object has gone further since: a row of a file corrects a first statement, not a \
         later step",
    )
}

fn changed(draft: &Draft, pointer: &str, who: &str) -> RowError {
    let message = format!(
        "{who} another value here under the same number: a row that changed needs a correction \
         with a reason, not a second submission; give the reason with --why"
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
