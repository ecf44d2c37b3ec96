//! Stopping, in two steps: a first signal asks everyone to finish what they began, a second one
//! ends it at once.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells every part of a process that it is time to stop. Clones are one and the same.
#[derive(Debug, Clone)]
pub struct Shutdown {
    stage: Arc<watch::Sender<Stage>>,
}

impl Shutdown {
    /// One that only [`trigger`](Self::trigger) and [`force`](Self::force) move.
    pub fn new() -> Self {
        Self { stage: Arc::new(watch::Sender::new(Stage::Running)) }
    }

    /// One that SIGTERM and SIGINT move: the first of them asks, the second one forces.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn from_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = Self::new();
        let told = shutdown.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if told.is_requested() {
                    tracing::warn!("second signal: stopping at once");
                    told.force();
                } else {
                    tracing::info!(
                        "signal: finishing what is under way; once more to stop at once"
                    );
                    told.trigger();
                }
            }
        });
        Ok(shutdown)
    }

    /// Asks everyone to finish.
    pub fn trigger(&self) {
        self.raise_to(Stage::Requested);
    }

    /// Ends everything at once.
    pub fn force(&self) {
        self.raise_to(Stage::Forced);
    }

    /// Whether stopping has been asked for.
    pub fn is_requested(&self) -> bool {
        *self.stage.borrow() >= Stage::Requested
    }

    /// Waits until stopping is asked for; at once when it was.
    pub async fn requested(&self) {
        self.reached(Stage::Requested).await;
    }

    /// Waits until it is to end at once, that is for the second signal.
    pub async fn forced(&self) {
        self.reached(Stage::Forced).await;
    }

    fn raise_to(&self, stage: Stage) {
        self.stage.send_if_modified(|now| {
            let raised = *now < stage;
            *now = stage.max(*now);
            raised
        });
    }

    async fn reached(&self, stage: Stage) {
        // The sender lives in `self`, so the wait ends only by reaching the stage.
        let _ = self.stage.subscribe().wait_for(|now| *now >= stage).await;
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    Requested,
    Forced,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_wakes_those_who_wait_and_those_who_come_later() {
        let shutdown = Shutdown::new();
        let early = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        assert!(!shutdown.is_requested());
        shutdown.trigger();
        early.await.unwrap();
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }

    #[tokio::test]
    async fn force_implies_the_request_and_is_not_taken_back() {
        let shutdown = Shutdown::new();
        shutdown.force();
        shutdown.trigger();
        shutdown.requested().await;
        shutdown.forced().await;
    }

    #[tokio::test]
    async fn two_signals_move_it_twice() {
        let shutdown = Shutdown::from_signals().unwrap();
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::TERM).unwrap();
        shutdown.requested().await;
        rustix::process::kill_process(own, rustix::process::Signal::TERM).unwrap();
        shutdown.forced().await;
    }
}
