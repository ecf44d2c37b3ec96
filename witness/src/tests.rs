use std::path::Path;

use tempfile::TempDir;
use tlog::{KeyName, VerifierKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::config::Listen;
use crate::decide::Logs;
use crate::test_log::{logs, small_log};

struct Running {
    listening: Listening,
    shutdown: Shutdown,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    async fn start(config: Config) -> Self {
        let (told, listening) = oneshot::channel();
        let shutdown = Shutdown::new();
        let announce = move |listening: &Listening| {
            told.send(listening.clone()).map_err(|_| std::io::Error::other("nobody listens"))
        };
        let task = tokio::spawn(run(config, Deps::system(), announce, shutdown.clone()));
        Self { listening: listening.await.unwrap(), shutdown, task }
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.task.await.unwrap().unwrap();
    }
}

fn name() -> KeyName {
    "witness.example/w1".parse().unwrap()
}

fn new_witness() -> (TempDir, VerifierKey) {
    let folder = tempfile::tempdir().unwrap();
    let signers = identity::Signers::new(name(), [5; 32], None).unwrap();
    let vkey = identity::init(folder.path(), &signers).unwrap().remove(0);
    (folder, vkey)
}

fn config(dir: &Path, logs: Logs) -> Config {
    let any = "127.0.0.1:0".parse().unwrap();
    Config {
        name: name(),
        dir: dir.to_owned(),
        listen: Listen { public: any, admin: Some(any) },
        logs,
        http: service::HttpLimits::default(),
    }
}

async fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ask(address, request.as_bytes()).await
}

async fn add_checkpoint(address: SocketAddr, body: &[u8]) -> String {
    let head = format!(
        "POST /add-checkpoint HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    ask(address, &[head.as_bytes(), body].concat()).await
}

#[tokio::test]
async fn runs_stops_and_remembers() {
    let (folder, vkey) = new_witness();
    let log = small_log("log.example/a", 9);
    let running = Running::start(config(folder.path(), logs(&log))).await;
    assert_eq!(running.listening.vkey, vkey.to_string());
    let answer = add_checkpoint(running.listening.listening, &log.request(0, 5)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let metrics = get(running.listening.admin.unwrap(), "/metrics").await;
    for line in [
        "civiclog_witness_add_checkpoint_requests_total{outcome=\"cosigned\"} 1",
        "civiclog_witness_add_checkpoint_requests_total{outcome=\"conflict\"} 0",
        "civiclog_witness_cosigned_size_leaves{origin=\"log.example/a\"} 5",
    ] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    assert!(get(running.listening.admin.unwrap(), "/readyz").await.starts_with("HTTP/1.1 200"));
    running.stop().await;

    let running = Running::start(config(folder.path(), logs(&log))).await;
    let metrics = get(running.listening.admin.unwrap(), "/metrics").await;
    assert!(metrics.contains("cosigned_size_leaves{origin=\"log.example/a\"} 5"), "{metrics}");
    let answer = add_checkpoint(running.listening.listening, &log.request(0, 9)).await;
    assert!(answer.starts_with("HTTP/1.1 409 Conflict\r\n") && answer.ends_with("\r\n\r\n5\n"));
    let answer = add_checkpoint(running.listening.listening, &log.request(5, 9)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    running.stop().await;
}

async fn refusal(config: Config) -> String {
    let refused = run(config, Deps::system(), |_| panic!("it listens"), Shutdown::new()).await;
    format!("{:#}", refused.unwrap_err())
}

#[tokio::test]
async fn a_second_process_another_name_and_a_damaged_state_are_refused() {
    let (folder, _) = new_witness();
    let log = small_log("log.example/a", 9);
    let running = Running::start(config(folder.path(), logs(&log))).await;
    add_checkpoint(running.listening.listening, &log.request(0, 5)).await;
    let words = refusal(config(folder.path(), logs(&log))).await;
    assert!(words.contains("in use by another process"), "{words}");
    running.stop().await;

    let renamed =
        Config { name: "witness.example/w2".parse().unwrap(), ..config(folder.path(), logs(&log)) };
    let words = refusal(renamed).await;
    assert!(words.contains("the witness in") && words.contains("w2+"), "{words}");

    let state = folder.path().join("state").join(log.origin().sha256_hex());
    let text = std::fs::read_to_string(&state).unwrap();
    std::fs::write(&state, text.replace("\n5\n", "\n4\n")).unwrap();
    let words = refusal(config(folder.path(), logs(&log))).await;
    assert!(words.contains("own signature does not verify"), "{words}");
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, _) = new_witness();
    let key = folder.path().join("key.pem");
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let words = refusal(config(folder.path(), Logs::new())).await;
    assert!(words.contains("expected 0600"), "{words}");
}
