//! `civiclog refusal`: one signed refusal, one receipt, one policy, no network.
//!
//! The receipt proves entry 0, and entry 0 names the operator key. What that key signed is the log's
//! own word: which record it refused, by which rule, at which size.

use records::signed_refusal::{REFUSALS_USE, SIGNED_REFUSAL_BYTES_MAX};
use records::{P256Verify, SignedRefusal};
use serde::{Deserialize, Serialize};

use crate::args::CheckRefusal;
use crate::check::verify;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::govern::submission_file::read_submission;
use crate::screen::Screen;
use crate::trust;

pub(crate) fn run(args: &CheckRefusal, screen: &mut Screen) -> Outcome {
    let policy = trust::read_policy(&args.policy)?;
    let refusal = read(args)?;
    let shown = args.receipt.display();
    let receipt =
        std::fs::read(&args.receipt).explain(Exit::Usage, || format!("reading {shown}"))?;
    let genesis = verify::genesis(&receipt, &policy, screen)
        .map_err(|broken| not_verified(format!("{shown} does not hold: {}", broken.why)))?
        .ok_or_else(|| Failure::usage(format!("{shown} does not hold entry 0")))?;
    let statement = refusal.statement();
    if statement.origin != genesis.log {
        return Err(not_verified(format!(
            "the refusal is of another log than {}, whose receipt this is",
            genesis.log
        )));
    }
    // Keys of the operator for other uses are in other hands, and may not speak for the log here.
    let is_signed = genesis
        .operator_keys
        .iter()
        .filter(|it| it.uses.iter().any(|it| it == REFUSALS_USE))
        .any(|it| refusal.verify(&it.key, &P256Verify));
    if !is_signed {
        return Err(not_verified(format!(
            "no key that entry 0 of {} names for refusals signed this",
            genesis.log
        )));
    }
    // A refusal names its record by hash only, since the record may hold what nobody may publish.
    if let Some(path) = &args.submission
        && read_submission(path)?.record().hash() != statement.record
    {
        return Err(not_verified(format!(
            "the refusal is about another record than the one in {}",
            path.display()
        )));
    }
    show(&refusal, screen);
    Ok(Exit::Done)
}

/// The text of the refusal, or an answer of the log with the text in it.
fn read(args: &CheckRefusal) -> Outcome<SignedRefusal> {
    let shown = args.file.display();
    let text =
        std::fs::read_to_string(&args.file).explain(Exit::Usage, || format!("reading {shown}"))?;
    let text = match serde_json::from_str::<Answer>(&text) {
        Ok(answer) => answer.refusal,
        Err(_) => text.trim().to_owned(),
    };
    if text.len() > SIGNED_REFUSAL_BYTES_MAX {
        return Err(Failure::usage(format!("{shown} is too long for a signed refusal")));
    }
    SignedRefusal::parse(&text)
        .explain(Exit::NotVerified, || format!("{shown} is no signed refusal"))
}

/// A problem document, or a line of the answer to a batch.
#[derive(Deserialize)]
struct Answer {
    refusal: String,
}

fn show(refusal: &SignedRefusal, screen: &mut Screen) {
    let statement = refusal.statement();
    let finding = Finding {
        verified: true,
        log: &statement.origin,
        record: statement.record.to_string(),
        rule: statement.rule.as_str(),
        pointer: &statement.pointer,
        size: statement.size.get(),
        conflicts_with: statement.conflicts_with.map(records::EntryIndex::get),
        kid: refusal.kid().as_str(),
    };
    screen.report(&finding);
    let rule = records::rules().iter().find(|(id, _)| *id == statement.rule);
    let conflict = match finding.conflicts_with {
        Some(index) => format!("\nIn its place stands entry {index}."),
        None => String::new(),
    };
    screen.say(format!(
        "SIGNED by {log}: it refused the record {record}\n\
         by rule {id}{at} ({words}), judged by the {size} entries before it.{conflict}\n\
         This proves what the log said, not that it was right. Judge the record again over these \
         entries;\nif the rules take it, this file proves the refusal wrong.",
        log = finding.log,
        record = finding.record,
        id = finding.rule,
        at = if statement.pointer.is_empty() {
            String::new()
        } else {
            format!(" at {}", statement.pointer)
        },
        words = rule.map_or("a rule", |(_, words)| words),
        size = finding.size,
    ));
}

/// The document of `--json`.
#[derive(Serialize)]
struct Finding<'a> {
    verified: bool,
    log: &'a str,
    record: String,
    rule: &'a str,
    pointer: &'a str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflicts_with: Option<u64>,
    kid: &'a str,
}

fn not_verified(words: String) -> Failure {
    Failure::new(Exit::NotVerified, words)
}
