//! Keys, and the log's own records about them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ask::AtLog;

#[derive(Debug, Args)]
#[command(after_long_help = KEYGEN_EXAMPLES)]
pub(crate) struct Keygen {
    /// Where to write the private key; the public half goes beside it as .jwk
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) out: PathBuf,
    /// Signature algorithm
    #[arg(long, value_enum, default_value_t = Alg::Es256)]
    pub(crate) alg: Alg,
}

/// A signature algorithm of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Alg {
    /// ECDSA on P-256 with SHA-256: what smart cards and HSMs have
    #[value(name = "ES256", alias = "es256")]
    Es256,
    /// Ed25519
    #[value(name = "Ed25519", alias = "ed25519")]
    Ed25519,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Governance {
    /// Make a governance key. Keep it off every server
    Keygen(Keygen),
    /// Write the unsigned submission of a governance record
    #[command(subcommand)]
    Draft(Draft),
    /// Add your signature to a draft, in place
    Sign(Sign),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Draft {
    /// Let a new submitter in, with its first key
    ///
    /// Signed by as many governance keys as the log's threshold says and by the new key, which
    /// proves that its holder agreed.
    #[command(after_long_help = SUBMITTER_ADD_EXAMPLES)]
    SubmitterAdd(SubmitterAdd),
    /// Add a key to a submitter
    ///
    /// Signed by the new key and by one that the submitter already has.
    KeyAdd(KeyAdd),
    /// Revoke a key: it counts for no entry after the revocation
    ///
    /// Signed by the governance keys, or by a current key of the submitter.
    KeyRevoke(KeyRevoke),
}

/// What all drafts need.
#[derive(Debug, Args)]
pub(crate) struct DraftCommon {
    /// Origin of the log, such as log.example/spending-2026 (see `civiclog log`)
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: String,
    /// The day of the decision, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub(crate) occurred: String,
    /// Where to write the draft
    #[arg(long, value_name = "F.json")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SubmitterAdd {
    #[command(flatten)]
    pub(crate) common: DraftCommon,
    /// Id of the submitter, such as GB-LAE-DEV
    #[arg(long, value_name = "ID")]
    pub(crate) submitter: String,
    /// Body it may write for; repeat for several [default: the submitter itself]
    #[arg(long, value_name = "ID")]
    pub(crate) body: Vec<String>,
    /// Profile it may use; repeat for several
    #[arg(long, value_name = "PROFILE", required = true)]
    pub(crate) profile: Vec<String>,
    /// What it is to others, such as bank; repeat for several. Some kinds of records are for one role
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Vec<String>,
    /// Its public key, a JWK file
    #[arg(long, value_name = "K.jwk")]
    pub(crate) key: PathBuf,
    /// Its name in words; sealed, so that it can be taken down
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct KeyAdd {
    #[command(flatten)]
    pub(crate) common: DraftCommon,
    /// Id of the submitter, such as GB-LAE-DEV
    #[arg(long, value_name = "ID")]
    pub(crate) submitter: String,
    /// The new public key, a JWK file
    #[arg(long, value_name = "K.jwk")]
    pub(crate) key: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct KeyRevoke {
    #[command(flatten)]
    pub(crate) common: DraftCommon,
    /// The key to revoke: its kid (the thumbprint that keygen prints) or its JWK file
    #[arg(long, value_name = "KID|K.jwk")]
    pub(crate) key: String,
    /// The day from which it may have been in other hands, YYYY-MM-DD: `verify` will warn
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The draft; your signature is added to it
    #[arg(value_name = "F.json")]
    pub(crate) file: PathBuf,
    /// Your private key
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) key: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_long_help = POST_EXAMPLES)]
pub(crate) struct Post {
    /// The submission, JSON
    #[arg(value_name = "FILE.json")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) at: AtLog,
    /// Where to write its proof
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

const KEYGEN_EXAMPLES: &str = "\
Example:
  civiclog keygen --out treasury.pem

Writes treasury.pem (private, readable by you alone, never overwritten) and treasury.jwk (public).
Send the .jwk to the log's governance to be registered. Back the private key up.";

const SUBMITTER_ADD_EXAMPLES: &str = "\
Example:
  civiclog governance draft submitter-add --origin log.example/spending-2026 \\
    --submitter GB-LAE-DEV --body GB-LAE-DEV --profile spending/1 --profile contract/1 \\
    --key treasury.jwk --name 'Devon County Council' --occurred 2026-03-01 --out add.json";

const POST_EXAMPLES: &str = "\
Example:
  civiclog governance draft submitter-add … --out add.json
  civiclog governance sign add.json --key gov.pem
  civiclog governance sign add.json --key treasury.pem
  civiclog post add.json --log URL";
