//! What a run came to: for people, for programs, and the rows that did not go in.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use files::Access;
use import::scratch::{Scratch, Table};
use import::{Draft, FormatName, RowError, Sum};
use records::Money;
use serde::Serialize;
use tlog::{CosignedCheckpoint, Origin};

use super::planned::{Act, PlannedRow, RowStatus};
use super::receipts::WrittenReceipts;
use crate::args::Submit;
use crate::exit::{Exit, Explain, Outcome};
use crate::screen::Screen;

/// The result of a run; its JSON form is what `--json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    log: String,
    dry_run: bool,
    format: &'static str,
    /// Rows of the file, the header not counted.
    rows: u64,
    /// Rows in the log after this run; in a dry run: rows that would be sent.
    accepted: u64,
    /// Of these, put there by this run.
    new: u64,
    /// Of these, corrections by this run of what they said before.
    corrected: u64,
    /// Of these, there before.
    unchanged: u64,
    /// Rows that the file no longer has and this run took back.
    voided: u64,
    /// Rows that did not go in.
    bad: u64,
    /// Rows whose amount lost a binary-float tail.
    rounded: u64,
    /// Departures from the standard of the format, which kept nothing out.
    warned: u64,
    /// Of the accepted rows, by currency.
    totals: BTreeMap<&'static str, Total>,
    /// What releases say of each stage, by currency: a contract's value is no subtotal of its tender's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    stages: BTreeMap<&'static str, BTreeMap<&'static str, Total>>,
    /// What this run changes, by currency.
    changes: BTreeMap<&'static str, Changes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<ShownCheckpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts: Option<PathBuf>,
    /// Further files of them, where one does not hold all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    receipts_more: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts_table: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<PathBuf>,
    /// The first few of `errors`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    first_errors: Vec<RowError>,
}

#[derive(Debug, Serialize)]
struct ShownCheckpoint {
    size: u64,
    root: String,
    witnesses: Vec<String>,
}

/// The money of one currency.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Total {
    rows: u64,
    /// Decimal, credit notes subtracted.
    sum: String,
    /// Rows with a negative amount.
    negative: u64,
    #[serde(skip)]
    exact: Sum,
}

impl Total {
    fn add(&mut self, money: &Money) {
        self.rows += 1;
        self.negative += u64::from(money.in_minor_units() < 0);
        self.exact.add(Sum::of_money(money));
        self.sum = self.exact.in_currency(money.currency());
    }
}

/// How the money of one currency changes: decimals, credit notes subtracted.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Changes {
    added: Subtotal,
    corrected_from: Subtotal,
    corrected_to: Subtotal,
    voided: Subtotal,
}

/// Some rows and what they add up to.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Subtotal {
    rows: u64,
    sum: String,
    #[serde(skip)]
    exact: Sum,
}

impl Changes {
    fn none(currency: &str) -> Self {
        let subtotal = || {
            let exact = Sum::default();
            Subtotal { rows: 0, sum: exact.in_currency(currency), exact }
        };
        let (added, corrected_from, corrected_to) = (subtotal(), subtotal(), subtotal());
        Self { added, corrected_from, corrected_to, voided: subtotal() }
    }

    fn words(&self, currency: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let Self { added, corrected_from, corrected_to, voided } = self;
        if added.rows > 0 {
            lines.push(format!("  {currency} {} added in {} rows", added.sum, added.rows));
        }
        if corrected_from.rows + corrected_to.rows > 0 {
            lines.push(format!(
                "  {currency} {} corrected to {} in {} rows",
                corrected_from.sum,
                corrected_to.sum,
                corrected_to.rows.max(corrected_from.rows)
            ));
        }
        if voided.rows > 0 {
            lines.push(format!("  {currency} {} voided in {} rows", voided.sum, voided.rows));
        }
        lines
    }
}

impl Subtotal {
    fn add(&mut self, money: &Money) {
        self.rows += 1;
        self.exact.add(Sum::of_money(money));
        self.sum = self.exact.in_currency(money.currency());
    }
}

impl Report {
    pub(crate) fn new(origin: &Origin, format: FormatName, args: &Submit) -> Self {
        Self {
            log: origin.to_string(),
            dry_run: args.dry_run,
            format: format.as_str(),
            rows: 0,
            accepted: 0,
            new: 0,
            corrected: 0,
            unchanged: 0,
            voided: 0,
            bad: 0,
            rounded: 0,
            warned: 0,
            totals: BTreeMap::new(),
            stages: BTreeMap::new(),
            changes: BTreeMap::new(),
            checkpoint: None,
            receipts: None,
            receipts_more: Vec::new(),
            receipts_table: None,
            errors: None,
            warnings: None,
            first_errors: Vec::new(),
        }
    }

