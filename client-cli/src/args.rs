//! The command line. Its help texts are the first documentation people read.
//!
//! This file is long because it is one table: every command with its arguments, its help and its examples.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::submit::period::Period;

/// Submit payments and contracts to a transparency log, and check what others submitted.
#[derive(Debug, Parser)]
#[command(name = "civiclog", version, about, long_about = LONG_ABOUT, after_long_help = EXIT_CODES)]
#[command(max_term_width = 100)]
pub struct Cli {
    /// Print one JSON document instead of words
    #[arg(long, global = true)]
    pub json: bool,
    /// Folder for what civiclog remembers [default: `$XDG_STATE_HOME/civiclog`
    /// or `~/.local/state/civiclog`]
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a proof or receipt file on this machine, without any network
    Verify(Verify),
    /// Check a signed refusal on this machine, without any network
    Refusal(Refusal),
    /// Fetch the receipt of an entry into one file
    Prove(Prove),
    /// Show an entry or an object as the log serves it
    Get(Get),
    /// Show a tender: every commitment of a bid and what became of it, proven
    Tender(Tender),
    /// Show what a log says about itself
    Log(AtLog),
    /// Check that the log still contains all it showed you before
    Consistency(Consistency),
    /// Check files that prove that a log or a witness contradicted itself
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Submit a file of payments, releases or bank transactions and collect the receipts
    Submit(Submit),
    /// Log what a portal publishes, as its observer: files, folders or a git history
    Observe(Observe),
    /// Make maps: which column of a CSV file is what
    #[command(subcommand)]
    Map(MapCommand),
    /// Submit one ready submission, such as a signed governance draft
    Post(Post),
    /// Open sealed values of your own records for one reader
    Disclose(Disclose),
    /// Upload or fetch a file that records name by its hash
    #[command(subcommand)]
    Document(Document),
    /// Make a key pair for signing records
    Keygen(Keygen),
    /// Draft and sign the log's own records: who may submit, with which keys
    #[command(subcommand)]
    Governance(Governance),
}

/// The log a command talks to.
#[derive(Debug, Clone, Args)]
pub struct AtLog {
    /// URL of the log, such as `https://log.example/spending-2026`
    #[arg(long, value_name = "URL")]
    pub log: String,
}

/// `civiclog verify`
#[derive(Debug, Args)]
#[command(after_long_help = VERIFY_EXAMPLES)]
pub struct Verify {
    /// A .tlog-proof, or a receipt file made by `prove` or `submit`
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The log and the witnesses you trust (tlog-policy file). Get it from someone other than
    /// the log's operator if you can: it decides what "verified" means
    #[arg(long, value_name = "POLICY")]
    pub policy: PathBuf,
    /// Sealed values that somebody opened for you (see `disclose`): each is checked against the digest in
    /// its entry, and shown. Repeat for several files
    #[arg(long, value_name = "FILE")]
    pub disclosure: Vec<PathBuf>,
}

