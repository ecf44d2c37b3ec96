//! From the bytes of a body to checked submissions that wait for the sequencer: form, signatures,
//! limits, and what must hold before a record may be taken at all.

pub mod budget;
pub mod check;
pub mod clock_rule;
pub mod low_water;
pub mod outcome;
pub mod pool;
pub mod posted;
pub mod threads;
