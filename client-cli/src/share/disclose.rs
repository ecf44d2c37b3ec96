//! `civiclog disclose`: sealed values, opened for one reader.
//!
//! The receipts say which fields were sealed with which digests; the journal of `submit` holds what
//! opens them, the only copy of what the log never saw. Only what fits a digest is written.

use std::collections::BTreeMap;

use records::{Disclosure, Entry, Submission};
use serde::Serialize;
use tlog::{Origin, TlogProof};

use crate::args::Disclose;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;
use crate::share::disclosures::{Disclosures, Item};
use crate::state::StateFolder;
use crate::submit::journal::{Journal, Kept};

pub(crate) fn run(args: &Disclose, state: &StateFolder, screen: &mut Screen) -> Outcome {
    let entries = entries_of(args)?;
    let Some(first) = entries.first() else {
        let words = format!("{} holds no record of that name", args.file.display());
        return Err(Failure::usage(words));
    };
    let (log, submitter) = (first.record().log(), first.record().submitter());
    let is_other = |it: &&Entry| (it.record().log(), it.record().submitter()) != (log, submitter);
    if let Some(other) = entries.iter().find(is_other) {
        let other = other.record().submitter();
        return Err(Failure::usage(format!(
            "the receipts are of {submitter} and of {other}: choose with --object"
        )));
    }
    let journal = open_journal(args, state, log, submitter)?;
    let mut items = Vec::new();
    let mut missing = 0;
    for entry in &entries {
        missing += open_fields(entry, args, &journal, &mut items)?;
    }
    if items.is_empty() {
        return Err(Failure::new(
            Exit::NotVerified,
            "the journal opens no sealed field of these receipts: is it the one they were \
             submitted with (--journal)?",
        ));
    }
    let count = items.len();
    Disclosures::new(log, &args.audience, items).write(&args.output)?;
    let file = args.output.display().to_string();
    screen.report(&Written { file: &file, audience: &args.audience, disclosed: count, missing });
    let left_out = if missing == 0 {
        String::new()
    } else {
        format!("\n{missing} sealed values are not in the journal and were left out.")
    };
    screen.say(format!(
        "Wrote {count} opened values for {} to {file}.{left_out}\n\
         Whoever has this file can read them. They are checked with:\n\
         civiclog verify {} --policy POLICY --disclosure {file}",
        args.audience,
        args.file.display()
    ));
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a str,
    #[serde(rename = "for")]
    audience: &'a str,
    disclosed: usize,
    missing: usize,
}

/// The submitter's own records of the receipts that are meant.
fn entries_of(args: &Disclose) -> Outcome<Vec<Entry>> {
    let shown = args.file.display();
    let bytes = std::fs::read(&args.file).explain(Exit::Usage, || format!("reading {shown}"))?;
    let proofs = TlogProof::parse_many(&bytes)
        .explain(Exit::Usage, || format!("{shown} is no file of receipts"))?;
    let mut entries = Vec::new();
    for proof in &proofs {
        let bytes = proof.extra.as_deref().unwrap_or_default();
        let entry = Entry::parse(bytes)
            .explain(Exit::Usage, || format!("entry {} in {shown}", proof.index))?;
        let record = entry.record();
        let is_meant = args.object.is_empty() || args.object.iter().any(|it| it == record.object());
        // The log's own records, which every receipt ends with, are no one's to disclose.
        if is_meant && record.submitter() != records::name::LOG_SUBMITTER {
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn open_journal(
    args: &Disclose,
    state: &StateFolder,
    log: &str,
    submitter: &str,
) -> Outcome<Journal> {
    let origin: Origin =
        log.parse().explain(Exit::Usage, || format!("the receipts are of a log named {log}"))?;
    let path = args.journal.clone().unwrap_or_else(|| state.journal(&origin, submitter));
    // Opening makes one where there is none, and an empty journal opens nothing.
    if !path.is_file() {
        let words = format!("there is no journal at {}; name it with --journal", path.display());
        return Err(Failure::usage(words));
    }
    Journal::open(&path, log, submitter).explain(Exit::Usage, || "opening the journal".to_owned())
}

/// Adds the fields of an entry that are meant and that the journal opens; returns how many it does
/// not open.
fn open_fields(
    entry: &Entry,
    args: &Disclose,
    journal: &Journal,
    items: &mut Vec<Item>,
) -> Outcome<usize> {
    let record = entry.record();
    let kept = journal
        .kept(record.object(), record.rev())
        .explain(Exit::Usage, || "reading the journal".to_owned())?;
    let known = match &kept {
        Some(kept) => disclosures_of(kept)?,
        None => BTreeMap::new(),
    };
    let mut missing = 0;
    for field in record.sealed() {
        if !args.path.is_empty() && !args.path.contains(&field.path) {
            continue;
        }
        match known.get(&field.digest) {
            Some(disclosure) => items.push(Item {
                object: record.object().to_owned(),
                rev: record.rev(),
                path: field.path.clone(),
                disclosure: disclosure.text().to_owned(),
            }),
            None => missing += 1,
        }
    }
    Ok(missing)
}

/// What a journalled submission opens, for the log and for nobody else, by digest.
fn disclosures_of(kept: &Kept) -> Outcome<BTreeMap<records::DisclosureDigest, Disclosure>> {
    let damaged = || "the journal".to_owned();
    let submission = Submission::parse_draft(&kept.submission).explain(Exit::Usage, damaged)?;
    let mut all = submission.disclosures().to_vec();
    for text in &kept.disclosures {
        all.push(Disclosure::parse(text).explain(Exit::Usage, damaged)?);
    }
    Ok(all.into_iter().map(|it| (it.digest(), it)).collect())
}
