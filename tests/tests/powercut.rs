//! The power goes at any moment, under load, and takes what was not synced: the log and its
//! witnesses start again from whatever the disk kept, and no answered record is lost.

use e2e::mixed::{Load, Machine};
use e2e::powercut::{Kept, Outage, Recorder, Seen};
use e2e::random::Random;
use e2e::under::skipped;
use e2e::{Http, LogOptions, TestLog, wait};
use records::Algorithm;

#[test]
fn twenty_power_cuts_lose_no_answered_record() {
    cut_again_and_again(24);
}

#[test]
#[ignore = "long: two hundred power cuts take about ten minutes"]
fn two_hundred_power_cuts_lose_no_answered_record() {
    cut_again_and_again(200);
}

#[expect(clippy::print_stdout, reason = "what the run was worth")]
fn cut_again_and_again(cuts: usize) {
    let mut random = Random::announced("powercut");
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = match Recorder::build(folder.path()) {
        Ok(recorder) => recorder,
        Err(because) => return skipped("power cuts", &because),
    };
    let (mut done, mut answers, mut unsynced) = (0, 0, 0);
    while done < cuts {
        // A log of its own for some cuts, so that checking all of it stays quick.
        let here = (cuts - done).min(CUTS_PER_LOG);
        let mut site = Site::new(&recorder);
        for _ in 0..here {
            unsynced += site.life_and_cut(&mut random);
        }
        site.end();
        answers += site.load.history().answers();
        done += here;
    }
    println!("powercut: {done} cuts, {answers} answers, {unsynced} changes were not synced");
    assert!(answers > cuts, "the load was no load");
    assert!(unsynced > cuts, "the cuts took nothing: the disk was never at work");
}

/// A log and its witnesses, each on a disk that can lose its power.
struct Site {
    log: TestLog,
    load: Load,
    server: Outage,
    witnesses: Vec<Outage>,
    lives: u64,
}

impl Site {
    fn new(recorder: &Recorder) -> Self {
        let mut log = TestLog::create(LogOptions::default());
        log.start_witnesses();
        log.start_server();
        let treasury = log.register("GB-LAE-DEV", Algorithm::Es256, 1);
        assert_eq!(log.stop_server(), Some(0));
        let beside = |name: &str| {
            let folder = log.path(name);
            std::fs::create_dir(&folder).expect("making a folder");
            folder
        };
        let server = Outage::new(recorder, &log.data_path(), &beside("of-server"));
        let witnesses: Vec<Outage> = log
            .witnesses
            .iter()
            .map(|it| {
                Outage::new(recorder, &it.state_folder(), &beside(&format!("of-{}", it.name())))
            })
            .collect();
        for witness in &mut log.witnesses {
            witness.stop();
        }
        let mut site = Self { log, load: Load::new(treasury), server, witnesses, lives: 0 };
        site.start();
        site
    }

    fn start(&mut self) {
        for (witness, outage) in self.log.witnesses.iter_mut().zip(&self.witnesses) {
            witness.start_under(outage.under());
        }
        self.log.start_witnesses();
        self.log.start_under(self.server.under());
        self.log.start_server();
    }

    /// Some load, a power cut of the log, of witnesses or of all, and the checks after it. Returns
    /// how many changes were not synced.
    fn life_and_cut(&mut self, random: &mut Random) -> usize {
        let workers = self.load.start(&self.log, Machine::Whole, random);
        wait::pause_ms(random.below(LIFE_MS_MAX));
        // The log's machine alone, one witness with it, or the whole town.
        let with: std::ops::Range<usize> = match random.below(3) {
            0 => 0..0,
            1 => {
                let one = usize::try_from(random.below(4)).expect("one of four");
                one..one + 1
            }
            _ => 0..4,
        };
        for witness in &mut self.log.witnesses[with.clone()] {
            witness.kill();
        }
        self.log.kill_server();
        let kept = Kept::any(random);
        workers.join(&format!("life {}", self.lives));
        let mut unsynced = self.cut_server(kept, random).unsynced;
        for outage in &mut self.witnesses[with] {
            unsynced += outage.cut(Kept::any(random), random).unsynced;
        }
        if random.below(4) == 0 {
            // Audited as the disk was left. What it writes while opening is not recorded, so the
            // next life begins with a copy of it.
            self.log.audit();
            self.server = self.server.renewed();
        }
        self.start();
        self.lives += 1;
        self.load.publish_one(&self.log, FIRST_CHECKED + self.lives);
        self.load.history().holds_in(&self.log.reader());
        unsynced
    }

