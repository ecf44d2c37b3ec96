//! `backup`: a copy of a log that can be proven whole, made while the log runs.
//!
//! ```text
//! server: POST /backup ─► snapshot (anchor, then database; linked) ─► command: copy, sum, sync, rename
//! ```
//!
//! A backup holds the database, a copy of the anchor whose head is the beginning of the database's
//! tree, the witness policy, the documents, and a manifest with a checksum of every file. It never holds the private
//! keys: those are copied once, offline, and must not lie wherever the last thirty backups lie.
//!
//! A backup is an *old copy* from the moment it is made. `restore` puts one back in a way that
//! lets the witnesses say so before anything is signed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use service::{Clock, SystemClock};
use store::Store;
use tlog::TreeHead;
use tlog_client::{HttpClient, HttpSettings, LogUrl};

use crate::config::Config;
use crate::documents::{DocumentId, path_of};
use crate::sign::anchor::{AnchorCopy, AnchorError, AnchorFile};

pub(crate) mod copy;
pub(crate) mod documents;
mod list;
pub(crate) mod manifest;
mod snapshot;
pub(crate) mod verify;

pub(crate) use list::{Listed, backups};
pub(crate) use snapshot::{Snapshot, SnapshotFolder, SnapshotMade, SnapshotMaker};

use copy::{FileSum, Progress, copy_synced, files_below, remove_folder};
use manifest::Manifest;

/// The backups of the list that are there and hold this document, under whatever name it is kept.
pub(crate) fn holding(config: &Config, id: DocumentId) -> anyhow::Result<Vec<Listed>> {
    let mut all = backups(config)?;
    all.retain(|it| path_of(&it.folder.join(documents::DOCUMENTS), id).exists());
    Ok(all)
}

pub(crate) const ANCHOR: &str = "anchor";

pub(crate) const POLICY: &str = "policy.txt";

pub(crate) const DATABASE: &str = "db";

#[derive(Debug)]
pub(crate) struct BackupRequest<'a> {
    /// The folder that holds backups.
    pub(crate) to: &'a Path,
    /// How many backups of this log stay there; without it, all.
    pub(crate) keep: Option<usize>,
    /// Where the running server's admin port is; without it, as configured.
    pub(crate) admin: Option<SocketAddr>,
}

/// A backup that was made, for standard output.
#[derive(Debug, Serialize)]
pub(crate) struct MadeBackup {
    backup: PathBuf,
    origin: String,
    made_at: String,
    size: u64,
    root: String,
    published_size: Option<u64>,
    bytes: u64,
    snapshot_ms: u64,
    took_ms: u64,
    /// The backups that `keep` removed.
    removed: Vec<PathBuf>,
}

struct Seen {
    head: TreeHead,
    anchored: TreeHead,
    published: Option<(u64, String)>,
}

/// Makes a backup, whether the server runs or not.
/// What was not finished begins with `.unfinished-`, and the next backup into the same folder removes
/// it.
pub(crate) fn backup(config: &Config, request: &BackupRequest<'_>) -> anyhow::Result<MadeBackup> {
    let snapshots = SnapshotFolder::of(config);
    let database = config.database_dir();
    ensure!(database.is_dir(), "there is no database at {}", database.display());
    for folder in [snapshots.folder(), request.to] {
        files::create_folder(folder, files::Access::Owner)
            .with_context(|| format!("making the folder {}", folder.display()))?;
    }
    let to = request.to.canonicalize().context("the folder for backups")?;
    let _one_backup = files::lock_folder(snapshots.folder())?;
    let _one_writer = files::lock_folder(&to)?;
    remove_unfinished(&to)?;
    snapshots.remove_all()?;
    let made = make(config, request, &snapshots, &to);
    // Also after a failure: both take space, and a full disk may have been the cause.
    snapshots.remove_all()?;
    remove_unfinished(&to)?;
    let mut made = made?;
    if let Some(keep) = request.keep {
        made.removed = remove_older(config, &to, keep)?;
    }
    Ok(made)
}

fn make(
    config: &Config,
    request: &BackupRequest<'_>,
    snapshots: &SnapshotFolder,
    to: &Path,
) -> anyhow::Result<MadeBackup> {
    let clock = SystemClock::new();
    let made = take_snapshot(config, request, snapshots, &clock)?;
    let snapshot = snapshots.find(&made).with_context(|| {
        format!(
            "the server that was asked made no snapshot in {}: it is another log's server, or sees \
             another data folder",
            snapshots.folder().display()
        )
    })?;
    let seen = look_at(config, &snapshot)?;
    let made_at_ms = clock.unix_millis();
    let name = records::format_millis(made_at_ms).replace(':', "-");
    let unfinished = to.join(format!("{UNFINISHED}{name}"));
    let mut files = copy_all(config, &snapshot, &unfinished)?;
    files.extend(documents::copy(&config.documents_dir(), &unfinished)?);
    let (published_size, published) = seen.published.unzip();
    let manifest = Manifest::new(manifest::Contents {
        origin: &config.origin,
        made_at_ms,
        head: seen.head,
        anchored: seen.anchored,
        published,
        files,
    });
    manifest.write(&unfinished)?;
    files::sync_folder(&unfinished).context("syncing the backup")?;

    let backup = to.join(&name);
    ensure!(!backup.exists(), "{} exists: nothing is overwritten", backup.display());
    let size = seen.head.size.get();
    let made_at = manifest.made_at().to_owned();
    let listed = Listed { folder: backup.clone(), made_at: made_at.clone(), size };
    list::remember(config, listed)?;
    std::fs::rename(&unfinished, &backup)
        .with_context(|| format!("naming the backup {}", backup.display()))?;
    files::sync_folder(to).context("syncing the folder of backups")?;
    Ok(MadeBackup {
        backup,
        origin: config.origin.to_string(),
        made_at,
        size,
        root: seen.head.root.to_base64(),
        published_size,
        bytes: manifest.bytes(),
        snapshot_ms: made.took_ms,
        took_ms: clock.monotonic_millis(),
        removed: Vec::new(),
    })
}

