//! What is checked on this machine alone: receipts, refusals, evidence.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(after_long_help = VERIFY_EXAMPLES)]
pub(crate) struct Verify {
    /// A .tlog-proof, or a receipt file made by `prove` or `submit`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The log and the witnesses you trust (tlog-policy file). Get it from someone other than
    /// the log's operator if you can: it decides what "verified" means
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    /// Sealed values that somebody opened for you (see `disclose`): each is checked against the digest in
    /// its entry, and shown. Repeat for several files
    #[arg(long, value_name = "FILE")]
    pub(crate) disclosure: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_long_help = REFUSAL_EXAMPLES)]
pub(crate) struct CheckRefusal {
    /// The refusal: its text, or the log's JSON answer with the member `refusal` in it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Any receipt of the log: it holds entry 0, which names the key that signs refusals
    #[arg(long, value_name = "RECEIPT")]
    pub(crate) receipt: PathBuf,
    /// The log and the witnesses you trust (tlog-policy file)
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    /// The submission that was refused: checks that the refusal is about its record
    #[arg(long, value_name = "FILE.json")]
    pub(crate) submission: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Check an evidence file on this machine, without any network
    Verify(EvidenceVerify),
}

#[derive(Debug, Args)]
#[command(after_long_help = EVIDENCE_EXAMPLES)]
pub(crate) struct EvidenceVerify {
    /// A file that a witness, a log or `civiclog consistency` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Refuse keys that this policy does not name
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<PathBuf>,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  civiclog verify row.receipt --policy policy.txt
  civiclog verify payments.csv.receipts --policy policy.txt --json | jq .entries[0]

Needs no network. Exit code 0: everything checked out; 1: it did not, and the output names the
link of the chain that broke.";

const REFUSAL_EXAMPLES: &str = "\
Example:
  civiclog prove 0 --log URL -o genesis.receipt
  civiclog refusal answer.json --receipt genesis.receipt --policy policy.txt --submission row.json

Exit code 0 proves that the log refused this record, by this rule, with that many entries before
it. It does not say who is right: judge the record again over those entries. If the rules take
it, the log's own signature proves the refusal wrong.";

const EVIDENCE_EXAMPLES: &str = "\
Example:
  civiclog evidence verify 2f5c…-5-9a41….evidence --policy policy.txt

Exit code 0: the signatures hold and contradict each other, whoever sent you the file; 1: the file
proves nothing, or its key is not one that the policy names.";
