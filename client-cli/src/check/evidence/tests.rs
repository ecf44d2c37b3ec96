use tlog::{Checkpoint, Ed25519Signer, Evidence, Hash, Note, TreeHead, TreeSize};

use crate::exit::Exit;
use crate::fake_log::FakeLog;

/// Evidence against a log of this key.
fn evidence(seed: u8) -> Evidence {
    let key = Ed25519Signer::new("log.example/a".parse().unwrap(), [seed; 32]);
    let note = |root: u8| {
        let head = TreeHead { size: TreeSize::new(5), root: Hash::new([root; 32]) };
        let text = Checkpoint::new("log.example/a".parse().unwrap(), head).to_text();
        Note::new(text.clone(), vec![key.sign(&text)]).unwrap()
    };
    Evidence::find(&[key.verifier_key()], &note(1), &note(2), &[]).unwrap()
}

fn policy_naming(evidence: &Evidence) -> String {
    let witness = tlog::CosignatureSigner::new("w.example/1".parse().unwrap(), [9; 32]);
    let witness = witness.verifier_key();
    format!("log {}\nwitness w {witness}\ngroup g all w\nquorum g\n", evidence.keys()[0])
}

#[test]
fn evidence_convinces_without_a_network_and_names_the_key() {
    let log = FakeLog::start();
    let evidence = evidence(1);
    std::fs::write(log.path("found.evidence"), evidence.to_string()).unwrap();
    std::fs::write(log.path("its-policy.txt"), policy_naming(&evidence)).unwrap();

    let said = log.civiclog("evidence verify @found.evidence").expect(Exit::Done);
    for text in ["PROVEN", "log.example/a", "5 entries", &evidence.keys()[0].to_string()] {
        assert!(said.out.contains(text), "no {text} in {}", said.out);
    }
    let with_policy = "evidence verify @found.evidence --policy @its-policy.txt --json";
    let said = log.civiclog(with_policy).expect(Exit::Done).json();
    assert_eq!((&said["proven"], &said["signers"][0]["known"]), (&true.into(), &true.into()));
    assert_eq!(said["claim"], "two_roots");
}

#[test]
fn what_proves_nothing_is_refused() {
    let log = FakeLog::start();
    let text = evidence(1).to_string();
    let cases = [
        ("another root", text.replacen("AQEB", "AQEC", 1)),
        ("the same head twice", text.replace("AgIC", "AQEB")),
        (
            "another key",
            text.replace(&evidence(1).keys()[0].to_string(), &evidence(2).keys()[0].to_string()),
        ),
        ("cut short", text[..text.len() - 30].to_owned()),
        ("nothing", String::new()),
        ("too long", "a".repeat(tlog::EVIDENCE_BYTES_MAX + 1)),
    ];
    for (name, doctored) in cases {
        assert_ne!(doctored, text, "{name}");
        std::fs::write(log.path("doctored"), doctored).unwrap();
        let said = log.civiclog("evidence verify @doctored --json").expect(Exit::NotVerified);
        assert!(said.json()["error"].is_string(), "{name}");
    }
    log.civiclog("evidence verify @absent").expect(Exit::Usage);
}

#[test]
fn sound_evidence_against_a_stranger_is_refused_under_a_policy() {
    let log = FakeLog::start();
    std::fs::write(log.path("stranger"), evidence(2).to_string()).unwrap();
    std::fs::write(log.path("its-policy.txt"), policy_naming(&evidence(1))).unwrap();
    log.civiclog("evidence verify @stranger").expect(Exit::Done);
    log.civiclog("evidence verify @stranger --policy @its-policy.txt").expect(Exit::NotVerified);
}
