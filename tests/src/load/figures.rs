//! What a run reports: one JSON document, and the same as lines for people.

use std::time::Duration;

use serde::Serialize;

/// Latencies, collected in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    micros: Vec<u32>,
}

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, latency: Duration) {
        self.micros.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all of another collection.
    pub fn add_all(&mut self, other: Self) {
        self.micros.extend(other.micros);
    }

    /// The usual percentiles; `None` without any latency.
    pub fn percentiles(mut self) -> Option<Percentiles> {
        self.micros.sort_unstable();
        let last = self.micros.len().checked_sub(1)?;
        let at = |per_mille: usize| f64::from(self.micros[last * per_mille / 1000]) / 1000.0;
        Some(Percentiles {
            count: self.micros.len(),
            p50_ms: at(500),
            p90_ms: at(900),
            p99_ms: at(990),
            p999_ms: at(999),
            max_ms: at(1000),
        })
    }
}

/// Percentiles of a latency, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Percentiles {
    /// Of how many.
    pub count: usize,
    /// Half of them were faster.
    pub p50_ms: f64,
    /// Nine of ten were faster.
    pub p90_ms: f64,
    /// 99 of 100 were faster.
    pub p99_ms: f64,
    /// 999 of 1,000 were faster.
    pub p999_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// What one run found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The command line of the run.
    pub command: String,
    /// How long the load lasted.
    pub seconds: f64,
    /// Requests that were answered as they should be.
    pub requests: u64,
    /// Requests that were told to come back later (503).
    pub turned_away: u64,
    /// Records that were committed or published.
    pub records: u64,
    /// Records in a second.
    pub records_per_second: f64,
    /// Requests in a second.
    pub requests_per_second: f64,
    /// From the moment a request was due to its whole answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
    /// The same for proofs that were fetched meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proofs: Option<Percentiles>,
    /// The server's process, where it runs on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerFigures>,
}

/// What a server on this machine used.
#[derive(Clone, Debug, Serialize)]
pub struct ServerFigures {
    /// The most memory it had resident, in MiB.
    pub memory_peak_mib: f64,
    /// The memory it has resident at the end, in MiB.
    pub memory_mib: f64,
    /// Its processor time, in seconds.
    pub processor_seconds: f64,
    /// Its database on the disk, in MiB.
    pub disk_mib: f64,
    /// Entries at the end.
    pub entries: u64,
    /// From SIGKILL to the first proof served by the next process, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kill_to_reads_ms: Option<f64>,
    /// From SIGKILL to the first record taken by the next process, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kill_to_writes_ms: Option<f64>,
}

impl Report {
    /// Fills in what follows from the counts and the time.
    #[must_use]
    pub fn over(mut self, elapsed: Duration) -> Self {
        self.seconds = elapsed.as_secs_f64();
        let per_second = |count: u64| count_f64(count) / elapsed.as_secs_f64().max(1e-9);
        self.records_per_second = per_second(self.records);
        self.requests_per_second = per_second(self.requests);
        self
    }

    /// The report for people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{:<12}{:>10} in {:.1} s = {:.0}/s ({} requests, {:.0}/s; {} turned away)",
            "records",
            self.records,
            self.seconds,
            self.records_per_second,
            self.requests,
            self.requests_per_second,
            self.turned_away
        )];
        let mut percentiles = |name: &str, of: &Option<Percentiles>| {
            if let Some(it) = of {
                lines.push(format!(
                    "{name:<12}p50 {:.2}  p90 {:.2}  p99 {:.2}  p99.9 {:.2}  max {:.2} ms  ({} of \
                     them)",
                    it.p50_ms, it.p90_ms, it.p99_ms, it.p999_ms, it.max_ms, it.count
                ));
            }
        };
        percentiles("latency", &self.latency);
        percentiles("proofs", &self.proofs);
        if let Some(it) = &self.server {
            lines.push(format!(
                "{:<12}{} entries, memory {:.0} MiB (peak {:.0}), disk {:.0} MiB, processor {:.1} s",
                "server",
                it.entries,
                it.memory_mib,
                it.memory_peak_mib,
                it.disk_mib,
                it.processor_seconds
            ));
            if let (Some(reads), Some(writes)) = (it.kill_to_reads_ms, it.kill_to_writes_ms) {
                lines.push(format!(
                    "{:<12}SIGKILL to reads {reads:.0} ms, to writes {writes:.0} ms",
                    "restart"
                ));
            }
        }
        lines
    }
}

/// A count as a number to divide.
pub fn count_f64(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
