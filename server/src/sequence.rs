//! Judging one submission after the other and committing the batch in one synced write.

pub mod batch_state;
pub mod sequencer;
