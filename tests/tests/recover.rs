//! What a log lost comes back from any copy of it that somebody kept, and nothing else does; the log
//! signs again only when every witness agrees.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::history::History;
use e2e::log::{copy_folder, replace_folder};
use e2e::mirror::{SecondServer, backup, copy_tiles, serve_files};
use e2e::random::Random;
use e2e::{Finished, LogOptions, Process, TestLog, Treasury, wait};
use store::{RocksKv, Store};
use tlog::TreeHead;

/// A log whose disk died after its last backup. The server is stopped, the witnesses are up.
struct Lost {
    log: TestLog,
    treasury: Treasury,
    history: History,
    backup: PathBuf,
    /// The last head that was published, which the backup does not know.
    last: TreeHead,
    /// A tile copy of everything that was published.
    tiles: PathBuf,
    /// The data folder as it was at the end.
    newest: PathBuf,
}

impl Lost {
    fn log() -> Self {
        Self::log_of(8)
    }

    /// The backup knows the first half of that many payments.
    fn log_of(payments: u64) -> Self {
        let (mut log, treasury) = TestLog::start();
        let mut history = History::default();
        publish(&log, &treasury, &mut history, 0..payments / 2);
        let backup = backup(&log, &log.path("backups"), &[]);
        publish(&log, &treasury, &mut history, payments / 2..payments);
        let last = log.reader().checkpoint().head();
        let tiles = log.path("tiles");
        copy_tiles(log.http(), last.size, &tiles);
        assert_eq!(log.stop_server(), Some(0));
        let newest = log.copy_data("newest");
        fs::remove_dir_all(log.data_path().join("db")).expect("losing the database");
        fs::remove_file(log.data_path().join("anchor")).expect("losing the anchor");
        Self { log, treasury, history, backup, last, tiles, newest }
    }

    fn restore(&self) -> serde_json::Value {
        let from = self.backup.to_str().expect("UTF-8");
        self.log.server_command_with("restore", &["--from", from]).expect_success("restore").json()
    }

    fn recover(&self, from: &str, more: &[&str]) -> Finished {
        recover(&self.log, from, more)
    }

    fn tiles(&self) -> &str {
        self.tiles.to_str().expect("UTF-8")
    }

    /// A copy of the tiles, to be spoiled.
    fn other_tiles(&self, name: &str) -> PathBuf {
        let copy = self.log.path(name);
        copy_folder(&self.tiles, &copy);
        copy
    }

    /// It signs again, and whoever saw a head before sees it extended.
    fn goes_on(mut self) {
        self.log.start_server();
        publish(&self.log, &self.treasury, &mut self.history, 900_000..900_003);
        let reader = self.log.reader();
        reader.extends(&self.last, &reader.checkpoint().head());
        assert!(reader.checkpoint().head().size > self.last.size);
        self.history.holds_in(&reader);
        assert_eq!(self.log.stop_server(), Some(0));
        self.log.audit();
    }
}

fn recover(log: &TestLog, from: &str, more: &[&str]) -> Finished {
    let mut arguments = vec!["--from", from];
    arguments.extend(more);
    log.server_command_with("recover", &arguments)
}

fn publish(
    log: &TestLog,
    treasury: &Treasury,
    history: &mut History,
    numbers: std::ops::Range<u64>,
) {
    let numbers: Vec<u64> = numbers.collect();
    for some in numbers.chunks(500) {
        let mut objects = Vec::new();
        let mut lines = Vec::new();
        for number in some {
            let (record, disclosure) = treasury.sealed_payment(*number);
            let submission = treasury.sign(&record, &[disclosure]);
            history.sent(record.object(), record.bytes(), &submission);
            objects.push(record.object().to_owned());
            lines.push(submission);
        }
        let answer = log.http().post("/v1/records", "application/x-ndjson", lines.join(&b'\n'));
        let said: Vec<serde_json::Value> = answer.expect_status(200).parse_lines();
        for (object, said) in objects.iter().zip(&said) {
            assert_eq!(said["status"], "published", "{said}");
            let index = said["index"].as_u64().expect("an index");
            history.answered(object, index, said["leaf_hash"].as_str().expect("a hash"));
        }
    }
    history.published(log.reader().checkpoint().head());
}

/// What the database and the anchor hold; the server is stopped.
fn held(log: &TestLog) -> (TreeHead, Vec<u8>) {
    let origin = log.origin().parse().expect("an origin");
    let settings = store::Settings::default();
    let opened = Store::<RocksKv>::open(&log.data_path().join("db"), &origin, &settings);
    let (store, _) = opened.expect("the database");
    (store.head(), fs::read(log.data_path().join("anchor")).expect("the anchor"))
}

