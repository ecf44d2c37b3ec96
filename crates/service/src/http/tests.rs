use axum::body::Body;
use axum::extract::Request as AxumRequest;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::*;
use crate::body::{BodyError, read_body_capped};

struct Server {
    address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(router: Router, limits: HttpLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let task = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
        Self { address, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.task.await.unwrap();
    }
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Everything until the server closes; a reset counts as closing.
async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8(all).unwrap()
}

async fn read_hello(stream: &mut TcpStream) {
    let mut text = String::new();
    while !text.ends_with("hello") {
        let mut buffer = [0; 512];
        let bytes = stream.read(&mut buffer).await.unwrap();
        assert_ne!(bytes, 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..bytes]).unwrap());
    }
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
}

#[tokio::test]
async fn answers_several_requests_on_one_connection_and_names_the_peer() {
    let router = Router::new().route(
        "/",
        get(async |request: AxumRequest| {
            assert!(request.extensions().get::<Peer>().unwrap().0.ip().is_loopback());
            "hello"
        }),
    );
    let server = Server::start(router, HttpLimits::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        send(&mut stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        read_hello(&mut stream).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn closes_a_connection_whose_header_does_not_arrive() {
    let limits = HttpLimits { header_timeout_ms: 20, ..HttpLimits::default() };
    let server = Server::start(hello(), limits).await;
    for beginning in ["", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut stream = server.connect().await;
        send(&mut stream, beginning).await;
        let answer = read_to_close(&mut stream).await;
        assert!(!answer.contains("200"), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn over_the_cap_a_connection_waits_until_one_ends() {
    let limits = HttpLimits { connections_max: 1, ..HttpLimits::default() };
    let (entered, mut entries) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let router = {
        let release = Arc::clone(&release);
        Router::new().route(
            "/",
            get(async move || {
                entered.send(()).unwrap();
                release.notified().await;
                "hello"
            }),
        )
    };
    let server = Server::start(router, limits).await;
    let mut first = server.connect().await;
    send(&mut first, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    entries.recv().await.unwrap();
    let mut second = server.connect().await;
    send(&mut second, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    release.notify_one();
    assert!(read_to_close(&mut first).await.ends_with("hello"));
    // Only now, and not before the first one has ended, does the second one reach the handler.
    entries.recv().await.unwrap();
    release.notify_one();
    assert!(read_to_close(&mut second).await.ends_with("hello"));
    server.stop().await;
}

#[tokio::test]
async fn a_request_under_way_is_finished_before_stopping() {
    let (entered, mut entries) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let router = {
        let release = Arc::clone(&release);
        Router::new().route(
            "/",
            get(async move || {
                entered.send(()).unwrap();
                release.notified().await;
                "hello"
            }),
        )
    };
    let server = Server::start(router, HttpLimits::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    entries.recv().await.unwrap();
    server.shutdown.trigger();
    release.notify_one();
    assert!(read_to_close(&mut stream).await.ends_with("hello"));
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_off_by_time_or_by_the_second_signal() {
    for (drain_timeout_ms, force) in [(1, false), (3_600_000, true)] {
        let limits = HttpLimits { drain_timeout_ms, ..HttpLimits::default() };
        let (entered, mut entries) = mpsc::unbounded_channel();
        let router = Router::new().route(
            "/",
            get(async move || {
                entered.send(()).unwrap();
                std::future::pending::<&str>().await
            }),
        );
        let server = Server::start(router, limits).await;
        let mut stream = server.connect().await;
        send(&mut stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        entries.recv().await.unwrap();
        server.shutdown.trigger();
        if force {
            server.shutdown.force();
        }
        assert_eq!(read_to_close(&mut stream).await, "");
        server.task.await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let limits = HttpLimits { write_stall_timeout_ms: 20, ..HttpLimits::default() };
    let router = Router::new().route("/", get(async || vec![0_u8; 64 * 1024 * 1024]));
    let server = Server::start(router, limits).await;
    let mut stream = server.connect().await;
    send(&mut stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Nothing is read here. If the connection were kept, stopping would wait for it.
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_ends_early_is_truncated_and_a_long_one_is_refused_unread() {
    let (told, mut results) = mpsc::unbounded_channel();
    let router = Router::new().route(
        "/",
        post(async move |body: Body| {
            let read = read_body_capped(body, 100, Duration::from_mins(1)).await;
            told.send(read.map(|bytes| bytes.len())).unwrap();
            "done"
        }),
    );
    let server = Server::start(router, HttpLimits::default()).await;

    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfive!").await;
    stream.shutdown().await.unwrap();
    assert!(matches!(results.recv().await.unwrap(), Err(BodyError::Truncated)));

    let mut stream = server.connect().await;
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive!\r\n";
    send(&mut stream, chunked).await;
    stream.shutdown().await.unwrap();
    assert!(matches!(results.recv().await.unwrap(), Err(BodyError::Truncated)));

    // No byte of the body is ever sent, and the answer comes all the same.
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n").await;
    assert!(matches!(results.recv().await.unwrap(), Err(BodyError::TooLarge { .. })));
    server.stop().await;
}
