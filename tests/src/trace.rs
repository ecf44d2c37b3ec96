//! What a process asked of its operating system, in the order in which it did: the output of
//! `strace -f -yy -a 1`, parsed.
//!
//! A call has a begin and an end. When two threads call at once, strace cuts a call in two lines:
//!
//! ```text
//! 71 fdatasync(9</log/db/000012.log> <unfinished ...>      began on line 0
//! 72 sendto(17<TCP:[…]>, "HTTP/1.1 200 OK"..., 90, …) = 90 began and ended on line 1
//! 71 <... fdatasync resumed>) = 0                          ended on line 2
//! ```
//!
//! so "the sync came before the answer" means that the sync *ended* before the answer *began*.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::process::Process;
use crate::under::{Under, is_there};
use crate::wait;

/// One system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The thread.
    pub thread: u32,
    /// Which.
    pub name: String,
    /// Its arguments as strace shows them: strings in quotes with escapes, descriptors with names.
    pub arguments: String,
    /// What it returned; empty when the process ended in it.
    pub result: String,
    /// The line on which it began.
    pub began: usize,
    /// The line on which it ended.
    pub ended: usize,
}

impl Call {
    /// Whether it returned anything but an error.
    pub fn succeeded(&self) -> bool {
        !self.result.is_empty() && !self.result.starts_with('-') && !self.result.starts_with('?')
    }

    /// What its first argument, a descriptor, stands for: a path or the ends of a connection.
    pub fn descriptor(&self) -> &str {
        let Some((number, rest)) = self.arguments.split_once('<') else { return "" };
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return "";
        }
        // The ends of a connection contain `->`.
        let end = rest.find(">,").or_else(|| rest.rfind('>')).unwrap_or(rest.len());
        &rest[..end]
    }

    /// Whether it writes to its first argument.
    pub fn is_write(&self) -> bool {
        matches!(
            self.name.as_str(),
            "write" | "pwrite64" | "writev" | "pwritev" | "sendto" | "sendmsg"
        )
    }

    /// Whether it puts something on the disk.
    pub fn is_sync(&self) -> bool {
        matches!(self.name.as_str(), "fsync" | "fdatasync" | "sync_file_range" | "sync" | "syncfs")
    }

    /// Whether it reads from its first argument.
    pub fn is_read(&self) -> bool {
        matches!(self.name.as_str(), "read" | "readv" | "recvfrom" | "recvmsg")
    }

    /// Whether the data that it read or wrote holds this text, as far as strace shows it.
    pub fn shows(&self, text: &str) -> bool {
        self.arguments.contains(&escaped(text))
    }
}

/// All calls of a process and its threads, by their begin.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    calls: Vec<Call>,
}

impl Trace {
    /// Reads what strace wrote. Lines that are no calls (signals, exits) are passed over.
    pub fn parse(text: &str) -> Self {
        let mut calls: Vec<Call> = Vec::new();
        let mut open: BTreeMap<u32, usize> = BTreeMap::new();
        for (line, text) in text.lines().enumerate() {
            let Some((thread, said)) = text.split_once(' ') else { continue };
            let (Ok(thread), said) = (thread.parse(), said.trim_start()) else { continue };
            if let Some(resumed) = said.strip_prefix("<... ") {
                let rest = resumed.split_once(" resumed>").map(|(_, rest)| rest);
                if let (Some(rest), Some(call)) = (rest, open.remove(&thread)) {
                    let (arguments, result) = split_result(rest);
                    calls[call].arguments.push_str(arguments);
                    result.clone_into(&mut calls[call].result);
                    calls[call].ended = line;
                }
                continue;
            }
            let Some((name, rest)) = said.split_once('(') else { continue };
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                continue;
            }
            let (arguments, result, ended) =
                if let Some((arguments, _)) = rest.split_once(" <unfinished ...>") {
                    // Until it is resumed, and for ever if it is not, it has not ended.
                    (arguments, "", usize::MAX)
                } else {
                    let (arguments, result) = split_result(rest);
                    (arguments, result, line)
                };
            if ended == usize::MAX {
                open.insert(thread, calls.len());
            }
            calls.push(Call {
                thread,
                name: name.to_owned(),
                arguments: arguments.to_owned(),
                result: result.to_owned(),
                began: line,
                ended,
            });
        }
        Self { calls }
    }

    /// All calls.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The first call that begins at this line or later and is the one that is asked for.
    pub fn first_from(&self, line: usize, is_it: impl Fn(&Call) -> bool) -> Option<&Call> {
        self.calls.iter().find(|call| call.began >= line && is_it(call))
    }

    /// The calls that begin after one line and before another.
    pub fn between(&self, after: usize, before: usize) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.began > after && call.began < before)
    }
}

/// `strace` at work, started before the program whose child it is not: the program's process id
/// is its own, and signals to it are its own.
#[derive(Debug)]
pub struct Tracing {
    file: PathBuf,
}