/// A signed note with only its first `keep` signature lines.
fn with_signatures(note: &str, keep: usize) -> String {
    let (text, lines) = note.split_once("\n\n").expect("text and signatures");
    let lines: Vec<&str> = lines.lines().take(keep).collect();
    format!("{text}\n\n{}\n", lines.join("\n"))
}

#[test]
fn a_backup_of_yesterday_signs_nothing_until_a_server_that_knows_more_gave_back_the_rest() {
    let mut lost = Lost::log();
    let restored = lost.restore();
    let size = restored["size"].as_u64().expect("a size");
    assert!(size < lost.last.size.get());
    // Twice: a restart must not talk it out of its refusal.
    for _ in 0..2 {
        lost.log.start_server_unready();
        let words = wait::until("the log refuses", || {
            let text = lost.log.admin().get("/readyz").text();
            text.contains("read-only").then_some(text)
        });
        assert!(lost.log.witnesses.iter().any(|it| words.contains(it.name())), "{words}");
        assert!(words.contains(&lost.last.size.to_string()), "{words}");
        assert!(words.contains("recover") && words.contains("A backup was restored"), "{words}");
        assert_eq!(lost.log.reader().checkpoint().head().size.get(), size, "reads are served");
        assert_eq!(lost.log.stop_server(), Some(0));
    }

    // Somebody still has the newest data folder. A second server over it must only read, so the
    // witnesses are kept away from it.
    lost.log.witnesses.iter_mut().for_each(e2e::witness::Witness::kill);
    let second = SecondServer::start(&lost.log, &lost.newest);
    let recovered = lost.recover(second.url(), &[]).expect_success("recover").json();
    assert_eq!(recovered["size"], lost.last.size.get());
    assert_eq!(recovered["root"], lost.last.root.to_base64());
    assert_eq!(recovered["size_before"], size);
    assert_eq!(recovered["disclosures_missing"], 0, "{recovered}");
    assert_eq!(recovered["disclosures_found"], lost.last.size.get() - size, "{recovered}");
    drop(second);
    lost.log.start_witnesses();
    lost.log.start_server();
    let index = lost.last.size.get() - 1;
    let record = lost.log.http().get(&format!("/v1/records/{index}")).expect_status(200).json();
    assert_eq!(record["disclosures"].as_array().map(Vec::len), Some(1), "{record}");
    assert_eq!(lost.log.stop_server(), Some(0));
    lost.goes_on();
}

#[test]
fn a_folder_of_tiles_gives_back_what_is_missing() {
    let lost = Lost::log();
    lost.restore();
    let recovered = lost.recover(lost.tiles(), &[]).expect_success("recover").json();
    assert_eq!(recovered["disclosures_missing"], 4, "what is not in tiles stays away");
    assert_eq!(recovered["disclosures_found"], 0);
    let (head, _) = held(&lost.log);
    assert_eq!(head, lost.last);
    // A second time there is nothing left to do.
    let again = lost.recover(lost.tiles(), &[]).expect_success("recover").json();
    assert_eq!(again["size_before"], lost.last.size.get());
    lost.goes_on();
}

#[test]
fn disclosures_come_back_only_where_they_fit_the_digests() {
    let mut lost = Lost::log();
    lost.log.witnesses.iter_mut().for_each(e2e::witness::Witness::kill);
    let second = SecondServer::start(&lost.log, &lost.newest);
    let http = e2e::Http::new(second.url());
    let records = lost.tiles.join("v1/records");
    fs::create_dir_all(&records).expect("making a folder");
    let size = lost.last.size.get();
    for index in size - 4..size {
        let body = http.get(&format!("/v1/records/{index}")).expect_status(200).body;
        fs::write(records.join(index.to_string()), body).expect("writing a record");
    }
    drop(second);
    lost.log.start_witnesses();
    // One tells another payee, one tells nonsense.
    fs::copy(records.join((size - 1).to_string()), records.join((size - 2).to_string()))
        .expect("another entry's disclosures");
    fs::write(records.join((size - 3).to_string()), "{").expect("nonsense");
    lost.restore();
    let recovered = lost.recover(lost.tiles(), &[]).expect_success("recover").json();
    assert_eq!(recovered["disclosures_found"], 2, "{recovered}");
    assert_eq!(recovered["disclosures_missing"], 2, "{recovered}");
    lost.log.start_server();
    let shown = |index: u64| {
        let path = format!("/v1/records/{index}");
        lost.log.http().get(&path).expect_status(200).json()["disclosures"].as_array().map(Vec::len)
    };
    let shown: Vec<_> = (size - 4..size).map(shown).collect();
    assert_eq!(shown, [Some(1), None, None, Some(1)]);
    assert_eq!(lost.log.stop_server(), Some(0));
    lost.goes_on();
}

