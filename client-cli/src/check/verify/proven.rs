//! One proof of a file, and the record in it.

use records::Body;
use records::{Entry, Record, RegistryRecord};
use tlog::{CosignedCheckpoint, Hash, Policy, TlogProof, TreeSize, VerifyError};

use super::broken::{Broken, Link};

/// A proof that holds, and the record in it.
pub(super) struct Proven {
    /// Which proof of the file, from 1.
    pub(super) proof: usize,
    pub(super) index: u64,
    pub(super) entry: Entry,
    pub(super) leaf_hash: Hash,
    pub(super) tree_size: TreeSize,
}

impl Proven {
    /// Checks the proof that stands at `position` of the file, from 1. The checkpoint is handed on
    /// apart: thousands of proofs share one.
    pub(super) fn check(
        position: usize,
        proof: &TlogProof,
        policy: &Policy,
    ) -> Result<(Self, CosignedCheckpoint), Broken> {
        let index = proof.index.get();
        let broken = |link, error: anyhow::Error| Broken {
            proof: position,
            index: Some(index),
            link,
            why: format!("{error:#}"),
        };
        let verified = tlog::verify(proof, None, policy)
            .map_err(|error| broken(link_of(&error), error.into()))?;
        let entry = Entry::parse(verified.entry())
            .map_err(|refusal| broken(Link::Record, refusal.into()))?;
        let checkpoint = verified.checkpoint().clone();
        // A record says which log it is for. Without this a log could show the records that
        // somebody signed for another one.
        let origin = &checkpoint.checkpoint().origin;
        if entry.record().log() != origin.as_str() {
            let error = anyhow::anyhow!("the record is for {}, not {origin}", entry.record().log());
            return Err(broken(Link::Record, error));
        }
        let tree_size = checkpoint.head().size;
        let leaf_hash = tlog::leaf_hash(verified.entry());
        Ok((Self { proof: position, index, entry, leaf_hash, tree_size }, checkpoint))
    }

    pub(super) fn record(&self) -> &Record {
        self.entry.record()
    }

    /// What it says, if it is one of the log's own records about who may sign.
    pub(super) fn registration(&self) -> Option<&RegistryRecord> {
        match self.record().body() {
            Body::Registry(registration) => Some(registration),
            Body::Checked | Body::Unchecked => None,
        }
    }

    pub(super) fn broken(&self, link: Link, why: impl Into<String>) -> Broken {
        Broken { proof: self.proof, index: Some(self.index), link, why: why.into() }
    }
}

fn link_of(error: &VerifyError) -> Link {
    match error {
        VerifyError::NoEntry => Link::Entry,
        VerifyError::NoLogSignature { .. } | VerifyError::LogSignature(_) => Link::LogSignature,
        VerifyError::Quorum { .. } => Link::Witnesses,
        VerifyError::Inclusion(_) => Link::Inclusion,
        // The error may grow; what is new is about the checkpoint until it is named here.
        _ => Link::Checkpoint,
    }
}
