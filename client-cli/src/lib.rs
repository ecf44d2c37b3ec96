//! The civiclog command line: submit, prove, verify.
//!
//! **Guarantees.** `verify` needs no network and says "verified" only of what `tlog::verify`
//! proved under the user's own policy. `submit` can be killed at any moment and run again: nothing
//! goes in twice and no row is forgotten. Text from servers and files is cleaned before it reaches
//! a terminal. Private keys that others can read are refused, and none is ever overwritten.
//!
//! **Never.** It links no database, keeps no daemon, and repairs nothing silently.
//!
//! | module | holds |
//! |---|---|
//! | `args` | the command line and its help |
//! | `check` | what is checked on this machine alone: receipts, refusals, evidence |
//! | `ask` | what a log is asked: receipts, entries, tenders, whether it still says what it said |
//! | `submit`, `observe`, `map_init` | files that become records, one's own or another's |
//! | `govern` | keys, and the log's own records about them |
//! | `share` | documents, and sealed values that are opened |
//! | `period` | the days that a complete file covers |
//! | `trust` | policies, and the checkpoints that they accept |
//! | `state`, `keyfile` | files: what is remembered, private keys |
//! | `network` | certificates and proxies |
//! | `exit`, `screen`, `environment` | how a command ends, what people see, what is around it |

mod args;
mod ask;
mod check;
mod environment;
mod exit;
#[cfg(test)]
mod fake_log;
mod govern;
mod keyfile;
mod map_init;
mod network;
mod observe;
mod period;
mod screen;
mod share;
mod state;
mod submit;
mod trust;

use serde_json::json;

pub use args::Cli;
use args::{Command, MapCommand};
use ask::{consistency, get, prove, tender};
use check::{evidence, refusal, verify};
pub use environment::Environment;
pub use exit::Exit;
use exit::{Explain, Outcome};
use govern::{governance, keygen, post};
pub use screen::Screen;
use share::{disclose, document};
use state::StateFolder;

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
    let state = || StateFolder::locate(cli.state.as_deref(), environment);
    let http = || network::settings(&cli.network, environment);
    match &cli.command {
        Command::Verify(args) => verify::run(args, screen),
        Command::Refusal(args) => refusal::run(args, screen),
        Command::Evidence(command) => evidence::run(command, screen),
        Command::Keygen(args) => keygen::run(args, screen),
        Command::Governance(command) => governance::run(command, screen),
        Command::Disclose(args) => disclose::run(args, &state()?, screen),
        Command::Map(MapCommand::Init(args)) => map_init::run(args, screen),
        Command::Prove(args) => online(prove::run(args, &http()?, screen)),
        Command::Get(args) => online(get::run(args, &http()?, screen)),
        Command::Tender(args) => online(tender::run(args, &http()?, screen)),
        Command::Log(args) => online(get::log(args, &http()?, screen)),
        Command::Post(args) => online(post::run(args, &http()?, screen)),
        Command::Document(command) => online(document::run(command, &http()?, screen)),
        Command::Consistency(args) => online(consistency::run(args, &http()?, &state()?, screen)),
        Command::Observe(args) => online(observe::run(args, &http()?, &state()?, screen)),
        Command::Submit(args) => online(submit::run(args, &http()?, &state()?, screen)),
    }
}

/// Runs a command that talks to a log. The others start no thread.
fn online(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .explain(Exit::Usage, || "starting the network threads".to_owned())?;
    runtime.block_on(command)
}

const WORKER_THREADS: usize = 2;
