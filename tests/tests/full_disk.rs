//! A disk that is full to the last byte, under load: the log stops before it says what it did not
//! keep, goes on serving, and with room again a restart brings back all that was answered.

use e2e::mixed::{Load, Machine};
use e2e::random::Random;
use e2e::small_disk::SmallDisk;
use e2e::under::skipped;
use e2e::{Http, LogOptions, TestLog, wait};
use records::Algorithm;

#[test]
fn a_full_disk_stops_the_log_and_loses_nothing() {
    fill_again_and_again(4);
}

#[test]
#[ignore = "long: forty full disks take minutes"]
fn forty_full_disks_stop_the_log_and_lose_nothing() {
    fill_again_and_again(40);
}

#[expect(clippy::print_stdout, reason = "what the run was worth")]
fn fill_again_and_again(times: u64) {
    let mut random = Random::announced("full_disk");
    let Some(Filling { mut log, disk, load }) = Filling::start(DISK_MIB, 0) else { return };
    let mut refused_starts = 0;
    for time in 1..=times {
        // Sometimes it starts with too little room to reserve any ahead, sometimes with enough;
        // then something else takes the last of it.
        if random.below(2) == 0 {
            log.kill_server();
            disk.leave(4 * 1024 + random.below(4 * 1024));
            log.start_server();
        }
        let workers = load.start(&log, Machine::Failing, &mut random);
        wait::pause_ms(random.below(LIFE_MS_MAX));
        disk.leave(0);
        let reason = wait::until("the log is read-only", || {
            // What a renamed file gives back is taken too, or it goes on until its log file is full.
            disk.leave(0);
            let ready = log.admin().try_get("/readyz").ok()?;
            ready.text().contains("read-only").then(|| ready.text())
        });
        // Of a flush that failed RocksDB only says that it did; its diary says why.
        let says_why = reason.contains("No space left") || reason.contains("background operations");
        assert!(says_why, "it does not say why: {reason}");
        workers.join("a life on a disk that filled up");
        // Readers notice nothing, and it stays as it is: what the disk holds is unknown.
        let reader = log.reader();
        reader.tree(&reader.checkpoint().head());
        disk.clear();
        let body = load.treasury().payment_bytes(7);
        log.http().post("/v1/records", "application/json", body).expect_status(503);
        log.admin().get("/readyz").expect_status(503);
        if random.below(2) == 0 {
            log.kill_server();
        } else {
            assert_eq!(log.stop_server(), Some(0));
        }
        if random.below(2) == 0 {
            // A restart before there is room: it starts or says why not, and breaks nothing.
            disk.leave(0);
            match log.try_start_server() {
                Ok(()) => log.kill_server(),
                Err(words) => {
                    assert!(words.contains("No space left"), "{words}");
                    refused_starts += 1;
                }
            }
            disk.clear();
        }
        log.audit();
        log.start_server();
        load.publish_one(&log, FIRST_CHECKED + time);
        load.history().holds_in(&log.reader());
    }
    println!(
        "full_disk: {times} full disks, {refused_starts} starts refused; {}",
        load.history().summary()
    );
    load.settle(&log);
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}

#[test]
fn above_the_low_water_mark_nothing_is_lost_and_no_restart_is_needed() {
    if !has_low_water_mark() {
        return skipped("the low-water mark", "this server has none");
    }
    let mut random = Random::announced("full_disk");
    let mark = 8 * 1024 * 1024;
    let Some(Filling { mut log, disk, load }) = Filling::start(DISK_MIB, mark) else { return };
    let workers = load.start(&log, Machine::Whole, &mut random);
    disk.leave(mark / 1024 - 64);
    let ready = wait::until("records are turned away", || {
        let ready = log.admin().get("/readyz");
        (ready.status == 503).then(|| ready.text())
    });
    assert!(ready.contains("bytes free") && !ready.contains("read-only"), "{ready}");
    let refused =
        log.http().post("/v1/records", "application/json", load.treasury().payment_bytes(7));
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").parse::<u32>().is_ok(), "{:?}", refused.headers);
    workers.join("the life below the mark");
    let reader = log.reader();
    reader.tree(&reader.checkpoint().head());
    disk.clear();
    let is_ready = wait::within(wait::DEADLINE_MS, || {
        (log.admin().get("/readyz").status == 200).then_some(())
    });
    let why_not = log.admin().get("/readyz").text();
    assert!(is_ready.is_some(), "records are not taken again: {why_not}");
    load.publish_one(&log, FIRST_CHECKED);
    load.settle(&log);
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}

