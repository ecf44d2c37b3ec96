//! A backup that was made while records poured in is whole, any damage to one is found and named,
//! and putting one back cannot fork the log.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use e2e::log::replace_folder;
use e2e::mirror::{backup, try_backup};
use e2e::random::Random;
use e2e::{Finished, LogOptions, Process, TestLog, Treasury, programs, wait};
use store::{Batch, Family, Kv as _};

fn publish(log: &TestLog, treasury: &Treasury, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let body = treasury.payment_bytes(number);
        log.http().post("/v1/records", "application/json", body).expect_status(200);
    }
}

/// Posts batches until it is told to stop; tells how many records were answered.
fn pour(log: &TestLog, treasury: &Treasury, answered: &AtomicU64, stop: &AtomicBool) {
    let http = e2e::Http::new(log.http().base());
    let mut next = 1_000_000;
    while !stop.load(Ordering::SeqCst) {
        let lines: Vec<_> = (next..next + 40).map(|it| treasury.payment_bytes(it)).collect();
        next += 40;
        let body = lines.join(&b'\n');
        let answer = http.post("/v1/records?wait=committed", "application/x-ndjson", body);
        let text = answer.expect_status(200).text();
        assert_eq!(text.matches("\"committed\"").count(), 40, "{text}");
        answered.fetch_add(40, Ordering::SeqCst);
    }
}

fn verify(log: &TestLog, backup: &Path) -> Finished {
    let mut command = programs::command(programs::SERVER);
    command.arg("verify-backup").arg(backup).arg("--config").arg(log.config_path());
    e2e::process::finish(command)
}

fn restore(log: &TestLog, backup: &Path) -> Finished {
    log.server_command_with("restore", &[Path::new("--from"), backup])
}

/// What a lost disk takes: database and anchor. The keys come back from where they were kept.
fn lose_the_disk(log: &TestLog) {
    fs::remove_dir_all(log.data_path().join("db")).expect("losing the database");
    fs::remove_file(log.data_path().join("anchor")).expect("losing the anchor");
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).expect("listing a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let bytes = fs::read(&path).expect("reading a file");
                found.insert(path, bytes);
            }
        }
    }
    found
}

#[test]
fn backups_made_under_write_load_are_whole_and_only_the_newest_are_kept() {
    let (mut log, treasury) = TestLog::start();
    let (answered, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let to = log.path("backups");
    let mut made = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| pour(&log, &treasury, &answered, &stop));
        for round in 1..=4 {
            // Each of them over another state.
            wait::until("more is committed", || {
                (answered.load(Ordering::SeqCst) >= round * 200).then_some(())
            });
            let before = answered.load(Ordering::SeqCst);
            let folder = backup(&log, &to, &["--keep", "3"]);
            let verified = verify(&log, &folder).expect_success("a backup made under load").json();
            let size = verified["size"].as_u64().expect("a size");
            assert!(size >= before + 2, "{before} records were answered, the backup has {size}");
            assert!(verified["anchored_size"].as_u64().expect("a size") <= size);
            assert_eq!(verified["is_key_trusted"], true);
            made.push(folder);
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(!made[0].exists(), "--keep 3 keeps a fourth");
    let listed = fs::read(log.data_path().join("backup/made.json")).expect("the list of backups");
    let listed: serde_json::Value = serde_json::from_slice(&listed).expect("JSON");
    let folders: Vec<_> =
        listed.as_array().expect("a list").iter().map(|it| &it["folder"]).collect();
    assert_eq!(folders, made[1..].iter().map(|it| it.to_str().expect("UTF-8")).collect::<Vec<_>>());
    for folder in &made[1..] {
        let names: Vec<_> = files(folder).into_keys().collect();
        assert!(!names.iter().any(|it| it.extension().is_some_and(|it| it == "pem")), "{names:?}");
    }
    // The log did not notice.
    publish(&log, &treasury, 0..2);
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}

#[test]
fn a_stopped_log_is_backed_up_too_and_a_running_one_is_asked_where_it_is() {
    let (mut log, treasury) = TestLog::start();
    publish(&log, &treasury, 0..3);
    let to = log.path("backups");
    let to_text = to.to_str().expect("UTF-8");
    let lost = log.server_command_with("backup", &["--to", to_text]);
    assert!(lost.code == Some(1) && lost.stderr.contains("--admin"), "{}", lost.stderr);
    let head = log.reader().checkpoint().head();
    assert_eq!(log.stop_server(), Some(0));
    let folder = backup(&log, &to, &[]);
    let verified = verify(&log, &folder).expect_success("a backup of a stopped log").json();
    assert_eq!(verified["size"], head.size.get());
    assert_eq!(verified["published_size"], head.size.get());
    assert_eq!(verified["root"], head.root.to_base64());
    log.start_server();
    publish(&log, &treasury, 3..4);

    // What fails leaves nothing behind.
    fs::rename(log.policy_path(), log.path("policy.away")).expect("moving the policy");
    try_backup(&log, &to, &[]).expect_code(1, "a backup without the policy");
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("listing");
        let names = entries.map(|it| it.expect("an entry").file_name().into_string());
        names.map(|it| it.expect("UTF-8")).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&to).len(), 2, "the lock and one backup: {:?}", names(&to));
    let left = names(&log.data_path().join("backup"));
    assert_eq!(left.iter().collect::<Vec<_>>(), ["lock", "made.json"]);
}

