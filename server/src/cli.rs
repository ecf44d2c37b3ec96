//! The command line of `civiclog-server`.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::documents::{self, DocumentId};
use crate::withdraw;

/// The log: takes signed records in, publishes tree heads that a quorum of witnesses cosigned.
///
/// A new log is made in four steps: `keygen` makes its keys, `init --draft` writes the first
/// entry for the governance keys to sign offline, `init --genesis` creates the database from the
/// signed file, `run` starts serving.
#[derive(Debug, Parser)]
#[command(name = "civiclog-server", version, arg_required_else_help = true)]
pub struct Arguments {
    /// How log lines on standard error are written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Which log lines are written, as in `info` or `civiclog_server=debug,info`.
    #[arg(long, global = true, default_value = "info")]
    pub log_filter: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The shape of log lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// One line of words for a terminal.
    Text,
    /// One JSON object a line, for a collector.
    Json,
}

/// The things this program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the log's keys and print their verifier keys, one a line: Ed25519, then P-256.
    ///
    /// Refuses to run when the keys exist: one log has one set of keys for its whole life.
    Keygen(ConfigArgument),
    /// Print the verifier keys of the log, one a line: Ed25519, then P-256.
    Keys(ConfigArgument),
    /// Create a log: first `--draft` for the governance keys to sign, then `--genesis`.
    ///
    /// Contacts nobody. Refuses to run where a database or an anchor exists.
    Init(InitArguments),
    /// Serve the log until SIGTERM or SIGINT.
    ///
    /// Prints one JSON line with the addresses it listens on. Accepts records only after the
    /// witnesses confirmed that this data folder knows everything they have seen.
    Run(ConfigArgument),
    /// Re-hash every entry and tile and judge every admission again; the server must be stopped.
    Audit(ConfigArgument),
    /// Compute everything that follows from the entries anew; the server must be stopped.
    Rebuild(ConfigArgument),
    /// Hide sealed fields that the log holds, or a document.
    ///
    /// For a document the server may run; for fields of an entry it must be stopped.
    /// The log keeps them. Readers are told that they are withheld, since when, on which ground and
    /// why. Entry, tree and proofs stay as they are.
    Withhold(WithdrawArguments),
    /// Erase sealed fields that the log holds, or a document, for good.
    ///
    /// For a document the server may run; for fields of an entry it must be stopped.
    /// Searches every file of the log afterwards and prints one JSON line: whether it is gone, where
    /// it still lies if not, and which backups may hold it. Readers are told that it was erased, since
    /// when, on which ground and why. Entry, tree and proofs stay as they are.
    Erase(WithdrawArguments),
}

/// The arguments of `withhold` and `erase`.
#[derive(Debug, clap::Args)]
pub struct WithdrawArguments {
    /// The server's configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The entry's index.
    #[arg(long, value_name = "N", required_unless_present = "document")]
    pub index: Option<tlog::LeafIndex>,
    /// The document instead of fields of an entry.
    #[arg(long, value_name = "SHA256", conflicts_with_all = ["index", "path"])]
    pub document: Option<DocumentId>,
    /// The sealed field, as the record names it (such as /data/payee/name); without it, all that the
    /// log holds of the entry.
    #[arg(long, value_name = "POINTER")]
    pub path: Option<String>,
    /// The legal ground: court-order, eo-int, erasure, fair-comp, law-enf, oth-int, person, rd-ser or
    /// security.
    #[arg(long, value_name = "CODE")]
    pub ground: String,
    /// The reason in a sentence. It is published: name nobody in it.
    #[arg(long, value_name = "TEXT")]
    pub because: String,
}

impl WithdrawArguments {
    /// The fields that are meant, if it is not about a document.
    pub fn fields(&self) -> Option<withdraw::Order<'_>> {
        Some(withdraw::Order {
            index: self.index?,
            path: self.path.as_deref(),
            ground: &self.ground,
            because: &self.because,
        })
    }

    /// What is to become of the document that is meant, if it is about one.
    pub fn document(&self, act: withdraw::Act) -> Option<documents::Order<'_>> {
        let id = self.document?;
        Some(documents::Order { id, act, ground: &self.ground, because: &self.because })
    }
}

/// The configuration file, which every command reads.
#[derive(Debug, clap::Args)]
pub struct ConfigArgument {
    /// The server's configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// The arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("step").required(true).args(["draft", "genesis"]))]
pub struct InitArguments {
    /// The server's configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Write the first entry to this file, unsigned; sign it with `civiclog governance sign`.
    #[arg(long, value_name = "FILE", requires_all = ["governance", "governance_next"])]
    pub draft: Option<PathBuf>,
    /// Create the database and the anchor from this signed first entry.
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// With `--draft`: the public half (JWK) of a governance key; repeat for each key.
    #[arg(long, value_name = "JWK", conflicts_with = "genesis")]
    pub governance: Vec<PathBuf>,
    /// With `--draft`: how many governance keys must sign.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threshold: u32,
    /// With `--draft`: the public half (JWK) of a key that governance may rotate to, made now and
    /// kept apart from the current ones; only its thumbprint is published. Repeat for each key.
    #[arg(long, value_name = "JWK", conflicts_with = "genesis")]
    pub governance_next: Vec<PathBuf>,
    /// With `--draft`: the public half (JWK) of an operator key, for signed refusals.
    #[arg(long, value_name = "JWK", conflicts_with = "genesis")]
    pub operator_key: Vec<PathBuf>,
}
