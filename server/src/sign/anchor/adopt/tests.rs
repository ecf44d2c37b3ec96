//! What may be put into the anchor without a signature, and that it is marked then.

use tlog::{
    Checkpoint, CosignatureSigner, Ed25519Signer, Frontier, Note, Policy, TileMap, TreeSize,
    UnixSeconds,
};

use super::*;
use crate::sign::anchor::medium::AnchorFile;
use crate::sign::guard::Guarded;

/// A log's key, a witness, and a tree that grows.
struct World {
    folder: tempfile::TempDir,
    log: Ed25519Signer,
    witness: CosignatureSigner,
    tiles: TileMap,
}

impl World {
    fn new() -> Self {
        let log = Ed25519Signer::new(origin().key_name(), [1; 32]);
        let witness =
            CosignatureSigner::new("witness.example/w1".parse().expect("a name"), [2; 32]);
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, log, witness, tiles: tiles("ours", 600) }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("anchor")
    }

    fn medium(&self) -> Box<dyn AnchorMedium> {
        Box::new(AnchorFile::lock(&self.path()).expect("locking"))
    }

    /// An anchor that was moved to a size in the usual way.
    fn anchored(&self, size: u64) -> Anchor {
        let mut anchor = Anchor::create(&self.path(), &origin()).expect("creating");
        let to = head("ours", size);
        anchor.advance(Guarded::for_test(TreeHead::EMPTY, to)).expect("advancing");
        anchor
    }

    fn policy(&self) -> String {
        format!(
            "log {}\nwitness w1 {}\nquorum w1\n",
            self.log.verifier_key(),
            self.witness.verifier_key()
        )
    }

    fn cosigned_by(&self, log: &Ed25519Signer, head: TreeHead) -> CosignedCheckpoint {
        let text = Checkpoint::new(origin(), head).to_text();
        let lines = vec![log.sign(&text), self.witness.sign(&text, UnixSeconds::new(1))];
        let note = Note::new(text, lines).expect("a note");
        let ours = self.log.verifier_key().to_string();
        let policy = self.policy().replace(&ours, &log.verifier_key().to_string());
        Policy::parse(&policy).expect("a policy").check(&note).expect("a quorum")
    }

    fn cosigned(&self, head: TreeHead) -> CosignedCheckpoint {
        self.cosigned_by(&self.log, head)
    }

    fn proof(&self, from: u64, to: u64) -> Vec<Hash> {
        tlog::prove_consistency(TreeSize::new(from), TreeSize::new(to), &self.tiles)
            .expect("a proof")
    }
}

fn origin() -> Origin {
    "log.example/spending".parse().expect("an origin")
}

fn leaves(tree: &str, size: u64) -> Vec<Hash> {
    (0..size).map(|it| tlog::leaf_hash(format!("{tree} {it}").as_bytes())).collect()
}

fn head(tree: &str, size: u64) -> TreeHead {
    Frontier::empty().integrate(&leaves(tree, size)).head()
}

fn tiles(tree: &str, size: u64) -> TileMap {
    let mut tiles = TileMap::default();
    for changed in Frontier::empty().integrate(&leaves(tree, size)).tiles() {
        tiles.insert_changed(changed);
    }
    tiles
}

#[test]
fn a_cosigned_head_of_ours_that_extends_the_anchored_one_is_adopted_and_marked() {
    let world = World::new();
    let mut anchor = world.anchored(300);
    let (cosigned, proof) = (world.cosigned(head("ours", 600)), world.proof(300, 600));
    let (policy, own_key) = (world.policy(), world.log.verifier_key());
    let adoption =
        Adoption { cosigned: &cosigned, policy: &policy, own_key: &own_key, proof: &proof };
    anchor.adopt(&adoption).expect("adopting");
    anchor.adopt(&Adoption { proof: &[], ..adoption }).expect("the same head again");
    drop(anchor);
    let anchor = Anchor::open(&world.path(), &origin()).expect("opening");
    assert_eq!(anchor.head(), head("ours", 600));
    assert_eq!(anchor.policies(), [policy]);
    assert!(anchor.is_restored());
}

