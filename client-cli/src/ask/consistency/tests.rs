use records::{Algorithm, SigningKey};

use crate::exit::Exit;
use crate::fake_log::FakeLog;

const CHECK: &str = "consistency --log LOG --policy @policy.txt --json";

fn grow(log: &FakeLog, seed: u8) {
    let key = SigningKey::generate_from_seed(Algorithm::Ed25519, [seed; 32]).unwrap();
    log.register(&format!("XX-LAE-S{seed}"), &key);
}

#[test]
fn the_first_use_remembers_and_later_ones_compare() {
    let log = FakeLog::start();
    let first = log.civiclog(CHECK).expect(Exit::Done).json();
    assert_eq!((&first["first_use"], &first["to"]), (&true.into(), &2.into()));
    for seed in 20..23 {
        grow(&log, seed);
        let later = log.civiclog(CHECK).expect(Exit::Done).json();
        assert_eq!((&later["first_use"], &later["consistent"]), (&false.into(), &true.into()));
        assert_eq!(later["from"].as_u64().unwrap() + 1, later["to"].as_u64().unwrap());
    }
    log.civiclog(CHECK).expect(Exit::Done);
}

#[test]
fn a_log_that_rewrote_itself_is_caught_and_the_evidence_kept() {
    let log = FakeLog::start();
    grow(&log, 20);
    log.civiclog(CHECK).expect(Exit::Done);
    let remembered = log.lock().note().to_string();
    // The same keys sign another history of the same length, then a longer one.
    let other = FakeLog::start();
    grow(&other, 21);
    std::mem::swap(&mut *log.lock(), &mut *other.lock());
    for attempt in 1..=2 {
        let caught = log.civiclog(CHECK).expect(Exit::Misbehaved).json();
        let evidence = std::fs::read_to_string(caught["evidence"].as_str().unwrap()).unwrap();
        assert!(evidence.contains(&remembered), "{evidence}");
        assert!(evidence.contains(&log.lock().note().to_string()));
        assert!(caught["evidence"].as_str().unwrap().ends_with(&format!("evidence-{attempt}.txt")));
        // Two trees of 3 entries first; then a proof that shows other first 3 entries.
        assert_eq!(caught["proven"], true);
        let verify = format!(
            "evidence verify {} --policy @policy.txt",
            caught["evidence"].as_str().unwrap()
        );
        log.civiclog(&verify).expect(Exit::Done);
        grow(&log, 30 + attempt);
    }
}

#[test]
fn a_log_that_shrank_is_caught() {
    let log = FakeLog::start();
    grow(&log, 20);
    log.civiclog(CHECK).expect(Exit::Done);
    log.lock().published = Some(2);
    let caught = log.civiclog(CHECK).expect(Exit::Misbehaved);
    let caught = caught.json();
    // An old head stays true for ever: a reason to ask, no proof.
    assert_eq!(caught["proven"], false);
    log.civiclog(&format!("evidence verify {}", caught["evidence"].as_str().unwrap()))
        .expect(Exit::NotVerified);
    log.lock().published = None;
    log.civiclog(CHECK).expect(Exit::Done);
}

#[test]
fn a_log_that_is_not_there_is_unreachable_and_changes_nothing() {
    let log = FakeLog::start();
    log.civiclog(CHECK).expect(Exit::Done);
    let state = || std::fs::read_dir(log.path("state/civiclog/checkpoints")).unwrap().count();
    let before = state();
    log.civiclog("consistency --log http://127.0.0.1:1 --policy @policy.txt")
        .expect(Exit::Unreachable);
    assert_eq!(state(), before);
}
