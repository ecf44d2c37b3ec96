//! Releases into a log in memory.

use import::ocds::RELEASE_BYTES_MAX;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::fake_log::{FakeLog, Fault, Run, SUBMITTER};

const RUN: &str =
    "submit @r.json --submitter XX-LAE-WMC --key @key.pem --log LOG --policy @policy.txt";
const OCID: &str = "ocds-213czf-000-00001";

/// A release with a spacing and a number that no program would write again as they are.
fn release(id: &str, value: &str) -> String {
    format!(
        "{{ \"ocid\":\"{OCID}\" ,\"id\":\"{id}\",\"date\":\"2023-10-31T23:30:00.5-01:00\",\
         \"initiationType\":\"tender\",\"tag\":[\"contract\"],\"buyer\":{{\"id\":\"GB-LAC-E09000003\",\
         \"name\":\"Borough of\\u0020Barnet\"}},\"x_unknown\":1.10E+2,\
         \"contracts\":[{{\"id\":1,\"value\":{{\"amount\":{value},\"currency\":\"GBP\"}}}}]}}"
    )
}

fn submit(log: &FakeLog, file: impl AsRef<[u8]>, more: &str) -> Run {
    log.write("r.json", file);
    log.civiclog(&format!("{RUN} --json {more}"))
}

fn record(log: &FakeLog, id: &str) -> Value {
    let found = log.lock().object(&format!("{SUBMITTER}/release/{OCID}/{id}"));
    found.unwrap_or_else(|| panic!("no {id}"))["revisions"][0]["entry"]["record"].clone()
}

