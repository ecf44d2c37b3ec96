//! Releases and bank files go into a running log and come out of it: made-up ones always, and the
//! real ones if they are there, with the sums that another program finds in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::process::{Finished, finish};
use e2e::{LogOptions, TestLog, programs};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tlog::Hash;

/// A log and a submitter who is let in with the command line, as a bank too.
struct Publisher {
    log: TestLog,
}

impl Publisher {
    fn registered() -> Self {
        let mut log = TestLog::create(LogOptions::default());
        log.start_witnesses();
        log.start_server();
        let publisher = Self { log };
        publisher.cli(&["keygen", "--out", "key.pem"]).expect_success("keygen");
        let pem = publisher.log.governance().to_pkcs8_pem().expect("a PEM");
        files::create_private_key(&publisher.path("gov.pem"), &pem).expect("writing a key");
        let mut arguments = vec!["governance", "draft", "submitter-add"];
        arguments.extend(["--origin", publisher.log.origin(), "--submitter", SUBMITTER]);
        arguments.extend(["--key", "key.jwk", "--occurred", "2026-01-01", "--out", "add.json"]);
        arguments.extend(["--profile", "spending/1", "--profile", "procurement/1"]);
        arguments.extend(["--role", "bank", "--body", SUBMITTER]);
        arguments.extend(BODIES.iter().flat_map(|body| ["--body", body]));
        publisher.cli(&arguments).expect_success("governance draft");
        for key in ["gov.pem", "key.pem"] {
            let arguments = ["governance", "sign", "add.json", "--key", key];
            publisher.cli(&arguments).expect_success("governance sign");
        }
        let post = ["post", "add.json", "--log", publisher.log.http().base()];
        publisher.cli(&post).expect_success("post");
        publisher
    }

    fn path(&self, name: &str) -> PathBuf {
        self.log.path(name)
    }

    fn cli(&self, arguments: &[&str]) -> Finished {
        let mut command = programs::command(programs::CLI);
        command.current_dir(self.path("")).arg("--state").arg(self.path("state")).args(arguments);
        finish(command)
    }

    /// Submits a file for a body; its receipts and lists go into the log's folder.
    fn submit(&self, file: &Path, body: &str, more: &[&str]) -> Finished {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let copy = self.path(name);
        if copy != file {
            fs::copy(file, &copy).expect("copying a file");
        }
        let mut arguments = vec!["submit", name, "--json", "--log", self.log.http().base()];
        arguments.extend(["--policy", "policy.txt", "--key", "key.pem", "--journal", "journal"]);
        arguments.extend(["--submitter", SUBMITTER, "--body", body]);
        arguments.extend(more);
        self.cli(&arguments)
    }

    fn size(&self) -> u64 {
        self.log.reader().checkpoint().head().size.get()
    }

    fn document(&self, sha256: &str) -> Vec<u8> {
        let log = self.log.http().base();
        let got = self.cli(&["document", "get", sha256, "--log", log, "-o", "document"]);
        got.expect_success("document get");
        fs::read(self.path("document")).expect("the document")
    }

    /// The record of an object as it stands.
    fn record(&self, object: &str) -> Value {
        let shown = self.cli(&["get", object, "--log", self.log.http().base()]);
        let shown = shown.expect_success("get").stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        shown["revisions"][0]["entry"]["record"].clone()
    }
}

fn report(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).expect("JSON")
}

#[test]
fn a_release_comes_out_of_the_log_byte_for_byte() {
    let publisher = Publisher::registered();
    let release = "{\"ocid\": \"ocds-213czf-1\", \"id\":\"1\",\"date\":\"2026-01-02T03:04:05Z\",\
                   \"tag\":[\"tender\"],\"initiationType\":\"tender\",\"odd\" : 1.50e1}";
    let file = publisher.path("lines.jsonl");
    fs::write(&file, format!("{release}\n{}\n", release.replace("\"1\"", "\"2\"")))
        .expect("a file");
    let rehearsed = publisher.submit(&file, SUBMITTER, &["--dry-run"]).expect_success("dry run");
    assert!(rehearsed.stderr.contains("--format ocds"), "{}", rehearsed.stderr);
    let sha256 = Hash::new(Sha256::digest(release).into()).to_hex();
    let path = format!("/v1/documents/{sha256}");
    publisher.log.http().get(&path).expect_status(404);

    let done = publisher.submit(&file, SUBMITTER, &[]).expect_success("submit");
    assert_eq!(report(&done)["new"], 2);
    let record = publisher.record(&format!("{SUBMITTER}/release/ocds-213czf-1/1"));
    assert_eq!(record["documents"][0]["sha256"], sha256.as_str());
    assert_eq!(publisher.document(&sha256), release.as_bytes());
    let size = publisher.size();
    let again = publisher.submit(&file, SUBMITTER, &[]).expect_success("submit again");
    assert_eq!((&report(&again)["unchanged"], publisher.size()), (&json!(2), size));
}

