//! The records of `docs/examples.md`, submitted in the order of the page. Each is admitted with the flags
//! that the page says, and every kind of every profile that a log has from the start is among them.

use std::collections::{BTreeMap, BTreeSet};

use civiclog_server::admit::check::AwsLcEs256;
use civiclog_server::core::state::CommittedState;
use e2e::auditor::Auditor;
use e2e::drawn::found;
use e2e::memory_log::{MemoryLog, Said};
use e2e::submitter::key;
use e2e::{programs, sim::fodder};
use records::{
    Algorithm, CheckedSubmission, Disclosure, Entry, EntryIndex, HeldBy, SigningKey, Submission,
    Verdict, build, parse_millis, seal,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The blocks of the page that hold a record: whether it is admitted, and the record.
fn blocks() -> Vec<(bool, Value)> {
    let page = programs::repository().join("docs/examples.md");
    let text = std::fs::read_to_string(page).expect("the page");
    let records = text.split("```").filter_map(|block| {
        let (head, body) = block.split_once('\n')?;
        let is_admitted = match head {
            "json example" => true,
            "json refused" => false,
            _ => return None,
        };
        Some((is_admitted, substituted(body)))
    });
    records.collect()
}

/// The keys that the page names, each of a seed of its own.
fn key_of(name: &str) -> SigningKey {
    let ed25519 = |seed| key(Algorithm::Ed25519, seed);
    match name {
        "treasury" => key(Algorithm::Es256, 2),
        "bank" => ed25519(3),
        "supplier" => ed25519(4),
        "supervisor" => ed25519(5),
        "governance" => MemoryLog::governance(),
        "next-governance" => ed25519(0x61),
        other => ed25519(Sha256::digest(other)[0] | 0x80),
    }
}

fn submitter_of(name: &str) -> String {
    match name {
        "treasury" => "GB-LAE-DEV".to_owned(),
        "bank" => "GB-BOE-BANK".to_owned(),
        "supplier" => "GB-COH-SUPPLIER".to_owned(),
        one_time => format!("key:{}", key_of(one_time).public().kid()),
    }
}

/// What the page writes in capitals, in its place.
fn substituted(body: &str) -> Value {
    let mut out = String::new();
    let mut rest = body;
    while let Some(at) = NAMES.iter().filter_map(|it| rest.find(it)).min() {
        let name = NAMES.iter().find(|it| rest[at..].starts_with(**it)).expect("one of them");
        let (of, after) = rest[at + name.len()..].split_once(')').expect("an end");
        let is_whole = rest[..at].ends_with('"') && after.starts_with('"') && *name == "KEY(";
        out.push_str(if is_whole { &rest[..at - 1] } else { &rest[..at] });
        out.push_str(&value_of(name, of));
        rest = if is_whole { &after[1..] } else { after };
    }
    out.push_str(rest);
    let policy = json!(fodder::fodder().policies[0].text.lines().collect::<Vec<_>>());
    let vkeys = json!(fodder::log_keys().verifier_keys().map(|it| it.to_string()));
    let text =
        out.replace("[\"POLICY\"]", &policy.to_string()).replace("[\"VKEYS\"]", &vkeys.to_string());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn value_of(name: &str, of: &str) -> String {
    let key = key_of(of);
    let kid = key.public().kid().to_string();
    let secret = |what: &str| -> [u8; 32] { Sha256::digest(format!("{what} {of}")).into() };
    match name {
        "KEY(" => String::from_utf8(records::to_canonical(&key.public().to_jwk())).expect("JSON"),
        "KID(" => kid,
        "SALT(" => hex(secret("salt")),
        "BID(" => hex(secret("bid")),
        _ => {
            let object = format!("GB-LAE-DEV/tender/8/bid/{kid}");
            build::commitment(&object, &format!("key:{kid}"), &secret("salt"), &secret("bid"))
        }
    }
}

const NAMES: [&str; 5] = ["KEY(", "KID(", "SALT(", "BID(", "COMMITMENT("];

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The submission that a block stands for, as the next word about its object.
fn posted(log: &MemoryLog, block: &Value) -> Vec<u8> {
    let text = |name: &str| block[name].as_str().expect("a text").to_owned();
    let signers: Vec<String> = block["by"]
        .as_array()
        .expect("names")
        .iter()
        .map(|it| it.as_str().expect("a name").to_owned())
        .collect();
    let submitter = match text("profile").as_str() {
        "registry/1" => "log".to_owned(),
        _ => submitter_of(&signers[0]),
    };
    let occurred = block["occurred"].as_str().unwrap_or("2026-06-01");
    let mut record = json!({
        "v": 1, "log": log.origin(), "profile": text("profile"), "kind": text("kind"), "object": text("object"),
        "submitter": submitter, "occurred": occurred, "rev": 0, "op": "add", "data": block["data"],
    });
    for name in ["documents", "of", "refs", "why"] {
        if !block[name].is_null() {
            record[name] = block[name].clone();
        }
    }
    let head =
        records::object_head(&CommittedState(log.store()), &text("object")).expect("readable");
    if let Some(head) = head.filter(|_| text("kind") != "genesis") {
        record["op"] = json!(block["op"].as_str().unwrap_or("next"));
        record["rev"] = json!(head.rev + 1);
        record["prev"] = json!(head.record_hash.to_string());
    }
    let disclosures = sealed(block, &mut record);
    let bytes = record.to_string();
    let record =
        records::Record::parse(bytes.as_bytes()).unwrap_or_else(|it| panic!("{it}: {bytes}"));
    let signatures: Vec<_> =
        signers.iter().map(|name| key_of(name).sign_detached(record.bytes())).collect();
    Submission::assemble(&record, &signatures, &disclosures)
}

/// Seals what the block says, and returns what the log is to hold.
fn sealed(block: &Value, record: &mut Value) -> Vec<Disclosure> {
    let values: BTreeMap<String, Value> = match &block["seal"] {
        Value::Object(members) => members.clone().into_iter().collect(),
        _ => return Vec::new(),
    };
    let (mut fields, mut held_by_log) = (Vec::new(), Vec::new());
    for (path, said) in values {
        let value = said["value"].as_str().or(said.as_str()).expect("a text");
        let held = if said["held"] == "submitter" { HeldBy::Submitter } else { HeldBy::Log };
        let name = path.rsplit('/').next().expect("a name");
        let (field, disclosure) = seal(&path, name, value.into(), [7; 16], held);
        let mut field: Value =
            serde_json::from_slice(&records::to_canonical(&field.to_value())).expect("JSON");
        if !said["why"].is_null() {
            field["why"] = said["why"].clone();
            field["until"] = said["until"].clone();
        }
        fields.push(field);
        held_by_log.extend((held == HeldBy::Log).then_some(disclosure));
    }
    record["sealed"] = json!(fields);
    held_by_log
}

/// Entry 0 can be said once only: it is judged for a log that has nothing yet.
fn judge_genesis(log: &MemoryLog, block: &Value) {
    let submission = Submission::parse(&posted(log, block), log.origin()).expect("a genesis");
    let checked = CheckedSubmission::unchecked(submission);
    let verdict =
        records::admit(&BTreeMap::new(), EntryIndex::new(0), log.now_ms(), &checked, &AwsLcEs256);
    assert!(matches!(verdict, Ok(Verdict::Accepted(_))), "{verdict:?}");
}

#[test]
fn every_example_is_admitted_and_every_kind_has_one() {
    let mut log = found();
    let mut kinds = BTreeSet::new();
    for (is_admitted, block) in blocks() {
        let kind = block["kind"].as_str().expect("a kind");
        kinds.insert((block["profile"].as_str().expect("a profile").to_owned(), kind.to_owned()));
        if kind == "genesis" {
            judge_genesis(&log, &block);
            continue;
        }
        if let Some(at) = block["at"].as_str() {
            let at_ms = parse_millis(at).expect("a time");
            log.advance_ms(at_ms.checked_sub(log.now_ms()).expect("times that go on"));
        }
        match log.submit(&posted(&log, &block)) {
            Said::Committed(index) if is_admitted => {
                let entry = log.served_from(index).swap_remove(0);
                let entry = Entry::parse(&entry).expect("an entry");
                let flags: Vec<&str> = entry.flags().iter().map(|it| it.as_str()).collect();
                let said = block["flags"].as_array().into_iter().flatten();
                let said: Vec<&str> = said.filter_map(Value::as_str).collect();
                assert_eq!(flags, said, "{block}");
            }
            Said::Refused(refusal) | Said::RefusedAtOnce(refusal) if !is_admitted => {
                assert_eq!(refusal.rule.as_str(), block["rule"], "{refusal}");
            }
            other => panic!("{other:?}: {block}"),
        }
    }
    let mut expected: BTreeSet<(String, String)> = BTreeSet::new();
    for profile in records::profile::shipped::all() {
        let kinds = profile.kinds().iter();
        expected.extend(kinds.map(|it| (profile.id().to_owned(), it.name().to_owned())));
    }
    let own = records::registry::KINDS.iter();
    expected.extend(own.map(|it| ("registry/1".to_owned(), (*it).to_owned())));
    assert_eq!(kinds, expected);

    let mut auditor = Auditor::new(log.origin());
    for entry in log.served_from(0) {
        auditor.take(&entry).unwrap_or_else(|refusal| panic!("{refusal}"));
    }
}
