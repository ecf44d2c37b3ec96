//! What a registry record says, typed.

use super::genesis::{Genesis, OperatorKey, Rotation};
use crate::jwk::{Kid, PublicKey};
use crate::profile::Profile;

/// The profile of registry records.
pub const REGISTRY_PROFILE: &str = "registry/1";

/// What a registry record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryRecord {
    /// Entry 0.
    Genesis(Genesis),
    /// A submitter and its first key.
    SubmitterAdd(SubmitterAdd),
    /// A further key of a submitter.
    KeyAdd {
        /// The submitter.
        submitter: String,
        /// The new key.
        key: PublicKey,
    },
    /// The end of a key.
    KeyRevoke {
        /// The key.
        kid: Kid,
        /// Since when it is said to be compromised.
        since: Option<String>,
    },
    /// A profile for this log.
    ProfilePublish(Box<Profile>),
    /// The end of a profile: it takes only corrections.
    ProfileRetire {
        /// The profile.
        profile: String,
    },
    /// A part of a code list; parts are numbered from 1, and no code is ever taken out.
    CodelistPublish {
        /// The list.
        list: String,
        /// Which part of it.
        part: u32,
        /// Its codes.
        codes: Vec<String>,
    },
    /// A submitter lets another write for a body of its own.
    SubmitterDelegate {
        /// Who lets.
        submitter: String,
        /// Whom.
        to: String,
        /// For which body.
        body: String,
        /// By which profiles; none: no longer.
        profiles: Vec<String>,
    },
    /// The end of a submitter.
    SubmitterClose {
        /// The submitter.
        submitter: String,
    },
    /// Another engine version judges what follows.
    EngineActivate {
        /// The version.
        engine: u32,
    },
    /// The witness policy, line by line.
    PolicyPublish {
        /// The lines.
        policy: Vec<String>,
    },
    /// New governance, by keys that were committed to.
    GovernanceRotate(Rotation),
    /// A key of the operator.
    OperatorKey(OperatorKey),
    /// Something that the log holds beside the tree is withheld.
    Withhold(Withheld),
    /// The log takes no more records.
    LogFreeze,
}

/// `withhold`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The entry whose disclosures or documents are withheld.
    pub entry: u64,
    /// Paths of sealed fields.
    pub paths: Vec<String>,
    /// Documents by their SHA-256.
    pub documents: Vec<String>,
    /// The legal ground, a code.
    pub why: String,
}

/// `submitter.add`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmitterAdd {
    /// Its id.
    pub submitter: String,
    /// The bodies it may write for.
    pub bodies: Vec<String>,
    /// The profiles it may use.
    pub profiles: Vec<String>,
    /// The roles it has, e.g. `bank`.
    pub roles: Vec<String>,
    /// Its first key.
    pub key: PublicKey,
}

impl RegistryRecord {
    /// The keys that this record brings itself and that may sign it.
    pub fn own_keys(&self) -> &[PublicKey] {
        match self {
            Self::Genesis(genesis) => &genesis.governance,
            Self::SubmitterAdd(add) => std::slice::from_ref(&add.key),
            Self::KeyAdd { key, .. } => std::slice::from_ref(key),
            Self::GovernanceRotate(rotation) => &rotation.keys,
            Self::OperatorKey(operator) => std::slice::from_ref(&operator.key),
            _ => &[],
        }
    }
}
