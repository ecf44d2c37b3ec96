//! A snapshot: anchor and database of one moment, beside the live ones, for a backup to copy.
//!
//! Only the process that holds the anchor makes one, because only it may open the database: the
//! server, asked on its admin port, or the command itself while the server is stopped. Snapshots
//! are always in the same place, so nobody who reaches the admin port can choose where something is
//! written, and each has a name of its own, so that none is replaced under whoever copies it. They
//! are linked, not copied, so they are there in a moment; the copying is left to a process that can
//! be slow or be killed without harm, and removes what others left.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use service::Clock;
use store::Store;
use tokio::sync::oneshot;

use super::copy::remove_folder;
use crate::config::Config;

/// Where one log's snapshots are made, and what is found in them.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotFolder {
    folder: PathBuf,
    anchor: PathBuf,
}

/// A snapshot that is whole, as the server tells of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct SnapshotMade {
    name: String,
    pub(crate) took_ms: u64,
}

#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) anchor: PathBuf,
    pub(crate) database: PathBuf,
}

impl SnapshotFolder {
    pub(crate) fn of(config: &Config) -> Self {
        Self { folder: config.data_dir.join("backup"), anchor: config.anchor.clone() }
    }

    /// The folder that backups use within the data folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Finds the parts of a snapshot; `None` when there is none of that name.
    pub(crate) fn find(&self, made: &SnapshotMade) -> Option<Snapshot> {
        let is_name = made.name.starts_with(PREFIX) && !made.name.contains('/');
        let folder = self.folder.join(&made.name);
        (is_name && folder.is_dir())
            .then(|| Snapshot { anchor: folder.join("anchor"), database: folder.join("db") })
    }

    /// Removes all snapshots: for the one backup that is being made, when it starts and ends.
    pub(crate) fn remove_all(&self) -> anyhow::Result<()> {
        self.names()?.iter().try_for_each(|name| remove_folder(&self.folder.join(name)))
    }

    /// Makes a snapshot. Commits go on meanwhile.
    pub(crate) fn make(&self, store: &Store, clock: &dyn Clock) -> anyhow::Result<SnapshotMade> {
        let started_ms = clock.monotonic_millis();
        let name = format!("{PREFIX}{}", clock.unix_millis());
        let snapshot = self.folder.join(&name);
        files::create_folder(&self.folder, files::Access::Owner)
            .with_context(|| format!("making {}", self.folder.display()))?;
        let count = self.names()?.len();
        ensure!(
            count < SNAPSHOTS_MAX && !snapshot.exists(),
            "there are {count} snapshots in {} that no backup has removed",
            self.folder.display()
        );
        // What a crash left. Nobody else writes here: whoever makes snapshots holds the anchor.
        let unfinished = self.folder.join("unfinished");
        remove_folder(&unfinished)?;
        files::create_folder(&unfinished, files::Access::Owner)
            .with_context(|| format!("making {}", unfinished.display()))?;
        // The anchor before the database: a head is anchored only after its entries are committed, so
        // the anchor in the snapshot is never ahead of the database in it.
        std::fs::copy(&self.anchor, unfinished.join("anchor"))
            .with_context(|| format!("copying the anchor {}", self.anchor.display()))?;
        store.snapshot(&unfinished.join("db"))?;
        std::fs::rename(&unfinished, &snapshot)
            .with_context(|| format!("making {}", snapshot.display()))?;
        let took_ms = clock.monotonic_millis().saturating_sub(started_ms);
        tracing::info!(took_ms, "made a snapshot for a backup");
        Ok(SnapshotMade { name, took_ms })
    }

    fn names(&self) -> anyhow::Result<Vec<String>> {
        let reading = || format!("reading {}", self.folder.display());
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).with_context(reading)? {
            let name = entry.with_context(reading)?.file_name().to_string_lossy().into_owned();
            if name.starts_with(PREFIX) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Makes snapshots inside a running server, one at a time.
#[derive(Clone)]
pub(crate) struct SnapshotMaker {
    snapshots: SnapshotFolder,
    store: Store,
    clock: Arc<dyn Clock>,
    // Held while a snapshot is made.
    one_at_a_time: Arc<Mutex<()>>,
}

impl SnapshotMaker {
    pub(crate) fn new(config: &Config, store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { snapshots: SnapshotFolder::of(config), store, clock, one_at_a_time: Arc::default() }
    }

    /// `POST /backup`, for the admin port: makes a snapshot and says how long it took.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/backup", post(move || async move { self.answer().await }))
    }

    async fn answer(self) -> Response {
        let failed = |words: &dyn fmt::Display| {
            tracing::error!("making a snapshot: {words:#}");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{words:#}\n")).into_response()
        };
        let (done, result) = oneshot::channel();
        // On a thread of its own: it flushes and links, which may take a while on a slow disk.
        let started = std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
            let _one = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
            // If nobody waits for it any more, the next backup finds it and removes it.
            let _ = done.send(self.snapshots.make(&self.store, self.clock.as_ref()));
        });
        if let Err(error) = started {
            return failed(&error);
        }
        match result.await {
            Ok(Ok(made)) => match serde_json::to_vec(&made) {
                Ok(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
                Err(error) => failed(&error),
            },
            Ok(Err(error)) => failed(&error),
            Err(_) => failed(&"the thread that makes snapshots panicked"),
        }
    }
}

/// Snapshots that may be there at once: each keeps files alive that the log has no more use for.
pub(crate) const SNAPSHOTS_MAX: usize = 4;

const PREFIX: &str = "snapshot-";
