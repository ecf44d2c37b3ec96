//! The simulation over some thousands of seeds, and over every seed that ever found something.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use e2e::sim::{Summary, run};

/// Seeds in a daily run.
const SEEDS: u64 = 2_000;

/// Seeds that once found something, with what it was, one a line.
const REGRESSIONS: &str = include_str!("../sim/regressions.txt");

/// Runs all of them on two threads; returns what they did together.
fn all(seeds: &[u64]) -> Summary {
    let (next, total) = (AtomicU64::new(0), Mutex::new(Summary::default()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) =
                    seeds.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).expect("few"))
                {
                    match run(*seed, false) {
                        Ok(summary) => total.lock().expect("no panic before").add(&summary),
                        Err(failure) => panic!(
                            "seed {seed}: {}\nrepeat it: cargo run --release -p e2e --bin sim -- --seed {seed}",
                            failure.violation
                        ),
                    }
                }
            });
        }
    });
    total.into_inner().expect("no panic before")
}

#[test]
fn no_seed_finds_a_contradiction_a_loss_or_a_standstill_without_a_reason() {
    let count = SEEDS;
    let seeds: Vec<u64> = (0..count).collect();
    let total = all(&seeds);
    println!("sim: {count} seeds, {total:?}");
    // A simulation in which nothing happens proves nothing.
    assert!(total.signed > count && total.published > count && total.answers > count, "{total:?}");
    assert!(total.lives > 2 * count && total.stood_still > 0, "{total:?}");
}

#[test]
fn seeds_that_once_found_something_find_nothing_more() {
    let lines = REGRESSIONS.lines().filter(|it| !it.starts_with('#') && !it.is_empty());
    let seeds: Vec<u64> = lines
        .map(|it| it.split_whitespace().next().and_then(|it| it.parse().ok()).expect("a seed"))
        .collect();
    assert!(!seeds.is_empty());
    all(&seeds);
}
