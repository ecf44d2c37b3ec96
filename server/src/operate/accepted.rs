//! A head with its quorum, under the witness policy of today or of earlier days.

use anyhow::Context as _;
use store::Store;
use tlog::{CosignedCheckpoint, Note, Policy, VerifierKey};

use crate::sign::anchor::Adoption;

/// A head that satisfies a witness policy.
#[derive(Debug)]
pub(crate) struct AcceptedHead {
    pub(crate) cosigned: CosignedCheckpoint,
    /// The text of the policy, which the anchor keeps.
    pub(crate) policy: String,
}

impl AcceptedHead {
    /// Under the first of the policies that accepts the note, if any does.
    pub(crate) fn under_first<'a>(
        note: &Note,
        policies: impl IntoIterator<Item = &'a String>,
    ) -> anyhow::Result<Option<Self>> {
        for text in policies {
            let policy = Policy::parse(text).context("a witness policy of earlier days")?;
            if let Ok(cosigned) = policy.check(note) {
                return Ok(Some(Self { cosigned, policy: text.clone() }));
            }
        }
        Ok(None)
    }

    /// Hands what an anchor needs for moving from `anchored` to this head over to `adopt`, with the proof
    /// that the one extends the other, made from the store's tiles.
    pub(crate) fn adopt<T>(
        &self,
        anchored: tlog::TreeSize,
        store: &Store,
        own_key: &VerifierKey,
        adopt: impl FnOnce(&Adoption<'_>) -> T,
    ) -> anyhow::Result<T> {
        let proof = tlog::prove_consistency(anchored, self.cosigned.head().size, store)
            .context("proving that the published head extends the anchored one")?;
        let (cosigned, policy) = (&self.cosigned, &self.policy);
        Ok(adopt(&Adoption { cosigned, policy, own_key, proof: &proof }))
    }
}
