//! Without the witness quorum nothing is published, and what was published stays; with it again,
//! everything that was committed is published.

use e2e::{LogOptions, TestLog};
use serde_json::Value as Json;

#[test]
fn two_of_four_witnesses_down_stop_publishing_until_one_returns() {
    // Long enough for a busy machine to publish within, where it can.
    let limits = "wait_published_ms = 3000\n".to_owned();
    let (mut log, treasury) = TestLog::start_with(LogOptions { limits, ..LogOptions::default() });
    log.http().post("/v1/records", JSON, treasury.payment_bytes(1)).expect_status(200);
    let before = log.http().get("/checkpoint").expect_status(200).body;
    let head = log.reader().checkpoint().head();
    log.witnesses[2].kill();
    log.witnesses[3].kill();

    let answer = log.http().post("/v1/records", JSON, treasury.payment_bytes(2));
    let answer = answer.expect_status(202).json();
    assert_eq!(answer["status"], "committed");
    assert!(answer.get("proof").is_none(), "no promise in place of a proof");
    let index = answer["index"].as_u64().expect("an index");
    let lines = [2, 3].map(|it| treasury.payment_bytes(it)).join(&b'\n');
    let lines: Vec<Json> =
        log.http().post("/v1/records", NDJSON, lines).expect_status(200).parse_lines();
    assert_eq!(lines[0]["index"], index, "a committed record keeps its receipt");
    assert!(lines.iter().all(|it| it["status"] == "committed"), "{lines:?}");

    assert_eq!(log.http().get("/checkpoint").body, before, "the old checkpoint is still served");
    for path in [
        format!("/v1/records/{index}"),
        format!("/v1/proofs/{index}"),
        format!("/v1/receipts/{index}"),
        format!("/v1/objects/{}", treasury.payment_object(2)),
        format!("/tile/0/000.p/{}", index + 1),
        format!("/tile/entries/000.p/{}", index + 1),
        format!("/v1/consistency/1/{}", index + 1),
    ] {
        assert_eq!(log.http().get(&path).status, 404, "{path} shows what is not published");
    }
    let sth = log.http().get("/ct/v1/get-sth").expect_status(200).json();
    assert_eq!(sth["tree_size"], head.size.get());

    log.witnesses[2].start();
    let reader = log.reader();
    let after = e2e::wait::until("publishing resumes", || {
        let after = reader.checkpoint().head();
        (after.size.get() > index + 1).then_some(after)
    });
    reader.extends(&head, &after);
    reader.tree(&after);
    let again = log.http().post("/v1/records", JSON, treasury.payment_bytes(2));
    let again = again.expect_status(200).json();
    assert_eq!((&again["index"], &again["leaf_hash"]), (&answer["index"], &answer["leaf_hash"]));
}

#[test]
fn one_witness_down_is_not_noticed_by_submitters() {
    let (mut log, treasury) = TestLog::start();
    for (number, down) in (0..4).enumerate() {
        log.witnesses[down].kill();
        let body = treasury.payment_bytes(number as u64);
        log.http().post("/v1/records", JSON, body).expect_status(200);
        let cosigners = log.reader().checkpoint();
        assert_eq!(cosigners.cosigners().len(), 3);
        log.witnesses[down].start();
        // The one that was away must be asked again before the next one goes.
        let name = log.witnesses[down].name().to_owned();
        e2e::wait::until("the witness cosigned again", || {
            let witnesses = log.http().get("/v1/witnesses").json();
            let list = witnesses.as_array()?;
            let it = list.iter().find(|it| it["name"] == name.as_str())?;
            (it["failures"] == 0).then_some(())
        });
    }
}

#[test]
fn a_log_that_no_witness_confirms_takes_nothing_and_serves_nothing_new() {
    let mut log = TestLog::create(LogOptions::default());
    log.start_server_unready();
    let treasury = e2e::Treasury::new(log.origin(), "GB-LAE-DEV", records::Algorithm::Es256, 1);
    // For a moment after the start it knows only that it waits.
    let refused = e2e::wait::until("it says for whom it waits", || {
        let body = treasury.payment_bytes(1);
        let refused = log.http().post("/v1/records", JSON, body).expect_status(503);
        refused.text().contains("w1").then_some(refused)
    });
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|it| it >= 1));
    assert_eq!(log.http().get("/checkpoint").status, 404);
    assert_eq!(log.admin().get("/readyz").status, 503);
    assert_eq!(log.admin().get("/healthz").status, 200);

    // Two could not form a quorum; with the third the log opens.
    log.witnesses[0].start();
    log.witnesses[1].start();
    log.witnesses[2].start();
    e2e::wait::until("the log is ready", || {
        (log.admin().get("/readyz").status == 200).then_some(())
    });
    log.register("GB-LAE-DEV", records::Algorithm::Es256, 1);
    log.http().post("/v1/records", JSON, treasury.payment_bytes(1)).expect_status(200);
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
