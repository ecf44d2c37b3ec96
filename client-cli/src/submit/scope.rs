//! Of what a file is all there is.

use crate::period::Period;

/// Objects for which a missing row means deleted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// None: the file may be a part of something.
    Unknown,
    /// Those that happened on these days.
    Period(&'a Period),
    /// All whose ids begin as the map says.
    All,
    /// The same, and the file is gone: none of its rows counts any more.
    Gone,
}

impl Scope<'_> {
    pub(super) fn contains(self, day: &str) -> bool {
        match self {
            Self::Unknown => false,
            Self::Period(period) => period.contains(day),
            Self::All | Self::Gone => true,
        }
    }
}
