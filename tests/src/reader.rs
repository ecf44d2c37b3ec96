//! A stranger who believes only what he verified: checkpoints under the policy, proofs from leaf to
//! root, trees from their own tiles and bundles.

use tlog::{
    CosignedCheckpoint, Frontier, Hash, LeafIndex, Note, Policy, TileCoord, TilePath, TlogProof,
    TreeHead, TreeSize, Verified, bundles_of_size, leaf_hash, parse_bundle, tile_of_size,
    tiles_of_size, verify, verify_consistency,
};

use crate::http::Http;

/// Reads a log without trusting it.
#[derive(Clone, Debug)]
pub struct Reader {
    http: Http,
    policy: Policy,
}

impl Reader {
    /// A reader with this policy.
    pub fn new(http: Http, policy: Policy) -> Self {
        Self { http, policy }
    }

    /// The published checkpoint, cosigned.
    ///
    /// # Panics
    /// When it is not what the policy asks for.
    pub fn checkpoint(&self) -> CosignedCheckpoint {
        let answer = self.http.get("/checkpoint").expect_status(200);
        self.cosigned(&answer.body)
    }

    /// A checkpoint that came from anywhere.
    ///
    /// # Panics
    /// When it is not what the policy asks for.
    pub fn cosigned(&self, note: &[u8]) -> CosignedCheckpoint {
        let note = Note::parse(note).expect("a signed note");
        self.policy.check(&note).expect("a checkpoint that the policy accepts")
    }

    /// The entry at an index, proven.
    ///
    /// # Panics
    /// When the log does not prove it.
    pub fn proven(&self, index: u64) -> Verified {
        let answer = self.http.get(&format!("/v1/proofs/{index}")).expect_status(200);
        let verified = self.verified(&answer.body);
        assert_eq!(verified.index(), LeafIndex::new(index), "the proof is of the entry asked for");
        verified
    }

    /// A proof that came from anywhere.
    ///
    /// # Panics
    /// When it does not prove its entry.
    pub fn verified(&self, proof: &[u8]) -> Verified {
        let proof = TlogProof::parse(proof).expect("a proof file");
        verify(&proof, None, &self.policy).expect("a proof that verifies")
    }

    /// Fetches and verifies that one head extends another.
    ///
    /// # Panics
    /// When the log cannot prove it.
    pub fn extends(&self, from: &TreeHead, to: &TreeHead) {
        let path = format!("/v1/consistency/{}/{}", from.size, to.size);
        let answer = self.http.get(&path).expect_status(200).json();
        let proof = hashes(&answer["proof"]);
        verify_consistency(from, to, &proof)
            .unwrap_or_else(|error| panic!("{from:?} and {to:?} contradict each other: {error}"));
    }

    /// Downloads a whole tree, and checks every byte of it against the root.
    ///
    /// # Panics
    /// When a tile or a bundle is not what the root says.
    pub fn tree(&self, head: &TreeHead) -> Vec<Vec<u8>> {
        let entries = self.entries(head.size);
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let tree = Frontier::empty().integrate(&leaves);
        assert_eq!(tree.head(), *head, "the entries do not give the published root");
        let mut compared = 0;
        for changed in tree.tiles() {
            let coord = tile_of_size(changed.level, changed.index, head.size).expect("its tile");
            assert_eq!(coord.width(), changed.tile.width());
            assert_eq!(self.tile(coord), changed.tile.to_bytes(), "{}", TilePath::Hash(coord));
            compared += 1;
        }
        assert_eq!(compared, tiles_of_size(head.size).count());
        entries
    }

    /// The entries of a tree of this size, unverified.
    pub fn entries(&self, size: TreeSize) -> Vec<Vec<u8>> {
        let mut entries = Vec::new();
        for coord in bundles_of_size(size) {
            let path = format!("/{}", TilePath::Entries(coord));
            let body = self.http.get(&path).expect_status(200).body;
            let bundle = parse_bundle(&body, coord.width()).expect("a bundle");
            entries.extend(bundle.into_iter().map(<[u8]>::to_vec));
        }
        entries
    }

    /// A hash tile, as served.
    pub fn tile(&self, coord: TileCoord) -> Vec<u8> {
        let path = format!("/{}", TilePath::Hash(coord));
        self.http.get(&path).expect_status(200).body.to_vec()
    }
}

/// The hashes of a JSON list.
///
/// # Panics
/// When it is none.
pub fn hashes(list: &serde_json::Value) -> Vec<Hash> {
    let texts = list.as_array().expect("a list of hashes");
    texts
        .iter()
        .map(|it| Hash::from_base64(it.as_str().expect("a text")).expect("a hash"))
        .collect()
}
