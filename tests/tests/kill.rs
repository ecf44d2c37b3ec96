//! SIGKILL of the server at any moment, under load: no answered record is lost, no answer is ever
//! contradicted, every head that was published is a prefix of every later one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use e2e::history::History;
use e2e::random::Random;
use e2e::{Http, Reader, TestLog, Treasury, wait};
use serde_json::Value as Json;
use tlog_client::{BatchLine, LineStatus};

#[test]
fn fifty_kills_lose_no_answered_record_and_contradict_no_answer() {
    kill_again_and_again(50);
}

#[test]
#[ignore = "long: five hundred kills take about ten minutes"]
fn five_hundred_kills_lose_no_answered_record_and_contradict_no_answer() {
    kill_again_and_again(500);
}

#[expect(clippy::print_stdout, reason = "what the run was worth")]
fn kill_again_and_again(kills: usize) {
    let mut random = Random::announced("kill");
    let (mut log, treasury) = TestLog::start();
    let treasury = Arc::new(treasury);
    let history = Arc::new(Mutex::new(History::default()));
    for life in 0..kills {
        let workers = start_workers(&log, &treasury, &history, &mut random);
        // Sometimes before anything is answered, sometimes after many rounds.
        wait::pause_ms(random.below(LIFE_MS_MAX));
        log.kill_server();
        for worker in workers {
            if let Err(panic) = worker.join() {
                println!("kill: the fault showed in life {life}");
                std::panic::resume_unwind(panic);
            }
        }
        if random.below(5) == 0 {
            // A witness may go the same way at the same time.
            let witness = usize::try_from(random.below(4)).expect("one of four");
            log.witnesses[witness].kill();
            log.witnesses[witness].start();
        }
        if random.below(10) == 0 {
            // The auditor comes when nobody expects him.
            log.audit();
        }
        if random.below(5) == 0 {
            // Once more, while it starts.
            log.start_server_unready();
            wait::pause_ms(random.below(START_MS_MAX));
            log.kill_server();
        }
        log.start_server();
    }

    let mut history = locked(&history);
    println!(
        "kill: {kills} kills, {} answers, {} heads, {} records without an answer",
        history.answers(),
        history.heads(),
        history.unanswered().len()
    );
    assert!(history.answers() > kills, "the load was no load");
    // Whoever got no answer sends the same bytes again; whoever got one is told the same.
    let again = history.submissions();
    for chunk in again.chunks(500) {
        let (objects, lines): (Vec<_>, Vec<_>) = chunk.iter().cloned().unzip();
        let body = lines.join(&b'\n');
        let answer = log.http().post("/v1/records", NDJSON, body).expect_status(200);
        for (object, line) in objects.iter().zip(answer.parse_lines::<BatchLine>()) {
            assert_eq!(line.status, LineStatus::Published, "{object}: {line:?}");
            history.answered(object, line.index.expect("an index"), &line.leaf_hash.expect("hash"));
        }
    }
    history.holds_in(&log.reader());
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}

/// A mixed load on one life of the server; each worker ends when the server does.
fn start_workers(
    log: &TestLog,
    treasury: &Arc<Treasury>,
    history: &Arc<Mutex<History>>,
    random: &mut Random,
) -> Vec<JoinHandle<()>> {
    (0..WORKERS)
        .map(|kind| {
            let worker = Worker {
                http: Http::new(log.http().base()),
                reader: log.reader(),
                treasury: Arc::clone(treasury),
                history: Arc::clone(history),
                random: random.fork(),
            };
            std::thread::spawn(move || worker.work(kind))
        })
        .collect()
}

struct Worker {
    http: Http,
    reader: Reader,
    treasury: Arc<Treasury>,
    history: Arc<Mutex<History>>,
    random: Random,
}

impl Worker {
    fn work(mut self, kind: usize) {
        let mut goes_on = true;
        while goes_on {
            goes_on = match kind {
                0 => self.one("?wait=committed"),
                1 => self.one(""),
                2 => self.batch(),
                _ => self.read(),
            }
            .is_some();
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
        let answer = self.http.try_post(&path, "application/json", submission).ok()?;
        if answer.status == 503 {
            return Some(());
        }
        assert!(matches!(answer.status, 200 | 202), "{} {}", answer.status, answer.text());
        let said = answer.json();
        self.answered(&object, &said);
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
        if answer.status == 503 {
            return Some(());
        }
        let answers: Vec<Json> = answer.expect_status(200).parse_lines();
        assert_eq!(answers.len(), objects.len());
        for (object, said) in objects.iter().zip(&answers) {
            assert_ne!(said["status"], "refused", "{said}");
            if said["status"] != "not_judged" {
                self.answered(object, said);
            }
        }
        Some(())
    }

    fn read(&mut self) -> Option<()> {
        let answer = self.http.try_get("/checkpoint").ok()?;
        let head = self.reader.cosigned(&answer.expect_status(200).body).head();
        locked(&self.history).published(head);
        let index = self.random.below(head.size.get());
        let proof = self.http.try_get(&format!("/v1/proofs/{index}")).ok()?;
        let verified = self.reader.verified(&proof.expect_status(200).body);
        locked(&self.history).published(verified.checkpoint().head());
        Some(())
    }

    fn answered(&self, object: &str, said: &Json) {
        let index = said["index"].as_u64().expect("an index");
        let leaf_hash = said["leaf_hash"].as_str().expect("a leaf hash");
        locked(&self.history).answered(object, index, leaf_hash);
    }
}

/// A worker that failed has said so; the others need not fail for that.
fn locked(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

const NDJSON: &str = "application/x-ndjson";
const WORKERS: usize = 4;
const LIFE_MS_MAX: u64 = 500;
const START_MS_MAX: u64 = 50;