fn documents(log: &FakeLog) -> Vec<String> {
    let documents = log.lock().documents.clone();
    documents.into_values().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

fn listed(log: &FakeLog, suffix: &str) -> String {
    log.read(&format!("r.json.{suffix}.csv"))
}

#[test]
fn the_bytes_of_a_release_are_a_document_and_its_facts_a_record() {
    let log = FakeLog::start();
    let release = release("1", "123456789012345678.90");
    let report = submit(&log, format!(" {release}\n"), "").expect(Exit::Done).json();
    assert_eq!((&report["format"], &report["new"]), (&"ocds".into(), &1.into()));
    assert_eq!(report["stages"]["contract"]["GBP"]["sum"], "123456789012345678.90");
    assert_eq!(report["totals"], json!({}));
    assert_eq!(documents(&log), [release.as_str()]);
    let record = record(&log, "1");
    assert_eq!(record["occurred"], "2023-10-31");
    let expected = json!({
        "amounts": [{"amount": {"currency": "GBP", "value": "123456789012345678.90"}, "count": 1, "of": "contract"}],
        "buyer": {"id": "GB-LAC-E09000003"}, "date": "2023-11-01T00:30:00.500Z",
        "native": "1", "ocid": OCID, "tag": ["contract"],
    });
    assert_eq!(record["data"], expected);
    assert_eq!(record["sealed"][0]["held"], "log");
    let document = &record["documents"][0];
    assert_eq!(document["size"], release.len());
    assert_eq!(document["type"], "ocdsRelease");
    assert!(log.lock().documents.contains_key(document["sha256"].as_str().unwrap()));
    log.civiclog("verify @r.json.receipts --policy @policy.txt").expect(Exit::Done);
}

#[test]
fn packages_lines_and_lines_of_packages_are_the_same_releases() {
    let [one, two, three] = ["1", "2", "3"].map(|id| release(id, "12"));
    let pretty =
        format!("{{\n \"version\": \"1.1\",\n \"releases\": [\n{one},\n{two},\n{three}\n]}}\n");
    let lines = format!("\u{feff}{one}\n\n{two}\r\n{three}");
    let packages = format!("{{\"releases\":[{one},{two}]}}\n{{\"releases\":[{three}]}}\n");
    for (file, places) in [(pretty, [4, 5, 6]), (lines, [1, 3, 4]), (packages, [1, 1, 2])] {
        let log = FakeLog::start();
        let report = submit(&log, &file, "").expect(Exit::Done).json();
        assert_eq!(report["new"], 3);
        let mut stored = documents(&log);
        stored.sort();
        assert_eq!(stored, [one.as_str(), &two, &three]);
        // Where each stands is told when it is bad.
        let bad = file.replace("2023-10-31T", "soon");
        submit(&log, bad, "").expect(Exit::NotVerified);
        let errors = listed(&log, "errors");
        let lines = errors.lines().skip(1).map(|line| line.split(',').next().unwrap());
        assert!(lines.eq(places.iter().map(ToString::to_string)), "{errors}");
    }
}

#[test]
fn a_rehearsal_uploads_nothing_and_a_second_run_adds_nothing() {
    let log = FakeLog::start();
    let file = format!("{}\n{}\n", release("1", "12"), release("2", "13"));
    let report = submit(&log, &file, "--dry-run").expect(Exit::Done).json();
    assert_eq!((&report["accepted"], log.size()), (&2.into(), 2));
    assert!(log.lock().requests.iter().all(|request| request.starts_with("GET ")));
    submit(&log, &file, "").expect(Exit::Done);
    let table = log.read("r.json.receipts.csv");
    for is_lost in [false, true] {
        log.lock().requests.clear();
        if is_lost {
            std::fs::remove_dir_all(log.path("state/civiclog/journals")).unwrap();
        }
        let report = submit(&log, &file, "").expect(Exit::Done).json();
        assert_eq!((&report["new"], &report["unchanged"]), (&0.into(), &2.into()));
        assert_eq!(log.read("r.json.receipts.csv"), table);
        // What the journal holds is sent again, its documents before it; what the log shows is not.
        if is_lost {
            assert!(log.lock().requests.iter().all(|request| !request.starts_with("PUT ")));
        }
    }
}

#[test]
fn killed_between_a_document_and_its_record_nothing_is_lost_or_doubled() {
    for fault in [Fault::Cut, Fault::AppliedThenCut] {
        let log = FakeLog::start();
        let file = format!("{}\n{}\n", release("1", "12"), release("2", "13"));
        log.lock().faults.push_back(fault);
        submit(&log, &file, "").expect(Exit::NotVerified);
        assert_eq!(documents(&log).len(), 2, "documents go first");
        let report = submit(&log, &file, "").expect(Exit::Done).json();
        assert_eq!((&report["accepted"], log.size()), (&2.into(), 4), "{fault:?}");
    }
}

#[test]
fn a_release_that_was_changed_without_a_word_is_found_and_corrected_with_a_reason() {
    let log = FakeLog::start();
    submit(&log, release("1", "12"), "").expect(Exit::Done);
    // Only a space: the facts are the same, the bytes are not.
    let changed = release("1", "12").replace("{ ", "{");
    submit(&log, &changed, "").expect(Exit::NotVerified);
    assert!(listed(&log, "errors").contains("/record/documents"), "{}", listed(&log, "errors"));
    assert_eq!(documents(&log).len(), 1);
    let report = submit(&log, &changed, "--why cor-pub").expect(Exit::Done).json();
    assert_eq!(report["corrected"], 1);
    assert_eq!(documents(&log).len(), 2);
}

#[test]
fn what_departs_from_the_standard_goes_in_and_is_reported() {
    let log = FakeLog::start();
    let odd = r#"{"ocid":"Tender 12/ä","id":7,"date":"2023-10-31","tag":["contract","invented"],
        "buyer":{"id":"no id","name":"Barnet"},"tender":{"value":{"amount":"5","currency":"GBP"}},
        "awards":[{"value":{"amount":5}},{"value":{"amount":1.005,"currency":"GBP"}},
        {"value":{"amount":430.69000000000005,"currency":"GBP"}},"odd"],"contracts":{}}"#;
    let report = submit(&log, odd, "").expect(Exit::Done).json();
    assert_eq!((&report["new"], &report["rounded"]), (&1.into(), &1.into()));
    assert_eq!(
        report["stages"],
        json!({"award": {"GBP": {"rows": 1, "sum": "430.69", "negative": 0}}})
    );
    let warnings = listed(&log, "warnings");
    for path in [
        "/ocid",
        "/id",
        "/date",
        "/tag",
        "/initiationType",
        "/buyer/id",
        "/tender/value",
        "/awards/value",
    ] {
        assert!(warnings.contains(&format!(",{path},")), "{path}: {warnings}");
    }
    assert_eq!(report["warned"], warnings.lines().count() - 1);
    assert_eq!(documents(&log), [odd]);
    assert!(log.lock().object(&format!("{SUBMITTER}/release/Tender~2012~2F~C3~A4/7")).is_some());
    submit(&log, release("1", "12"), "").expect(Exit::Done);
    assert!(!log.path("r.json.warnings.csv").exists());
}

