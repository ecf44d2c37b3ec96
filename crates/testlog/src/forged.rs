//! A log that signs whatever it is told to: the other side of a witness under test.

use tlog::{
    AddCheckpoint, Checkpoint, Ed25519Signer, Hash, Note, Origin, TreeHead, TreeSize, VerifierKey,
};

use crate::tree::Tree;

/// All heads of a small tree, and the key to sign them and others with.
#[derive(Clone, Debug)]
pub struct ForgedLog {
    signer: Ed25519Signer,
    origin: Origin,
    tree: Tree,
}

impl ForgedLog {
    /// A log of this many leaves.
    pub fn new(origin: &str, seed: [u8; 32], leaves: u64) -> Self {
        Self::forked(origin, seed, leaves, u64::MAX)
    }

    /// The same key and the same leaves up to index `fork`, others from there on.
    pub fn forked(origin: &str, seed: [u8; 32], leaves: u64, fork: u64) -> Self {
        let origin: Origin = origin.parse().unwrap();
        let signer = Ed25519Signer::new(origin.key_name(), seed);
        let leaf = |index| format!("{index} {}", index >= fork).into_bytes();
        Self { signer, origin, tree: Tree::of((0..leaves).map(leaf)) }
    }

    /// The same log and key with other leaves from index `fork` on.
    #[must_use]
    pub fn with_other_leaves(&self, leaves: u64, fork: u64) -> Self {
        Self {
            signer: self.signer.clone(),
            ..Self::forked(self.origin.as_str(), [0; 32], leaves, fork)
        }
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub fn vkey(&self) -> VerifierKey {
        self.signer.verifier_key()
    }

    pub fn signer(&self) -> &Ed25519Signer {
        &self.signer
    }

    pub fn head(&self, size: u64) -> TreeHead {
        self.tree.head_at(size)
    }

    /// The text of a checkpoint of this log.
    pub fn text(&self, head: TreeHead) -> String {
        Checkpoint::new(self.origin.clone(), head).to_text()
    }

    pub fn sign(&self, text: &str) -> Note {
        Note::new(text.to_owned(), vec![self.signer.sign(text)]).unwrap()
    }

    /// The signed checkpoint of this size.
    pub fn note(&self, size: u64) -> Note {
        self.sign(&self.text(self.head(size)))
    }

    /// The consistency proof between two sizes.
    pub fn proof(&self, old: u64, size: u64) -> Vec<Hash> {
        self.tree.consistency(old, size)
    }

    /// The request that an honest log sends.
    pub fn request(&self, old: u64, size: u64) -> Vec<u8> {
        add_checkpoint(old, self.proof(old, size), self.note(size))
    }
}

/// The body of an add-checkpoint request.
pub fn add_checkpoint(old: u64, consistency_proof: Vec<Hash>, checkpoint: Note) -> Vec<u8> {
    AddCheckpoint { old_size: TreeSize::new(old), consistency_proof, checkpoint }.encode()
}
