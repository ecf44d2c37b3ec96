//! A server that answers as it is told shows what is asked again and what is not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// Answers each request with the next of these; the last one again and again. Counts them.
fn answering(answers: &'static [&'static str]) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listening");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let reader = BufReader::new(stream.try_clone().expect("a second handle"));
            reader.lines().map_while(Result::ok).take_while(|it| !it.is_empty()).for_each(drop);
            let at = counted.fetch_add(1, Ordering::SeqCst);
            let answer = answers.get(at as usize).or(answers.last()).expect("an answer");
            let _ = write!(stream, "HTTP/1.1 {answer}");
        }
    });
    (url, count)
}

fn fetcher(url: &str) -> Fetcher {
    Fetcher::new(url, Duration::from_secs(20)).expect("a URL")
}

const BODY: &str = "200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody";
const BUSY: &str = "503 Busy\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy";

#[test]
fn only_http_urls_are_fetched_from() {
    let timeout = Duration::from_secs(1);
    for url in ["ftp://log.example", "log.example", "/path", "http://", "", "http://a/?b=c"] {
        assert!(Fetcher::new(url, timeout).is_err(), "{url}");
    }
    let fetcher = Fetcher::new("http://127.0.0.1:1/log/", timeout).expect("a URL");
    assert_eq!(fetcher.url("checkpoint"), "http://127.0.0.1:1/log/checkpoint");
}

#[tokio::test]
async fn what_may_pass_is_asked_for_again_and_what_is_not_there_is_not() {
    let (url, count) = answering(&[BUSY, BUSY, BODY]);
    let body = fetcher(&url).get("tile", 4).await.expect("in the end").expect("a body");
    assert_eq!((body.as_ref(), count.load(Ordering::SeqCst)), (b"body".as_slice(), 3));

    let (url, count) = answering(&["404 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"]);
    assert_eq!(fetcher(&url).get("tile", 4).await.expect("an answer"), None);
    assert_eq!(count.load(Ordering::SeqCst), 1);

    let (url, count) = answering(&["400 Bad\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"]);
    let refused = fetcher(&url).get("tile", 4).await.expect_err("a refusal");
    assert!(refused.to_string().ends_with("answers 400 Bad Request: no"), "{refused}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn it_gives_up_after_as_many_attempts_as_it_says() {
    let (url, count) = answering(&[BUSY]);
    let busy = fetcher(&url).get("tile", 4).await.expect_err("it stays busy");
    assert!(matches!(busy, FetchError::Status { .. }), "{busy}");
    assert_eq!(count.load(Ordering::SeqCst), ATTEMPTS_MAX);

    let (url, count) = answering(&[BUSY]);
    let once = Fetcher::once(&url, Duration::from_secs(20)).expect("a URL");
    assert!(once.get("tile", 4).await.is_err());
    assert!(fetcher(&url).post("backup", 4).await.is_err());
    assert_eq!(count.load(Ordering::SeqCst), 2, "each of them asks once");
}

#[tokio::test]
async fn a_body_over_its_limit_is_no_answer() {
    let (url, _) = answering(&[BODY]);
    let once = Fetcher::once(&url, Duration::from_secs(20)).expect("a URL");
    let long = once.get("tile", 3).await.expect_err("four bytes are too many");
    assert!(matches!(long, FetchError::Body { bytes_max: 3, .. }), "{long}");
}
