use std::os::unix::fs::MetadataExt as _;

use tempfile::TempDir;
use testlog::ForgedLog;
use tlog::UnixSeconds;

use super::*;
use crate::decide::{Request, decide};
use crate::identity::Signers;
use crate::test_log::{logs, logs_with, signers, small_log};

fn new_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    create(folder.path()).unwrap();
    folder
}

fn open(
    folder: &TempDir,
    logs: &Logs,
) -> anyhow::Result<(StateFolder, BTreeMap<Origin, Cosigned>)> {
    let write: DurableWrite = durable_write();
    StateFolder::open(folder.path(), signers().verifier_keys(), logs, write)
}

fn cosign(log: &ForgedLog, size: u64, signers: &Signers) -> Cosigned {
    let request = Request::read(&log.request(0, size), &logs(log)).unwrap();
    decide(None, &request, signers, UnixSeconds::new(7)).unwrap().after
}

fn save(folder: &TempDir, log: &ForgedLog, size: u64) -> PathBuf {
    let (state, _) = open(folder, &logs(log)).unwrap();
    state.save(&cosign(log, size, &signers())).unwrap();
    state_path(folder.path(), log.origin())
}

fn refusal(folder: &TempDir, logs: &Logs) -> String {
    match open(folder, logs) {
        Ok(_) => panic!("the folder was accepted"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn what_was_saved_is_there_after_reopening_and_the_file_is_readable_by_people() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 9));
    let path = save(&folder, &log, 5);
    save(&folder, &log, 8);
    let (_state, cosigned) = open(&folder, &logs(&log)).unwrap();
    assert_eq!(cosigned[log.origin()].head(), log.head(8));
    assert_eq!(cosigned[log.origin()].at(), UnixSeconds::new(7));
    let text = fs::read_to_string(path).unwrap();
    assert!(text.starts_with("civiclog-witness state v1\nwitness.example/w1+"), "{text}");
    assert!(text.contains("\nlog.example/a\n8\n"), "{text}");
}

#[test]
fn any_changed_bit_or_lost_byte_is_refused() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 5));
    let path = save(&folder, &log, 5);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 7);
        fs::write(&path, &changed).unwrap();
        assert!(open(&folder, &logs(&log)).is_err(), "byte {at} of {}", whole.len());
    }
    for len in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(open(&folder, &logs(&log)).is_err(), "{len} bytes");
    }
    fs::write(&path, [whole.as_slice(), b"\n"].concat()).unwrap();
    assert!(open(&folder, &logs(&log)).is_err());
    fs::write(&path, &whole).unwrap();
    assert!(open(&folder, &logs(&log)).is_ok());
}

#[test]
fn the_state_of_another_witness_is_refused() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 5));
    let path = save(&folder, &log, 5);
    let other = Signers::new("witness.example/w1".parse().unwrap(), [6; 32], None).unwrap();
    let foreign = encode(&other.verifier_keys(), &cosign(&log, 5, &other));
    fs::write(&path, foreign).unwrap();
    let words = refusal(&folder, &logs(&log));
    assert!(words.contains("it is by the witness witness.example/w1+"), "{words}");
}

#[test]
fn a_head_that_the_log_did_not_sign_is_refused() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 5));
    save(&folder, &log, 5);
    let other_key = tlog::Ed25519Signer::new(log.origin().key_name(), [8; 32]).verifier_key();
    let logs = logs_with(&log, vec![other_key.clone()]);
    let words = refusal(&folder, &logs);
    assert!(words.contains("keep a log's old key configured"), "{words}");
    let both = logs_with(&log, vec![other_key, log.vkey()]);
    assert!(open(&folder, &both).is_ok());
}

#[test]
fn a_lost_file_is_noticed() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 5));
    let path = save(&folder, &log, 5);
    fs::remove_file(path).unwrap();
    let words = refusal(&folder, &logs(&log));
    assert!(words.contains("is missing") && words.contains("log.example/a"), "{words}");
}

#[test]
fn a_crash_before_the_list_was_written_is_repaired() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 5));
    save(&folder, &log, 5);
    fs::write(list_path(folder.path()), "").unwrap();
    open(&folder, &logs(&log)).unwrap();
    assert_eq!(fs::read_to_string(list_path(folder.path())).unwrap(), "log.example/a\n");
}

#[test]
fn the_leftover_of_a_cut_write_is_ignored_and_strange_files_are_not() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 5));
    let path = save(&folder, &log, 5);
    let name = path.file_name().unwrap().to_str().unwrap();
    fs::write(path.with_file_name(format!(".{name}.tmp")), "civiclog-wit").unwrap();
    assert!(open(&folder, &logs(&log)).is_ok());
    fs::copy(&path, path.with_file_name("copy")).unwrap();
    let words = refusal(&folder, &logs(&log));
    assert!(words.contains("has another name"), "{words}");
}

#[test]
fn a_log_that_is_not_configured_any_more_keeps_its_file() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 5));
    save(&folder, &log, 5);
    let (_state, cosigned) = open(&folder, &Logs::new()).unwrap();
    assert!(cosigned.contains_key(log.origin()));
}

#[test]
fn a_folder_has_one_process() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 5));
    let held = open(&folder, &logs(&log)).unwrap();
    assert!(refusal(&folder, &logs(&log)).contains("in use by another process"));
    drop(held);
    assert!(open(&folder, &logs(&log)).is_ok());
}

#[test]
fn a_folder_that_init_did_not_make_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal(&folder, &Logs::new()).contains("list of logs"));
    fs::write(list_path(folder.path()), "a b\n").unwrap();
    assert!(refusal(&folder, &Logs::new()).contains("without white space"));
}

#[test]
fn saving_replaces_the_file_instead_of_changing_it() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 9));
    let path = save(&folder, &log, 5);
    let before = fs::metadata(&path).unwrap().ino();
    let still_open = fs::File::open(&path).unwrap();
    save(&folder, &log, 8);
    assert_ne!(fs::metadata(&path).unwrap().ino(), before);
    assert_eq!(still_open.metadata().unwrap().nlink(), 0);
}
