//! What goes into a log: files of a treasury, files that are observed, ready submissions.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use import::FormatName;

use super::ask::AtLog;
use crate::period::Period;

#[derive(Debug, Args)]
#[command(long_about = SUBMIT_ABOUT, after_long_help = SUBMIT_EXAMPLES)]
pub(crate) struct Submit {
    /// The file: CSV with a header row, OCDS releases, or an ISO 20022 message
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the file is [default: guessed from its content, and said]
    #[arg(long, value_parser = format_name(), value_name = "FORMAT")]
    pub(crate) format: Option<FormatName>,
    /// Of a CSV file: how its columns become records (TOML; see deploy/maps)
    #[arg(long, value_name = "MAP.toml")]
    pub(crate) map: Option<PathBuf>,
    /// Of any other file: your id at the log, such as GB-LAE-DEV; a map says it for a CSV file
    #[arg(long, value_name = "ID")]
    pub(crate) submitter: Option<String>,
    /// Of any other file: the body that all its objects belong to [default: the submitter]
    #[arg(long, value_name = "ID")]
    pub(crate) body: Option<String>,
    /// Your private key (PKCS#8 PEM); its public half must be registered with the log
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) at: AtLog,
    /// The log and the witnesses that receipts must satisfy [default: the policy the log names
    /// itself]
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<PathBuf>,
    /// Receipts of all rows; their table goes to FILE.csv beside it, and what is more than 65,000
    /// rows to FILE.2, FILE.3 and so on [default: the file's
    /// name with .receipts]
    #[arg(long, value_name = "FILE")]
    pub(crate) receipts: Option<PathBuf>,
    /// Journal of what was signed and sent. Keep it: it holds the only copy of values that you
    /// sealed for yourself [default: in the state folder, one per log and submitter]
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Rows that did not go in [default: the file's name with .errors.csv]
    #[arg(long, value_name = "FILE")]
    pub(crate) errors: Option<PathBuf>,
    /// Why rows that changed since they were submitted did so, a code such as cor-pub (the
    /// publisher corrects), cancel or dup. Without it such rows are errors
    #[arg(long, value_name = "CODE", value_parser = reason)]
    pub(crate) why: Option<String>,
    /// The CSV file holds all there is of these days (2024, 2024-01 or FROM..TO): what the log has of
    /// them and the file has not is voided
    #[arg(long, value_name = "PERIOD", requires = "why")]
    pub(crate) complete: Option<Period>,
    /// Check everything and show the plan; sign nothing, send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long to wait for the witnesses after the last row is in
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) wait_seconds: u64,
}

/// The formats, each with its line of help.
fn format_name() -> impl TypedValueParser<Value = FormatName> {
    let values = FormatName::ALL.map(|format| {
        PossibleValue::new(format.as_str()).help(match format {
            FormatName::Csv => "A table, with a map",
            FormatName::Ocds => "OCDS 1.1: a release, a release package, or one of these a line",
            FormatName::Pain001 => "ISO 20022 payment orders (customer credit transfer initiation)",
            FormatName::Camt053 => "ISO 20022 bank statements (bank to customer statement)",
        })
    });
    PossibleValuesParser::new(values).map(|name| {
        let mut all = FormatName::ALL.into_iter();
        all.find(|format| format.as_str() == name).expect("one of the possible values")
    })
}

/// Reads a reason code.
fn reason(text: &str) -> Result<String, String> {
    if records::codes::WHY.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("not a reason; one of {}", records::codes::WHY.join(", ")))
}

