//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use service::Format;
use tlog::KeyName;

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
    },
    /// Serve until SIGTERM or SIGINT. Prints one JSON line when it listens.
    Run {
        /// The configuration file, TOML.
        #[arg(long)]
        config: PathBuf,
    },
    /// Print the verifier key of a witness.
    Vkey {
        /// Its folder.
        #[arg(long)]
        dir: PathBuf,
    },
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
