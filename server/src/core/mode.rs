//! What this process may do at present. It only ever moves forward: after a refusal or a fatal
//! error nothing but a restart, with the whole start-up rule, brings signing back.

use std::error::Error;

use service::error_chain;
use tokio::sync::watch;

/// What the log may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reads are served; the start-up rule does not hold yet. In words, what it waits for.
    Starting(String),
    Running,
    /// Reads are served; this process commits and signs nothing any more.
    ReadOnly(Reason),
    /// On the way out: reads are served until the connections are drained.
    Stopping,
}

/// Why a process is read-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A witness contradicts this log. Everybody may know; in words.
    Contradicted(String),
    /// Something failed here. For the operator only: the words may name files.
    Failed(String),
}

impl Reason {
    pub fn words(&self) -> &str {
        match self {
            Self::Contradicted(words) | Self::Failed(words) => words,
        }
    }
}

/// A part of the log came to its end, with the reason in the mode: it commits or signs nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// The one place that changes the [`Mode`].
#[derive(Clone, Debug)]
pub struct ModeSwitch {
    sender: watch::Sender<Mode>,
}

impl ModeSwitch {
    /// A process starts by waiting for its witnesses.
    pub(crate) fn new() -> Self {
        let words = "waiting for witnesses to confirm the tree signed last".to_owned();
        Self { sender: watch::Sender::new(Mode::Starting(words)) }
    }

    pub fn current(&self) -> Mode {
        self.sender.borrow().clone()
    }

    /// Whether records are admitted and heads signed.
    pub fn is_running(&self) -> bool {
        matches!(*self.sender.borrow(), Mode::Running)
    }

    /// Whether something went wrong for good: nothing may be committed or signed.
    pub fn is_read_only(&self) -> bool {
        matches!(*self.sender.borrow(), Mode::ReadOnly(_))
    }

    /// Follows the changes.
    pub fn subscribe(&self) -> watch::Receiver<Mode> {
        self.sender.subscribe()
    }

    /// Says anew what the start-up rule waits for.
    pub fn still_starting(&self, waiting_for: String) {
        self.sender.send_if_modified(|mode| {
            let is_change = matches!(mode, Mode::Starting(before) if *before != waiting_for);
            if is_change {
                *mode = Mode::Starting(waiting_for);
            }
            is_change
        });
    }

    /// The start-up rule holds.
    pub fn start(&self) {
        self.sender.send_if_modified(|mode| {
            let is_change = matches!(mode, Mode::Starting(_));
            if is_change {
                *mode = Mode::Running;
            }
            is_change
        });
    }

    /// Ends committing and signing for the life of this process, after a failure. The first reason
    /// stays.
    pub fn read_only(&self, because: String) {
        self.end(Reason::Failed(because));
    }

    /// The same for whoever met the error, which has come to its end.
    pub fn fail(&self, error: &(dyn Error + 'static)) -> Ended {
        self.read_only(error_chain(error));
        Ended
    }

    /// The same, because a witness contradicts this log.
    pub fn contradicted(&self, because: String) {
        self.end(Reason::Contradicted(because));
    }

    fn end(&self, because: Reason) {
        self.sender.send_if_modified(|mode| {
            let is_change = !matches!(mode, Mode::ReadOnly(_));
            if is_change {
                let words = because.words();
                tracing::error!(because = words, "this process commits and signs nothing any more");
                *mode = Mode::ReadOnly(because);
            }
            is_change
        });
    }

    /// Makes the process read-only if the part that holds the guard panics: what it left behind is
    /// unknown.
    #[must_use]
    pub fn read_only_on_panic(&self, part: &'static str) -> PanicGuard {
        PanicGuard { mode: self.clone(), part }
    }

    /// Admission ends because the process was asked to stop.
    pub fn stop(&self) {
        self.sender.send_if_modified(|mode| {
            let is_change = matches!(mode, Mode::Starting(_) | Mode::Running);
            if is_change {
                *mode = Mode::Stopping;
            }
            is_change
        });
    }
}

/// See [`ModeSwitch::read_only_on_panic`].
#[derive(Debug)]
pub struct PanicGuard {
    mode: ModeSwitch,
    part: &'static str,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.mode.read_only(format!("{} panicked; see the log", self.part));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_back_from_read_only() {
        let mode = ModeSwitch::new();
        mode.start();
        assert!(mode.is_running());
        mode.read_only("a disk failed".to_owned());
        mode.read_only("another reason".to_owned());
        mode.start();
        mode.stop();
        mode.contradicted("a witness knows more".to_owned());
        assert_eq!(mode.current(), Mode::ReadOnly(Reason::Failed("a disk failed".to_owned())));
    }

    #[test]
    fn a_panic_makes_the_process_read_only() {
        let mode = ModeSwitch::new();
        mode.start();
        drop(mode.read_only_on_panic("nobody"));
        assert!(mode.is_running());
        let panicking = mode.clone();
        let ended = std::thread::spawn(move || {
            let _guard = panicking.read_only_on_panic("the sequencer");
            panic!("on purpose");
        });
        assert!(ended.join().is_err());
        let words = "the sequencer panicked; see the log".to_owned();
        assert_eq!(mode.current(), Mode::ReadOnly(Reason::Failed(words)));
    }

    #[test]
    fn stopping_does_not_start_again() {
        let mode = ModeSwitch::new();
        mode.stop();
        mode.start();
        assert_eq!(mode.current(), Mode::Stopping);
    }
}
