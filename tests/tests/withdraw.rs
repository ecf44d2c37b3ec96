//! What is erased is in no file and never comes back; what is withheld is not shown; readers are told,
//! and every proof stays whole.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::process::{Finished, finish};
use e2e::{TestLog, Treasury, programs};
use records::{Disclosure, HeldBy, RecordDraft, SealedField, Until, seal};

/// A log with some payments, stopped; the disclosure of the first one's payee is of interest.
struct Stopped {
    log: TestLog,
    index: u64,
    disclosure: Disclosure,
    /// The answer about that entry before anything was withdrawn.
    before: serde_json::Value,
}

fn log_with_payments() -> Stopped {
    let (mut log, treasury) = TestLog::start();
    let (record, disclosure) = treasury.sealed_payment(7);
    let body = treasury.sign(&record, std::slice::from_ref(&disclosure));
    let index = post(&log, body);
    for number in 8..40 {
        post(&log, treasury.payment_bytes(number));
    }
    let before = record_of(&log, index);
    assert_eq!(before["disclosures"][0], disclosure.text());
    assert_eq!(log.stop_server(), Some(0));
    Stopped { log, index, disclosure, before }
}

fn post(log: &TestLog, body: Vec<u8>) -> u64 {
    let answer = log.http().post("/v1/records", "application/json", body).expect_status(200);
    answer.json()["index"].as_u64().expect("an index")
}

fn record_of(log: &TestLog, index: u64) -> serde_json::Value {
    log.http().get(&format!("/v1/records/{index}")).expect_status(200).json()
}

fn server(log: &TestLog, command: &str, index: u64, more: &[&str]) -> Finished {
    let mut program = programs::command(programs::SERVER);
    program.arg(command).arg("--config").arg(log.config_path());
    program.args(["--index", &index.to_string()]).args(more);
    finish(program)
}

const WHY: [&str; 4] = ["--ground", "erasure", "--because", "the person asked for it"];

/// The files below a folder that hold these bytes.
fn files_with(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).expect("a folder").map(|it| it.expect("it").path()));
        } else if fs::read(&path).expect("a file").windows(bytes.len()).any(|it| it == bytes) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Every form in which the value of a disclosure could lie somewhere.
fn traces(disclosure: &Disclosure) -> Vec<Vec<u8>> {
    let text = disclosure.text().as_bytes();
    let value = disclosure.value().as_text().expect("a text").as_bytes().to_vec();
    let salt = URL_SAFE_NO_PAD.encode(disclosure.salt()).into_bytes();
    // The middle of the salt, and the text as a whole, with and without its ends.
    vec![text.to_vec(), text[8..28].to_vec(), value, salt]
}

#[test]
fn what_is_erased_is_in_no_file_and_every_proof_stays_whole() {
    let Stopped { mut log, index, disclosure, before } = log_with_payments();
    let data = log.data_path();
    let entry_hash = before["leaf_hash"].clone();
    let text = disclosure.text().as_bytes();
    assert!(!files_with(&data, text).is_empty(), "the search finds what is there");

    let erased = server(&log, "erase", index, &WHY).expect_success("erase").json();
    assert_eq!(erased["gone"], true, "{erased}");
    assert_eq!(erased["taken_out"], 1, "{erased}");
    assert_eq!(erased["fields"][0]["path"], "/data/payee/name");
    assert!(erased["files_searched"].as_u64() > Some(3), "{erased}");
    for trace in traces(&disclosure) {
        assert_eq!(files_with(&data, &trace), [""; 0], "{}", String::from_utf8_lossy(&trace));
    }
    let logs = [log.server_log(), erased.to_string()].concat();
    for trace in traces(&disclosure) {
        assert!(!logs.contains(&*String::from_utf8_lossy(&trace)), "it is in the server's log");
    }
    log.audit();
    log.server_command("rebuild").expect_success("rebuild");
    log.audit();

    log.start_server();
    let after = record_of(&log, index);
    assert_eq!(after["entry"], before["entry"], "the entry is as it was");
    assert_eq!(after["leaf_hash"], entry_hash);
    assert!(after.get("disclosures").is_none(), "{after}");
    let said = &after["withdrawn"][0];
    assert_eq!((&said["act"], &said["ground"]), (&"erased".into(), &"erasure".into()), "{after}");
    assert_eq!(said["because"], "the person asked for it");
    let since = said["since"].as_str().expect("a time").to_owned();
    assert!(records::parse_millis(&since).is_some(), "{since}");
    assert_eq!(log.reader().proven(index).index().get(), index);
    let other = record_of(&log, index + 1);
    assert!(other["disclosures"][0].is_string() && other.get("withdrawn").is_none(), "{other}");
    let object = &before["entry"]["record"]["object"];
    let object = object.as_str().expect("an object");
    let revisions = log.http().get(&format!("/v1/objects/{object}")).expect_status(200).json();
    assert_eq!(revisions["revisions"][0]["withdrawn"][0]["act"], "erased");

    // Beside a running server it is refused, and once more it is the same.
    let refused = server(&log, "erase", index, &WHY);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("stopped"), "{}", refused.stderr);
    assert_eq!(log.stop_server(), Some(0));
    let again = server(&log, "erase", index, &["--ground", "court-order", "--because", "again"]);
    let again = again.expect_success("erase").json();
    assert_eq!((&again["gone"], &again["taken_out"]), (&true.into(), &0.into()), "{again}");
    assert_eq!(again["fields"][0]["since"], since.as_str(), "the first word counts");
}

