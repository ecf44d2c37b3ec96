use super::*;
use crate::checkpoint::CheckpointError;
use crate::key::SignatureError;
use crate::merkle::ProofError;
use crate::note::Note;
use crate::position::TreeSize;
use crate::prove::prove_inclusion;
use crate::reference;
use crate::sign::{CosignatureSigner, Ed25519Signer};
use crate::time::UnixSeconds;
use crate::{Checkpoint, Hash};

const ORIGIN: &str = "log.example/x";

fn log() -> Ed25519Signer {
    Ed25519Signer::new(ORIGIN.parse().unwrap(), [1; 32])
}

fn witness(number: u8) -> CosignatureSigner {
    CosignatureSigner::new(format!("w{number}.example").parse().unwrap(), [100 + number; 32])
}

fn policy() -> Policy {
    let text = format!(
        "log {}\nwitness w0 {}\nwitness w1 {}\ngroup both all w0 w1\nquorum both\n",
        log().verifier_key(),
        witness(0).verifier_key(),
        witness(1).verifier_key()
    );
    Policy::parse(&text).unwrap()
}

/// The proof of `entry 5` among nine, cosigned by both witnesses.
fn proof() -> TlogProof {
    let leaves = reference::leaves(9);
    let (head, tiles) = reference::tiles_of(&leaves);
    let text = Checkpoint::new(ORIGIN.parse().unwrap(), head).to_text();
    let lines = vec![
        log().sign(&text),
        witness(0).sign(&text, UnixSeconds::new(1)),
        witness(1).sign(&text, UnixSeconds::new(2)),
    ];
    let index = LeafIndex::new(5);
    TlogProof {
        extra: Some(b"entry 5".to_vec()),
        index,
        path: prove_inclusion(index, TreeSize::new(9), &tiles).unwrap(),
        note: Note::new(text, lines).unwrap(),
    }
}

#[test]
fn an_entry_in_the_log_is_verified() {
    let verified = verify(&proof(), None, &policy()).unwrap();
    assert_eq!(verified.entry(), b"entry 5");
    assert_eq!(verified.index(), LeafIndex::new(5));
    assert_eq!(verified.checkpoint().cosigners().len(), 2);
}

#[test]
fn an_entry_held_elsewhere_is_the_one_checked() {
    let mut proof = proof();
    proof.extra = Some(b"a note by nobody".to_vec());
    assert!(verify(&proof, Some(b"entry 5"), &policy()).is_ok());
    proof.extra = None;
    assert!(verify(&proof, Some(b"entry 5"), &policy()).is_ok());
    assert_eq!(verify(&proof, None, &policy()), Err(VerifyError::NoEntry));
}

#[test]
fn the_link_that_failed_is_named() {
    let good = proof();
    let inclusion = Err(VerifyError::Inclusion(ProofError::RootMismatch));
    assert_eq!(verify(&good, Some(b"entry 6"), &policy()), inclusion);

    let mut other_index = good.clone();
    other_index.index = LeafIndex::new(4);
    assert_eq!(verify(&other_index, None, &policy()), inclusion);
    other_index.index = LeafIndex::new(9);
    assert!(matches!(
        verify(&other_index, None, &policy()),
        Err(VerifyError::Inclusion(ProofError::IndexOutsideTree { .. }))
    ));

    let mut longer = good.clone();
    longer.path.push(Hash::new([0; 32]));
    assert!(matches!(
        verify(&longer, None, &policy()),
        Err(VerifyError::Inclusion(ProofError::Length { expected: 4, got: 5 }))
    ));

    let lines = good.note.signatures();
    let with = |lines: &[crate::NoteSignature]| TlogProof {
        note: Note::new(good.note.text().to_owned(), lines.to_vec()).unwrap(),
        ..good.clone()
    };
    assert_eq!(
        verify(&with(&lines[..2]), None, &policy()),
        Err(VerifyError::Quorum { have: vec!["w0".to_owned()], need: "2 of (w0, w1)".to_owned() })
    );
    assert_eq!(
        verify(&with(&lines[1..]), None, &policy()),
        Err(VerifyError::NoLogSignature { origin: ORIGIN.parse().unwrap() })
    );
    let wrong = [log().sign("another text\n"), lines[1].clone(), lines[2].clone()];
    assert_eq!(
        verify(&with(&wrong), None, &policy()),
        Err(VerifyError::LogSignature(SignatureError::Invalid))
    );
    let hello = Note::new("hello\n".to_owned(), vec![log().sign("hello\n")]).unwrap();
    assert_eq!(
        verify(&TlogProof { note: hello, ..good }, None, &policy()),
        Err(VerifyError::Checkpoint(CheckpointError::Lines))
    );
}

#[test]
fn every_changed_bit_of_a_proof_file_fails() {
    let policy = policy();
    let file = proof().encode().into_bytes();
    for bit in 0..file.len() * 8 {
        let mut changed = file.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let verified = TlogProof::parse(&changed).map(|proof| verify(&proof, None, &policy));
        assert!(!matches!(verified, Ok(Ok(_))), "bit {bit} of {}", file.len() * 8);
    }
}

#[test]
fn every_file_cut_short_fails() {
    let policy = policy();
    let file = proof().encode().into_bytes();
    for length in 0..file.len() {
        let verified = TlogProof::parse(&file[..length]).map(|proof| verify(&proof, None, &policy));
        assert!(!matches!(verified, Ok(Ok(_))), "length {length}");
    }
}
