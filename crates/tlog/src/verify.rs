//! The one door: is this entry in the log that everybody else sees?

use crate::checkpoint::{CheckpointError, Origin};
use crate::hash::leaf_hash;
use crate::key::SignatureError;
use crate::merkle::{ProofError, verify_inclusion};
use crate::policy::{CosignedCheckpoint, Policy, PolicyError};
use crate::position::LeafIndex;
use crate::proof::TlogProof;

/// Checks a proof from end to end: the entry is a leaf of the tree, the log signed that tree, and
/// the witnesses of the policy cosigned it. Without `entry`, the one inside the proof is checked.
///
/// # Errors
/// [`WhyNot`] naming the link that failed.
///
/// Spec: c2sp.org/tlog-proof §Verification.
pub fn verify(
    proof: &TlogProof,
    entry: Option<&[u8]>,
    policy: &Policy,
) -> Result<Verified, WhyNot> {
    let entry = entry.or(proof.extra.as_deref()).ok_or(WhyNot::NoEntry)?;
    let checkpoint = policy.check(&proof.note)?;
    verify_inclusion(&leaf_hash(entry), proof.index, &checkpoint.head(), &proof.path)
        .map_err(WhyNot::Inclusion)?;
    Ok(Verified { entry: entry.to_vec(), index: proof.index, checkpoint })
}

/// An entry that was proven. There is no other way to make one than [`verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    entry: Vec<u8>,
    index: LeafIndex,
    checkpoint: CosignedCheckpoint,
}

impl Verified {
    /// The bytes of the entry.
    pub fn entry(&self) -> &[u8] {
        &self.entry
    }

    /// Its position in the log.
    pub fn index(&self) -> LeafIndex {
        self.index
    }

    /// The checkpoint it is under, and who cosigned it.
    pub fn checkpoint(&self) -> &CosignedCheckpoint {
        &self.checkpoint
    }
}

/// The first link of the chain that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhyNot {
    /// Neither the caller nor the proof has the entry.
    #[error("no entry to check: the proof holds none and none was given")]
    NoEntry,
    /// What the log signed is not a checkpoint.
    #[error("the proof holds no checkpoint")]
    Checkpoint(#[source] CheckpointError),
    /// The policy names no key of this log, or none of them signed.
    #[error("no key that the policy trusts for {origin} signed the checkpoint")]
    NoLogSignature {
        /// The log that the checkpoint says it is of.
        origin: Origin,
    },
    /// A line of a trusted log key does not verify.
    #[error("a log signature on the checkpoint is wrong")]
    LogSignature(#[source] SignatureError),
    /// Too few of the policy's witnesses cosigned.
    #[error("too few witnesses: expected {need}, got [{}]", have.join(", "))]
    Quorum {
        /// The witnesses whose cosignature verified.
        have: Vec<String>,
        /// What the policy asks for, in words.
        need: String,
    },
    /// The entry is not where the proof says, or not this entry.
    #[error("the entry is not in this tree")]
    Inclusion(#[source] ProofError),
    /// The policy itself cannot be used.
    #[error("the policy cannot be used")]
    Policy(#[source] PolicyError),
}

impl From<PolicyError> for WhyNot {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Checkpoint(source) => Self::Checkpoint(source),
            PolicyError::NoLogSignature { origin } => Self::NoLogSignature { origin },
            PolicyError::LogSignature { source } => Self::LogSignature(source),
            PolicyError::Quorum { have, need } => Self::Quorum { have, need },
            other => Self::Policy(other),
        }
    }
}

#[cfg(test)]
mod tests;