#[test]
fn any_web_server_over_those_files_does_too_also_for_a_checkpoint_from_elsewhere() {
    // More than a bundle and more than a batch, so that several commits are proven.
    let lost = Lost::log_of(5_000);
    lost.restore();
    let url = serve_files(&lost.tiles);
    // The copy was caught while it was being updated: its own checkpoint is of no use.
    let note = lost.log.path("checkpoint");
    fs::copy(lost.tiles.join("checkpoint"), &note).expect("keeping the checkpoint");
    fs::write(lost.tiles.join("checkpoint"), "newer").expect("another checkpoint");
    let note = note.to_str().expect("UTF-8");
    let recovered = lost.recover(&url, &["--checkpoint", note]).expect_success("recover").json();
    assert_eq!(recovered["size"], lost.last.size.get());
    lost.goes_on();
}

#[test]
fn an_anchor_that_survived_wins_over_the_one_in_the_backup() {
    let mut lost = Lost::log();
    fs::copy(lost.newest.join("anchor"), lost.log.data_path().join("anchor")).expect("an anchor");
    let restored = lost.restore();
    assert_eq!(restored["is_behind_anchor"], true);
    assert_eq!(restored["anchored_size"], lost.last.size.get());
    let refused = lost.log.try_start_server().expect_err("the database is behind");
    assert!(refused.contains("recover") && refused.contains("older copy"), "{refused}");
    lost.recover(lost.tiles(), &[]).expect_success("recover");
    lost.goes_on();
}

#[test]
fn with_nothing_left_but_the_keys_a_mirror_gives_back_the_whole_log() {
    let lost = Lost::log();
    let refused = lost.recover(lost.tiles(), &[]).expect_code(1, "there is no anchor");
    assert!(refused.stderr.contains("--anchor-is-lost"), "{}", refused.stderr);
    assert!(!lost.log.data_path().join("db").exists());
    lost.recover(lost.tiles(), &["--anchor-is-lost"]).expect_success("recover");
    let anchor = fs::read_to_string(lost.log.data_path().join("anchor")).expect("an anchor");
    assert!(anchor.contains("\"restored\": true"), "{anchor}");
    let again = lost.recover(lost.tiles(), &["--anchor-is-lost"]).expect_code(1, "it is there");
    assert!(again.stderr.contains("leave --anchor-is-lost out"), "{}", again.stderr);
    lost.goes_on();
}

#[test]
fn a_lost_anchor_beside_a_whole_database_is_made_anew_at_a_cosigned_head() {
    let lost = Lost::log();
    replace_folder(&lost.newest, &lost.log.data_path());
    fs::remove_file(lost.log.data_path().join("anchor")).expect("losing the anchor");
    lost.recover(lost.tiles(), &["--anchor-is-lost"]).expect_success("recover");
    lost.goes_on();
}

#[test]
fn what_is_not_the_cosigned_tree_is_refused_and_changes_nothing() {
    let lost = Lost::log();
    lost.restore();
    let before = held(&lost.log);
    let refused = |from: &Path, more: &[&str], because: &str| {
        let from = from.to_str().expect("UTF-8");
        let refused = lost.recover(from, more).expect_code(1, because);
        assert!(refused.stderr.contains(because), "{because}: {}", refused.stderr);
        assert_eq!(held(&lost.log), before, "{because}");
    };
    let note = fs::read_to_string(lost.tiles.join("checkpoint")).expect("the checkpoint");

    // Another entry, of the same length.
    let spoiled = lost.other_tiles("other-entry");
    let bundle = spoiled.join(format!("tile/entries/000.p/{}", lost.last.size));
    let mut bytes = fs::read(&bundle).expect("the bundle");
    let last = bytes.len() - 1;
    bytes[last - 20] ^= 1;
    fs::write(&bundle, bytes).expect("spoiling it");
    refused(&spoiled, &[], "are not those of the cosigned tree");
    // An entry too few.
    let bytes = fs::read(&bundle).expect("the bundle");
    fs::write(&bundle, &bytes[..bytes.len() - 1]).expect("cutting it");
    refused(&spoiled, &[], "is no bundle");
    // Another tile.
    let spoiled = lost.other_tiles("other-tile");
    let tile = spoiled.join(format!("tile/0/000.p/{}", lost.last.size));
    let mut bytes = fs::read(&tile).expect("the tile");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&tile, bytes).expect("spoiling it");
    refused(&spoiled, &[], "it is not proven");
    fs::remove_file(&tile).expect("losing it");
    refused(&spoiled, &[], "the mirror has no tile/0/000");

    // The log's own signature and two of the witnesses that must be three.
    let spoiled = lost.other_tiles("no-quorum");
    fs::write(spoiled.join("checkpoint"), with_signatures(&note, 3)).expect("a checkpoint");
    refused(&spoiled, &[], "expected cosignatures by");
    // A checkpoint of another log, and one of this log's name by another key.
    let (other, treasury) = TestLog::start();
    publish(&other, &treasury, &mut History::default(), 0..20);
    let theirs = other.http().get("/checkpoint").expect_status(200).text();
    fs::write(spoiled.join("checkpoint"), &theirs).expect("a checkpoint");
    refused(&spoiled, &[], "no key that the policy names");
    let swapped = lost.log.path("swapped");
    fs::write(&swapped, &theirs).expect("a checkpoint");
    refused(&lost.tiles, &["--checkpoint", swapped.to_str().expect("UTF-8")], "no key that");

    let more = (lost.last.size.get() + 1).to_string();
    refused(&lost.tiles, &["--at-least", &more], "are missing; name a mirror that holds them");
    refused(&lost.log.path("nowhere"), &[], "the mirror has no checkpoint");

    // With the right mirror it works all the same.
    lost.recover(lost.tiles(), &[]).expect_success("recover");
    lost.goes_on();
}

