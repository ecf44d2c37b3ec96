//! What a submitter sealed for itself it can open for one reader, who checks it against the log; and
//! nothing else fits.

use std::fs;
use std::process::Command;

use e2e::process::{Finished, finish};
use e2e::{TestLog, programs};
use records::Algorithm;
use serde_json::Value;

/// A log with the sample's rows in it, about firms and about persons, and the receipts of them.
struct Submitted {
    log: TestLog,
}

impl Submitted {
    fn rows(count: usize) -> Self {
        let (log, _) = TestLog::start();
        let treasury = log.register("XX-LAE-WMC", Algorithm::Es256, 5);
        let pem = treasury.key().to_pkcs8_pem().expect("a PEM");
        files::create_private_key(&log.path("treasury.pem"), &pem).expect("writing a key");
        let repository = programs::repository();
        let sample = repository.join("deploy/sample/payments.csv");
        let text = fs::read_to_string(sample).expect("the sample");
        let rows: Vec<&str> = text.lines().take(count + 1).collect();
        fs::write(log.path("rows.csv"), rows.join("\n") + "\n").expect("writing rows");
        let submitted = Self { log };
        let mut command = submitted.command(&["submit", "rows.csv", "--journal", "journal"]);
        command.arg("--map").arg(repository.join("deploy/maps/sample-payments.toml"));
        command.args(["--key", "treasury.pem", "--policy", "policy.txt"]);
        command.args(["--log", submitted.log.http().base(), "--receipts", "receipts"]);
        finish(command).expect_success("submit");
        submitted
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = programs::command(programs::CLI);
        command.current_dir(self.log.path(""));
        command.arg("--state").arg(self.log.path("state")).args(arguments);
        command
    }

    fn cli(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments))
    }

    fn verify(&self, disclosures: &str) -> Finished {
        let arguments = ["verify", "receipts", "--policy", "policy.txt", "--json", "--disclosure"];
        self.cli(&[&arguments[..], &[disclosures]].concat())
    }
}

/// Each opened value with the object and the path it belongs to.
fn opened(verified: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for entry in verified["entries"].as_array().expect("entries") {
        for field in entry["sealed"].as_array().expect("fields") {
            if let Some(value) = field.get("opened") {
                let text = |it: &Value| it.as_str().expect("a text").to_owned();
                all.push((text(&entry["object"]), text(&field["path"]), value.clone()));
            }
        }
    }
    all
}

#[test]
fn an_auditor_is_shown_what_was_sealed_and_can_check_it_without_the_log() {
    let mut submitted = Submitted::rows(120);
    assert_eq!(submitted.log.stop_server(), Some(0));
    let disclose = ["disclose", "receipts", "--for", "Court of Auditors", "--journal", "journal"];
    submitted.cli(&[&disclose[..], &["-o", "all"]].concat()).expect_success("disclose");
    let verified = submitted.verify("all").expect_success("verify").json();
    let all = opened(&verified);
    let sealed: usize = verified["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter(|it| it["submitter"] != "log")
        .map(|it| it["sealed"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(all.len(), sealed, "every field was opened");
    let personal = verified["entries"].as_array().expect("entries").iter().flat_map(|entry| {
        entry["sealed"].as_array().expect("fields").iter().filter(|it| it["why"] == "person")
    });
    assert!(personal.count() > 0, "the sample has rows about persons");

    // One field of one record, and nothing else of anybody.
    let (object, path, value) = all.last().expect("a value").clone();
    let one = ["--object", &object, "--path", &path, "-o", "one"];
    submitted.cli(&[&disclose[..], &one[..]].concat()).expect_success("disclose");
    let verified = submitted.verify("one").expect_success("verify").json();
    assert_eq!(opened(&verified), [(object.clone(), path, value)]);
    let words =
        submitted.cli(&["verify", "receipts", "--policy", "policy.txt", "--disclosure", "one"]);
    assert!(words.stdout.contains("opened for you"), "{}", words.stdout);

    // Said to be of another record, it fits none of its digests.
    let another = all.iter().find(|it| it.0 != object).expect("another record");
    let text = fs::read_to_string(submitted.log.path("one")).expect("the file");
    fs::write(submitted.log.path("moved"), text.replace(&object, &another.0)).expect("writing");
    let refused = submitted.verify("moved").expect_code(1, "it belongs to another record");
    assert_eq!(refused.json()["failed"]["link"], "disclosure");
}

#[test]
fn without_the_journal_there_is_nothing_to_disclose() {
    let submitted = Submitted::rows(3);
    let disclose = |journal: &str| {
        let arguments = ["disclose", "receipts", "--for", "x", "-o", "out", "--journal", journal];
        submitted.cli(&arguments)
    };
    disclose("none").expect_code(2, "there is no such journal");
    assert!(!submitted.log.path("none").exists(), "it made itself one");
    let header = format!("civiclog-journal 1 {} XX-LAE-WMC\n", submitted.log.origin());
    fs::write(submitted.log.path("empty"), header).expect("writing a journal");
    disclose("empty").expect_code(1, "it opens nothing");
    assert!(!submitted.log.path("out").exists());
}
