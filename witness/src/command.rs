//! What each command does.

use std::io::{self, Write as _};

use anyhow::Context as _;
use service::{Clock as _, Shutdown, SystemClock};
use tlog::UnixMillis;

use crate::arguments::{AddLog, Arguments, Command};
use crate::config::Config;
use crate::identity;
use crate::signers::Signers;
use crate::status::{self, Shown};
use crate::{Deps, Listening, add_log};

/// Does what the command line says.
///
/// # Errors
/// In words, what could not be done.
pub fn act(arguments: Arguments) -> anyhow::Result<()> {
    service::init_tracing(arguments.log_format, &arguments.log_filter)?;
    match arguments.command {
        Command::Init { dir, name, ml_dsa } => {
            let ml_dsa = if ml_dsa { Some(random_seed()?) } else { None };
            let signers = Signers::new(name, random_seed()?, ml_dsa)?;
            identity::init(&dir, &signers)?.iter().try_for_each(print)
        }
        Command::Vkey { dir } => identity::published(&dir)?.iter().try_for_each(print),
        Command::AddLog(asked) => add_log(&asked),
        Command::List { config } => {
            let now = UnixMillis::new(SystemClock::new().unix_millis()).to_seconds();
            print(&status::list(&Config::load(&config)?, now)?)
        }
        Command::Status { config, ask, shown } => {
            let config = Config::load(&config)?;
            let shown = match (ask, shown) {
                (Some(url), _) => Shown::by_log(&url, &config)?,
                (None, path) => Shown::in_file(&path.context("expected a checkpoint")?)?,
            };
            print(&status::compare(&shown, &config)?)
        }
        Command::Run { config } => run(Config::load(&config)?),
    }
}

fn add_log(asked: &AddLog) -> anyhow::Result<()> {
    let AddLog { config, vkey, origin, requests_per_day, list } = asked;
    if let Some(list) = list {
        return print(&add_log::add_list(config, list)?);
    }
    let vkey = vkey.as_ref().context("expected a verifier key")?;
    print(&add_log::add_key(config, vkey, origin.as_ref(), *requests_per_day)?)
}

fn run(config: Config) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(crate::http::DECISIONS_AT_ONCE_MAX)
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(async {
            let shutdown = Shutdown::from_signals().context("listening for signals")?;
            crate::run(config, Deps::system(), announce, shutdown).await
        })
}

fn random_seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("asking the system for randomness")?;
    Ok(seed)
}

fn announce(listening: &Listening) -> io::Result<()> {
    writeln!(io::stdout(), "{}", serde_json::to_string(listening)?)
}

fn print(line: &impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{line}").context("writing to standard output")
}
