//! The command against a whole log in memory.

mod iso20022;
mod ocds;
mod persons;
mod republish;

use std::collections::BTreeSet;

use crate::exit::Exit;
use crate::fake_log::{FakeLog, Fault};

const MAP: &str = r#"
submitter = "XX-LAE-WMC"
kind = "payment"
object = { column = "No" }
occurred = { column = "Date" }
amount = { column = "Amount", currency = "GBP" }
[clear]
"payee.id" = { column = "Ref", prefix = "XX-LOCAL-" }
[sealed]
"payee.name" = { column = "Name" }
"#;

const RUN: &str = "submit @rows.csv --map @map.toml --key @key.pem --log LOG --policy @policy.txt";

fn log_with(rows: impl IntoIterator<Item = (u32, &'static str)>) -> FakeLog {
    let log = FakeLog::start();
    log.write("map.toml", MAP);
    write_rows(&log, rows);
    log
}

fn write_rows(log: &FakeLog, rows: impl IntoIterator<Item = (u32, &'static str)>) {
    let lines = rows
        .into_iter()
        .map(|(number, amount)| format!("T{number},2023-10-02 00:00:00,{amount},7,Ann {number}\n"));
    let csv: String =
        std::iter::once("No,Date,Amount,Ref,Name\n".to_owned()).chain(lines).collect();
    log.write("rows.csv", csv);
}

fn rows(count: u32) -> impl Iterator<Item = (u32, &'static str)> {
    (0..count).map(|number| (number, "12.50"))
}

fn lose_journal(log: &FakeLog) {
    std::fs::remove_file(journal_of(log)).unwrap();
}

/// The one journal in the state folder.
fn journal_of(log: &FakeLog) -> std::path::PathBuf {
    let journals = log.path("state/civiclog/journals");
    let of_log = std::fs::read_dir(journals).unwrap().next().unwrap().unwrap().path();
    of_log.join("XX-LAE-WMC.journal")
}

#[test]
fn rows_become_receipts_that_verify() {
    let log = log_with(rows(300));
    let run = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done);
    let report = run.json();
    assert_eq!(
        (&report["rows"], &report["new"], &report["bad"]),
        (&300.into(), &300.into(), &0.into())
    );
    assert_eq!(report["totals"]["GBP"]["sum"], "3750.00");
    assert_eq!(log.size(), 302);
    let verified = log.civiclog("verify @rows.csv.receipts --policy @policy.txt --json");
    let verified = verified.expect(Exit::Done).json();
    // The rows in row order, then the submitter's registration, then the genesis.
    let entries = verified["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 302);
    assert_eq!(entries[7]["object"], "XX-LAE-WMC/payment/T7");
    assert_eq!(entries[7]["signatures"][0]["registered_at"], 1);
    assert_eq!((&entries[300]["index"], &entries[301]["index"]), (&1.into(), &0.into()));
    let table = log.read("rows.csv.receipts.csv");
    assert_eq!(table.lines().count(), 301);
    assert!(table.starts_with("row,object,index,leaf_hash\n2,XX-LAE-WMC/payment/T0,2,"));
}

#[test]
fn receipts_that_one_file_does_not_hold_go_into_several_each_complete() {
    let log = log_with(rows(900));
    let report = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done).json();
    let more = report["receipts_more"].as_array().unwrap();
    assert_eq!(more.len(), 2);
    for (part, rows) in [("", 400), (".2", 400), (".3", 100)] {
        let path = format!("rows.csv.receipts{part}");
        assert!(part.is_empty() || more.iter().any(|it| it.as_str().unwrap().ends_with(&path)));
        let verified = log.civiclog(&format!("verify @{path} --policy @policy.txt --json"));
        let verified = verified.expect(Exit::Done).json();
        assert_eq!(verified["entries"].as_array().unwrap().len(), rows + 2, "{path}");
    }
    let table = log.read("rows.csv.receipts.csv");
    assert_eq!(table.lines().count(), 901);
    assert!(table.lines().last().unwrap().starts_with("901,XX-LAE-WMC/payment/T899,901,"));
}

#[test]
fn nothing_goes_in_of_a_file_that_cannot_be_read_to_its_end() {
    let log = log_with(rows(300));
    let mut csv = log.read("rows.csv").into_bytes();
    csv.extend_from_slice(b"T300,2023-10-02 00:00:00,1,7,\"");
    csv.resize(csv.len() + 65 * 1024 * 1024, b'x');
    log.write("rows.csv", csv);
    let refused = log.civiclog(RUN).expect(Exit::Usage);
    assert!(refused.err.contains("line 302 does not end"), "{}", refused.err);
    assert_eq!(log.size(), 2);
}

#[test]
fn errors_of_many_requests_are_one_list_in_the_order_of_the_file() {
    let log = log_with((0..350).map(|number| (number, if number % 50 == 7 { "x" } else { "1" })));
    let report = log.civiclog(&format!("{RUN} --json")).expect(Exit::NotVerified).json();
    assert_eq!(
        (&report["rows"], &report["bad"], &report["new"]),
        (&350.into(), &7.into(), &343.into())
    );
    let errors = log.read("rows.csv.errors.csv");
    let lines: Vec<&str> =
        errors.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(lines, ["9", "59", "109", "159", "209", "259", "309"]);
    assert_eq!(report["first_errors"].as_array().unwrap().len(), 5);
}

#[test]
fn a_second_run_adds_nothing_and_gives_the_same_table_with_and_without_the_journal() {
    let log = log_with(rows(40));
    log.civiclog(RUN).expect(Exit::Done);
    let table = log.read("rows.csv.receipts.csv");
    for lost in [false, true, false] {
        if lost {
            lose_journal(&log);
        }
        std::fs::remove_file(log.path("rows.csv.receipts.csv")).unwrap();
        let report = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done).json();
        assert_eq!((&report["new"], &report["unchanged"]), (&0.into(), &40.into()));
        assert_eq!(log.read("rows.csv.receipts.csv"), table);
        assert_eq!(log.size(), 42);
    }
}

