//! A witness that lies stops the log until its operator sets it aside: with a reason that everybody
//! can read, as long as the others satisfy the policy, and never against our own signature.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use e2e::{TestLog, Treasury, wait};

/// A witness that claims to have seen a tree of 999 entries, and shows nothing.
struct Liar {
    address: String,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    /// Takes the place of a witness that was killed.
    fn in_place_of(url: &str) -> Self {
        let address = url.trim_start_matches("http://").to_owned();
        let listener = wait::until("the address is free", || TcpListener::bind(&address).ok());
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            while let (Ok((stream, _)), false) = (listener.accept(), over.load(Ordering::SeqCst)) {
                lie(stream);
            }
        });
        Self { address, is_over, thread: Some(thread) }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes it from waiting for the next connection.
        drop(TcpStream::connect(&self.address));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn lie(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    // The request of a log ends with its note, whose last line is a signature.
    while !(request.starts_with(b"GET") || request.ends_with(b"\n") && request.len() > 200) {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
    let answer = if request.starts_with(b"GET") {
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    } else {
        "HTTP/1.1 409 Conflict\r\ncontent-type: text/x.tlog.size\r\ncontent-length: 4\r\n\
         connection: close\r\n\r\n999\n"
    };
    let _ = stream.write_all(answer.as_bytes());
}

/// Starts the log and waits until it is read-only; returns why.
fn read_only(log: &mut TestLog) -> String {
    log.start_server_unready();
    wait::until("the log is read-only", || {
        let words = log.admin().get("/readyz").text();
        words.contains("read-only").then_some(words)
    })
}

fn start_with(log: &mut TestLog, arguments: &[&str]) {
    log.try_start_server_with(arguments).unwrap_or_else(|words| panic!("it refuses: {words}"));
    wait::until("the log takes records", || {
        (log.admin().get("/readyz").status == 200).then_some(())
    });
}

fn publish(log: &TestLog, treasury: &Treasury, number: u64) {
    let body = treasury.payment_bytes(number);
    log.http().post("/v1/records", "application/json", body).expect_status(200);
}

#[test]
fn a_witness_that_lies_is_set_aside_with_a_reason_and_heard_again_when_it_is_told() {
    let (mut log, treasury) = TestLog::start();
    publish(&log, &treasury, 1);
    let before = log.reader().checkpoint().head();
    assert_eq!(log.stop_server(), Some(0));
    log.witnesses[1].kill();
    let liar = Liar::in_place_of(&log.witnesses[1].url());

    let words = read_only(&mut log);
    assert!(words.contains("w2") && words.contains("999"), "{words}");
    assert_eq!(log.stop_server(), Some(0));

    start_with(&mut log, &["--set-aside-witness", "w2", "--because", "its operator runs two logs"]);
    publish(&log, &treasury, 2);
    assert_eq!(log.stop_server(), Some(0));
    // It is remembered: the next start needs no word of it, and says that it is so.
    start_with(&mut log, &[]);
    publish(&log, &treasury, 3);
    log.reader().extends(&before, &log.reader().checkpoint().head());
    let witnesses = log.http().get("/v1/witnesses").expect_status(200).json();
    let list = witnesses.as_array().expect("a list");
    let aside: Vec<_> = list.iter().filter(|it| it.get("set_aside").is_some()).collect();
    assert_eq!(aside.len(), 1, "{witnesses}");
    assert_eq!(aside[0]["name"], "w2");
    assert_eq!(aside[0]["set_aside"]["because"], "its operator runs two logs");
    assert!(aside[0]["set_aside"]["at"].as_str().is_some_and(|it| it.ends_with('Z')));
    assert!(log.server_log().contains("its operator runs two logs"));
    assert_eq!(log.stop_server(), Some(0));

    // A second one would leave two of four, and three must sign.
    let refused = log
        .try_start_server_with(&["--set-aside-witness", "w3", "--because", "why not"])
        .expect_err("too few would be left");
    assert!(refused.contains("w3") && refused.contains("left"), "{refused}");

    drop(liar);
    log.witnesses[1].start();
    start_with(&mut log, &["--hear-witness-again", "w2"]);
    log.witnesses[0].kill();
    publish(&log, &treasury, 4);
    let cosigners = log.reader().checkpoint();
    assert!(cosigners.cosigners().iter().any(|it| it.name == "w2"), "it is asked again");
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}

#[test]
fn a_decision_needs_a_witness_of_the_policy_and_a_reason() {
    let (mut log, _) = TestLog::start();
    assert_eq!(log.stop_server(), Some(0));
    let mut refused = |arguments: &[&str], word: &str| {
        let words = log.try_start_server_with(arguments).expect_err("it may not start");
        assert!(words.contains(word), "{arguments:?}: {words}");
    };
    refused(&["--set-aside-witness", "w9", "--because", "it lies"], "no witness w9");
    refused(&["--set-aside-witness", "w1"], "--because");
    refused(&["--because", "it lies"], "--set-aside-witness");
    refused(&["--set-aside-witness", "w1", "--because", " "], "--because");
    refused(&["--set-aside-witness", "w1", "--because", "two\nlines"], "--because");
    refused(&["--hear-witness-again", "w1"], "was not set aside");
    // None of these left a trace.
    log.start_server();
    let witnesses = log.http().get("/v1/witnesses").json();
    assert!(!witnesses.to_string().contains("set_aside"), "{witnesses}");
}

#[test]
fn what_our_own_key_signed_cannot_be_set_aside() {
    let (mut log, treasury) = TestLog::start();
    publish(&log, &treasury, 1);
    assert_eq!(log.stop_server(), Some(0));
    let copy = log.copy_data("copy");
    log.start_server();
    publish(&log, &treasury, 2);
    assert_eq!(log.stop_server(), Some(0));
    let newest = log.copy_data("newest");
    log.put_data_back(&copy);
    // One witness alone is enough to know better; it shows what our key signed.
    for witness in &mut log.witnesses[1..] {
        witness.kill();
    }
    read_only(&mut log);
    let evidence = log.data_path().join("evidence");
    wait::until("what it shows is kept", || std::fs::read_dir(&evidence).ok()?.next().map(|_| ()));
    assert_eq!(log.stop_server(), Some(0));
    let refused = log
        .try_start_server_with(&["--set-aside-witness", "w1", "--because", "it lies"])
        .expect_err("it may not start");
    assert!(refused.contains("evidence") && refused.contains("signed by this log"), "{refused}");

    // Data that explains the head makes it no contradiction: the file may stay where it is.
    let kept = log.copy_data("with-evidence");
    log.put_data_back(&newest);
    e2e::log::copy_folder(&kept.join("evidence"), &evidence);
    for witness in &mut log.witnesses[1..] {
        witness.start();
    }
    start_with(&mut log, &["--set-aside-witness", "w1", "--because", "its disk is broken"]);
    publish(&log, &treasury, 3);
}
