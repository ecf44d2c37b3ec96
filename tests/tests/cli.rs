//! A CSV goes in, receipts come out, they verify offline, tampering shows; killed and run again,
//! with its journal and without, the command adds nothing and returns the same receipts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::process::{Finished, Process, finish};
use e2e::random::Random;
use e2e::{LogOptions, TestLog, programs, wait};
use tlog::TlogProof;

/// A log, and a treasury whose key and registration were made with the command line alone.
struct Treasury {
    log: TestLog,
}

impl Treasury {
    fn registered(id: &str) -> Self {
        Self::registered_with(id, LogOptions::default())
    }

    fn registered_with(id: &str, options: LogOptions) -> Self {
        let mut log = TestLog::create(options);
        log.start_witnesses();
        log.start_server();
        let treasury = Self { log };
        treasury.cli(&["keygen", "--out", "treasury.pem"]).expect_success("keygen");
        let pem = treasury.log.governance().to_pkcs8_pem().expect("a PEM");
        files::create_private_key(&treasury.path("gov.pem"), &pem).expect("writing a key");
        treasury
            .cli(&[
                "governance",
                "draft",
                "submitter-add",
                "--origin",
                treasury.log.origin(),
                "--submitter",
                id,
                "--body",
                id,
                "--profile",
                "spending/1",
                "--profile",
                "contract/1",
                "--key",
                "treasury.jwk",
                "--name",
                "A county",
                "--occurred",
                "2026-01-01",
                "--out",
                "add.json",
            ])
            .expect_success("governance draft");
        for key in ["gov.pem", "treasury.pem"] {
            treasury
                .cli(&["governance", "sign", "add.json", "--key", key])
                .expect_success("governance sign");
        }
        treasury.online(&["post", "add.json"]).expect_success("post");
        treasury
    }

    fn path(&self, name: &str) -> PathBuf {
        self.log.path(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = programs::command(programs::CLI);
        command.current_dir(self.path("")).arg("--state").arg(self.path("state")).args(arguments);
        command
    }

    /// Runs the command line without telling it where the log is.
    fn cli(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments))
    }

    /// Runs the command line against the log.
    fn online(&self, arguments: &[&str]) -> Finished {
        finish(self.online_command(arguments))
    }

    fn online_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.args(["--log", self.log.http().base()]);
        command
    }

    fn submit_command(&self, csv: &Path, map: &Path, receipts: &str) -> Command {
        let mut command = self.command(&["submit"]);
        command.arg(csv).arg("--map").arg(map);
        command.args(["--log", self.log.http().base(), "--policy", "policy.txt"]);
        command.args(["--key", "treasury.pem", "--journal", "journal"]);
        command.args(["--receipts", receipts, "--errors", "errors.csv"]);
        command
    }

    fn submit(&self, csv: &Path, map: &Path, receipts: &str) -> Finished {
        finish(self.submit_command(csv, map, receipts))
    }

    fn verify(&self, file: &str) -> Finished {
        self.cli(&["verify", file, "--policy", "policy.txt"])
    }

    fn size(&self) -> u64 {
        self.log.reader().checkpoint().head().size.get()
    }

    /// Which entry each row got, as the table beside the receipts says.
    fn table(&self, receipts: &str) -> String {
        fs::read_to_string(self.path(&format!("{receipts}.csv"))).expect("the table of receipts")
    }
}

fn sample(name: &str) -> PathBuf {
    programs::repository().join("deploy/sample").join(name)
}

fn map(name: &str) -> PathBuf {
    programs::repository().join("deploy/maps").join(name)
}

/// The first rows of a CSV whose fields hold no line feeds.
fn first_rows(treasury: &Treasury, csv: &Path, rows: usize) -> PathBuf {
    let text = fs::read_to_string(csv).expect("reading a sample");
    let short: Vec<&str> = text.lines().take(rows + 1).collect();
    let path = treasury.path("rows.csv");
    fs::write(&path, short.join("\n") + "\n").expect("writing rows");
    path
}

/// Rows whose payee is no natural person: what is sealed of the others is shown to nobody, so
/// without the journal nobody can tell whether such a row is unchanged.
fn first_rows_without_persons(treasury: &Treasury, csv: &Path, rows: usize) -> PathBuf {
    let text = fs::read_to_string(csv).expect("reading a sample");
    let is_person = |line: &&str| PERSONS.iter().any(|it| line.contains(it));
    let short: Vec<&str> = text.lines().filter(|it| !is_person(it)).take(rows + 1).collect();
    assert_eq!(short.len(), rows + 1, "the sample has enough of them");
    let path = treasury.path("rows.csv");
    fs::write(&path, short.join("\n") + "\n").expect("writing rows");
    path
}