#[test]
fn killed_at_any_request_nothing_is_submitted_twice() {
    for fault in [Fault::Cut, Fault::AppliedThenCut] {
        let log = log_with(rows(10));
        log.lock().faults.push_back(fault);
        log.civiclog(RUN).expect(Exit::NotVerified);
        let report = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done).json();
        assert_eq!(report["accepted"], 10);
        assert_eq!(log.size(), 12, "{fault:?}");
    }
}

#[test]
fn killed_with_the_journal_lost_nothing_is_submitted_twice() {
    let log = log_with(rows(10));
    log.lock().faults.push_back(Fault::AppliedThenCut);
    log.civiclog(RUN).expect(Exit::NotVerified);
    lose_journal(&log);
    log.civiclog(RUN).expect(Exit::Done);
    assert_eq!(log.size(), 12);
}

#[test]
fn rows_that_are_durable_but_not_published_are_recognised_by_their_conflict() {
    let log = log_with(rows(5));
    log.lock().published = Some(2);
    log.lock().faults.push_back(Fault::Committed);
    let waiting = log.civiclog(&format!("{RUN} --wait-seconds 0")).expect(Exit::Unreachable);
    assert!(waiting.err.contains("run the same command again"), "{}", waiting.err);
    lose_journal(&log);
    log.civiclog(&format!("{RUN} --wait-seconds 0")).expect(Exit::Unreachable);
    log.lock().published = None;
    let report = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done).json();
    assert_eq!(report["unchanged"], 5);
    assert_eq!(log.size(), 7);
}

#[test]
fn later_is_not_an_error() {
    let log = log_with(rows(3));
    log.lock().faults.extend([Fault::Busy, Fault::Busy]);
    log.civiclog(RUN).expect(Exit::Done);
    assert_eq!(log.size(), 5);
}