#[test]
fn nothing_else_is_adopted_and_the_file_stays_as_it_was() {
    let world = World::new();
    let mut anchor = world.anchored(300);
    let before = std::fs::read(world.path()).expect("reading");
    let (policy, own_key) = (world.policy(), world.log.verifier_key());
    let mut refused = |cosigned: &CosignedCheckpoint, proof: &[Hash]| {
        let adoption = Adoption { cosigned, policy: &policy, own_key: &own_key, proof };
        let refused = anchor.adopt(&adoption).expect_err("it may not be adopted");
        assert_eq!(std::fs::read(world.path()).expect("reading"), before);
        refused
    };
    let proof = world.proof(300, 600);
    let smaller = refused(&world.cosigned(head("ours", 200)), &[]);
    assert!(matches!(smaller, AdoptError::Smaller { .. }), "{smaller}");
    let other = refused(&world.cosigned(head("theirs", 600)), &proof);
    assert!(matches!(other, AdoptError::NotAnExtension(_)), "{other}");
    let other = refused(&world.cosigned(head("theirs", 300)), &[]);
    assert!(matches!(other, AdoptError::NotAnExtension(_)), "{other}");
    let unproven = refused(&world.cosigned(head("ours", 600)), &proof[1..]);
    assert!(matches!(unproven, AdoptError::NotAnExtension(_)), "{unproven}");
    let stranger = Ed25519Signer::new(origin().key_name(), [9; 32]);
    let foreign = refused(&world.cosigned_by(&stranger, head("ours", 600)), &proof);
    assert!(matches!(foreign, AdoptError::NotOurs), "{foreign}");
}

#[test]
fn a_lost_anchor_is_made_anew_only_where_there_is_none() {
    let world = World::new();
    let (policy, own_key) = (world.policy(), world.log.verifier_key());
    let cosigned = world.cosigned(head("ours", 600));
    let adoption = Adoption { cosigned: &cosigned, policy: &policy, own_key: &own_key, proof: &[] };
    let stranger = Ed25519Signer::new(origin().key_name(), [9; 32]);
    let foreign = world.cosigned_by(&stranger, head("ours", 600));
    let theirs = Adoption { cosigned: &foreign, ..adoption };
    let refused = Anchor::recreate_on(world.medium(), &origin(), &theirs).expect_err("not ours");
    assert!(matches!(refused, AdoptError::NotOurs), "{refused}");
    assert!(!world.path().exists());
    Anchor::recreate_on(world.medium(), &origin(), &adoption).expect("making it anew");
    let again = Anchor::recreate_on(world.medium(), &origin(), &adoption).expect_err("it is there");
    assert!(matches!(again, AdoptError::Anchor(AnchorError::Exists { .. })), "{again}");
    let anchor = Anchor::open(&world.path(), &origin()).expect("opening");
    assert_eq!(anchor.head(), head("ours", 600));
    assert!(anchor.is_restored());
}

#[test]
fn of_a_copy_and_an_anchor_the_one_that_knows_more_wins_and_is_marked() {
    let world = World::new();
    drop(world.anchored(300));
    let copy = AnchorCopy::read(&world.path()).expect("a copy");
    for (there, expected) in [(None, 300), (Some(200), 300), (Some(300), 300), (Some(400), 400)] {
        std::fs::remove_file(world.path()).expect("removing");
        if let Some(size) = there {
            drop(world.anchored(size));
        }
        drop(Anchor::restore_on(world.medium(), &copy).expect("restoring"));
        let anchor = Anchor::open(&world.path(), &origin()).expect("opening");
        assert_eq!(anchor.head(), head("ours", expected), "{there:?}");
        assert!(anchor.is_restored(), "{there:?}");
    }
    std::fs::remove_file(world.path()).expect("removing");
    let mut other = Anchor::create(&world.path(), &origin()).expect("creating");
    let fork = Guarded::for_test(TreeHead::EMPTY, head("theirs", 300));
    other.advance(fork).expect("advancing");
    drop(other);
    let refused = Anchor::restore_on(world.medium(), &copy).expect_err("two trees of one size");
    assert!(matches!(refused, AnchorError::Unusable { .. }), "{refused}");
}
