//! The verdict in plain words: what was found, what it proves, and what it does not.

use std::fmt::Write as _;

use serde_json::Value;

use super::broken::{Broken, Link};
use super::findings::{EntryFinding, Findings, SignatureFinding};
use super::signatures;

/// The text for a file that holds.
pub(super) fn verified(file: &str, findings: &Findings) -> String {
    let mut text = format!("VERIFIED: {file}\n");
    let (registrations, mut subjects): (Vec<_>, Vec<_>) =
        findings.entries.iter().partition(|entry| entry.is_registration);
    // Whoever was given opened values came to see these.
    subjects.sort_by_key(|entry| entry.sealed.iter().all(|field| field.opened.is_none()));
    for entry in subjects.iter().take(ENTRIES_SHOWN) {
        text.push('\n');
        text.push_str(&describe(entry, &findings.log));
    }
    if let Some(more) = subjects.len().checked_sub(ENTRIES_SHOWN).filter(|more| *more > 0) {
        let total = subjects.len();
        line(
            &mut text,
            &format!(
                "\n… and {more} more, {total} entries in all, each checked (--json lists them)"
            ),
        );
    }
    if !registrations.is_empty() {
        let shown: Vec<String> = registrations
            .iter()
            .take(ENTRIES_SHOWN)
            .map(|entry| format!("{} at index {}", entry.kind, entry.index))
            .collect();
        line(&mut text, &format!("\nWith the log's own records: {}", shown.join(", ")));
    }
    for checkpoint in findings.checkpoints.iter().rev().take(CHECKPOINTS_SHOWN) {
        line(
            &mut text,
            &format!(
                "\nThe log signed a checkpoint of {} entries, and these witnesses saw it:",
                checkpoint.size
            ),
        );
        for witness in &checkpoint.witnesses {
            line(&mut text, &format!("  {} at {}", witness.name, witness.at));
        }
        line(&mut text, &format!("  (your policy asks for {})", findings.policy));
    }
    text.push_str(&proves(&subjects, findings.liars_for_split_view));
    text
}

/// The text for a file that does not.
pub(super) fn not_verified(file: &str, broken: &Broken) -> String {
    let place = match broken.index {
        Some(index) => format!("proof {} of the file, entry {index}", broken.proof),
        None => "the file as a whole".to_owned(),
    };
    let meaning = match broken.link {
        Link::Fork => {
            "THE LOG MISBEHAVED. Both signed heads are evidence: the log signed each of them and \
             witnesses cosigned each, and they cannot both be true. Keep this file as it is, and \
             show it to the witnesses and the press."
        }
        Link::Disclosure => {
            "The receipts hold. What was given to you as opened does not belong to them: do not \
             rely on any value in it."
        }
        _ => "Either the file was changed, or it is not what it claims to be. It proves nothing.",
    };
    format!(
        "NOT VERIFIED: {file}\n\n  Where: {place}\n  Which link broke: {}\n  Why: {}\n\n{meaning}",
        name_of(broken.link),
        broken.why,
    )
}

fn describe(entry: &EntryFinding, log: &str) -> String {
    let mut text = format!("Entry {} of {log}\n", entry.index);
    let revision = match (entry.rev, entry.op) {
        (0, "add") => String::new(),
        (rev, op) => format!(", revision {rev} ({op})"),
    };
    line(&mut text, &format!("  {} {}{revision}", entry.kind, entry.object));
    line(&mut text, &format!("  {}", what_happened(entry)));
    let flags = entry.flags.iter().map(|flag| flag_in_words(flag)).collect::<Vec<_>>().join(", ");
    let flags = if flags.is_empty() { String::new() } else { format!(" (noted: {flags})") };
    line(
        &mut text,
        &format!("  submitted by {}, admitted {}{flags}", entry.submitter, entry.admitted),
    );
    for signature in &entry.signatures {
        line(&mut text, &format!("  {}", signed(signature)));
    }
    for field in &entry.sealed {
        let holder = if field.held == "log" { "the log" } else { "the submitter" };
        let words = match &field.opened {
            Some(value) => format!("sealed as {}, and opened for you: {value}", field.path),
            None => format!("sealed, not in this file: {} (held by {holder})", field.path),
        };
        line(&mut text, &format!("  {words}"));
    }
    text
}

