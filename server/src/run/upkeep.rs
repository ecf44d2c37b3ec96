//! What goes on beside the data path: whether the process is ready, its gauges, and forgetting old
//! checkpoints.

use std::sync::Arc;
use std::time::Duration;

use service::Shutdown;
use store::Kv;
use tlog::UnixSeconds;

use crate::admit::clock_rule::median;
use crate::config::Config;
use crate::core::Core;
use crate::core::mode::{Mode, ModeSwitch};
use crate::serve::App;

/// For load balancers and operators: whether this process does its whole work, or why not.
pub(super) fn readiness(config: &Config, app: &Arc<App>) -> service::Readiness {
    let (app, age_max_ms) = (Arc::clone(app), config.publish.ready_age_max_ms);
    Arc::new(move || {
        match app.core.mode.current() {
            Mode::Running => {}
            Mode::Starting(words) => return Err(words),
            Mode::ReadOnly(because) => return Err(format!("read-only: {}", because.words())),
            Mode::Stopping => return Err("stopping".to_owned()),
        }
        app.low_water.check().map_err(|it| it.to_string())?;
        let published = app.latest.current().ok_or("nothing is published yet")?;
        if !app.clock_rule.knows_witness_time() {
            return Err("no quorum of witnesses told its time yet".to_owned());
        }
        // The quorum's own time, not ours, and not that of a witness whose clock runs ahead.
        let cosigned = median(published.checkpoint().cosigners());
        let now_s = app.core.clock.unix_millis() / 1000;
        let age_s = now_s.saturating_sub(cosigned.map_or(0, UnixSeconds::get));
        if age_s.saturating_mul(1000) > age_max_ms {
            return Err(format!("the published head is {age_s} s old"));
        }
        Ok(())
    })
}

/// Takes nothing more in once the process is asked to stop.
pub(super) async fn stop_admission(shutdown: Shutdown, mode: ModeSwitch) {
    shutdown.requested().await;
    mode.stop();
}

/// Waits until everything committed is published, or until it never will be.
pub(super) async fn published_all(app: &App) {
    let Some(last) = app.core.store.head().size.get().checked_sub(1) else {
        return;
    };
    let mut changes = app.core.mode.subscribe();
    let read_only = changes.wait_for(|it| matches!(it, Mode::ReadOnly(_)));
    tokio::select! {
        _ = app.latest.covering(tlog::LeafIndex::new(last)) => {}
        _ = read_only => {}
    }
}

/// Sets the gauges that no event of their own sets.
pub(super) async fn watch_gauges(app: Arc<App>, pool_bytes_max: usize) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        app.core.notice_fatal();
        app.core.metrics.read_only(app.core.mode.is_read_only());
        let bytes = pool_bytes_max.saturating_sub(app.budget.bytes_free());
        app.core.metrics.pool(app.pool.len(), bytes);
        // Also while nobody submits: that it turned is to be in the log when it turns.
        let _ = app.low_water.check();
        for (folder, bytes) in app.low_water.free_bytes() {
            app.core.metrics.disk_free(folder, bytes);
        }
    }
}

/// Thins out the history of published checkpoints, a little at a time.
pub(super) async fn prune_history<K: Kv>(core: Core<K>) {
    let mut tick = tokio::time::interval(Duration::from_secs(PRUNE_EVERY_S));
    loop {
        tick.tick().await;
        if core.mode.is_read_only() {
            return;
        }
        let pruning = core.clone();
        let pruned = tokio::task::spawn_blocking(move || {
            let now = tlog::UnixMillis::new(pruning.clock.unix_millis());
            pruning.store.prune_checkpoints(now)
        });
        match pruned.await {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => tracing::debug!(count, "forgot old checkpoints"),
            Ok(Err(error)) => {
                core.mode.fail(&error);
            }
            Err(error) if error.is_panic() => {
                core.mode.read_only("forgetting old checkpoints panicked; see the log".to_owned());
            }
            // The runtime is shutting down.
            Err(_) => return,
        }
    }
}

/// How often the history of published checkpoints is thinned out.
const PRUNE_EVERY_S: u64 = 600;
