//! What belongs to records without being in them: documents and sealed values.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ask::AtLog;

#[derive(Debug, Args)]
#[command(after_long_help = DISCLOSE_EXAMPLES)]
pub(crate) struct Disclose {
    /// The receipts of the records (made by `submit` or `prove`)
    #[arg(value_name = "FILE.receipts")]
    pub(crate) file: PathBuf,
    /// Who the file is for, in words; it is written into it
    #[arg(long = "for", value_name = "TEXT")]
    pub(crate) audience: String,
    /// Only this field, such as /data/payee/name; repeat for several [default: every sealed field]
    #[arg(long, value_name = "POINTER")]
    pub(crate) path: Vec<String>,
    /// Only this object; repeat for several [default: every record of the receipts]
    #[arg(long, value_name = "OBJECT")]
    pub(crate) object: Vec<String>,
    /// The journal of `submit` that holds the values [default: in the state folder, one per log and
    /// submitter]
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Where to write it; you alone may read it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Document {
    /// Upload a file, at most 32 MiB; prints the hash that a record names it by
    Put(PutDocument),
    /// Fetch a document and check its hash
    Get(GetDocument),
}

#[derive(Debug, Args)]
#[command(after_long_help = DOCUMENT_EXAMPLES)]
pub(crate) struct PutDocument {
    /// The file. It is published as it is: upload nothing that may not be
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Your private key (PKCS#8 PEM); its public half must be registered with the log
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) at: AtLog,
}

#[derive(Debug, Args)]
#[command(after_long_help = DOCUMENT_EXAMPLES)]
pub(crate) struct GetDocument {
    /// SHA-256 of the document, 64 hexadecimal digits
    #[arg(value_name = "SHA256")]
    pub(crate) sha256: String,
    #[command(flatten)]
    pub(crate) at: AtLog,
    /// Where to write it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

const DISCLOSE_EXAMPLES: &str = "\
Example:
  civiclog disclose payments.csv.receipts --for 'Court of Auditors, file 2026/113' \\
    --path /data/payee/name --object GB-LAE-DEV/payment/4711 -o court.disclosures

Send the court the receipts and this file. It checks both with:
  civiclog verify payments.csv.receipts --policy policy.txt --disclosure court.disclosures

The log learns nothing of it. What was sealed cannot be changed any more: a value that was not the
one sealed on that day does not fit the digest that is in the log.";

const DOCUMENT_EXAMPLES: &str = "\
Examples:
  civiclog document put contract-4711.pdf --key treasury.pem --log https://log.example/spending-2026
  civiclog document get SHA256 --log https://log.example/spending-2026 -o contract-4711.pdf

The log keeps the bytes as they are and serves them to everybody. What makes a document count is a
record that names its hash; a document that no record names says nothing.";
