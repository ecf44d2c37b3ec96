//! A mixed load: single records, batches, old records again, and readers, all at once, until the
//! server is gone. Every answer goes into a [`History`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value as Json;
use tlog_client::{BatchLine, LineStatus};

use crate::history::History;
use crate::http::{Answer, Http};
use crate::log::TestLog;
use crate::random::Random;
use crate::reader::Reader;
use crate::submitter::Treasury;

/// What is sent, and what was answered, over all lives of one log.
#[derive(Debug)]
pub struct Load {
    treasury: Arc<Treasury>,
    history: Arc<Mutex<History>>,
}

/// What a server may answer that is not about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// The machine is whole: 503 at most.
    Whole,
    /// The machine fails on purpose: any 5xx says that something inside failed. It never excuses
    /// a wrong answer.
    Failing,
}

impl Load {
    /// A load of this treasury's payments.
    pub fn new(treasury: Treasury) -> Self {
        Self { treasury: Arc::new(treasury), history: Arc::default() }
    }

    /// Starts one worker of each kind on this life of the server.
    pub fn start(&self, log: &TestLog, machine: Machine, random: &mut Random) -> Workers {
        let is_over = Arc::new(AtomicBool::new(false));
        let threads = (0..WORKERS)
            .map(|kind| {
                let worker = Worker {
                    http: Http::new(log.http().base()),
                    reader: log.reader(),
                    treasury: Arc::clone(&self.treasury),
                    history: Arc::clone(&self.history),
                    is_over: Arc::clone(&is_over),
                    random: random.fork(),
                    machine,
                };
                std::thread::spawn(move || worker.work(kind))
            })
            .collect();
        Workers { is_over, threads }
    }

    /// The treasury that pays.
    pub fn treasury(&self) -> &Treasury {
        &self.treasury
    }

    /// What was sent and answered so far.
    pub fn history(&self) -> MutexGuard<'_, History> {
        locked(&self.history)
    }

    /// Posts one record and waits until it is published: the log takes records.
    ///
    /// # Panics
    /// When it does not.
    pub fn publish_one(&self, log: &TestLog, number: u64) {
        let (record, disclosure) = self.treasury.sealed_payment(number);
        let submission = self.treasury.sign(&record, &[disclosure]);
        self.history().sent(record.object(), record.bytes(), &submission);
        let answer = log.http().post("/v1/records", JSON, submission).expect_status(200).json();
        assert_eq!(answer["status"], "published", "{answer}");
        answered(&self.history, record.object(), &answer);
    }

    /// Sends everything once more: whoever got an answer is told the same, whoever got none is
    /// told one now. Then the published tree must hold all of it.
    ///
    /// # Panics
    /// When it does not.
    pub fn settle(&self, log: &TestLog) {
        let mut history = self.history();
        let again = history.submissions();
        for chunk in again.chunks(500) {
            let (objects, lines): (Vec<_>, Vec<_>) = chunk.iter().cloned().unzip();
            let body = lines.join(&b'\n');
            let answer = log.http().post("/v1/records", NDJSON, body).expect_status(200);
            for (object, line) in objects.iter().zip(answer.parse_lines::<BatchLine>()) {
                assert_eq!(line.status, LineStatus::Published, "{object}: {line:?}");
                let index = line.index.expect("an index");
                history.answered(object, index, &line.leaf_hash.expect("a leaf hash"));
            }
        }
        history.holds_in(&log.reader());
    }
}

/// The workers of one life of a server.
#[derive(Debug)]
pub struct Workers {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Waits for the workers, whose server is gone or whose time is over.
    ///
    /// # Panics
    /// When one of them saw what may not be.
    pub fn join(self, what: &str) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            if let Err(panic) = thread.join() {
                report(what);
                std::panic::resume_unwind(panic);
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "part of a failed test's message")]
fn report(what: &str) {
    println!("the fault showed in {what}");
}

struct Worker {
    http: Http,
    reader: Reader,
    treasury: Arc<Treasury>,
    history: Arc<Mutex<History>>,
    is_over: Arc<AtomicBool>,
    random: Random,
    machine: Machine,
}

