//! `restore`: puts a backup in the place of a lost database, in a way that cannot fork the log.
//!
//! A backup does not know what was signed after it was made. So whatever is put back is marked in
//! the anchor, and the mark has one effect: the next `run` signs nothing before *every* witness
//! confirmed that it knows nothing later. An anchor that survived the loss knows more than the
//! backup's copy, is kept, and wins; the database is then behind it until [`crate::operate::recover`] brought
//! back what is missing.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use crate::config::Config;
use crate::core::genesis;
use crate::operate::backup::copy::{Progress, copy_synced, remove_folder};
use crate::operate::backup::verify::{Trust, Whole, check_all};
use crate::operate::backup::{DATABASE, documents};
use crate::sign::anchor::{Anchor, AnchorCopy, AnchorFile, AnchorMedium as _};
use crate::sign::keys::LogKeys;

/// What was put back, for standard output.
#[derive(Debug, Serialize)]
pub(crate) struct Restored {
    origin: String,
    size: u64,
    root: String,
    anchored_size: u64,
    made_at: String,
    /// Whether the anchor knows of entries that the backup does not hold.
    is_behind_anchor: bool,
    /// Documents that were not there and came back.
    documents: usize,
}

/// Puts a backup in place. It is verified first, all of it.
/// After an error the data folder has no database, as before; run again, it starts anew.
pub(crate) fn restore(config: &Config, from: &Path) -> anyhow::Result<Restored> {
    let database = config.database_dir();
    let folder = config.anchor.parent().unwrap_or(Path::new("."));
    for folder in [config.data_dir.as_path(), folder] {
        files::create_folder(folder, files::Access::Owner)
            .with_context(|| format!("making the folder {}", folder.display()))?;
    }
    let medium = AnchorFile::lock(&config.anchor)?;
    ensure!(
        !database.exists(),
        "there is a database at {}: nothing is overwritten. Move it away if it is lost for good; \
         keep it until the log runs again",
        database.display()
    );
    let keys = LogKeys::load(&config.keys_dir(), &config.origin)
        .context("the log's keys are in no backup; put them in their place first")?;
    let [own_key, sth_key] = keys.verifier_keys();
    let whole = check_all(from, &Trust::of_config(config)?)
        .with_context(|| format!("verifying the backup {}", from.display()))?;
    let origin = whole.store.origin();
    ensure!(
        *origin == config.origin,
        "the backup is of the log {origin}, the configuration names {}",
        config.origin
    );
    genesis::check(&whole.store, &[own_key.to_string(), sth_key.to_string()])?;
    refuse_other_history(medium.path(), &whole)?;

    let restoring = config.data_dir.join("db.restoring");
    copy_database(&whole, from, &restoring)?;
    let documents = documents::put_back(whole.manifest.files(), from, &config.documents_dir())
        .context("putting the documents back")?;
    let mut anchor = Anchor::restore_on(Box::new(medium), &whole.anchor)?;
    adopt_published(&mut anchor, &whole, &own_key)?;
    // Last: an anchor without a database is refused, and this command can be run again; a database
    // without an anchor would be refused for good.
    std::fs::rename(&restoring, &database)
        .with_context(|| format!("putting the database at {}", database.display()))?;
    files::sync_folder(&config.data_dir).context("syncing the data folder")?;

    let head = whole.store.head();
    let restored = Restored {
        origin: origin.to_string(),
        size: head.size.get(),
        root: head.root.to_base64(),
        anchored_size: anchor.head().size.get(),
        made_at: whole.manifest.made_at().to_owned(),
        is_behind_anchor: anchor.head().size > head.size,
        documents,
    };
    say_what_follows(&restored);
    Ok(restored)
}

/// An anchor that is there must be of the history that the backup holds the beginning of.
fn refuse_other_history(anchor: &Path, whole: &Whole) -> anyhow::Result<()> {
    if !anchor.exists() {
        return Ok(());
    }
    let there = AnchorCopy::read(anchor)?;
    ensure!(
        there.origin() == whole.store.origin().as_str(),
        "the anchor {} is of the log {}",
        anchor.display(),
        there.origin()
    );
    if there.head().size <= whole.store.head().size {
        crate::sign::guard::guard(&whole.store, there.head(), there.head()).with_context(|| {
            format!("the anchor {} is of another history than the backup", anchor.display())
        })?;
    }
    Ok(())
}

/// Copies the database, holding every file against the manifest once more.
fn copy_database(whole: &Whole, from: &Path, to: &Path) -> anyhow::Result<()> {
    remove_folder(to)?;
    files::create_folder(to, files::Access::Owner)
        .with_context(|| format!("making {}", to.display()))?;
    let mut progress = Progress::new("copied", whole.manifest.bytes());
    for expected in whole.manifest.files() {
        let Some(name) = expected.path.strip_prefix(DATABASE).and_then(|it| it.strip_prefix('/'))
        else {
            continue;
        };
        let sum = copy_synced(&from.join(&expected.path), &to.join(name), &mut progress)
            .with_context(|| format!("copying {}", expected.path))?;
        expected.expect(&sum)?;
    }
    files::sync_folder(to).with_context(|| format!("syncing {}", to.display()))
}

/// The backup's anchor was copied before its database, so the database may hold a later head that was
/// published, and so signed.
fn adopt_published(
    anchor: &mut Anchor,
    whole: &Whole,
    own_key: &tlog::VerifierKey,
) -> anyhow::Result<()> {
    let Some(published) = &whole.published else {
        return Ok(());
    };
    let (from, to) = (anchor.head().size, published.cosigned.head().size);
    if to <= from {
        return Ok(());
    }
    published
        .adopt(from, &whole.store, own_key, |it| anchor.adopt(it))?
        .context("moving the anchor to the published head")
}

fn say_what_follows(restored: &Restored) {
    if restored.is_behind_anchor {
        tracing::warn!(
            size = restored.size,
            anchored = restored.anchored_size,
            "the log signed more than this backup holds: `run` refuses until `recover` brought \
             back the entries that are missing"
        );
        return;
    }
    tracing::info!(
        size = restored.size,
        "restored: at the next `run` every witness must confirm that it knows nothing later"
    );
}
