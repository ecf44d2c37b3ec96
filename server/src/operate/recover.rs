//! `recover`: brings back, from any copy of the log, what this data folder has lost.
//!
//! ```text
//! cosigned checkpoint ─► is our database its beginning?     proof over the mirror's tiles
//!        each batch:     entries ─► hash ─► is this a beginning of it?      the same
//!                                ─► judge again ─► ONE synced commit
//!                     ─► hash again from the disk ─► anchor ─► published
//! ```
//!
//! Nothing is committed that the public verifier has not proven to be the beginning of a tree that a
//! quorum of witnesses cosigned and that this log's own key signed. So a recovery that was
//! interrupted leaves a database that is right and short, and the next one goes on where it ended.
//!
//! What it cannot bring back is what nobody outside ever saw: entries that were committed and never
//! published. If a witness cosigned a head that covers them, the log never signs again.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use service::{Clock, SystemClock};
use store::{NewBatch, NewEntry, Store, Writer};
use tlog::{LeafIndex, TreeHead, TreeSize, UnixMillis, VerifierKey};

use crate::config::Config;
use crate::core::genesis;
use crate::operate::check::Judge;
use crate::sequence::batch_state::BatchState;
use crate::sign::keys::LogKeys;

mod disclosures;
mod locked_anchor;
mod mirror;
mod target;

use disclosures::Disclosures;
use locked_anchor::LockedAnchor;
use mirror::Mirror;
use target::{Sources, find_target};

/// Entries in one commit: eight full bundles, which are fetched at once.
pub(crate) const BATCH_ENTRIES: u64 = 2048;

/// Entries between two lines of progress.
const PROGRESS_EVERY: u64 = 51_200;

#[derive(Debug)]
pub(crate) struct RecoverRequest<'a> {
    /// A URL that serves the log, or a folder with the same paths.
    pub(crate) from: &'a str,
    /// A checkpoint to go for; without it, the mirror's own.
    pub(crate) checkpoint: Option<&'a Path>,
    /// A size that is known to be the least.
    pub(crate) at_least: Option<TreeSize>,
    /// The anchor is gone for good and may be made anew.
    pub(crate) anchor_is_lost: bool,
}

/// What was brought back, for standard output.
#[derive(Debug, Serialize)]
pub(crate) struct Recovered {
    origin: String,
    size: u64,
    root: String,
    size_before: u64,
    disclosures_found: u64,
    disclosures_missing: u64,
    took_ms: u64,
}

/// Refills the database up to a cosigned head, moves the anchor there, and marks it.
/// What was committed before an error is right and stays.
pub(crate) fn recover(config: &Config, request: &RecoverRequest<'_>) -> anyhow::Result<Recovered> {
    let clock = SystemClock::new();
    let keys = LogKeys::load(&config.keys_dir(), &config.origin)?;
    let vkeys = keys.verifier_keys();
    let mut anchor = LockedAnchor::open(config, request.anchor_is_lost)?;
    let mirror = Mirror::open(request.from, &config.http_settings()?)?;
    let target = find_target(
        config,
        &Sources {
            mirror: &mirror,
            checkpoint: request.checkpoint,
            policies_before: anchor.policies(),
            own_key: &vkeys[0],
            anchored: anchor.head().size,
            at_least: request.at_least,
        },
    )?;
    let head = target.cosigned.head();
    tracing::info!(size = %head.size, "recovering up to a head that the witnesses cosigned");

    let (store, mut writer) = open_database(config, &mirror, head, &vkeys)?;
    let before = store.head();
    refuse_other_tree(&store, &mirror, head)?;
    let disclosures = refill(&mut writer, &mirror, head, &mut anchor)?;
    // A database that was begun anew had no entry 0 to be checked before.
    genesis::check(&store, &vkeys.each_ref().map(ToString::to_string))?;
    // From the disk once more, as before every signature.
    store.recheck(before.size.min(head.size), &head).context("reading back what was recovered")?;
    let _anchor = anchor.take_over(config, &store, &target, &vkeys[0])?;
    // After the anchor: what is published is never ahead of it.
    store
        .publish(&target.cosigned, UnixMillis::new(clock.unix_millis()))
        .context("storing the cosigned checkpoint")?;
    Ok(Recovered {
        origin: config.origin.to_string(),
        size: head.size.get(),
        root: head.root.to_base64(),
        size_before: before.size.get(),
        disclosures_found: disclosures.found(),
        disclosures_missing: disclosures.missing(),
        took_ms: clock.monotonic_millis(),
    })
}