/// How the sample marks natural persons.
const PERSONS: [&str; 2] = [",INDV,", ",SOLE,"];

#[test]
fn rows_go_in_and_their_receipts_verify_offline() {
    let mut treasury = Treasury::registered(SAMPLE_SUBMITTER);
    let csv = first_rows(&treasury, &sample("payments.csv"), 50);
    let map = map("sample-payments.toml");
    let before = treasury.size();
    treasury.submit(&csv, &map, "receipts").expect_success("submit");
    assert_eq!(treasury.size(), before + 50);
    let policy = treasury.log.policy();
    let receipts = fs::read(treasury.path("receipts")).expect("the receipts");
    let proofs = TlogProof::parse_many(&receipts).expect("a receipt file");
    for proof in &proofs {
        tlog::verify(proof, None, &policy).expect("each proof in it verifies");
    }
    // Fifty rows, the registration of the key, the first entry.
    assert_eq!(proofs.len(), 52);
    treasury.online(&["prove", "3", "-o", "one.receipt"]).expect_success("prove");
    treasury.online(&["get", "3"]).expect_success("get");
    treasury.online(&["log"]).expect_success("log");
    let consistency = ["consistency", "--policy", "policy.txt"];
    treasury.online(&consistency).expect_success("consistency, the first time");
    let contracts = (sample("contracts.csv"), self::map("sample-contracts.toml"));
    treasury.submit(&contracts.0, &contracts.1, "contracts").expect_success("contracts");
    treasury.online(&consistency).expect_success("consistency, after growth");

    // From here on there is no log.
    let base = treasury.log.http().base().to_owned();
    assert_eq!(treasury.log.stop_server(), Some(0));
    treasury.verify("receipts").expect_success("verify, offline");
    let words = treasury.verify("one.receipt").expect_success("verify, offline").stdout;
    let named = ["w1", "w2", "w3", "w4"].iter().filter(|it| words.contains(**it)).count();
    assert!(named >= 3, "it names the witnesses: {words}");
    let unreachable = treasury.cli(&["get", "3", "--log", &base]);
    assert_eq!(unreachable.code, Some(3), "{}", unreachable.stderr);
}

#[test]
fn whatever_is_changed_in_a_receipt_is_refused() {
    let treasury = Treasury::registered(SAMPLE_SUBMITTER);
    let csv = first_rows(&treasury, &sample("payments.csv"), 5);
    treasury.submit(&csv, &map("sample-payments.toml"), "receipts").expect_success("submit");
    treasury.online(&["prove", "4", "-o", "one.receipt"]).expect_success("prove");
    let receipt = fs::read_to_string(treasury.path("one.receipt")).expect("the receipt");
    let mut random = Random::announced("tamper");
    let mut refused_by_verdict = 0;
    for _ in 0..40 {
        let mut changed = receipt.clone().into_bytes();
        let at = usize::try_from(random.below(changed.len() as u64)).expect("a position");
        if matches!(changed[at], b'\n' | b' ') {
            continue;
        }
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        fs::write(treasury.path("changed"), &changed).expect("writing");
        let verdict = treasury.verify("changed");
        if is_harmless(&receipt, &changed, &treasury.log.policy()) {
            continue;
        }
        assert!(
            matches!(verdict.code, Some(1 | 2)),
            "byte {at} was changed, and: {} {}",
            verdict.stdout,
            verdict.stderr
        );
        refused_by_verdict += usize::from(verdict.code == Some(1));
    }
    assert!(refused_by_verdict > 0);

    // A witness policy that these witnesses do not satisfy, a file that is none, a wrong argument.
    let policy = fs::read_to_string(treasury.log.policy_path()).expect("the policy");
    let strangers = TestLog::create(LogOptions::default());
    let mut others = fs::read_to_string(strangers.policy_path()).expect("a policy");
    others = others.replace(&strangers.vkeys()[0], &treasury.log.vkeys()[0]);
    fs::write(treasury.path("others.txt"), others).expect("writing");
    let verdict = treasury.cli(&["verify", "one.receipt", "--policy", "others.txt"]);
    verdict.expect_code(1, "nobody of the other policy's witnesses cosigned");
    fs::write(treasury.path("policy2.txt"), policy.replace("quorum", "quorun")).expect("writing");
    let verdict = treasury.cli(&["verify", "one.receipt", "--policy", "policy2.txt"]);
    verdict.expect_code(2, "the policy cannot be used");
    treasury.cli(&["verify", "none", "--policy", "policy.txt"]).expect_code(2, "no such file");
    treasury.cli(&["verify"]).expect_code(2, "no file named");
}

