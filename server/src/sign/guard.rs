//! The gate before every signature: what is about to be signed is derived a second time, from the
//! bytes that readers will be given.
//!
//! A single flipped bit between hashing an entry and signing its tree ended several large logs.
//! So nothing computed while the batch was built is believed here: entries are read back and
//! hashed, the root is computed from the stored tiles, and the step from the head signed before is
//! proven with the same proof and the same verifier that a stranger uses.

use store::{Kv, RecheckError, Store};
use tlog::{Checkpoint, SignedCheckpoint, TreeHead, TreeSize};

/// A head that passed the gate, with the anchored head it extends.
#[derive(Debug)]
pub struct Guarded {
    from: TreeHead,
    to: TreeHead,
}

impl Guarded {
    /// The head it starts from and the head that passed.
    pub(crate) fn into_parts(self) -> (TreeHead, TreeHead) {
        (self.from, self.to)
    }

    #[cfg(test)]
    pub(crate) fn for_test(from: TreeHead, to: TreeHead) -> Self {
        Self { from, to }
    }
}

/// Why a head may not be signed. Every one of them is fatal: the process signs nothing more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The head is smaller than the one signed before.
    #[error("the head to sign has {to} entries, fewer than the {from} signed before")]
    Backwards {
        /// The size signed before.
        from: TreeSize,
        to: TreeSize,
    },
    /// What is stored is not what is about to be signed.
    #[error("reading back what is about to be signed")]
    Recheck(#[from] RecheckError),
    /// No proof could be made that the head extends the one signed before.
    #[error("proving that the head to sign extends the one signed before")]
    Prove(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The public verifier denies that the head extends the one signed before.
    #[error("the head to sign does not extend the head signed before")]
    NotAnExtension(#[source] tlog::ProofError),
    /// What was signed is not what passed the gate: a bit flipped in memory. It goes nowhere.
    #[error("signed a tree of {signed} entries that is not the one of {expected} entries stored")]
    SignedAnother {
        /// The size stored and anchored.
        expected: TreeSize,
        /// The size in the signed text.
        signed: TreeSize,
    },
}

/// Lets a committed head through if everything that readers will see supports it.
///
/// `anchored` is the head in the anchor, `to` the head of the store.
pub fn guard<K: Kv>(
    store: &Store<K>,
    anchored: TreeHead,
    to: TreeHead,
) -> Result<Guarded, GuardError> {
    if to.size < anchored.size {
        return Err(GuardError::Backwards { from: anchored.size, to: to.size });
    }
    // Entries from the anchored size on are hashed again as they will be served, every tile they
    // touch is compared, and the root is computed from the tiles on the disk.
    store.recheck(anchored.size, &to)?;
    let proof = if anchored.size == TreeSize::ZERO || anchored.size == to.size {
        Vec::new()
    } else {
        tlog::prove_consistency(anchored.size, to.size, store)
            .map_err(|it| GuardError::Prove(it.into()))?
    };
    tlog::verify_consistency(&anchored, &to, &proof).map_err(GuardError::NotAnExtension)?;
    Ok(Guarded { from: anchored, to })
}

/// Holds the text that was signed against the tiles and the anchor once more, before it leaves: a bit
/// that flipped on the way through anchor and signer makes a signature that nobody ever sees.
pub fn confirm<K: Kv>(
    store: &Store<K>,
    anchored: TreeHead,
    signed: &SignedCheckpoint,
) -> Result<(), GuardError> {
    let root =
        tlog::root_from_tiles(anchored.size, store).map_err(|it| GuardError::Prove(it.into()))?;
    let expected = TreeHead { size: anchored.size, root };
    // From the text, which is what the signature covers, and not from what it was made of.
    let found = Checkpoint::parse(signed.note().text()).map(|it| it.head);
    if found.as_ref() == Ok(&expected) && anchored == expected {
        return Ok(());
    }
    let signed = signed.head().size;
    Err(GuardError::SignedAnother { expected: expected.size, signed })
}

#[cfg(test)]
mod tests;
