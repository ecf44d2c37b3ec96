//! A child process that cannot outlive its test, with everything it wrote kept for the failure
//! message.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    stderr: PathBuf,
}

impl Process {
    /// Starts a program that announces itself with one line of JSON on standard output, and waits
    /// for that line. `stderr` is where its log lines go, added to what is there.
    ///
    /// # Errors
    /// What it wrote to standard error, when it ended without that line.
    pub fn start(
        mut command: Command,
        name: &str,
        stderr: &Path,
    ) -> Result<(Self, serde_json::Value), String> {
        let log = File::options().create(true).append(true).open(stderr).expect("a log file");
        let before = log.metadata().expect("metadata of a log file").len();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name}: {error}"));
        let mut process = Self { child, name: name.to_owned(), stderr: stderr.to_owned() };
        let stdout = process.child.stdout.take().expect("a piped output");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // The end of the output is an empty line: the program ended.
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = sender.send(line);
        });
        let line = receiver
            .recv_timeout(Duration::from_millis(wait::DEADLINE_MS))
            .unwrap_or_else(|_| panic!("{name} did not announce itself: {}", process.stderr()));
        if let Ok(announced) = serde_json::from_str(&line) {
            return Ok((process, announced));
        }
        process.exit();
        let text = process.stderr();
        let start = usize::try_from(before).expect("a small file").min(text.len());
        Err(text[start..].to_owned())
    }

    /// Starts a program and leaves it running; its output is thrown away.
    pub fn start_quietly(mut command: Command, name: &str, stderr: &Path) -> Self {
        let log = File::options().create(true).append(true).open(stderr).expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name}: {error}"));
        Self { child, name: name.to_owned(), stderr: stderr.to_owned() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it and its predecessors wrote to standard error.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to stop, as a service manager would.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to stop, as Ctrl-C would.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself; whoever waits for it sees how.
        let _ = kill_process(id.expect("a process id"), signal);
    }

    /// Ends it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it ended.
    ///
    /// # Panics
    /// When it does not.
    pub fn exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let ended =
            wait::within(wait::DEADLINE_MS, || child.try_wait().expect("asking for a child"));
        ended.unwrap_or_else(|| panic!("{} does not end: {}", self.name, self.stderr()))
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "part of a failed test's message")]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let text = self.stderr();
            let last: Vec<&str> = text.lines().rev().take(STDERR_LINES_SHOWN).collect();
            eprintln!("--- the last lines of {}", self.name);
            last.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// A program that ran to its end.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// The same, when the program said that all went well.
    ///
    /// # Panics
    /// When it did not.
    #[expect(clippy::return_self_not_must_use, reason = "the check is the point")]
    pub fn expect_success(self, what: &str) -> Self {
        self.expect_code(0, what)
    }

    /// The same, when the program ended with this exit code.
    ///
    /// # Panics
    /// When it ended with another.
    #[expect(clippy::return_self_not_must_use, reason = "the check is the point")]
    pub fn expect_code(self, code: i32, what: &str) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "{what}\n--- standard output\n{}\n--- standard error\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output as one JSON document.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}{}", self.stdout, self.stderr))
    }
}

/// Runs a program to its end.
///
/// # Panics
/// When it cannot be started, or does not end.
pub fn finish(command: Command) -> Finished {
    run(command, PROGRAM_DEADLINE_MS, |_| ())
}

/// The same with a program that may run longer, and the most memory that it ever held, in KiB.
///
/// # Panics
/// When it cannot be started, or does not end.
pub fn finish_with_peak(command: Command, deadline_ms: u64) -> (Finished, u64) {
    let mut peak_kib = 0;
    let finished = run(command, deadline_ms, |id| {
        // A process that just ended has no memory any more.
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
        let kib = line.and_then(|it| it.trim().trim_end_matches(" kB").parse().ok());
        peak_kib = kib.unwrap_or(peak_kib);
    });
    assert!(peak_kib > 0, "no peak was seen");
    (finished, peak_kib)
}

fn run(mut command: Command, deadline_ms: u64, mut watch: impl FnMut(u32)) -> Finished {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    let mut stdout = child.stdout.take().expect("a piped output");
    let mut stderr = child.stderr.take().expect("a piped output");
    // Both are read at once: a full pipe would stop the program.
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stderr.read_to_end(&mut bytes);
        bytes
    });
    let watched = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        bytes
    });
    let status = wait::within(deadline_ms, || {
        watch(child.id());
        child.try_wait().expect("asking a child")
    });
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = |it: std::thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&it.join().expect("a reading thread")).into_owned()
    };
    let (stdout, stderr) = (text(watched), text(reading));
    let status = status.unwrap_or_else(|| panic!("{command:?} does not end: {stderr}"));
    Finished { code: status.code(), stdout, stderr }
}

const STDERR_LINES_SHOWN: usize = 40;

/// How long a program may run that is expected to end: an import of some ten thousand rows by
/// programs that were built for debugging is the longest.
const PROGRAM_DEADLINE_MS: u64 = 300_000;
