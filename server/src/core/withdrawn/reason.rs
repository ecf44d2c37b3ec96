//! The act, and the reason that has to be given for it.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// What became of a disclosure.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Act {
    /// The log has it and does not show it.
    Withheld,
    /// The log no longer has it.
    Erased,
}

/// Refuses a reason that says nothing, or that no terminal should be given.
pub(crate) fn check_reason(ground: &str, because: &str) -> anyhow::Result<()> {
    ensure!(
        GROUNDS.contains(&ground),
        "--ground is `{ground}`; it must be one of {}",
        GROUNDS.join(", ")
    );
    let is_text = !because.trim().is_empty() && !because.chars().any(char::is_control);
    ensure!(
        is_text && because.len() <= BECAUSE_BYTES_MAX,
        "--because must be one line of 1 to {BECAUSE_BYTES_MAX} bytes; everybody will read it"
    );
    Ok(())
}

/// The legal grounds on which something is withdrawn: those of a sealed field, and two that arise
/// later.
pub(crate) const GROUNDS: &[&str] = &[
    "court-order",
    "eo-int",
    "erasure",
    "fair-comp",
    "law-enf",
    "oth-int",
    "person",
    "rd-ser",
    "security",
];

const BECAUSE_BYTES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grounds_are_sorted_and_hold_every_reason_for_sealing() {
        assert!(GROUNDS.is_sorted());
        assert!(records::codes::SEALED_WHY.iter().all(|it| GROUNDS.contains(it)));
    }
}