#[test]
fn a_flipped_bit_in_any_file_of_a_backup_is_found_and_checking_changes_none() {
    let (log, treasury) = TestLog::start();
    publish(&log, &treasury, 0..6);
    let folder = backup(&log, &log.path("backups"), &[]);
    let before = files(&folder);
    let kinds: std::collections::BTreeSet<_> = before
        .keys()
        .map(|it| it.extension().unwrap_or(it.file_name().expect("a name")).to_owned())
        .collect();
    assert!(kinds.len() >= 6, "database, manifests, anchor, policy: {kinds:?}");
    for (path, bytes) in &before {
        if bytes.is_empty() {
            continue;
        }
        let mut changed = bytes.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(path, &changed).expect("flipping a bit");
        let found = verify(&log, &folder).expect_code(1, &format!("{} changed", path.display()));
        let name = path.file_name().expect("a name").to_str().expect("UTF-8");
        assert!(found.stderr.contains(name), "it does not name {name}: {}", found.stderr);
        fs::write(path, bytes).expect("flipping it back");
    }
    let lost = before.keys().find(|it| it.extension().is_some_and(|it| it == "sst"));
    let lost = lost.expect("a table file");
    fs::rename(lost, folder.join("elsewhere")).expect("moving a file");
    let missing = verify(&log, &folder).expect_code(1, "a file is missing");
    assert!(missing.stderr.contains("missing"), "{}", missing.stderr);
    fs::copy(folder.join("elsewhere"), lost).expect("copying it back");
    let extra = verify(&log, &folder).expect_code(1, "a file too many");
    assert!(extra.stderr.contains("elsewhere"), "{}", extra.stderr);
    fs::remove_file(folder.join("elsewhere")).expect("removing it");
    verify(&log, &folder).expect_success("all is as it was");
    assert_eq!(files(&folder), before, "checking changed the backup");
}

#[test]
fn a_backup_of_a_damaged_log_and_one_of_another_log_are_found_out() {
    let (mut log, treasury) = TestLog::start();
    publish(&log, &treasury, 0..6);
    let good = backup(&log, &log.path("backups"), &[]);
    let with_key = |vkey: &str| {
        let mut command = programs::command(programs::SERVER);
        command.arg("verify-backup").arg(&good).args(["--vkey", vkey]);
        e2e::process::finish(command)
    };
    with_key(&log.vkeys()[0]).expect_success("the log's own key");
    let other = TestLog::create(LogOptions::default());
    let refused = with_key(&other.vkeys()[0]).expect_code(1, "another log's key");
    assert!(refused.stderr.contains("entry 0"), "{}", refused.stderr);

    // Every checksum of this one is right, and an entry is not.
    assert_eq!(log.stop_server(), Some(0));
    let path = log.data_path().join("db");
    let kv = store::RocksKv::open(&path, &store::Settings::default()).expect("the database");
    let key = 4_u64.to_be_bytes();
    let mut entry = kv.get(Family::Entries, &key).expect("reading").expect("entry 4");
    let last = entry.len() - 10;
    entry[last] ^= 1;
    let mut batch = Batch::default();
    batch.put(Family::Entries, &key, &entry);
    kv.write(&batch).expect("writing");
    drop(kv);
    let damaged = backup(&log, &log.path("backups"), &[]);
    let found = verify(&log, &damaged).expect_code(1, "an entry is damaged");
    assert!(found.stderr.contains("entry 4"), "{}", found.stderr);
    let refused = restore_elsewhere(&log, &damaged);
    assert!(refused.code == Some(1) && refused.stderr.contains("entry 4"), "{}", refused.stderr);
}

