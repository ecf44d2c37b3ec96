//! The log under load: one that runs already, or one that is made for the run with four witnesses
//! on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use records::{Algorithm, SigningKey};
use tokio::time::Instant;

use super::figures::ServerFigures;
use crate::http::Http;
use crate::log::{LogOptions, TestLog};
use crate::submitter::Treasury;

/// A log and a treasury that it knows.
pub struct Target {
    url: String,
    treasury: Treasury,
    own: Option<TestLog>,
}

impl Target {
    /// Makes a log, four witnesses and a treasury, in a temporary folder or in `folder`, with the
    /// defaults of production.
    pub fn own(folder: Option<&Path>) -> Self {
        let options = LogOptions {
            origin: "log.example/load".to_owned(),
            publish: String::new(),
            ..LogOptions::default()
        };
        let mut log = match folder {
            Some(folder) => TestLog::create_at(folder, options),
            None => TestLog::create(options),
        };
        log.start_witnesses();
        log.start_server();
        let treasury = log.register("GB-LAE-DEV", Algorithm::Es256, 0x10);
        Self { url: log.http().base().to_owned(), treasury, own: Some(log) }
    }

    /// A log that runs at `url`, which knows `submitter` by the key in `key`.
    ///
    /// # Errors
    /// When the key cannot be read, or the log does not say who it is.
    pub fn running(url: &str, submitter: &str, key: &Path) -> anyhow::Result<Self> {
        let pem = fs::read_to_string(key).with_context(|| format!("reading {}", key.display()))?;
        let key = SigningKey::from_pkcs8_pem(&pem)?;
        let said = Http::new(url).try_get("/v1/log")?.json();
        let origin = said["origin"].as_str().context("the log does not say its origin")?;
        let treasury = Treasury::with_key(origin, submitter, key);
        Ok(Self { url: url.to_owned(), treasury, own: None })
    }

    /// Where the log is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The treasury that submits.
    pub fn treasury(&self) -> &Treasury {
        &self.treasury
    }

    /// What the server's process used, if it is ours; kills it first when asked to, to see how
    /// fast the next one serves.
    ///
    /// # Errors
    /// When the figures cannot be read.
    pub fn figures(&mut self, kill: bool) -> anyhow::Result<Option<ServerFigures>> {
        let Some(log) = &mut self.own else {
            return Ok(None);
        };
        let id = log.server_id();
        let said = log.http().get("/v1/log").json();
        let mut figures = ServerFigures {
            memory_peak_mib: memory_mib(id, "VmHWM:")?,
            memory_mib: memory_mib(id, "VmRSS:")?,
            processor_seconds: processor_seconds(id)?,
            disk_mib: folder_mib(log.data_path().join("db"))?,
            entries: said["committed_size"].as_u64().unwrap_or_default(),
            kill_to_reads_ms: None,
            kill_to_writes_ms: None,
        };
        if kill {
            let started = Instant::now();
            log.kill_server();
            log.start_server_unready();
            log.http().get("/v1/proofs/0").expect_status(200);
            figures.kill_to_reads_ms = Some(started.elapsed().as_secs_f64() * 1000.0);
            let body = self.treasury.payment_bytes(u64::MAX >> 16);
            crate::wait::until("the log takes records again", || {
                let answer =
                    log.http().post("/v1/records?wait=committed", "application/json", body.clone());
                (answer.status == 202).then_some(())
            });
            figures.kill_to_writes_ms = Some(started.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(Some(figures))
    }
}

/// A line of `/proc/ID/status` that is in KiB.
fn memory_mib(id: u32, line: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).context("the server's status")?;
    let found = text.lines().find_map(|it| it.strip_prefix(line)).context("a line of memory")?;
    let kib: u32 = found.trim().trim_end_matches(" kB").parse().context("a number of KiB")?;
    Ok(f64::from(kib) / 1024.0)
}

/// User and system time of a process so far.
fn processor_seconds(id: u32) -> anyhow::Result<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let text = fs::read_to_string(format!("/proc/{id}/stat")).context("the server's stat")?;
    // The second field, in parentheses, may hold spaces.
    let (_, rest) = text.rsplit_once(") ").context("a stat line")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|it| it.parse::<u32>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("the times of a process")?;
    Ok((f64::from(user) + f64::from(system)) / TICKS_A_SECOND)
}

fn folder_mib(folder: PathBuf) -> anyhow::Result<f64> {
    let mut bytes = 0;
    let mut waiting = vec![folder];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder)? {
            // A compaction may remove files while they are counted.
            let Some(metadata) = entry.as_ref().ok().and_then(|it| it.metadata().ok()) else {
                continue;
            };
            if metadata.is_dir() {
                waiting.push(entry?.path());
            } else {
                bytes += metadata.len();
            }
        }
    }
    Ok(super::figures::count_f64(bytes / 1024) / 1024.0)
}