    /// Counts the rows that are in the log, or would be sent.
    pub(crate) fn count(&mut self, rows: &[PlannedRow]) {
        for PlannedRow { draft, act, status, .. } in rows {
            let is_done_now = match status {
                RowStatus::InLog { is_new, .. } => *is_new,
                RowStatus::New => true,
                // Journalled before: only the log's answer would tell, and this is a rehearsal.
                RowStatus::Kept(_) => false,
                RowStatus::Conflict(_) | RowStatus::Rejected(_) => continue,
            };
            if is_done_now {
                self.count_change(draft, act);
            }
            if matches!(act, Act::Void(_)) {
                continue;
            }
            self.unchanged += u64::from(!is_done_now);
            self.accepted += 1;
            self.rounded += u64::from(draft.rounded);
            self.add(draft);
        }
    }

    fn count_change(&mut self, draft: &Draft, act: &Act) {
        match act {
            Act::Add => self.new += 1,
            Act::Correct(_) => self.corrected += 1,
            Act::Void(_) => self.voided += 1,
        }
        let Some(money) = &draft.money else { return };
        let currency = money.currency();
        let changes = self.changes.entry(currency).or_insert_with(|| Changes::none(currency));
        match act {
            Act::Add => changes.added.add(money),
            Act::Correct(on) => {
                changes.corrected_to.add(money);
                if let Some(before) = &on.money {
                    let currency = before.currency();
                    let none = || Changes::none(currency);
                    let changes = self.changes.entry(currency).or_insert_with(none);
                    changes.corrected_from.add(before);
                }
            }
            Act::Void(_) => changes.voided.add(money),
        }
    }

    fn add(&mut self, draft: &Draft) {
        if let Some(money) = &draft.money {
            self.totals.entry(money.currency()).or_default().add(money);
        }
        for (stage, money) in &draft.stages {
            let totals = self.stages.entry(stage).or_default();
            totals.entry(money.currency()).or_default().add(money);
        }
    }

    pub(crate) fn note_checkpoint(&mut self, checkpoint: &CosignedCheckpoint) {
        let witnesses = checkpoint.cosigners().iter().map(|witness| witness.name.clone());
        self.checkpoint = Some(ShownCheckpoint {
            size: checkpoint.head().size.get(),
            root: checkpoint.head().root.to_base64(),
            witnesses: witnesses.collect(),
        });
    }

    pub(crate) fn note_receipts(&mut self, written: WrittenReceipts) {
        let mut files = written.files.into_iter();
        self.receipts = files.next();
        self.receipts_more = files.collect();
        self.receipts_table = Some(written.table);
    }

    /// How many rows are in the log, or were voided by this run.
    pub(crate) fn in_log(&self) -> usize {
        usize::try_from(self.accepted + self.voided).unwrap_or(usize::MAX)
    }

    /// Counts a row of the file, good or bad.
    pub(crate) fn count_row(&mut self) {
        self.rows += 1;
    }

    /// Writes the list of the rows that did not go in, or removes that of an earlier run if there is
    /// nothing to say.
    pub(crate) fn note_errors(&mut self, path: &Path, scratch: &Scratch) -> Outcome<()> {
        let listed = list(path, scratch, ERRORS)?;
        (self.errors, self.bad, self.first_errors) = (listed.path, listed.rows, listed.first);
        Ok(())
    }

    /// The same for what went in and departs from its standard.
    pub(crate) fn note_warnings(&mut self, path: &Path, scratch: &Scratch) -> Outcome<()> {
        let listed = list(path, scratch, WARNINGS)?;
        (self.warnings, self.warned) = (listed.path, listed.rows);
        Ok(())
    }

    /// Prints the result and decides the exit code.
    pub(crate) fn finish(&self, screen: &mut Screen) -> Exit {
        screen.report(self);
        screen.say(self.words());
        if self.bad == 0 { Exit::Done } else { Exit::NotVerified }
    }

