//! A log that was put back to an older state never signs, and says why; audit and rebuild tell the
//! truth about what is on the disk.

use std::fs;

use e2e::{LogOptions, TestLog, Treasury};
use store::{Batch, Direction, Family, KeyRange, Kv as _};
use tlog::TreeHead;

/// A log with a few published entries, an older copy of its data folder, and the head that was
/// published after the copy was made. The server is stopped.
struct Restored {
    log: TestLog,
    treasury: Treasury,
    copy: std::path::PathBuf,
    before: TreeHead,
    after: TreeHead,
}

fn log_with_an_older_copy() -> Restored {
    let (mut log, treasury) = TestLog::start();
    publish(&log, &treasury, 0..3);
    let before = log.reader().checkpoint().head();
    assert_eq!(log.stop_server(), Some(0));
    let copy = log.copy_data("copy");
    log.start_server();
    publish(&log, &treasury, 3..6);
    let after = log.reader().checkpoint().head();
    assert_eq!(log.stop_server(), Some(0));
    Restored { log, treasury, copy, before, after }
}

fn publish(log: &TestLog, treasury: &Treasury, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let body = treasury.payment_bytes(number);
        log.http().post("/v1/records", JSON, body).expect_status(200);
    }
}

#[test]
fn an_older_copy_with_its_anchor_serves_reads_and_signs_nothing() {
    let Restored { mut log, treasury, copy, before, after } = log_with_an_older_copy();
    let newest = log.copy_data("newest");
    log.put_data_back(&copy);
    let anchor = fs::read(log.data_path().join("anchor")).expect("the anchor");
    // Twice: a restart must not talk it out of its refusal.
    for _ in 0..2 {
        log.start_server_unready();
        let words = e2e::wait::until("the log refuses", || {
            let answer = log.admin().get("/readyz");
            (answer.status == 503 && answer.text().contains("read-only")).then(|| answer.text())
        });
        let names_a_witness = log.witnesses.iter().any(|it| words.contains(it.name()));
        assert!(names_a_witness, "it does not say which witness knows better: {words}");
        let size = format!("{}", after.size);
        assert!(words.contains(&size), "it does not say what the witness has seen: {words}");

        // What the witness has bears our own signature; it is kept for whoever has to find out.
        let kept = e2e::wait::until("the newer head is kept", || {
            let folder = fs::read_dir(log.data_path().join("evidence")).ok()?;
            let mut files = folder.filter_map(|it| fs::read_to_string(it.ok()?.path()).ok());
            files.find(|it| it.contains(&format!("\n{size}\n")))
        });
        let kept = tlog::Note::parse(kept.as_bytes()).expect("a signed note");
        let log_keys = log.policy();
        let log_keys: Vec<_> = log_keys.logs().iter().map(|it| it.key.clone()).collect();
        let kept = tlog::SignedCheckpoint::open(kept, &log_keys).expect("our own signature");
        assert_eq!(kept.head(), after);

        let body = treasury.payment_bytes(9);
        let refused = log.http().post("/v1/records", JSON, body).expect_status(503);
        assert!(refused.text().contains("copy"), "{}", refused.text());
        assert_eq!(log.reader().checkpoint().head(), before, "reads are served, of the past");
        assert_eq!(log.reader().proven(1).checkpoint().head(), before);
        assert_eq!(log.stop_server(), Some(0));
        let now = fs::read(log.data_path().join("anchor")).expect("the anchor");
        assert_eq!(now, anchor, "a head was prepared for signing");
    }

    // With the newest data back in place it goes on as if nothing had been.
    log.put_data_back(&newest);
    log.start_server();
    publish(&log, &treasury, 6..8);
    log.reader().extends(&after, &log.reader().checkpoint().head());
}

#[test]
fn an_older_database_under_the_newest_anchor_is_refused() {
    let Restored { mut log, copy, .. } = log_with_an_older_copy();
    let anchor = fs::read(log.data_path().join("anchor")).expect("the anchor");
    log.put_data_back(&copy);
    fs::write(log.data_path().join("anchor"), anchor).expect("keeping the newest anchor");
    let refused = log.try_start_server().expect_err("it may not start");
    assert!(refused.contains("older copy"), "{refused}");
}

#[test]
fn a_log_without_its_anchor_is_refused() {
    let Restored { mut log, copy, .. } = log_with_an_older_copy();
    fs::remove_file(log.data_path().join("anchor")).expect("losing the anchor");
    let refused = log.try_start_server().expect_err("it may not start");
    assert!(refused.contains("no anchor"), "{refused}");
    log.put_data_back(&copy);
    fs::remove_file(log.data_path().join("anchor")).expect("losing the anchor");
    let refused = log.try_start_server().expect_err("it may not start");
    assert!(refused.contains("no anchor"), "{refused}");
    assert!(!log.data_path().join("anchor").exists(), "it made itself a new one");
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let (log, treasury) = TestLog::start();
    let second = log.second_server();
    assert_ne!(second.code, Some(0));
    assert!(second.stderr.contains("another process"), "{}", second.stderr);
    for command in ["audit", "rebuild"] {
        let beside = log.server_command(command);
        assert_ne!(beside.code, Some(0), "{command} beside a running server");
    }
    // The first one has not noticed.
    publish(&log, &treasury, 0..1);
}

