//! The command line of `civiclog-server`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::core::withdrawn::Act;
use crate::documents::DocumentId;
use crate::operate::init::DraftRequest;
use crate::operate::withdraw::{DocumentRequest, FieldsRequest};
use crate::publish::set_aside::Decision;

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
    Keygen(KeygenArguments),
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
    Run(RunArguments),
    /// Copy the log into a new folder below FOLDER, whether the server runs or not.
    ///
    /// Prints one JSON line that names the backup. The private keys are never in it: copy them
    /// once, offline.
    Backup(BackupArguments),
    /// Check a backup, every byte, hash, admission and signature of it, and change none.
    ///
    /// Ends with 0 and one JSON line when all is right, with 1 when something is damaged, which it
    /// names, or could not be read.
    VerifyBackup(VerifyBackupArguments),
    /// Put a backup in the place of a lost database; it is verified first.
    ///
    /// Refuses to run where a database is. Afterwards `run` signs nothing before every witness
    /// confirmed that it knows nothing later than the backup.
    Restore(RestoreArguments),
    /// Bring back, from any copy of the log, entries that this data folder has lost.
    ///
    /// Only what is proven to be the beginning of a tree that the witnesses cosigned is taken.
    /// Interrupted, it goes on where it ended when it is run again.
    Recover(RecoverArguments),
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
    pub(crate) document: Option<DocumentId>,
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
    /// Also write the record that tells it in the log, `registry/1` `withhold`, unsigned, into this new
    /// file: for `civiclog governance sign` and `civiclog post`.
    #[arg(long, value_name = "FILE", conflicts_with = "document")]
    pub draft: Option<PathBuf>,
}

impl WithdrawArguments {
    /// The fields that are meant, if it is not about a document.
    pub(crate) fn fields(&self) -> Option<FieldsRequest<'_>> {
        Some(FieldsRequest {
            index: self.index?,
            path: self.path.as_deref(),
            ground: &self.ground,
            because: &self.because,
            draft: self.draft.as_deref(),
        })
    }

    /// What is to become of the document that is meant, if it is about one.
    pub(crate) fn document(&self, act: Act) -> Option<DocumentRequest<'_>> {
        let id = self.document?;
        Some(DocumentRequest { id, act, ground: &self.ground, because: &self.because })
    }
}

/// The configuration file, which every command reads.
#[derive(Debug, clap::Args)]
pub struct ConfigArgument {
    /// The server's configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// The arguments of `run`.
#[derive(Debug, clap::Args)]
pub struct RunArguments {
    /// The server's configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Do not hear this witness any more (its name in the policy): for one whose claims contradict
    /// this log and are wrong. Kept in the anchor, with the reason, and shown to everybody. The
    /// others must satisfy the policy without it. A head that this log's key signed is no claim.
    #[arg(long, value_name = "NAME", requires = "because")]
    pub set_aside_witness: Option<String>,
    /// Why, in one line that everybody may read.
    #[arg(long, value_name = "TEXT", requires = "set_aside_witness")]
    pub because: Option<String>,
    /// Hear a witness again that was set aside.
    #[arg(long, value_name = "NAME", conflicts_with = "set_aside_witness")]
    pub hear_witness_again: Option<String>,
}

impl RunArguments {
    /// What the operator decided about a witness.
    pub(crate) fn decision(&self) -> Option<Decision> {
        match (&self.set_aside_witness, &self.because, &self.hear_witness_again) {
            (Some(name), Some(because), _) => {
                Some(Decision::SetAside { name: name.clone(), because: because.clone() })
            }
            (_, _, Some(name)) => Some(Decision::HearAgain { name: name.clone() }),
            _ => None,
        }
    }
}

/// The arguments of `keygen`.
#[derive(Debug, clap::Args)]
pub struct KeygenArguments {
    /// The server's configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Make the key that signs refusals instead, and write its public half (JWK) to this file, for
    /// `init --draft --operator-key`. Its thumbprint is printed.
    #[arg(long, value_name = "JWK")]
    pub refusals: Option<PathBuf>,
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

impl InitArguments {
    /// What the first entry is to say.
    pub(crate) fn draft_request(&self) -> DraftRequest<'_> {
        DraftRequest {
            governance: &self.governance,
            threshold: self.threshold,
            governance_next: &self.governance_next,
            operator_keys: &self.operator_key,
        }
    }
}

/// The arguments of `backup`.
#[derive(Debug, clap::Args)]
pub struct BackupArguments {
    /// The server's configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The folder that holds backups; each becomes a folder of its own, named by its time.
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
    /// Afterwards remove all but the newest N backups of this log from FOLDER.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,
    /// Where the running server's admin port is, if `listen.admin` does not say.
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,
}

/// The arguments of `verify-backup`.
#[derive(Debug, clap::Args)]
pub struct VerifyBackupArguments {
    /// The backup.
    #[arg(value_name = "FOLDER")]
    pub backup: PathBuf,
    /// The server's configuration file: the backup must be of its log.
    #[arg(long, value_name = "FILE", conflicts_with = "vkey")]
    pub config: Option<PathBuf>,
    /// The log's Ed25519 verifier key. Without it and without `--config`, the key in the backup's
    /// own entry 0 is taken.
    #[arg(long, value_name = "KEY")]
    pub vkey: Option<String>,
}

/// The arguments of `restore`.
#[derive(Debug, clap::Args)]
pub struct RestoreArguments {
    /// The server's configuration file (TOML); the keys must be in their place.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The backup.
    #[arg(long, value_name = "FOLDER")]
    pub from: PathBuf,
}

/// The arguments of `recover`.
#[derive(Debug, clap::Args)]
pub struct RecoverArguments {
    /// The server's configuration file (TOML); the server must be stopped.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// A URL that serves the log as tiles, or a folder with the same paths as files.
    #[arg(long, value_name = "URL|FOLDER")]
    pub from: String,
    /// A cosigned checkpoint to go for, instead of the mirror's own.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Refuse a checkpoint of fewer entries: somebody is known to have seen that many.
    #[arg(long, value_name = "ENTRIES")]
    pub at_least: Option<u64>,
    /// The anchor is gone for good: make it anew, at the recovered head and nowhere else.
    #[arg(long)]
    pub anchor_is_lost: bool,
}
