//! `list` and `status`: what this witness remembers, and whether that is all it signed.
//!
//! Nothing inside a folder shows that it is an older copy of itself. What the log has from this
//! witness can: a signature of ours that the folder does not know means that it went back.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use tlog::{Checkpoint, Note, Origin, SignedAt, TreeSize, UnixSeconds, VerifierKey};

use crate::config::Config;
use crate::decide::Cosigned;
use crate::{identity, state};

/// The logs of a configuration, each with what was cosigned last.
///
/// # Errors
/// When anything in the folder is not as it must be.
pub fn list(config: &Config, now: UnixSeconds) -> anyhow::Result<String> {
    let own_keys = identity::published(&config.dir)?;
    let (_, cosigned) = state::read(&config.dir, &own_keys, &config.logs)?;
    let mut words = String::new();
    for (origin, log) in &config.logs {
        let last = cosigned.get(origin).map_or_else(
            || "nothing cosigned yet".to_owned(),
            |last| {
                let ago = now.get().saturating_sub(last.at().get());
                let head = last.head();
                format!("{} entries, root {}, {ago} s ago", head.size, head.root)
            },
        );
        let (keys, limit) = (log.keys.len(), log.requests_per_day);
        writeln!(words, "{origin}: {last}; {keys} keys, {limit} requests a day at most")?;
    }
    for origin in cosigned.keys().filter(|origin| !config.logs.contains_key(*origin)) {
        writeln!(words, "{origin}: cosigned before, not configured now")?;
    }
    words.push_str("the folder is whole");
    Ok(words)
}

/// What a log shows, before it is compared. It must be taken before the folder is read: a running
/// witness saves first and signs then.
pub struct Shown {
    note: Note,
    /// The size that the log says it has our cosignature of; its word only.
    claimed: Option<TreeSize>,
}

impl Shown {
    /// Asks a log, with `curl`: a witness that holds a key needs no HTTP client of its own.
    ///
    /// # Errors
    /// When there is no `curl`, or the log does not answer with a checkpoint.
    pub fn by_log(url: &str, config: &Config) -> anyhow::Result<Self> {
        let base = url.trim_end_matches('/');
        let note = Note::parse(&fetch(&format!("{base}/checkpoint"))?)
            .with_context(|| format!("{base}/checkpoint is no signed note"))?;
        // Only civiclog serves this; other logs are asked for the checkpoint alone.
        let claims = fetch(&format!("{base}/v1/witnesses")).unwrap_or_default();
        let claims: Vec<Claim> = serde_json::from_slice(&claims).unwrap_or_default();
        let own_keys = identity::published(&config.dir)?;
        let ours = |claim: &&Claim| own_keys.iter().any(|key| key.to_string() == claim.vkey);
        let claimed = claims.iter().filter(ours).map(|claim| TreeSize::new(claim.size)).max();
        Ok(Self { note, claimed })
    }

    /// Reads a checkpoint that was fetched by other means.
    ///
    /// # Errors
    /// When it is not a signed note.
    pub fn in_file(path: &Path) -> anyhow::Result<Self> {
        let reading = || format!("reading the checkpoint {}", path.display());
        let note = Note::parse(&fs::read(path).with_context(reading)?).with_context(reading)?;
        Ok(Self { note, claimed: None })
    }
}

/// What `GET /v1/witnesses` of a civiclog says of each.
#[derive(Deserialize)]
struct Claim {
    vkey: String,
    size: u64,
}

/// Compares what a log shows with what the folder remembers, and explains.
///
/// # Errors
/// When this witness signed something that the folder does not know: it must not run.
pub fn compare(shown: &Shown, config: &Config) -> anyhow::Result<String> {
    let own_keys = identity::published(&config.dir)?;
    let (_, cosigned) = state::read(&config.dir, &own_keys, &config.logs)?;
    let checkpoint = Checkpoint::parse(shown.note.text()).context("not a checkpoint")?;
    let origin = &checkpoint.origin;
    ensure!(config.logs.contains_key(origin), "{origin} is not configured here");
    let last = cosigned.get(origin);
    let remembered = last.map_or(TreeSize::ZERO, |last| last.head().size);
    if let Some(at) = own_signature(&shown.note, &own_keys)? {
        refuse_forgotten(&checkpoint, at, last)?;
    }
    if let Some(claimed) = shown.claimed.filter(|claimed| *claimed > remembered) {
        bail!(
            "{origin} says that it has this witness's signature under {claimed} entries, but the \
             folder remembers {remembered}. That is its word, no proof: ask its operator for that \
             checkpoint, and do not start this witness before you know. {OLD_COPY}"
        );
    }
    Ok(in_words(origin, &checkpoint, last, &shown.note, &own_keys))
}

/// The newest time at which one of our keys signed, if any did.
fn own_signature(note: &Note, own_keys: &[VerifierKey]) -> anyhow::Result<Option<UnixSeconds>> {
    let mut newest = None;
    for key in own_keys {
        let signed = key.verify_note(note).with_context(|| format!("a line of {key}"))?;
        if let Some(SignedAt::Seconds(at)) = signed {
            newest = newest.max(Some(at));
        }
    }
    Ok(newest)
}

fn refuse_forgotten(
    shown: &Checkpoint,
    at: UnixSeconds,
    last: Option<&Cosigned>,
) -> anyhow::Result<()> {
    let (origin, size) = (&shown.origin, shown.head.size);
    let Some(last) = last else {
        bail!("this witness signed {size} entries of {origin} and remembers nothing. {OLD_COPY}");
    };
    let known = last.head();
    if size == known.size && shown.head.root != known.root {
        bail!(
            "this witness signed TWO trees of {size} entries of {origin}, with the roots {} and {}. \
             Stop it for good and say so publicly: its key was used twice, or its folder went back",
            known.root,
            shown.head.root
        );
    }
    let is_newer = size > known.size || (size == known.size && at > last.at());
    if is_newer {
        bail!(
            "this witness signed {size} entries of {origin} at {at}, but the folder remembers {} \
             at {}. {OLD_COPY}",
            known.size,
            last.at()
        );
    }
    Ok(())
}

fn in_words(
    origin: &Origin,
    shown: &Checkpoint,
    last: Option<&Cosigned>,
    note: &Note,
    own_keys: &[VerifierKey],
) -> String {
    let size = shown.head.size;
    let has_ours = own_keys.iter().any(|key| matches!(key.verify_note(note), Ok(Some(_))));
    let ours = if has_ours { "with" } else { "without" };
    let last = last.map_or("nothing".to_owned(), |last| {
        format!("{} entries, signed at {}", last.head().size, last.at())
    });
    format!(
        "{origin} shows {size} entries, {ours} this witness's signature; the folder remembers \
         {last}.\nNothing that the log shows is newer than the folder."
    )
}

fn fetch(url: &str) -> anyhow::Result<Vec<u8>> {
    let fetched = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "20"])
        .args(["--max-filesize", "1000000", "--proto", "=http,https", "--", url])
        .output()
        .context("starting `curl`; without it, fetch the checkpoint and give it with --shown")?;
    ensure!(
        fetched.status.success(),
        "asking {url}: {}",
        String::from_utf8_lossy(&fetched.stderr).trim_end()
    );
    Ok(fetched.stdout)
}

const OLD_COPY: &str = "If this folder is an older copy, it must never run again: it would sign a \
                        second history. See docs/witness.md, Backups";

#[cfg(test)]
mod tests;
