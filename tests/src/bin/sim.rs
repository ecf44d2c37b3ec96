//! `sim`: runs the simulation over many seeds, or one seed step by step.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::Parser;
use e2e::sim::{Failure, Summary, run};
use service::{Clock as _, SystemClock};

/// Drives the real sequencer, publisher and witnesses through faults drawn from seeds.
///
/// Exit code 0: every invariant held in every run. 1: one did not; the command that repeats the run
/// is printed.
#[derive(Debug, Parser)]
#[command(name = "sim", version)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// One seed, with everything that happens in it.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Runs at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Go on after a failure, up to this many.
    #[arg(long, default_value_t = 1)]
    failures: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        return match run(seed, true) {
            Ok(summary) => {
                say(&format!("seed {seed}: {summary:?}"));
                ExitCode::SUCCESS
            }
            Err(failure) => {
                failure.trace.iter().for_each(|it| say(it));
                say(&format!("seed {seed}: {}", failure.violation));
                ExitCode::FAILURE
            }
        };
    }
    let clock = SystemClock::new();
    let found = all(&arguments, &clock);
    for failure in &found.failures {
        say(&format!("seed {}: {}", failure.seed, failure.violation));
        say(&format!("    cargo run --release -p e2e --bin sim -- --seed {}", failure.seed));
    }
    let it = found.total;
    let seconds = clock.monotonic_millis() / 1000;
    say(&format!(
        "sim: {} seeds in {seconds} s: {} lives, {} heads signed, {} answers, {} runs ended with a log that stands \
         still for a reason; {} failed",
        found.runs,
        it.lives,
        it.signed,
        it.answers,
        it.stood_still,
        found.failures.len()
    ));
    if found.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Debug, Default)]
struct Found {
    runs: u64,
    total: Summary,
    failures: Vec<Failure>,
}

fn all(arguments: &Arguments, clock: &SystemClock) -> Found {
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from.saturating_add(arguments.seeds);
    let is_over = AtomicBool::new(false);
    let found = Mutex::new(Found::default());
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = run(seed, false);
                    let mut found = found.lock().expect("no run panics here");
                    found.runs += 1;
                    match outcome {
                        Ok(summary) => found.total.add(&summary),
                        Err(failure) => found.failures.push(failure),
                    }
                    if found.failures.len() >= arguments.failures {
                        is_over.store(true, Ordering::Relaxed);
                    }
                    if found.runs % PROGRESS_EVERY == 0 {
                        let seconds = clock.monotonic_millis() / 1000;
                        say(&format!("{} of {} seeds, {seconds} s", found.runs, arguments.seeds));
                    }
                }
            });
        }
    });
    found.into_inner().expect("no run panics here")
}

fn say(line: &str) {
    // Nobody may be reading; the exit code counts all the same.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs between two lines of progress.
const PROGRESS_EVERY: u64 = 1_000;
