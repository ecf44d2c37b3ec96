//! From a committed head to the head that everybody is shown: what to do next is decided without
//! I/O in [`decisions`] and carried out by [`drive`].

pub mod cosign;
pub mod decisions;
pub mod drive;
pub mod inquire;
pub mod latest;
pub mod set_aside;
pub mod startup;