impl Tracing {
    /// Prepares to trace these system calls into a file, with so many bytes of every string.
    pub fn new(file: &Path, calls: &str, string_bytes: usize) -> (Self, Under) {
        let mut command: Vec<String> =
            ["strace", "-D", "-f", "-yy", "-a", "1", "-qq", "-e", "signal=none"]
                .map(str::to_owned)
                .to_vec();
        command.extend(["-s".to_owned(), string_bytes.to_string()]);
        command.extend(["-e".to_owned(), format!("trace={calls}")]);
        command.extend(["-o".to_owned(), file.display().to_string(), "--".to_owned()]);
        (Self { file: file.to_owned() }, Under::program(command))
    }

    /// Whether this machine has a strace that works.
    pub fn is_possible() -> bool {
        is_there("strace", "--version") && is_there("strace", "/bin/true")
    }

    /// The lines so far.
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap_or_default()
    }

    /// The trace, once it shows what is waited for.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_until(&self, what: &str, shows: impl Fn(&Trace) -> bool) -> Trace {
        wait::until(what, || {
            // The last line may still be written.
            let text = self.text();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            Some(Trace::parse(whole)).filter(|trace| shows(trace))
        })
    }
}

/// `strace` attached to a running program, to let some of its calls fail. It leaves by itself when
/// the program ends.
#[derive(Debug)]
pub struct Injection {
    tracer: Process,
    trace: PathBuf,
}

impl Injection {
    /// Attaches to a process with all its threads. `inject` is as strace has it, such as
    /// `fsync:error=EIO:when=2+`, or nothing, to see all calls; `when` counts in each thread apart.
    ///
    /// # Panics
    /// When strace does not come that far.
    pub fn attach(process: u32, inject: Option<&str>, folder: &Path) -> Self {
        let (trace, said) = (folder.join("injection.trace"), folder.join("injection.stderr"));
        let _ = std::fs::remove_file(&said);
        let mut command = std::process::Command::new("strace");
        command.args(["-f", "-a", "1", "-s", "0", "-e", "signal=none"]);
        if let Some(inject) = inject {
            let call = inject.split(':').next().unwrap_or(inject);
            command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={inject}")]);
        }
        command.arg("-o").arg(&trace).args(["-p", &process.to_string()]);
        let tracer = Process::start_quietly(command, "strace", &said);
        wait::until("strace has attached", || {
            let words = tracer.stderr();
            assert!(!words.contains("ptrace("), "strace may not attach: {words}");
            words.contains("attached").then_some(())
        });
        Self { tracer, trace }
    }

    /// Leaves the program alone, if it is still there, and tells what was seen.
    pub fn end(mut self) -> String {
        self.tracer.terminate();
        self.tracer.exit();
        std::fs::read_to_string(&self.trace).unwrap_or_default()
    }
}

/// Arguments and result of a call that ended on this line. Data may contain anything, so the last
/// `) = ` counts.
fn split_result(rest: &str) -> (&str, &str) {
    rest.rsplit_once(") = ").unwrap_or((rest, ""))
}

/// A text as strace shows it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
71 fdatasync(9</log/db/000012.log> <unfinished ...>
72 sendto(17<TCP:[127.0.0.1:80->127.0.0.2:90]>, \"HTTP/1.1 200 OK\\r\\n) = 7\", 90, 0, NULL, 0) = 90
73 +++ exited with 0 +++
71 <... fdatasync resumed>) = 0
71 recvfrom(18<TCP:[127.0.0.1:80->127.0.0.3:91]>, <unfinished ...>
72 fsync(9</log/db/000012.log>) = -1 EIO (Input/output error) (INJECTED)
71 <... recvfrom resumed>\"POST /v1\", 8, 0, NULL, NULL) = 8
74 fsync(11</log> <unfinished ...>
";

    #[test]
    fn joins_what_strace_cut_in_two_and_keeps_begin_and_end_apart() {
        let trace = Trace::parse(SAMPLE);
        let [sync, answer, request, failed, open] = trace.calls() else {
            panic!("{:?}", trace.calls());
        };
        assert_eq!((sync.began, sync.ended, sync.result.as_str()), (0, 3, "0"));
        assert_eq!(sync.descriptor(), "/log/db/000012.log");
        assert!(sync.is_sync() && sync.succeeded());
        assert_eq!((answer.began, answer.ended), (1, 1));
        assert_eq!(answer.descriptor(), "TCP:[127.0.0.1:80->127.0.0.2:90]");
        assert!(answer.is_write() && answer.shows("HTTP/1.1 200 OK\r\n"));
        assert!(request.is_read() && request.shows("POST /v1"));
        assert_eq!((request.began, request.ended), (4, 6));
        assert!(!failed.succeeded());
        assert_eq!((open.ended, open.succeeded()), (usize::MAX, false));
    }
}
