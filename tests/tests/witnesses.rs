//! A witness cosigns only what extends what it saw, remembers it over restarts, and shows it to
//! anybody.

use e2e::witness::{Witness, own_host};
use e2e::{Http, LogOptions, TestLog, Treasury, process, programs, wait};
use tlog::{AddCheckpoint, Note, TREE_SIZE_CONTENT_TYPE, TreeSize, VerifierKey};

fn publish(log: &TestLog, treasury: &Treasury, number: u64) {
    let body = treasury.payment_bytes(number);
    log.http().post("/v1/records", "application/json", body).expect_status(200);
}

/// What a witness shows of the log, once it has cosigned this size.
fn shown_by(log: &TestLog, position: usize, size: TreeSize) -> Note {
    let origin: tlog::Origin = log.origin().parse().expect("an origin");
    let http = Http::new(&log.witnesses[position].url());
    let path = format!("/{}/checkpoint", origin.sha256_hex());
    wait::until("the witness has cosigned the head", || {
        let answer = http.try_get(&path).ok().filter(|it| it.status == 200)?;
        let note = Note::parse(&answer.body).expect("a signed note");
        let checkpoint = tlog::Checkpoint::parse(note.text()).expect("a checkpoint");
        (checkpoint.head.size == size).then_some(note)
    })
}

#[test]
fn a_second_init_is_refused_and_keeps_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let first = e2e::witness::init(&state, "witness.example/w").expect_success("init");
    let again = e2e::witness::init(&state, "witness.example/w");
    assert_ne!(again.code, Some(0), "{}", again.stdout);
    let mut command = programs::command(programs::WITNESS);
    command.arg("vkey").arg("--dir").arg(&state);
    let vkey = process::finish(command).expect_success("vkey").stdout;
    assert_eq!(vkey, first.stdout);
    vkey.trim().parse::<tlog::VerifierKey>().expect("a verifier key");
}

#[test]
fn a_witness_shows_what_it_cosigned_and_remembers_it() {
    let (mut log, treasury) = TestLog::start();
    publish(&log, &treasury, 1);
    let head = log.reader().checkpoint().head();
    let vkey: VerifierKey = log.witnesses[0].vkey().parse().expect("a verifier key");
    let log_key: VerifierKey = log.vkeys()[0].parse().expect("a verifier key");
    let note = shown_by(&log, 0, head.size);
    assert!(matches!(vkey.verify_note(&note), Ok(Some(_))), "its own cosignature");
    assert!(matches!(log_key.verify_note(&note), Ok(Some(_))), "the log's signature");

    log.witnesses[0].stop();
    log.witnesses[0].start();
    let again = shown_by(&log, 0, head.size);
    assert_eq!(again.text(), note.text());
    log.witnesses[0].kill();
    log.witnesses[0].start();
    publish(&log, &treasury, 2);
    shown_by(&log, 0, log.reader().checkpoint().head().size);
}

#[test]
fn a_witness_answers_a_wrong_old_size_with_its_own() {
    let (log, treasury) = TestLog::start();
    publish(&log, &treasury, 1);
    let checkpoint = log.reader().checkpoint();
    let size = checkpoint.head().size;
    shown_by(&log, 1, size);
    let request = AddCheckpoint {
        old_size: TreeSize::ZERO,
        consistency_proof: Vec::new(),
        checkpoint: checkpoint.note().clone(),
    };
    let http = Http::new(&log.witnesses[1].url());
    let answer = http.post("/add-checkpoint", "text/plain", request.encode()).expect_status(409);
    assert_eq!(answer.header("content-type"), TREE_SIZE_CONTENT_TYPE);
    assert_eq!(answer.text(), format!("{size}\n"));
    // The same with the right size is a cosignature, again and again.
    let request = AddCheckpoint { old_size: size, ..request };
    let answer = http.post("/add-checkpoint", "text/plain", request.encode()).expect_status(200);
    assert!(answer.text().starts_with("\u{2014} witness.example/w2 "), "{}", answer.text());
    assert_eq!(http.post("/add-checkpoint", "text/plain", "old 1\n").status, 400);
}

#[test]
fn a_log_counts_the_second_signature_of_a_witness_under_its_second_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut witness =
        Witness::init_with(&folder.path().join("pq"), "pq", own_host(), 20_000, &["--ml-dsa"]);
    let keys = witness.vkeys();
    let foreign = vec![["pq".to_owned(), keys[1].to_string(), witness.url()]];
    let mut log = TestLog::create(LogOptions { foreign, ..LogOptions::default() });
    witness.watch(&[&log.vkeys()[0]]);
    witness.start();
    log.start_witnesses();
    // The policy asks for it, so nothing is published without it.
    log.start_server();
    let treasury = log.register("GB-LAE-DEV", records::Algorithm::Es256, 1);
    publish(&log, &treasury, 1);
    let checkpoint = log.reader().checkpoint();
    assert!(checkpoint.cosigners().iter().any(|cosigner| cosigner.name == "pq"));
    assert!(matches!(keys[1].verify_note(checkpoint.note()), Ok(Some(_))));
    // Only what the policy names is carried on.
    assert_eq!(keys[0].verify_note(checkpoint.note()), Ok(None));
    // What it remembers has both signatures, and a kill in between loses neither.
    witness.kill();
    witness.start();
    publish(&log, &treasury, 2);
}

#[test]
fn a_log_that_a_witness_does_not_know_is_told_so() {
    let (log, treasury) = TestLog::start();
    publish(&log, &treasury, 1);
    let checkpoint = log.reader().checkpoint();
    let (other, _) = TestLog::start();
    let http = Http::new(&other.witnesses[0].url());
    let request = AddCheckpoint {
        old_size: TreeSize::ZERO,
        consistency_proof: Vec::new(),
        checkpoint: checkpoint.note().clone(),
    };
    // Both logs have the same name; only the keys tell them apart.
    let answer = http.post("/add-checkpoint", "text/plain", request.encode());
    assert_eq!(answer.status, 403, "{}", answer.text());
}

#[test]
fn a_witness_that_was_put_back_is_brought_up_to_date() {
    let (mut log, treasury) = TestLog::start();
    publish(&log, &treasury, 1);
    log.witnesses[0].stop();
    let copy = log.path("w1-copy");
    e2e::log::copy_folder(&log.witnesses[0].state_folder(), &copy);
    log.witnesses[0].start();
    publish(&log, &treasury, 2);
    shown_by(&log, 0, log.reader().checkpoint().head().size);
    log.witnesses[0].stop();
    log.witnesses[0].put_back(&copy);
    log.witnesses[0].start();
    publish(&log, &treasury, 3);
    shown_by(&log, 0, log.reader().checkpoint().head().size);
}
