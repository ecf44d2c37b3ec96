//! A flood of slow, huge and malformed requests: the memory of the server stays under the bound that
//! docs/operating/config.md states, and honest clients keep getting answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use e2e::{Http, LogOptions, RawConnection, TestLog, Treasury, wait};

/// What the bound is made of, in the words of docs/operating/config.md. The database and the rest are
/// measured before the flood, which adds nothing to them.
const MIB: u64 = 1 << 20;
const POOL_BYTES_MAX: u64 = 96 * MIB;
const ANSWER_BYTES_MAX: u64 = 16 * MIB;
const CONNECTIONS_MAX: u64 = 900;
const CONNECTION_BYTES: u64 = 64 * 1024;

#[test]
fn a_flood_of_bad_requests_stays_within_the_memory_that_is_stated_and_harms_nobody() {
    let limits = format!(
        "pool_bytes_max = {POOL_BYTES_MAX}\nanswer_bytes_max = {ANSWER_BYTES_MAX}\n\
         connections_max = {CONNECTIONS_MAX}\nbody_timeout_ms = 3000\n"
    );
    let (mut log, treasury) = TestLog::start_with(LogOptions { limits, ..LogOptions::default() });
    fill_a_bundle(&log, &treasury);
    let before = log.reader().checkpoint().head();
    let idle = peak_memory(log.server_id());

    let is_over = Arc::new(AtomicBool::new(false));
    let flood: Vec<JoinHandle<u64>> = (0..3)
        .map(|worker| {
            let (http, is_over) = (log.http().clone(), Arc::clone(&is_over));
            std::thread::spawn(move || garbage(&http, worker, &is_over))
        })
        .collect();
    let mut held = Vec::new();
    for number in 0..600 {
        let mut connection = RawConnection::to(log.http());
        match number % 4 {
            0 => connection.send(b"POST /v1/records HTTP/1.1\r\nhost: log\r\ncontent-ty"),
            1 => {
                connection.send_post_head("", NDJSON, 8_000_000);
                connection.send(&vec![b'['; 3_000_000])
            }
            2 => connection.send_post_head("", NDJSON, usize::MAX),
            // Asks again and again for what it does not read.
            _ => connection.send(&BUNDLE.repeat(40)),
        };
        held.push(connection);
        // One honest writer and one honest reader among them, all the time.
        if number % 20 == 0 {
            is_served(&log, &treasury, 1000 + number);
        }
    }
    is_over.store(true, Ordering::SeqCst);
    let sent: u64 = flood.into_iter().map(|it| it.join().expect("a worker")).sum();
    assert!(sent >= 5, "the flood was no flood: {sent} batches");

    let bound = idle + POOL_BYTES_MAX + 2 * ANSWER_BYTES_MAX + CONNECTIONS_MAX * CONNECTION_BYTES;
    // Together the slow bodies alone announce and send more than that.
    assert!(150 * 3_000_000 > bound, "the flood could not have broken the bound: {bound}");
    let peak = peak_memory(log.server_id());
    println!("overload: {} MiB of {} MiB, {sent} batches", peak / MIB, bound / MIB);
    assert!(peak <= bound, "{} MiB, over the {} MiB stated", peak / MIB, bound / MIB);

    drop(held);
    let after = log.reader().checkpoint().head();
    log.reader().extends(&before, &after);
    log.admin().get("/readyz").expect_status(200);
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}

/// A full bundle of entries, so that there is a large answer to ask for.
fn fill_a_bundle(log: &TestLog, treasury: &Treasury) {
    let lines: Vec<Vec<u8>> = (0..300).map(|it| treasury.payment_bytes(it)).collect();
    log.http().post("/v1/records", NDJSON, lines.join(&b'\n')).expect_status(200);
    let bundle = log.http().get("/tile/entries/000").expect_status(200).body;
    assert!(bundle.len() > 100_000, "{} bytes", bundle.len());
}

/// Whole batches of 10,000 lines that are no submissions, and single bodies of deep JSON.
fn garbage(http: &Http, worker: usize, is_over: &AtomicBool) -> u64 {
    let deep = vec![b'['; 60_000];
    let line = ["{\"record\":{\"a\":[[[[[[[[[[[[[[[[[[[[[", "[1,2,3,4,5,6,7]", "{}"][worker % 3];
    let lines = format!("{line}\n").repeat(10_000);
    let mut sent = 0;
    while !is_over.load(Ordering::SeqCst) {
        for (media_type, body) in [(NDJSON, lines.as_bytes()), (JSON, &deep)] {
            let answer = http.post("/v1/records", media_type, body.to_vec());
            let status = answer.status;
            assert!(matches!(status, 200 | 400..=499 | 503), "{status}: {}", answer.text());
            sent += 1;
        }
    }
    sent
}

/// An honest client that comes back when it is told to.
fn is_served(log: &TestLog, treasury: &Treasury, number: u64) {
    for path in ["/checkpoint", "/tile/0/000", "/v1/proofs/7"] {
        wait::until("a reader is served", || (log.http().get(path).status == 200).then_some(()));
    }
    let path = "/v1/records?wait=committed";
    wait::until("a writer is served", || {
        let answer = log.http().post(path, JSON, treasury.payment_bytes(number));
        assert!(matches!(answer.status, 202 | 503), "{}: {}", answer.status, answer.text());
        (answer.status == 202).then_some(())
    });
}

/// The most memory that a process ever held, in bytes.
fn peak_memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a running process");
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).expect("its peak");
    let kib = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of KiB");
    kib * 1024
}

const BUNDLE: &[u8] = b"GET /tile/entries/000 HTTP/1.1\r\nhost: log\r\n\r\n";
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
