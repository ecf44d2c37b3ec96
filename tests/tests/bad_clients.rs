//! Slow, broken and too many clients: they are told, cut off or made to wait, nothing of theirs gets
//! in by half, and everybody else is served.

use e2e::{LogOptions, RawConnection, TestLog, Treasury, wait};
use serde_json::Value as Json;

fn log_with(limits: &str) -> (TestLog, Treasury) {
    TestLog::start_with(LogOptions { limits: limits.to_owned(), ..LogOptions::default() })
}

/// Other clients are served as ever.
fn is_alive(log: &TestLog, treasury: &Treasury, number: u64) {
    let body = treasury.payment_bytes(number);
    log.http().post("/v1/records", JSON, body).expect_status(200);
}

#[test]
fn a_batch_that_could_never_fit_is_told_the_limit_and_not_to_come_back() {
    let (log, treasury) = log_with("pool_submissions_max = 2\n");
    let answer = log.http().post("/v1/records", NDJSON, lines(&treasury, 0..3)).expect_status(413);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let detail = answer.json()["detail"].as_str().expect("words").to_owned();
    assert!(detail.contains("2 lines") && detail.contains("pool_submissions_max"), "{detail}");
    let answers: Vec<Json> = log
        .http()
        .post("/v1/records", NDJSON, lines(&treasury, 0..2))
        .expect_status(200)
        .parse_lines();
    // Neither was there: nothing of the larger batch had been taken in.
    assert!(answers.iter().all(|it| it["status"] == "published" && it["duplicate"] == false));
}

#[test]
fn a_batch_without_room_is_refused_whole_and_told_when_to_come_back() {
    let (log, treasury) = log_with("pool_bytes_max = 100663296\n");
    let slow = [0, 1].map(|_| {
        let mut slow = RawConnection::to(log.http());
        slow.send_post_head("", NDJSON, 8_000_000);
        slow.send(&vec![b'x'; 7_900_000]);
        slow
    });
    wait::until("their bodies hold the room", || {
        let metrics = log.admin().get("/metrics").text();
        let mut lines = metrics.lines();
        let held = lines.find_map(|it| it.strip_prefix("civiclog_server_pool_bytes "))?;
        (held.parse::<u64>().ok()? >= 2 * 5 * 7_900_000).then_some(())
    });
    let large = vec![b'\n'; 8_000_000];
    let answer = log.http().post("/v1/records", NDJSON, large).expect_status(503);
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|it| it >= 1));
    is_alive(&log, &treasury, 9);
    drop(slow);
    let answers = wait::until("there is room again", || {
        let answer = log.http().post("/v1/records", NDJSON, lines(&treasury, 0..3));
        (answer.status == 200).then(|| answer.parse_lines::<Json>())
    });
    assert!(answers.iter().all(|it| it["duplicate"] == false), "{answers:?}");
}

fn lines(treasury: &Treasury, numbers: std::ops::Range<u64>) -> Vec<u8> {
    numbers.map(|it| treasury.payment_bytes(it)).collect::<Vec<_>>().join(&b'\n')
}

#[test]
fn a_client_that_dawdles_over_its_headers_is_cut_off() {
    let (log, treasury) = log_with("header_timeout_ms = 200\n");
    let mut slow = RawConnection::to(log.http());
    slow.send(b"POST /v1/records HTTP/1.1\r\nhost: log\r\ncontent-type: appl");
    is_alive(&log, &treasury, 1);
    // An answer that says so is as good as none.
    if let Some((status, body)) = slow.answer() {
        assert_eq!(status, 408, "{body}");
        assert_eq!(slow.answer(), None, "the connection is closed");
    }
    is_alive(&log, &treasury, 2);
}

#[test]
fn a_client_that_dawdles_over_its_body_is_told_and_nothing_is_taken_in() {
    let (log, treasury) = log_with("body_timeout_ms = 300\n");
    let line = treasury.payment_bytes(10);
    let mut slow = RawConnection::to(log.http());
    slow.send_post_head("", NDJSON, 2 * line.len() + 2);
    // One whole line, and then nothing more.
    slow.send(&[&line[..], b"\n"].concat());
    is_alive(&log, &treasury, 1);
    let (status, problem) = slow.answer().expect("an answer");
    assert_eq!(status, 408, "{problem}");
    is_alive(&log, &treasury, 2);
    let path = format!("/v1/objects/{}", treasury.payment_object(10));
    assert_eq!(log.http().get(&path).status, 404);
}

#[test]
fn a_body_that_ends_early_admits_nothing() {
    let (log, treasury) = log_with("");
    let line = treasury.payment_bytes(10);
    for content_type in [NDJSON, JSON] {
        let mut broken = RawConnection::to(log.http());
        broken.send_post_head("", content_type, line.len() + 100);
        broken.send(&[&line[..], b"\n"].concat());
        broken.finish_sending();
        if let Some((status, body)) = broken.answer() {
            assert_eq!(status, 400, "{body}");
        }
    }
    is_alive(&log, &treasury, 1);
    let path = format!("/v1/objects/{}", treasury.payment_object(10));
    assert_eq!(log.http().get(&path).status, 404);
}

#[test]
fn a_client_that_goes_away_does_not_take_its_record_back() {
    let (log, treasury) = log_with("");
    let bytes = treasury.payment_bytes(10);
    let mut hasty = RawConnection::to(log.http());
    hasty.send_post_head("", JSON, bytes.len());
    hasty.send(&bytes);
    drop(hasty);
    // Whether it got in is open until somebody asks; then the answer is the same for ever.
    let first = log.http().post("/v1/records", JSON, bytes.clone()).expect_status(200).json();
    let again = log.http().post("/v1/records", JSON, bytes).expect_status(200).json();
    assert_eq!(first["index"], again["index"]);
    assert_eq!(first["leaf_hash"], again["leaf_hash"]);
}

#[test]
fn more_writers_than_allowed_are_told_to_come_back_and_readers_are_not_affected() {
    let (log, treasury) = log_with("writes_max = 1\n");
    let bytes = treasury.payment_bytes(10);
    // Which of the two is served is the log's choice: try until it is the one that dawdles.
    e2e::wait::until("a writer is turned away while another one is served", || {
        let mut first = RawConnection::to(log.http());
        first.send_post_head("", JSON, bytes.len());
        let answer = log.http().post("/v1/records", JSON, treasury.payment_bytes(11));
        if answer.status != 503 {
            return None;
        }
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|it| it >= 1));
        log.http().get("/checkpoint").expect_status(200);
        first.send(&bytes);
        let (status, _) = first.answer()?;
        (status == 200).then_some(())
    });
    is_alive(&log, &treasury, 12);
}

#[test]
fn a_reader_that_does_not_read_harms_nobody() {
    let (log, treasury) = log_with("");
    let lines: Vec<_> = (100..356).map(|it| treasury.payment_bytes(it)).collect();
    log.http().post("/v1/records", NDJSON, lines.join(&b'\n')).expect_status(200);
    let mut stuck: Vec<RawConnection> = (0..20).map(|_| RawConnection::to(log.http())).collect();
    for connection in &mut stuck {
        for _ in 0..50 {
            connection.send(b"GET /tile/entries/000 HTTP/1.1\r\nhost: log\r\n\r\n");
        }
    }
    is_alive(&log, &treasury, 1);
    log.http().get("/v1/proofs/5").expect_status(200);
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