/// Whoever holds the anchor makes the snapshot: we do if nobody else does.
fn take_snapshot(
    config: &Config,
    request: &BackupRequest<'_>,
    snapshots: &SnapshotFolder,
    clock: &SystemClock,
) -> anyhow::Result<SnapshotMade> {
    match AnchorFile::lock(&config.anchor) {
        Ok(_held) => {
            let settings = store::Settings::default();
            let (store, _writer) = Store::open(&config.database_dir(), &config.origin, &settings)
                .context("opening the database of the stopped server")?;
            snapshots.make(&store, clock)
        }
        Err(AnchorError::Locked { .. }) => ask_server(request.admin.unwrap_or(config.listen.admin)),
        Err(error) => Err(error.into()),
    }
}

fn ask_server(admin: SocketAddr) -> anyhow::Result<SnapshotMade> {
    ensure!(
        admin.port() != 0,
        "the server is running and takes any free port for `listen.admin`: say which one it took \
         with --admin"
    );
    let timeout = Duration::from_secs(SNAPSHOT_TIMEOUT_S);
    // On this machine, so through no proxy.
    let settings = HttpSettings::default().once_within(timeout);
    let client = HttpClient::new(LogUrl::parse(&format!("http://{admin}"))?, &settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let answer = runtime
        .block_on(client.post("backup", ANSWER_BYTES_MAX))
        .context("asking the running server for a snapshot")?;
    serde_json::from_slice(&answer).context("the server's answer")
}

/// Opens the snapshot, which checks it, and holds its anchor against its database.
fn look_at(config: &Config, snapshot: &Snapshot) -> anyhow::Result<Seen> {
    let settings = store::Settings::default();
    let store = Store::open_read_only(&snapshot.database, &config.origin, &settings)
        .context("opening the snapshot")?;
    let anchor = AnchorCopy::read(&snapshot.anchor)?;
    ensure!(anchor.origin() == config.origin.as_str(), "the anchor is of another log");
    let (head, anchored) = (store.head(), anchor.head());
    ensure!(
        anchored.size <= head.size,
        "the anchor holds a signed tree of {} entries, the database has only {}",
        anchored.size,
        head.size
    );
    crate::sign::guard::guard(&store, anchored, anchored)
        .context("the tree signed last is not the beginning of the tree in the database")?;
    let published = store.latest_published().map(|it| (it.head().size.get(), it.note().to_owned()));
    Ok(Seen { head, anchored, published })
}

/// Copies everything into a new folder, each file synced and summed up.
fn copy_all(config: &Config, snapshot: &Snapshot, to: &Path) -> anyhow::Result<Vec<FileSum>> {
    let database = &snapshot.database;
    let mut copies = vec![
        (snapshot.anchor.clone(), ANCHOR.to_owned()),
        (config.policy_path.clone(), POLICY.to_owned()),
    ];
    for path in files_below(database)? {
        copies.push((database.join(&path), format!("{DATABASE}/{path}")));
    }
    let mut total = 0;
    for (from, _) in &copies {
        total += from.metadata().with_context(|| format!("reading {}", from.display()))?.len();
    }
    tracing::info!(files = copies.len(), bytes = total, to = %to.display(), "copying");
    let mut progress = Progress::new("copied", total);
    files::create_folder(&to.join(DATABASE), files::Access::Owner)
        .context("making the backup's folder")?;
    let mut files = Vec::new();
    for (from, path) in copies {
        let sum = copy_synced(&from, &to.join(&path), &mut progress)
            .with_context(|| format!("copying {}", from.display()))?;
        files.push(FileSum { path, ..sum });
    }
    files::sync_folder(&to.join(DATABASE)).context("syncing the backup")?;
    Ok(files)
}

/// Removes what an interrupted backup or removal left behind.
fn remove_unfinished(to: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(to).context("reading the folder of backups")? {
        let entry = entry.context("reading the folder of backups")?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            tracing::warn!(path = %entry.path().display(), "removing an unfinished backup");
            remove_folder(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes all but the newest backups of this log. What is no backup of it is left alone.
fn remove_older(config: &Config, to: &Path, keep: usize) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(to).context("reading the folder of backups")? {
        let path = entry.context("reading the folder of backups")?.path();
        if !path.join(manifest::MANIFEST).exists() {
            continue;
        }
        match Manifest::read(&path).and_then(|it| Ok((it.origin()?, it.made_at_ms()))) {
            Ok((origin, made_at_ms)) if origin == config.origin => found.push((made_at_ms, path)),
            Ok(_) => {}
            Err(error) => tracing::warn!("left alone: {error:#}"),
        }
    }
    found.sort();
    found.truncate(found.len().saturating_sub(keep));
    let mut removed = Vec::new();
    for (_, path) in found {
        // Renamed first, so that what is half removed never looks like a backup.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let gone = to.join(format!("{UNFINISHED}{name}"));
        std::fs::rename(&path, &gone).with_context(|| format!("removing {}", path.display()))?;
        remove_folder(&gone)?;
        list::forget(config, &path)?;
        removed.push(path);
    }
    Ok(removed)
}

const UNFINISHED: &str = ".unfinished-";
/// Flushing what is in memory is all that takes time.
const SNAPSHOT_TIMEOUT_S: u64 = 300;
const ANSWER_BYTES_MAX: usize = 64 * 1024;
