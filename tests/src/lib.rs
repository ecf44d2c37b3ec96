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
//! | [`mirror`] | copies of a log elsewhere: backups, tiles, servers that only read |
//! | [`conformance`] | what a witness must answer to a log that signs anything |
//! | [`memory_log`], [`auditor`] | a log in one thread under a clock of the test, and who judges its entries again |
//! | [`drawn`] | submissions of every profile from a seed, good and bad |
//! | [`submitter`] | a treasury with its key, and the records it signs |
//! | [`reader`] | a stranger who believes only what he verified |
//! | [`history`] | every answer a log ever gave, held against each other |
//! | [`mixed`] | a mixed load that remembers every answer in a history |
//! | [`under`] | what a program is started under: strace, a library that is loaded first |
//! | [`trace`], [`order`] | what strace saw, parsed, and the order that it must have |
//! | [`powercut`] | a disk that loses what was not synced: a recording library, and what it allows |
//! | [`small_disk`] | a file system of its own for one folder, to be filled |
//! | [`fuzz`] | bytes from nowhere for every parser of outside bytes |
//! | [`random`] | numbers from a seed, so that a failure can be repeated |
//! | [`sim`] | the simulation (`cargo run --release -p e2e --bin sim`) |
//! | [`load`] | the load generator (`cargo run --release -p e2e --bin load`) |
//!
//! | test file | the claim behind it |
//! |---|---|
//! | `main_path` | a record goes in, is cosigned, and everybody can check it |
//! | `bad_input` | whatever is wrong with a record is refused by rule, place and words |
//! | `replay` | whoever replays the entries reaches the log's own verdicts, whatever was submitted |
//! | `procurement` | a tender ends with every commitment accounted for, and the command line says how |
//! | `new_profile` | a profile goes into a running log, and judges records from then on |
//! | `receipts` | a receipt accounts for whoever signed, however the key came to count |
//! | `rules` | every rule has a record that breaks it, every flag one that raises it |
//! | `examples` | every example of `docs/examples.md` is admitted, and no kind lacks one |
//! | `refusals` | a refusal is the log's own word, and only for records that were signed |
//! | `bad_clients` | slow, broken and too many clients harm nobody else |
//! | `overload` | a flood of bad requests stays within the memory that is stated |
//! | `quorum` | without the witness quorum nothing is published, and with it again everything is |
//! | `bad_witnesses` | no manner of one witness keeps the others from publishing |
//! | `restore` | a log that was put back never signs; audit and rebuild tell the truth |
//! | `backup` | a backup made under load is whole, any damage to it shows, and putting it back forks nothing |
//! | `recover` | what was lost comes back from any copy of the log, and nothing else does |
//! | `kill` | SIGKILL at any moment loses no answered record and contradicts no answer |
//! | `set_aside` | the operator can stop hearing a witness that lies, and not more than that |
//! | `low_water` | a disk that fills up turns records away, and nothing else |
//! | `trace` | nothing is said before it is on the disk, as strace sees it |
//! | `powercut` | a power cut loses no answered record, whatever the disk kept of the rest |
//! | `faults` | whichever system call fails or kills, no answered record is lost |
//! | `full_disk` | a full disk stops log and witness before they say what they did not keep |
//! | `bit_flips` | one flipped bit in any file is found by name, or proven to change nothing |
//! | `shutdown` | SIGTERM answers what was accepted; the next start goes on |
//! | `fuzz` | no bytes make a parser panic, and what it reads it writes back |
//! | `witness_conformance` | a witness does what the specification says, rule by rule |
//! | `interop` | the Go programs of others, on both sides (tests/interop/run) |
//! | `witness_size` | it stays small enough to be read |
//! | `witness_kill`, `forger` | no witness signs two histories, whoever asks and however it ends |
//! | `witnesses` | a witness cosigns only what extends what it saw, across restarts |
//! | `withdraw` | what is erased is in no file and never comes back; readers are told, proofs stay whole |
//! | `personal` | refused personal data is on no disk and in no log |
//! | `disclose` | what a submitter sealed for itself it can open for one reader, who checks it |
//! | `documents` | documents go in by registered keys, come out whole or in parts, are withdrawn with a reason |
//! | `cli` | a CSV goes in, receipts come out, tampering shows, re-runs add nothing |
//! | `architecture`, `docs` | the workspace keeps its rules; the pages of docs run |

pub mod auditor;
pub mod conformance;
pub mod drawn;
pub mod fuzz;
pub mod history;
pub mod http;
pub mod impostor;
pub mod load;
pub mod log;
pub mod memory_log;
pub mod mirror;
pub mod mixed;
pub mod order;
pub mod powercut;
pub mod process;
pub mod programs;
pub mod random;
pub mod reader;
pub mod sim;
pub mod small_disk;
pub mod submitter;
pub mod trace;
pub mod under;
pub mod wait;
pub mod witness;

pub use http::{Answer, Http, RawConnection};
pub use log::{LogOptions, TestLog};
pub use process::{Finished, Process};
pub use reader::Reader;
pub use submitter::Treasury;
