//! Signed refusals: the log's own word for what it refused, checked offline against entry 0, and only
//! for records whose own signatures verified.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use e2e::{Finished, LogOptions, TestLog, Treasury};
use records::{Algorithm, DetachedJws, SignedRefusal, Submission};
use serde_json::Value as Json;

fn signing_log() -> (TestLog, Treasury) {
    TestLog::start_with(LogOptions { signs_refusals: true, ..LogOptions::default() })
}

#[test]
fn a_refused_record_gets_a_refusal_that_anybody_can_check_against_entry_0() {
    let (log, treasury) = signing_log();
    let info = log.http().get("/v1/log").expect_status(200).json();
    assert!(info["refusal_key"].is_string(), "{info}");
    log.http().post("/v1/records", JSON, treasury.payment_bytes(1)).expect_status(200);
    let body = other_record_at_the_same_revision(&treasury);
    let answer = log.http().post("/v1/records", JSON, body.clone()).expect_status(409);
    let problem = answer.json();
    let signed = signed(&problem);
    let said = signed.statement();
    let submission = Submission::parse(&body, log.origin()).expect("a submission");
    assert_eq!(said.record, submission.record().hash());
    assert_eq!(said.rule.as_str(), problem["rule"]);
    assert_eq!(said.pointer, problem["pointer"].as_str().expect("a pointer"));
    assert_eq!(said.conflicts_with.map(records::EntryIndex::get), problem["index"].as_u64());
    assert_eq!(said.size.get(), 3, "genesis, submitter, payment");
    assert_eq!(signed.kid().as_str(), info["refusal_key"]);

    // The same in a batch: the lines that go in have none, and it says the same size and rule.
    let lines = [treasury.payment_bytes(1), body.clone()].join(&b'\n');
    let lines: Vec<Json> =
        log.http().post("/v1/records", NDJSON, lines).expect_status(200).parse_lines();
    assert!(lines[0].get("refusal").is_none());
    assert_eq!(lines[1]["refusal"], problem["refusal"], "the same words, the same text");

    // Offline, with the tool that everybody has.
    let (file, receipt, posted) =
        (log.path("problem.json"), log.path("0.receipt"), log.path("posted.json"));
    fs::write(&file, &answer.body).expect("writing the answer");
    fs::write(&posted, &body).expect("writing the submission");
    fs::write(&receipt, log.http().get("/v1/receipts/0").expect_status(200).body)
        .expect("writing the receipt");
    let said = check(&log, &file, &receipt, &posted).expect_success("the refusal is refused");
    assert!(said.stdout.contains("E04") && said.stdout.contains("3 entries"), "{}", said.stdout);

    fs::write(&posted, treasury.payment_bytes(9)).expect("writing another submission");
    let other = check(&log, &file, &receipt, &posted);
    assert_eq!(other.code, Some(1), "{}", other.stderr);
    assert!(other.stderr.contains("another record"), "{}", other.stderr);
    let forged = records::SigningKey::generate_from_seed(Algorithm::Ed25519, [9; 32]);
    let forged = signed.statement().clone().sign(&forged.expect("a key")).to_text();
    fs::write(&file, forged).expect("writing a forgery");
    fs::write(&posted, &body).expect("writing the submission");
    let forged = check(&log, &file, &receipt, &posted);
    assert_eq!(forged.code, Some(1), "{}", forged.stderr);
    assert!(forged.stderr.contains("entry 0"), "{}", forged.stderr);
}

#[test]
fn nothing_is_signed_for_who_has_no_key_or_signed_wrongly() {
    let (log, treasury) = signing_log();
    // A stranger with a key that nobody registered.
    let stranger = Treasury::new(log.origin(), "GB-LAE-DEV", Algorithm::Es256, 99);
    // A signature of the right key over another record.
    let right = Submission::parse(&treasury.payment_bytes(1), log.origin()).expect("a submission");
    let other = Submission::parse(&treasury.payment_bytes(2), log.origin()).expect("a submission");
    let wrong: Vec<DetachedJws> = other.signatures().to_vec();
    let wrong = Submission::assemble(right.record(), &wrong, right.disclosures());
    // A record for another log, signed well.
    let elsewhere = Treasury::new("log.example/elsewhere", "GB-LAE-DEV", Algorithm::Es256, 1);
    let bodies = [stranger.payment_bytes(1), wrong, elsewhere.payment_bytes(1), b"{}".to_vec()];
    for body in &bodies {
        let answer = log.http().post("/v1/records", JSON, body.clone());
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        assert!(answer.json()["rule"].is_string());
        assert!(answer.json().get("refusal").is_none(), "{}", answer.text());
    }
    let lines: Vec<Json> = log
        .http()
        .post("/v1/records", NDJSON, bodies.join(&b'\n'))
        .expect_status(200)
        .parse_lines();
    assert!(lines.iter().all(|it| it["status"] == "refused" && it.get("refusal").is_none()));
}

#[test]
fn a_log_without_the_key_says_so_and_one_with_a_wrong_key_does_not_start() {
    let (mut log, treasury) = signing_log();
    let key = log.data_path().join("keys/refusals.pem");
    let mode = fs::metadata(&key).expect("the key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(log.stop_server(), Some(0));
    fs::rename(&key, log.path("elsewhere.pem")).expect("taking the key away");
    log.start_server();
    assert!(log.http().get("/v1/log").json()["refusal_key"].is_null());
    log.http().post("/v1/records", JSON, treasury.payment_bytes(1)).expect_status(200);
    let body = other_record_at_the_same_revision(&treasury);
    let answer = log.http().post("/v1/records", JSON, body).expect_status(409);
    assert!(answer.json().get("refusal").is_none());
    assert_eq!(log.stop_server(), Some(0));

    let other = e2e::submitter::key(Algorithm::Ed25519, 0x77).to_pkcs8_pem().expect("a key");
    files::create_private_key(&key, &other).expect("another key in its place");
    let words = log.try_start_server().expect_err("a key that entry 0 does not name");
    assert!(words.contains("refusals"), "{words}");
}

/// Signed by its submitter, and refused: the revision is taken.
fn other_record_at_the_same_revision(treasury: &Treasury) -> Vec<u8> {
    treasury.sign_draft(treasury.payment(1))
}

fn signed(answer: &Json) -> SignedRefusal {
    let text = answer["refusal"].as_str().unwrap_or_else(|| panic!("no refusal: {answer}"));
    SignedRefusal::parse(text).expect("a signed refusal")
}

fn check(log: &TestLog, file: &Path, receipt: &Path, submission: &Path) -> Finished {
    let mut command = e2e::programs::command(e2e::programs::CLI);
    command.arg("refusal").arg(file).arg("--receipt").arg(receipt);
    command.arg("--policy").arg(log.policy_path()).arg("--submission").arg(submission);
    e2e::process::finish(command)
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
