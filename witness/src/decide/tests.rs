use std::collections::BTreeMap;

use proptest::prelude::*;
use testlog::{ForgedLog, add_checkpoint as body};
use tlog::{Ed25519Signer, NoteSignature};

use super::*;
use crate::test_log::{cases, forked_log, logs, logs_with, own_key, signers, small_log};

const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);

fn judge(before: Option<&Cosigned>, body: &[u8], logs: &Logs) -> Result<Decision, Refusal> {
    decide(before, &Request::read(body, logs)?, &signers(), NOW)
}

fn cosigned_at(log: &ForgedLog, size: u64) -> Cosigned {
    judge(None, &log.request(0, size), &logs(log)).unwrap().after
}

fn status(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::Malformed(_) | Refusal::OldExceedsSize { .. } => 400,
        Refusal::NotAuthorized(_) => 403,
        Refusal::UnknownOrigin => 404,
        Refusal::Conflict { .. } => 409,
        Refusal::Inconsistent(_) => 422,
    }
}

#[test]
fn the_whole_status_table() {
    let log = small_log("log.example/a", 9);
    for case in cases(&log) {
        let before = case.before.map(|size| cosigned_at(&log, size));
        match judge(before.as_ref(), &case.body, &logs(&log)) {
            Ok(decision) => {
                assert_eq!(case.status, 200, "{}", case.name);
                let after = &decision.after;
                assert_eq!(
                    Some(after.head()),
                    case.after.map(|size| log.head(size)),
                    "{}",
                    case.name
                );
                assert_eq!(after.at(), NOW);
                let own = own_key();
                assert!(own.verify_note(after.note()).unwrap().is_some());
                assert_eq!(decision.cosignatures.len(), 1);
                assert!(own.owns(&decision.cosignatures[0]));
                assert!(log.vkey().verify_note(after.note()).unwrap().is_some());
            }
            Err(refusal) => {
                assert_eq!(status(&refusal), case.status, "{}: {refusal}", case.name);
                if let Refusal::Conflict { latest } = refusal {
                    assert_eq!(latest.get(), case.before.unwrap_or(0), "{}", case.name);
                }
            }
        }
    }
}

#[test]
fn any_of_several_log_keys_is_enough_and_a_wrong_one_spoils_it() {
    let log = small_log("log.example/a", 5);
    let second = Ed25519Signer::new(log.origin().key_name(), [8; 32]);
    let logs = logs_with(&log, vec![log.vkey(), second.verifier_key()]);
    let text = log.text(log.head(5));
    let accepted = |signatures: Vec<NoteSignature>| {
        let note = Note::new(text.clone(), signatures).unwrap();
        judge(None, &body(0, Vec::new(), note), &logs)
    };
    let by_first = log.signer().sign(&text);
    let by_second = second.sign(&text);
    assert!(accepted(vec![by_first.clone()]).is_ok());
    assert!(accepted(vec![by_second.clone()]).is_ok());
    let both = accepted(vec![by_first.clone(), by_second]).unwrap();
    assert_eq!(both.after.note().signatures().len(), 3);
    let wrong = accepted(vec![by_first, second.sign("something else\n")]).unwrap_err();
    assert!(matches!(wrong, Refusal::NotAuthorized(Some(_))), "{wrong}");
}

#[test]
fn only_verified_lines_are_kept() {
    let log = small_log("log.example/a", 5);
    let stranger = Ed25519Signer::new("stranger.example".parse().unwrap(), [8; 32]);
    let mut note = log.note(5);
    note.push(stranger.sign(note.text())).unwrap();
    let decision = judge(None, &body(0, Vec::new(), note), &logs(&log)).unwrap();
    let names: Vec<&str> =
        decision.after.note().signatures().iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["log.example/a", "witness.example/w1"]);
}

#[test]
fn an_origin_may_differ_from_the_name_of_its_key() {
    let log = small_log("log.example/a", 5);
    let other_name = Ed25519Signer::new("key.example/a".parse().unwrap(), [8; 32]);
    let logs = logs_with(&log, vec![other_name.verifier_key()]);
    let text = log.text(log.head(5));
    let note = Note::new(text.clone(), vec![other_name.sign(&text)]).unwrap();
    assert!(judge(None, &body(0, Vec::new(), note), &logs).is_ok());
}

#[test]
fn a_note_is_taken_back_only_with_both_signatures() {
    let log = small_log("log.example/a", 5);
    let own = signers().verifier_keys();
    let keys = [log.vkey()];
    let cosigned = cosigned_at(&log, 5);
    let note = cosigned.note().clone();
    assert_eq!(Cosigned::verify(note.clone(), &own, Some(&keys)).unwrap(), cosigned);
    let rows = [
        (log.note(5), CosignedError::OwnSignature),
        (
            Note::new(note.text().to_owned(), vec![note.signatures()[1].clone()]).unwrap(),
            CosignedError::LogSignature,
        ),
        (log.sign("not a checkpoint\n"), CosignedError::Checkpoint),
    ];
    for (note, expected) in rows {
        assert_eq!(Cosigned::verify(note, &own, Some(&keys)).unwrap_err(), expected);
    }
}

/// One request of a log that may do anything but break a hash.
#[derive(Debug, Clone)]
struct Step {
    fork: bool,
    old: u64,
    size: u64,
    proof: ProofKind,
}

#[derive(Debug, Clone, Copy)]
enum ProofKind {
    Right,
    OfTheOtherHistory,
    None,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let proof = prop_oneof![
        6 => Just(ProofKind::Right),
        1 => Just(ProofKind::OfTheOtherHistory),
        1 => Just(ProofKind::None),
    ];
    let step = (any::<bool>(), 0..=12_u64, 0..=12_u64, proof)
        .prop_map(|(fork, old, size, proof)| Step { fork, old, size, proof });
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_two_roots_for_a_size_and_never_backwards(steps in steps()) {
        let (log, fork) = (small_log("log.example/a", 12), forked_log("log.example/a", 12, 4));
        let (logs, signer) = (logs(&log), signers());
        let mut before: Option<Cosigned> = None;
        let mut signed = BTreeMap::new();
        for step in steps {
            let (from, other) = if step.fork { (&fork, &log) } else { (&log, &fork) };
            // Half of the requests start where the witness is, or nothing would ever be signed.
            let latest = before.as_ref().map_or(0, |before| before.head().size.get());
            let old = if step.old % 2 == 0 { latest } else { step.old };
            let proof = match step.proof {
                _ if old > step.size => Vec::new(),
                ProofKind::Right => from.proof(old, step.size),
                ProofKind::OfTheOtherHistory => other.proof(old, step.size),
                ProofKind::None => Vec::new(),
            };
            let request = Request::read(&body(old, proof, from.note(step.size)), &logs);
            let Ok(decision) = request.and_then(|it| decide(before.as_ref(), &it, &signer, NOW))
            else { continue };
            let head = decision.after.head();
            prop_assert!(head.size.get() >= latest);
            prop_assert_eq!(*signed.entry(head.size).or_insert(head.root), head.root);
            before = Some(decision.after);
        }
        // All that was signed lies on one of the two histories.
        let on = |history: &ForgedLog| {
            signed.iter().all(|(size, root)| history.head(size.get()).root == *root)
        };
        prop_assert!(on(&log) || on(&fork));
    }
}