#[test]
fn bad_rows_are_listed_without_sealed_values_and_the_rest_goes_in() {
    let log = log_with([
        (1, "5"),
        (2, "1.234"),
        (3, "x"),
        (4, "-7.5"),
        (4, "8"),
        (5, "430.69000000000005"),
    ]);
    let run = log.civiclog(&format!("{RUN} --json")).expect(Exit::NotVerified);
    let report = run.json();
    assert_eq!((&report["accepted"], &report["bad"]), (&3.into(), &3.into()));
    assert_eq!(report["rounded"], 1);
    assert_eq!(report["totals"]["GBP"]["sum"], "428.19");
    assert_eq!(report["totals"]["GBP"]["negative"], 1);
    let errors = log.read("rows.csv.errors.csv");
    assert!(errors.starts_with("line,path,value,rule,message\n3,Amount,1.234,E06,"), "{errors}");
    assert!(errors.contains("\n6,No,T4,twice,"), "{errors}");
    assert!(!errors.contains("Ann"));
    // Corrected, the rest goes in, and the list of errors goes away.
    write_rows(&log, [(1, "5"), (2, "1.23"), (3, "3"), (4, "-7.5"), (5, "430.69000000000005")]);
    let report = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done).json();
    assert_eq!((&report["new"], &report["unchanged"]), (&2.into(), &3.into()));
    assert!(!log.path("rows.csv.errors.csv").exists());
}

#[test]
fn cells_that_look_like_formulas_go_in_as_they_are_and_come_out_defused() {
    let log = log_with([]);
    log.write("map.toml", MAP.replace("\"Ref\"", "\"=Ref\""));
    let rows = "No,Date,Amount,=Ref,Name\nT1,2023-10-02,5,7,=1+cmd|' /C calc'!A0\n\
                T2,2023-10-02,=1+1,7,Ann\nT3,2023-10-02,@SUM(A1),7,Ann\n";
    log.write("rows.csv", rows);
    let report = log.civiclog(&format!("{RUN} --json")).expect(Exit::NotVerified).json();
    assert_eq!((&report["new"], &report["bad"]), (&1.into(), &2.into()));
    let errors = log.read("rows.csv.errors.csv");
    assert!(errors.contains("\n3,Amount,'=1+1,E06,"), "{errors}");
    assert!(errors.contains("\n4,Amount,'@SUM(A1),E06,"), "{errors}");
    let shown = log.civiclog("get XX-LAE-WMC/payment/T1 --log LOG").expect(Exit::Done);
    assert!(shown.out.contains("\"=1+cmd|' /C calc'!A0\""), "{}", shown.out);
}

#[test]
fn a_packed_file_is_refused_with_the_fix() {
    let log = log_with([]);
    log.write("rows.csv", b"PK\x03\x04\x14\0");
    let refused = log.civiclog(RUN).expect(Exit::Usage);
    assert!(refused.err.contains("a ZIP archive or a workbook"), "{}", refused.err);
    assert!(refused.err.contains("rows.csv"), "{}", refused.err);
    assert_eq!(log.size(), 2);
}

#[test]
fn a_row_that_changed_is_an_error_with_and_without_the_journal() {
    let log = log_with([(1, "5"), (2, "6")]);
    log.civiclog(RUN).expect(Exit::Done);
    write_rows(&log, [(1, "5"), (2, "7")]);
    for lost in [false, true] {
        if lost {
            lose_journal(&log);
        }
        log.civiclog(RUN).expect(Exit::NotVerified);
        let errors = log.read("rows.csv.errors.csv");
        assert!(errors.contains("3,/record/data,,changed,"), "{errors}");
        assert_eq!(log.size(), 4);
    }
}

#[test]
fn a_changed_sealed_value_is_noticed_and_not_told() {
    let log = log_with([(1, "5")]);
    log.civiclog(RUN).expect(Exit::Done);
    let csv = log.read("rows.csv").replace("Ann 1", "Bob 1");
    log.write("rows.csv", csv);
    let run = log.civiclog(RUN).expect(Exit::NotVerified);
    let errors = log.read("rows.csv.errors.csv");
    assert!(errors.contains("/record/data/payee/name,,changed,"), "{errors}");
    assert!(!errors.contains("Bob") && !run.out.contains("Bob") && !errors.contains("Ann"));
}

