use std::collections::BTreeMap;
use std::process::Command;

use records::{Algorithm, Entry, SigningKey};
use serde_json::Value;

use crate::exit::Exit;
use crate::fake_log::FakeLog;

const MAP: &str = r#"
submitter = "XX-LAE-WMC"
kind = "payment"
object = { column = "No" }
occurred = { column = "Date" }
amount = { column = "Amount", currency = "GBP" }
[sealed]
"payee.name" = { column = "Name" }
"#;
const OBSERVER: &str = "XX-NGO-WATCH";
const RUN: &str = "--map @map.toml --observer XX-NGO-WATCH --key @watch.pem --log LOG --out @out \
                   --policy @policy.txt";

/// A log that knows an observer, and an empty git repository.
fn watched() -> FakeLog {
    let log = FakeLog::start();
    let key = SigningKey::generate_from_seed(Algorithm::Ed25519, [21; 32]).unwrap();
    log.register(OBSERVER, &key);
    log.write_private("watch.pem", &key.to_pkcs8_pem().unwrap());
    log.write("map.toml", MAP);
    std::fs::create_dir_all(log.path("out")).unwrap();
    std::fs::create_dir_all(log.path("portal/2024")).unwrap();
    git(&log, &["init", "--quiet"]);
    log
}

fn git(log: &FakeLog, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(log.path("portal")).args(["-c", "user.name=p", "-c", "user.email=p@q"]);
    let output = command.args(arguments).output().expect("git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Publishes these rows as a file; none takes the file away.
fn publish(log: &FakeLog, name: &str, rows: &[(u32, &str)]) {
    let path = log.path("portal").join(name);
    if rows.is_empty() {
        return std::fs::remove_file(path).unwrap();
    }
    let lines = rows.iter().map(|(n, amount)| format!("T{n},2024-01-02,{amount},Ann {n}\n"));
    let csv: String = std::iter::once("No,Date,Amount,Name\n".to_owned()).chain(lines).collect();
    std::fs::write(path, csv).unwrap();
}

fn commit(log: &FakeLog) -> String {
    git(log, &["add", "--all"]);
    git(log, &["commit", "--quiet", "--allow-empty", "-m", "published"]);
    git(log, &["rev-parse", "HEAD"])
}

/// What the log's entries say, from this one on: operation, object, amount, reason.
fn said(log: &FakeLog, from: usize) -> Vec<String> {
    let entries = log.lock().entries().to_vec();
    let say = |bytes: &Vec<u8>| {
        let entry = Entry::parse(bytes).unwrap();
        let record = entry.record();
        assert_eq!(record.submitter(), OBSERVER);
        let object = record.object().strip_prefix("XX-NGO-WATCH/payment/observed/XX-LAE-WMC/");
        let amount = record.data().at("/amount/value").and_then(|it| it.as_text());
        let words = [record.op().as_str(), object.unwrap(), amount.unwrap_or("-")];
        [&words[..], &[record.why().unwrap_or("-")]].concat().join(" ")
    };
    entries[from..].iter().map(say).collect()
}

fn observe(log: &FakeLog, source: &str, more: &str) -> crate::fake_log::Run {
    log.civiclog(&format!("observe @{source} {RUN} {more}"))
}

/// The amounts that hold now, added up over the whole log.
fn current_pence(log: &FakeLog) -> i64 {
    let mut now: BTreeMap<String, i64> = BTreeMap::new();
    for bytes in log.lock().entries() {
        let entry = Entry::parse(bytes).unwrap();
        let record = entry.record();
        if record.profile() == "spending/1" {
            let amount = record.data().at("/amount/value").and_then(|it| it.as_text());
            let pence = amount.map_or(0, |it| it.replace('.', "").parse().unwrap());
            now.insert(record.object().to_owned(), pence);
        }
    }
    now.values().sum()
}

#[test]
fn a_history_is_logged_commit_by_commit_and_every_silent_change_shows() {
    let log = watched();
    let start = log.size();
    publish(&log, "2024/jan.csv", &[(1, "1.00"), (2, "2.00")]);
    std::fs::write(log.path("portal/README.md"), "not a table").unwrap();
    commit(&log);
    publish(&log, "2024/jan.csv", &[(1, "1.00"), (2, "2.50"), (3, "4.00")]);
    publish(&log, "feb.CSV", &[(9, "9.00")]);
    commit(&log);
    publish(&log, "2024/jan.csv", &[(1, "1.00"), (3, "4.00")]);
    commit(&log);
    publish(&log, "feb.CSV", &[]);
    publish(&log, "2024/jan.csv", &[(1, "1.00"), (2, "2.00"), (3, "4.00")]);
    commit(&log);
    observe(&log, "portal", "").expect(Exit::Done);
    assert_eq!(
        said(&log, start),
        [
            "add 2024/jan.csv/T1 1.00 -",
            "add 2024/jan.csv/T2 2.00 -",
            "correct 2024/jan.csv/T2 2.50 observed-change",
            "add 2024/jan.csv/T3 4.00 -",
            "add feb.CSV/T9 9.00 -",
            "void 2024/jan.csv/T2 - observed-change",
            "correct 2024/jan.csv/T2 2.00 observed-change",
            "void feb.CSV/T9 - observed-change",
        ]
    );
    assert_eq!(current_pence(&log), 700);
    let payer = log.lock().object("XX-NGO-WATCH/payment/observed/XX-LAE-WMC/2024/jan.csv/T1");
    let data = &payer.unwrap()["revisions"][0]["entry"]["record"]["data"];
    assert_eq!(data["payer"]["id"], "XX-LAE-WMC", "who paid is not who observed");

    // Nothing new: nothing is logged. One more commit: only that one.
    observe(&log, "portal", "").expect(Exit::Done);
    assert_eq!(log.size(), start + 8);
    publish(&log, "2024/jan.csv", &[(1, "1.00"), (2, "2.00"), (3, "5.00")]);
    commit(&log);
    observe(&log, "portal", "").expect(Exit::Done);
    assert_eq!(said(&log, start + 8), ["correct 2024/jan.csv/T3 5.00 observed-change"]);
    log.civiclog("verify @out/2024_jan.csv.receipts --policy @policy.txt").expect(Exit::Done);
}

#[test]
fn without_the_memory_of_how_far_it_went_nothing_is_logged_twice() {
    let log = watched();
    publish(&log, "jan.csv", &[(1, "1.00")]);
    commit(&log);
    publish(&log, "jan.csv", &[(1, "2.00")]);
    let last = commit(&log);
    observe(&log, "portal", "").expect(Exit::Done);
    let size = log.size();
    std::fs::remove_dir_all(log.path("state/civiclog")).unwrap();
    let refused = observe(&log, "portal", "").expect(Exit::Usage);
    assert!(refused.err.contains("--after"), "{}", refused.err);
    observe(&log, "portal", &format!("--after {last}")).expect(Exit::Done);
    assert_eq!(log.size(), size);
    let refused = observe(&log, "portal", "--after=--output=x");
    assert_eq!(refused.exit, Exit::Usage, "{}", refused.err);
}

#[test]
fn killed_within_a_commit_it_goes_on_there() {
    use crate::fake_log::Fault;
    for fault in [Fault::Cut, Fault::AppliedThenCut] {
        let log = watched();
        let start = log.size();
        publish(&log, "jan.csv", &[(1, "1.00")]);
        commit(&log);
        log.lock().faults.push_back(fault);
        observe(&log, "portal", "").expect(Exit::NotVerified);
        publish(&log, "jan.csv", &[(1, "2.00")]);
        commit(&log);
        observe(&log, "portal", "").expect(Exit::Done);
        assert_eq!(
            said(&log, start),
            ["add jan.csv/T1 1.00 -", "correct jan.csv/T1 2.00 observed-change"],
            "{fault:?}"
        );
    }
}

#[test]
fn files_and_folders_are_compared_with_what_was_seen_before() {
    let log = watched();
    let start = log.size();
    std::fs::remove_dir_all(log.path("portal/.git")).unwrap();
    publish(&log, "2024/jan.csv", &[(1, "1.00"), (2, "2.00")]);
    publish(&log, "feb.csv", &[(1, "7.00")]);
    let plan = observe(&log, "portal", "--dry-run").expect(Exit::Done);
    assert!(plan.out.contains("add 2, correct 0, void 0"), "{}", plan.out);
    assert_eq!(log.size(), start);
    observe(&log, "portal", "").expect(Exit::Done);
    assert_eq!(log.size(), start + 3);
    publish(&log, "feb.csv", &[(2, "8.00")]);
    // A file alone goes by its own name, as it did in its folder.
    let run = observe(&log, "portal/feb.csv", "--json").expect(Exit::Done);
    let report: Value = run.json();
    assert_eq!((&report["new"], &report["voided"]), (&1.into(), &1.into()));
    assert_eq!(
        said(&log, start + 3),
        ["add feb.csv/T2 8.00 -", "void feb.csv/T1 - observed-change"]
    );
}

#[test]
fn what_is_not_there_or_no_history_is_said() {
    let log = watched();
    observe(&log, "nowhere", "").expect(Exit::Usage);
    // A repository without a commit.
    let run = observe(&log, "portal", "").expect(Exit::Usage);
    assert!(run.err.contains("git in"), "{}", run.err);
}
