//! Rows about natural persons leave nothing at the log that leads to the person: not the name, not
//! the number that the treasury's own system gave the payment. The treasury finds them again.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::process::{Finished, finish};
use e2e::{TestLog, programs};
use records::Algorithm;

/// A log, and a treasury whose files are in a folder of their own.
struct Desk {
    log: TestLog,
}

impl Desk {
    /// `rows`: of the sample, which has rows about firms and about persons.
    fn with(rows: usize) -> Self {
        let (log, _) = TestLog::start();
        let treasury = log.register("XX-LAE-WMC", Algorithm::Es256, 5);
        fs::create_dir(log.path("desk")).expect("a folder");
        let pem = treasury.key().to_pkcs8_pem().expect("a PEM");
        files::create_private_key(&log.path("desk/treasury.pem"), &pem).expect("writing a key");
        let sample = programs::repository().join("deploy/sample/payments.csv");
        let text = fs::read_to_string(sample).expect("the sample");
        let rows: Vec<&str> = text.lines().take(rows + 1).collect();
        fs::write(log.path("desk/rows.csv"), rows.join("\n") + "\n").expect("writing rows");
        Self { log }
    }

    fn submit(&self, more: &[&str]) -> Finished {
        let mut command: Command = programs::command(programs::CLI);
        command.current_dir(self.log.path("desk"));
        command.args(["--state", "state", "submit", "rows.csv", "--json"]);
        command.arg("--map").arg(programs::repository().join("deploy/maps/sample-payments.toml"));
        command.args(["--key", "treasury.pem", "--log", self.log.http().base()]);
        command.arg("--policy").arg(self.log.policy_path()).args(more);
        finish(command)
    }

    fn rows(&self) -> Vec<Row> {
        let text = fs::read_to_string(self.log.path("desk/rows.csv")).expect("the rows");
        text.lines().skip(1).map(Row::of).collect()
    }
}

/// What a row of the sample says of its payee. No cell before these holds a comma.
struct Row {
    number: String,
    name: String,
    is_person: bool,
}

impl Row {
    fn of(line: &str) -> Self {
        let cell = |at: usize| line.split(',').nth(at).expect("a cell").to_owned();
        let is_person = [",INDV,", ",SOLE,"].iter().any(|it| line.contains(it));
        Self { number: cell(3), name: cell(6), is_person }
    }
}

#[test]
fn neither_the_number_nor_the_name_of_a_person_reaches_the_log() {
    let mut desk = Desk::with(200);
    let report = desk.submit(&[]).expect_success("submit").json();
    assert_eq!((&report["new"], &report["bad"]), (&200.into(), &0.into()));
    let size = desk.log.reader().checkpoint().head().size;
    let entries = desk.log.reader().entries(size);
    assert_eq!(desk.log.stop_server(), Some(0));
    let (persons, firms): (Vec<Row>, Vec<Row>) =
        desk.rows().into_iter().partition(|row| row.is_person);
    assert!(persons.len() > 5, "the sample has rows about persons");
    let mut derived = 0;
    for entry in &entries {
        let text = String::from_utf8_lossy(entry);
        for Row { number, name, .. } in &persons {
            assert!(!text.contains(number) && !text.contains(name), "{name} is in {text}");
        }
        if text.contains("/payment/~~") {
            derived += 1;
            assert!(!text.contains(r#""row":"#), "the row is in {text}");
        }
    }
    assert_eq!(derived, persons.len());

    let stored = files_below(&desk.log.data_path());
    let is_stored = |word: &str| {
        let words = [&[word.to_owned()][..], &in_base64(word)].concat();
        words.iter().any(|word| {
            stored.iter().any(|bytes| bytes.windows(word.len()).any(|it| it == word.as_bytes()))
        })
    };
    for Row { number, name, .. } in &persons {
        assert!(!is_stored(number), "the log stores the number {number}");
        assert!(!is_stored(name), "the log stores the name {name}");
    }
    // The search would have seen them.
    assert!(is_stored(&firms[0].number), "the number {}", firms[0].number);
    assert!(is_stored(&firms[0].name), "the name {}", firms[0].name);
}

#[test]
fn a_person_is_found_again_corrected_and_voided() {
    let desk = Desk::with(200);
    desk.submit(&[]).expect_success("submit");
    let report = desk.submit(&[]).expect_success("again").json();
    assert_eq!((&report["new"], &report["unchanged"]), (&0.into(), &200.into()));

    // Of two rows about persons, one gets another name and one is taken out.
    let path = desk.log.path("desk/rows.csv");
    let mut persons = desk.rows().into_iter().filter(|row| row.is_person);
    let [renamed, gone] = [persons.next(), persons.next()].map(|row| row.expect("a person"));
    let text = fs::read_to_string(&path).expect("the rows");
    let lines = text.lines().filter(|line| !line.contains(&gone.number)).map(|line| {
        let is_renamed = line.contains(&renamed.number);
        let line =
            if is_renamed { line.replace(&renamed.name, "A. N. Other") } else { line.into() };
        line + "\n"
    });
    fs::write(&path, lines.collect::<String>()).expect("writing rows");
    let report = desk.submit(&["--why", "cor-pub", "--complete", "2025..2026"]);
    let report = report.expect_success("the file published again").json();
    let counts = ["new", "corrected", "voided", "unchanged"].map(|name| report[name].as_u64());
    assert_eq!(counts, [Some(0), Some(1), Some(1), Some(198)], "{report}");
}

/// A text as it stands in base64url, behind a number of bytes that leaves 0, 1 or 2 over.
fn in_base64(word: &str) -> Vec<String> {
    let behind = |lead: usize| {
        let bytes = [&[0; 2][..lead], word.as_bytes()].concat();
        let encoded = URL_SAFE_NO_PAD.encode(&bytes);
        // The first and the last digit may be of other bytes too.
        let whole = encoded.len() - usize::from(bytes.len() % 3 != 0);
        encoded[(lead * 8).div_ceil(6)..whole].to_owned()
    };
    (0..3).map(behind).collect()
}

fn files_below(folder: &Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).expect("a folder").map(|it| it.expect("it").path()));
        } else {
            files.push(fs::read(&path).expect("a file"));
        }
    }
    files
}
