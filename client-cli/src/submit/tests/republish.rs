//! A file that was published again: rows changed, removed, added.

use import::Scratch;
use tlog::LeafIndex;
use tlog_client::{HttpSettings, LogClient, TreeView};

use super::persons::log_with_a_person;
use super::*;
use crate::submit::lookup::Lookup;
use crate::trust;

const AGAIN: &str = "--why cor-pub --complete 2023-10 --json";

/// What the log holds of an object now: the newest revision's operation and amount.
fn newest(log: &FakeLog, number: u32) -> (String, String) {
    let object = format!("XX-LAE-WMC/payment/T{number}");
    let inner = log.lock();
    let mut entries = inner.entries().iter().rev().map(|it| records::Entry::parse(it).unwrap());
    let newest = entries.find(|entry| entry.record().object() == object).unwrap();
    let amount = newest.record().data().at("/amount/value").and_then(|it| it.as_text());
    (newest.record().op().as_str().to_owned(), amount.unwrap_or_default().to_owned())
}

fn counts(report: &serde_json::Value) -> [u64; 5] {
    ["new", "corrected", "voided", "unchanged", "bad"].map(|name| report[name].as_u64().unwrap())
}

/// Rows 1 to 5 are in; the file then has another 2, no 3, no 4 and a 6.
fn republished() -> FakeLog {
    let log = log_with([(1, "1"), (2, "2.50"), (3, "-4"), (4, "8"), (5, "16")]);
    log.civiclog(RUN).expect(Exit::Done);
    write_rows(&log, [(1, "1"), (2, "3"), (5, "16"), (6, "32")]);
    log
}

#[test]
fn changes_become_corrections_and_are_reported_with_their_money() {
    for lost in [false, true] {
        let log = republished();
        if lost {
            lose_journal(&log);
        }
        let size = log.size();
        let plan = log.civiclog(&format!("{RUN} {AGAIN} --dry-run")).expect(Exit::Done).json();
        assert_eq!(counts(&plan), [1, 1, 2, 2, 0], "{plan}");
        assert_eq!(log.size(), size, "a rehearsal sends nothing");
        let done = log.civiclog(&format!("{RUN} {AGAIN}")).expect(Exit::Done).json();
        assert_eq!(counts(&done), [1, 1, 2, 2, 0], "{done}");
        let changes = &done["changes"]["GBP"];
        assert_eq!(changes, &plan["changes"]["GBP"]);
        assert_eq!(changes["added"]["sum"], "32.00");
        assert_eq!(changes["corrected_from"]["sum"], "2.50");
        assert_eq!(changes["corrected_to"]["sum"], "3.00");
        assert_eq!(changes["voided"], serde_json::json!({"rows": 2, "sum": "4.00"}));
        // What the file says is what the log's current state adds up to.
        assert_eq!(done["totals"]["GBP"]["sum"], "52.00");
        assert_eq!(newest(&log, 1), ("add".to_owned(), "1".to_owned()));
        assert_eq!(newest(&log, 2), ("correct".to_owned(), "3".to_owned()));
        assert_eq!(newest(&log, 3), ("void".to_owned(), String::new()));
        assert_eq!(log.size(), size + 4);
        log.civiclog("verify @rows.csv.receipts --policy @policy.txt").expect(Exit::Done);
        let table = log.read("rows.csv.receipts.csv");
        assert!(table.contains("\n,XX-LAE-WMC/payment/T3,"), "{table}");

        // And once more: nothing is left to do, with the journal and without it.
        for lost in [false, true] {
            if lost {
                lose_journal(&log);
            }
            let again = log.civiclog(&format!("{RUN} {AGAIN}")).expect(Exit::Done).json();
            assert_eq!(counts(&again), [0, 0, 0, 4, 0], "{again}");
            assert_eq!(log.size(), size + 4);
        }
    }
}

