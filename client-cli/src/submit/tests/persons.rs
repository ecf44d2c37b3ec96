//! Rows about persons: their values are nowhere but in the journal, and nothing leads to their row.

use super::*;

const PERSONAL: &str = r#"
[person]
column = "Ref"
values = ["PERSON"]
"#;

fn secret_of(log: &FakeLog) -> std::path::PathBuf {
    journal_of(log).with_extension("journal.secret")
}

/// A log with one row about a company and one about a person, both in.
pub(super) fn log_with_a_person() -> FakeLog {
    let log = log_with([(1, "5"), (2, "6")]);
    log.write("map.toml", format!("{MAP}{PERSONAL}"));
    let csv = log.read("rows.csv").replace(",7,Ann 2", ",PERSON,Ann 2");
    log.write("rows.csv", csv);
    log.civiclog(RUN).expect(Exit::Done);
    assert_eq!(log.size(), 4);
    log
}

#[test]
fn personal_values_need_the_journal_and_other_rows_do_not() {
    let log = log_with_a_person();
    let report = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done).json();
    assert_eq!(report["unchanged"], 2);
    for _ in 0..2 {
        lose_journal(&log);
        let run = log.civiclog(&format!("{RUN} --json")).expect(Exit::NotVerified);
        let report = run.json();
        assert_eq!(
            (&report["new"], &report["unchanged"], &report["bad"]),
            (&0.into(), &1.into(), &1.into())
        );
        let errors = log.read("rows.csv.errors.csv");
        assert!(errors.contains("3,/record/data/native"), "{errors}");
        assert!(errors.contains("sealed as personal data: only the journal of"), "{errors}");
        assert!(!errors.contains("Ann") && !errors.contains("PERSON"), "{errors}");
        assert_eq!(log.size(), 4);
    }
}

#[test]
fn personal_values_that_are_not_published_yet_are_not_submitted_twice() {
    let log = log_with_a_person();
    lose_journal(&log);
    log.lock().published = Some(3);
    log.civiclog(&format!("{RUN} --wait-seconds 0")).expect(Exit::Unreachable);
    log.lock().published = None;
    log.civiclog(RUN).expect(Exit::NotVerified);
    let errors = log.read("rows.csv.errors.csv");
    assert!(errors.contains("sealed as personal data"), "{errors}");
    assert_eq!(log.size(), 4);
}

#[test]
fn a_personal_row_with_another_amount_changed_whoever_shows_its_name() {
    let log = log_with_a_person();
    lose_journal(&log);
    let csv = log.read("rows.csv").replace(",6,PERSON", ",7,PERSON");
    log.write("rows.csv", csv);
    log.civiclog(RUN).expect(Exit::NotVerified);
    assert!(log.read("rows.csv.errors.csv").contains("3,/record/data,,changed,"));
    assert_eq!(log.size(), 4);
}

#[test]
fn nothing_in_an_entry_leads_to_the_row_of_a_person() {
    let log = log_with((4_711_001..=4_711_006).map(|number| (number, "1")));
    log.write("map.toml", format!("{MAP}{PERSONAL}"));
    let csv = log.read("rows.csv");
    let is_person = |line: &str| ["002", "003", "005"].iter().any(|it| line.ends_with(it));
    let lines = csv.lines().map(|line| {
        let ours = if is_person(line) { ",PERSON," } else { ",7," };
        line.replace(",7,", ours) + "\n"
    });
    log.write("rows.csv", lines.collect::<String>());
    log.civiclog(RUN).expect(Exit::Done);
    let posted: Vec<String> = log
        .lock()
        .entries()
        .iter()
        .skip(2)
        .map(|entry| String::from_utf8(entry.clone()).unwrap())
        .collect();
    assert_eq!(posted.len(), 6);
    // Sent behind the others, in the order of ids that follow no row.
    let objects: Vec<String> = posted
        .iter()
        .map(|entry| records::Entry::parse(entry.as_bytes()).unwrap().record().object().to_owned())
        .collect();
    let clear =
        ["T4711001", "T4711004", "T4711006"].map(|number| format!("XX-LAE-WMC/payment/{number}"));
    assert_eq!(objects[..3], clear);
    assert!(objects[3..].is_sorted(), "{objects:?}");
    for entry in &posted[3..] {
        assert!(entry.contains("/payment/~~") && !entry.contains("\"row\""), "{entry}");
        for secret in ["4711002", "4711003", "4711005", "PERSON", "Ann "] {
            assert!(!entry.contains(secret), "{secret} in {entry}");
        }
    }
    // The submitter's own table still says which row is which, in the order of the file.
    let table = log.read("rows.csv.receipts.csv");
    let rows: Vec<&str> = table.lines().skip(1).map(|it| it.split(',').next().unwrap()).collect();
    assert_eq!(rows, ["2", "3", "4", "5", "6", "7"]);
    log.civiclog("verify @rows.csv.receipts --policy @policy.txt").expect(Exit::Done);
}

#[test]
fn a_lost_secret_is_never_replaced_by_another() {
    let log = log_with_a_person();
    let secret = std::fs::read(secret_of(&log)).unwrap();
    std::fs::remove_file(secret_of(&log)).unwrap();
    for dry in ["", "--dry-run"] {
        let refused = log.civiclog(&format!("{RUN} {dry}")).expect(Exit::Usage);
        assert!(refused.err.contains("the journal has rows about persons"), "{}", refused.err);
        assert!(refused.err.contains("journal.secret back from a backup"), "{}", refused.err);
    }
    // With the journal gone too, the log tells.
    let journal = std::fs::read(journal_of(&log)).unwrap();
    lose_journal(&log);
    let refused = log.civiclog(RUN).expect(Exit::Usage);
    assert!(refused.err.contains("the log has rows about persons"), "{}", refused.err);
    assert!(!secret_of(&log).exists());
    assert_eq!(log.size(), 4);
    // Put back, everything is recognised; a map without persons never needed it.
    std::fs::write(journal_of(&log), journal).unwrap();
    log.write("map.toml", MAP);
    write_rows(&log, [(1, "5")]);
    log.civiclog(RUN).expect(Exit::Done);
    log.write_private(
        secret_of(&log).strip_prefix(log.path("")).unwrap().to_str().unwrap(),
        std::str::from_utf8(&secret).unwrap(),
    );
    log.write("map.toml", format!("{MAP}{PERSONAL}"));
    write_rows(&log, [(1, "5"), (2, "6")]);
    let csv = log.read("rows.csv").replace(",7,Ann 2", ",PERSON,Ann 2");
    log.write("rows.csv", csv);
    let report = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done).json();
    assert_eq!((&report["new"], &report["unchanged"]), (&0.into(), &2.into()));
    assert_eq!(log.size(), 4);
}
