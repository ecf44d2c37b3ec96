//! `verify-backup`: everything that an audit of a log checks, of a backup, without changing a byte
//! of it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use service::{Clock, SystemClock};
use store::Store;
use tlog::{Note, TreeHead, VerifierKey};

use super::manifest::Manifest;
use super::{ANCHOR, DATABASE, POLICY, documents};
use crate::config::Config;
use crate::core::genesis;
use crate::operate::accepted::AcceptedHead;
use crate::operate::check;
use crate::sign::anchor::AnchorCopy;

/// Whom a backup is compared with.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    /// The log's Ed25519 keys, one of which entry 0 must name; none: whatever entry 0 names.
    keys: Vec<VerifierKey>,
    /// The text of today's witness policy; none: those that the backup holds.
    policy: Option<String>,
}

/// A backup in which everything is right, for standard output.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    backup: PathBuf,
    origin: String,
    size: u64,
    root: String,
    anchored_size: u64,
    published_size: Option<u64>,
    made_at: String,
    age_s: u64,
    /// Whether the log's key was one that the caller named.
    is_key_trusted: bool,
    took_ms: u64,
}

/// A backup that was verified, open for reading.
pub(crate) struct Whole {
    pub(crate) store: Store,
    pub(crate) manifest: Manifest,
    pub(crate) anchor: AnchorCopy,
    pub(crate) published: Option<AcceptedHead>,
}

impl Trust {
    /// The keys and the policy that a server's configuration names.
    pub(crate) fn of_config(config: &Config) -> anyhow::Result<Self> {
        let (policy, text) = config.policy()?;
        let keys: Vec<VerifierKey> = policy
            .logs()
            .iter()
            .map(|it| it.key.clone())
            .filter(|it| *it.name() == config.origin.key_name())
            .collect();
        ensure!(!keys.is_empty(), "the witness policy names no key of {}", config.origin);
        Ok(Self { keys, policy: Some(text) })
    }

    pub(crate) fn of_key(vkey: &str) -> anyhow::Result<Self> {
        let key = vkey.trim().parse().with_context(|| format!("the verifier key {vkey:?}"))?;
        Ok(Self { keys: vec![key], policy: None })
    }
}

/// Checks a backup: every file, every hash, every admission, every signature.
pub(crate) fn verify(folder: &Path, trust: &Trust) -> anyhow::Result<Verified> {
    let clock = SystemClock::new();
    let whole = check_all(folder, trust)?;
    documents::check_names(whole.manifest.files())?;
    let head = whole.manifest.head()?;
    Ok(Verified {
        backup: folder.to_owned(),
        origin: whole.store.origin().to_string(),
        size: head.size.get(),
        root: head.root.to_base64(),
        anchored_size: whole.anchor.head().size.get(),
        published_size: whole.published.map(|it| it.cosigned.head().size.get()),
        made_at: whole.manifest.made_at().to_owned(),
        age_s: clock.unix_millis().saturating_sub(whole.manifest.made_at_ms()) / 1000,
        is_key_trusted: !trust.keys.is_empty(),
        took_ms: clock.monotonic_millis(),
    })
}

/// The same, with what was opened on the way.
pub(crate) fn check_all(folder: &Path, trust: &Trust) -> anyhow::Result<Whole> {
    let manifest = Manifest::read(folder)?;
    let origin = manifest.origin()?;
    tracing::info!(%origin, bytes = manifest.bytes(), "checking every file of the backup");
    manifest.check_files(folder)?;
    let settings = store::Settings::default();
    let store = Store::open_read_only(&folder.join(DATABASE), &origin, &settings)
        .context("opening the database of the backup")?;
    let head = manifest.head()?;
    ensure!(
        store.head() == head,
        "the manifest says {head:?}, the database holds {:?}",
        store.head()
    );
    let anchor = AnchorCopy::read(&folder.join(ANCHOR))?;
    check_anchor(&store, &manifest, &anchor)?;
    let key = log_key(&store, trust)?;
    let published = published(folder, &store, &anchor, &key, trust)?;
    check::hash_again(&store)?;
    check::judge_again(&store)?;
    Ok(Whole { store, manifest, anchor, published })
}

fn check_anchor(store: &Store, manifest: &Manifest, anchor: &AnchorCopy) -> anyhow::Result<()> {
    ensure!(anchor.origin() == store.origin().as_str(), "the anchor is of another log");
    let head: TreeHead = anchor.head();
    ensure!(head == manifest.anchored()?, "the anchor holds another head than the manifest says");
    ensure!(
        head.size <= store.head().size,
        "the anchor holds a signed tree of {} entries, the database has only {}",
        head.size,
        store.head().size
    );
    crate::sign::guard::guard(store, head, head)
        .context("the anchored head is not the beginning of the tree in the database")?;
    Ok(())
}

/// The log's Ed25519 key: the one that entry 0 names, which must be one that the caller trusts.
fn log_key(store: &Store, trust: &Trust) -> anyhow::Result<VerifierKey> {
    let genesis = genesis::of(store)?;
    let key = genesis.vkeys.first().context("entry 0 names no key")?;
    let key: VerifierKey = key.parse().context("the key that entry 0 names")?;
    ensure!(
        trust.keys.is_empty() || trust.keys.contains(&key),
        "entry 0 of the backup names the log's key {key}, which is not the one given"
    );
    Ok(key)
}

/// The newest published checkpoint, under today's policy or one that the backup brings.
fn published(
    folder: &Path,
    store: &Store,
    anchor: &AnchorCopy,
    key: &VerifierKey,
    trust: &Trust,
) -> anyhow::Result<Option<AcceptedHead>> {
    let Some(stored) = store.latest_published() else {
        return Ok(None);
    };
    let note = Note::parse(stored.note().as_bytes()).context("the last published checkpoint")?;
    ensure!(
        matches!(key.verify_note(&note), Ok(Some(_))),
        "the last published checkpoint does not carry a valid signature by the log's key"
    );
    let path = folder.join(POLICY);
    let copied =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let texts = trust.policy.iter().chain([&copied]).chain(anchor.policies());
    AcceptedHead::under_first(&note, texts)?.map(Some).context(
        "the last published checkpoint satisfies neither today's witness policy nor one in the backup"
    )
}
