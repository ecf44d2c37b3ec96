//! Every system call of a round is made to fail, or to be the last one: whatever the answers were,
//! they hold, and a clean restart goes on.
//!
//! The calls are not a list of ours: a running server is watched, and whatever it calls is made to
//! fail, except the calls of which [`CANNOT_FAIL`] says why not. Being killed in a call has no
//! exceptions.

use std::collections::BTreeSet;

use e2e::mixed::{Load, Machine};
use e2e::random::Random;
use e2e::trace::{Injection, Trace, Tracing};
use e2e::under::skipped;
use e2e::{TestLog, wait};

/// Calls that are not made to fail, and why. A program is still killed in each of them.
const CANNOT_FAIL: [(&[&str], &str); 4] = [
    (
        &["futex"],
        "glibc ends the process itself when a lock's call fails in a way that its page does not name",
    ),
    (
        &["brk", "mmap", "munmap", "mprotect", "madvise", "mremap"],
        "memory: the only true error is that there is none, on which Rust and C++ end the process",
    ),
    (
        &[
            "gettid",
            "getpid",
            "rt_sigprocmask",
            "rt_sigreturn",
            "sched_yield",
            "sigaltstack",
            "uname",
        ],
        "the kernel has no error for these arguments, and callers rightly look for none",
    ),
    (
        &["exit", "exit_group", "rseq", "set_robust_list", "restart_syscall", "clock_nanosleep"],
        "a thread's own beginning, end and sleep: nothing is done with a result",
    ),
];

#[test]
fn a_call_that_fails_or_kills_loses_no_answer() {
    let Some(mut faults) = Faults::new("one fault in each call of a round") else { return };
    let mut cases: Vec<Fault> = Vec::new();
    for call in &faults.calls.clone() {
        let of_call = all_of(call);
        let chosen = usize::try_from(faults.random.below(of_call.len() as u64)).expect("an index");
        // What stores is tried in more than one way even when time is short.
        let is_storage = STORING.contains(&call.as_str());
        let of_call: Vec<Fault> = of_call.into_iter().collect();
        cases.push(of_call[chosen].clone());
        if is_storage {
            cases.extend(of_call.iter().filter(|it| it.is_from(1)).cloned());
        }
    }
    faults.run(&cases);
    faults.run_at_start(&STARTS[..2]);
    faults.end();
}

#[test]
#[ignore = "long: every call of a round, failing in three ways from four moments on, takes minutes"]
fn every_call_that_fails_or_kills_at_any_moment_loses_no_answer() {
    let Some(mut faults) = Faults::new("every fault in each call of a round") else { return };
    let cases: Vec<Fault> = faults.calls.iter().flat_map(|call| all_of(call)).collect();
    faults.run(&cases);
    faults.run_at_start(&STARTS);
    faults.end();
}

/// One way for one call to go wrong.
#[derive(Clone, Debug)]
struct Fault {
    call: String,
    how: &'static str,
    /// From which call on, counted in each thread.
    from: u32,
}

impl Fault {
    fn is_from(&self, from: u32) -> bool {
        self.from == from
    }

    /// As strace has it. What failed goes on failing; being killed happens once.
    fn inject(&self) -> String {
        format!("{}:{}:when={}+", self.call, self.how, self.from)
    }
}