#[test]
fn a_withdrawal_is_told_in_the_log_by_a_record_that_governance_signs() {
    let Stopped { mut log, index, .. } = log_with_payments();
    for (number, command) in ["withhold", "erase"].into_iter().enumerate() {
        let path = log.path(&format!("draft-{number}.json"));
        let draft = path.to_str().expect("a path");
        let more = [&WHY[..], &["--draft", draft]].concat();
        server(&log, command, index, &more).expect_success(command);
        let again = server(&log, command, index, &more);
        assert_eq!(again.code, Some(1), "it must not exist yet");
        assert!(again.stderr.contains("must not exist"), "{}", again.stderr);
        let mut submission =
            records::Submission::parse_draft(&fs::read(&path).expect("a draft")).expect("a draft");
        let bytes = submission.record().bytes().to_vec();
        assert!(
            !String::from_utf8_lossy(&bytes).contains("asked for it"),
            "words cannot be erased"
        );
        submission.add_signature(log.governance().sign_detached(&bytes));
        log.start_server();
        let told = post(&log, submission.to_canonical());
        let record = record_of(&log, told)["entry"]["record"].clone();
        assert_eq!(record["rev"], number, "the next word about the entry");
        assert_eq!(record["data"]["entry"], index);
        assert_eq!(record["data"]["paths"][0], "/data/payee/name");
        assert_eq!(record["data"]["why"], "erasure");
        assert_eq!(log.stop_server(), Some(0));
    }
    log.audit();
}

#[test]
fn an_older_copy_is_erased_again_before_it_serves() {
    let Stopped { mut log, index, disclosure, .. } = log_with_payments();
    let copy = log.copy_data("copy");
    server(&log, "erase", index, &WHY).expect_success("erase");
    let database = log.data_path().join("db");
    e2e::log::replace_folder(&copy.join("db"), &database);
    assert!(!files_with(&database, disclosure.text().as_bytes()).is_empty(), "it is back");
    let audit = log.server_command("audit");
    assert_eq!(audit.code, Some(1), "{}", audit.stdout);
    assert!(audit.stderr.contains(&format!("erased of entry {index}")), "{}", audit.stderr);

    log.start_server();
    assert_eq!(record_of(&log, index)["withdrawn"][0]["act"], "erased");
    assert_eq!(log.stop_server(), Some(0));
    for trace in traces(&disclosure) {
        assert_eq!(files_with(&log.data_path(), &trace), [""; 0]);
    }
    log.audit();

    // The other way round: the list is lost, and the database knows.
    let list = log.data_path().join("anchor.withdrawn");
    let words = fs::read(&list).expect("the list");
    fs::remove_file(&list).expect("losing the list");
    log.start_server();
    assert_eq!(record_of(&log, index)["withdrawn"][0]["act"], "erased");
    assert_eq!(fs::read(&list).expect("the list is back"), words);
}

#[test]
fn the_answer_names_the_backups_that_hold_it() {
    let Stopped { log, index, .. } = log_with_payments();
    let with = log.copy_data("backup-1");
    let list = log.data_path().join("backup");
    fs::create_dir(&list).expect("a folder");
    let backup = |folder: &Path, size: u64| serde_json::json!({"folder": folder, "made_at": "2026-01-01T00:00:00.000Z", "size": size});
    let (moved, before, after) = (log.path("moved"), log.path("short"), log.path("backup-2"));
    fs::create_dir(&after).expect("a folder");
    fs::write(after.join("db"), "nothing of it").expect("a backup made after");
    let made = [backup(&with, 9), backup(&moved, 9), backup(&before, index), backup(&after, 40)];
    fs::write(list.join("made.json"), serde_json::to_vec(&made).expect("JSON")).expect("a list");

    let erased = server(&log, "erase", index, &WHY).expect_success("erase").json();
    let said: Vec<_> = erased["backups"]
        .as_array()
        .expect("backups")
        .iter()
        .map(|it| (it["folder"].as_str().expect("a folder").to_owned(), it["holds"].as_bool()))
        .collect();
    let text = |it: &Path| it.display().to_string();
    let expected = [(text(&with), Some(true)), (text(&moved), None), (text(&after), Some(false))];
    assert_eq!(said, expected, "{erased}");
}

