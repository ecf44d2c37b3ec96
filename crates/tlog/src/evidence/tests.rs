use super::*;
use crate::frontier::Frontier;
use crate::hash::leaf_hash;
use crate::prove::prove_consistency;
use crate::sign::{CosignatureSigner, Ed25519Signer};
use crate::tile_map::TileMap;
use crate::time::UnixSeconds;

const ORIGIN: &str = "log.example/a";

/// A tree of nine leaves, those from `fork` on other than usual.
struct Tree {
    heads: Vec<TreeHead>,
    tiles: TileMap,
}

impl Tree {
    fn forked(fork: u64) -> Self {
        let (mut frontier, mut tiles) = (Frontier::empty(), TileMap::new());
        let mut heads = vec![frontier.head()];
        for index in 0..9_u64 {
            let leaf = leaf_hash(format!("{index} {}", index >= fork).as_bytes());
            let integration = frontier.integrate(&[leaf]);
            for changed in integration.tiles() {
                tiles.insert_changed(changed);
            }
            frontier = integration.into_frontier();
            heads.push(frontier.head());
        }
        Self { heads, tiles }
    }

    fn proof(&self, from: usize, to: usize) -> Vec<Hash> {
        prove_consistency(self.heads[from].size, self.heads[to].size, &self.tiles).unwrap()
    }
}

fn signer(seed: u8) -> Ed25519Signer {
    Ed25519Signer::new(ORIGIN.parse().unwrap(), [seed; 32])
}

fn signed(by: &Ed25519Signer, origin: &str, head: TreeHead) -> Note {
    let text = Checkpoint::new(origin.parse().unwrap(), head).to_text();
    Note::new(text.clone(), vec![by.sign(&text)]).unwrap()
}

fn found(one: &Note, two: &Note, proof: &[Hash]) -> Option<Evidence> {
    Evidence::find(&[signer(1).verifier_key()], one, two, proof)
}

fn reads_back(evidence: &Evidence) {
    assert_eq!(Evidence::parse(evidence.to_string().as_bytes()).as_ref(), Ok(evidence));
}

#[test]
fn two_roots_of_one_size_are_evidence() {
    let (honest, forked) = (Tree::forked(9), Tree::forked(2));
    let (one, two) = (honest.heads[5], forked.heads[5]);
    let notes = [one, two].map(|head| signed(&signer(1), ORIGIN, head));
    let evidence = found(&notes[0], &notes[1], &[]).unwrap();
    let roots = [one.root, two.root];
    assert_eq!(*evidence.contradiction(), Contradiction::TwoRoots { size: one.size, roots });
    assert_eq!(evidence.notes(), notes);
    assert_eq!(evidence.origin().as_str(), ORIGIN);
    assert!(evidence.in_words().contains("two different trees of 5 entries"));
    reads_back(&evidence);
}

#[test]
fn an_empty_tree_with_a_root_of_its_own_is_evidence_alone() {
    let lie = TreeHead { size: TreeSize::ZERO, root: Hash::new([7; 32]) };
    let (lie, honest) =
        (signed(&signer(1), ORIGIN, lie), signed(&signer(1), ORIGIN, Tree::forked(9).heads[5]));
    let evidence = found(&honest, &lie, &[]).unwrap();
    assert!(matches!(evidence.contradiction(), Contradiction::NotEmpty { .. }));
    assert_eq!(evidence.notes(), [lie]);
    reads_back(&evidence);
}

#[test]
fn a_proof_from_another_root_is_evidence_wherever_it_shows_that_root() {
    let (honest, forked) = (Tree::forked(9), Tree::forked(2));
    for from in 1..9 {
        for to in from + 1..10 {
            let earlier = signed(&signer(1), ORIGIN, honest.heads[from]);
            let later = signed(&signer(1), ORIGIN, forked.heads[to]);
            let evidence = found(&earlier, &later, &forked.proof(from, to));
            assert_eq!(evidence, found(&later, &earlier, &forked.proof(from, to)));
            // Up to the fork both trees are the same; a power of two is left out of its proof.
            let expected = from > 2 && !from.is_power_of_two();
            assert_eq!(evidence.is_some(), expected, "{from} to {to}");
            let Some(evidence) = evidence else { continue };
            let Contradiction::NotAPrefix { root, .. } = evidence.contradiction() else {
                panic!("{evidence:?}")
            };
            assert_eq!(*root, forked.heads[from].root);
            reads_back(&evidence);
        }
    }
}

#[test]
fn a_root_that_was_derived_elsewhere_serves_for_powers_of_two() {
    let (honest, forked) = (Tree::forked(9), Tree::forked(2));
    let notes = [honest.heads[4], forked.heads[9]].map(|head| signed(&signer(1), ORIGIN, head));
    let prefix = Prefix { root: forked.heads[4].root, proof: forked.proof(4, 9) };
    let keys = vec![signer(1).verifier_key()];
    reads_back(&Evidence::show(keys, notes.into(), Some(prefix)).unwrap());
}

