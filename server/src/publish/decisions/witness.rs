//! The witnesses as the publisher sees them.

use tlog::{Policy, TreeSize, VerifierKey, Witness};

use super::event::{Claim, RoundNumber};

/// The witnesses that are asked, in the order of their [`WitnessId`]s: those of the policy, and then
/// those that only a policy before it named. The latter may have seen what this data folder does
/// not know, so the start-up rule asks them too; nothing else does.
pub fn witnesses_to_ask(policy: &Policy, policies_before: &[Policy]) -> Vec<Witness> {
    let mut witnesses = policy.witnesses().to_vec();
    for former in policies_before.iter().flat_map(Policy::witnesses) {
        if witnesses.iter().all(|it| it.key != former.key) {
            witnesses.push(former.clone());
        }
    }
    witnesses
}

/// What the log knows of one witness.
#[derive(Clone, Debug)]
pub struct WitnessStatus {
    pub name: String,
    /// The size it cosigned last, as far as we know.
    pub size: TreeSize,
    /// Failures since its last cosignature.
    pub failures: u32,
    /// The claim for which it is no longer asked.
    pub distrusted: Option<Claim>,
    /// Whether it cosigned in the life of this process, beginning with the head signed last.
    pub has_confirmed: bool,
    /// Whether only a policy before names it: it is asked at start and never again.
    pub is_former: bool,
    /// Whether the operator set it aside: it is never asked.
    pub is_set_aside: bool,
    pub(super) key: VerifierKey,
    /// The least time between two requests to it.
    pub(super) request_interval_ms: u64,
    pub(super) asked: Option<RoundNumber>,
    pub(super) cosigned_round: Option<RoundNumber>,
    pub(super) asked_ms: Option<u64>,
    pub(super) not_before_ms: u64,
    pub(super) corrections: u32,
}

impl WitnessStatus {
    pub(super) fn new(
        witness: Witness,
        is_former: bool,
        size: TreeSize,
        request_interval_ms: u64,
    ) -> Self {
        Self {
            name: witness.name,
            key: witness.key,
            request_interval_ms,
            has_confirmed: false,
            is_former,
            is_set_aside: false,
            size,
            failures: 0,
            distrusted: None,
            asked: None,
            cosigned_round: None,
            asked_ms: None,
            not_before_ms: 0,
            corrections: 0,
        }
    }

    pub(super) fn is_asked(&self) -> bool {
        self.distrusted.is_none() && !self.is_set_aside
    }

    /// The earliest time at which this witness may be asked again.
    pub(super) fn due_ms(&self) -> u64 {
        self.asked_ms.map_or(0, |it| it + self.request_interval_ms).max(self.not_before_ms)
    }
}
