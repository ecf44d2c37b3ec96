//! Every parser of outside bytes over its seeds and mutations of them.

use e2e::fuzz::{TARGETS, run, seeds};
use e2e::random::Random;
use service::{Clock as _, SystemClock};

#[test]
fn no_mutated_seed_breaks_a_parser() {
    let mut random = Random::announced("fuzz");
    for target in TARGETS {
        assert_eq!(
            run(target, &mut random.fork(), |count| count < INPUTS),
            INPUTS,
            "{}",
            target.name
        );
    }
}

#[test]
#[ignore = "long: ten minutes for each of the parsers, or CIVICLOG_FUZZ_SECONDS"]
fn no_mutated_seed_breaks_a_parser_in_ten_minutes() {
    let seconds = std::env::var_os("CIVICLOG_FUZZ_SECONDS")
        .and_then(|it| it.to_str().and_then(|it| it.parse().ok()));
    let millis = seconds.unwrap_or(SECONDS_LONG) * 1_000;
    let mut random = Random::announced("fuzz");
    std::thread::scope(|scope| {
        for target in TARGETS {
            let mut random = random.fork();
            scope.spawn(move || {
                let clock = SystemClock::new();
                let count = run(target, &mut random, |count| {
                    count % 256 != 0 || clock.monotonic_millis() < millis
                });
                println!("fuzz: {}: {count} inputs in {} s", target.name, millis / 1_000);
            });
        }
    });
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

/// For each parser; some ten seconds for all of them.
const INPUTS: u64 = 100_000;
const SECONDS_LONG: u64 = 600;