#[test]
fn a_mirror_that_holds_less_than_the_anchor_or_a_witness_knows_is_refused() {
    let mut lost = Lost::log();
    lost.restore();
    // The backup's own head, as an older mirror has it.
    lost.log.start_server_unready();
    let older = lost.log.path("older");
    let head = lost.log.reader().checkpoint().head();
    copy_tiles(lost.log.http(), head.size, &older);
    assert_eq!(lost.log.stop_server(), Some(0));
    let before = held(&lost.log);
    let older = older.to_str().expect("UTF-8");
    let refused = lost.recover(older, &[]).expect_code(1, "the witnesses know more");
    let words = format!("has cosigned a tree of {} entries", lost.last.size);
    assert!(refused.stderr.contains(&words), "{}", refused.stderr);
    assert_eq!(held(&lost.log), before);

    // The same when the witnesses are silent and the anchor is the newest.
    lost.log.witnesses.iter_mut().for_each(e2e::witness::Witness::kill);
    fs::copy(lost.newest.join("anchor"), lost.log.data_path().join("anchor")).expect("an anchor");
    let before = held(&lost.log);
    let refused = lost.recover(older, &[]).expect_code(1, "the anchor knows more");
    let words = format!("the log signed a tree of {} entries", lost.last.size);
    assert!(refused.stderr.contains(&words), "{}", refused.stderr);
    assert_eq!(held(&lost.log), before);
    lost.recover(lost.tiles(), &[]).expect_success("recover");
    lost.log.start_witnesses();
    lost.goes_on();
}

#[test]
fn other_keys_and_a_running_server_are_refused() {
    let mut lost = Lost::log();
    lost.restore();
    let keys = lost.log.data_path().join("keys");
    let other = TestLog::create(LogOptions::default());
    replace_folder(&other.data_path().join("keys"), &keys);
    let refused = lost.recover(lost.tiles(), &[]).expect_code(1, "other keys");
    assert!(refused.stderr.contains("this log's own key"), "{}", refused.stderr);
    replace_folder(&lost.newest.join("keys"), &keys);
    lost.log.start_server_unready();
    let refused = lost.recover(lost.tiles(), &[]).expect_code(1, "it is running");
    assert!(refused.stderr.contains("another process"), "{}", refused.stderr);
    assert_eq!(lost.log.stop_server(), Some(0));
    lost.recover(lost.tiles(), &[]).expect_success("recover");
    lost.goes_on();
}

#[test]
fn a_recovery_that_is_killed_goes_on_where_it_ended() {
    let mut random = Random::announced("recover");
    let mut lost = Lost::log_of(12_000);
    lost.restore();
    let mut sizes = vec![held(&lost.log).0.size];
    for _ in 0..8 {
        let mut command = lost.log.server("recover");
        command.arg("--from").arg(&lost.tiles);
        let mut process = Process::start_quietly(command, "recover", &lost.log.path("recover.log"));
        wait::pause_ms(200 + random.below(800));
        process.kill();
        sizes.push(held(&lost.log).0.size);
        assert!(sizes.is_sorted(), "{sizes:?}");
        // Whatever it got to, nothing is signed: the witnesses know more, or all must confirm.
        if sizes.last() < Some(&lost.last.size) {
            lost.log.start_server_unready();
            wait::until("the log refuses", || {
                lost.log.admin().get("/readyz").text().contains("read-only").then_some(())
            });
            assert_eq!(lost.log.stop_server(), Some(0));
        }
    }
    lost.recover(lost.tiles(), &[]).expect_success("recover");
    assert_eq!(held(&lost.log).0, lost.last);
    lost.goes_on();
}
