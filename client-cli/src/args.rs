//! The command line: the verbs, with a file below for each group of them. The help texts are the
//! first documentation people read, so the tables of arguments say what is not obvious from a name.

mod ask;
mod check;
mod govern;
mod network;
mod share;
mod submit;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use ask::{AtLog, Consistency, Get, Prove, Tender};
pub(crate) use check::{CheckRefusal, EvidenceCommand, EvidenceVerify, Verify};
pub(crate) use govern::{
    Alg, Draft, DraftCommon, Governance, KeyAdd, KeyRevoke, Keygen, Post, Sign, SubmitterAdd,
};
pub(crate) use network::NetworkArgs;
pub(crate) use share::{Disclose, Document, GetDocument, PutDocument};
pub(crate) use submit::{MapCommand, MapInit, Observe, Submit};

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
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a proof or receipt file on this machine, without any network
    Verify(Verify),
    /// Check a signed refusal on this machine, without any network
    Refusal(CheckRefusal),
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
