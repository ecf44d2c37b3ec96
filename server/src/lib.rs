//! The log: takes signed records in, gives them an order, and publishes tree heads that a quorum
//! of independent witnesses cosigned.
//!
//! It guarantees that no answer says more than what is durable and published, that it never signs
//! two heads that contradict each other, and that it stops rather than guess. It never judges a
//! record by anything but the entries before it.
//!
//! # The data path
//!
//! ```text
//! submit ────► sequence ────► publish ────────► cosign ─────────► verify
//! http::submit sequence       guard anchor sign publish  cosign   (anybody)
//! admit pool   ONE commit     drive             quorum            receipt
//! ```
//!
//! Each step takes what only the step before can make: [`anchor::Anchored`] comes from a
//! [`guard::Guarded`], a [`published::Published`] from a cosigned checkpoint, a [`pool::Receipt`]
//! from a commit.
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`], [`config`] | what the operator says |
//! | [`init`], [`check`] | making a log; auditing and rebuilding it |
//! | [`backup`], [`restore`], [`recover`], [`fetch`] | copies of a log, and the way back from one |
//! | [`documents`] | files that records name by hash |
//! | [`withdraw`] | erasing and hiding what lies beside the tree |
//! | [`startup`], [`set_aside`], [`run`](mod@run) | what must hold before anything is signed; the wiring |
//! | [`admit`], [`posted`], [`pool`], [`sequence`], [`state`], [`time`] | from a body to a commit |
//! | [`guard`], [`anchor`], [`sign`], [`keys`] | from a commit to a signature |
//! | [`publish`], [`drive`], [`cosign`], [`inquire`], [`published`] | from a signature to what everybody sees |
//! | [`receipt`], [`refuse`], [`http`] | what everybody gets |
//! | [`low_water`] | stopping before a disk is full |
//! | [`mode`], [`metrics`] | what this process may do, and what it did |

use std::io::Write as _;

use anyhow::Context as _;

pub mod admit;
pub mod anchor;
pub mod backup;
pub mod check;
pub mod cli;
pub mod config;
pub mod cosign;
pub mod documents;
pub mod drive;
pub mod fetch;
#[cfg(test)]
mod fixtures;
pub mod guard;
pub mod http;
pub mod init;
pub mod inquire;
pub mod keys;
pub mod low_water;
pub mod metrics;
pub mod mode;
pub mod pool;
pub mod posted;
pub mod prove;
pub mod publish;
pub mod published;
pub mod receipt;
pub mod recover;
pub mod refuse;
pub mod restore;
pub mod run;
pub mod sequence;
pub mod set_aside;
pub mod sign;
pub mod startup;
pub mod state;
pub mod time;
pub mod withdraw;

use backup::verify::Trust;
use cli::{Arguments, Command, LogFormat, VerifyBackupArguments, WithdrawArguments};
use config::Config;
use withdraw::Act;

/// Does what the command line says.
///
/// # Errors
/// In words, with the chain of causes.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let format = match arguments.log_format {
        LogFormat::Text => service::Format::Text,
        LogFormat::Json => service::Format::Json,
    };
    service::init_tracing(format, &arguments.log_filter)?;
    match arguments.command {
        Command::Keygen(it) => print_lines(&init::keygen(&Config::load(&it.config)?, &it)?),
        Command::Keys(it) => print_lines(&init::verifier_keys(&Config::load(&it.config)?)?),
        Command::Init(it) => init::init(&Config::load(&it.config)?, &it),
        Command::Run(it) => {
            run::run(&Config::load(&it.config)?, it.decision().as_ref(), |listening| {
                // Whoever started us reads the ports from here; if nobody does, it is no fault.
                let line = serde_json::to_string(listening).expect("three strings");
                let _ = print_lines(&[line]);
            })
        }
        Command::Backup(it) => {
            let keep = it.keep.and_then(|it| usize::try_from(it).ok());
            let order = backup::Order { to: &it.to, keep, admin: it.admin };
            print_json(&backup::backup(&Config::load(&it.config)?, &order)?)
        }
        Command::VerifyBackup(it) => print_json(&backup::verify::verify(&it.backup, &trust(&it)?)?),
        Command::Restore(it) => {
            print_json(&restore::restore(&Config::load(&it.config)?, &it.from)?)
        }
        Command::Recover(it) => {
            let order = recover::Order {
                from: &it.from,
                checkpoint: it.checkpoint.as_deref(),
                at_least: it.at_least.map(tlog::TreeSize::new),
                anchor_is_lost: it.anchor_is_lost,
            };
            print_json(&recover::recover(&Config::load(&it.config)?, &order)?)
        }
        Command::Audit(it) => {
            let summary = check::audit(&Config::load(&it.config)?)?;
            print_lines(&[format!(
                "audit: {} entries, root {}: every hash, tile, admission and state row is right",
                summary.entries, summary.root
            )])
        }
        Command::Rebuild(it) => {
            check::rebuild(&Config::load(&it.config)?)?;
            print_lines(&["rebuilt: tiles, leaf index and admission state".to_owned()])
        }
        Command::Withhold(it) => run_withdrawal(&it, Act::Withheld),
        Command::Erase(it) => run_withdrawal(&it, Act::Erased),
    }
}

/// Whom `verify-backup` believes.
fn trust(arguments: &VerifyBackupArguments) -> anyhow::Result<Trust> {
    match (&arguments.config, &arguments.vkey) {
        (Some(config), _) => Trust::of_config(&Config::load(config)?),
        (None, Some(vkey)) => Trust::of_key(vkey),
        (None, None) => Ok(Trust::default()),
    }
}

fn run_withdrawal(arguments: &WithdrawArguments, act: Act) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    if let Some(order) = arguments.document(act) {
        return print_json(&documents::withdraw(&config, &order)?);
    }
    let order = arguments.fields().context("give --index or --document")?;
    if act == Act::Withheld {
        return print_json(&withdraw::withhold(&config, &order)?);
    }
    let erased = withdraw::erase(&config, &order)?;
    print_json(&erased)?;
    anyhow::ensure!(erased.is_gone(), "files of the log still hold what was erased");
    Ok(())
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print_lines(&[serde_json::to_string(value)?])
}

fn print_lines(lines: &[String]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}").context("writing to standard output")?;
    }
    out.flush().context("writing to standard output")
}