#[test]
fn what_still_lies_in_a_file_is_named() {
    let Stopped { log, index, disclosure, .. } = log_with_payments();
    let left = log.data_path().join("a-copy-that-somebody-made");
    fs::write(&left, format!("\"{}\"", disclosure.text())).expect("a file");
    let erased = server(&log, "erase", index, &WHY);
    assert_eq!(erased.code, Some(1), "{}", erased.stderr);
    let said = erased.json();
    assert_eq!((&said["gone"], &said["still_in"][0]), (&false.into(), &left.to_str().into()));
    fs::remove_file(&left).expect("removing it");
    // Nothing of the value is known any more; the digest in the entry is enough to search by.
    assert_eq!(server(&log, "erase", index, &WHY).expect_success("erase").json()["gone"], true);
}

#[test]
fn what_is_withheld_is_kept_and_not_shown_and_can_be_erased_later() {
    let Stopped { mut log, index, disclosure, .. } = log_with_payments();
    let why = ["--path", "/data/payee/name", "--ground", "security", "--because", "under threat"];
    server(&log, "withhold", index, &why).expect_success("withhold");
    assert!(!files_with(&log.data_path(), disclosure.text().as_bytes()).is_empty());
    log.audit();
    log.start_server();
    let answer = record_of(&log, index);
    assert!(answer.get("disclosures").is_none(), "{answer}");
    assert_eq!(answer["withdrawn"][0]["act"], "withheld");
    assert_eq!(answer["withdrawn"][0]["ground"], "security");
    log.reader().proven(index);
    assert_eq!(log.stop_server(), Some(0));

    server(&log, "erase", index, &WHY).expect_success("erase");
    // What is gone cannot be called withheld again.
    server(&log, "withhold", index, &why).expect_success("withhold");
    log.start_server();
    let answer = record_of(&log, index);
    assert_eq!(answer["withdrawn"].as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(answer["withdrawn"][0]["act"], "erased");
}

#[test]
fn of_several_fields_only_the_one_that_is_meant_goes() {
    let (mut log, treasury) = TestLog::start();
    let (record, disclosures) = two_fields(&treasury);
    let index = post(&log, treasury.sign(&record, &disclosures));
    assert_eq!(record_of(&log, index)["disclosures"].as_array().map(Vec::len), Some(1));
    assert_eq!(log.stop_server(), Some(0));
    for (more, words) in [
        (vec!["--path", "/data/payee/nick"], "has no sealed field"),
        (vec!["--path", "/data/native"], "held by its submitter"),
    ] {
        let refused = server(&log, "erase", index, &[&more[..], &WHY[..]].concat());
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    let bad_ground = ["--ground", "shame", "--because", "x"];
    let refused = server(&log, "erase", index, &bad_ground);
    assert!(refused.stderr.contains("--ground"), "{}", refused.stderr);
    let refused = server(&log, "erase", index, &["--ground", "erasure", "--because", "a\nb"]);
    assert!(refused.stderr.contains("--because"), "{}", refused.stderr);
    let refused = server(&log, "erase", 999, &WHY);
    assert!(refused.stderr.contains("no entry 999"), "{}", refused.stderr);

    // A name that was never shown to anybody is erased like any other.
    let path = ["--path", "/data/payee/name"];
    server(&log, "erase", index, &[&path[..], &WHY[..]].concat()).expect_success("erase");
    for trace in traces(&disclosures[0]) {
        assert_eq!(files_with(&log.data_path(), &trace), [""; 0]);
    }
    let kept = disclosures[1].text().as_bytes();
    assert!(!files_with(&log.data_path(), kept).is_empty(), "the other field is kept");
    log.start_server();
    let answer = record_of(&log, index);
    assert_eq!(answer["disclosures"][0], disclosures[1].text());
    assert_eq!(answer["withdrawn"].as_array().map(Vec::len), Some(1));
}

/// A payment to a person, whose name the log holds and never shows; beside it what it was for, and a
/// reference that only the submitter has.
fn two_fields(treasury: &Treasury) -> (records::Record, Vec<Disclosure>) {
    let sealed = |path: &str, value: &str, salt: u8, held| {
        let name = path.rsplit('/').next().expect("a name");
        seal(path, name, value.into(), [salt; 16], held)
    };
    let (payee, payee_text) = sealed("/data/payee/name", "Ada Quillfeather", 0x11, HeldBy::Log);
    let person =
        |field| SealedField { why: Some("person".to_owned()), until: Some(Until::Open), ..field };
    let (id, _) = sealed("/data/payee/id", "XI-PERSON-11", 0x12, HeldBy::Submitter);
    let (purpose, purpose_text) = sealed("/data/purpose", "A ramp at the door", 0x13, HeldBy::Log);
    let (native, _) = sealed("/data/native", "CFADDAY-11", 0x14, HeldBy::Submitter);
    let draft: RecordDraft = treasury
        .payment(11)
        .data(records::Value::map([
            ("amount", records::Value::map([("currency", "GBP"), ("value", "12.00")])),
            ("payee", records::Value::Map(std::collections::BTreeMap::new())),
            ("payer", records::Value::map([("id", treasury.id())])),
        ]))
        .sealed(native)
        .sealed(person(id))
        .sealed(person(payee))
        .sealed(purpose);
    (draft.build().expect("a payment"), vec![payee_text, purpose_text])
}
