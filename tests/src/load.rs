//! The load generator: what a log does under load, measured from outside.
//!
//! Records are signed before the clock starts and kept in a cache folder, so that signing is not
//! measured and several runs share it. Every answer is read: a record that is refused, or not
//! answered, makes the run fail. With a rate, requests start when they are due, not when there is
//! time for them, and latency counts from then: a log that falls behind cannot hide it.
//!
//! | module | what it is |
//! |---|---|
//! | [`target`] | the log under load: one that runs, or one of its own |
//! | [`presign`] | signed records, made once |
//! | [`connection`] | one HTTP connection |
//! | [`submit`], [`reads`] | the two kinds of load; one record at a time is `submit` with one connection |
//! | [`both`] | what a flood of one does to the latency of the other |
//! | [`figures`] | what is reported |

pub mod both;
pub mod connection;
pub mod figures;
pub mod presign;
pub mod reads;
pub mod submit;
pub mod target;
