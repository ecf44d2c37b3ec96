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
//! submit ──────► sequence ──────► publish ────────────────► cosign ────────► verify
//! serve admit    sequencer        sign: guard anchor signer  tlog_client      (anybody)
//! pool           ONE commit       publish::driver            quorum           serve::receipt
//! ```
//!
//! Each step takes what only the step before can make: [`sign::anchor::Anchored`] comes from a
//! [`sign::guard::Guarded`], a [`publish::latest::Published`] from a cosigned checkpoint, a
//! [`admit::outcome::Receipt`] from a commit.
//!
//! A module imports only from those below it in this table:
//!
//! | module | what it is |
//! |---|---|
//! | [`run`](mod@run), [`cli`] | the wiring; what the operator says |
//! | [`serve`] | what everybody gets: HTTP, receipts, signed refusals |
//! | [`operate`] | making, auditing, copying, bringing back and withdrawing |
//! | [`publish`] | from a signature to what everybody sees |
//! | [`sequence`] | judging and the one commit |
//! | [`admit`], `documents` | from a body to a checked submission; files that records name by hash |
//! | [`core`], [`sign`] | what every part holds; from a commit to a signature |
//! | [`config`] | the configuration file |

#![expect(missing_docs, reason = "only the program and the tests use it: a comment here says why")]

use std::io::Write as _;

use anyhow::Context as _;

pub mod admit;
pub mod cli;
pub mod config;
pub mod core;
mod documents;
#[cfg(test)]
mod fixtures;
pub mod operate;
pub mod publish;
pub mod run;
pub mod sequence;
pub mod serve;
pub mod sign;

use crate::core::withdrawn::Act;
use cli::{Arguments, Command, InitArguments, LogFormat, VerifyBackupArguments, WithdrawArguments};
use config::Config;
use operate::backup::verify::Trust;
use operate::{backup, check, init, recover, restore, withdraw};

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
        Command::Keygen(it) => match (Config::load(&it.config)?, &it.refusals) {
            (config, Some(jwk)) => print_lines(&[init::make_refusal_key(&config, jwk)?]),
            (config, None) => print_lines(&init::make_keys(&config)?),
        },
        Command::Keys(it) => print_lines(&init::verifier_keys(&Config::load(&it.config)?)?),
        Command::Init(it) => run_init(&it),
        Command::Run(it) => {
            run::run(&Config::load(&it.config)?, it.decision().as_ref(), |listening| {
                // Whoever started us reads the ports from here; if nobody does, it is no fault.
                let line = serde_json::to_string(listening).expect("three strings");
                let _ = print_lines(&[line]);
            })
        }
        Command::Backup(it) => {
            let keep = it.keep.and_then(|it| usize::try_from(it).ok());
            let request = backup::BackupRequest { to: &it.to, keep, admin: it.admin };
            print_json(&backup::backup(&Config::load(&it.config)?, &request)?)
        }
        Command::VerifyBackup(it) => print_json(&backup::verify::verify(&it.backup, &trust(&it)?)?),
        Command::Restore(it) => {
            print_json(&restore::restore(&Config::load(&it.config)?, &it.from)?)
        }
        Command::Recover(it) => {
            let request = recover::RecoverRequest {
                from: &it.from,
                checkpoint: it.checkpoint.as_deref(),
                at_least: it.at_least.map(tlog::TreeSize::new),
                anchor_is_lost: it.anchor_is_lost,
            };
            print_json(&recover::recover(&Config::load(&it.config)?, &request)?)
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

fn run_init(arguments: &InitArguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    match (&arguments.draft, &arguments.genesis) {
        (Some(draft), None) => init::write_draft(&config, &arguments.draft_request(), draft),
        (None, Some(genesis)) => init::create(&config, genesis),
        _ => anyhow::bail!("give either --draft or --genesis"),
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
    if let Some(request) = arguments.document(act) {
        return print_json(&withdraw::withdraw_document(&config, &request)?);
    }
    let request = arguments.fields().context("give --index or --document")?;
    if act == Act::Withheld {
        return print_json(&withdraw::withhold(&config, &request)?);
    }
    let erased = withdraw::erase(&config, &request)?;
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