/// A cosignature more than the quorum needs may be lost without harm.
fn is_harmless(receipt: &str, changed: &[u8], policy: &tlog::Policy) -> bool {
    let before = TlogProof::parse_many(receipt.as_bytes()).expect("the receipt");
    TlogProof::parse_many(changed).is_ok_and(|after| {
        after.len() == before.len()
            && before.iter().zip(&after).all(|(before, after)| {
                tlog::verify(after, None, policy).is_ok_and(|it| {
                    before.extra.as_deref() == Some(it.entry()) && before.index == it.index()
                })
            })
    })
}

#[test]
fn a_second_run_adds_nothing_with_the_journal_and_without() {
    let treasury = Treasury::registered(SAMPLE_SUBMITTER);
    let csv = first_rows_without_persons(&treasury, &sample("payments.csv"), 200);
    run_thrice(&treasury, &csv, &map("sample-payments.toml"), 200);
}

#[test]
fn rows_about_persons_need_the_journal_and_are_never_guessed() {
    let treasury = Treasury::registered(SAMPLE_SUBMITTER);
    let map = map("sample-payments.toml");
    let csv = first_rows(&treasury, &sample("payments.csv"), 200);
    let text = fs::read_to_string(&csv).expect("reading the rows");
    let persons = text.lines().filter(|line| PERSONS.iter().any(|it| line.contains(it))).count();
    assert!(persons > 0, "the sample has rows about persons");
    treasury.submit(&csv, &map, "first").expect_success("submit");
    let size = treasury.size();
    treasury.submit(&csv, &map, "second").expect_success("submit again, with the journal");
    fs::remove_file(treasury.path("journal")).expect("losing the journal");
    treasury.submit(&csv, &map, "third").expect_code(1, "without the journal");
    assert_eq!(treasury.size(), size, "nothing was added");
    let errors = fs::read_to_string(treasury.path("errors.csv")).expect("the error rows");
    assert_eq!(errors.lines().count(), persons + 1, "a row for each, and the header: {errors}");
}

fn run_thrice(treasury: &Treasury, csv: &Path, map: &Path, rows: u64) {
    let before = treasury.size();
    treasury.submit(csv, map, "first").expect_success("submit");
    assert_eq!(treasury.size(), before + rows);
    let table = treasury.table("first");
    treasury.submit(csv, map, "second").expect_success("submit again");
    assert_eq!(treasury.table("second"), table, "the same receipts");
    fs::remove_file(treasury.path("journal")).expect("losing the journal");
    treasury.submit(csv, map, "third").expect_success("submit without the journal");
    assert_eq!(treasury.table("third"), table, "the same receipts");
    assert_eq!(treasury.size(), before + rows, "nothing was added");
    treasury.verify("third").expect_success("verify");
}

#[test]
fn a_client_that_is_killed_again_and_again_gets_all_rows_in_once() {
    let treasury = Treasury::registered(SAMPLE_SUBMITTER);
    let csv = first_rows_without_persons(&treasury, &sample("payments.csv"), 600);
    let map = map("sample-payments.toml");
    let before = treasury.size();
    let mut random = Random::announced("client kill");
    for _ in 0..12 {
        let command = treasury.submit_command(&csv, &map, "receipts");
        let mut client = Process::start_quietly(command, "civiclog", &treasury.path("cli.log"));
        wait::pause_ms(random.below(250));
        client.kill();
        if random.below(4) == 0 {
            // Lost with the machine it was on; it may not exist yet.
            let _ = fs::remove_file(treasury.path("journal"));
        }
    }
    treasury.submit(&csv, &map, "receipts").expect_success("submit, left in peace");
    treasury.verify("receipts").expect_success("verify");
    assert_eq!(treasury.size(), before + 600, "every row is in, and none twice");
}

#[test]
fn without_the_witness_quorum_there_are_no_receipts_until_it_is_back() {
    let limits = "wait_published_ms = 300\n".to_owned();
    let options = LogOptions { limits, ..LogOptions::default() };
    let mut treasury = Treasury::registered_with(SAMPLE_SUBMITTER, options);
    let csv = first_rows(&treasury, &sample("payments.csv"), 20);
    let map = map("sample-payments.toml");
    let before = treasury.size();
    treasury.log.witnesses[0].kill();
    treasury.log.witnesses[1].kill();
    let mut command = treasury.submit_command(&csv, &map, "receipts");
    command.args(["--wait-seconds", "1"]);
    finish(command).expect_code(3, "the rows are in, and nothing proves it yet");
    assert!(!treasury.path("receipts").exists(), "receipts without a proof");
    assert_eq!(treasury.size(), before);
    treasury.log.start_witnesses();
    treasury.submit(&csv, &map, "receipts").expect_success("the same command again");
    assert_eq!(treasury.size(), before + 20);
    treasury.verify("receipts").expect_success("verify");
}

