//! Reading and writing side by side: what a flood of one does to the latency of the other.
//!
//! The same gentle load is measured alone and under the flood, in turns within one run, because
//! machines differ and the same machine differs from minute to minute: what counts is the ratio. The
//! flood is made by threads that give way to everything else, so that on a machine that is log and
//! load generator in one it stands for clients elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};

use super::figures::{Latencies, Percentiles, count_f64};
use super::presign::Presigned;
use super::target::Target;
use super::{reads, submit};
use crate::http::runtime;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The first record's number.
    pub first: u64,
    /// Records that the log is filled with before.
    pub fill: u64,
    /// How often each measurement is taken, alone and under the flood.
    pub turns: u64,
    /// How long each takes.
    pub seconds: u64,
    /// Proofs read in a second.
    pub reads_rate: f64,
    /// Single records written in a second.
    pub writes_rate: f64,
}

/// One gentle load, alone and under a flood of the other kind.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Alone.
    pub alone: Percentiles,
    /// Under the flood.
    pub under_flood: Percentiles,
    /// How many times longer 99 of 100 take.
    pub p99_ratio: f64,
    /// What the flood reached meanwhile, in records or requests a second.
    pub flood_per_second: f64,
}

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Proofs, alone and while records are written as fast as the log takes them.
    pub reads: Compared,
    /// Single records until their commit, alone and while proofs are read as fast as the log serves.
    pub writes: Compared,
}

impl Report {
    /// The report for people.
    pub fn lines(&self) -> Vec<String> {
        let line = |name: &str, it: &Compared| {
            format!(
                "{name:<8}p99 {:.2} ms alone, {:.2} ms under {:.0}/s of the other: {:.2} x  (p50 {:.2} and \
                 {:.2} ms; {} and {} of them)",
                it.alone.p99_ms,
                it.under_flood.p99_ms,
                it.flood_per_second,
                it.p99_ratio,
                it.alone.p50_ms,
                it.under_flood.p50_ms,
                it.alone.count,
                it.under_flood.count
            )
        };
        vec![line("reads", &self.reads), line("writes", &self.writes)]
    }
}

/// Records in one request of a flood.
const FLOOD_BATCH: u64 = 500;

/// Connections of a flood.
const FLOOD_CONNECTIONS: usize = 8;

/// How far a flood stands back behind everything else on the machine.
const FLOOD_NICE: i32 = 15;

/// Takes all measurements.
///
/// # Errors
/// When a record is refused or the log does not serve what it published.
pub fn compare(target: &Target, presigned: &Presigned, plan: &Plan) -> anyhow::Result<Report> {
    let url = target.url();
    let records = Records { presigned, next: AtomicU64::new(plan.first) };
    records.write(url, &flood_of(plan.fill, 3_600), plan.fill, runtime())?;
    let flood = flood_runtime()?;

    let (mut alone, mut under, mut reached) = <(Latencies, Latencies, f64)>::default();
    for _ in 0..plan.turns {
        alone.add_all(read(url, plan)?);
        let (latencies, report) = std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let shape = flood_of(FLOOD_RECORDS_MAX, plan.seconds);
                records.write(url, &shape, FLOOD_RECORDS_MAX, &flood)
            });
            let latencies = read(url, plan);
            anyhow::Ok((latencies?, writing.join().expect("the writing thread")?))
        })?;
        under.add_all(latencies);
        reached += report.records_per_second / f64::from(u32::try_from(plan.turns)?);
    }
    let reads = compared(alone, under, reached)?;

    let (mut alone, mut under, mut reached) = <(Latencies, Latencies, f64)>::default();
    let gentle = submit::Plan {
        batch: 1,
        connections: 1,
        rate: Some(plan.writes_rate),
        ..flood_of(GENTLE_RECORDS_MAX, plan.seconds)
    };
    for _ in 0..plan.turns {
        alone.add_all(records.write(url, &gentle, GENTLE_RECORDS_MAX, runtime())?.latencies);
        let (latencies, fetched) = std::thread::scope(|scope| {
            let reading = scope.spawn(|| flood.block_on(reads::fetch(url, &flood_of_reads(plan))));
            let latencies = records.write(url, &gentle, GENTLE_RECORDS_MAX, runtime());
            anyhow::Ok((latencies?.latencies, reading.join().expect("the reading thread")?))
        })?;
        under.add_all(latencies);
        let per_second = count_f64(fetched.requests) / fetched.elapsed.as_secs_f64();
        reached += per_second / f64::from(u32::try_from(plan.turns)?);
    }
    Ok(Report { reads, writes: compared(alone, under, reached)? })
}

fn compared(alone: Latencies, under: Latencies, flood_per_second: f64) -> anyhow::Result<Compared> {
    let alone = alone.percentiles().context("nothing was measured alone")?;
    let under_flood = under.percentiles().context("nothing was measured under the flood")?;
    let p99_ratio = under_flood.p99_ms / alone.p99_ms;
    Ok(Compared { alone, under_flood, p99_ratio, flood_per_second })
}

fn read(url: &str, plan: &Plan) -> anyhow::Result<Latencies> {
    let plan = reads::Plan {
        kind: reads::Kind::Proof,
        connections: 4,
        rate: Some(plan.reads_rate),
        seconds: plan.seconds,
    };
    Ok(runtime().block_on(reads::fetch(url, &plan))?.latencies)
}

fn flood_of_reads(plan: &Plan) -> reads::Plan {
    reads::Plan {
        kind: reads::Kind::Proof,
        connections: FLOOD_CONNECTIONS,
        rate: None,
        seconds: plan.seconds,
    }
}

/// Signed records that no measurement uses twice.
struct Records<'a> {
    presigned: &'a Presigned,
    next: AtomicU64,
}

impl Records<'_> {
    /// Writes records that were not written before, at most `room` of them.
    fn write(
        &self,
        url: &str,
        shape: &submit::Plan,
        room: u64,
        runtime: &Runtime,
    ) -> anyhow::Result<submit::Written> {
        // Those that are left over stay unused: numbers are cheap.
        let first = self.next.fetch_add(room, Ordering::Relaxed);
        let plan = submit::Plan { first, ..shape.clone() };
        runtime.block_on(submit::write(url, self.presigned.clone(), &plan))
    }
}

fn flood_of(count: u64, seconds: u64) -> submit::Plan {
    submit::Plan {
        first: 0,
        count,
        batch: FLOOD_BATCH,
        connections: FLOOD_CONNECTIONS,
        rate: None,
        published: false,
        seconds,
    }
}

fn flood_runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(|| {
            // On a system that refuses, the flood is a little louder.
            let _ = service::lower_thread_priority(FLOOD_NICE);
        })
        .build()
        .context("a runtime for the flood")
}

/// Records of one flood, at most.
const FLOOD_RECORDS_MAX: u64 = 150_000;

/// Records of one gentle measurement, at most.
const GENTLE_RECORDS_MAX: u64 = 10_000;

/// Records that a run may use, for whoever signs them beforehand.
pub fn records_needed(plan: &Plan) -> u64 {
    plan.fill + plan.turns * (FLOOD_RECORDS_MAX + 2 * GENTLE_RECORDS_MAX)
}
