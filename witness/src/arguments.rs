//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use service::Format;
use tlog::{KeyName, Origin, VerifierKey};

/// Cosigns the tree heads of transparency logs, and only those that extend all it cosigned before.
#[derive(Debug, Parser)]
#[command(name = "civiclog-witness", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How log lines on standard error look: text or json.
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT")]
    pub log_format: Format,
    /// Which log lines: a level, or levels by module such as `info,hyper=warn`.
    #[arg(long, global = true, default_value = "info", value_name = "LEVELS")]
    pub log_filter: String,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new witness: its folder and its key. Prints the verifier key. Never replaces a key.
    Init {
        /// The folder to make; the key and all that this witness remembers live in it.
        #[arg(long)]
        dir: PathBuf,
        /// The name in every cosignature, for ever, such as `witness.example/w1`: no spaces, no `+`.
        #[arg(long)]
        name: KeyName,
        /// Make a second key, of ML-DSA-44, that signs whatever the first one signs.
        #[arg(long)]
        ml_dsa: bool,
    },
    /// Serve until SIGTERM or SIGINT. Prints one JSON line when it listens.
    Run {
        /// The configuration file, TOML.
        #[arg(long)]
        config: PathBuf,
    },
    /// Print the verifier keys of a witness, one a line.
    Vkey {
        /// Its folder.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Add a log, a further key of one, or the logs of a list to the configuration.
    AddLog(Box<AddLog>),
    /// Print the logs of a witness and what it cosigned last. Verifies its folder; needs no lock.
    List {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Compare what the folder remembers with what a log shows. Fails when the folder is too old.
    Status {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// The URL of a log to ask, by `curl`.
        #[arg(long, value_name = "LOG", required_unless_present = "shown")]
        ask: Option<String>,
        /// A checkpoint that was fetched otherwise.
        #[arg(long, value_name = "FILE", conflicts_with = "ask")]
        shown: Option<PathBuf>,
    },
}

/// `add-log`
#[derive(Debug, Args)]
pub struct AddLog {
    /// The configuration file; what is in it stays as it is.
    #[arg(long)]
    pub config: PathBuf,
    /// The log's verifier key, as its operator sent it.
    #[arg(required_unless_present = "list")]
    pub vkey: Option<VerifierKey>,
    /// The first line of the log's checkpoints, where it is not the name of the key.
    #[arg(long)]
    pub origin: Option<Origin>,
    /// How many of its requests are answered in a day, at most.
    #[arg(long, value_name = "N")]
    pub requests_per_day: Option<u32>,
    /// A log list, `logs/v0`: logs that are new are added, the others left as they are.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["vkey", "origin", "requests_per_day"])]
    pub list: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn refuses_names_that_no_note_can_carry() {
        for (name, accepted) in [("w.example/1", true), ("a b", false), ("a+b", false), ("", false)]
        {
            let line = ["civiclog-witness", "init", "--dir", "d", "--name", name];
            assert_eq!(Arguments::try_parse_from(line).is_ok(), accepted, "{name:?}");
        }
    }
}