fn what_happened(entry: &EntryFinding) -> String {
    let data = &entry.data;
    let party = |name: &str| data[name]["id"].as_str().unwrap_or("a sealed party").to_owned();
    let money = |name: &str| {
        let part = |member: &str| data[name][member].as_str().unwrap_or_default().to_owned();
        format!("{} {}", part("currency"), part("value"))
    };
    let occurred = &entry.occurred;
    match (entry.profile.as_str(), entry.kind.as_str(), data) {
        ("spending/1", "payment", Value::Object(members)) if members.contains_key("amount") => {
            format!("{occurred}: {} paid {} {}", party("payer"), party("payee"), money("amount"))
        }
        ("contract/1", "register", Value::Object(members)) if members.contains_key("value") => {
            format!(
                "{occurred}: {} contracted {} for {}",
                party("buyer"),
                party("supplier"),
                money("value")
            )
        }
        _ => format!("dated {occurred}"),
    }
}

fn signed(signature: &SignatureFinding) -> String {
    let SignatureFinding { kid, algorithm, .. } = signature;
    let doubt = match &signature.in_doubt_since {
        Some(since) => format!(" WARNING: revoked later, in doubt since {since}."),
        None => String::new(),
    };
    match (signature.registered_at, &signature.registered_for) {
        (Some(index), Some(submitter)) if signature.checked => format!(
            "signed with key {kid} ({algorithm}) of {submitter}: key registered at index {index}; \
             revocation is excluded only by an audit.{doubt}"
        ),
        _ => format!(
            "signature of key {kid} ({algorithm}): registration NOT CHECKED: {}; get the whole \
             receipt with: civiclog prove.{doubt}",
            signature.missing.as_deref().unwrap_or(signatures::NO_REGISTRATION)
        ),
    }
}

fn flag_in_words(flag: &str) -> String {
    let words = records::rules().iter().find(|(id, _)| id.as_str() == flag);
    words.map_or_else(|| flag.to_owned(), |(_, words)| format!("{flag} {words}"))
}

fn proves(subjects: &[&EntryFinding], liars: usize) -> String {
    let what = if subjects.len() == 1 { "this entry was" } else { "these entries were" };
    format!(
        "\nThis proves: {what} in the log, unchanged, when the witnesses named above saw it, and \
         everyone with this policy is shown the same log, unless {liars} or more witnesses lied.\n\
         It does not prove: that the payment happened or the statement is true; that everything \
         was submitted; that no later entry corrects it (ask the log: civiclog get OBJECT); who \
         held the key; that a witness agrees with the content.\n"
    )
    .trim_end()
    .to_owned()
}

fn name_of(link: Link) -> &'static str {
    match link {
        Link::File => "the form of the file",
        Link::Entry => "the entry inside the proof",
        Link::Checkpoint => "the log's checkpoint",
        Link::LogSignature => "the log's signature on the checkpoint",
        Link::Witnesses => "the witnesses' signatures on the checkpoint",
        Link::Inclusion => "the proof that the entry is in the log",
        Link::Record => "the form of the record",
        Link::SubmitterSignature => "the submitter's signature on the record",
        Link::Registration => "the registration of the key that signed",
        Link::Disclosure => "the opened value and the digest in its entry",
        Link::Fork => "one log, the same for everybody",
    }
}

fn line(text: &mut String, words: &str) {
    writeln!(text, "{words}").expect("writing to a String cannot fail");
}

const ENTRIES_SHOWN: usize = 5;
const CHECKPOINTS_SHOWN: usize = 3;
