//! How a command ends: five exit codes, decided here and nowhere else.

use import::ImportError;
use tlog_client::{ClientError, TreeError};

/// The exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Verified, or done.
    Done = 0,
    /// Not verified, not accepted, or not all of it.
    NotVerified = 1,
    /// The command line, or a file it names, cannot be used.
    Usage = 2,
    /// The log could not be reached, or said "later" until we gave up.
    Unreachable = 3,
    /// The log answered what no honest log answers.
    Misbehaved = 4,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotVerified => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Misbehaved => 4,
        }
    }
}

/// Why a command stopped, and the code that says so.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(exit: Exit, words: impl Into<String>) -> Self {
        Self { exit, error: anyhow::Error::msg(words.into()) }
    }

    /// What the user typed, or a file it names, cannot be used.
    pub(crate) fn usage(words: impl Into<String>) -> Self {
        Self::new(Exit::Usage, words)
    }
}

/// What a command, or a step of one, comes to.
pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

/// Gives an error of another library its exit code and a line of context.
pub(crate) trait Explain<T> {
    /// On failure: this exit code, "`words`: the error and its causes".
    fn explain(self, exit: Exit, words: impl FnOnce() -> String) -> Outcome<T>;
}

impl<T, E: Into<anyhow::Error>> Explain<T> for Result<T, E> {
    fn explain(self, exit: Exit, words: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|error| Failure { exit, error: error.into().context(words()) })
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            error if error.is_unreachable() => Exit::Unreachable,
            ClientError::Url { .. } | ClientError::Request { .. } | ClientError::Trust(_) => {
                Exit::Usage
            }
            ClientError::Refused { .. } | ClientError::NotFound { .. } => Exit::NotVerified,
            _ => Exit::Misbehaved,
        };
        Self { exit, error: error.into() }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }
}

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Self {
        let exit = match error {
            // The checkpoint says that it is in the tree, so the log hides it.
            TreeError::Client(ClientError::NotFound { .. }) => Exit::Misbehaved,
            TreeError::Client(error) => return error.into(),
            TreeError::OutsideTree { .. } => Exit::NotVerified,
            _ => Exit::Misbehaved,
        };
        Self { exit, error: error.into() }
    }
}