#[test]
fn other_keys_another_origin_and_a_second_init_are_refused() {
    let (mut log, _) = TestLog::start();
    assert_eq!(log.stop_server(), Some(0));
    let again = log.server_command("keygen");
    assert_ne!(again.code, Some(0), "a second keygen: {}", again.stdout);
    let mut command = e2e::programs::command(e2e::programs::SERVER);
    command.arg("init").arg("--config").arg(log.config_path());
    command.arg("--genesis").arg(log.path("genesis.json"));
    let again = e2e::process::finish(command);
    assert_ne!(again.code, Some(0), "a second init: {}", again.stdout);

    let whole = log.copy_data("whole");
    let other = TestLog::create(LogOptions::default());
    e2e::log::replace_folder(&other.data_path().join("keys"), &log.data_path().join("keys"));
    let refused = log.try_start_server().expect_err("the policy names another key");
    assert!(refused.contains("log "), "{refused}");
    let policy = fs::read_to_string(log.policy_path()).expect("the policy");
    let others = policy.replace(&log.vkeys()[0], &other.vkeys()[0]);
    fs::write(log.policy_path(), others).expect("writing the policy");
    let refused = log.try_start_server().expect_err("entry 0 names other keys");
    assert!(refused.contains("entry 0"), "{refused}");
    fs::write(log.policy_path(), policy).expect("writing the policy");
    log.put_data_back(&whole);

    "log.example/another".clone_into(&mut log.options_mut().origin);
    log.write_config();
    let refused = log.try_start_server().expect_err("it is the log of another origin");
    assert!(!refused.is_empty());
    LogOptions::default().origin.clone_into(&mut log.options_mut().origin);
    log.write_config();

    // A folder that `init` never saw.
    fs::remove_dir_all(log.data_path().join("db")).expect("losing the database");
    let refused = log.try_start_server().expect_err("there is no database");
    assert!(refused.contains("database"), "{refused}");

    log.put_data_back(&whole);
    log.start_server();
}

#[test]
fn what_follows_from_the_entries_can_be_rebuilt() {
    let Restored { mut log, treasury, after, .. } = log_with_an_older_copy();
    log.audit();
    // Lose a tile, a leaf's index and a row of the admission state; keep what cannot be rebuilt.
    edit(&log, |kv| {
        let mut batch = Batch::default();
        for family in [Family::Tiles, Family::ByLeaf, Family::State] {
            let mut first = None;
            kv.scan(family, KeyRange::ALL, Direction::Forward, &mut |key, _| {
                first = Some(key.to_vec());
                std::ops::ControlFlow::Break(())
            })
            .expect("scanning");
            batch.delete(family, &first.expect("a row"));
        }
        batch
    });
    assert_ne!(log.server_command("audit").code, Some(0), "the audit overlooks what is missing");
    log.server_command("rebuild").expect_success("rebuild");
    log.audit();
    log.start_server();
    assert_eq!(log.reader().checkpoint().head(), after);
    log.reader().tree(&after);
    publish(&log, &treasury, 0..8);
}

#[test]
fn the_audit_names_an_entry_whose_byte_was_changed() {
    let Restored { log, .. } = log_with_an_older_copy();
    let index = 4_u64;
    edit(&log, |kv| {
        let mut entry =
            kv.get(Family::Entries, &index.to_be_bytes()).expect("reading").expect("entry 4");
        // A digit of the amount: still canonical JSON, still money.
        let text = String::from_utf8(entry.clone()).expect("UTF-8");
        let at = text.find("\"value\":\"").expect("an amount") + "\"value\":\"".len();
        entry[at] = if entry[at] == b'9' { b'8' } else { entry[at] + 1 };
        let mut batch = Batch::default();
        batch.put(Family::Entries, &index.to_be_bytes(), &entry);
        batch
    });
    let audit = log.server_command("audit");
    assert_eq!(audit.code, Some(1), "{}", audit.stdout);
    assert!(audit.stderr.contains("entry 4"), "{}", audit.stderr);
}

#[test]
fn a_changed_tile_is_found_and_never_signed() {
    let Restored { mut log, treasury, after, .. } = log_with_an_older_copy();
    let whole = log.copy_data("whole");
    edit(&log, |kv| {
        let key = [0; 9];
        let mut tile = kv.get(Family::Tiles, &key).expect("reading").expect("the first tile");
        tile[40] ^= 1;
        let mut batch = Batch::default();
        batch.put(Family::Tiles, &key, &tile);
        batch
    });
    assert_eq!(log.server_command("audit").code, Some(1));
    let refused = log.try_start_server().expect_err("the anchored head is no prefix any more");
    assert!(!refused.is_empty());
    log.put_data_back(&whole);
    log.start_server();
    assert_eq!(log.reader().checkpoint().head(), after);
    publish(&log, &treasury, 6..7);
}

/// Changes the database of a stopped log behind its back.
fn edit(log: &TestLog, change: impl FnOnce(&store::RocksKv) -> Batch) {
    let path = log.data_path().join("db");
    let kv = store::RocksKv::open(&path, &store::Settings::default()).expect("the database");
    let batch = change(&kv);
    kv.write(&batch).expect("writing");
    kv.flush().expect("flushing");
}

const JSON: &str = "application/json";
