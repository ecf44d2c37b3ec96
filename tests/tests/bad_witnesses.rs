//! A witness that is silent, broken, lying or endless delays nobody and breaks no quorum of the
//! others; a quorum that needs it is no quorum.

use std::fs;
use std::sync::Arc;

use e2e::impostor::{Impostor, Manner};
use e2e::{LogOptions, TestLog, Treasury, wait};
use serde_json::Value as Json;
use service::{Clock as _, SystemClock};
use tlog::{CosignatureSigner, UnixSeconds};

/// A running log whose last witness has an impostor in front of it.
fn log_with_an_impostor() -> (TestLog, Treasury, Impostor) {
    let publish = "checkpoint_interval_ms = 20\nwitness_timeout_ms = 500\n".to_owned();
    let mut log = TestLog::create(LogOptions { publish, ..LogOptions::default() });
    let impostor = Impostor::before(&log.witnesses[3].url());
    let policy = fs::read_to_string(log.policy_path()).expect("the policy");
    let policy = policy.replace(&log.witnesses[3].url(), &impostor.url());
    fs::write(log.policy_path(), policy).expect("writing the policy");
    log.start_witnesses();
    log.start_server();
    let treasury = log.register("GB-LAE-DEV", records::Algorithm::Es256, 1);
    (log, treasury, impostor)
}

/// The last witness's own key, and one that it does not have.
fn keys(log: &TestLog) -> [Arc<CosignatureSigner>; 2] {
    let pem = fs::read_to_string(log.witnesses[3].state_folder().join("key.pem"));
    let name = "witness.example/w4".parse().expect("a key name");
    let own = CosignatureSigner::from_pkcs8_pem(name, &pem.expect("the key file")).expect("a key");
    let name = "witness.example/w4".parse().expect("a key name");
    [Arc::new(own), Arc::new(CosignatureSigner::new(name, [0x77; 32]))]
}

fn status_of(log: &TestLog, witness: usize) -> Json {
    log.http().get("/v1/witnesses").expect_status(200).json()[witness].clone()
}

#[test]
fn no_manner_of_one_witness_keeps_the_others_from_publishing() {
    let (log, treasury, impostor) = log_with_an_impostor();
    let [own, other] = keys(&log);
    let long_ago = UnixSeconds::new(1_000_000_000);
    let now = UnixSeconds::new(SystemClock::new().unix_millis() / 1000);
    let lines = "text/plain; charset=utf-8";
    let manners = [
        ("silent", Manner::Silent),
        ("endless", Manner::Endless),
        ("hangs up", Manner::Answers(Vec::new())),
        ("no HTTP", Manner::Answers(b"\0\xff\xfe no such thing\r\n\r\n".to_vec())),
        ("ten megabytes", Manner::Says(200, lines, vec![b'x'; 10 << 20])),
        ("garbage", Manner::Says(200, lines, b"\xe2\x80\x94 w4 AAAA\n".to_vec())),
        ("nothing", Manner::Says(200, lines, Vec::new())),
        ("another page", Manner::Says(200, "text/html", b"<html>moved</html>".to_vec())),
        ("an error", Manner::Says(500, lines, b"no\n".to_vec())),
        ("unknown", Manner::Says(404, lines, b"who?\n".to_vec())),
        ("not authorised", Manner::Says(403, lines, b"no\n".to_vec())),
        ("it cannot read us", Manner::Says(400, lines, b"what?\n".to_vec())),
        ("the size that we have", Manner::Says(409, "text/x.tlog.size", b"0\n".to_vec())),
        ("another key", Manner::Cosigns(other, now)),
        ("long ago", Manner::Cosigns(Arc::clone(&own), long_ago)),
        ("in the far future", Manner::Cosigns(own, UnixSeconds::new(u64::from(u32::MAX)))),
    ];
    for (number, (what, manner)) in (1..).zip(manners) {
        impostor.behave(manner);
        let asked = impostor.asked();
        let body = treasury.payment_bytes(number);
        let answer = log.http().post("/v1/records", "application/json", body);
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert_eq!(answer.json()["status"], "published", "{what}");
        wait::until("the witness is asked", || (impostor.asked() > asked).then_some(()));
        // Honest again, it is asked again by and by, and brought up to date.
        impostor.behave(Manner::Honest);
        let size = log.reader().checkpoint().head().size.get();
        wait::until("the witness is believed again", || {
            let status = status_of(&log, 3);
            let is_well = status["failures"] == 0 && status["size"] == size;
            (is_well && status.get("distrusted").is_none()).then_some(())
        });
    }
    log.admin().get("/readyz").expect_status(200);
    log.reader().tree(&log.reader().checkpoint().head());
}

#[test]
fn an_unsigned_claim_costs_the_witness_its_seat_and_the_log_nothing() {
    let (log, treasury, impostor) = log_with_an_impostor();
    let claim = Manner::Says(409, "text/x.tlog.size", b"1000000\n".to_vec());
    impostor.behave(claim);
    for number in 1..4 {
        let body = treasury.payment_bytes(number);
        log.http().post("/v1/records", "application/json", body).expect_status(200);
    }
    let status = wait::until("the witness is distrusted", || {
        let status = status_of(&log, 3);
        status.get("distrusted").is_some().then_some(status)
    });
    assert!(status["distrusted"].as_str().is_some_and(|it| it.contains("1000000")), "{status}");
    // It shows nothing that our key signed, so its word stays a word.
    assert!(!log.data_path().join("evidence").exists());
    log.admin().get("/readyz").expect_status(200);
}
