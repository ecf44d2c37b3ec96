use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::chain::VerifyError;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::leaf_hash;
use crate::key::SignatureError;
use crate::note::Note;
use crate::position::{TreeHead, TreeSize};
use crate::sign::{CosignatureSigner, Ed25519Signer, Rfc6962Signer};
use crate::time::{UnixMillis, UnixSeconds};

const ORIGIN: &str = "log.example/x";

fn log(seed: u8) -> Ed25519Signer {
    Ed25519Signer::new(ORIGIN.parse().unwrap(), [seed; 32])
}

fn witness(number: u8) -> CosignatureSigner {
    CosignatureSigner::new(format!("witness.example/{number}").parse().unwrap(), [100 + number; 32])
}

/// One log, witnesses `w0`, `w1`, …, and the lines given.
fn policy_text(witnesses: u8, lines: &str) -> String {
    let mut text = format!("log {}\n", log(1).verifier_key());
    for number in 0..witnesses {
        writeln!(text, "witness w{number} {}", witness(number).verifier_key()).unwrap();
    }
    text + lines
}

fn policy(witnesses: u8, lines: &str) -> Policy {
    Policy::parse(&policy_text(witnesses, lines)).unwrap()
}

fn checkpoint() -> Checkpoint {
    let head = TreeHead { size: TreeSize::new(7), root: leaf_hash(b"root") };
    Checkpoint::new(ORIGIN.parse().unwrap(), head)
}

fn note(cosigners: &[u8]) -> Note {
    let text = checkpoint().to_text();
    let mut note = Note::new(text.clone(), vec![log(1).sign(&text)]).unwrap();
    for number in cosigners {
        note.push(witness(*number).sign(&text, UnixSeconds::new(1000 + u64::from(*number))))
            .unwrap();
    }
    note
}