#[test]
fn a_witness_on_a_full_disk_signs_nothing_and_comes_back() {
    let (mut log, treasury) = TestLog::start();
    let load = Load::new(treasury);
    load.publish_one(&log, 1);
    log.witnesses[0].stop();
    let disk = match SmallDisk::under(&log.witnesses[0].state_folder(), 8) {
        Ok(disk) => disk,
        Err(because) => return skipped("a full disk", &because),
    };
    log.witnesses[0].start();
    load.publish_one(&log, 2);
    let witness = Http::new(&log.witnesses[0].url());
    let path = format!(
        "/{}/checkpoint",
        log.origin().parse::<tlog::Origin>().expect("an origin").sha256_hex()
    );
    let cosigned_size = || {
        let note = witness.get(&path).text();
        note.lines().nth(1).and_then(|it| it.parse::<u64>().ok()).expect("a size")
    };
    wait::until("the witness is up to date", || (cosigned_size() == 4).then_some(()));
    disk.leave(0);
    for number in 3..6 {
        // The other three are a quorum.
        load.publish_one(&log, number);
    }
    wait::until("the witness says that it cannot save", || {
        log.witnesses[0].stderr().contains("cannot save").then_some(())
    });
    assert_eq!(cosigned_size(), 4, "it shows what it did not keep");
    // Room alone does not bring it back: it does not know what is on its disk.
    disk.clear();
    load.publish_one(&log, 6);
    assert_eq!(cosigned_size(), 4);
    log.witnesses[0].kill();
    log.witnesses[0].start();
    load.publish_one(&log, 7);
    wait::until("the witness cosigns again", || (cosigned_size() == 9).then_some(()));
    load.settle(&log);
}

/// A log whose data folder is on a disk of its own.
struct Filling {
    // The disk goes first: it is taken away from under whatever still runs.
    disk: SmallDisk,
    log: TestLog,
    load: Load,
}

impl Filling {
    /// `None`, and said so, when this machine does not permit it.
    fn start(mebibytes: u64, mark: u64) -> Option<Self> {
        let mark = if has_low_water_mark() {
            format!("disk_free_bytes_min = {mark}\n")
        } else {
            String::new()
        };
        let limits = format!("wait_published_ms = 1000\n{mark}");
        let mut log = TestLog::create(LogOptions { limits, ..LogOptions::default() });
        let disk = match SmallDisk::under(&log.data_path(), mebibytes) {
            Ok(disk) => disk,
            Err(because) => {
                skipped("a full disk", &because);
                return None;
            }
        };
        log.start_witnesses();
        log.start_server();
        let treasury = log.register("GB-LAE-DEV", Algorithm::Es256, 1);
        Some(Self { disk, log, load: Load::new(treasury) })
    }
}

/// Whether this server can be told to stop before the disk is full.
fn has_low_water_mark() -> bool {
    let page = e2e::programs::repository().join("docs/operating/config.md");
    std::fs::read_to_string(page).is_ok_and(|text| text.contains("disk_free_bytes_min"))
}

const LIFE_MS_MAX: u64 = 600;
/// RocksDB reserves some 90 MiB ahead for its log files.
const DISK_MIB: u64 = 128;
/// Numbers of payments that the load never draws: they are larger.
const FIRST_CHECKED: u64 = 1_000_000;
