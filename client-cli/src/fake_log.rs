//! A log to run `civiclog` against, and a folder for what whoever runs it keeps.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use records::{Disclosure, HeldBy};
use testlog::LogServer;
pub(crate) use testlog::{Fault, ORIGIN, SUBMITTER};

use crate::screen::Screen;
use crate::{Cli, Environment, Exit};

/// The log and the folder of whoever talks to it.
pub(crate) struct FakeLog {
    log: LogServer,
    pub(crate) folder: tempfile::TempDir,
}

impl FakeLog {
    /// A log with its genesis and one submitter, whose key is `key.pem` in the folder.
    pub(crate) fn start() -> Self {
        let started = Self { log: LogServer::start(), folder: tempfile::tempdir().unwrap() };
        started.write_private("key.pem", &started.submitter.to_pkcs8_pem().unwrap());
        let policy = started.lock().policy_text();
        started.write("policy.txt", policy);
        started
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    pub(crate) fn write_private(&self, name: &str, content: &str) {
        files::replace(&self.path(name), content.as_bytes(), files::Access::Owner).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Runs `civiclog` with arguments in which `@x` is the file x of the folder and `LOG` the URL.
    pub(crate) fn civiclog(&self, arguments: &str) -> Run {
        let arguments = arguments.split_whitespace().map(|argument| match argument {
            "LOG" => self.url.clone(),
            file if file.starts_with('@') => self.path(&file[1..]).display().to_string(),
            other => other.to_owned(),
        });
        let cli: Cli =
            clap::Parser::try_parse_from(std::iter::once("civiclog".to_owned()).chain(arguments))
                .unwrap();
        let (out, err) = (Buffer::default(), Buffer::default());
        let mut screen = Screen::new(Box::new(out.clone()), Box::new(err.clone()), false, cli.json);
        let environment =
            Environment { state_home: Some(self.path("state")), ..Environment::default() };
        let exit = crate::run(&cli, &environment, &mut screen);
        Run { exit, out: out.text(), err: err.text() }
    }

    pub(crate) fn size(&self) -> usize {
        self.lock().entries().len()
    }
}

impl Deref for FakeLog {
    type Target = LogServer;

    fn deref(&self) -> &LogServer {
        &self.log
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The exit code was this one; else everything is shown.
    #[track_caller]
    pub(crate) fn expect(self, exit: Exit) -> Self {
        assert_eq!(self.exit, exit, "{}\n{}", self.out, self.err);
        self
    }
}

#[derive(Debug, Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The disclosure of a value, for tests that look inside.
pub(crate) fn sealed(path: &str, value: &str) -> (records::SealedField, Disclosure) {
    let name = path.rsplit('/').next().unwrap();
    records::seal(path, name, value.into(), [5; 16], HeldBy::Log)
}
