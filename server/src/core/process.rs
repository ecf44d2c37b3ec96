//! What every part of a running log holds. Cloning it is cheap: all of it is shared.

use std::sync::Arc;

use prometheus::Registry;
use service::Clock;
use store::{Kv, Store};

use crate::core::metrics::Metrics;
use crate::core::mode::ModeSwitch;

/// The reading side of the store, and what this process may do, counts and takes for the time.
pub struct Core<K: Kv> {
    /// Whoever writes entries holds the writer besides.
    pub store: Store<K>,
    /// Every part looks here before it commits or signs, and ends it for all.
    pub mode: ModeSwitch,
    /// One set for each process: the registry refuses a second.
    pub metrics: Arc<Metrics>,
    /// The machine's; whether it may be believed, the clock rule says.
    pub clock: Arc<dyn Clock>,
}

impl<K: Kv> Core<K> {
    /// The core of a process that waits for its witnesses.
    pub fn new(
        store: Store<K>,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> prometheus::Result<Self> {
        let metrics = Arc::new(Metrics::register(registry)?);
        Ok(Self { store, mode: ModeSwitch::new(), metrics, clock })
    }

    /// A flush or compaction that failed is noticed by the next commit or signature, and here when
    /// neither comes: whoever watches is told before a submitter is.
    pub fn notice_fatal(&self) {
        if let Err(fatal) = self.store.alive() {
            self.mode.fail(&fatal);
        }
    }
}

impl<K: Kv> Clone for Core<K> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            mode: self.mode.clone(),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
        }
    }
}