/// Opens the database, or makes an empty one where there is none, once the mirror's first entry was
/// seen to be this log's.
fn open_database(
    config: &Config,
    mirror: &Mirror,
    head: TreeHead,
    vkeys: &[VerifierKey; 2],
) -> anyhow::Result<(Store, Writer)> {
    let (path, settings) = (config.database_dir(), store::Settings::default());
    let vkeys = vkeys.each_ref().map(ToString::to_string);
    if !path.exists() {
        let (first, second) = (LeafIndex::new(0), LeafIndex::new(1));
        let entries = mirror.entries(first..second, head.size)?;
        let entry = entries.first().context("the mirror has no entry 0")?;
        let one = tlog::Frontier::empty().integrate(&[tlog::leaf_hash(entry)]).head();
        refuse_unless_beginning(mirror, one, head)
            .context("entry 0 of the mirror is not in the cosigned tree")?;
        genesis::check_entry(entry, &vkeys)?;
        Store::create(&path, &config.origin, &settings)
            .with_context(|| format!("creating the database {}", path.display()))?;
    }
    let (store, writer) = Store::open(&path, &config.origin, &settings)
        .with_context(|| format!("opening the database {}", path.display()))?;
    if store.head().size > TreeSize::ZERO {
        genesis::check(&store, &vkeys)?;
    }
    Ok((store, writer))
}

/// The database must be the beginning of the cosigned tree, or hold all of it already.
fn refuse_other_tree(store: &Store, mirror: &Mirror, head: TreeHead) -> anyhow::Result<()> {
    let ours = store.head();
    if let Some(published) = store.latest_published() {
        ensure!(
            published.head().size <= head.size,
            "a tree of {} entries is published already, the checkpoint has only {}",
            published.head().size,
            head.size
        );
    }
    if ours.size < head.size {
        return refuse_unless_beginning(mirror, ours, head)
            .context("it is not proven that this database is the beginning of the cosigned tree");
    }
    let root = tlog::root_from_tiles(head.size, store).context("reading the database's tiles")?;
    ensure!(
        root == head.root,
        "this database holds another tree of {} entries than the cosigned one",
        head.size
    );
    Ok(())
}

/// Proves with the mirror's tiles, and the verifier that everybody uses, that one tree is the
/// beginning of the other.
fn refuse_unless_beginning(mirror: &Mirror, from: TreeHead, to: TreeHead) -> anyhow::Result<()> {
    let proof = tlog::prove_consistency(from.size, to.size, mirror)
        .context("making the proof from the mirror's tiles")?;
    tlog::verify_consistency(&from, &to, &proof)?;
    Ok(())
}

/// Commits what is missing, a batch at a time, each proven and judged before it is written.
fn refill(
    writer: &mut Writer,
    mirror: &Mirror,
    head: TreeHead,
    anchor: &mut LockedAnchor,
) -> anyhow::Result<Disclosures> {
    let store = writer.store().clone();
    let mut judge =
        Judge::after(store.origin(), crate::sequence::sequencer::last_admitted_ms(&store)?);
    let mut disclosures = Disclosures::default();
    while writer.frontier().size() < head.size {
        let first = writer.frontier().size().get();
        // Up to the end of a bundle, so that the next batch begins with a whole one.
        let end = head.size.get().min((first / BATCH_ENTRIES + 1) * BATCH_ENTRIES);
        let (from, to) = (LeafIndex::new(first), LeafIndex::new(end));
        let entries = mirror.entries(from..to, head.size)?;
        ensure!(
            entries.len() as u64 == end - first,
            "the mirror has {} of the entries {first} to {}",
            entries.len(),
            end - 1
        );
        let leaves: Vec<_> = entries.iter().map(|it| tlog::leaf_hash(it)).collect();
        let integration = writer.frontier().integrate(&leaves);
        refuse_unless_beginning(mirror, integration.head(), head).with_context(|| {
            format!(
                "the mirror's entries {first} to {} are not those of the cosigned tree",
                end - 1
            )
        })?;
        let mut state = BatchState::new(&store);
        for (index, entry) in (first..).zip(&entries) {
            let changes = judge.again(&state, LeafIndex::new(index), entry)?;
            state.apply(changes);
        }
        let held = disclosures.of_entries(mirror, from, &entries)?;
        let entries = entries
            .into_iter()
            .zip(held)
            .map(|(entry, disclosures)| NewEntry { entry, disclosures })
            .collect();
        // Before anything is written: whatever interrupts this, every witness must confirm.
        anchor.mark()?;
        writer
            .commit(NewBatch { entries, state: state.into_changes(), integration })
            .context("committing recovered entries")?;
        if first / PROGRESS_EVERY != end / PROGRESS_EVERY {
            tracing::info!(done = end, total = %head.size, "recovered");
        }
    }
    Ok(disclosures)
}
