//! A body publishes a table in a git repository and changes it in silence; somebody who only reads it
//! logs each commit. The log then tells every change, exactly.

use std::fs;
use std::process::Command;

use e2e::process::finish;
use e2e::{TestLog, programs};
use records::{Algorithm, Entry};

const OBSERVER: &str = "XX-NGO-WATCH";

/// A log that knows an observer, and a portal whose files are in git.
struct Watched {
    log: TestLog,
}

impl Watched {
    fn start() -> Self {
        let (log, _) = TestLog::start();
        let observer = log.register(OBSERVER, Algorithm::Ed25519, 7);
        let pem = observer.key().to_pkcs8_pem().expect("a PEM");
        files::create_private_key(&log.path("watch.pem"), &pem).expect("writing a key");
        fs::create_dir(log.path("portal")).expect("a folder");
        let watched = Self { log };
        watched.git(&["init", "--quiet"]);
        watched
    }

    fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.current_dir(self.log.path("portal"));
        command.args(["-c", "user.name=p", "-c", "user.email=p@q"]).args(arguments);
        finish(command).expect_success("git");
    }

    /// Publishes these lines of the sample, header first.
    fn publish(&self, lines: &[String]) {
        let file = self.log.path("portal/payments.csv");
        fs::write(file, lines.join("\n") + "\n").expect("writing the table");
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", "published"]);
    }

    fn observe(&self) {
        let mut command = programs::command(programs::CLI);
        command.current_dir(self.log.path("")).args(["--state", "state", "observe", "portal"]);
        command.arg("--map").arg(programs::repository().join("deploy/maps/sample-payments.toml"));
        command.args(["--observer", OBSERVER, "--key", "watch.pem", "--out", "."]);
        command.args(["--log", self.log.http().base(), "--policy", "policy.txt"]);
        finish(command).expect_success("observe");
    }

    /// What the log has from this entry on: operation, number and amount of each.
    fn said(&self, from: u64) -> Vec<(String, String, Option<String>)> {
        let reader = self.log.reader();
        let entries = reader.entries(reader.checkpoint().head().size);
        let from = usize::try_from(from).expect("an index");
        let say = |bytes: &Vec<u8>| {
            let entry = Entry::parse(bytes).expect("an entry");
            let record = entry.record();
            let prefix = format!("{OBSERVER}/payment/observed/XX-LAE-WMC/payments.csv/");
            let number = record.object().strip_prefix(&prefix).expect("an observed payment");
            let amount = record.data().at("/amount/value").and_then(|it| it.as_text());
            if record.op().as_str() != "add" {
                assert_eq!(record.why(), Some("observed-change"));
            }
            (record.op().as_str().to_owned(), number.to_owned(), amount.map(str::to_owned))
        };
        entries[from..].iter().map(say).collect()
    }

    fn size(&self) -> u64 {
        self.log.reader().checkpoint().head().size.get()
    }
}

fn cell(line: &str, at: usize) -> &str {
    line.split(',').nth(at).expect("a cell")
}

#[test]
fn every_silent_change_of_a_published_table_is_told_commit_by_commit() {
    let watched = Watched::start();
    let sample = programs::repository().join("deploy/sample/payments.csv");
    let text = fs::read_to_string(sample).expect("the sample");
    // Firms only: what is said of persons goes by ids that only the observer can tell.
    let is_firm = |line: &&str| ![",INDV,", ",SOLE,"].iter().any(|it| line.contains(it));
    let lines: Vec<String> = text.lines().filter(is_firm).take(12).map(str::to_owned).collect();
    let (number, amount) =
        (|line: &str| cell(line, 3).to_owned(), |line: &str| cell(line, 5).to_owned());
    let start = watched.size();

    // Ten rows; then the fourth has another amount, the seventh is gone and one more is there.
    watched.publish(&lines[..11]);
    let mut second = lines[..11].to_vec();
    second[4] = second[4].replacen(&amount(&second[4]), "1.23", 1);
    let gone = second.remove(7);
    second.push(lines[11].clone());
    watched.publish(&second);
    // And then all is as it was.
    watched.publish(&lines[..11]);
    watched.observe();

    let said = watched.said(start);
    let op = |op: &str, line: &str, amount: Option<String>| (op.to_owned(), number(line), amount);
    let added: Vec<_> =
        lines[1..11].iter().map(|line| op("add", line, Some(amount(line)))).collect();
    assert_eq!(said[..10], added);
    assert_eq!(
        said[10..],
        [
            op("correct", &lines[4], Some("1.23".to_owned())),
            op("add", &lines[11], Some(amount(&lines[11]))),
            op("void", &gone, None),
            op("correct", &lines[4], Some(amount(&lines[4]))),
            op("correct", &gone, Some(amount(&gone))),
            op("void", &lines[11], None),
        ]
    );

    // Observed again, nothing is new; one more commit, and only that one is.
    let size = watched.size();
    watched.observe();
    assert_eq!(watched.size(), size);
    watched.publish(&lines[..10]);
    watched.observe();
    assert_eq!(watched.said(size), [op("void", &lines[10], None)]);
}
