//! What rows of the state say, typed.

use crate::entry_index::EntryIndex;
use crate::jwk::PublicKey;
use crate::record::{Op, RecordHash};

/// The newest revision of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its revision number.
    pub rev: u32,
    /// Where it stands in the log.
    pub index: EntryIndex,
    /// The hash the next revision names as `prev`.
    pub record_hash: RecordHash,
    /// What it did.
    pub op: Op,
    /// What it replaced.
    pub of: Option<u32>,
    /// The profile of the object.
    pub profile: String,
    /// The kind of this revision.
    pub kind: String,
}

/// One revision of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Where it stands in the log.
    pub index: EntryIndex,
    /// The hash of its record.
    pub record_hash: RecordHash,
    /// What it did.
    pub op: Op,
    /// What it replaced.
    pub of: Option<u32>,
    /// Its kind.
    pub kind: String,
    /// The revision that replaced it; `None` while it stands.
    pub replaced_by: Option<u32>,
}

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    /// Signs registry records, together with others up to the threshold.
    Governance,
    /// Signs for the operator; no kind of engine version 1 takes it.
    Operator,
    /// Signs a submitter's records.
    Submitter,
}

/// A registered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    /// The key.
    pub public: PublicKey,
    /// Whose key it is.
    pub role: KeyRole,
    /// The submitter it signs for; `log` for governance and operator keys.
    pub submitter: String,
    /// The entry that registered it; it counts after it.
    pub added: EntryIndex,
    /// The entry that revoked it; it counts before it.
    pub revoked: Option<EntryIndex>,
    /// Since when it is said to be compromised, a date. Verdicts stay; readers are warned.
    pub since: Option<String>,
    /// What an operator key signs.
    pub uses: Vec<String>,
    /// The admission time from which it counts, in Unix milliseconds; 0: at once.
    pub counts_from_ms: u64,
}

impl KeyState {
    /// A key as the entry `added` registers it.
    pub(crate) fn registered(
        public: PublicKey,
        role: KeyRole,
        owner: &str,
        added: EntryIndex,
    ) -> Self {
        Self {
            public,
            role,
            submitter: owner.to_owned(),
            added,
            revoked: None,
            since: None,
            uses: Vec::new(),
            counts_from_ms: 0,
        }
    }

    /// Whether its signature counts in the entry at `index`: strictly between add and revoke.
    pub fn counts_at(&self, index: EntryIndex) -> bool {
        self.added < index && self.revoked.is_none_or(|revoked| index < revoked)
    }
}

/// A registered submitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmitterState {
    /// Its id.
    pub submitter: String,
    /// The origin of the log it is registered in.
    pub log: String,
    /// The bodies it may write for.
    pub bodies: Vec<String>,
    /// The profiles it may use.
    pub profiles: Vec<String>,
    /// The roles it has.
    pub roles: Vec<String>,
    /// The entry that registered it.
    pub added: EntryIndex,
    /// The entry that closed it; it submits nothing after it.
    pub closed: Option<EntryIndex>,
}

impl ObjectHead {
    /// The newest revision as a revision: nothing can have replaced it yet.
    pub fn as_revision(&self) -> Revision {
        Revision {
            index: self.index,
            record_hash: self.record_hash,
            op: self.op,
            of: self.of,
            kind: self.kind.clone(),
            replaced_by: None,
        }
    }
}
