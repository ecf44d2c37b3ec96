//! `load`: what a log does under load. Prints one JSON document on standard output and the same
//! for people on standard error.
//!
//! Without `--log` every run makes a log of its own, with four witnesses on this machine and a
//! policy of three of four, from the programs in `CIVICLOG_BIN_DIR`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use e2e::http::runtime;
use e2e::load::figures::Report;
use e2e::load::presign::Presigned;
use e2e::load::target::Target;
use e2e::load::{both, reads, submit};

/// Puts a civiclog log under load and measures it from outside.
#[derive(Debug, Parser)]
#[command(name = "load", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Submit signed payments, in batches or one by one, at a rate or as fast as it goes.
    Submit(Submit),
    /// One record at a time over one connection.
    Lone(Lone),
    /// Fetch what is published.
    Reads(Reads),
    /// Reading and writing side by side: what a flood of one does to the other, as a ratio.
    Both(Both),
}

/// Which log.
#[derive(Debug, clap::Args)]
struct Log {
    /// A log that runs already, such as `http://127.0.0.1:8080`; without it one is made.
    #[arg(long = "log", value_name = "URL", requires = "key")]
    url: Option<String>,
    /// The submitter's private key, for a log that runs already.
    #[arg(long)]
    key: Option<PathBuf>,
    /// The submitter that the log knows by this key.
    #[arg(long, default_value = "GB-LAE-DEV")]
    submitter: String,
    /// Where to make a log of our own; it is kept. Without it, a temporary folder.
    #[arg(long, conflicts_with = "url")]
    dir: Option<PathBuf>,
    /// Where signed records are kept for later runs.
    #[arg(long, default_value = "/tmp/civiclog-load")]
    cache: PathBuf,
    /// The number of the first record: those before it were submitted by earlier runs.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Afterwards, SIGKILL our own log and measure how fast the next process serves.
    #[arg(long)]
    then_kill: bool,
}

#[derive(Debug, clap::Args)]
struct Submit {
    #[command(flatten)]
    log: Log,
    /// Records at most; all of them are signed before the clock starts.
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// Records in one request; 1 sends them as single submissions.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=5_000))]
    batch: u64,
    /// Connections.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Records a second; without it, as many as go.
    #[arg(long)]
    rate: Option<f64>,
    /// Wait for publication instead of the commit.
    #[arg(long)]
    published: bool,
    /// How long, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Meanwhile, proofs fetched in a second.
    #[arg(long, default_value_t = 0.0)]
    proofs: f64,
}

#[derive(Debug, clap::Args)]
struct Lone {
    #[command(flatten)]
    log: Log,
    /// How many records.
    #[arg(long, default_value_t = 1_000)]
    count: u64,
    /// Wait for publication instead of the commit.
    #[arg(long)]
    published: bool,
}

