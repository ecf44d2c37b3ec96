//! What `verify` finds in a file: the document of `--json`, and what the words are made of.

use serde::Serialize;
use tlog::{CosignedCheckpoint, UnixSeconds};

use super::proven::Proven;

/// What was found out about a file that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Findings {
    pub(super) log: String,
    /// In file order: what the file is about, then the registrations behind it.
    pub(super) entries: Vec<EntryFinding>,
    pub(super) checkpoints: Vec<CheckpointFinding>,
    pub(super) policy: String,
    /// How many of its witnesses would have to lie for this file to show another log than others
    /// see.
    pub(super) liars_for_split_view: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct EntryFinding {
    pub(super) index: u64,
    pub(super) tree_size: u64,
    pub(super) profile: String,
    pub(super) kind: String,
    pub(super) object: String,
    pub(super) rev: u32,
    pub(super) op: &'static str,
    pub(super) submitter: String,
    pub(super) occurred: String,
    pub(super) admitted: String,
    pub(super) flags: Vec<String>,
    pub(super) data: serde_json::Value,
    pub(super) sealed: Vec<SealedFinding>,
    pub(super) signatures: Vec<SignatureFinding>,
    /// Whether it is here only to show who may sign.
    pub(super) is_registration: bool,
}

impl EntryFinding {
    pub(super) fn new(
        one: &Proven,
        signatures: Vec<SignatureFinding>,
        is_registration: bool,
    ) -> Self {
        let record = one.record();
        let sealed = record.sealed().iter().map(|field| SealedFinding {
            path: field.path.clone(),
            held: field.held.as_str(),
            why: field.why.clone(),
            digest: field.digest.to_string(),
            opened: None,
        });
        let data = records::to_canonical(record.data());
        Self {
            index: one.index,
            tree_size: one.tree_size.get(),
            profile: record.profile().to_owned(),
            kind: record.kind().to_owned(),
            object: record.object().to_owned(),
            rev: record.rev(),
            op: record.op().as_str(),
            submitter: record.submitter().to_owned(),
            occurred: record.occurred().to_owned(),
            admitted: records::format_millis(one.entry.admitted_ms()),
            flags: one.entry.flags().iter().map(ToString::to_string).collect(),
            data: serde_json::from_slice(&data).unwrap_or_default(),
            sealed: sealed.collect(),
            signatures,
            is_registration,
        }
    }
}

/// A sealed field of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct SealedFinding {
    pub(super) path: String,
    pub(super) held: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    /// Its digest, which stands in the entry.
    pub(super) digest: String,
    /// Its value, if a disclosure was given that fits the digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) opened: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct SignatureFinding {
    pub(super) kid: String,
    pub(super) algorithm: &'static str,
    /// Whether it was checked up to entry 0: the file holds the registration of its key, and of
    /// each key that this one depends on.
    pub(super) checked: bool,
    /// What the file lacks for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) missing: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) registered_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) registered_for: Option<String>,
    /// Since when the key may have been in other hands, if the file holds its revocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_doubt_since: Option<String>,
}

/// A checkpoint that proofs of the file lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CheckpointFinding {
    pub(super) size: u64,
    pub(super) root: String,
    pub(super) witnesses: Vec<WitnessFinding>,
}

impl CheckpointFinding {
    pub(super) fn new(checkpoint: &CosignedCheckpoint) -> Self {
        let witnesses = checkpoint
            .cosigners()
            .iter()
            .map(|witness| WitnessFinding { name: witness.name.clone(), at: time(witness.at) });
        Self {
            size: checkpoint.head().size.get(),
            root: checkpoint.head().root.to_base64(),
            witnesses: witnesses.collect(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct WitnessFinding {
    pub(super) name: String,
    pub(super) at: String,
}

/// A witness's time.
fn time(at: UnixSeconds) -> String {
    let text = records::format_millis(at.get().saturating_mul(1000));
    // Seconds are all that witnesses sign.
    format!("{} UTC", text.replace('T', " ").trim_end_matches('Z').trim_end_matches(".000"))
}
