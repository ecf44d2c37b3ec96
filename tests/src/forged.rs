//! A log that signs whatever it is told to: the other side of a witness under test.

use tlog::{
    AddCheckpoint, Checkpoint, Ed25519Signer, Frontier, Hash, Note, Origin, TileMap, TreeHead,
    TreeSize, VerifierKey, leaf_hash, prove_consistency,
};

/// All heads of a small tree, and the key to sign them and others with.
#[derive(Clone, Debug)]
pub struct ForgedLog {
    signer: Ed25519Signer,
    origin: Origin,
    heads: Vec<TreeHead>,
    tiles: TileMap,
}

impl ForgedLog {
    /// A log of this many leaves. Everybody who knows `seed` can sign for it: it is for tests.
    ///
    /// # Panics
    /// When the origin is none.
    pub fn new(origin: &str, seed: [u8; 32], leaves: u64) -> Self {
        Self::forked(origin, seed, leaves, u64::MAX)
    }

    /// The same key and the same leaves up to index `fork`, others from there on.
    ///
    /// # Panics
    /// When the origin is none.
    pub fn forked(origin: &str, seed: [u8; 32], leaves: u64, fork: u64) -> Self {
        let origin: Origin = origin.parse().expect("an origin");
        let signer = Ed25519Signer::new(origin.key_name(), seed);
        let (mut frontier, mut tiles) = (Frontier::empty(), TileMap::new());
        let mut heads = vec![frontier.head()];
        for index in 0..leaves {
            let leaf = leaf_hash(format!("{index} {}", index >= fork).as_bytes());
            let integration = frontier.integrate(&[leaf]);
            for changed in integration.tiles() {
                tiles.insert_changed(changed);
            }
            frontier = integration.into_frontier();
            heads.push(frontier.head());
        }
        Self { signer, origin, heads, tiles }
    }

    /// The same log and key with other leaves from index `fork` on.
    #[must_use]
    pub fn with_other_leaves(&self, leaves: u64, fork: u64) -> Self {
        Self {
            signer: self.signer.clone(),
            ..Self::forked(self.origin.as_str(), [0; 32], leaves, fork)
        }
    }

    /// Its name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its key.
    pub fn vkey(&self) -> VerifierKey {
        self.signer.verifier_key()
    }

    /// What it signs with.
    pub fn signer(&self) -> &Ed25519Signer {
        &self.signer
    }

    /// The head of this size.
    ///
    /// # Panics
    /// When the tree is smaller.
    pub fn head(&self, size: u64) -> TreeHead {
        self.heads[usize::try_from(size).expect("a small size")]
    }

    /// The text of a checkpoint of this log.
    pub fn text(&self, head: TreeHead) -> String {
        Checkpoint::new(self.origin.clone(), head).to_text()
    }

    /// Any text, signed.
    ///
    /// # Panics
    /// When a note cannot hold it.
    pub fn sign(&self, text: &str) -> Note {
        Note::new(text.to_owned(), vec![self.signer.sign(text)]).expect("a note")
    }

    /// The signed checkpoint of this size.
    pub fn note(&self, size: u64) -> Note {
        self.sign(&self.text(self.head(size)))
    }

    /// The consistency proof between two sizes.
    ///
    /// # Panics
    /// When there is none.
    pub fn proof(&self, old: u64, size: u64) -> Vec<Hash> {
        prove_consistency(TreeSize::new(old), TreeSize::new(size), &self.tiles).expect("a proof")
    }

    /// The request that an honest log sends.
    pub fn request(&self, old: u64, size: u64) -> Vec<u8> {
        body(old, self.proof(old, size), self.note(size))
    }
}

/// The body of an add-checkpoint request.
pub fn body(old: u64, proof: Vec<Hash>, note: Note) -> Vec<u8> {
    AddCheckpoint { old_size: TreeSize::new(old), consistency_proof: proof, checkpoint: note }
        .encode()
}
