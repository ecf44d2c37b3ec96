//! The documentation, executed: every `sh` block of every page runs, top to bottom, against the
//! demonstration, and prints what the page says it prints.
//!
//! A page is one shell script. A block that must not run is marked `text`, and a page with `sh`
//! blocks that is not in the table below fails here.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A page, and what must come out of it: the output of the block with the command on the left
/// contains each text on the right.
struct Page {
    path: &'static str,
    expected: &'static [(&'static str, &'static [&'static str])],
}

const PAGES: &[Page] = &[
    Page {
        path: "docs/journalists.md",
        expected: &[
            ("civiclog log", &["demo.civiclog.example/spending", "w1", "w4"]),
            (
                "civiclog verify payment.receipt --policy \"$POLICY\"\n",
                &["VERIFIED", "XX-LAE-WMC paid", "these witnesses saw it"],
            ),
            ("changed.receipt", &["refused, exit code 1"]),
        ],
    },
    Page {
        path: "docs/submitters.md",
        expected: &[
            ("--dry-run", &["exit code 1"]),
            ("civiclog map init", &["column = \"Number\"", "payee.name"]),
            ("head -n 3", &["line,path,value,rule,message", "E06"]),
            (
                "--complete 2026-02",
                &["add 1, correct 1, void 1", "GBP -80.50 voided", "took revision 0 back"],
            ),
            (
                "releases.jsonl --submitter",
                &[
                    "2 of 2 rows are in",
                    "contract GBP 39900.00",
                    "/initiationType",
                    "no time as RFC 3339",
                ],
            ),
            (
                "orders.xml --submitter",
                &["3 of 3 rows are in", "GBP 912.40", "control", "exit code 1"],
            ),
            ("P-1004", &["exit code 1"]),
        ],
    },
    Page {
        path: "docs/operating/README.md",
        expected: &[
            ("civiclog-server keygen", &["log.example/spending-2026+"]),
            ("second.json", &["refused, exit code", "another process"]),
            ("metrics.txt", &["civiclog_server_published_entries 1"]),
            ("--keep 30", &["\"origin\":\"log.example/spending-2026\",", "backup.json", "db"]),
            ("verify-backup", &["\"size\":1,", "\"is_key_trusted\":true"]),
            ("head -n 2 mirror/checkpoint", &["log.example/spending-2026\n2\n"]),
            ("--anchor-is-lost\n", &["refused, exit code 1", "there is no anchor"]),
            ("civiclog-server restore", &["\"size\":1,", "\"is_behind_anchor\":false"]),
            ("grep read-only", &["tree of 2 entries", "recover", "A backup was restored"]),
            ("--from mirror\nstart_log", &["\"size\":2,", "\"size_before\":1,"]),
        ],
    },
    Page {
        path: "docs/witness.md",
        expected: &[
            ("civiclog-witness vkey", &["witness.example/mine+"]),
            (
                "add-log --config witness/witness.toml \"$LOG_KEY\"",
                &["restart the witness", "[[logs]]"],
            ),
            ("--list list.txt", &["demo.civiclog.example/spending is watched already"]),
            ("civiclog-witness list", &["nothing cosigned yet", "the folder is whole"]),
            ("status --config witness/witness.toml", &["Nothing that the log shows is newer"]),
            ("old 0", &["— witness.example/mine "]),
            ("status %{http_code}", &["status 409"]),
            (
                "$LOG_HASH/checkpoint",
                &["demo.civiclog.example/spending\n", "— witness.example/mine "],
            ),
        ],
    },
];

/// Commands that the README names; this test runs the first, and whoever runs this test the second.
const README_COMMANDS: [&str; 2] = ["./deploy/demo --once", "./tests/run"];

