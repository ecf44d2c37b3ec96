use std::collections::BTreeMap;
use std::net::SocketAddr;

use prometheus::Registry;
use service::{HttpLimits, ManualClock, Shutdown};
use tempfile::TempDir;
use testlog::ForgedLog;
use tlog::{Note, UnixSeconds, WitnessAnswer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::decide::Logs;
use crate::metrics::Metrics;
use crate::state::{self, StateFolder, durable_write};
use crate::test_log::{cases, logs, own_key, signers, small_log};

const NOW_MILLIS: u64 = 1_700_000_000_000;

struct Running {
    address: SocketAddr,
    witness: Arc<Witness>,
    shutdown: Shutdown,
    task: JoinHandle<()>,
    _folder: TempDir,
}

impl Running {
    async fn start(logs: Logs) -> Self {
        let folder = tempfile::tempdir().unwrap();
        state::create(folder.path()).unwrap();
        let (key, write) = (signers().verifier_keys(), durable_write());
        let (state, cosigned) = StateFolder::open(folder.path(), key, &logs, write).unwrap();
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let witness = Arc::new(Witness::new(signers(), logs, state, cosigned, metrics));
        let clock = Arc::new(ManualClock::at_unix_millis(NOW_MILLIS));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let calls = router(Arc::clone(&witness), clock);
        let task =
            tokio::spawn(service::serve(listener, calls, HttpLimits::default(), shutdown.clone()));
        Self { address, witness, shutdown, task, _folder: folder }
    }

    async fn client(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.task.await.unwrap();
    }
}

/// One connection, kept alive.
struct Client(TcpStream);

#[derive(Debug)]
struct Answer {
    status: u16,
    content_type: String,
    body: String,
}

impl Client {
    async fn add_checkpoint(&mut self, body: &[u8]) -> Answer {
        let head = format!(
            "POST /add-checkpoint HTTP/1.1\r\nHost: witness\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat()).await
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: witness\r\n\r\n").as_bytes()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Answer {
        self.0.write_all(bytes).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let field = |name: &str| {
            head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
        };
        let mut body = vec![0; field("content-length: ").parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            content_type: field("content-type: "),
            body: String::from_utf8(body).unwrap(),
        }
    }
}

#[tokio::test]
async fn the_whole_status_table_over_one_kept_alive_connection() {
    // One log for each row, so that the rows cannot disturb one another.
    let rows = cases(&small_log("log.example/0", 9)).len();
    let tests: Vec<ForgedLog> =
        (0..rows).map(|row| small_log(&format!("log.example/{row}"), 9)).collect();
    let running = Running::start(tests.iter().flat_map(logs).collect()).await;
    let mut client = running.client().await;
    for (row, log) in tests.iter().enumerate() {
        let case = cases(log).swap_remove(row);
        if let Some(size) = case.before {
            assert_eq!(client.add_checkpoint(&log.request(0, size)).await.status, 200);
        }
        let answer = client.add_checkpoint(&case.body).await;
        assert_eq!(answer.status, case.status, "{}: {answer:?}", case.name);
        assert!(answer.body.ends_with('\n'), "{}: {answer:?}", case.name);
        match case.status {
            200 => assert_cosigned(log, case.after.unwrap(), &answer),
            409 => {
                assert_eq!(answer.content_type, "text/x.tlog.size", "{}", case.name);
                assert_eq!(answer.body, format!("{}\n", case.before.unwrap_or(0)), "{}", case.name);
            }
            _ => assert_eq!(answer.content_type, "text/plain; charset=utf-8", "{}", case.name),
        }
        let shown = client.get(&format!("/{}/checkpoint", log.origin().sha256_hex())).await;
        match case.after {
            Some(size) => assert_shown(log, size, &shown),
            None => assert_eq!(shown.status, 404, "{}", case.name),
        }
    }
    let refused = running.witness.metrics().answered_count(Outcome::Inconsistent);
    assert_eq!(refused, cases(&tests[0]).iter().filter(|case| case.status == 422).count() as u64);
    running.stop().await;
}

fn assert_cosigned(log: &ForgedLog, size: u64, answer: &Answer) {
    let parsed =
        WitnessAnswer::parse(answer.status, Some(&answer.content_type), answer.body.as_bytes());
    let WitnessAnswer::Cosigned(lines) = parsed else { panic!("{parsed:?}") };
    let note = Note::new(log.text(log.head(size)), lines).unwrap();
    let at = own_key().verify_note(&note).unwrap().unwrap();
    assert_eq!(at, tlog::SignedAt::Seconds(UnixSeconds::new(NOW_MILLIS / 1_000)));
}

fn assert_shown(log: &ForgedLog, size: u64, shown: &Answer) {
    assert_eq!((shown.status, shown.content_type.as_str()), (200, "text/plain; charset=utf-8"));
    let note = Note::parse(shown.body.as_bytes()).unwrap();
    assert_eq!(note.text(), log.text(log.head(size)));
    for key in [log.vkey(), own_key()] {
        assert!(key.verify_note(&note).unwrap().is_some(), "{key}");
    }
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused_before_it_is_read() {
    let log = small_log("log.example/a", 3);
    let running = Running::start(logs(&log)).await;
    // The head alone; a byte of body is never sent.
    let head = "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 131073\r\n\r\n";
    let answer = running.client().await.send(head.as_bytes()).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    // At the cap it is read, and then found to be no request.
    let answer = running.client().await.add_checkpoint(&vec![b'a'; 131_072]).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_body_that_ends_early_changes_nothing() {
    let log = small_log("log.example/a", 3);
    let running = Running::start(logs(&log)).await;
    let request = log.request(0, 3);
    let head = format!(
        "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: {}\r\n\r\n",
        request.len() + 1
    );
    let mut client = running.client().await;
    client.0.write_all(&[head.as_bytes(), &request].concat()).await.unwrap();
    client.0.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = client.0.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    assert_eq!(running.witness.latest_checkpoint(&log.origin().sha256_hex()), None);
    running.stop().await;
}

#[tokio::test]
async fn racing_requests_over_http_have_one_winner() {
    let log = small_log("log.example/a", 12);
    let running = Running::start(logs(&log)).await;
    let mut racers = Vec::new();
    for size in 5..=12 {
        let (mut client, request) = (running.client().await, log.request(0, size));
        racers.push(tokio::spawn(async move { client.add_checkpoint(&request).await.status }));
    }
    let mut statuses = BTreeMap::new();
    for racer in racers {
        *statuses.entry(racer.await.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(200, 1), (409, 7)]));
    running.stop().await;
}

#[tokio::test]
async fn other_calls_do_not_exist() {
    let running = Running::start(Logs::new()).await;
    let mut client = running.client().await;
    let unknown = format!("/{}/checkpoint", "0".repeat(64));
    for (path, status) in [("/", 404), ("/metrics", 404), ("/add-checkpoint", 405), (&unknown, 404)]
    {
        assert_eq!(client.get(path).await.status, status, "{path}");
    }
    running.stop().await;
}
