//! From a committed head to the head that everybody is shown: what to do next is decided without
//! I/O in [`decisions`] and carried out by [`driver`].

pub mod decisions;
pub mod driver;
pub mod inquiry;
pub mod latest;
pub mod set_aside;
pub mod startup;
