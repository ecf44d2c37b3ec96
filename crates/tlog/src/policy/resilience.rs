//! How many witnesses must lie, and how many may be down.
//!
//! No witness is below two branches of the group tree, so each figure of a `k of n` group follows
//! from the figures of its members:
//!
//! ```text
//! split view: two quorums choose k members each, so they share at least 2k - n of them; the worst
//!             choice shares the members that are cheapest to corrupt
//! down:       the group is lost once n - k + 1 members are; the worst are the easiest to lose
//! ```

use std::collections::BTreeSet;

use super::check::Policy;
use super::error::PolicyError;

/// What a policy withstands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resilience {
    /// The witnesses that the quorum can count.
    pub witnesses: usize,
    /// How many of them, at least, must cosign two histories for the log to show a split view: the
    /// fewest witnesses that two quorums can have in common. 0 is unsafe.
    pub liars_for_split_view: usize,
    /// How many may be down, whichever they are, with a quorum still possible.
    pub down_tolerated: usize,
}

impl Policy {
    /// What this policy withstands, taking each witness as able to cosign: one whose key type is
    /// unknown here counts as up, though its cosignature would not count.
    pub fn resilience(&self) -> Resilience {
        let shared = self.fold(
            |_| 1,
            |group, members: &[usize]| {
                let shared_members =
                    group.threshold.saturating_mul(2).saturating_sub(members.len());
                sum_of_smallest(members, shared_members)
            },
        );
        let fatal = self.fold(
            |_| 1,
            |group, members: &[usize]| {
                let lost_members = members.len().saturating_add(1).saturating_sub(group.threshold);
                sum_of_smallest(members, lost_members)
            },
        );
        Resilience {
            witnesses: self.quorum_witnesses().len(),
            liars_for_split_view: shared.unwrap_or(0),
            down_tolerated: fatal.map_or(0, |fatal| fatal.saturating_sub(1)),
        }
    }

    /// Refuses a policy under which the log could show two histories with no witness lying.
    ///
    /// # Errors
    /// [`PolicyError::NoQuorum`] for `quorum none`; [`PolicyError::DisjointQuorums`] when two
    /// quorums need not share a witness.
    pub fn refuse_unsafe(&self) -> Result<(), PolicyError> {
        if self.quorum.is_none() {
            return Err(PolicyError::NoQuorum);
        }
        if self.resilience().liars_for_split_view == 0 {
            return Err(PolicyError::DisjointQuorums);
        }
        Ok(())
    }

    /// The witnesses below the quorum, by their place in the policy.
    fn quorum_witnesses(&self) -> BTreeSet<usize> {
        let below = self.fold(
            |witness| BTreeSet::from([witness]),
            |_, members: &[BTreeSet<usize>]| members.iter().flatten().copied().collect(),
        );
        below.unwrap_or_default()
    }
}

fn sum_of_smallest(values: &[usize], count: usize) -> usize {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.iter().take(count).fold(0, |sum, value| sum.saturating_add(*value))
}
