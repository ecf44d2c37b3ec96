//! Holds any witness against the table of c2sp.org/tlog-witness.
//!
//! ```text
//! witness_conformance logs --word today > logs.txt     the logs that the witness must watch first
//! witness_conformance run --word today --url http://127.0.0.1:8081 [--vkey V]... [--monitoring URL]
//! ```
//!
//! The exit code is 0 when it follows every rule.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use e2e::Http;
use e2e::conformance::{self, Subject};
use tlog::VerifierKey;

/// Holds a witness against the table of c2sp.org/tlog-witness.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the logs that the witness must watch, as a `logs/v0` list
    Logs {
        /// Any word; each run against one witness needs another
        #[arg(long)]
        word: String,
    },
    /// Run every row and scene
    Run {
        /// The word whose logs the witness watches
        #[arg(long)]
        word: String,
        /// Where it takes checkpoints; `/add-checkpoint` is added. Plain HTTP
        #[arg(long)]
        url: String,
        /// Its verifier key; repeat for several
        #[arg(long)]
        vkey: Vec<VerifierKey>,
        /// Where it shows checkpoints, if it does
        #[arg(long)]
        monitoring: Option<String>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    match Arguments::parse().command {
        Command::Logs { word } => {
            write!(out, "{}", conformance::log_list(&word)).context("printing the list")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Run { word, url, vkey, monitoring } => {
            let subject = Subject {
                submission: Http::new(&url),
                monitoring: monitoring.as_deref().map(Http::new),
                vkeys: vkey,
                word,
            };
            let (mut passed, mut failed) = (0, 0);
            for verdict in conformance::run(&subject) {
                let (mark, count) = match verdict.failure {
                    None => ("ok    ", &mut passed),
                    Some(_) => ("FAILED", &mut failed),
                };
                *count += 1;
                writeln!(out, "{mark} {}: {}", verdict.section, verdict.name)?;
                if let Some(words) = verdict.failure {
                    writeln!(out, "       {words}")?;
                }
            }
            writeln!(out, "{passed} passed, {failed} failed")?;
            Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