#[test]
fn a_policy_file_is_read() {
    let text = format!(
        "# who we trust\n\nlog {}  https://log.example/x\n\t# and who watches\nwitness  w0\t{} http://127.0.0.1:1\nwitness w1 {}\ngroup all-of-them all w0 w1\nquorum all-of-them",
        log(1).verifier_key(),
        witness(0).verifier_key(),
        witness(1).verifier_key(),
    );
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(policy.logs()[0].key, log(1).verifier_key());
    assert_eq!(policy.logs()[0].url.as_deref(), Some("https://log.example/x"));
    assert_eq!(policy.witnesses()[0].name, "w0");
    assert_eq!(policy.witnesses()[0].url.as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(policy.witnesses()[1].key, witness(1).verifier_key());
    assert_eq!(policy.witnesses()[1].url, None);
    assert_eq!(policy.quorum_words(), "2 of (w0, w1)");
}

#[test]
fn rejects_lines_that_are_wrong() {
    use PolicyLineError as Line;
    let log_key = log(1).verifier_key();
    let as_witness = CosignatureSigner::new("w".parse().unwrap(), [1; 32]).verifier_key();
    let same_key = CosignatureSigner::new("other".parse().unwrap(), [100; 32]).verifier_key();
    let rows = [
        ("nonsense".to_owned(), Line::Keyword),
        ("LOG x".to_owned(), Line::Keyword),
        ("\u{feff}log x".to_owned(), Line::Keyword),
        ("quorum g\r".to_owned(), Line::ControlByte),
        ("# \u{1}".to_owned(), Line::ControlByte),
        ("# \u{7f}".to_owned(), Line::ControlByte),
        ("log".to_owned(), Line::Words),
        (format!("log {log_key} https://x y"), Line::Words),
        ("witness w9".to_owned(), Line::Words),
        ("group g".to_owned(), Line::Words),
        ("quorum".to_owned(), Line::Words),
        ("quorum w0 # comment".to_owned(), Line::Words),
        ("log nonsense".to_owned(), Line::Key(crate::KeyError::Form)),
        (format!("log {}", witness(9).verifier_key()), Line::Role),
        (format!("witness w9 {}", log(9).verifier_key()), Line::Role),
        (format!("log {} ftp://x", log(9).verifier_key()), Line::Url),
        (format!("witness w9 {} https://", witness(9).verifier_key()), Line::Url),
        (format!("log {log_key}"), Line::KeyTwice),
        (format!("witness w9 {}", witness(0).verifier_key()), Line::KeyTwice),
        (format!("witness w9 {same_key}"), Line::KeyTwice),
        (format!("witness w9 {as_witness}"), Line::KeyTwice),
        (format!("witness w0 {}", witness(9).verifier_key()), Line::NameTwice),
        (format!("witness none {}", witness(9).verifier_key()), Line::NameTwice),
        ("group w0 any w1".to_owned(), Line::NameTwice),
        ("group none any w1".to_owned(), Line::NameTwice),
        ("group g any w1 w1".to_owned(), Line::MemberTwice),
        ("group g any w1 in".to_owned(), Line::MemberTwice),
        ("group h any in\ngroup g any h g".to_owned(), Line::Undefined),
        ("group g any w1 none".to_owned(), Line::Undefined),
        ("quorum nobody".to_owned(), Line::Undefined),
        ("group g any".to_owned(), Line::Threshold),
        ("group g all".to_owned(), Line::Threshold),
        ("group g 0 w1".to_owned(), Line::Threshold),
        ("group g 2 w1".to_owned(), Line::Threshold),
        ("group g 01 w1".to_owned(), Line::Threshold),
        ("group g some w1".to_owned(), Line::Threshold),
        ("quorum w0\nquorum w0".to_owned(), Line::QuorumTwice),
    ];
    for (line, problem) in rows {
        // `in` holds w0 and is itself free, unless the line says that it is taken.
        let taken = if line.contains("w1 in") { "group out any in\n" } else { "" };
        let text = policy_text(2, &format!("group in any w0\n{taken}{line}\n"));
        let wrong = text.trim_end().split('\n').count();
        assert_eq!(
            Policy::parse(&text),
            Err(PolicyError::Line { line: wrong, source: problem }),
            "{line:?}"
        );
    }
}

#[test]
fn a_policy_says_its_quorum() {
    assert_eq!(Policy::parse(""), Err(PolicyError::NoQuorumLine));
    assert_eq!(Policy::parse(&policy_text(2, "")), Err(PolicyError::NoQuorumLine));
    let got = POLICY_BYTES_MAX + 1;
    assert_eq!(Policy::parse(&"#".repeat(got)), Err(PolicyError::TooLong { got }));
}

#[test]
fn a_policy_holds_a_limited_number_of_each() {
    let keys = |kind: &str, count: usize| -> String {
        (0..count)
            .map(|number| {
                let mut seed = [9; 32];
                seed[..2].copy_from_slice(&u16::try_from(number).unwrap().to_be_bytes());
                let name = ORIGIN.parse().unwrap();
                if kind == "log" {
                    format!("log {}\n", Ed25519Signer::new(name, seed).verifier_key())
                } else {
                    let key = CosignatureSigner::new(name, seed).verifier_key();
                    format!("witness w{number} {key}\n")
                }
            })
            .collect()
    };
    let groups = |count: usize| -> String {
        let first = format!("{}group g0 any w0\n", keys("witness", 1));
        (1..count)
            .fold(first, |text, number| text + &format!("group g{number} any g{}\n", number - 1))
    };
    let most = POLICY_ENTRIES_MAX;
    for (text, quorum) in
        [(keys("log", most), "none"), (keys("witness", most), "none"), (groups(most), "g255")]
    {
        assert!(Policy::parse(&format!("{text}quorum {quorum}\n")).is_ok());
    }
    let too_many = |line| Err(PolicyError::Line { line, source: PolicyLineError::TooMany });
    assert_eq!(Policy::parse(&keys("log", most + 1)), too_many(most + 1));
    assert_eq!(Policy::parse(&keys("witness", most + 1)), too_many(most + 1));
    assert_eq!(Policy::parse(&groups(most + 1)), too_many(most + 2));
}

#[test]
fn a_checkpoint_with_its_quorum_is_cosigned() {
    let policy = policy(4, "group g 3 w0 w1 w2 w3\nquorum g\n");
    let note = note(&[3, 0, 2]);
    let cosigned = policy.check(&note).unwrap();
    assert_eq!(cosigned.checkpoint(), &checkpoint());
    assert_eq!(cosigned.head(), checkpoint().head);
    assert_eq!(cosigned.note(), &note);
    let who: Vec<_> = cosigned
        .cosigners()
        .iter()
        .map(|cosigner| (cosigner.name.as_str(), cosigner.at.get()))
        .collect();
    assert_eq!(who, [("w0", 1000), ("w2", 1002), ("w3", 1003)]);
}

#[test]
fn too_few_witnesses_are_named() {
    let policy = policy(4, "group g 3 w0 w1 w2 w3\nquorum g\n");
    assert_eq!(
        policy.check(&note(&[1, 2])),
        Err(VerifyError::Quorum {
            have: vec!["w1".to_owned(), "w2".to_owned()],
            need: "3 of (w0, w1, w2, w3)".to_owned()
        })
    );
}

#[test]
fn a_wrong_cosignature_does_not_count_and_does_not_harm() {
    let policy = policy(3, "group g 2 w0 w1 w2\nquorum g\n");
    let wrong = witness(2).sign("another text\n", UnixSeconds::new(1));
    let mut enough = note(&[0, 1]);
    enough.push(wrong.clone()).unwrap();
    assert_eq!(policy.check(&enough).unwrap().cosigners().len(), 2);
    let mut too_few = note(&[0]);
    too_few.push(wrong).unwrap();
    assert!(matches!(policy.check(&too_few), Err(VerifyError::Quorum { .. })));
}

#[test]
fn lines_of_strangers_count_for_nothing() {
    let policy = policy(2, "group g all w0 w1\nquorum g\n");
    assert!(matches!(policy.check(&note(&[0, 7, 8])), Err(VerifyError::Quorum { .. })));
    assert_eq!(policy.check(&note(&[7, 0, 1])).unwrap().cosigners().len(), 2);
    // The right key under another name is a stranger too.
    let text = checkpoint().to_text();
    let renamed = CosignatureSigner::new("witness.example/9".parse().unwrap(), [101; 32]);
    let mut note = note(&[0]);
    note.push(renamed.sign(&text, UnixSeconds::new(1))).unwrap();
    assert!(matches!(policy.check(&note), Err(VerifyError::Quorum { .. })));
}

#[test]
fn the_log_must_have_signed() {
    let policy = policy(1, "quorum w0\n");
    let text = checkpoint().to_text();
    let cosignature = witness(0).sign(&text, UnixSeconds::new(1));
    let origin = checkpoint().origin;
    let by = |line| Note::new(text.clone(), vec![cosignature.clone(), line]).unwrap();
    assert!(policy.check(&by(log(1).sign(&text))).is_ok());
    assert_eq!(policy.check(&by(log(2).sign(&text))), Err(VerifyError::NoLogSignature { origin }));
    assert_eq!(
        policy.check(&by(log(1).sign("another text\n"))),
        Err(VerifyError::LogSignature(SignatureError::Invalid))
    );
    let hello = "hello\n";
    let note = Note::new(hello.to_owned(), vec![log(1).sign(hello)]).unwrap();
    assert_eq!(policy.check(&note), Err(VerifyError::Checkpoint(CheckpointError::Lines)));
}

#[test]
fn any_listed_key_of_the_log_will_do() {
    let sth = Rfc6962Signer::new(ORIGIN.parse().unwrap(), [5; 32]).unwrap();
    let lines = format!("log {}\nquorum w0\n", sth.verifier_key());
    let policy = policy(1, &lines);
    let text = checkpoint().to_text();
    let lines = vec![
        sth.sign(&checkpoint(), UnixMillis::new(5)),
        witness(0).sign(&text, UnixSeconds::new(1)),
    ];
    assert!(policy.check(&Note::new(text, lines).unwrap()).is_ok());
}

#[test]
fn a_witness_of_an_unknown_key_type_never_counts() {
    let policy = policy(1, "witness pq pq.example+0a0b0c0d+BwEC\ngroup g any w0 pq\nquorum g\n");
    assert_eq!(policy.witnesses()[1].key.key_type(), None);
    let mut note = note(&[]);
    note.push("— pq.example CgsMDQEC".parse_line()).unwrap();
    assert!(matches!(policy.check(&note), Err(VerifyError::Quorum { .. })));
}

trait ParseLine {
    fn parse_line(&self) -> crate::NoteSignature;
}

impl ParseLine for str {
    fn parse_line(&self) -> crate::NoteSignature {
        crate::NoteSignature::parse_line(self).unwrap()
    }
}

#[test]
fn figures_of_well_known_policies() {
    let rows = [
        (1, "quorum w0", (1, 1, 0)),
        (3, "group g 2 w0 w1 w2\nquorum g", (3, 1, 1)),
        (4, "group g 3 w0 w1 w2 w3\nquorum g", (4, 2, 1)),
        (4, "group g all w0 w1 w2 w3\nquorum g", (4, 4, 0)),
        (4, "group g any w0 w1 w2 w3\nquorum g", (4, 0, 3)),
        (4, "group g 2 w0 w1 w2 w3\nquorum g", (4, 0, 2)),
        (4, "group g 3 w0 w1 w2\nquorum g", (3, 3, 0)),
        (4, "quorum none", (0, 0, 0)),
        // Two houses that must agree, each by majority: either majority shares one witness.
        (6, "group a 2 w0 w1 w2\ngroup b 2 w3 w4 w5\ngroup g all a b\nquorum g", (6, 2, 1)),
        // Either house will do: one quorum in each.
        (6, "group a 2 w0 w1 w2\ngroup b 2 w3 w4 w5\ngroup g any a b\nquorum g", (6, 0, 3)),
        // Two of three houses share one house at least, and there one witness.
        (5, "group a 2 w0 w1 w2\ngroup g 2 a w3 w4\nquorum g", (5, 1, 1)),
        // A house of alternatives shares nobody, and the witness beside it still must lie.
        (3, "group a any w0 w1\ngroup g all a w2\nquorum g", (3, 1, 0)),
    ];
    for (witnesses, lines, (counted, liars, down)) in rows {
        let resilience = policy(witnesses, lines).resilience();
        let expected =
            Resilience { witnesses: counted, liars_for_split_view: liars, down_tolerated: down };
        assert_eq!(resilience, expected, "{lines}");
    }
}

#[test]
fn policies_that_allow_a_split_view_are_refused() {
    assert_eq!(policy(4, "quorum none").refuse_unsafe(), Err(PolicyError::NoQuorum));
    for lines in ["group g any w0 w1\nquorum g", "group g 2 w0 w1 w2 w3\nquorum g"] {
        assert_eq!(policy(4, lines).refuse_unsafe(), Err(PolicyError::DisjointQuorums));
    }
    assert_eq!(policy(4, "group g 3 w0 w1 w2 w3\nquorum g").refuse_unsafe(), Ok(()));
}

#[test]
fn quorum_none_needs_the_log_alone() {
    let policy = policy(2, "quorum none\n");
    assert!(policy.is_satisfied_by(&BTreeSet::new()));
    assert_eq!(policy.quorum_words(), "no witness");
    assert_eq!(policy.check(&note(&[1])).unwrap().cosigners().len(), 1);
}

/// A policy over 7 witnesses: each group takes some of what is free, by the numbers given.
fn random_policy(shape: &[(usize, usize)]) -> Policy {
    let mut free: Vec<String> = (0..7).map(|number| format!("w{number}")).collect();
    let mut lines = String::new();
    for (number, (width, threshold)) in shape.iter().enumerate() {
        let members: Vec<String> = free.drain(..(1 + width % 4).min(free.len())).collect();
        let threshold = 1 + threshold % members.len();
        writeln!(lines, "group g{number} {threshold} {}", members.join(" ")).unwrap();
        free.push(format!("g{number}"));
    }
    writeln!(lines, "quorum g{}", shape.len() - 1).unwrap();
    policy(7, &lines)
}

fn named(set: u32) -> Vec<String> {
    (0..7).filter(|bit| set & 1 << bit != 0).map(|bit| format!("w{bit}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn figures_equal_those_counted_out(shape in prop::collection::vec((0..8_usize, 0..8_usize), 1..6)) {
        let policy = random_policy(&shape);
        let quorums: Vec<u32> = (0..128)
            .filter(|set| {
                let names = named(*set);
                policy.is_satisfied_by(&names.iter().map(String::as_str).collect())
            })
            .collect();
        let liars = quorums
            .iter()
            .flat_map(|a| quorums.iter().map(move |b| (a & b).count_ones()))
            .min()
            .unwrap();
        // The smallest set of witnesses without which no quorum is left.
        let fatal = (0..128_u32)
            .filter(|down| quorums.iter().all(|quorum| quorum & down != 0))
            .map(u32::count_ones)
            .min()
            .unwrap();
        let resilience = policy.resilience();
        prop_assert_eq!(resilience.liars_for_split_view, usize::try_from(liars).unwrap());
        prop_assert_eq!(resilience.down_tolerated, usize::try_from(fatal - 1).unwrap());
        prop_assert_eq!(policy.refuse_unsafe().is_ok(), liars > 0);
    }

    #[test]
    fn no_text_panics(text in "((log|witness|group|quorum|#|none|any|[a-z0-9+=]{1,4})[ \t\n]){0,40}") {
        let _ = Policy::parse(&text);
    }
}
