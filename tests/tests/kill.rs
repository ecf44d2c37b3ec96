//! SIGKILL of the server at any moment, under load: no answered record is lost, no answer is ever
//! contradicted, every head that was published is a prefix of every later one.

use e2e::mixed::{Load, Machine};
use e2e::random::Random;
use e2e::{TestLog, wait};

#[test]
fn fifty_kills_lose_no_answered_record_and_contradict_no_answer() {
    kill_again_and_again(50);
}

#[test]
#[ignore = "long: five hundred kills take about ten minutes"]
fn five_hundred_kills_lose_no_answered_record_and_contradict_no_answer() {
    kill_again_and_again(500);
}

#[expect(clippy::print_stdout, reason = "what the run was worth")]
fn kill_again_and_again(kills: usize) {
    let mut random = Random::announced("kill");
    let (mut log, treasury) = TestLog::start();
    let load = Load::new(treasury);
    let mut others = Others::default();
    for life in 0..kills {
        let workers = load.start(&log, Machine::Whole, &mut random);
        // Sometimes before anything is answered, sometimes after many rounds.
        wait::pause_ms(random.below(LIFE_MS_MAX));
        if random.below(5) == 0 {
            // A witness may go while the log waits for it, and the log with it or after it.
            kill_witness(&mut log, &mut random);
            others.witnesses += 1;
            wait::pause_ms(random.below(START_MS_MAX));
        }
        log.kill_server();
        workers.join(&format!("life {life}"));
        log.start_witnesses();
        if random.below(5) == 0 {
            // A witness may go the same way between two lives of the log.
            kill_witness(&mut log, &mut random);
            log.start_witnesses();
            others.witnesses += 1;
        }
        if random.below(10) == 0 {
            // The auditor comes when nobody expects him.
            log.audit();
            others.audits += 1;
        }
        if random.below(5) == 0 {
            // Once more, while it starts.
            log.start_server_unready();
            wait::pause_ms(random.below(START_MS_MAX));
            log.kill_server();
            others.starts += 1;
        }
        log.start_server();
    }
    println!("kill: {kills} kills under load, {others:?}, {}", load.history().summary());
    assert!(load.history().answers() > kills, "the load was no load");
    load.settle(&log);
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}

/// What else was killed or done on the way.
#[derive(Debug, Default)]
struct Others {
    witnesses: usize,
    starts: usize,
    audits: usize,
}

fn kill_witness(log: &mut TestLog, random: &mut Random) {
    let witness = usize::try_from(random.below(4)).expect("one of four");
    log.witnesses[witness].kill();
}

const LIFE_MS_MAX: u64 = 500;
const START_MS_MAX: u64 = 50;
