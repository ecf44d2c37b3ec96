//! What a program is started under: another program that watches it, such as strace, or a library
//! that is loaded before its own.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::process::Command;

/// What stands before the program on the command line, and what is added to its environment.
#[derive(Clone, Debug, Default)]
pub struct Under {
    before: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Under {
    /// Under a program whose last argument is the command to run.
    pub fn program<I>(command: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        Self { before: command.into_iter().map(Into::into).collect(), environment: Vec::new() }
    }

    /// With more arguments for the program before, in front of its last one.
    #[must_use]
    pub fn before_last(mut self, arguments: &[&str]) -> Self {
        let at = self.before.len().saturating_sub(1);
        self.before.splice(at..at, arguments.iter().map(OsString::from));
        self
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// The command, started under it.
    pub fn wrap(&self, command: Command) -> Command {
        let mut wrapped = match self.before.split_first() {
            None => command,
            Some((program, arguments)) => {
                let mut wrapped = Command::new(program);
                wrapped.args(arguments).arg(command.get_program()).args(command.get_args());
                for (name, value) in command.get_envs() {
                    match value {
                        Some(value) => wrapped.env(name, value),
                        None => wrapped.env_remove(name),
                    };
                }
                wrapped
            }
        };
        wrapped.envs(self.environment.iter().map(|(name, value)| (name, value)));
        wrapped
    }
}

/// Whether a program is there, by asking it for its version.
pub fn is_there(program: &str, argument: &str) -> bool {
    let asked = Command::new(program).arg(argument).output();
    asked.is_ok_and(|output| output.status.success())
}

/// Says, past the test runner's capture, that this machine does not permit a test; `./tests/run`
/// repeats these lines at its end.
pub fn skipped(what: &str, because: &str) {
    // Nothing can be done when even this fails.
    let _ = write!(std::io::stdout().lock(), "\nskipped: {what}: {because}\n");
}
