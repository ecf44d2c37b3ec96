//! How many checkpoints a witness cosigns in a second, each of them fsynced, and how much memory it
//! takes for a thousand logs.
//!
//! ```text
//! cargo run --release -p e2e --bin witness_load -- [--program target/release/civiclog-witness]
//! ```

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Parser;
use e2e::load::connection::Connection;
use e2e::load::figures::Latencies;
use e2e::process;
use e2e::witness::own_host;
use http::Method;
use testlog::ForgedLog;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Measures a witness.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program
    #[arg(long, default_value = "target/release/civiclog-witness")]
    program: PathBuf,
    /// How many logs it watches
    #[arg(long, default_value_t = 1_000)]
    logs: usize,
    /// How many checkpoints each of them sends
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// Connections at once
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Where the witness keeps its files: the disk that is measured [default: a temporary folder]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// With a second key
    #[arg(long)]
    ml_dsa: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let scratch = tempfile::tempdir().context("a temporary folder")?;
    let folder = arguments.folder.clone().unwrap_or_else(|| scratch.path().to_owned());
    let logs: Vec<ForgedLog> = (0..arguments.logs)
        .map(|number| ForgedLog::new(&format!("load.example/{number}"), [4; 32], arguments.rounds))
        .collect();
    // In rounds over all logs, as they would come; signed before the clock starts.
    let requests: Vec<Bytes> = (1..=arguments.rounds)
        .flat_map(|size| logs.iter().map(move |log| log.request(size - 1, size).into()))
        .collect();
    let refreshes: Vec<Bytes> = logs
        .iter()
        .take(LONE)
        .map(|log| log.request(arguments.rounds, arguments.rounds).into())
        .collect();
    let witness = start(&arguments, &folder, &logs)?;
    let mut out = std::io::stdout();
    writeln!(out, "{} logs configured: {} KiB of memory", logs.len(), memory_kib(witness.id)?)?;

    let (count, connections) = (requests.len(), arguments.connections);
    let before = Instant::now();
    let latencies = send(&witness.url, requests, connections).await?;
    let taken = before.elapsed();
    let rate = u128::try_from(count)? * 1_000 / taken.as_millis().max(1);
    writeln!(out, "{count} add-checkpoint over {connections} connections: {rate}/s")?;
    writeln!(out, "{}", serde_json::to_string(&latencies.percentiles())?)?;
    // One at a time: what a log waits that has nothing else to do.
    let lone = send(&witness.url, refreshes, 1).await?;
    writeln!(out, "one at a time: {}", serde_json::to_string(&lone.percentiles())?)?;
    writeln!(out, "{} KiB of memory afterwards", memory_kib(witness.id)?)?;
    writeln!(out, "{} bytes of program", std::fs::metadata(&arguments.program)?.len())?;
    Ok(())
}

struct Running {
    id: u32,
    url: String,
    _process: process::Process,
}

fn start(
    arguments: &Arguments,
    folder: &std::path::Path,
    logs: &[ForgedLog],
) -> anyhow::Result<Running> {
    let (state, config) = (folder.join("state"), folder.join("witness.toml"));
    let mut init = Command::new(&arguments.program);
    init.arg("init").arg("--dir").arg(&state).args(["--name", "witness.example/load"]);
    init.args(arguments.ml_dsa.then_some("--ml-dsa"));
    let finished = process::finish(init);
    ensure!(finished.code == Some(0), "init: {}", finished.stderr);
    let blocks: Vec<String> =
        logs.iter().map(|log| format!("[[logs]]\nvkey = \"{}\"\n", log.vkey())).collect();
    let text = format!(
        "name = \"witness.example/load\"\ndir = \"state\"\n[listen]\npublic = \"{}:0\"\n{}",
        own_host(),
        blocks.concat()
    );
    std::fs::write(&config, text).context("writing the configuration")?;
    let mut run = Command::new(&arguments.program);
    run.arg("run").arg("--config").arg(&config);
    let stderr = folder.join("stderr.log");
    let (process, said) =
        process::Process::start(run, "witness", &stderr).map_err(anyhow::Error::msg)?;
    let url = format!("http://{}", said["listening"].as_str().context("an address")?);
    Ok(Running { id: process.id(), url, _process: process })
}

/// Sends each request once, over this many connections; how long each took.
async fn send(url: &str, requests: Vec<Bytes>, connections: usize) -> anyhow::Result<Latencies> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        let mut connection = Connection::open(url).await?;
        workers.spawn(async move {
            let mut taken = Latencies::default();
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let before = Instant::now();
                let path = "/add-checkpoint";
                let answer = connection.call(Method::POST, path, "text/plain", request.clone());
                let (status, body) = answer.await?;
                ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(&body));
                taken.add(before.elapsed());
            }
            Ok(taken)
        });
    }
    let mut all = Latencies::default();
    while let Some(worker) = workers.join_next().await {
        all.add_all(worker.context("a worker")??);
    }
    Ok(all)
}

/// What the system says that a process keeps in memory.
fn memory_kib(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.trim().trim_end_matches(" kB").parse().context("VmRSS")
}

const LONE: usize = 500;