    fn cut_server(&mut self, kept: Kept, random: &mut Random) -> Seen {
        let seen = self.server.cut(kept, random);
        assert!(seen.writes > 0 && seen.file_syncs > 0, "the library saw nothing: {seen:?}");
        assert!(seen.folder_syncs > 0, "no name was synced: {seen:?}");
        seen
    }

    fn end(&mut self) {
        self.load.settle(&self.log);
        assert_eq!(self.log.stop_server(), Some(0));
        self.log.audit();
    }
}

/// The checks above must be able to fail: on a disk that only pretends to sync the write-ahead log,
/// answered records are gone, and the log sees it and does not start.
#[test]
fn a_disk_that_lies_about_the_write_ahead_log_is_found_out() {
    let mut random = Random::announced("powercut");
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = match Recorder::build(folder.path()) {
        Ok(recorder) => recorder,
        Err(because) => return skipped("power cuts", &because),
    };
    let mut site = Site::new(&recorder);
    site.log.stop_server();
    site.server = site.server.renewed().forgetting(".log");
    site.log.start_under(site.server.under());
    site.log.start_server();
    site.load.publish_one(&site.log, 1);
    let size = site.log.reader().checkpoint().head().size;
    site.log.kill_server();
    site.cut_server(Kept::Nothing, &mut random);

    site.log.start_under(site.server.under());
    let refused = site.log.try_start_server().expect_err("an answered record is gone");
    assert!(refused.contains("older copy or lost entries"), "{refused}");
    let origin = site.log.origin().parse().expect("an origin");
    let database = site.log.data_path().join("db");
    let (store, _) =
        store::Store::open(&database, &origin, &store::Settings::default()).expect("it opens");
    assert!(store.head().size < size, "the record that was answered is there after all");
}

/// The same for a witness whose disk pretends to sync its state: it does not start, and so cannot
/// sign a second history.
#[test]
fn a_disk_that_lies_about_a_witnesss_state_is_found_out() {
    let mut random = Random::announced("powercut");
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = match Recorder::build(folder.path()) {
        Ok(recorder) => recorder,
        Err(because) => return skipped("power cuts", &because),
    };
    let mut site = Site::new(&recorder);
    site.log.witnesses[0].stop();
    site.witnesses[0] = site.witnesses[0].renewed().forgetting(".tmp");
    site.log.witnesses[0].start_under(site.witnesses[0].under());
    site.log.witnesses[0].start();
    site.load.publish_one(&site.log, 1);
    let size = site.log.reader().checkpoint().head().size;
    let origin: tlog::Origin = site.log.origin().parse().expect("an origin");
    let witness = Http::new(&site.log.witnesses[0].url());
    wait::until("the first witness cosigned too", || {
        let cosigned = witness.get(&format!("/{}/checkpoint", origin.sha256_hex())).text();
        cosigned.contains(&format!("\n{size}\n")).then_some(())
    });
    site.log.witnesses[0].kill();
    let seen = site.witnesses[0].cut(Kept::Nothing, &mut random);
    assert!(seen.unsynced > 0, "{seen:?}");
    let refused = site.log.witnesses[0].try_start().expect_err("its memory is gone");
    assert!(refused.contains("not what this witness would have written"), "{refused}");
}

const CUTS_PER_LOG: usize = 25;
const LIFE_MS_MAX: u64 = 400;
/// Numbers of payments that the load never draws: they are larger.
const FIRST_CHECKED: u64 = 1_000_000;