#[test]
fn values_that_nobody_shows_need_the_journal() {
    let log = log_with([(1, "5")]);
    let map = MAP.replace("{ column = \"Name\" }", "{ column = \"Name\", held = \"submitter\" }");
    log.write("map.toml", map);
    log.civiclog(RUN).expect(Exit::Done);
    log.civiclog(RUN).expect(Exit::Done);
    lose_journal(&log);
    log.civiclog(RUN).expect(Exit::NotVerified);
    assert!(log.read("rows.csv.errors.csv").contains(",held,"));
    assert_eq!(log.size(), 3);
}

#[test]
fn what_the_log_refused_is_forgotten_though_another_line_was_not_judged() {
    let log = log_with([(1, "5"), (2, "6"), (3, "7")]);
    log.write("map.toml", MAP.replace("XX-LAE-WMC", "XX-LAE-NEW"));
    let key =
        records::SigningKey::generate_from_seed(records::Algorithm::Ed25519, [4; 32]).unwrap();
    log.write_private("key.pem", &key.to_pkcs8_pem().unwrap());
    log.lock().faults.push_back(Fault::Skips(2));
    let stopped = log.civiclog(RUN).expect(Exit::Unreachable);
    assert!(stopped.err.contains("before it judged XX-LAE-NEW/payment/T2"), "{}", stopped.err);
    log.register("XX-LAE-NEW", &key);
    // The refused rows are corrected: nothing holds them to what they said before.
    write_rows(&log, [(1, "50"), (2, "6"), (3, "70")]);
    let report = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done).json();
    assert_eq!(report["new"], 3);
    assert_eq!(report["totals"]["GBP"]["sum"], "126.00");
}

#[test]
fn what_the_log_refuses_can_be_sent_again_once_its_cause_is_gone() {
    let log = log_with([(1, "5")]);
    let map = MAP.replace("XX-LAE-WMC", "XX-LAE-NEW");
    log.write("map.toml", map);
    let refused = log.civiclog(RUN).expect(Exit::NotVerified);
    assert!(refused.out.contains("did not go in"), "{}", refused.out);
    let key =
        records::SigningKey::generate_from_seed(records::Algorithm::Ed25519, [4; 32]).unwrap();
    log.register("XX-LAE-NEW", &key);
    log.write_private("key.pem", &key.to_pkcs8_pem().unwrap());
    log.civiclog(RUN).expect(Exit::Done);
}

#[test]
fn a_rehearsal_sends_and_writes_nothing_but_errors() {
    let log = log_with([(1, "5"), (2, "1.234")]);
    let run = log.civiclog(&format!("{RUN} --dry-run --json")).expect(Exit::NotVerified);
    assert_eq!((&run.json()["accepted"], &run.json()["bad"]), (&1.into(), &1.into()));
    assert_eq!(log.size(), 2);
    assert!(!log.path("state").exists());
    assert!(!log.path("rows.csv.receipts").exists());
}

#[test]
fn an_entry_that_the_log_made_up_is_misbehaviour() {
    let log = log_with(rows(3));
    log.civiclog(RUN).expect(Exit::Done);
    // The bytes of an entry change after its checkpoint was signed.
    let forged =
        String::from_utf8(log.lock().entries()[3].clone()).unwrap().replace("12.50", "99.50");
    log.lock().entries_mut()[3] = forged.into_bytes();
    let run = log.civiclog(RUN).expect(Exit::Misbehaved);
    assert!(run.err.contains("entry 3"), "{}", run.err);
}

