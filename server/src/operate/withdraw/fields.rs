//! The commands `erase` and `withhold` for sealed fields, with the server stopped.
//!
//! Stopped, because one process holds the database, and because a port that destroys data for whoever
//! reaches it is worse than a minute without new entries: submitters send again by themselves.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;
use service::{Clock, SystemClock};
use store::Store;
use tlog::LeafIndex;

use super::draft;
use super::search::{Sought, search};
use crate::config::Config;
use crate::core::withdrawn::{
    Act, List, SealedFields, Withdrawal, apply, check_reason, join, of_entry, settle,
};
use crate::operate::backup;
use crate::sign::anchor::Anchor;

/// What is to be withdrawn, and why.
#[derive(Debug)]
pub(crate) struct FieldsRequest<'a> {
    pub(crate) index: LeafIndex,
    /// The sealed field; without it, all that the log holds.
    pub(crate) path: Option<&'a str>,
    /// The legal ground, a code of `GROUNDS`.
    pub(crate) ground: &'a str,
    /// The reason, for everybody to read.
    pub(crate) because: &'a str,
    /// Where the record goes that tells it in the log.
    pub(crate) draft: Option<&'a Path>,
}

/// What an erasure did, for standard output.
#[derive(Debug, Serialize)]
pub(crate) struct Erased {
    index: u64,
    /// The fields, and what readers are told about each.
    fields: Vec<Withdrawal>,
    /// How many disclosures this run took out; none when an earlier one did.
    taken_out: usize,
    /// Whether no file that was searched holds any of them.
    gone: bool,
    still_in: Vec<PathBuf>,
    files_searched: u64,
    bytes_searched: u64,
    /// The backups that were made of this entry: where else it may be.
    backups: Vec<Backup>,
}

impl Erased {
    /// Whether no file that was searched holds any of it.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }
}

/// A backup that was made when the log had the entry.
#[derive(Debug, Serialize)]
pub(crate) struct Backup {
    folder: PathBuf,
    made_at: String,
    /// Whether it holds what was erased; `null` when its folder is not there to be searched.
    holds: Option<bool>,
}

/// Hides sealed fields that the log holds: it keeps them, and tells everybody that and why it does not
/// show them.
/// After an error nothing is half withdrawn.
pub(crate) fn withhold(
    config: &Config,
    request: &FieldsRequest<'_>,
) -> anyhow::Result<Vec<Withdrawal>> {
    let mut opened = OpenedLog::open(config)?;
    let (said, _) = opened.withdraw(request, Act::Withheld)?;
    Ok(said)
}

/// Erases sealed fields that the log holds, for good, and searches every file of the log for what may
/// be left of them. Run again, it searches again.
/// After an interruption the next start, or this command, finishes what was begun.
pub(crate) fn erase(config: &Config, request: &FieldsRequest<'_>) -> anyhow::Result<Erased> {
    let mut opened = OpenedLog::open(config)?;
    let (fields, sought, taken_out) = {
        let (fields, taken_out) = opened.withdraw(request, Act::Erased)?;
        let mut sought = Sought::default();
        let entry = SealedFields::of(&opened.store, request.index)?;
        for field in entry.fields.iter().filter(|it| fields.iter().any(|f| f.path == it.path)) {
            sought.digest(field.digest);
        }
        for disclosure in &taken_out {
            sought.disclosure(disclosure);
        }
        (fields, sought, taken_out.len())
    };
    opened.writer.wipe().context("rewriting the files without what was erased")?;
    // Closed, so that the database lets go of files it no longer needs; the anchor stays locked.
    let OpenedLog { anchor, store, writer, list } = opened;
    drop((store, writer, list));
    let searched = search(&places(config)?, &not_searched(config), &sought)?;
    let backups = backups_with(config, request.index, &sought)?;
    drop(anchor);
    Ok(Erased {
        index: request.index.get(),
        fields,
        taken_out,
        gone: searched.found_in.is_empty(),
        still_in: searched.found_in,
        files_searched: searched.files,
        bytes_searched: searched.bytes,
        backups,
    })
}

/// A stopped log, held by this process.
struct OpenedLog {
    anchor: Anchor,
    store: Store,
    writer: store::Writer,
    list: List,
}

impl OpenedLog {
    fn open(config: &Config) -> anyhow::Result<Self> {
        let anchor = Anchor::open(&config.anchor, &config.origin)
            .context("the server must be stopped for this")?;
        let settings = store::Settings::default();
        let (store, mut writer) = Store::open(&config.database_dir(), &config.origin, &settings)
            .context("opening the database")?;
        let mut list = List::read(config)?;
        settle(&mut list, &mut writer)?;
        Ok(Self { anchor, store, writer, list })
    }

    /// Returns what is said now of the fields that are meant, and the disclosures that went.
    fn withdraw(
        &mut self,
        request: &FieldsRequest<'_>,
        act: Act,
    ) -> anyhow::Result<(Vec<Withdrawal>, Vec<records::Disclosure>)> {
        check_reason(request.ground, request.because)?;
        // Before anything is done: a draft that cannot be written is noticed in time.
        let mut draft = request.draft.map(draft::create).transpose()?;
        let since = records::format_millis(SystemClock::new().unix_millis());
        let opened = SealedFields::of(&self.store, request.index)?;
        let meant: Vec<Withdrawal> = opened
            .meant(request.index, request.path)?
            .into_iter()
            .map(|field| Withdrawal {
                path: field.path.clone(),
                act,
                since: since.clone(),
                ground: request.ground.to_owned(),
                because: request.because.to_owned(),
            })
            .collect();
        let all = join(&of_entry(&self.store, request.index)?, &meant);
        // The list first: from here on no copy of the database can forget it.
        self.list.add(request.index, &all)?;
        let gone = apply(&mut self.writer, request.index, &all)?;
        if let Some(file) = &mut draft {
            draft::write(file, &self.store, request.index, &meant)?;
        }
        let is_meant = |it: &Withdrawal| meant.iter().any(|field| field.path == it.path);
        Ok((all.into_iter().filter(is_meant).collect(), gone))
    }
}

/// Where the log keeps its files.
fn places(config: &Config) -> anyhow::Result<Vec<PathBuf>> {
    let mut places = vec![config.data_dir.clone()];
    let folder = config.anchor.parent().unwrap_or(Path::new("."));
    // The anchor's folder may be shared with others, so only its own files are searched.
    for file in
        std::fs::read_dir(folder).with_context(|| format!("searching {}", folder.display()))?
    {
        let path = file?.path();
        if path.is_file() && !path.starts_with(&config.data_dir) {
            places.push(path);
        }
    }
    Ok(places)
}

/// Private keys are nobody's business; documents came from outside, whole, and hold no disclosure.
fn not_searched(config: &Config) -> [PathBuf; 2] {
    [config.keys_dir(), config.documents_dir()]
}

/// The backups of the list that are long enough to hold the entry.
fn backups_with(config: &Config, index: LeafIndex, sought: &Sought) -> anyhow::Result<Vec<Backup>> {
    let listed = backup::backups(config)?;
    let mut backups = Vec::new();
    for backup in listed.into_iter().filter(|it| index.get() < it.size) {
        let holds = if backup.folder.is_dir() {
            let searched = search(std::slice::from_ref(&backup.folder), &[], sought)?;
            Some(!searched.found_in.is_empty())
        } else {
            None
        };
        backups.push(Backup { folder: backup.folder, made_at: backup.made_at, holds });
    }
    Ok(backups)
}
