//! A witness process with an address that it keeps over restarts.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::process::{Finished, Process, finish};
use crate::under::Under;
use crate::{programs, wait};

/// A witness: its folder, its address, and, while it is up, its process.
#[derive(Debug)]
pub struct Witness {
    name: String,
    vkey: String,
    folder: PathBuf,
    address: String,
    under: Under,
    process: Option<Process>,
}

impl Witness {
    /// Makes a witness in a new folder; it does not run yet.
    ///
    /// Its address is fixed here, because policies name it: `host` belongs to one test alone, so
    /// no other program can be at that port.
    pub fn init(folder: &Path, name: &str, host: Ipv4Addr, port: u16) -> Self {
        Self::init_with(folder, name, host, port, &[])
    }

    /// As [`Witness::init`], with more arguments for `init`.
    pub fn init_with(folder: &Path, name: &str, host: Ipv4Addr, port: u16, more: &[&str]) -> Self {
        fs::create_dir_all(folder).expect("making the folder of a witness");
        let key_name = format!("witness.example/{name}");
        let finished = init_with(&folder.join("state"), &key_name, more);
        let vkey = finished.expect_success("witness init").stdout;
        Self {
            name: name.to_owned(),
            vkey: vkey.trim().to_owned(),
            folder: folder.to_owned(),
            address: format!("{host}:{port}"),
            under: Under::default(),
            process: None,
        }
    }

    /// Its name in the policy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its verifier key.
    pub fn vkey(&self) -> &str {
        self.vkey.lines().next().unwrap_or_default()
    }

    /// All its verifier keys.
    ///
    /// # Panics
    /// When one is none.
    pub fn vkeys(&self) -> Vec<tlog::VerifierKey> {
        self.vkey.lines().map(|line| line.parse().expect("a verifier key")).collect()
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it keeps its key and what it saw.
    pub fn state_folder(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Writes the configuration that makes it watch these logs.
    pub fn watch(&self, log_vkeys: &[&str]) {
        let logs: Vec<String> = log_vkeys
            .iter()
            .map(|vkey| {
                format!(
                    "
[[logs]]
vkey = \"{vkey}\"
"
                )
            })
            .collect();
        let logs = logs.concat();
        let config = format!(
            "name = \"witness.example/{}\"\ndir = \"state\"\n\n[listen]\npublic = \"{}\"\n{logs}",
            self.name, self.address
        );
        fs::write(self.config(), config).expect("writing witness.toml");
    }

    /// Its configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.config()
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(&mut self) {
        self.try_start()
            .unwrap_or_else(|text| panic!("witness {} does not start: {text}", self.name));
    }

    /// Starts it.
    ///
    /// # Errors
    /// What it wrote to standard error, when it refused.
    pub fn try_start(&mut self) -> Result<(), String> {
        let mut command = programs::command(programs::WITNESS);
        command.arg("run").arg("--config").arg(self.config());
        let stderr = self.folder.join("stderr.log");
        let (process, announced) = Process::start(self.under.wrap(command), &self.name, &stderr)?;
        assert_eq!(announced["listening"], self.address.as_str());
        self.process = Some(process);
        Ok(())
    }

    /// What it is started under next time.
    pub fn start_under(&mut self, under: Under) {
        self.under = under;
    }

    /// Kills it, if it runs.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Asks it to stop and waits until it did.
    ///
    /// # Panics
    /// When it does not run, or does not say that all went well.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("a running witness");
        process.terminate();
        assert_eq!(process.exit().code(), Some(0), "{}", process.stderr());
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.folder.join("stderr.log")).unwrap_or_default()
    }

    /// Puts an older copy of its folder in place, as an operator might.
    ///
    /// # Panics
    /// When it runs.
    pub fn put_back(&self, copy: &Path) {
        assert!(self.process.is_none(), "a running witness holds its folder");
        crate::log::replace_folder(copy, &self.state_folder());
    }

    fn config(&self) -> PathBuf {
        self.folder.join("witness.toml")
    }
}

/// `civiclog-witness init`
pub fn init(folder: &Path, key_name: &str) -> Finished {
    init_with(folder, key_name, &[])
}

fn init_with(folder: &Path, key_name: &str, more: &[&str]) -> Finished {
    let mut command = programs::command(programs::WITNESS);
    command.arg("init").arg("--dir").arg(folder).args(["--name", key_name]).args(more);
    finish(command)
}

/// An address in 127.0.0.0/8 that belongs to one test: ports in it are free, and stay free while a
/// process that listens there is restarted.
pub fn own_host() -> Ipv4Addr {
    let mut random = [0; 3];
    wait::until("the system gives random bytes", || getrandom::fill(&mut random).ok());
    // Neither 127.0.x.x, where other programs are, nor the ends of a block.
    let part = |byte: u8| byte.clamp(1, 254);
    Ipv4Addr::new(127, part(random[0]), part(random[1]), part(random[2]))
}
