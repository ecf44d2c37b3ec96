use std::io::Write;

use testlog::{Reply, Server};

use super::*;

fn impatient() -> HttpSettings {
    let read = Retry { attempts_max: 5, backoff_first_ms: 0, backoff_max_ms: 0, ..Retry::PATIENT };
    let limits = Limits { read, read_timeout_ms: 5_000, ..Limits::default() };
    HttpSettings { limits, ..HttpSettings::default() }
}

async fn read(server: &Server, bytes_max: usize) -> Result<Bytes, ClientError> {
    let client = HttpClient::new(LogUrl::parse(&server.url).unwrap(), &impatient()).unwrap();
    client.call(&Call::read("x".to_owned(), bytes_max)).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn only_log_urls_are_taken() {
    for good in ["http://127.0.0.1:1", "https://log.example/a/b/"] {
        assert!(LogUrl::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "log.example", "ftp://log.example", "https://", "http://a?b", "http://a#b"] {
        assert!(matches!(LogUrl::parse(bad), Err(ClientError::Url { .. })), "{bad}");
    }
    assert_eq!(LogUrl::parse("http://a/b/").unwrap().join("checkpoint"), "http://a/b/checkpoint");
}

#[tokio::test]
async fn later_is_asked_again_and_then_answered() {
    let busy = || Reply::new(503, r#"{"title":"pool full"}"#).with("retry-after", "0");
    let server = Server::script([busy(), Reply::new(429, ""), Reply::new(200, "done")]).await;
    assert_eq!(read(&server, 100).await.unwrap(), "done");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn gives_up_after_the_limit_of_attempts_and_says_what_was_heard() {
    let server = Server::start(|_| Reply::new(503, r#"{"detail":"pool full"}"#)).await;
    let error = read(&server, 100).await.unwrap_err();
    assert!(error.is_unreachable());
    assert!(error.to_string().contains("pool full"), "{error}");
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_names_its_rule() {
    let body = r#"{"type":"x","title":"t","status":409,"detail":"taken","rule":"E04","index":7}"#;
    let server = Server::script([Reply::new(409, body)]).await;
    let Err(ClientError::Refused { status: 409, problem }) = read(&server, 1000).await else {
        panic!("expected a refusal");
    };
    assert_eq!((problem.rule.as_deref(), problem.index), (Some("E04"), Some(7)));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let server = Server::script([]).await;
    let url = server.url.clone();
    drop(server);
    // The listener is closed once the aborted task is dropped.
    tokio::task::yield_now().await;
    let client = HttpClient::new(LogUrl::parse(&url).unwrap(), &impatient()).unwrap();
    let error = client.call(&Call::read("x".to_owned(), 10)).await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
}

#[tokio::test]
async fn bodies_are_capped_packed_and_unpacked() {
    let bomb = gzip(&vec![0; 100_000]);
    let server = Server::script([
        Reply::new(200, vec![7; 100]),
        Reply::new(200, vec![7; 101]),
        Reply::new(200, gzip(&[7; 100])).with("content-encoding", "gzip"),
        Reply::new(200, bomb).with("content-encoding", "gzip"),
        Reply::new(200, "x").with("content-encoding", "br"),
        Reply::new(200, "not gzip").with("content-encoding", "gzip"),
    ])
    .await;
    assert_eq!(read(&server, 100).await.unwrap(), vec![7; 100]);
    assert!(matches!(read(&server, 100).await, Err(ClientError::TooLarge { limit: 100, .. })));
    assert_eq!(read(&server, 100).await.unwrap(), vec![7; 100]);
    assert!(matches!(read(&server, 1000).await, Err(ClientError::TooLarge { .. })));
    assert!(matches!(read(&server, 100).await, Err(ClientError::Encoding { .. })));
    assert!(matches!(read(&server, 100).await, Err(ClientError::Encoding { .. })));
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut settings = impatient();
    settings.limits.read_timeout_ms = 20;
    settings.limits.read.attempts_max = 2;
    let client = HttpClient::new(LogUrl::parse(&url).unwrap(), &settings).unwrap();
    let error = client.call(&Call::read("x".to_owned(), 10)).await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { attempts: 2, .. }), "{error}");
}
