use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, thread};

use files::Access;
use prometheus::Registry;
use tempfile::TempDir;
use testlog::ForgedLog;

use super::*;
use crate::state::{self, DurableWrite, durable_write};
use crate::test_log::{forked_log, logs, signers, small_log};

const NOW: Now = Now { unix: UnixSeconds::new(1_700_000_000), monotonic_millis: 0 };

fn new_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    state::create(folder.path()).unwrap();
    folder
}

fn start(folder: &TempDir, log: &ForgedLog, write: DurableWrite) -> Witness {
    let keys = signers().verifier_keys();
    let (state, cosigned) = StateFolder::open(folder.path(), keys, &logs(log), write).unwrap();
    let metrics = Metrics::register(&Registry::new()).unwrap();
    Witness::new(signers(), logs(log), state, cosigned, metrics)
}

fn disk() -> DurableWrite {
    durable_write()
}

fn size_known(witness: &Witness, log: &ForgedLog) -> u64 {
    match witness.add_checkpoint(&log.request(0, 9), NOW) {
        Err(AddError::Refused(Refusal::Conflict { latest })) => latest.get(),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[test]
fn of_racing_requests_one_wins() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 12));
    let witness = start(&folder, &log, disk());
    witness.add_checkpoint(&log.request(0, 3), NOW).unwrap();
    for old in [3_u64, 7] {
        let barrier = Barrier::new(4);
        let won: Vec<u64> = thread::scope(|scope| {
            let racers: Vec<_> = (1..=4_u64)
                .map(|growth| {
                    let (barrier, witness, log) = (&barrier, &witness, &log);
                    scope.spawn(move || {
                        let request = log.request(old, old + growth);
                        barrier.wait();
                        witness.add_checkpoint(&request, NOW).map(|_| old + growth)
                    })
                })
                .collect();
            racers.into_iter().filter_map(|racer| racer.join().unwrap().ok()).collect()
        });
        assert_eq!(won.len(), 1, "{won:?}");
        // Whoever won, the next round starts from a known place.
        if won[0] < 7 && old == 3 {
            witness.add_checkpoint(&log.request(won[0], 7), NOW).unwrap();
        }
    }
}

#[test]
fn a_restart_remembers_and_shows_the_same_checkpoint() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 9));
    let hash = log.origin().sha256_hex();
    let witness = start(&folder, &log, disk());
    assert_eq!(witness.latest_checkpoint(&hash), None);
    witness.add_checkpoint(&log.request(0, 5), NOW).unwrap();
    let shown = witness.latest_checkpoint(&hash).unwrap();
    drop(witness);
    let witness = start(&folder, &log, disk());
    assert_eq!(witness.latest_checkpoint(&hash).unwrap(), shown);
    assert_eq!(size_known(&witness, &log), 5);
    assert_eq!(witness.latest_checkpoint("00"), None);
}

#[test]
fn a_failed_write_ends_signing_for_this_log_until_a_restart_has_read_the_disk() {
    // A write that reports failure may have been applied or not; both must end well.
    for applied in [false, true] {
        let (folder, log) = (new_folder(), small_log("log.example/a", 9));
        let failing = Arc::new(AtomicBool::new(false));
        let write: DurableWrite = {
            let failing = Arc::clone(&failing);
            Arc::new(move |path, bytes| {
                if !failing.load(Ordering::Relaxed) {
                    return files::replace(path, bytes, Access::Everyone);
                }
                if applied {
                    files::replace(path, bytes, Access::Everyone)?;
                }
                Err(io::Error::other("disk full"))
            })
        };
        let witness = start(&folder, &log, write);
        witness.add_checkpoint(&log.request(0, 3), NOW).unwrap();
        assert_eq!(witness.is_ready(), Ok(()));

        failing.store(true, Ordering::Relaxed);
        let failed = witness.add_checkpoint(&log.request(3, 5), NOW);
        assert!(matches!(failed, Err(AddError::StateUnknown)), "{failed:?}");
        failing.store(false, Ordering::Relaxed);
        // The disk is well again, but what is on it is not known here: no guess.
        for (old, size) in [(3, 5), (5, 8), (3, 3), (0, 3)] {
            let refused = witness.add_checkpoint(&log.request(old, size), NOW);
            assert!(matches!(refused, Err(AddError::StateUnknown)), "{refused:?}");
        }
        assert!(witness.is_ready().unwrap_err().contains("log.example/a"));
        drop(witness);

        let witness = start(&folder, &log, disk());
        assert_eq!(size_known(&witness, &log), if applied { 5 } else { 3 });
    }
}

