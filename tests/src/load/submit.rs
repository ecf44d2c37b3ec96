//! Submissions under load.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use http::Method;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep_until};

use super::connection::Connection;
use super::figures::{Latencies, Report, count_f64};
use super::presign::Presigned;

/// What load to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The first record's number.
    pub first: u64,
    /// Records at most.
    pub count: u64,
    /// Records in one request; with 1 they go as single submissions.
    pub batch: u64,
    /// Connections.
    pub connections: usize,
    /// Records a second; `None` is as many as go.
    pub rate: Option<f64>,
    /// Whether answers wait for publication.
    pub published: bool,
    /// How long at most.
    pub seconds: u64,
}

struct Request {
    due: Option<Instant>,
    records: u64,
    body: Bytes,
}

/// Sends what was signed before, and measures until the last answer.
///
/// # Errors
/// When a connection breaks, or a record is refused.
pub async fn submit(url: &str, presigned: Presigned, plan: &Plan) -> anyhow::Result<Report> {
    let written = write(url, presigned, plan).await?;
    let report = Report {
        requests: written.requests,
        records: written.records,
        turned_away: written.turned_away,
        latency: written.latencies.percentiles(),
        ..Report::default()
    };
    Ok(report.over(written.elapsed))
}

/// What was written, and how long each request took.
#[derive(Debug, Default)]
pub struct Written {
    /// From the moment a request was due to its whole answer.
    pub latencies: Latencies,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Records in a second.
    pub records_per_second: f64,
    requests: u64,
    records: u64,
    turned_away: u64,
}

/// The same, with every latency.
///
/// # Errors
/// As [`submit`].
pub async fn write(url: &str, presigned: Presigned, plan: &Plan) -> anyhow::Result<Written> {
    let mut connections = Vec::new();
    for _ in 0..plan.connections {
        connections.push(Connection::open(url).await?);
    }
    let (sender, receiver) = mpsc::channel(2 * plan.connections);
    let receiver = Arc::new(Mutex::new(receiver));
    let start = Instant::now();
    let feeding = {
        let plan = plan.clone();
        std::thread::spawn(move || feed(&presigned, &plan, start, &sender))
    };
    let workers: Vec<_> = connections
        .into_iter()
        .map(|it| tokio::spawn(work(it, Arc::clone(&receiver), plan.clone())))
        .collect();
    // Only the workers may keep it: when they all fail, the feeding ends.
    drop(receiver);
    let mut done = Written::default();
    for worker in workers {
        let one = worker.await??;
        done.latencies.add_all(one.latencies);
        done.requests += one.requests;
        done.records += one.records;
        done.turned_away += one.turned_away;
    }
    done.elapsed = start.elapsed();
    feeding.join().expect("the feeding thread")?;
    done.records_per_second = count_f64(done.records) / done.elapsed.as_secs_f64().max(1e-9);
    Ok(done)
}

fn feed(
    presigned: &Presigned,
    plan: &Plan,
    start: Instant,
    sender: &mpsc::Sender<Request>,
) -> anyhow::Result<()> {
    let end = start + Duration::from_secs(plan.seconds);
    let mut body = Vec::new();
    let (mut in_body, mut sent) = (0, 0);
    presigned.read(plan.first, |line| {
        body.extend_from_slice(&line);
        in_body += 1;
        if in_body == plan.batch || sent + in_body == plan.count {
            let due = plan.rate.map(|rate| start + Duration::from_secs_f64(count_f64(sent) / rate));
            if due.unwrap_or_else(Instant::now) >= end {
                return false;
            }
            let request = Request { due, records: in_body, body: std::mem::take(&mut body).into() };
            if sender.blocking_send(request).is_err() {
                return false;
            }
            sent += in_body;
            in_body = 0;
        } else {
            body.push(b'\n');
        }
        sent < plan.count
    })
}

async fn work(
    mut connection: Connection,
    receiver: Arc<Mutex<mpsc::Receiver<Request>>>,
    plan: Plan,
) -> anyhow::Result<Written> {
    let content_type = if plan.batch == 1 { "application/json" } else { "application/x-ndjson" };
    let path = if plan.published { "/v1/records" } else { "/v1/records?wait=committed" };
    let mut done = Written::default();
    loop {
        let request = receiver.lock().await.recv().await;
        let Some(request) = request else {
            return Ok(done);
        };
        if let Some(due) = request.due {
            sleep_until(due).await;
        }
        let since = request.due.unwrap_or_else(Instant::now);
        let (status, body) =
            connection.call(Method::POST, path, content_type, request.body).await?;
        if status == 503 {
            done.turned_away += 1;
            continue;
        }
        done.latencies.add(since.elapsed());
        ensure!(matches!(status, 200 | 202), "{status} {}", String::from_utf8_lossy(&body));
        let wanted: &[u8] =
            if plan.published { b"\"status\":\"published\"" } else { b"\"status\":\"committed\"" };
        let found = occurrences(&body, wanted);
        ensure!(
            found == request.records,
            "of {} records {found} were {}: {}",
            request.records,
            String::from_utf8_lossy(wanted),
            String::from_utf8_lossy(&body[..body.len().min(2_000)])
        );
        done.requests += 1;
        done.records += request.records;
    }
}

/// How often one text stands in another.
fn occurrences(text: &[u8], wanted: &[u8]) -> u64 {
    let mut count = 0;
    let mut rest = text;
    // The first byte of what is wanted is a quote, of which there are few.
    while let Some(at) = rest.iter().position(|it| *it == wanted[0]) {
        if rest[at..].starts_with(wanted) {
            count += 1;
        }
        rest = &rest[at + 1..];
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_counted() {
        let body =
            b"{\"status\":\"committed\"}\n{\"status\":\"refused\"}\n{\"status\":\"committed\"}";
        assert_eq!(occurrences(body, b"\"status\":\"committed\""), 2);
        assert_eq!(occurrences(b"", b"\"status\""), 0);
    }
}