#[test]
fn bad_rows_are_reported_and_the_others_go_in() {
    let treasury = Treasury::registered(SAMPLE_SUBMITTER);
    let csv = first_rows(&treasury, &sample("payments.csv"), 20);
    let text = fs::read_to_string(&csv).expect("rows");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // A day that does not exist, in the third row.
    lines[3] = lines[3].replacen("/04/2025", "/13/2025", 1);
    fs::write(&csv, lines.join("\n")).expect("writing rows");
    let before = treasury.size();
    let map = map("sample-payments.toml");
    treasury.submit(&csv, &map, "receipts").expect_code(1, "some rows did not go in");
    assert_eq!(treasury.size(), before + 19);
    let errors = fs::read_to_string(treasury.path("errors.csv")).expect("the errors");
    assert_eq!(errors.lines().count(), 2, "{errors}");
    assert!(errors.lines().nth(1).is_some_and(|it| it.starts_with("4,")), "{errors}");

    fs::write(&csv, text).expect("writing rows");
    treasury.submit(&csv, &map, "receipts").expect_success("the corrected file");
    assert_eq!(treasury.size(), before + 20);
}

#[test]
fn a_republished_file_is_corrected_and_the_log_shows_both_states() {
    let treasury = Treasury::registered(SAMPLE_SUBMITTER);
    let csv = first_rows_without_persons(&treasury, &sample("payments.csv"), 30);
    let map = map("sample-payments.toml");
    treasury.submit(&csv, &map, "first").expect_success("submit");
    let text = fs::read_to_string(&csv).expect("rows");
    let mut lines: Vec<&str> = text.lines().collect();
    // The last row is gone, the first is dated otherwise.
    let gone = lines.pop().expect("a row");
    let moved = lines[1].replacen("/04/2025", "/05/2025", 1);
    assert_ne!(moved, lines[1], "the sample's first row is of April 2025");
    lines[1] = &moved;
    fs::write(&csv, lines.join("\n") + "\n").expect("writing rows");
    let before = treasury.size();
    let republish = |receipts: &str, more: &[&str]| {
        let mut command = treasury.submit_command(&csv, &map, receipts);
        command.args(["--why", "cor-pub", "--complete", "2025..2026", "--json"]).args(more);
        finish(command)
    };
    let plan = republish("second", &["--dry-run"]).expect_success("the plan").stdout;
    assert_eq!(treasury.size(), before, "a rehearsal sends nothing");
    let done = republish("second", &[]).expect_success("submit").stdout;
    for report in [&plan, &done] {
        let report: serde_json::Value = serde_json::from_str(report).expect("a report");
        let counts = ["new", "corrected", "voided", "unchanged"].map(|name| report[name].as_u64());
        assert_eq!(counts, [Some(0), Some(1), Some(1), Some(28)], "{report}");
    }
    assert_eq!(treasury.size(), before + 2);
    treasury.verify("second").expect_success("verify");

    let number = gone.split(',').nth(3).expect("a number");
    let object = format!("{SAMPLE_SUBMITTER}/payment/{number}");
    let shown = treasury.online(&["get", &object]).expect_success("get");
    assert!(shown.stderr.contains("taken back, nothing of it holds"), "{}", shown.stderr);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert!(shown["current"].is_null());
    let last = &shown["revisions"][1];
    assert_eq!((&last["op"], &last["why"]), (&"void".into(), &"cor-pub".into()));
    assert_eq!((&last["by"], &last["of"]), (&SAMPLE_SUBMITTER.into(), &0.into()));
    assert_eq!(last["when"], last["entry"]["admitted"]);
}

#[test]
fn a_month_of_a_real_county_goes_in_once() {
    // Real data is not part of the project: the tests are built with the place where it is.
    let Some(data) = option_env!("CIVICLOG_TEST_DATA") else {
        println!("skipped: CIVICLOG_TEST_DATA does not say where the real data is");
        return;
    };
    let csv = Path::new(data).join("devon-county-council/DCCSpendingOver500_202401.csv");
    let treasury = Treasury::registered("GB-LAE-DEV");
    run_thrice(&treasury, &csv, &map("devon.toml"), 11_963);
}

const SAMPLE_SUBMITTER: &str = "XX-LAE-WMC";
