//! Files with more rows than memory should hold: how much of one a submitter's machine needs.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::process::{finish, finish_with_peak};
use e2e::{LogOptions, TestLog, programs};
use records::Algorithm;

const MAP: &str = r#"
submitter = "XX-LAE-WMC"
kind = "payment"
object = { column = "No" }
occurred = { column = "Date", format = "YYYY-MM-DD" }
amount = { column = "Amount", currency = "GBP" }
[clear]
"payee.id" = { column = "Ref", prefix = "XX-LOCAL-" }
[sealed]
"payee.name" = { column = "Name" }
"#;

/// A log with one submitter.
struct Submitter {
    log: TestLog,
}

impl Submitter {
    fn registered() -> Self {
        let mut log = TestLog::create(LogOptions::default());
        log.start_witnesses();
        log.start_server();
        let treasury = log.register(SUBMITTER, Algorithm::Es256, 7);
        let pem = treasury.key().to_pkcs8_pem().expect("a PEM");
        files::create_private_key(&log.path("key.pem"), &pem).expect("writing a key");
        std::fs::write(log.path("map.toml"), MAP).expect("writing the map");
        Self { log }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.log.path(name)
    }

    fn submit(&self, more: &[&str]) -> Command {
        let mut command = programs::command(programs::CLI);
        command.current_dir(self.path("")).arg("--state").arg(self.path("state"));
        command.args(["submit", "rows.csv", "--map", "map.toml", "--key", "key.pem", "--json"]);
        command.args(["--policy", "policy.txt", "--log", self.log.http().base()]).args(more);
        command
    }

    fn verify(&self, receipts: &str) -> usize {
        let mut command = programs::command(programs::CLI);
        command.current_dir(self.path(""));
        command.args(["verify", receipts, "--policy", "policy.txt", "--json"]);
        let verified = finish(command).expect_success("verify, offline").json();
        verified["entries"].as_array().expect("entries").len()
    }
}

/// Writes rows with a note of `note` bytes until there are so many of them, or so many bytes, and
/// returns how many there are.
fn write_rows(path: &Path, rows: u64, bytes: u64, note: usize) -> u64 {
    let mut file = BufWriter::new(File::create(path).expect("making a file"));
    let header = "No,Date,Amount,Ref,Name,Description,Directorate,Cost centre,Note\n";
    let note = "x".repeat(note);
    file.write_all(header.as_bytes()).expect("writing");
    let (mut count, mut len) = (0, 0);
    while count < rows && len < bytes {
        // Numbers in an order that no index is written in.
        let number = (count * 2_654_435_761) % (1 << 32);
        let line = format!(
            "PY{number:010},2024-{:02}-{:02},{}.{:02},{},Supplier {} Limited,Repairs and \
             maintenance of buildings,Place and Environment Services,{},{note}\n",
            1 + number % 12,
            1 + number % 28,
            500 + number % 90_000,
            number % 100,
            number % 4_999,
            number % 4_999,
            number % 397,
        );
        file.write_all(line.as_bytes()).expect("writing");
        count += 1;
        len += line.len() as u64;
    }
    file.flush().expect("writing");
    count
}

#[test]
fn a_file_with_more_rows_than_a_receipts_file_goes_in_with_few_of_them_in_memory() {
    let submitter = Submitter::registered();
    let rows = write_rows(&submitter.path("rows.csv"), 66_000, u64::MAX, 0);
    let (done, peak_kib) = finish_with_peak(submitter.submit(&[]), DEADLINE_MS);
    let report = done.expect_success("submit").json();
    assert_eq!((&report["new"], &report["bad"]), (&rows.into(), &0.into()));
    println!("large file: {rows} rows submitted, at most {peak_kib} KiB");
    assert!(peak_kib <= PEAK_KIB_MAX, "{peak_kib} KiB");

    let more = report["receipts_more"].as_array().expect("a second file");
    assert_eq!((more.len(), more[0].as_str()), (1, Some("rows.csv.receipts.2")));
    let proofs = submitter.verify("rows.csv.receipts") + submitter.verify("rows.csv.receipts.2");
    // Each file ends with the submitter's registration and entry 0.
    assert_eq!(u64::try_from(proofs).ok(), Some(rows + 4));
    let table = submitter.path("rows.csv.receipts.csv");
    let before = std::fs::read_to_string(&table).expect("the table");
    assert_eq!(before.lines().count() as u64, rows + 1);

    let size = submitter.log.reader().checkpoint().head().size;
    let (again, peak_kib) = finish_with_peak(submitter.submit(&[]), DEADLINE_MS);
    let report = again.expect_success("submit again").json();
    assert_eq!((&report["new"], &report["unchanged"]), (&0.into(), &rows.into()));
    println!("large file: {rows} rows submitted again, at most {peak_kib} KiB");
    assert!(peak_kib <= PEAK_KIB_MAX, "{peak_kib} KiB");
    assert_eq!(submitter.log.reader().checkpoint().head().size, size, "nothing was added");
    assert_eq!(std::fs::read_to_string(&table).expect("the table"), before);
}

/// A gigabyte, and a hundredth of it: the memory of both is one number.
#[test]
#[ignore = "some minutes: `./tests/run --long`"]
fn a_gigabyte_of_rows_takes_no_more_memory_than_a_hundredth_of_it() {
    let submitter = Submitter::registered();
    for bytes in [10_000_000, 1_000_000_000] {
        let rows = write_rows(&submitter.path("rows.csv"), u64::MAX, bytes, 0);
        let (done, peak_kib) = finish_with_peak(submitter.submit(&["--dry-run"]), LONG_DEADLINE_MS);
        let report = done.expect_success("a rehearsal").json();
        assert_eq!((&report["new"], &report["bad"]), (&rows.into(), &0.into()));
        println!("large file: {bytes} bytes, {rows} rows rehearsed, at most {peak_kib} KiB");
        assert!(peak_kib <= PEAK_KIB_MAX, "{peak_kib} KiB");
    }
}

/// A gigabyte of rows with long notes, as far as the log and back with a receipt for each.
#[test]
#[ignore = "some minutes: `./tests/run --long`"]
fn a_gigabyte_goes_in_with_few_rows_in_memory() {
    let submitter = Submitter::registered();
    let rows = write_rows(&submitter.path("rows.csv"), u64::MAX, 1_000_000_000, 4_000);
    let (done, peak_kib) = finish_with_peak(submitter.submit(&[]), LONG_DEADLINE_MS);
    let report = done.expect_success("submit").json();
    assert_eq!((&report["new"], &report["bad"]), (&rows.into(), &0.into()));
    println!("large file: a gigabyte, {rows} rows submitted, at most {peak_kib} KiB");
    assert!(peak_kib <= PEAK_KIB_MAX, "{peak_kib} KiB");
}

const SUBMITTER: &str = "XX-LAE-WMC";
/// 100 MB.
const PEAK_KIB_MAX: u64 = 100_000_000 / 1024;
const DEADLINE_MS: u64 = 600_000;
const LONG_DEADLINE_MS: u64 = 3_600_000;