#[test]
fn what_an_honest_log_signs_is_no_evidence() {
    let tree = Tree::forked(9);
    for from in 0..9 {
        for to in from..10 {
            let one = signed(&signer(1), ORIGIN, tree.heads[from]);
            let two = signed(&signer(1), ORIGIN, tree.heads[to]);
            assert_eq!(found(&one, &two, &tree.proof(from, to)), None, "{from} to {to}");
            let mut wrong = tree.proof(from, to);
            if let Some(hash) = wrong.first_mut() {
                *hash = EMPTY_ROOT;
                assert_eq!(found(&one, &two, &wrong), None, "a wrong proof, {from} to {to}");
            }
        }
    }
}

#[test]
fn signatures_by_others_for_others_or_of_other_kinds_are_no_evidence() {
    let (one, two) = (Tree::forked(9).heads[5], Tree::forked(2).heads[5]);
    let ours = signed(&signer(1), ORIGIN, one);
    assert_eq!(found(&ours, &signed(&signer(2), ORIGIN, two), &[]), None, "another key");
    assert_eq!(found(&ours, &signed(&signer(1), "log.example/b", two), &[]), None, "another log");
    let mut spoilt = signed(&signer(1), ORIGIN, two);
    spoilt.push(signer(1).sign("another text\n")).unwrap();
    assert_eq!(found(&ours, &spoilt, &[]), None, "a second line that does not verify");
    let tree_head = crate::sign::Rfc6962Signer::new(ORIGIN.parse().unwrap(), [3; 32]).unwrap();
    let notes = [one, two].map(|head| {
        let checkpoint = Checkpoint::new(ORIGIN.parse().unwrap(), head);
        let line = tree_head.sign(&checkpoint, crate::time::UnixMillis::new(1));
        Note::new(checkpoint.to_text(), vec![line]).unwrap()
    });
    let keys = [tree_head.verifier_key()];
    assert_eq!(Evidence::find(&keys, &notes[0], &notes[1], &[]), None, "covers no origin");
}

#[test]
fn a_log_that_changed_its_key_answers_for_both() {
    let (one, two) = (Tree::forked(9).heads[5], Tree::forked(2).heads[5]);
    let notes = [signed(&signer(1), ORIGIN, one), signed(&signer(2), ORIGIN, two)];
    let keys = [1, 2].map(|seed| signer(seed).verifier_key());
    let evidence = Evidence::find(&keys, &notes[0], &notes[1], &[]).unwrap();
    assert_eq!(evidence.keys(), keys);
    reads_back(&evidence);
}

#[test]
fn a_witness_answers_for_what_it_cosigned() {
    let witness = CosignatureSigner::new("witness.example/w".parse().unwrap(), [5; 32]);
    let notes = [Tree::forked(9).heads[5], Tree::forked(2).heads[5]].map(|head| {
        let text = Checkpoint::new(ORIGIN.parse().unwrap(), head).to_text();
        Note::new(text.clone(), vec![witness.sign(&text, UnixSeconds::new(7))]).unwrap()
    });
    reads_back(&Evidence::find(&[witness.verifier_key()], &notes[0], &notes[1], &[]).unwrap());
}

#[test]
fn a_doctored_file_is_refused() {
    let (honest, forked) = (Tree::forked(9), Tree::forked(2));
    let two_roots = found(
        &signed(&signer(1), ORIGIN, honest.heads[5]),
        &signed(&signer(1), ORIGIN, forked.heads[5]),
        &[],
    );
    let not_a_prefix = found(
        &signed(&signer(1), ORIGIN, honest.heads[5]),
        &signed(&signer(1), ORIGIN, forked.heads[9]),
        &forked.proof(5, 9),
    );
    for evidence in [two_roots.unwrap(), not_a_prefix.unwrap()] {
        let bytes = evidence.to_string().into_bytes();
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut doctored = bytes.clone();
                doctored[position] ^= 1 << bit;
                let read = Evidence::parse(&doctored);
                assert!(read.is_err(), "byte {position}, bit {bit}: {read:?}");
            }
            assert!(Evidence::parse(&bytes[..position]).is_err(), "cut at {position}");
        }
        assert!(Evidence::parse(&[&bytes, b"\n".as_slice()].concat()).is_err());
        assert!(Evidence::parse(&[&bytes, bytes.as_slice()].concat()).is_err());
    }
}

#[test]
fn an_honest_pair_under_a_false_claim_is_refused() {
    let tree = Tree::forked(9);
    let notes = [5, 9].map(|size: usize| signed(&signer(1), ORIGIN, tree.heads[size]));
    let key = signer(1).verifier_key();
    let file = |claim: &str, more: &str| {
        format!("{HEADER}\nkey {key}\nclaim {claim}\n{more}\n{}\n{}", notes[0], notes[1])
    };
    let parse = |text: String| Evidence::parse(text.as_bytes()).unwrap_err();
    assert_eq!(parse(file(TWO_ROOTS, "")), EvidenceError::NoContradiction);
    assert_eq!(parse(file(NOT_A_PREFIX, "")), EvidenceError::NoContradiction);
    let root = format!("root {EMPTY_ROOT}\n");
    let error = parse(file(NOT_A_PREFIX, &root));
    assert!(matches!(error, EvidenceError::Proof { .. }), "{error:?}");
    let root = format!("root {}\n", tree.heads[5].root);
    assert_eq!(parse(file(NOT_A_PREFIX, &root)), EvidenceError::NoContradiction);
}