/// `civiclog disclose`
#[derive(Debug, Args)]
#[command(after_long_help = DISCLOSE_EXAMPLES)]
pub struct Disclose {
    /// The receipts of the records (made by `submit` or `prove`)
    #[arg(value_name = "FILE.receipts")]
    pub file: PathBuf,
    /// Who the file is for, in words; it is written into it
    #[arg(long = "for", value_name = "TEXT")]
    pub audience: String,
    /// Only this field, such as /data/payee/name; repeat for several [default: every sealed field]
    #[arg(long, value_name = "POINTER")]
    pub path: Vec<String>,
    /// Only this object; repeat for several [default: every record of the receipts]
    #[arg(long, value_name = "OBJECT")]
    pub object: Vec<String>,
    /// The journal of `submit` that holds the values [default: in the state folder, one per log and
    /// submitter]
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Where to write it; you alone may read it
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// `civiclog document`
#[derive(Debug, Subcommand)]
pub enum Document {
    /// Upload a file, at most 32 MiB; prints the hash that a record names it by
    Put(PutDocument),
    /// Fetch a document and check its hash
    Get(GetDocument),
}

/// `civiclog document put`
#[derive(Debug, Args)]
#[command(after_long_help = DOCUMENT_EXAMPLES)]
pub struct PutDocument {
    /// The file. It is published as it is: upload nothing that may not be
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Your private key (PKCS#8 PEM); its public half must be registered with the log
    #[arg(long, value_name = "KEY.pem")]
    pub key: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub at: AtLog,
}

/// `civiclog document get`
#[derive(Debug, Args)]
#[command(after_long_help = DOCUMENT_EXAMPLES)]
pub struct GetDocument {
    /// SHA-256 of the document, 64 hexadecimal digits
    #[arg(value_name = "SHA256")]
    pub sha256: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub at: AtLog,
    /// Where to write it
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// `civiclog refusal`
#[derive(Debug, Args)]
#[command(after_long_help = REFUSAL_EXAMPLES)]
pub struct Refusal {
    /// The refusal: its text, or the log's JSON answer with the member `refusal` in it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Any receipt of the log: it holds entry 0, which names the key that signs refusals
    #[arg(long, value_name = "RECEIPT")]
    pub receipt: PathBuf,
    /// The log and the witnesses you trust (tlog-policy file)
    #[arg(long, value_name = "POLICY")]
    pub policy: PathBuf,
    /// The submission that was refused: checks that the refusal is about its record
    #[arg(long, value_name = "FILE.json")]
    pub submission: Option<PathBuf>,
}

/// `civiclog prove`
#[derive(Debug, Args)]
#[command(after_long_help = PROVE_EXAMPLES)]
pub struct Prove {
    /// Index of the entry, counted from 0
    #[arg(value_name = "INDEX")]
    pub index: tlog::LeafIndex,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub at: AtLog,
    /// Where to write it
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Check it against this policy before writing [default: the policy the log names itself]
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<PathBuf>,
}

/// `civiclog get`
#[derive(Debug, Args)]
#[command(after_long_help = GET_EXAMPLES)]
pub struct Get {
    /// Index of an entry (a number) or the id of an object
    #[arg(value_name = "INDEX|OBJECT")]
    pub what: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub at: AtLog,
}

/// `civiclog tender`
#[derive(Debug, Args)]
#[command(after_long_help = TENDER_EXAMPLES)]
pub struct Tender {
    /// The object of the tender
    #[arg(value_name = "OBJECT")]
    pub object: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub at: AtLog,
    /// The log and the witnesses you trust (tlog-policy file) [default: the policy the log names
    /// itself]
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<PathBuf>,
}

/// `civiclog consistency`
#[derive(Debug, Args)]
#[command(after_long_help = CONSISTENCY_EXAMPLES)]
pub struct Consistency {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub at: AtLog,
    /// The log and the witnesses you trust (tlog-policy file)
    #[arg(long, value_name = "POLICY")]
    pub policy: PathBuf,
}

/// `civiclog evidence`
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Check an evidence file on this machine, without any network
    Verify(EvidenceVerify),
}

/// `civiclog evidence verify`
#[derive(Debug, Args)]
#[command(after_long_help = EVIDENCE_EXAMPLES)]
pub struct EvidenceVerify {
    /// A file that a witness, a log or `civiclog consistency` wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Refuse keys that this policy does not name
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<PathBuf>,
}

/// `civiclog submit`
#[derive(Debug, Args)]
#[command(long_about = SUBMIT_ABOUT, after_long_help = SUBMIT_EXAMPLES)]
pub struct Submit {
    /// The file: CSV with a header row, OCDS releases, or an ISO 20022 message
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What the file is [default: guessed from its content, and said]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Of a CSV file: how its columns become records (TOML; see deploy/maps)
    #[arg(long, value_name = "MAP.toml")]
    pub map: Option<PathBuf>,
    /// Of any other file: your id at the log, such as GB-LAE-DEV; a map says it for a CSV file
    #[arg(long, value_name = "ID")]
    pub submitter: Option<String>,
    /// Of any other file: the body that all its objects belong to [default: the submitter]
    #[arg(long, value_name = "ID")]
    pub body: Option<String>,
    /// Your private key (PKCS#8 PEM); its public half must be registered with the log
    #[arg(long, value_name = "KEY.pem")]
    pub key: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub at: AtLog,
    /// The log and the witnesses that receipts must satisfy [default: the policy the log names
    /// itself]
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<PathBuf>,
    /// Receipts of all rows; their table goes to FILE.csv beside it, and what is more than 65,000
    /// rows to FILE.2, FILE.3 and so on [default: the file's
    /// name with .receipts]
    #[arg(long, value_name = "FILE")]
    pub receipts: Option<PathBuf>,
    /// Journal of what was signed and sent. Keep it: it holds the only copy of values that you
    /// sealed for yourself [default: in the state folder, one per log and submitter]
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Rows that did not go in [default: the file's name with .errors.csv]
    #[arg(long, value_name = "FILE")]
    pub errors: Option<PathBuf>,
    /// Why rows that changed since they were submitted did so, a code such as cor-pub (the
    /// publisher corrects), cancel or dup. Without it such rows are errors
    #[arg(long, value_name = "CODE", value_parser = reason)]
    pub why: Option<String>,
    /// The CSV file holds all there is of these days (2024, 2024-01 or FROM..TO): what the log has of
    /// them and the file has not is voided
    #[arg(long, value_name = "PERIOD", requires = "why")]
    pub complete: Option<Period>,
    /// Check everything and show the plan; sign nothing, send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long to wait for the witnesses after the last row is in
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub wait_seconds: u64,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table, with a map
    Csv,
    /// OCDS 1.1: a release, a release package, or one of these a line
    Ocds,
    /// ISO 20022 payment orders (customer credit transfer initiation)
    #[value(name = "pain.001")]
    Pain001,
    /// ISO 20022 bank statements (bank to customer statement)
    #[value(name = "camt.053")]
    Camt053,
}

impl Format {
    /// As the command line writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ocds => "ocds",
            Self::Pain001 => "pain.001",
            Self::Camt053 => "camt.053",
        }
    }
}

/// `civiclog observe`
#[derive(Debug, Args)]
#[command(long_about = OBSERVE_ABOUT, after_long_help = OBSERVE_EXAMPLES)]
pub struct Observe {
    /// CSV files, folders of them, or git repositories that keep them
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<PathBuf>,
    /// How the columns become records (TOML); its `submitter` is the body that publishes
    #[arg(long, value_name = "MAP.toml")]
    pub map: PathBuf,
    /// Your own id at the log, such as XX-NGO-WATCH
    #[arg(long, value_name = "ID")]
    pub observer: String,
    /// Your private key (PKCS#8 PEM)
    #[arg(long, value_name = "KEY.pem")]
    pub key: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub at: AtLog,
    /// The log and the witnesses that receipts must satisfy [default: the policy the log names
    /// itself]
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<PathBuf>,
    /// Folder for receipts and lists of bad rows, two files for each file observed
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Journal of what was signed and sent [default: in the state folder]
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Of a git history: go on after this commit, or `start` for all of it [default: the last one observed, which the state
    /// folder remembers]
    #[arg(long, value_name = "COMMIT")]
    pub after: Option<String>,
    /// Check everything and show the plan; sign nothing, send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long to wait for the witnesses after the last row of a file is in
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub wait_seconds: u64,
}

/// `civiclog map`
#[derive(Debug, Subcommand)]
pub enum MapCommand {
    /// Guess a first map from a file, with comments, for you to correct
    #[command(after_long_help = MAP_INIT_EXAMPLES)]
    Init(MapInit),
}

/// `civiclog map init`
#[derive(Debug, Args)]
pub struct MapInit {
    /// The CSV file
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,
    /// Your id at the log, such as GB-LAE-DEV
    #[arg(long, value_name = "ID")]
    pub submitter: Option<String>,
    /// The currency of the amounts, ISO 4217
    #[arg(long, value_name = "CODE")]
    pub currency: Option<String>,
    /// Where to write it, a file that does not exist yet [default: standard output]
    #[arg(long, value_name = "MAP.toml")]
    pub out: Option<PathBuf>,
}

/// Reads a reason code.
fn reason(text: &str) -> Result<String, String> {
    if records::codes::WHY.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("not a reason; one of {}", records::codes::WHY.join(", ")))
}

/// `civiclog post`
#[derive(Debug, Args)]
#[command(after_long_help = POST_EXAMPLES)]
pub struct Post {
    /// The submission, JSON
    #[arg(value_name = "FILE.json")]
    pub file: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub at: AtLog,
    /// Where to write its proof
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `civiclog keygen`
#[derive(Debug, Args)]
#[command(after_long_help = KEYGEN_EXAMPLES)]
pub struct Keygen {
    /// Where to write the private key; the public half goes beside it as .jwk
    #[arg(long, value_name = "KEY.pem")]
    pub out: PathBuf,
    /// Signature algorithm
    #[arg(long, value_enum, default_value_t = Alg::Es256)]
    pub alg: Alg,
}

/// A signature algorithm of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Alg {
    /// ECDSA on P-256 with SHA-256: what smart cards and HSMs have
    #[value(name = "ES256", alias = "es256")]
    Es256,
    /// Ed25519
    #[value(name = "Ed25519", alias = "ed25519")]
    Ed25519,
}

/// `civiclog governance`
#[derive(Debug, Subcommand)]
pub enum Governance {
    /// Make a governance key. Keep it off every server
    Keygen(Keygen),
    /// Write the unsigned submission of a governance record
    #[command(subcommand)]
    Draft(Draft),
    /// Add your signature to a draft, in place
    Sign(Sign),
}

/// `civiclog governance draft`
#[derive(Debug, Subcommand)]
pub enum Draft {
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
pub struct DraftCommon {
    /// Origin of the log, such as log.example/spending-2026 (see `civiclog log`)
    #[arg(long, value_name = "ORIGIN")]
    pub origin: String,
    /// The day of the decision, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub occurred: String,
    /// Where to write the draft
    #[arg(long, value_name = "F.json")]
    pub out: PathBuf,
}

/// `civiclog governance draft submitter-add`
#[derive(Debug, Args)]
pub struct SubmitterAdd {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub common: DraftCommon,
    /// Id of the submitter, such as GB-LAE-DEV
    #[arg(long, value_name = "ID")]
    pub submitter: String,
    /// Body it may write for; repeat for several [default: the submitter itself]
    #[arg(long, value_name = "ID")]
    pub body: Vec<String>,
    /// Profile it may use; repeat for several
    #[arg(long, value_name = "PROFILE", required = true)]
    pub profile: Vec<String>,
    /// What it is to others, such as bank; repeat for several. Some kinds of records are for one role
    #[arg(long, value_name = "ROLE")]
    pub role: Vec<String>,
    /// Its public key, a JWK file
    #[arg(long, value_name = "K.jwk")]
    pub key: PathBuf,
    /// Its name in words; sealed, so that it can be taken down
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
}

/// `civiclog governance draft key-add`
#[derive(Debug, Args)]
pub struct KeyAdd {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub common: DraftCommon,
    /// Id of the submitter, such as GB-LAE-DEV
    #[arg(long, value_name = "ID")]
    pub submitter: String,
    /// The new public key, a JWK file
    #[arg(long, value_name = "K.jwk")]
    pub key: PathBuf,
}

/// `civiclog governance draft key-revoke`
#[derive(Debug, Args)]
pub struct KeyRevoke {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the field's documentation would become help text")]
    pub common: DraftCommon,
    /// The key to revoke: its kid (the thumbprint that keygen prints) or its JWK file
    #[arg(long, value_name = "KID|K.jwk")]
    pub key: String,
    /// The day from which it may have been in other hands, YYYY-MM-DD: `verify` will warn
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
}

/// `civiclog governance sign`
#[derive(Debug, Args)]
pub struct Sign {
    /// The draft; your signature is added to it
    #[arg(value_name = "F.json")]
    pub file: PathBuf,
    /// Your private key
    #[arg(long, value_name = "KEY.pem")]
    pub key: PathBuf,
}

const LONG_ABOUT: &str = "\
Submit payments and contracts to a transparency log, and check what others submitted.

A log is a list that can only grow. Independent witnesses sign every state of it that they saw.
With one receipt file and the witnesses' public keys, anyone can check on their own machine that
an entry is in the log and that everybody is shown the same log.

Journalists need two commands:  civiclog prove 4711 --log URL -o row.receipt
                                civiclog verify row.receipt --policy policy.txt
Treasuries need three:          civiclog keygen, civiclog submit, civiclog consistency";

const EXIT_CODES: &str = "\
Exit codes:
  0  verified, or done
  1  not verified, or not accepted (submit: some rows were not)
  2  the command line or a file it names cannot be used
  3  the log could not be reached
  4  the log misbehaved: it answered what no honest log answers. Keep the evidence";

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

const EVIDENCE_EXAMPLES: &str = "\
Example:
  civiclog evidence verify 2f5c…-5-9a41….evidence --policy policy.txt

Exit code 0: the signatures hold and contradict each other, whoever sent you the file; 1: the file
proves nothing, or its key is not one that the policy names.";

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
  civiclog submit payments.csv --map map.toml --key key.pem --log URL --policy policy.txt \
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

const POST_EXAMPLES: &str = "\
Example:
  civiclog governance draft submitter-add … --out add.json
  civiclog governance sign add.json --key gov.pem
  civiclog governance sign add.json --key treasury.pem
  civiclog post add.json --log URL";

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help() {
        fn visit(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            command.get_subcommands().for_each(visit);
        }
        visit(&Cli::command());
    }
}
