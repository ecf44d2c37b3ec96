//! Refusals under the operator's signature, so that a wrong one can be proven.
//!
//! Only what the sequencer judged is signed, and of that only records whose own signatures verified
//! before: a stranger without a key makes this log sign nothing. Signing costs less than the
//! verification that went before it, happens where that happened, and holds the same room.

use anyhow::ensure;
use records::signed_refusal::REFUSALS_USE;
use records::{EntryIndex, Genesis, RefusalStatement, SigningKey};
use tlog::{LeafIndex, Origin};

use crate::admit::outcome::Signable;
use crate::sign::refusal_key::RefusalKey;

/// Signs refusals, and nothing else.
pub(crate) struct RefusalSigner {
    origin: String,
    key: SigningKey,
}

impl RefusalSigner {
    /// Takes in a key that entry 0 names for refusals. `None` when there is no key: this log's
    /// refusals are then unsigned.
    /// A key that entry 0 does not name for this use is refused: nobody could check what it signs.
    pub(crate) fn new(
        origin: &Origin,
        genesis: &Genesis,
        key: Option<RefusalKey>,
    ) -> anyhow::Result<Option<Self>> {
        let mut registered = genesis
            .operator_keys
            .iter()
            .filter(|it| it.uses.iter().any(|it| it == REFUSALS_USE))
            .map(|it| &it.key);
        let Some(key) = key.map(RefusalKey::into_signing_key) else {
            if registered.next().is_some() {
                tracing::warn!("entry 0 names a key for refusals that is not here: unsigned");
            }
            return Ok(None);
        };
        ensure!(
            registered.any(|it| it == key.public()),
            "the key for refusals has the thumbprint {}, and entry 0 names no operator key of that \
             thumbprint for refusals: put the right file in its place, or remove it and refuse \
             without a signature",
            key.public().kid()
        );
        Ok(Some(Self { origin: origin.to_string(), key }))
    }

    pub(crate) fn kid(&self) -> &str {
        self.key.public().kid().as_str()
    }

    /// The signed text of a refusal that the sequencer judged.
    pub(crate) fn sign(
        &self,
        signable: &Signable,
        refusal: &records::Refusal,
        conflicts_with: Option<LeafIndex>,
    ) -> String {
        let index = |it: LeafIndex| EntryIndex::new(it.get());
        RefusalStatement::new(
            &self.origin,
            signable.record(),
            refusal,
            index(signable.size()),
            conflicts_with.map(index),
        )
        .sign(&self.key)
        .to_text()
    }
}
