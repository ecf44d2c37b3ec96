//! What the handlers work with.

use std::sync::Arc;
use std::time::Duration;

use store::RocksKv;
use tlog::{Origin, Policy, TreeSize, VerifierKey};
use tokio::sync::watch;

use super::refuse::RefusalSigner;
use super::transfers::Transfers;
use crate::admit::budget::Budget;
use crate::admit::clock_rule::AdmissionClock;
use crate::admit::low_water::LowWater;
use crate::admit::pool::Pool;
use crate::admit::threads::AdmissionThreads;
use crate::core::Core;
use crate::publish::decisions::WitnessStatus;
use crate::publish::latest::LatestPublished;
use crate::sign::anchor::SetAside;

/// Handlers read through the store's interface, and never touch its column families.
pub(crate) struct App {
    pub(crate) core: Core<RocksKv>,
    pub(crate) latest: LatestPublished,
    /// Readiness asks it whether the witnesses' time is known.
    pub(crate) clock_rule: Arc<AdmissionClock>,
    pub(crate) low_water: Arc<LowWater>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) budget: Budget,
    pub(crate) admission: AdmissionThreads,
    pub(crate) origin: Origin,
    /// The log's public keys: Ed25519, then P-256.
    pub(crate) verifier_keys: [VerifierKey; 2],
    /// Signs refusals; without it they are unsigned.
    pub(crate) refusals: Option<RefusalSigner>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) policy_text: String,
    pub(crate) statuses: watch::Receiver<Vec<WitnessStatus>>,
    /// The witnesses that the operator set aside, and why.
    pub(crate) set_aside: Vec<SetAside>,
    pub(crate) documents: Transfers,
    /// How long a body may take.
    pub(crate) body_timeout: Duration,
    /// How long `wait=published` waits.
    pub(crate) wait_published: Duration,
}

impl App {
    /// Nothing at or beyond it is shown; 0 before the first publication.
    pub(super) fn published_size(&self) -> TreeSize {
        self.latest.current().map_or(TreeSize::ZERO, |it| it.size())
    }
}
