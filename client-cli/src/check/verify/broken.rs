//! Where a chain from an entry to the witnesses breaks.

use serde::Serialize;

/// The first link that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::check) struct Broken {
    /// Which proof of the file, from 1; 0 is the file itself.
    pub(in crate::check) proof: usize,
    /// The entry that the proof claims to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::check) index: Option<u64>,
    pub(in crate::check) link: Link,
    pub(in crate::check) why: String,
}

/// The links of the chain from an entry to the witnesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::check) enum Link {
    /// The file is a sequence of proofs.
    File,
    /// The proof holds its entry.
    Entry,
    /// What the log signed is a checkpoint, of one log.
    Checkpoint,
    LogSignature,
    /// Enough witnesses cosigned it.
    Witnesses,
    /// The entry is in the tree it names.
    Inclusion,
    /// The entry is a record of this log.
    Record,
    /// The submitter signed the record.
    SubmitterSignature,
    /// The signing key is registered for this submitter.
    Registration,
    /// A disclosed value is the one that was sealed.
    Disclosure,
    /// The log says the same in all proofs of the file. If not, it misbehaved.
    Fork,
}
