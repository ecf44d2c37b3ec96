//! SIGTERM: what was accepted is answered, the process ends with 0, and the next start goes on. A
//! second signal ends it at once, and what was accepted is in the log all the same.

use std::sync::Arc;

use e2e::{Http, LogOptions, RawConnection, TestLog, Treasury, wait};
use serde_json::Value as Json;

/// Requests of one record each, sent and not answered yet: they wait for witnesses that are down.
fn waiting_requests(log: &TestLog, treasury: &Treasury, count: u64) -> Vec<RawConnection> {
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
    let limits = "wait_published_ms = 2000\n".to_owned();
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

#[test]
fn under_load_every_answer_holds_after_the_stop() {
    let (mut log, treasury) = TestLog::start();
    let treasury = Arc::new(treasury);
    let before = log.reader().checkpoint().head();
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (http, treasury) = (log.http().clone(), Arc::clone(&treasury));
            std::thread::spawn(move || submit_until_it_stops(&http, &treasury, 1000 * worker))
        })
        .collect();
    wait::until("the load is a load", || {
        (log.http().get("/v1/log").json()["committed_size"].as_u64() >= Some(200)).then_some(())
    });
    log.terminate_server();
    assert_eq!(log.wait_for_server(), Some(0));
    let answered: Vec<(String, u64)> =
        workers.into_iter().flat_map(|it| it.join().expect("a worker")).collect();
    assert!(answered.len() >= 100, "{}", answered.len());
    log.audit();
    log.start_server();
    let reader = log.reader();
    wait::until("all of it is published", || {
        let last = answered.iter().map(|(_, index)| *index).max()?;
        (reader.checkpoint().head().size.get() > last).then_some(())
    });
    reader.extends(&before, &reader.checkpoint().head());
    for (object, index) in answered {
        let found = log.http().get(&format!("/v1/records/{index}")).expect_status(200).json();
        assert_eq!(found["entry"]["record"]["object"], object.as_str(), "entry {index}");
    }
}

/// Submits small batches for as long as anybody answers, and returns what was committed where.
fn submit_until_it_stops(http: &Http, treasury: &Treasury, first: u64) -> Vec<(String, u64)> {
    let mut answered = Vec::new();
    for start in (first..).step_by(10) {
        let numbers = start..start + 10;
        let lines: Vec<Vec<u8>> = numbers.clone().map(|it| treasury.payment_bytes(it)).collect();
        let path = "/v1/records?wait=committed";
        let Ok(answer) = http.try_post(path, "application/x-ndjson", lines.join(&b'\n')) else {
            return answered;
        };
        if answer.status != 200 {
            assert_eq!(answer.status, 503, "{}", answer.text());
            return answered;
        }
        for (number, line) in numbers.zip(answer.parse_lines::<Json>()) {
            match line["index"].as_u64() {
                Some(index) => answered.push((treasury.payment_object(number), index)),
                None => assert_eq!(line["status"], "not_judged", "{line}"),
            }
        }
    }
    answered
}

#[test]
fn a_second_signal_ends_it_at_once_and_loses_nothing() {
    for is_interrupt in [false, true] {
        let (mut log, treasury) = TestLog::start();
        log.witnesses[0].kill();
        log.witnesses[1].kill();
        let mut requests = waiting_requests(&log, &treasury, 4);
        log.terminate_server();
        wait::until("the first signal arrived", || {
            log.server_log().contains("finishing what is under way").then_some(())
        });
        if is_interrupt {
            log.interrupt_server();
        } else {
            log.terminate_server();
        }
        assert_eq!(log.wait_for_server(), Some(0));
        // Had it waited for the witnesses, they would have been answered 202.
        for request in &mut requests {
            assert_eq!(request.answer(), None);
        }
        log.audit();
        log.start_witnesses();
        log.start_server();
        let reader = log.reader();
        wait::until("what was committed is published", || {
            (reader.checkpoint().head().size.get() == 6).then_some(())
        });
    }
}

#[test]
fn it_stops_while_it_waits_for_its_witnesses() {
    let mut log = TestLog::create(LogOptions::default());
    for _ in 0..2 {
        log.start_server_unready();
        assert_eq!(log.stop_server(), Some(0));
    }
    log.start_witnesses();
    log.start_server();
    let treasury = log.register("GB-LAE-DEV", records::Algorithm::Es256, 1);
    // Committed, not published, and then only half of the witnesses at the next start.
    log.witnesses[0].kill();
    log.witnesses[1].kill();
    let path = "/v1/records?wait=committed";
    log.http().post(path, "application/json", treasury.payment_bytes(1)).expect_status(202);
    log.kill_server();
    log.start_server_unready();
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}