    fn words(&self) -> String {
        let mut lines = Vec::new();
        if self.dry_run {
            let accepted = self.accepted;
            lines.push(format!("Dry run: {accepted} of {} rows can be submitted.", self.rows));
            lines.push(format!(
                "The plan: add {}, correct {}, void {}, leave {} as they are.",
                self.new, self.corrected, self.voided, self.unchanged
            ));
        } else {
            lines.push(format!(
                "{} of {} rows are in {}: {} new, {} corrected, {} were there already.",
                self.accepted, self.rows, self.log, self.new, self.corrected, self.unchanged
            ));
            if self.voided > 0 {
                lines.push(format!("{} that the file no longer has were voided.", self.voided));
            }
        }
        for (currency, total) in &self.totals {
            lines.push(format!(
                "  {currency} {} in {} rows, {} of them negative",
                total.sum, total.rows, total.negative
            ));
        }
        for (stage, totals) in &self.stages {
            lines.extend(totals.iter().map(|(currency, total)| {
                format!("  {stage} {currency} {} in {} releases", total.sum, total.rows)
            }));
        }
        lines.extend(self.changes.iter().flat_map(|(currency, changes)| changes.words(currency)));
        if self.rounded > 0 {
            lines.push(format!(
                "Warning: {} amounts had a binary-float tail (430.69000000000005) and were rounded.",
                self.rounded
            ));
        }
        if let Some(warnings) = &self.warnings {
            lines.push(format!(
                "Warning: {} departures from the standard; they kept nothing out. See {}.",
                self.warned,
                warnings.display()
            ));
        }
        if let Some(checkpoint) = &self.checkpoint {
            lines.push(format!(
                "ShownCheckpoint in the checkpoint of {} entries, signed by {}.",
                checkpoint.size,
                checkpoint.witnesses.join(", ")
            ));
        }
        if let (Some(receipts), Some(table)) = (&self.receipts, &self.receipts_table) {
            lines.push(format!("Receipts: {}", receipts.display()));
            lines.extend(
                self.receipts_more.iter().map(|more| format!("          {}", more.display())),
            );
            lines.push(format!("Table:    {}", table.display()));
        }
        if let Some(errors) = &self.errors {
            lines.push(format!("{} rows did not go in; see {}:", self.bad, errors.display()));
            lines.extend(self.first_errors.iter().map(|error| {
                format!("  line {} {} {}: {}", error.line, error.rule, error.path, error.message)
            }));
        }
        lines.join("\n")
    }
}

/// A list of rows that was written.
#[derive(Default)]
struct Listed {
    /// Nothing if there was nothing to list.
    path: Option<PathBuf>,
    rows: u64,
    first: Vec<RowError>,
}

/// Writes what is noted on a shelf, or removes the list of an earlier run if there is nothing.
fn list(path: &Path, scratch: &Scratch, shelf: Table) -> Outcome<Listed> {
    let mut listed = Listed::default();
    let writing = || format!("writing {}", path.display());
    if scratch.page(shelf, Bound::Unbounded).explain(Exit::Usage, writing)?.is_empty() {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).explain(Exit::Usage, || format!("removing {}", path.display()))
            }
            _ => Ok(listed),
        };
    }
    files::replace_with(path, Access::Umask, |file| {
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(["line", "path", "value", "rule", "message"])?;
        for page in scratch.pages(shelf) {
            for (_, note) in page? {
                let row: RowError = serde_json::from_slice(&note)?;
                let [path, value, message] =
                    [&row.path, &row.value, &row.message].map(|it| defused(it));
                csv.write_record([&row.line.to_string(), &path, &value, &row.rule, &message])?;
                listed.rows += 1;
                if listed.first.len() < ERRORS_SHOWN {
                    listed.first.push(row);
                }
            }
        }
        csv.flush()
    })
    .explain(Exit::Usage, writing)?;
    listed.path = Some(path.to_owned());
    Ok(listed)
}

/// A cell that a spreadsheet will not run as a formula.
fn defused(value: &str) -> String {
    let is_number =
        value.bytes().skip(1).all(|byte| byte.is_ascii_digit() || b".,".contains(&byte));
    let is_formula =
        value.starts_with(['=', '@', '\t', '\r']) || (value.starts_with(['+', '-']) && !is_number);
    if is_formula { format!("'{value}") } else { value.to_owned() }
}

const ERRORS_SHOWN: usize = 5;

/// Rows that did not go in, by line.
pub(super) const ERRORS: Table = Table::named("errors");
/// Departures from the standard of the format, by line.
pub(super) const WARNINGS: Table = Table::named("warnings");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_cells_are_not_formulas() {
        assert_eq!(defused("=1+1"), "'=1+1");
        assert_eq!(defused("-5.00"), "-5.00");
        assert_eq!(defused("-2+cmd|' /C calc'!A0"), "'-2+cmd|' /C calc'!A0");
        assert_eq!(defused("+44 20"), "'+44 20");
        assert_eq!(defused("@SUM(A1)"), "'@SUM(A1)");
    }
}