fn all_of(call: &str) -> Vec<Fault> {
    let can_fail = !CANNOT_FAIL.iter().any(|(calls, _)| calls.contains(&call));
    let errors: &[&'static str] = if can_fail { &["error=EIO", "error=ENOSPC"] } else { &[] };
    let hows = errors.iter().chain(&["signal=SIGKILL"]);
    hows.flat_map(|how| {
        let fault = |from| Fault { call: call.to_owned(), how, from };
        [1, 2, 5, 12].map(fault)
    })
    .collect()
}

/// A log that is made to fail again and again.
struct Faults {
    log: TestLog,
    load: Load,
    random: Random,
    /// What a server calls in a round.
    calls: Vec<String>,
    rounds: u64,
    hits: usize,
    refused_starts: usize,
}

impl Faults {
    fn new(what: &str) -> Option<Self> {
        if !Tracing::is_possible() {
            skipped(what, "there is no strace here, or it may not trace");
            return None;
        }
        let random = Random::announced("faults");
        let (log, treasury) = TestLog::start();
        let load = Load::new(treasury);
        let mut faults =
            Self { log, load, random, calls: Vec::new(), rounds: 0, hits: 0, refused_starts: 0 };
        faults.calls = faults.calls_of_a_round();
        Some(faults)
    }

    /// What the server calls while it takes, publishes and serves a few records.
    #[expect(clippy::print_stdout, reason = "what the run was worth")]
    fn calls_of_a_round(&mut self) -> Vec<String> {
        let watch = Injection::attach(self.log.server_id(), None, &self.log.path(""));
        let workers = self.load.start(&self.log, Machine::Failing, &mut self.random);
        self.load.publish_one(&self.log, FIRST_CHECKED);
        wait::pause_ms(WATCH_MS);
        self.log.kill_server();
        workers.join("the life that was watched");
        let trace = Trace::parse(&watch.end());
        self.log.start_server();
        let names: BTreeSet<&str> = trace.calls().iter().map(|it| it.name.as_str()).collect();
        for storing in STORING {
            assert!(names.contains(storing), "a round without {storing}: {names:?}");
        }
        println!("faults: a round calls {names:?}");
        names.into_iter().map(str::to_owned).collect()
    }

    fn run(&mut self, cases: &[Fault]) {
        for fault in cases {
            self.one(fault);
        }
    }

    /// Some load on a server whose calls go wrong; then a clean restart, and everything holds.
    fn one(&mut self, fault: &Fault) {
        let inject = fault.inject();
        let folder = self.log.path("");
        let injection = Injection::attach(self.log.server_id(), Some(&inject), &folder);
        let workers = self.load.start(&self.log, Machine::Failing, &mut self.random);
        wait::pause_ms(LIFE_MS);
        self.log.kill_server();
        workers.join(&inject);
        let seen = injection.end();
        self.hits += usize::from(seen.contains("(INJECTED)") || seen.contains("killed by SIGKILL"));
        self.log.start_server();
        self.check(&inject);
    }

    /// The server's own start goes wrong.
    fn run_at_start(&mut self, calls: &[&str]) {
        for call in calls {
            for from in 1..=4 {
                let inject = format!("{call}:error=EIO:when={from}+");
                self.log.kill_server();
                let (tracing, under) = Tracing::new(&self.log.path("start.trace"), call, 0);
                self.log.start_under(under.before_last(&["-e", &format!("inject={inject}")]));
                match self.log.try_start_server() {
                    Ok(()) => self.log.kill_server(),
                    Err(words) => {
                        // Whose writes fail cannot say so.
                        let must_say = *call != "write";
                        assert!(!(must_say && words.is_empty()), "{inject}: ended without a word");
                        self.refused_starts += 1;
                    }
                }
                self.hits += usize::from(tracing.text().contains("(INJECTED)"));
                self.log.start_under(e2e::under::Under::default());
                self.log.start_server();
                self.check(&inject);
            }
        }
    }

    fn check(&mut self, inject: &str) {
        self.rounds += 1;
        self.load.publish_one(&self.log, FIRST_CHECKED + self.rounds);
        self.load.history().holds_in(&self.log.reader());
        if self.rounds.is_multiple_of(AUDIT_EVERY) {
            assert_eq!(self.log.stop_server(), Some(0), "after {inject}");
            self.log.audit();
            self.log.start_server();
        }
    }

    #[expect(clippy::print_stdout, reason = "what the run was worth")]
    fn end(&mut self) {
        println!(
            "faults: {} cases, {} of them met their call, {} starts refused; {}",
            self.rounds,
            self.hits,
            self.refused_starts,
            self.load.history().summary()
        );
        self.load.settle(&self.log);
        assert_eq!(self.log.stop_server(), Some(0));
        self.log.audit();
        assert!(self.hits * 2 > usize::try_from(self.rounds).expect("a count"), "too few met");
    }
}

/// The calls without which a round is none.
const STORING: [&str; 6] = ["write", "fsync", "fdatasync", "rename", "openat", "close"];
/// The calls of a start that keep or read what is kept.
const STARTS: [&str; 7] =
    ["fdatasync", "fsync", "rename", "pread64", "ftruncate", "unlink", "write"];
const WATCH_MS: u64 = 500;
const LIFE_MS: u64 = 250;
const AUDIT_EVERY: u64 = 10;
/// Numbers of payments that the load never draws: they are larger.
const FIRST_CHECKED: u64 = 1_000_000;
