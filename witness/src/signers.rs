//! The keys that a witness cosigns with.

use tlog::{
    Checkpoint, CosignatureSigner, KeyName, MlDsaSigner, NoteSignature, UnixSeconds, VerifierKey,
};

/// The keys of a witness; each signs whatever the witness cosigns.
#[derive(Debug, Clone)]
pub struct Signers {
    pub(crate) ed25519: CosignatureSigner,
    /// For readers who will not trust Ed25519 for ever.
    pub(crate) ml_dsa: Option<MlDsaSigner>,
}

impl Signers {
    /// The signers of this name with the keys made from these seeds; the second is of ML-DSA-44.
    ///
    /// # Errors
    /// When the name is too long for a key of ML-DSA-44.
    pub fn new(name: KeyName, seed: [u8; 32], ml_dsa: Option<[u8; 32]>) -> anyhow::Result<Self> {
        let ml_dsa = ml_dsa.map(|seed| MlDsaSigner::new(name.clone(), seed)).transpose()?;
        Ok(Self { ed25519: CosignatureSigner::new(name, seed), ml_dsa })
    }

    /// Cosigns a checkpoint without extension lines.
    pub fn sign(&self, checkpoint: &Checkpoint, at: UnixSeconds) -> Vec<NoteSignature> {
        let mut lines = vec![self.ed25519.sign(&checkpoint.to_text(), at)];
        lines.extend(self.ml_dsa.iter().filter_map(|signer| signer.sign(checkpoint, at)));
        lines
    }

    /// The public halves, that of Ed25519 first.
    pub fn verifier_keys(&self) -> Vec<VerifierKey> {
        let ml_dsa = self.ml_dsa.iter().map(MlDsaSigner::verifier_key);
        [self.ed25519.verifier_key()].into_iter().chain(ml_dsa).collect()
    }
}
