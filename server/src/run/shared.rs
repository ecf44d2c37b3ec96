//! What the tasks around the data path have in common.

use std::sync::Arc;

use anyhow::Context as _;
use prometheus::Registry;
use service::{Clock, FileSystems, SystemClock};
use store::RocksKv;

use crate::admit::budget::Budget;
use crate::admit::clock_rule::AdmissionClock;
use crate::admit::low_water::LowWater;
use crate::admit::pool::Pool;
use crate::config::Config;
use crate::core::Core;
use crate::publish::latest::LatestPublished;
use crate::publish::startup::Opened;

/// Cloning it is cheap: all of it is shared.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) core: Core<RocksKv>,
    pub(super) latest: LatestPublished,
    pub(super) pool: Arc<Pool>,
    pub(super) budget: Budget,
    pub(super) clock_rule: Arc<AdmissionClock>,
    pub(super) low_water: Arc<LowWater>,
}

impl Shared {
    pub(super) fn new(
        config: &Config,
        opened: &Opened<RocksKv>,
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        let limits = &config.limits;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let clock_rule = Arc::new(AdmissionClock::new(Arc::clone(&clock)));
        let folders = vec![("database", config.database_dir()), ("anchor", config.anchor.clone())];
        let low_water = LowWater::new(Box::new(FileSystems), folders, limits.disk_free_bytes_min);
        Ok(Self {
            core: Core::new(opened.store.clone(), clock, registry)
                .context("registering metrics")?,
            latest: opened.latest_published()?,
            pool: Arc::new(Pool::new()),
            budget: Budget::new(limits.pool_submissions_max, limits.pool_bytes_max),
            clock_rule,
            low_water: Arc::new(low_water),
        })
    }
}