#[test]
fn a_bad_release_is_one_bad_row() {
    let log = FakeLog::start();
    let good = release("1", "12");
    let deep =
        format!("{{\"ocid\":\"o\",\"id\":\"i\",\"x\":{}{}}}", "[".repeat(65), "]".repeat(65));
    let large = release("9", &format!("1, \"x\": \"{}\"", "x".repeat(RELEASE_BYTES_MAX)));
    let lines = [
        good.as_str(),
        "{\"ocid\":\"o\",\"id\":",
        &good.replace("\"id\":\"1\"", "\"no\":\"1\""),
        &good.replace("\"id\":\"1\"", "\"id\":\"1\",\"id\":\"2\""),
        &good.replace("12", "13"),
        &good,
        &deep,
        &large,
        "{\"records\":[]}",
        "[]",
        "{\"a\":\"\u{0}\"}",
        &release("2", "12"),
    ];
    let report = submit(&log, lines.join("\n"), "").expect(Exit::NotVerified).json();
    assert_eq!((&report["new"], &report["bad"]), (&2.into(), &9.into()));
    // The very same release twice is a release.
    assert_eq!(report["warned"], 1);
    let errors = listed(&log, "errors");
    let rules = errors.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        format!("{} {}", cells[0], cells[3])
    });
    let expected =
        ["2 json", "3 id", "4 json", "5 twice", "7 json", "8 size", "9 json", "10 json", "11 json"];
    assert!(rules.eq(expected.iter().map(ToString::to_string)), "{errors}");
}

#[test]
fn a_file_that_is_no_document_of_ocds_is_refused_with_the_fix() {
    let log = FakeLog::start();
    let deep = format!("{{\"releases\":\n{}{}}}", "[".repeat(70), "]".repeat(70));
    let broken = format!("{{\"releases\":[\n{},\n]}}", release("1", "12"));
    for (file, expected) in [
        ("{\n\"records\": []}", "Submit the releases themselves"),
        ("{\n\"a\": 1}", "neither an OCDS release"),
        ("[\n]", "which are objects"),
        ("{\n\"releases\": {}}", "are no list"),
        (deep.as_str(), "levels deep"),
        (&broken, "no JSON"),
    ] {
        let run = submit(&log, file, "").expect(Exit::Usage);
        assert!(run.out.contains(expected), "{}", run.out);
    }
}

#[test]
fn a_format_is_guessed_and_said_and_its_arguments_are_checked() {
    let log = FakeLog::start();
    log.write("r.json", release("1", "12"));
    let run = log.civiclog(&format!("{RUN} --dry-run")).expect(Exit::Done);
    assert!(run.err.contains("looks like OCDS releases: --format ocds"), "{}", run.err);
    let run = log.civiclog(&format!("{RUN} --dry-run --format ocds")).expect(Exit::Done);
    assert!(!run.err.contains("looks like"), "{}", run.err);
    log.write("map.toml", "");
    for (arguments, expected) in [
        ("--map @map.toml", "--map is for CSV files"),
        ("--format csv", "a CSV file needs a map"),
        ("--complete 2023 --why cor-pub", "--complete is for CSV files"),
        ("--format pain.001", "no ISO 20022 message"),
    ] {
        let run = log.civiclog(&format!("{RUN} {arguments}")).expect(Exit::Usage);
        assert!(run.err.contains(expected), "{}", run.err);
    }
    let run = log.civiclog("submit @r.json --key @key.pem --log LOG").expect(Exit::Usage);
    assert!(run.err.contains("--submitter ID"), "{}", run.err);
}
