//! Rules that need more than one request, or less than a whole one.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use super::{LEAVES, Subject, shown};
use testlog::ForgedLog;

use crate::http::RawConnection;
use crate::wait;

/// A rule that the table cannot show.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) section: &'static str,
    /// The name of its log.
    pub(super) log: &'static str,
    pub(super) run: fn(&Subject, &ForgedLog) -> Result<(), String>,
}

/// All of them.
pub(super) const SCENES: &[Scene] = &[
    Scene {
        name: "a connection serves several requests, also after a refusal",
        section: "tlog-witness, HTTP keep-alive",
        log: "keep-alive",
        run: keeps_alive,
    },
    Scene {
        name: "of racing requests from one size, one wins",
        section: "tlog-witness, add-checkpoint (check and update are one step)",
        log: "race",
        run: one_wins,
    },
    Scene {
        name: "a refresh carries a time that is later or the same, never earlier",
        section: "tlog-cosignature, cosignature/v1",
        log: "refresh",
        run: refreshes,
    },
    Scene {
        name: "a body far over any cap is refused before it is read",
        section: "tlog-witness, request size",
        log: "cap",
        run: refuses_unread,
    },
    Scene {
        name: "a body that ends early changes nothing",
        section: "tlog-witness, add-checkpoint request body",
        log: "cut",
        run: cut_short,
    },
    Scene {
        name: "two histories of one size are never both cosigned",
        section: "tlog-witness, add-checkpoint (check and update are one step)",
        log: "fork-race",
        run: one_history_wins,
    },
];

fn keeps_alive(subject: &Subject, log: &ForgedLog) -> Result<(), String> {
    let mut connection = RawConnection::to(&subject.submission);
    for (body, expected) in [
        (log.request(0, 3), 200),
        (b"hello".to_vec(), 400),
        (log.request(0, 5), 409),
        (log.request(3, 5), 200),
    ] {
        connection.send(&[head(body.len()).as_bytes(), &body].concat());
        match connection.answer() {
            Some((status, _)) if status == expected => {}
            other => return Err(format!("expected {expected} on one connection, got {other:?}")),
        }
    }
    subject.remembers(log, 5)
}

fn one_wins(subject: &Subject, log: &ForgedLog) -> Result<(), String> {
    let requests: Vec<Vec<u8>> = [3, 4, 5, 8, 9].map(|size| log.request(0, size)).into();
    race(subject, &requests)
}

fn one_history_wins(subject: &Subject, log: &ForgedLog) -> Result<(), String> {
    let fork = log.with_other_leaves(LEAVES, 2);
    let requests: Vec<Vec<u8>> = (0..6)
        .map(|racer| if racer % 2 == 0 { log.request(0, 5) } else { fork.request(0, 5) })
        .collect();
    race(subject, &requests)
}

fn race(subject: &Subject, requests: &[Vec<u8>]) -> Result<(), String> {
    let start = Barrier::new(requests.len());
    let answers: Vec<_> = thread::scope(|scope| {
        let racers: Vec<_> = requests
            .iter()
            .map(|request| {
                scope.spawn(|| {
                    start.wait();
                    subject.ask(request)
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().expect("a racer")).collect()
    });
    let mut statuses = BTreeMap::new();
    for answer in answers {
        *statuses.entry(answer?.status).or_insert(0_usize) += 1;
    }
    let expected = BTreeMap::from([(200, 1), (409, requests.len() - 1)]);
    if statuses == expected {
        Ok(())
    } else {
        Err(format!("expected one winner, got {statuses:?}"))
    }
}

fn refreshes(subject: &Subject, log: &ForgedLog) -> Result<(), String> {
    let mut times = vec![subject.cosigns(log, 5, &log.request(0, 5))?];
    for _ in 0..3 {
        times.push(subject.cosigns(log, 5, &log.request(5, 5))?);
    }
    if times.is_sorted() { Ok(()) } else { Err(format!("times go back: {times:?}")) }
}

fn refuses_unread(subject: &Subject, log: &ForgedLog) -> Result<(), String> {
    let mut connection = RawConnection::to(&subject.submission);
    // The head alone; of the body not a byte is sent.
    connection.send(head(100_000_000).as_bytes());
    let answer = connection.answer();
    if !matches!(answer, Some((400..=499, _))) {
        return Err(format!("expected a refusal without the body, got {answer:?}"));
    }
    subject.remembers(log, 0)
}

fn cut_short(subject: &Subject, log: &ForgedLog) -> Result<(), String> {
    let mut connection = RawConnection::to(&subject.submission);
    let body = log.request(0, 5);
    connection.send(&[head(body.len() + 1).as_bytes(), &body].concat());
    connection.finish_sending();
    if let Some((200, body)) = connection.answer() {
        return Err(format!("cosigned what did not arrive whole: {body}"));
    }
    subject.remembers(log, 0)?;
    // The same, whole: it was not the request that was wrong.
    let answer = wait::within(wait::DEADLINE_MS, || subject.ask(&log.request(0, 5)).ok());
    let answer = answer.ok_or("no answer")?;
    if answer.status == 200 { Ok(()) } else { Err(shown(&answer)) }
}

fn head(length: usize) -> String {
    format!(
        "POST /add-checkpoint HTTP/1.1\r\nhost: witness\r\ncontent-type: text/plain\r\n\
         content-length: {length}\r\n\r\n"
    )
}
