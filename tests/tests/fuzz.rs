//! Every parser of outside bytes over its seeds and mutations of them.

use std::panic::resume_unwind;

use e2e::fuzz::{TARGETS, run, seeds};
use e2e::random::Random;
use service::{Clock as _, SystemClock};

#[test]
fn no_mutated_seed_breaks_a_parser() {
    println!("fuzz: {:?}", all_for(SECONDS));
}

#[test]
#[ignore = "long: ten minutes for each of the parsers, or CIVICLOG_FUZZ_SECONDS"]
fn no_mutated_seed_breaks_a_parser_in_ten_minutes() {
    let seconds = std::env::var_os("CIVICLOG_FUZZ_SECONDS")
        .and_then(|it| it.to_str().and_then(|it| it.parse().ok()));
    println!("fuzz: {:?}", all_for(seconds.unwrap_or(SECONDS_LONG)));
}

/// Each parser on a thread of its own, all at the same time, for so many seconds of the clock on the
/// wall, and for at least [`INPUTS_MIN`] inputs however busy the machine is. Returns how many inputs
/// each got.
fn all_for(seconds: u64) -> Vec<(&'static str, u64)> {
    let mut random = Random::announced("fuzz");
    std::thread::scope(|scope| {
        let started = TARGETS.iter().map(|target| {
            let mut random = random.fork();
            scope.spawn(move || {
                let clock = SystemClock::new();
                let count = run(target, &mut random, |count| {
                    count < INPUTS_MIN
                        || count % 256 != 0
                        || clock.monotonic_millis() < seconds * 1_000
                });
                (target.name, count)
            })
        });
        // All are started before the first is waited for.
        let started: Vec<_> = started.collect();
        let counts = started.into_iter().map(|it| it.join().unwrap_or_else(|it| resume_unwind(it)));
        counts.collect()
    })
}

#[test]
fn every_folder_of_seeds_has_a_target_and_several_seeds() {
    let root = e2e::programs::repository().join("tests/fuzz/corpus");
    let mut folders: Vec<String> = std::fs::read_dir(root)
        .expect("the seeds")
        .map(|it| it.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    folders.sort();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(folders, names);
    for target in TARGETS {
        assert!(seeds(target).len() >= 2, "{} has one seed only", target.name);
    }
}

const SECONDS: u64 = 30;
const SECONDS_LONG: u64 = 600;
const INPUTS_MIN: u64 = 10_000;
