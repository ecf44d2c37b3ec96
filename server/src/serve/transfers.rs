//! What the handlers of documents work with.

use std::sync::Arc;
use std::time::Duration;

use service::Clock;
use tokio::sync::Semaphore;

use crate::config::DocumentLimits;
use crate::documents::Documents;

/// The documents, and how many of them are under way at once.
pub(crate) struct Transfers {
    pub(super) documents: Arc<Documents>,
    pub(super) uploads: Arc<Semaphore>,
    pub(super) downloads: Arc<Semaphore>,
    pub(super) upload_timeout: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

impl Transfers {
    /// As many at once as the limits say.
    pub(crate) fn new(
        documents: Arc<Documents>,
        limits: &DocumentLimits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            documents,
            uploads: Arc::new(Semaphore::new(limits.uploads_max)),
            downloads: Arc::new(Semaphore::new(limits.downloads_max)),
            upload_timeout: Duration::from_millis(limits.upload_timeout_ms),
            clock,
        }
    }
}