/// Restores into the log's folder after its database was lost.
fn restore_elsewhere(log: &TestLog, backup: &Path) -> Finished {
    lose_the_disk(log);
    let refused = restore(log, backup);
    assert!(!log.data_path().join("db").exists(), "it was put in place");
    refused
}

#[test]
fn a_restored_log_waits_for_its_last_witness_over_any_number_of_restarts() {
    let (mut log, treasury) = TestLog::start();
    publish(&log, &treasury, 0..4);
    let head = log.reader().checkpoint().head();
    let folder = backup(&log, &log.path("backups"), &[]);
    assert_eq!(log.stop_server(), Some(0));
    lose_the_disk(&log);
    let restored = restore(&log, &folder).expect_success("restore").json();
    assert_eq!(restored["anchored_size"], head.size.get(), "{restored}");
    assert_eq!(restored["is_behind_anchor"], false);

    // Three of four are a quorum, and the fourth may be the one that knows more.
    log.witnesses[3].kill();
    for _ in 0..3 {
        log.start_server_unready();
        wait::until("it waits for the fourth witness alone", || {
            let words = log.admin().get("/readyz").text();
            (words.contains("restored") && words.ends_with("no answer yet from: w4\n"))
                .then_some(())
        });
        let body = treasury.payment_bytes(9);
        log.http().post("/v1/records", "application/json", body).expect_status(503);
        assert_eq!(log.reader().checkpoint().head(), head);
        assert_eq!(log.stop_server(), Some(0));
        let anchor = fs::read_to_string(log.data_path().join("anchor")).expect("the anchor");
        assert!(anchor.contains("\"restored\": true"), "it forgot that it was restored: {anchor}");
    }
    log.start_witnesses();
    log.start_server();
    publish(&log, &treasury, 0..6);
    log.reader().extends(&head, &log.reader().checkpoint().head());
    assert_eq!(log.stop_server(), Some(0));
    let anchor = fs::read_to_string(log.data_path().join("anchor")).expect("the anchor");
    assert!(!anchor.contains("restored"), "{anchor}");
    log.audit();
}

#[test]
fn a_restored_log_goes_on_without_a_witness_only_when_its_operator_sets_it_aside() {
    let (mut log, treasury) = TestLog::start();
    publish(&log, &treasury, 0..4);
    let folder = backup(&log, &log.path("backups"), &[]);
    assert_eq!(log.stop_server(), Some(0));
    lose_the_disk(&log);
    restore(&log, &folder).expect_success("restore");
    log.witnesses[3].kill();
    let set_aside = |name: &str| {
        let mut command = log.server("run");
        command.args(["--set-aside-witness", name, "--because", "its operator closed down"]);
        Process::start(command, "civiclog-server", &log.path("set-aside.log"))
    };
    let refused = set_aside("w9").expect_err("nobody knows this witness");
    assert!(refused.contains("names no witness w9"), "{refused}");
    // This one starts; the decision is in the anchor before, and stays there.
    drop(set_aside("w4").expect("it starts"));
    // Three are a quorum, two are none.
    let refused = set_aside("w3").expect_err("two cannot satisfy the policy");
    assert!(refused.contains("cannot satisfy the witness policy"), "{refused}");
    log.start_server();
    publish(&log, &treasury, 4..6);
    assert_eq!(log.stop_server(), Some(0));
    let anchor = fs::read_to_string(log.data_path().join("anchor")).expect("the anchor");
    assert_eq!(anchor.matches("its operator closed down").count(), 1, "{anchor}");
    assert!(!anchor.contains("restored"), "{anchor}");
}