#[test]
fn pages_run_top_to_bottom_against_the_demonstration() {
    let demo = Demo::start();
    let mut failures = Vec::new();
    for page in PAGES {
        let outputs = match run_page(page, &demo) {
            Ok(outputs) => outputs,
            Err(failure) => {
                failures.push(failure);
                continue;
            }
        };
        for (command, texts) in page.expected {
            let Some((_, output)) = outputs.iter().find(|(block, _)| block.contains(command))
            else {
                failures.push(format!("{}: no block with `{command}`", page.path));
                continue;
            };
            for text in *texts {
                if !output.contains(text) {
                    let words = "does not print";
                    failures
                        .push(format!("{}: `{command}` {words} `{text}`:\n{output}", page.path));
                }
            }
        }
    }
    drop(demo);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn readme_demonstrates_submission_verification_and_refusal() {
    let blocks = sh_blocks(&root().join("README.md"));
    assert_eq!(blocks.iter().map(|it| it.trim()).collect::<Vec<_>>(), README_COMMANDS);
    assert!(root().join("tests/run").is_file());

    let output = Command::new("bash")
        .args(["-c", README_COMMANDS[0]])
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    for text in ["rows have a receipt", "Refused, exit code 1.", "Everything is stopped."] {
        assert!(printed.contains(text), "the demonstration does not print `{text}`: {printed}");
    }
}

#[test]
fn every_page_with_commands_is_executed() {
    for page in markdown() {
        let name = page.strip_prefix(root()).expect("below the root").to_str().expect("UTF-8");
        let is_known = name == "README.md" || PAGES.iter().any(|it| it.path == name);
        assert!(is_known || sh_blocks(&page).is_empty(), "{name}: its `sh` blocks run nowhere");
        for language in fences(&page).into_iter().map(|(language, _)| language) {
            // What follows the language is for another test, which takes the block from the page.
            let language = language.split(' ').next().unwrap_or_default();
            let allowed = ["json", "sh", "text", "toml", ""];
            assert!(allowed.contains(&language), "{name}: a block marked `{language}`");
        }
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in markdown() {
        let text = std::fs::read_to_string(&page).expect("a readable page");
        for link in text.split("](").skip(1).filter_map(|it| it.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if link.contains("://") || file.is_empty() {
                continue;
            }
            let target = page.parent().expect("a folder").join(file);
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
        }
    }
}

#[test]
fn pages_for_journalists_use_no_jargon() {
    for page in ["README.md", "docs/journalists.md"] {
        let text = std::fs::read_to_string(root().join(page)).expect("a readable page");
        for word in ["blockchain", "merkle", "ledger"] {
            assert!(!text.to_lowercase().contains(word), "{page} says `{word}`");
        }
    }
}

/// The pages that claim a test for every claim, by `file.rs::name`.
const PAGES_WITH_TESTS: [&str; 2] = ["docs/known-attacks.md", "docs/safety.md"];

#[test]
fn every_test_that_a_page_names_exists() {
    for page in PAGES_WITH_TESTS {
        let text = std::fs::read_to_string(root().join(page)).expect("a readable page");
        let quoted = text.split('`').skip(1).step_by(2);
        let named: BTreeSet<(&str, &str)> =
            quoted.filter_map(|it| it.split_once(".rs::")).collect();
        assert!(named.len() > 20, "{page} names only {} tests", named.len());
        for (file, test) in named {
            let path = root().join(format!("{file}.rs"));
            let source = std::fs::read_to_string(&path)
                .unwrap_or_else(|_| panic!("{page}: there is no {file}.rs"));
            let is_there = source.contains(&format!("fn {test}("));
            assert!(is_there, "{page}: {file}.rs has no test {test}");
        }
    }
}

#[test]
fn documented_rules_are_the_rules_of_the_engine() {
    let text = std::fs::read_to_string(root().join("docs/format.md")).expect("a readable page");
    let (_, table) = text.split_once("\n## Rules\n").expect("a section on rules");
    let documented: BTreeSet<&str> =
        table.lines().filter(|it| it.starts_with("| E") || it.starts_with("| W")).collect();
    let rules: Vec<String> =
        records::rules().iter().map(|(rule, words)| format!("| {rule} | {words} |")).collect();
    assert_eq!(documented, rules.iter().map(String::as_str).collect());
}

#[test]
fn every_field_of_the_samples_is_documented() {
    let page = root().join("docs/operating/config.md");
    let text = std::fs::read_to_string(page).expect("a readable page");
    for sample in ["deploy/server.toml", "deploy/witness.toml"] {
        let sample_text = std::fs::read_to_string(root().join(sample)).expect("a readable sample");
        for line in sample_text.lines() {
            let Some((field, _)) = line.trim_start_matches("# ").split_once(" = ") else {
                continue;
            };
            let is_field = field.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
            let known = [format!("`{field}`"), format!(" {field}`")];
            assert!(
                !is_field || known.iter().any(|it| text.contains(it)),
                "docs/operating/config.md does not explain `{field}` of {sample}"
            );
        }
    }
}

/// The demonstration, running in a folder of its own until this is dropped.
struct Demo {
    child: Child,
    folder: tempfile::TempDir,
    /// Held, so that what it prints later has somewhere to go.
    _stdout: BufReader<ChildStdout>,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new(root().join("deploy/demo"))
            .arg("--keep")
            .arg(folder.path().join("demo"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("deploy/demo starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut printed = String::new();
        while !printed.contains("Everything keeps running") {
            let read = stdout.read_line(&mut printed).expect("UTF-8");
            assert!(read > 0, "the demonstration ended too early: {printed}");
        }
        Self { child, folder, _stdout: stdout }
    }

    fn env_file(&self) -> PathBuf {
        self.folder.path().join("demo/env")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It stops its own processes; a second signal to the group would cut that short.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Runs all blocks of a page as one script; each block with what it printed.
fn run_page(page: &Page, demo: &Demo) -> Result<Vec<(String, String)>, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let blocks = sh_blocks(&root().join(page.path));
    let numbered = blocks.iter().enumerate();
    let steps: String =
        numbered.flat_map(|(at, it)| [format!("exec > {at}.out 2>&1\n"), it.clone()]).collect();
    let script = format!(
        "set -euo pipefail\n. '{}'\nexport XDG_STATE_HOME=$PWD/state\n{steps}",
        demo.env_file().display()
    );
    let working = folder.path().join("page");
    std::fs::create_dir(&working).expect("a folder");
    let script_path = folder.path().join("page.sh");
    std::fs::write(&script_path, script).expect("a writable folder");

    let errors = File::create(folder.path().join("errors")).expect("a writable folder");
    let mut child = Command::new("timeout")
        .args(["180", "bash"])
        .arg(&script_path)
        .current_dir(&working)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .process_group(0)
        .spawn()
        .expect("timeout runs");
    let group = Pid::from_child(&child);
    let status = child.wait().expect("the page ends");
    // What the page left running in the background ends with it.
    let _ = kill_process_group(group, Signal::KILL);

    let mut outputs = Vec::new();
    for (number, block) in blocks.into_iter().enumerate() {
        // A block that was never reached has no output.
        let Ok(output) = std::fs::read(working.join(format!("{number}.out"))) else {
            break;
        };
        outputs.push((block, String::from_utf8_lossy(&output).into_owned()));
    }
    if status.success() {
        return Ok(outputs);
    }
    let (block, output) = outputs.pop().unwrap_or_default();
    Err(format!("{}: {status} in the block\n{block}\nwhich printed\n{output}", page.path))
}

fn sh_blocks(page: &Path) -> Vec<String> {
    fences(page).into_iter().filter(|(language, _)| language == "sh").map(|(_, it)| it).collect()
}

/// The fenced blocks of a page: language and text.
fn fences(page: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(page).expect("a readable page");
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some((_, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a block is not closed", page.display());
    found
}

fn markdown() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["README.md", "SECURITY.md", "CHANGELOG.md", "k8s/README.md"]
        .iter()
        .map(|it| root().join(it))
        .collect();
    for folder in ["docs", "docs/operating", "docs/adr"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.extension().is_some_and(|it| it == "md") {
                found.push(path);
            }
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is a folder of the workspace")
}
