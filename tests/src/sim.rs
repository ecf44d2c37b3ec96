//! The simulation: the real sequencer, signing thread, publisher, start-up rule, witness decision and
//! client pauses, over a disk, a network and clocks that do everything that the real ones do at their
//! worst. One number, the seed, decides everything that happens, so that whatever is found can be
//! repeated.
//!
//! | module | what it is |
//! |---|---|
//! | [`faults`] | what goes wrong, drawn from the seed |
//! | [`fodder`] | keys, policy, a new log and signed records, the same for every run |
//! | [`disk`] | database and anchor of a machine, with a page cache that may lie |
//! | [`life`] | one life of the server, step by step |
//! | [`witness`], [`client`] | the others |
//! | [`world`] | all of them, and the network |
//! | [`judge`] | what must never have happened, by a model of its own |
//! | [`run`](mod@run) | storm, calm, judgement |

pub mod client;
pub mod disk;
pub mod faults;
pub mod fodder;
pub mod judge;
pub mod life;
pub mod run;
pub mod witness;
pub mod world;

pub use run::{Failure, Summary, run};