#[test]
fn restoring_over_a_database_or_with_other_keys_or_another_anchor_is_refused() {
    let (mut log, treasury) = TestLog::start();
    publish(&log, &treasury, 0..4);
    let folder = backup(&log, &log.path("backups"), &[]);
    let running = restore(&log, &folder);
    assert!(running.stderr.contains("another process"), "{}", running.stderr);
    assert_eq!(log.stop_server(), Some(0));
    let there = restore(&log, &folder);
    assert!(there.stderr.contains("nothing is overwritten"), "{}", there.stderr);
    let whole = log.copy_data("whole");
    let refused = |because: &str| {
        let refused = restore(&log, &folder).expect_code(1, because);
        assert!(refused.stderr.contains(because), "{}", refused.stderr);
        assert!(!log.data_path().join("db").exists());
    };

    lose_the_disk(&log);
    fs::remove_dir_all(log.data_path().join("keys")).expect("losing the keys");
    refused("the log's keys are in no backup");
    let other = TestLog::create(LogOptions::default());
    replace_folder_into(&other.data_path().join("keys"), &log.data_path().join("keys"));
    refused("entry 0 names the log's keys");
    replace_folder(&whole.join("keys"), &log.data_path().join("keys"));

    let mut anchor = fs::read_to_string(whole.join("anchor")).expect("the anchor");
    anchor = anchor.replacen("\"size\": 6", "\"size\": 5", 1);
    fs::write(log.data_path().join("anchor"), &anchor).expect("an anchor");
    refused("a bit of it has changed");
    fs::copy(other.data_path().join("anchor"), log.data_path().join("anchor")).expect("an anchor");
    // An empty anchor of the same origin knows less, and the copy in the backup replaces it.
    restore(&log, &folder).expect_success("restore");
    log.start_server();
    publish(&log, &treasury, 4..5);
}

fn replace_folder_into(from: &Path, to: &Path) {
    fs::create_dir(to).expect("making a folder");
    replace_folder(from, to);
}

#[test]
fn backups_that_were_killed_are_seen_as_unfinished_and_harm_nobody() {
    let mut random = Random::announced("backup");
    let (mut log, treasury) = TestLog::start();
    publish(&log, &treasury, 0..20);
    let to = log.path("backups");
    for _ in 0..20 {
        let mut command = log.server("backup");
        command.arg("--to").arg(&to).arg("--admin").arg(log.admin_address().expect("running"));
        let mut process = Process::start_quietly(command, "backup", &log.path("backup.log"));
        wait::pause_ms(random.below(120));
        process.kill();
        if random.below(4) == 0 {
            log.kill_server();
            log.start_server();
        }
        // Whatever has a name that does not say otherwise is whole.
        let Ok(entries) = fs::read_dir(&to) else { continue };
        for entry in entries.map(|it| it.expect("an entry")) {
            let name = entry.file_name().into_string().expect("UTF-8");
            if entry.path().is_dir() && !name.starts_with(".unfinished-") {
                verify(&log, &entry.path()).expect_success("a backup with a name");
            }
        }
        publish(&log, &treasury, 0..21);
    }
    let folder = backup(&log, &to, &[]);
    verify(&log, &folder).expect_success("the next backup");
    let names = fs::read_dir(&to).expect("listing").map(|it| it.expect("an entry").file_name());
    let unfinished: Vec<_> =
        names.filter(|it| it.to_string_lossy().starts_with(".unfinished-")).collect();
    assert!(unfinished.is_empty(), "{unfinished:?}");
    let entries = fs::read_dir(log.data_path().join("backup")).expect("listing");
    let names = entries.map(|it| it.expect("an entry").file_name().into_string().expect("UTF-8"));
    let left: Vec<_> = names.filter(|it| it.starts_with("snapshot-")).collect();
    assert!(left.is_empty(), "{left:?}");
    // Whoever else asks for snapshots gets a few and no more, and the next backup removes them.
    let ask = || log.admin().post("/backup", "text/plain", "").status;
    let statuses: Vec<u16> = (0..6).map(|_| ask()).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 500, 500]);
    backup(&log, &to, &[]);
    assert_eq!(ask(), 200);
    // A second one meanwhile is refused.
    let held = files::lock_folder(&to).expect("the folder's lock");
    let second = try_backup(&log, &to, &[]);
    assert!(second.stderr.contains("in use by another process"), "{}", second.stderr);
    drop(held);
}
