//! Judging one submission after the other and committing the batch in one synced write.

pub mod sequencer;
pub mod state;