#[test]
fn what_vanished_and_came_back_is_corrected_and_every_state_is_kept() {
    let log = republished();
    log.civiclog(&format!("{RUN} {AGAIN}")).expect(Exit::Done);
    write_rows(&log, [(1, "1"), (2, "2.50"), (3, "-4"), (4, "8"), (5, "16"), (6, "32")]);
    let back = log.civiclog(&format!("{RUN} {AGAIN}")).expect(Exit::Done).json();
    assert_eq!(counts(&back), [0, 3, 0, 3, 0]);
    assert_eq!(newest(&log, 3), ("correct".to_owned(), "-4".to_owned()));
    let object = log.lock().object("XX-LAE-WMC/payment/T3").unwrap();
    let ops: Vec<&str> = object["revisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|revision| revision["entry"]["record"]["op"].as_str().unwrap())
        .collect();
    assert_eq!(ops, ["add", "void", "correct"]);
}

#[test]
fn without_a_reason_nothing_is_corrected_and_without_complete_nothing_is_voided() {
    let log = republished();
    let size = log.size();
    let run = log.civiclog(&format!("{RUN} --json")).expect(Exit::NotVerified);
    assert_eq!(counts(&run.json()), [1, 0, 0, 2, 1]);
    assert!(log.read("rows.csv.errors.csv").contains("give the reason with --why"));
    let run = log.civiclog(&format!("{RUN} --why cor-pub --json")).expect(Exit::Done);
    assert_eq!(counts(&run.json()), [0, 1, 0, 3, 0]);
    assert_eq!(log.size(), size + 2);
}

#[test]
fn rows_outside_the_period_and_of_others_are_never_voided() {
    let log = republished();
    let size = log.size();
    let run = log.civiclog(&format!("{RUN} --why cor-pub --complete 2023-11 --json"));
    assert_eq!(counts(&run.expect(Exit::Done).json()), [1, 1, 0, 2, 0]);
    assert_eq!(log.size(), size + 2);
    // Another submitter's complete file says nothing about these rows.
    let key =
        records::SigningKey::generate_from_seed(records::Algorithm::Ed25519, [4; 32]).unwrap();
    log.register("XX-LAE-NEW", &key);
    log.write_private("key.pem", &key.to_pkcs8_pem().unwrap());
    log.write("map.toml", MAP.replace("XX-LAE-WMC", "XX-LAE-NEW"));
    let run = log.civiclog(&format!("{RUN} {AGAIN}")).expect(Exit::Done);
    assert_eq!(counts(&run.json()), [4, 0, 0, 0, 0]);
}

#[test]
fn while_a_row_is_bad_nothing_is_voided() {
    let log = republished();
    write_rows(&log, [(1, "1"), (2, "3"), (3, "x"), (5, "16")]);
    let run = log.civiclog(&format!("{RUN} {AGAIN}")).expect(Exit::NotVerified);
    assert_eq!(counts(&run.json()), [0, 1, 0, 2, 2]);
    let errors = log.read("rows.csv.errors.csv");
    assert!(errors.contains("\n0,,,complete,"), "{errors}");
    assert_eq!(newest(&log, 4).0, "add");
}

#[test]
fn killed_at_any_request_a_republished_file_goes_in_once() {
    for fault in [Fault::Cut, Fault::AppliedThenCut] {
        for lost in [false, true] {
            let log = republished();
            let size = log.size();
            log.lock().faults.push_back(fault);
            log.civiclog(&format!("{RUN} {AGAIN}")).expect(Exit::NotVerified);
            if lost {
                lose_journal(&log);
            }
            log.civiclog(&format!("{RUN} {AGAIN}")).expect(Exit::Done);
            assert_eq!(log.size(), size + 4, "{fault:?}, journal lost: {lost}");
            let object = log.lock().object("XX-LAE-WMC/payment/T4").unwrap();
            assert_eq!(object["revisions"].as_array().unwrap().len(), 2);
        }
    }
}

#[test]
fn a_correction_builds_on_what_was_journalled_and_is_not_published_yet() {
    // The first run signed its row and was killed before, or after, it arrived.
    for fault in [Fault::Cut, Fault::AppliedThenCut] {
        let log = log_with([(1, "5")]);
        log.lock().faults.push_back(fault);
        log.civiclog(RUN).expect(Exit::NotVerified);
        log.lock().published = Some(2);
        write_rows(&log, [(1, "6")]);
        log.civiclog(&format!("{RUN} --why cor-pub --wait-seconds 0")).expect(Exit::Unreachable);
        log.lock().published = None;
        log.civiclog(RUN).expect(Exit::Done);
        assert_eq!(log.size(), 4, "{fault:?}");
        assert_eq!(newest(&log, 1), ("correct".to_owned(), "6".to_owned()));
    }
}

#[test]
fn a_correction_that_the_log_refused_can_be_made_again() {
    let log = log_with([(1, "5")]);
    log.civiclog(RUN).expect(Exit::Done);
    write_rows(&log, [(1, "6")]);
    // Another machine of the same submitter was faster, and its entry is not published yet.
    log.lock().published = Some(3);
    log.civiclog(&format!("{RUN} --why cor-pub --journal @other --wait-seconds 0"))
        .expect(Exit::Unreachable);
    log.civiclog(&format!("{RUN} --why dup --wait-seconds 0")).expect(Exit::Unreachable);
    log.lock().published = None;
    let report = log.civiclog(&format!("{RUN} --why dup --json")).expect(Exit::Done).json();
    assert_eq!(counts(&report), [0, 0, 0, 1, 0]);
    assert_eq!(log.size(), 4);
}

#[test]
fn a_row_with_values_that_only_the_journal_has_is_corrected_when_its_clear_part_changed() {
    let log = log_with_a_person();
    lose_journal(&log);
    let csv = log.read("rows.csv").replace(",6,PERSON", ",7,PERSON");
    log.write("rows.csv", csv);
    let run = log.civiclog(&format!("{RUN} {AGAIN}")).expect(Exit::Done);
    assert_eq!(counts(&run.json()), [0, 1, 0, 1, 0]);
    assert!(!run.out.contains("Ann"));
}

#[test]
fn a_large_log_is_asked_for_its_list_of_objects() {
    let log = republished();
    let folder = tempfile::tempdir().unwrap();
    let scratch = Scratch::in_folder(folder.path()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listed = runtime.block_on(async {
        let client = LogClient::new(&log.url, &HttpSettings::default()).unwrap();
        let policy = trust::read_policy(&log.path("policy.txt")).unwrap();
        let checkpoint = trust::checkpoint(&client, &policy).await.unwrap();
        let view = TreeView::new(client.clone(), checkpoint.head());
        let prefix = "XX-LAE-WMC/payment/";
        let mut lookup = Lookup::new(&client, &view, &scratch, 0);
        let (mut listed, mut pages) = (Vec::new(), Vec::new());
        loop {
            let after = listed.last().map(|(object, _): &(String, LeafIndex)| object.as_str());
            let page = lookup.list_below(prefix, after).await.unwrap();
            if page.is_empty() {
                break;
            }
            pages.push(page.len());
            listed.extend(page);
        }
        assert_eq!(lookup.below(prefix, None).await.unwrap(), listed);
        let last = listed.last().unwrap().0.as_str();
        assert_eq!(lookup.below(prefix, Some(last)).await.unwrap(), []);
        pages
    });
    // Five objects over pages of three.
    assert_eq!(listed, [3, 2]);
}

#[test]
fn reasons_and_periods_are_those_of_the_lists() {
    for (argument, expected) in [
        ("--why because", "cor-pub"),
        ("--why dup --complete 2023-13", "no period"),
        ("--complete 2023-10", "--why"),
    ] {
        let words = std::iter::once("civiclog").chain(RUN.split(' ')).chain(argument.split(' '));
        let refused = <crate::Cli as clap::Parser>::try_parse_from(words).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}
