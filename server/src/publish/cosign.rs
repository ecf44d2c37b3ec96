//! Asks one witness for its cosignature over HTTP, and reads what it answers with suspicion: the
//! body is capped, the time is capped, and whatever does not parse counts as no answer.
//!
//! Spec: c2sp.org/tlog-witness, add-checkpoint.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tlog::{AddCheckpoint, Origin, WitnessAnswer};

/// The longest answer that is read: 64 signature lines of the largest known kind fit.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A client of one witness.
#[derive(Clone, Debug)]
pub struct WitnessClient {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    timeout: Duration,
}

/// Why a witness gave no usable answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// No whole answer within the time allowed.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The connection failed.
    #[error("the connection failed")]
    Connection(#[source] hyper_util::client::legacy::Error),
    /// The answer was cut short or longer than [`ANSWER_BYTES_MAX`].
    #[error("the answer's body was cut short or over {ANSWER_BYTES_MAX} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The witness's URL in the policy is not one that can be asked.
#[derive(Debug, thiserror::Error)]
#[error("the witness URL {url:?} is not an http or https URL")]
pub struct BadUrl {
    url: String,
    #[source]
    source: Option<http::uri::InvalidUri>,
}

impl WitnessClient {
    /// A client for the submission prefix `url`, as in the policy file.
    ///
    /// # Errors
    /// [`BadUrl`] when the URL is not absolute http or https.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, BadUrl> {
        let full = format!("{}{ADD_CHECKPOINT}", url.trim_end_matches('/'));
        let uri: Uri =
            full.parse().map_err(|source| BadUrl { url: url.to_owned(), source: Some(source) })?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(BadUrl { url: url.to_owned(), source: None });
        }
        // Roots come with the client library, so a container without certificates works too.
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(90))
            .build(connector);
        Ok(Self { http, uri, timeout })
    }

    /// Sends one add-checkpoint request.
    ///
    /// # Errors
    /// [`AskError`] when there is no usable answer; the witness may have cosigned all the same.
    pub async fn ask(&self, request: &AddCheckpoint) -> Result<WitnessAnswer, AskError> {
        tokio::time::timeout(self.timeout, self.exchange(request))
            .await
            .unwrap_or(Err(AskError::TimedOut(self.timeout)))
    }

    /// The checkpoint of a log that the witness cosigned last, as bytes; `None` when it shows none.
    ///
    /// Spec: c2sp.org/tlog-witness, monitoring.
    ///
    /// # Errors
    /// [`AskError`] when there is no usable answer.
    pub async fn latest_checkpoint(&self, origin: &Origin) -> Result<Option<Bytes>, AskError> {
        let submission = self.uri.path().trim_end_matches(ADD_CHECKPOINT);
        let mut parts = self.uri.clone().into_parts();
        let path = format!("{submission}/{}/checkpoint", origin.sha256_hex());
        parts.path_and_query = Some(path.parse().expect("a path and a number in hexadecimal"));
        let uri = Uri::from_parts(parts).expect("a checked URI with another path");
        let request = Request::builder()
            .uri(uri)
            .body(Full::default())
            .expect("a checked URI makes a request");
        let exchange = async {
            let answer = self.http.request(request).await.map_err(AskError::Connection)?;
            let is_there = answer.status() == StatusCode::OK;
            Ok(is_there.then_some(read_body(answer.into_body()).await?))
        };
        tokio::time::timeout(self.timeout, exchange)
            .await
            .unwrap_or(Err(AskError::TimedOut(self.timeout)))
    }

    async fn exchange(&self, request: &AddCheckpoint) -> Result<WitnessAnswer, AskError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(Full::new(Bytes::from(request.encode())))
            .expect("a checked URI and constant headers make a request");
        let answer = self.http.request(request).await.map_err(AskError::Connection)?;
        let status = answer.status().as_u16();
        let content_type = answer
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|it| it.to_str().ok())
            .map(str::to_owned);
        let body = read_body(answer.into_body()).await?;
        Ok(WitnessAnswer::parse(status, content_type.as_deref(), &body))
    }
}

async fn read_body(body: Incoming) -> Result<Bytes, AskError> {
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(AskError::Body)?;
    Ok(body.to_bytes())
}

const ADD_CHECKPOINT: &str = "/add-checkpoint";

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// A witness that answers whatever it is asked with these bytes, again and again, for ever.
    fn endless(first: &'static [u8], again: &'static [u8]) -> WitnessClient {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            stream.read_exact(&mut [0; 4]).expect("the client asks");
            stream.write_all(first).expect("the client reads the beginning");
            while stream.write_all(again).is_ok() {}
        });
        WitnessClient::new(&url, Duration::from_secs(20)).expect("a URL")
    }

    fn request() -> AddCheckpoint {
        let signer = tlog::Ed25519Signer::new("log.example".parse().expect("a name"), [1; 32]);
        let text = "log.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n".to_owned();
        let signature = signer.sign(&text);
        let checkpoint = tlog::Note::new(text, vec![signature]).expect("a note");
        AddCheckpoint { old_size: tlog::TreeSize::ZERO, consistency_proof: Vec::new(), checkpoint }
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_cut_off() {
        let body = endless(b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 8_192]);
        assert!(matches!(body.ask(&request()).await, Err(AskError::Body(_))));
        let headers = endless(b"HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n");
        assert!(matches!(headers.ask(&request()).await, Err(AskError::Connection(_))));
    }

    #[test]
    fn only_http_urls_can_be_asked() {
        let timeout = Duration::from_secs(1);
        for url in ["ftp://w.example", "w.example", "/path", "http://", ""] {
            assert!(WitnessClient::new(url, timeout).is_err(), "{url}");
        }
        let client = WitnessClient::new("http://127.0.0.1:1/w/", timeout).expect("a URL");
        assert_eq!(client.uri.path(), "/w/add-checkpoint");
    }
}
