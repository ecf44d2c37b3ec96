//! The civiclog command line: submit, prove, verify.
//!
//! **Guarantees.** `verify` needs no network and says "verified" only of what `tlog::verify`
//! proved under the user's own policy. `submit` can be killed at any moment and run again: nothing
//! goes in twice and no row is forgotten. Text from servers and files is cleaned before it reaches
//! a terminal. Private keys that others can read are refused, and none is ever overwritten.
//!
//! **Never.** It links no database, keeps no daemon, and repairs nothing silently.
//!
//! | module | what |
//! |---|---|
//! | [`args`] | the command line and its help |
//! | `submit`, `observe`, `map_init`, `verify`, `refusal`, `evidence`, `prove`, `get`, `tender`, `consistency`, `post`, `disclose`, `document`, `governance`, `keygen` | a command each |
//! | `disclosures` | the file of opened values |
//! | `trust` | policies and the checkpoints they accept |
//! | `state`, `durable`, `keyfile` | files: what is remembered, how it is written, private keys |
//! | [`exit`], [`screen`] | how a command ends and what people see |

pub mod args;
mod consistency;
mod disclose;
mod disclosures;
mod document;
mod durable;
mod evidence;
pub mod exit;
#[cfg(test)]
mod fake_log;
mod get;
mod governance;
mod keyfile;
mod keygen;
mod map_init;
mod observe;
mod post;
mod prove;
mod refusal;
pub mod screen;
mod state;
mod submit;
mod tender;
mod trust;
mod verify;

use std::path::PathBuf;

use serde_json::json;

pub use args::Cli;
use args::{Command, MapCommand};
pub use exit::Exit;
use exit::{Explain, Outcome};
pub use screen::Screen;
use state::StateFolder;

/// What a command takes from its environment; read in `main`, nowhere else.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `$XDG_STATE_HOME`
    pub state_home: Option<PathBuf>,
    /// `$HOME`
    pub home: Option<PathBuf>,
}

/// Runs one command and says how the process ends.
pub fn run(cli: &Cli, environment: &Environment, screen: &mut Screen) -> Exit {
    match dispatch(cli, environment, screen) {
        Ok(exit) => exit,
        Err(failure) => {
            let words = format!("{:#}", failure.error);
            if screen.is_json() {
                screen.report(&json!({"error": words, "exit": failure.exit.code()}));
            } else {
                screen.note(format!("civiclog: {words}"));
            }
            failure.exit
        }
    }
}

fn dispatch(cli: &Cli, environment: &Environment, screen: &mut Screen) -> Outcome {
    match &cli.command {
        Command::Verify(args) => return verify::run(args, screen),
        Command::Refusal(args) => return refusal::run(args, screen),
        Command::Evidence(command) => return evidence::run(command, screen),
        Command::Keygen(args) => return keygen::run(args, screen),
        Command::Governance(command) => return governance::run(command, screen),
        Command::Disclose(args) => {
            let state = StateFolder::locate(cli.state.as_deref(), environment)?;
            return disclose::run(args, &state, screen);
        }
        Command::Map(MapCommand::Init(args)) => return map_init::run(args, screen),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .explain(Exit::Usage, || "starting the network threads".to_owned())?;
    runtime.block_on(async {
        match &cli.command {
            Command::Verify(_)
            | Command::Refusal(_)
            | Command::Evidence(_)
            | Command::Keygen(_)
            | Command::Governance(_)
            | Command::Disclose(_)
            | Command::Map(_) => Ok(Exit::Usage),
            Command::Prove(args) => prove::run(args, screen).await,
            Command::Get(args) => get::run(args, screen).await,
            Command::Tender(args) => tender::run(args, screen).await,
            Command::Log(args) => get::log(args, screen).await,
            Command::Post(args) => post::run(args, screen).await,
            Command::Document(command) => document::run(command, screen).await,
            Command::Consistency(args) => {
                let state = StateFolder::locate(cli.state.as_deref(), environment)?;
                consistency::run(args, &state, screen).await
            }
            Command::Observe(args) => {
                let state = StateFolder::locate(cli.state.as_deref(), environment)?;
                observe::run(args, &state, screen).await
            }
            Command::Submit(args) => {
                let state = StateFolder::locate(cli.state.as_deref(), environment)?;
                submit::run(args, &state, screen).await
            }
        }
    })
}

const WORKER_THREADS: usize = 2;