#[test]
fn one_log_whose_write_failed_does_not_stop_another() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 9));
    let other = small_log("log.example/b", 9);
    let logs: Logs = logs(&log).into_iter().chain(logs(&other)).collect();
    let bad = log.origin().sha256_hex();
    let write: DurableWrite = Arc::new(move |path, bytes| {
        if path.ends_with(&bad) {
            return Err(io::Error::other("bad sector"));
        }
        files::replace(path, bytes, Access::Everyone)
    });
    let keys = signers().verifier_keys();
    let (state, cosigned) = StateFolder::open(folder.path(), keys, &logs, write).unwrap();
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let witness = Witness::new(signers(), logs, state, cosigned, metrics);
    assert!(witness.add_checkpoint(&log.request(0, 5), NOW).is_err());
    assert!(witness.add_checkpoint(&other.request(0, 5), NOW).is_ok());
}

#[test]
fn a_signature_leaves_only_after_its_checkpoint_is_on_disk() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 9));
    let witness = start(&folder, &log, disk());
    let lines = witness.add_checkpoint(&log.request(0, 5), NOW).unwrap();
    let path = folder.path().join("state").join(log.origin().sha256_hex());
    let on_disk = std::fs::read_to_string(path).unwrap();
    assert!(on_disk.contains(&lines[0].to_string()));
}

#[test]
fn a_contradiction_is_kept_once_whatever_else_is_wrong_with_the_request() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 9));
    let fork = forked_log("log.example/a", 9, 2);
    let witness = start(&folder, &log, disk());
    witness.add_checkpoint(&log.request(0, 5), NOW).unwrap();
    let files = || std::fs::read_dir(folder.path().join("evidence")).map_or(0, Iterator::count);

    // Old heads, wrong proofs and honest growth from elsewhere accuse nobody.
    for (old, size) in [(3, 5), (3, 3), (0, 9)] {
        assert!(witness.add_checkpoint(&log.request(old, size), NOW).is_err());
    }
    let unproven = testlog::add_checkpoint(5, Vec::new(), fork.note(9));
    assert!(witness.add_checkpoint(&unproven, NOW).is_err());
    assert_eq!((files(), witness.metrics().contradictions_count(log.origin())), (0, 0));

    // The same size with another root, also under a wrong old size; then a later tree whose proof
    // shows other first entries.
    for request in [fork.request(5, 5), fork.request(3, 5), fork.request(5, 9)] {
        assert!(witness.add_checkpoint(&request, NOW).is_err());
    }
    assert_eq!((files(), witness.metrics().contradictions_count(log.origin())), (2, 3));
    for file in std::fs::read_dir(folder.path().join("evidence")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let evidence = tlog::Evidence::parse(&bytes).unwrap();
        assert_eq!(evidence.keys(), [log.vkey()]);
        // What it signed itself is part of it.
        assert!(crate::test_log::own_key().verify_note(&evidence.notes()[0]).unwrap().is_some());
    }
    // It goes on with the history it knows.
    witness.add_checkpoint(&log.request(5, 9), NOW).unwrap();
}

#[test]
fn one_log_that_asks_too_often_is_told_when_to_come_back() {
    let (folder, log) = (new_folder(), small_log("log.example/a", 9));
    let mut logs = logs(&log);
    for log in logs.values_mut() {
        log.requests_per_day = 86_400;
    }
    let (keys, write) = (signers().verifier_keys(), disk());
    let (state, cosigned) = StateFolder::open(folder.path(), keys, &logs, write).unwrap();
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let witness = Witness::new(signers(), logs, state, cosigned, metrics);
    let request = log.request(0, 5);
    witness.add_checkpoint(&request, NOW).unwrap();
    let mut last = Ok(Vec::new());
    for _ in 0..200 {
        last = witness.add_checkpoint(&request, NOW);
    }
    assert!(matches!(last, Err(AddError::TooMany { retry_after_seconds: 1 })), "{last:?}");
    // Whoever cannot show the log's signature uses nothing up and is told nothing of it.
    let stranger = small_log("stranger.example/log", 9).request(0, 5);
    let refused = witness.add_checkpoint(&stranger, NOW);
    assert!(matches!(refused, Err(AddError::Refused(Refusal::UnknownOrigin))), "{refused:?}");
    let later = Now { monotonic_millis: 1_000, ..NOW };
    let refused = witness.add_checkpoint(&request, later);
    assert!(matches!(refused, Err(AddError::Refused(Refusal::Conflict { .. }))), "{refused:?}");
}