#[test]
fn the_shipped_samples_go_in_whole() {
    let log = FakeLog::start();
    let deploy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    for (name, expected) in [("payments", 2160), ("contracts", 56)] {
        let file = deploy.join(format!("sample/{name}.csv"));
        std::fs::copy(&file, log.path("rows.csv")).unwrap();
        std::fs::copy(deploy.join(format!("maps/sample-{name}.toml")), log.path("map.toml"))
            .unwrap();
        // Signing 2,160 payments is left to the whole-system tests.
        let dry = if name == "payments" { "--dry-run" } else { "" };
        let report = log.civiclog(&format!("{RUN} {dry} --json")).expect(Exit::Done).json();
        assert_eq!(report["accepted"], expected, "{name}");
    }
}

#[test]
fn every_shipped_map_makes_records_that_its_profile_takes() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/maps");
    let mut tried = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let map: toml::Value = toml::from_str(&text).unwrap();
        let column = |rule: &toml::Value| rule.get("column")?.as_str().map(str::to_owned);
        let rules = |section: &str| {
            let section = map.get(section).and_then(toml::Value::as_table).cloned();
            section.unwrap_or_default().into_iter().map(|(_, rule)| rule)
        };
        let dates: BTreeSet<String> = rules("clear")
            .filter(|rule| rule.get("date").is_some())
            .chain([map["occurred"].clone()])
            .filter_map(|rule| column(&rule))
            .collect();
        let day = if text.contains("DD/MM/YYYY") { "02/01/2024" } else { "2024-01-02" };
        let single = ["object", "occurred", "amount", "contract", "person"];
        let columns: BTreeSet<String> = single
            .iter()
            .filter_map(|section| column(map.get(section)?))
            .chain(rules("clear").chain(rules("sealed")).filter_map(|rule| column(&rule)))
            .collect();
        let amount = column(&map["amount"]).unwrap();
        let cells = columns.iter().map(|column| match column {
            column if dates.contains(column) => day,
            column if *column == amount => "1.00",
            _ => "ocds-213czf-1",
        });
        let cells: Vec<&str> = cells.collect();
        let header: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
        let log = FakeLog::start();
        std::fs::copy(&path, log.path("map.toml")).unwrap();
        log.write("rows.csv", format!("{}\n{}\n", header.join(","), cells.join(",")));
        log.civiclog(&format!("{RUN} --dry-run")).expect(Exit::Done);
        tried += 1;
    }
    assert_eq!(tried, 7);
}

/// A file of the real data, which is not part of the project: the tests are built with the place
/// where it is.
fn real_data(name: &str) -> Option<std::path::PathBuf> {
    let Some(folder) = option_env!("CIVICLOG_TEST_DATA") else {
        println!("skipped: CIVICLOG_TEST_DATA does not say where the real data is");
        return None;
    };
    Some(std::path::Path::new(folder).join(name))
}

/// A log with the real file of a county, if it is there.
fn log_with_real_rows() -> Option<FakeLog> {
    let data = real_data("devon-county-council/DCCSpendingOver500_202401.csv")?;
    let log = FakeLog::start();
    std::fs::copy(data, log.path("rows.csv")).unwrap();
    let maps = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/maps");
    std::fs::copy(maps.join("devon.toml"), log.path("map.toml")).unwrap();
    Some(log)
}