impl Worker {
    fn work(mut self, kind: usize) {
        while !self.is_over.load(Ordering::Relaxed) {
            let answered = match kind {
                0 => self.one("?wait=committed"),
                1 => self.one(""),
                2 => self.batch(),
                _ => self.read(),
            };
            match (answered, self.machine) {
                (Some(()), _) => {}
                (None, Machine::Whole) => return,
                // The server may still be there, and only this connection broke.
                (None, Machine::Failing) => crate::wait::pause_ms(RETRY_MS),
            }
        }
    }

    /// A record that nobody sent before, or, now and then, one that somebody did.
    fn record(&mut self) -> (String, Vec<u8>) {
        let is_old = self.random.below(5) == 0;
        let number = if is_old { self.random.below(400) } else { self.random.number() >> 16 };
        let (record, disclosure) = self.treasury.sealed_payment(number);
        let submission = self.treasury.sign(&record, &[disclosure]);
        locked(&self.history).sent(record.object(), record.bytes(), &submission);
        (record.object().to_owned(), submission)
    }

    fn one(&mut self, query: &str) -> Option<()> {
        let (object, submission) = self.record();
        let path = format!("/v1/records{query}");
        let answer = self.http.try_post(&path, JSON, submission).ok()?;
        if self.is_no_answer(&answer) {
            return Some(());
        }
        assert!(matches!(answer.status, 200 | 202), "{} {}", answer.status, answer.text());
        let said = answer.json();
        answered(&self.history, &object, &said);
        if said["status"] == "published" {
            let proof = said["proof"].as_str().expect("a published answer has a proof");
            let verified = self.reader.verified(proof.as_bytes());
            assert_eq!(Some(verified.index().get()), said["index"].as_u64());
            locked(&self.history).published(verified.checkpoint().head());
        }
        Some(())
    }

    fn batch(&mut self) -> Option<()> {
        let count = 1 + self.random.below(60);
        let (objects, lines): (Vec<_>, Vec<_>) = (0..count).map(|_| self.record()).unzip();
        let query = if self.random.below(2) == 0 { "?wait=committed" } else { "" };
        let path = format!("/v1/records{query}");
        let answer = self.http.try_post(&path, NDJSON, lines.join(&b'\n')).ok()?;
        if self.is_no_answer(&answer) {
            return Some(());
        }
        let answers: Vec<Json> = answer.expect_status(200).parse_lines();
        assert_eq!(answers.len(), objects.len());
        for (object, said) in objects.iter().zip(&answers) {
            assert_ne!(said["status"], "refused", "{said}");
            if said["status"] != "not_judged" {
                answered(&self.history, object, said);
            }
        }
        Some(())
    }

    fn read(&mut self) -> Option<()> {
        let answer = self.http.try_get("/checkpoint").ok()?;
        if self.is_no_answer(&answer) {
            return Some(());
        }
        let head = self.reader.cosigned(&answer.expect_status(200).body).head();
        locked(&self.history).published(head);
        let index = self.random.below(head.size.get());
        let proof = self.http.try_get(&format!("/v1/proofs/{index}")).ok()?;
        if self.is_no_answer(&proof) {
            return Some(());
        }
        let verified = self.reader.verified(&proof.expect_status(200).body);
        locked(&self.history).published(verified.checkpoint().head());
        Some(())
    }

    fn is_no_answer(&self, answer: &Answer) -> bool {
        // A read from the connection that fails is a body that ended early.
        let is_cut = answer.status == 400 && answer.text().contains("nothing of it was taken in");
        answer.status == 503 || self.machine == Machine::Failing && (answer.status >= 500 || is_cut)
    }
}

fn answered(history: &Mutex<History>, object: &str, said: &Json) {
    let index = said["index"].as_u64().expect("an index");
    let leaf_hash = said["leaf_hash"].as_str().expect("a leaf hash");
    locked(history).answered(object, index, leaf_hash);
}

/// A worker that failed has said so; the others need not fail for that.
fn locked(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const WORKERS: usize = 4;
const RETRY_MS: u64 = 5;