#[test]
fn orders_are_closed_by_their_message_and_name_nobody() {
    let publisher = Publisher::registered();
    let order = |number: u32| {
        format!(
            "<CdtTrfTxInf><PmtId><EndToEndId>E{number}</EndToEndId></PmtId>\
             <Amt><InstdAmt Ccy=\"EUR\">{number}.50</InstdAmt></Amt>\
             <Cdtr><Nm>Jane Roe</Nm></Cdtr>\
             <CdtrAcct><Id><IBAN>GB98567801234512345678</IBAN></Id></CdtrAcct></CdtTrfTxInf>"
        )
    };
    let orders: String = (1..=50).map(order).collect();
    let message = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09\"><CstmrCdtTrfInitn>\
         <GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-01-02T03:04:05Z</CreDtTm><NbOfTxs>50</NbOfTxs>\
         <CtrlSum>1300</CtrlSum></GrpHdr><PmtInf>{orders}</PmtInf></CstmrCdtTrfInitn></Document>"
    );
    let file = publisher.path("orders.xml");
    fs::write(&file, message).expect("a file");
    let done = report(&publisher.submit(&file, SUBMITTER, &[]).expect_success("submit"));
    assert_eq!((&done["new"], &done["totals"]["EUR"]["sum"]), (&json!(51), &json!("1300.00")));
    let close = publisher.record(&format!("{SUBMITTER}/order-file/M1"));
    assert_eq!(close["data"]["sums"], json!([{"currency": "EUR", "value": "1300.00"}]));

    // The journal has the name; nothing that the log keeps or tells has it.
    let told = |path: &Path| {
        let bytes = fs::read(path).expect("a file");
        bytes.windows(8).any(|window| window == b"Jane Roe")
    };
    let journal = fs::read_to_string(publisher.path("journal")).expect("the journal");
    assert!(journal.contains("kept"));
    let mut folders = vec![publisher.log.data_path()];
    while let Some(folder) = folders.pop() {
        for found in fs::read_dir(folder).expect("a folder") {
            let path = found.expect("a file").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert!(!told(&path), "{}", path.display());
            }
        }
    }
    let verify = ["verify", "orders.xml.receipts", "--policy", "policy.txt"];
    publisher.cli(&verify).expect_success("verify");
}

#[test]
fn every_real_release_and_message_goes_in_once_with_the_sums_of_another_program() {
    // Real data is not part of the project: the tests are built with the place where it is.
    let Some(data) = option_env!("CIVICLOG_TEST_DATA").map(Path::new) else {
        println!("skipped: CIVICLOG_TEST_DATA does not say where the real data is");
        return;
    };
    let files: Vec<PathBuf> =
        ["ocds", "iso20022"].iter().flat_map(|it| listed(&data.join(it))).collect();
    let Some(sums) = independent_sums(&files) else {
        println!("skipped: no python3 to add up the real data with");
        return;
    };
    let publisher = Publisher::registered();
    let mut messages = BODIES.iter().skip(2);
    let mut imported: Vec<(&PathBuf, &str)> = Vec::new();
    for file in &files {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        // Two publishers tell of the same process; and each message is number 1 of its own body.
        let body = match (file.extension().is_some_and(|it| it == "xml"), name) {
            (true, _) => messages.next().expect("a body for each message"),
            (false, name) if name.starts_with("change_history") => BODIES[0],
            (false, _) => BODIES[1],
        };
        let done = publisher.submit(file, body, &[]).expect_success(name);
        let (done, expected) = (report(&done), &sums[file.to_str().expect("UTF-8")]);
        assert_eq!(done["new"], expected["records"], "{name}");
        assert_eq!(sums_of(&done["totals"]), expected["totals"], "{name}");
        let stages: BTreeMap<&String, Value> = done["stages"]
            .as_object()
            .map(|stages| stages.iter().map(|(stage, of)| (stage, sums_of(of))).collect())
            .unwrap_or_default();
        assert_eq!(json!(stages), expected["stages"], "{name}");
        imported.push((file, body));
    }
    let size = publisher.size();
    for (file, body) in &imported {
        let again = report(&publisher.submit(file, body, &[]).expect_success("again"));
        assert_eq!(again["new"], 0, "{}", file.display());
    }
    assert_eq!(publisher.size(), size);
    // The sample has two tellings of four releases: the second is found out, not taken for the first.
    let retold = imported.iter().filter(|(file, body)| {
        let is_release = file.extension().is_some_and(|it| it == "json");
        is_release && *body == BODIES[0] && {
            let done = publisher.submit(file, BODIES[1], &["--dry-run"]);
            report(&done)["bad"] == 1
        }
    });
    assert_eq!(retold.count(), RETOLD);
}

/// The sums of a table of totals, by currency.
fn sums_of(totals: &Value) -> Value {
    let totals = totals.as_object().expect("totals by currency");
    totals.iter().map(|(currency, total)| (currency.clone(), total["sum"].clone())).collect()
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).expect("the real data");
    let mut files: Vec<PathBuf> = found.map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

/// What Python makes of the files; nothing if there is no Python.
fn independent_sums(files: &[PathBuf]) -> Option<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports/sums.py");
    let output = Command::new("python3").arg(script).args(files).output().ok()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

const SUBMITTER: &str = "XX-LAE-IMPORT";
const BODIES: [&str; 6] = [
    "XX-LAE-HISTORY",
    "XX-LAE-PROCESS",
    "XX-LAE-STATEMENTA",
    "XX-LAE-STATEMENTB",
    "XX-LAE-ORDERSA",
    "XX-LAE-ORDERSB",
];
/// Releases that both sets of files have under one id.
const RETOLD: usize = 4;
