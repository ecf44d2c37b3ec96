//! A process that commits in a loop is killed with SIGKILL, again and again. After each kill the
//! log opens, holds everything that was acknowledged, and audits clean.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use store::{NewBatch, NewEntry, Settings, Store};
use tlog::{LeafIndex, Origin, TreeHead, TreeSize, leaf_hash};

const ROUNDS: u64 = 6;

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    Store::create(&path, &origin(), &settings()).unwrap();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let (child, lines) = spawn_committer(&path);
        acknowledged = kill_after(child, lines, 5 + round * 17).max(acknowledged);
        let (store, _writer) = Store::open(&path, &origin(), &settings()).unwrap();
        let head = store.head();
        assert!(head.size.get() >= acknowledged, "round {round}: lost {acknowledged}, {head:?}");
        store::audit(&store, |_, _| {}).unwrap();
        for index in [0, acknowledged - 1] {
            assert_eq!(store.entry(LeafIndex::new(index)).unwrap(), Some(entry(index)));
        }
    }
    assert!(acknowledged > 100, "{acknowledged}");
}

#[test]
fn a_second_process_is_refused_while_the_first_lives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    Store::create(&path, &origin(), &settings()).unwrap();
    let (mut child, mut lines) = spawn_committer(&path);
    assert!(lines.any(|line| line.unwrap().starts_with("acknowledged")));
    let refused = Store::open(&path, &origin(), &settings()).unwrap_err();
    assert!(matches!(refused, store::OpenError::Locked { .. }), "{refused:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    Store::open(&path, &origin(), &settings()).unwrap();
}

/// The process that is killed: commits batches of growing and shrinking size for ever, and prints
/// the size after each. Told where by a line on its standard input; without one it does nothing.
#[test]
#[ignore = "run by the tests above as a process of its own"]
fn committer() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    if path.is_empty() {
        return;
    }
    let (_store, mut writer) = Store::open(Path::new(path.trim()), &origin(), &settings()).unwrap();
    let mut out = std::io::stdout();
    for round in 0_u64.. {
        let first = writer.frontier().size().get();
        let entries: Vec<_> = (first..first + 1 + round * round % 97).map(entry).collect();
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let batch = NewBatch {
            integration: writer.frontier().integrate(&leaves),
            state: vec![(b"last".to_vec(), first.to_be_bytes().to_vec())],
            entries: entries
                .into_iter()
                .map(|entry| NewEntry { entry, disclosures: None })
                .collect(),
        };
        let committed = writer.commit(batch).unwrap();
        writeln!(out, "acknowledged {}", committed.head().size).unwrap();
        out.flush().unwrap();
    }
}

type Lines = std::io::Lines<BufReader<std::process::ChildStdout>>;

fn spawn_committer(path: &Path) -> (Child, Lines) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "committer", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", path.display()).unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// Kills the child once it has acknowledged that many commits, and returns the largest size that it
/// acknowledged before it died. It is in the middle of a commit or between two, as it happens.
fn kill_after(mut child: Child, lines: Lines, commits: u64) -> u64 {
    let (mut seen, mut size) = (0, 0);
    for line in lines {
        // The last line may be torn.
        let Ok(line) = line else { break };
        if let Some(said) = line.strip_prefix("acknowledged ") {
            size = said.parse().unwrap_or(size);
            seen += 1;
            if seen == commits {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    assert!(seen >= commits, "the child ended by itself after {seen} commits");
    size
}

fn entry(index: u64) -> Vec<u8> {
    let mut entry = format!("entry {index} ");
    for word in 0..index % 50 {
        write!(entry, "{word} of {index}; ").unwrap();
    }
    entry.into_bytes()
}

fn origin() -> Origin {
    "log.example/crash".parse().unwrap()
}

/// Small buffers, so that flushes and compactions are under way when the process dies.
fn settings() -> Settings {
    Settings {
        wal_bytes_max: 1 << 20,
        write_buffers_bytes: 512 << 10,
        large_family_buffer_bytes: 128 << 10,
        ..Settings::default()
    }
}

#[test]
fn an_empty_log_survives_being_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    Store::create(&path, &origin(), &settings()).unwrap();
    let (store, _writer) = Store::open(&path, &origin(), &settings()).unwrap();
    assert_eq!(store.head(), TreeHead { size: TreeSize::ZERO, root: tlog::EMPTY_ROOT });
}
