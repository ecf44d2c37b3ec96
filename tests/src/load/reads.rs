//! Reads under load: proofs, tiles, bundles, records of random published entries.

use std::time::Duration;

use anyhow::Context as _;
use tlog::{BundleCoord, LeafIndex, TilePath, TlogProof, TreeSize};
use tokio::time::{Instant, sleep_until};

use super::connection::Connection;
use super::figures::{Latencies, Report, count_f64};
use crate::random::Random;

/// What is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// `/v1/proofs/{index}`
    Proof,
    /// `/v1/receipts/{index}`
    Receipt,
    /// `/v1/records/{index}`
    Record,
    /// `/tile/0/…`
    Tile,
    /// `/tile/entries/…`
    Bundle,
    /// `/checkpoint`
    Checkpoint,
}

/// What load to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is fetched.
    pub kind: Kind,
    /// Connections.
    pub connections: usize,
    /// Requests a second; `None` is as many as go.
    pub rate: Option<f64>,
    /// How long.
    pub seconds: u64,
}

/// Fetches for as long as the plan says.
///
/// # Errors
/// When a connection breaks, or the log does not serve what it published.
pub async fn read(url: &str, plan: &Plan) -> anyhow::Result<Report> {
    let done = fetch(url, plan).await?;
    let latency = done.latencies.percentiles();
    let report = Report { requests: done.requests, latency, ..Report::default() };
    Ok(report.over(done.elapsed))
}

/// What was fetched, and how long each request took.
#[derive(Debug, Default)]
pub struct Fetched {
    /// From the moment a request was due to its whole answer.
    pub latencies: Latencies,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Requests.
    pub requests: u64,
}

/// The same, with every latency.
///
/// # Errors
/// As [`read`].
pub async fn fetch(url: &str, plan: &Plan) -> anyhow::Result<Fetched> {
    let start = Instant::now();
    let mut workers = Vec::new();
    for number in 0..plan.connections {
        let connection = Connection::open(url).await?;
        let seed = Random::new(u64::try_from(number).unwrap_or_default());
        workers.push(tokio::spawn(work(connection, plan.clone(), start, seed)));
    }
    let mut done = Fetched::default();
    for worker in workers {
        let (count, one) = worker.await??;
        done.requests += count;
        done.latencies.add_all(one);
    }
    done.elapsed = start.elapsed();
    Ok(done)
}

async fn work(
    mut connection: Connection,
    plan: Plan,
    start: Instant,
    mut random: Random,
) -> anyhow::Result<(u64, Latencies)> {
    let end = start + Duration::from_secs(plan.seconds);
    let each = plan.rate.map(|rate| rate / count_f64(plan.connections as u64));
    let mut latencies = Latencies::default();
    let mut count = 0;
    let mut size = published(&mut connection).await?;
    loop {
        let due = each.map(|each: f64| start + Duration::from_secs_f64(count_f64(count) / each));
        let since = due.unwrap_or_else(Instant::now);
        if since >= end {
            return Ok((count, latencies));
        }
        if due.is_some() {
            sleep_until(since).await;
        }
        if count % SIZE_EVERY == 0 {
            size = published(&mut connection).await?;
        }
        let index = random.below(size.get());
        let since = due.unwrap_or_else(Instant::now);
        let body = connection.get(&path(plan.kind, index, size)).await?;
        latencies.add(since.elapsed());
        if plan.kind == Kind::Proof {
            let proof = TlogProof::parse(&body).context("what was fetched is no proof")?;
            anyhow::ensure!(proof.index == LeafIndex::new(index), "a proof of another entry");
        }
        count += 1;
    }
}

async fn published(connection: &mut Connection) -> anyhow::Result<TreeSize> {
    let note = connection.get("/checkpoint").await?;
    let note = tlog::Note::parse(&note)?;
    Ok(tlog::Checkpoint::parse(note.text())?.head.size)
}

fn path(kind: Kind, index: u64, size: TreeSize) -> String {
    let bundle = BundleCoord::of_entry(LeafIndex::new(index), size);
    match (kind, bundle) {
        (Kind::Receipt, _) => format!("/v1/receipts/{index}"),
        (Kind::Record, _) => format!("/v1/records/{index}"),
        (Kind::Checkpoint, _) => "/checkpoint".to_owned(),
        (Kind::Bundle, Some(bundle)) => format!("/{}", TilePath::Entries(bundle)),
        (Kind::Tile, Some(bundle)) => format!("/{}", TilePath::Hash(bundle.tile())),
        // The index is below the size, so there is a bundle.
        (Kind::Proof | Kind::Bundle | Kind::Tile, _) => format!("/v1/proofs/{index}"),
    }
}

/// After how many requests a reader looks how far the log has grown.
const SIZE_EVERY: u64 = 64;
