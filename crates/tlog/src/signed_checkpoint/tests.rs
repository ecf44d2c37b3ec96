use super::*;
use crate::hash::leaf_hash;
use crate::key::{SignatureError, SignedAt};
use crate::note::NoteSignature;
use crate::position::TreeSize;
use crate::sign::{CosignatureSigner, Ed25519Signer, Rfc6962Signer};
use crate::time::{UnixMillis, UnixSeconds};

const ORIGIN: &str = "log.example/x";

fn checkpoint() -> Checkpoint {
    let head = TreeHead { size: TreeSize::new(7), root: leaf_hash(b"root") };
    Checkpoint::new(ORIGIN.parse().unwrap(), head)
}

fn signer(name: &str, seed: u8) -> Ed25519Signer {
    Ed25519Signer::new(name.parse().unwrap(), [seed; 32])
}

fn no_log_signature() -> Result<SignedCheckpoint, VerifyError> {
    Err(VerifyError::NoLogSignature { origin: ORIGIN.parse().unwrap() })
}

#[test]
fn a_checkpoint_opens_with_any_known_key_of_its_log() {
    let text = checkpoint().to_text();
    let (one, two) = (signer(ORIGIN, 1), signer(ORIGIN, 2));
    let note = Note::new(text.clone(), vec![one.sign(&text)]).unwrap();
    let keys = [two.verifier_key(), one.verifier_key()];
    let signed = SignedCheckpoint::open(note.clone(), &keys).unwrap();
    assert_eq!(signed.checkpoint(), &checkpoint());
    assert_eq!(signed.head(), checkpoint().head);
    assert_eq!(signed.note(), &note);
}

#[test]
fn a_checkpoint_of_unknown_keys_does_not_open() {
    let text = checkpoint().to_text();
    let known = signer(ORIGIN, 1);
    let keys = [known.verifier_key()];
    for stranger in [signer(ORIGIN, 2), signer("other.example", 1)] {
        let note = Note::new(text.clone(), vec![stranger.sign(&text)]).unwrap();
        assert_eq!(SignedCheckpoint::open(note, &keys), no_log_signature());
    }
    let note = Note::new(text.clone(), vec![known.sign(&text)]).unwrap();
    assert_eq!(SignedCheckpoint::open(note, &[]), no_log_signature());
}

#[test]
fn a_key_of_another_name_does_not_speak_for_a_log() {
    let text = checkpoint().to_text();
    let other = signer("other.example", 1);
    let note = Note::new(text.clone(), vec![other.sign(&text)]).unwrap();
    let opened = SignedCheckpoint::open(note, &[other.verifier_key()]);
    assert_eq!(opened, no_log_signature());
}

#[test]
fn one_wrong_line_of_a_known_key_spoils_the_note() {
    let text = checkpoint().to_text();
    let (one, two) = (signer(ORIGIN, 1), signer(ORIGIN, 2));
    let keys = [one.verifier_key(), two.verifier_key()];
    let wrong = two.sign("another text\n");
    let invalid = Err(VerifyError::LogSignature(SignatureError::Invalid));
    for lines in [
        vec![one.sign(&text), wrong.clone()],
        vec![two.sign(&text), wrong.clone()],
        vec![wrong.clone(), two.sign(&text)],
    ] {
        let note = Note::new(text.clone(), lines).unwrap();
        assert_eq!(SignedCheckpoint::open(note, &keys), invalid);
    }
    let note = Note::new(text.clone(), vec![one.sign(&text), wrong]).unwrap();
    assert!(SignedCheckpoint::open(note, &keys[..1]).is_ok());
}

#[test]
fn a_key_of_an_unknown_type_neither_opens_nor_spoils_a_note() {
    let text = checkpoint().to_text();
    let unknown: VerifierKey = format!("{ORIGIN}+0a0b0c0d+BwEC").parse().unwrap();
    let line =
        NoteSignature { name: unknown.name().clone(), id: unknown.id(), bytes: vec![1, 2, 3] };
    let known = signer(ORIGIN, 1);
    let keys = [unknown, known.verifier_key()];
    let note = Note::new(text.clone(), vec![line.clone(), known.sign(&text)]).unwrap();
    assert!(SignedCheckpoint::open(note, &keys).is_ok());
    let note = Note::new(text, vec![line]).unwrap();
    assert_eq!(SignedCheckpoint::open(note, &keys), no_log_signature());
}

#[test]
fn keys_of_all_types_sign_the_same_note() {
    let text = checkpoint().to_text();
    let plain = signer(ORIGIN, 1);
    let sth = Rfc6962Signer::new(ORIGIN.parse().unwrap(), [2; 32]).unwrap();
    let witness = CosignatureSigner::new("w1".parse().unwrap(), [3; 32]);
    let mut note = Note::new(text.clone(), vec![plain.sign(&text)]).unwrap();
    note.push(sth.sign(&checkpoint(), UnixMillis::new(9))).unwrap();
    for seconds in [8, 9, 5] {
        note.push(witness.sign(&text, UnixSeconds::new(seconds))).unwrap();
    }
    let keys = [plain.verifier_key(), sth.verifier_key()];
    assert!(SignedCheckpoint::open(note.clone(), &keys).is_ok());
    let newest = SignedAt::Seconds(UnixSeconds::new(9));
    assert_eq!(witness.verifier_key().verify_note(&note), Ok(Some(newest)));
}