#[derive(Debug, Args)]
#[command(long_about = OBSERVE_ABOUT, after_long_help = OBSERVE_EXAMPLES)]
pub(crate) struct Observe {
    /// CSV files, folders of them, or git repositories that keep them
    #[arg(value_name = "SOURCE", required = true)]
    pub(crate) sources: Vec<PathBuf>,
    /// How the columns become records (TOML); its `submitter` is the body that publishes
    #[arg(long, value_name = "MAP.toml")]
    pub(crate) map: PathBuf,
    /// Your own id at the log, such as XX-NGO-WATCH
    #[arg(long, value_name = "ID")]
    pub(crate) observer: String,
    /// Your private key (PKCS#8 PEM)
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) at: AtLog,
    /// The log and the witnesses that receipts must satisfy [default: the policy the log names
    /// itself]
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<PathBuf>,
    /// Folder for receipts and lists of bad rows, two files for each file observed
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Journal of what was signed and sent [default: in the state folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Of a git history: go on after this commit, or `start` for all of it [default: the last one observed, which the state
    /// folder remembers]
    #[arg(long, value_name = "COMMIT")]
    pub(crate) after: Option<String>,
    /// Check everything and show the plan; sign nothing, send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long to wait for the witnesses after the last row of a file is in
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) wait_seconds: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MapCommand {
    /// Guess a first map from a file, with comments, for you to correct
    #[command(after_long_help = MAP_INIT_EXAMPLES)]
    Init(MapInit),
}

#[derive(Debug, Args)]
pub(crate) struct MapInit {
    /// The CSV file
    #[arg(value_name = "FILE.csv")]
    pub(crate) file: PathBuf,
    /// Your id at the log, such as GB-LAE-DEV
    #[arg(long, value_name = "ID")]
    pub(crate) submitter: Option<String>,
    /// The currency of the amounts, ISO 4217
    #[arg(long, value_name = "CODE")]
    pub(crate) currency: Option<String>,
    /// Where to write it, a file that does not exist yet [default: standard output]
    #[arg(long, value_name = "MAP.toml")]
    pub(crate) out: Option<PathBuf>,
}

const SUBMIT_ABOUT: &str = "\
Submit a file and collect the receipts of all that is in it.

A file is one of these; the command looks what it is, and says so:
  csv       a table with a map (--map) that says which column is what. A row is a record
  ocds      OCDS 1.1: a release, a release package, or one of these a line. The bytes of a release
            become a public document, its ids, dates and amounts a record
  pain.001  ISO 20022 payment orders. Each transaction is a record, and the message one more with
            its count and sums, which the log holds against what it has
  camt.053  ISO 20022 statements of a bank, likewise; the opening balance and the entries must give
            the closing one. The log takes them from a submitter with the role `bank`

Names and free text are sealed: the log's tree holds only their salted digests, so that they can
be erased. Account numbers, and the names of whoever may be a person in a bank's file, stay with
you alone, in the journal. The command may be killed at any moment and run again: nothing is
submitted twice, and the same rows give the same receipts.";

const SUBMIT_EXAMPLES: &str = "\
Examples:
  civiclog submit payments.csv --map map.toml --key key.pem --log URL --dry-run
  civiclog submit payments.csv --map map.toml --key key.pem --log URL --policy policy.txt
  civiclog submit payments.csv --map map.toml --key key.pem --log URL --policy policy.txt \\
    --why cor-pub --complete 2024-01
  civiclog submit releases.jsonl --submitter GB-LAE-DEV --key key.pem --log URL --dry-run
  civiclog submit orders.xml --format pain.001 --submitter GB-LAE-DEV --key key.pem --log URL

What you get:
  payments.csv.receipts       the proof of every row in row order, then the key registrations and
                              the log's first entry; check it with `civiclog verify`
  payments.csv.receipts.csv   row,object,index,leaf_hash
  payments.csv.errors.csv     line,path,value,rule,message: the rows that did not go in, if any
  releases.jsonl.warnings.csv the same, of releases that depart from their standard and went in

A bad row never stops the others; if there was one, the exit code is 1. Correct the row in the
file and run the same command again. Rows that the log has already are recognised, not repeated.

A message that says another count or sum than it has goes in without the record of it as a whole.
XML with a document type (DTD) or entities of its own, deep, or cut off is refused whole.

A file that was published again, with changes: --why says the reason. Rows that changed are then
corrected, new ones are added, unchanged ones add nothing. With --complete the rows that are gone
are voided; not while there are bad rows, for one of those may be the row that seems gone. The log
keeps every earlier version. --dry-run shows the plan with its sums.

Exit code 3: rows may be in but are not proven yet; run the same command again.";

const OBSERVE_ABOUT: &str = "\
Log what a portal publishes, without its help, as records of your own.

Their ids say who observed and whom: XX-NGO-WATCH/payment/observed/GB-LAE-DEV/<file>/<number>.
When a file is observed again, rows that changed become corrections and rows that are gone are
voided, with the reason observed-change: the log shows when each silent change was seen, and what
stood there before. A git repository is walked commit by commit from where it was left.";

const OBSERVE_EXAMPLES: &str = "\
Examples:
  civiclog observe downloads/ --map deploy/maps/devon.toml --observer XX-NGO-WATCH \\
    --key key.pem --log URL --policy policy.txt --out receipts/
  civiclog observe spending.git --map deploy/maps/devon.toml --observer XX-NGO-WATCH \\
    --key key.pem --log URL

A file is known by its name below the SOURCE: keep the publisher's names. What you log says that
this is what you were shown, not that it is true. With --json one document for each file; a
--dry-run compares each commit with what the log holds now, not with the commit before it.";

const MAP_INIT_EXAMPLES: &str = "\
Example:
  civiclog map init payments.csv --submitter GB-LAE-DEV --currency GBP --out map.toml
  civiclog submit payments.csv --map map.toml --key key.pem --log URL --dry-run

Guessed from the first rows: encoding, delimiter, lines above the header, which column is the
number, the date, the amount, and which are names. What is not recognised is sealed or left as a
comment, for what is published in the clear is there for ever. Read it before you submit.";
