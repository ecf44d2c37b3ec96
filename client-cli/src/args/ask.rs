//! What is asked of a log: receipts, entries, tenders, its continuity.

use std::path::PathBuf;

use clap::Args;

/// The log a command talks to.
#[derive(Debug, Clone, Args)]
pub(crate) struct AtLog {
    /// URL of the log, such as `https://log.example/spending-2026`
    #[arg(long, value_name = "URL")]
    pub(crate) log: String,
}

#[derive(Debug, Args)]
#[command(after_long_help = PROVE_EXAMPLES)]
pub(crate) struct Prove {
    /// Index of the entry, counted from 0
    #[arg(value_name = "INDEX")]
    pub(crate) index: tlog::LeafIndex,
    #[command(flatten)]
    pub(crate) at: AtLog,
    /// Where to write it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Check it against this policy before writing [default: the policy the log names itself]
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_long_help = GET_EXAMPLES)]
pub(crate) struct Get {
    /// Index of an entry (a number) or the id of an object
    #[arg(value_name = "INDEX|OBJECT")]
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) at: AtLog,
}

#[derive(Debug, Args)]
#[command(after_long_help = TENDER_EXAMPLES)]
pub(crate) struct Tender {
    /// The object of the tender
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,
    #[command(flatten)]
    pub(crate) at: AtLog,
    /// The log and the witnesses you trust (tlog-policy file) [default: the policy the log names
    /// itself]
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_long_help = CONSISTENCY_EXAMPLES)]
pub(crate) struct Consistency {
    #[command(flatten)]
    pub(crate) at: AtLog,
    /// The log and the witnesses you trust (tlog-policy file)
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: PathBuf,
}

const PROVE_EXAMPLES: &str = "\
Example:
  civiclog prove 4711 --log https://log.example/spending-2026 -o row.receipt

The file holds the entry itself, the registration of the key that signed it and the log's first
entry, each with its proof. Keep it: it stays valid for ever, whatever becomes of the log.";

const GET_EXAMPLES: &str = "\
Examples:
  civiclog get 4711 --log https://log.example/spending-2026
  civiclog get GB-LAE-DEV/payment/CFADDAY36539932 --log https://log.example/spending-2026

Shows what the log serves, unverified. To be sure of it: civiclog prove, then civiclog verify.";

const TENDER_EXAMPLES: &str = "\
Example:
  civiclog tender GB-LAE-DEV/tender/2026-17 --log https://log.example/spending-2026 --policy policy.txt

Every commitment ends revealed, withdrawn, or listed as unrevealed by the buyer; until then it is
not revealed. A commitment that came too late is in no log: its bidder holds the refusal. Each
entry is proven. Exit code 4: the count in the record that closed the tender is another one.";

const CONSISTENCY_EXAMPLES: &str = "\
Example, once a day:
  civiclog consistency --log https://log.example/spending-2026 --policy policy.txt

The first use remembers the log's checkpoint. Every later one checks that the log grew from what
you remember. If it did not, both signed checkpoints are written to a file that proves it, and
the exit code is 4.";
