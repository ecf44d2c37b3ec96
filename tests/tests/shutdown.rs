//! SIGTERM: what was accepted is answered, the process ends with 0, and the next start goes on.

use e2e::{LogOptions, RawConnection, TestLog, wait};

/// Requests of one record each, sent and not answered yet: they wait for witnesses that are down.
fn waiting_requests(log: &TestLog, treasury: &e2e::Treasury, count: u64) -> Vec<RawConnection> {
    let committed = || log.http().get("/v1/log").json()["committed_size"].as_u64();
    let before = committed().expect("a size");
    let requests = (100..100 + count)
        .map(|number| {
            let body = treasury.payment_bytes(number);
            let mut connection = RawConnection::to(log.http());
            connection.send_post_head("", "application/json", body.len());
            connection.send(&body);
            connection
        })
        .collect();
    wait::until("all are committed", || (committed() >= Some(before + count)).then_some(()));
    requests
}

#[test]
fn requests_under_way_are_published_before_the_process_ends() {
    let (mut log, treasury) = TestLog::start();
    log.witnesses[2].kill();
    log.witnesses[3].kill();
    let mut requests = waiting_requests(&log, &treasury, 8);
    log.terminate_server();
    log.witnesses[3].start();
    for request in &mut requests {
        let (status, body) = request.answer().expect("an answer, not a closed connection");
        assert_eq!(status, 200, "{body}");
        assert!(body.contains("\"published\""), "{body}");
    }
    assert_eq!(log.wait_for_server(), Some(0));
    log.witnesses[2].start();
    log.start_server();
    assert_eq!(log.reader().checkpoint().head().size.get(), 10);
    log.reader().tree(&log.reader().checkpoint().head());
}

#[test]
fn what_cannot_be_published_in_time_is_published_by_the_next_start() {
    let limits = "wait_published_ms = 500\n".to_owned();
    let (mut log, treasury) = TestLog::start_with(LogOptions { limits, ..LogOptions::default() });
    log.witnesses[0].kill();
    log.witnesses[1].kill();
    let mut requests = waiting_requests(&log, &treasury, 4);
    let head = log.reader().checkpoint().head();
    log.terminate_server();
    for request in &mut requests {
        let (status, body) = request.answer().expect("an answer, not a closed connection");
        assert_eq!(status, 202, "{body}");
    }
    assert_eq!(log.wait_for_server(), Some(0));
    log.start_witnesses();
    log.start_server();
    let reader = log.reader();
    let after = wait::until("what was committed is published", || {
        let head = reader.checkpoint().head();
        (head.size.get() == 6).then_some(head)
    });
    reader.extends(&head, &after);
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}

#[test]
fn a_stopping_server_takes_nothing_new() {
    let (mut log, treasury) = TestLog::start();
    log.witnesses[0].kill();
    log.witnesses[1].kill();
    // One request keeps it from ending; another connection is open already, and has been used.
    let mut first = waiting_requests(&log, &treasury, 1);
    let mut second = RawConnection::to(log.http());
    second.send(b"GET /checkpoint HTTP/1.1\r\nhost: log\r\n\r\n");
    assert_eq!(second.answer().expect("an answer").0, 200);
    log.terminate_server();
    wait::until("it takes no new connection", || {
        log.http().try_get("/v1/log").is_err().then_some(())
    });
    let body = treasury.payment_bytes(1);
    second.send_post_head("?wait=committed", "application/json", body.len());
    second.send(&body);
    if let Some((status, text)) = second.answer() {
        assert_eq!(status, 503, "{text}");
    }
    log.start_witnesses();
    let (status, text) = first[0].answer().expect("an answer");
    assert_eq!(status, 200, "{text}");
    assert_eq!(log.wait_for_server(), Some(0));
    log.start_server();
    let path = format!("/v1/objects/{}", treasury.payment_object(1));
    assert_eq!(log.http().get(&path).status, 404, "what was not taken is not in");
}