#[derive(Debug, clap::Args)]
struct Reads {
    #[command(flatten)]
    log: Log,
    /// Records that a log of our own is filled with first.
    #[arg(long, default_value_t = 100_000)]
    fill: u64,
    /// What is fetched.
    #[arg(long, value_enum, default_value = "proof")]
    kind: reads::Kind,
    /// Connections.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Requests a second; without it, as many as go.
    #[arg(long)]
    rate: Option<f64>,
    /// How long, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

#[derive(Debug, clap::Args)]
struct Both {
    #[command(flatten)]
    log: Log,
    /// Records that the log is filled with first.
    #[arg(long, default_value_t = 100_000)]
    fill: u64,
    /// How often each measurement is taken, alone and under the flood in turns.
    #[arg(long, default_value_t = 3)]
    turns: u64,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Proofs read in a second while they are measured.
    #[arg(long, default_value_t = 200.0)]
    reads_rate: f64,
    /// Records written in a second while they are measured.
    #[arg(long, default_value_t = 50.0)]
    writes_rate: f64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Command::Submit(it) => run_submit(it).and_then(print),
        Command::Lone(it) => run_lone(it).and_then(print),
        Command::Reads(it) => run_reads(it).and_then(print),
        Command::Both(it) => run_both(it),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("load: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run_submit(arguments: &Submit) -> anyhow::Result<Report> {
    let mut target = target(&arguments.log)?;
    let plan = submit::Plan {
        first: arguments.log.first,
        count: arguments.count,
        batch: arguments.batch,
        connections: arguments.connections,
        rate: arguments.rate,
        published: arguments.published,
        seconds: arguments.seconds,
    };
    let presigned = prepare(&arguments.log, &target, plan.count)?;
    let url = target.url().to_owned();
    let reading = (arguments.proofs > 0.0).then_some(reads::Plan {
        kind: reads::Kind::Proof,
        connections: 1,
        rate: Some(arguments.proofs),
        seconds: arguments.seconds,
    });
    let mut report = runtime().block_on(async {
        let readers = reading.map(|plan| {
            let url = url.clone();
            tokio::spawn(async move { reads::read(&url, &plan).await })
        });
        let mut report = submit::submit(&url, presigned, &plan).await?;
        if let Some(readers) = readers {
            report.proofs = readers.await??.latency;
        }
        anyhow::Ok(report)
    })?;
    report.server = target.figures(arguments.log.then_kill)?;
    Ok(report)
}

fn run_lone(arguments: &Lone) -> anyhow::Result<Report> {
    let mut target = target(&arguments.log)?;
    let plan = submit::Plan {
        first: arguments.log.first,
        count: arguments.count,
        batch: 1,
        connections: 1,
        rate: None,
        published: arguments.published,
        seconds: 600,
    };
    let presigned = prepare(&arguments.log, &target, plan.count)?;
    let url = target.url().to_owned();
    let mut report = runtime().block_on(submit::submit(&url, presigned, &plan))?;
    report.server = target.figures(arguments.log.then_kill)?;
    Ok(report)
}

fn run_reads(arguments: &Reads) -> anyhow::Result<Report> {
    let mut target = target(&arguments.log)?;
    let url = target.url().to_owned();
    if arguments.log.url.is_none() {
        say("filling the log");
        let plan = submit::Plan {
            first: arguments.log.first,
            count: arguments.fill,
            batch: 500,
            connections: 8,
            rate: None,
            published: true,
            seconds: 3_600,
        };
        let presigned = prepare(&arguments.log, &target, plan.count)?;
        runtime().block_on(submit::submit(&url, presigned, &plan))?;
    }
    let plan = reads::Plan {
        kind: arguments.kind,
        connections: arguments.connections,
        rate: arguments.rate,
        seconds: arguments.seconds,
    };
    let mut report = runtime().block_on(reads::read(&url, &plan))?;
    report.server = target.figures(arguments.log.then_kill)?;
    Ok(report)
}

fn target(log: &Log) -> anyhow::Result<Target> {
    match (&log.url, &log.key) {
        (Some(url), Some(key)) => Target::running(url, &log.submitter, key),
        _ => Ok(Target::own(log.dir.as_deref())),
    }
}

fn prepare(log: &Log, target: &Target, count: u64) -> anyhow::Result<Presigned> {
    say(&format!("signing what is missing of {count} records"));
    Presigned::prepare(&log.cache, target.treasury(), log.first, count).context("signing")
}

fn run_both(arguments: &Both) -> anyhow::Result<()> {
    let target = target(&arguments.log)?;
    let plan = both::Plan {
        first: arguments.log.first,
        fill: arguments.fill,
        turns: arguments.turns,
        seconds: arguments.seconds,
        reads_rate: arguments.reads_rate,
        writes_rate: arguments.writes_rate,
    };
    let presigned = prepare(&arguments.log, &target, both::records_needed(&plan))?;
    let report = both::compare(&target, &presigned, &plan)?;
    say(&report.lines().join("\n"));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string_pretty(&report)?).context("writing the report")
}

fn print(report: Report) -> anyhow::Result<()> {
    let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    let report = Report { command, ..report };
    say(&report.lines().join("\n"));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string_pretty(&report)?).context("writing the report")
}

fn say(line: &str) {
    // Nobody may be reading; the report counts all the same.
    let _ = writeln!(std::io::stderr(), "{line}");
}
