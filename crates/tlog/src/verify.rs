//! The one door: is this entry in the log that everybody else sees?

use crate::chain::VerifyError;
use crate::hash::leaf_hash;
use crate::merkle::verify_inclusion;
use crate::policy::{CosignedCheckpoint, Policy};
use crate::position::LeafIndex;
use crate::proof::TlogProof;

/// Checks a proof from end to end: the entry is a leaf of the tree, the log signed that tree, and
/// the witnesses of the policy cosigned it. Without `entry`, the one inside the proof is checked.
///
/// Spec: c2sp.org/tlog-proof §Verification.
pub fn verify(
    proof: &TlogProof,
    entry: Option<&[u8]>,
    policy: &Policy,
) -> Result<Verified, VerifyError> {
    let entry = entry.or(proof.extra.as_deref()).ok_or(VerifyError::NoEntry)?;
    let checkpoint = policy.check(&proof.note)?;
    verify_inclusion(&leaf_hash(entry), proof.index, &checkpoint.head(), &proof.path)
        .map_err(VerifyError::Inclusion)?;
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

#[cfg(test)]
mod tests;
