//! Whole-system tests of civiclog: real processes, real storage, real HTTP on loopback.
//!
//! The harness starts the programs that users run, talks to them as users do, and judges what they
//! answer with nothing but public checks. It never reaches into a running process; two tests edit
//! a *stopped* log's database, to see the audit find it.
//!
//! | module | what it is |
//! |---|---|
//! | [`programs`] | where the three programs are |
//! | [`process`] | a child process that cannot outlive its test |
//! | [`wait`] | the only place that waits: bounded polling |
//! | [`http`] | a plain client that hides nothing: status, headers, bytes |
//! | [`impostor`] | somebody in front of a witness who answers badly |
//! | [`witness`], [`log`] | four witnesses and a log, started, stopped, killed, put back |
//! | [`submitter`] | a treasury with its key, and the records it signs |
//! | [`reader`] | a stranger who believes only what he verified |
//! | [`history`] | every answer a log ever gave, held against each other |
//! | [`random`] | numbers from a seed, so that a failure can be repeated |
//! | [`load`] | the load generator (`cargo run --release -p e2e --bin load`) |
//!
//! | test file | the claim behind it |
//! |---|---|
//! | `main_path` | a record goes in, is cosigned, and everybody can check it |
//! | `bad_input` | whatever is wrong with a record is refused by rule, place and words |
//! | `bad_clients` | slow, broken and too many clients harm nobody else |
//! | `quorum` | without the witness quorum nothing is published, and with it again everything is |
//! | `bad_witnesses` | no manner of one witness keeps the others from publishing |
//! | `restore` | a log that was put back never signs; audit and rebuild tell the truth |
//! | `kill` | SIGKILL at any moment loses no answered record and contradicts no answer |
//! | `shutdown` | SIGTERM answers what was accepted; the next start goes on |
//! | `witnesses` | a witness cosigns only what extends what it saw, across restarts |
//! | `withdraw` | what is erased is in no file and never comes back; readers are told, proofs stay whole |
//! | `personal` | refused personal data is on no disk and in no log |
//! | `disclose` | what a submitter sealed for itself it can open for one reader, who checks it |
//! | `documents` | documents go in by registered keys, come out whole or in parts, are withdrawn with a reason |
//! | `cli` | a CSV goes in, receipts come out, tampering shows, re-runs add nothing |
//! | `architecture`, `docs` | the workspace keeps its rules; the pages of docs run |

pub mod history;
pub mod http;
pub mod impostor;
pub mod load;
pub mod log;
pub mod process;
pub mod programs;
pub mod random;
pub mod reader;
pub mod submitter;
pub mod wait;
pub mod witness;

pub use http::{Answer, Http, RawConnection};
pub use log::{LogOptions, TestLog};
pub use process::{Finished, Process};
pub use reader::Reader;
pub use submitter::Treasury;
