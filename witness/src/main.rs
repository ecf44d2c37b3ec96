//! The program: reads the command line, does one thing, turns an error into an exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use civiclog_witness::arguments::{Arguments, Command};
use civiclog_witness::config::Config;
use civiclog_witness::{Deps, Listening, identity};
use clap::Parser as _;
use service::Shutdown;

fn main() -> ExitCode {
    match act(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without standard error there is nobody left to tell.
            let _ = writeln!(io::stderr(), "civiclog-witness: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(arguments: Arguments) -> anyhow::Result<()> {
    service::init_tracing(arguments.log_format, &arguments.log_filter)?;
    match arguments.command {
        Command::Init { dir, name } => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).context("asking the system for randomness")?;
            print(&identity::init(&dir, name, seed)?.to_string())
        }
        Command::Vkey { dir } => print(&identity::published(&dir)?.to_string()),
        Command::Run { config } => {
            let config = Config::load(&config)?;
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .max_blocking_threads(civiclog_witness::http::DECISIONS_AT_ONCE_MAX)
                .enable_all()
                .build()
                .context("starting the runtime")?
                .block_on(async {
                    let shutdown = Shutdown::from_signals().context("listening for signals")?;
                    civiclog_witness::run(config, Deps::system(), announce, shutdown).await
                })
        }
    }
}

fn announce(listening: &Listening) -> io::Result<()> {
    writeln!(io::stdout(), "{}", serde_json::to_string(listening)?)
}

fn print(line: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{line}").context("writing to standard output")
}