/// Rows, sum and negative amounts of a column, by a program that shares nothing with this one.
fn independent_sum(file: &std::path::Path, column: &str) -> Option<(u64, String, u64)> {
    const PROGRAM: &str = r"
import csv, sys
from decimal import Decimal, ROUND_HALF_EVEN
rows = list(csv.DictReader(open(sys.argv[1], encoding='utf-8-sig', newline='')))
amounts = [Decimal(row[sys.argv[2]]).quantize(Decimal('0.01'), ROUND_HALF_EVEN) for row in rows]
print(len(amounts), sum(amounts), sum(amount < 0 for amount in amounts))
";
    let mut python = std::process::Command::new("python3");
    let Ok(output) = python.args(["-c", PROGRAM]).arg(file).arg(column).output() else {
        println!("skipped: no python3 to compute the sums with");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    Some((words[0].parse().unwrap(), words[1].to_owned(), words[2].parse().unwrap()))
}

#[test]
fn every_layout_adds_up_to_what_another_program_computes() {
    for (map, file, column) in [
        ("devon", "devon-county-council/DCCSpendingOver500_202401.csv", "Amount"),
        ("devon", "devon-county-council/DCCSpendingOver500_202402.csv", "Amount"),
        ("devon", "devon-county-council/DCCSpendingOver500_202403.csv", "Amount"),
        ("devon", "devon-county-council/DCCSpendingOver500_202404.csv", "Amount"),
        ("cabinetoffice", "uk-bodies/cabinetoffice-2022-06.csv", "Amount"),
        ("london", "uk-bodies/london-2014-P04.csv", "Amount"),
        ("manchester", "uk-bodies/manchester-2021-12.csv", "Net Amount"),
        ("tfl", "uk-bodies/tfl-2022-P04.csv", "Amount"),
    ] {
        let Some(file) = real_data(file) else { return };
        let Some((rows, sum, negative)) = independent_sum(&file, column) else { return };
        let log = FakeLog::start();
        std::fs::copy(&file, log.path("rows.csv")).unwrap();
        let maps = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/maps");
        std::fs::copy(maps.join(format!("{map}.toml")), log.path("map.toml")).unwrap();
        let run = log.civiclog(&format!("{RUN} --dry-run --json")).expect(Exit::Done);
        let report = run.json();
        let total = &report["totals"]["GBP"];
        assert_eq!(report["accepted"], rows, "{map}");
        assert_eq!((&total["sum"], &total["negative"]), (&sum.into(), &negative.into()), "{map}");
    }
}

#[test]
fn a_real_countys_file_is_read_whole() {
    let Some(log) = log_with_real_rows() else { return };
    let report = log.civiclog(&format!("{RUN} --dry-run --json")).expect(Exit::Done).json();
    assert_eq!((&report["accepted"], &report["bad"]), (&11_963.into(), &0.into()));
    assert!(report["rounded"].as_u64().unwrap() > 500);
}

#[test]
fn rows_without_a_number_are_known_by_their_file_and_place() {
    let log = log_with([(1, "5"), (1, "5")]);
    log.write("map.toml", MAP.replace("object = { column = \"No\" }\n", ""));
    log.civiclog(RUN).expect(Exit::Done);
    let report = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done).json();
    assert_eq!((&report["accepted"], &report["unchanged"]), (&2.into(), &2.into()));
    let table = log.read("rows.csv.receipts.csv");
    let object = table.lines().nth(2).unwrap().split(',').nth(1).unwrap();
    let name = object.strip_prefix("XX-LAE-WMC/payment/").unwrap();
    assert!(name.len() == 66 && name.ends_with("/3"), "{name}");
}

#[test]
#[ignore = "long: signs and verifies 11,963 rows"]
fn a_real_countys_file_goes_in_once() {
    let Some(log) = log_with_real_rows() else { return };
    let key = records::SigningKey::generate_from_seed(records::Algorithm::Es256, [5; 32]).unwrap();
    log.register("GB-LAE-DEV", &key);
    log.write_private("key.pem", &key.to_pkcs8_pem().unwrap());
    let first = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done).json();
    assert_eq!(first["new"], 11_963);
    let table = log.read("rows.csv.receipts.csv");
    for lost in [false, true] {
        if lost {
            lose_journal(&log);
        }
        log.lock().requests.clear();
        let again = log.civiclog(&format!("{RUN} --json")).expect(Exit::Done).json();
        assert_eq!(again["unchanged"], 11_963);
        assert_eq!(log.read("rows.csv.receipts.csv"), table);
        let tiles = log.lock().requests.iter().filter(|line| line.contains("tile")).count();
        assert!(tiles < 300, "{tiles} requests for tiles");
    }
    assert_eq!(log.size(), 11_966);
    log.civiclog("verify @rows.csv.receipts --policy @policy.txt --json").expect(Exit::Done);
}
