//! One HTTP transport: deadlines, capped bodies, gzip, counted retries.

use std::io::Read;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::answer::Problem;
use crate::error::ClientError;

/// How long and how often. Every wait of this client is one of these.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Time to a TCP connection.
    pub connect_timeout_ms: u64,
    /// Time for one attempt of a read, body included.
    pub read_timeout_ms: u64,
    /// Time for one attempt of a submission, body included: longer than the 20 s for which
    /// `wait=published` may hold the answer, and long enough for 8 MiB on a slow line.
    pub submit_timeout_ms: u64,
    /// Attempts of a read, the first included.
    pub read_attempts_max: u32,
    /// Attempts of a submission, the first included.
    pub submit_attempts_max: u32,
    /// Wait after the first failed attempt; doubled after each.
    pub backoff_first_ms: u64,
    /// Longest wait that we choose ourselves.
    pub backoff_max_ms: u64,
    /// Longest wait that a `Retry-After` may ask of us.
    pub retry_after_max_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 10_000,
            read_timeout_ms: 30_000,
            submit_timeout_ms: 120_000,
            read_attempts_max: 5,
            submit_attempts_max: 10,
            backoff_first_ms: 200,
            backoff_max_ms: 10_000,
            retry_after_max_ms: 120_000,
        }
    }
}

impl Limits {
    /// The wait before attempt `attempt + 1`, given what the server asked for in attempt
    /// `attempt` (1-based).
    ///
    /// `Retry-After` is a floor, not a suggestion; only its length is capped.
    pub fn backoff(&self, attempt: u32, retry_after_s: Option<u64>) -> Duration {
        let doublings = attempt.saturating_sub(1).min(32);
        let own = self.backoff_first_ms.saturating_mul(1 << doublings).min(self.backoff_max_ms);
        let asked =
            retry_after_s.map_or(0, |s| s.saturating_mul(1000).min(self.retry_after_max_ms));
        Duration::from_millis(if retry_after_s == Some(0) { 0 } else { own.max(asked) })
    }
}

/// The base URL of a log, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogUrl {
    base: String,
    is_https: bool,
}

impl LogUrl {
    /// Reads a URL such as `https://log.example/spending-2026` or `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`ClientError::Url`] for another scheme, no host, a query or a fragment.
    pub fn parse(url: &str) -> Result<Self, ClientError> {
        let refused = || ClientError::Url { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| refused())?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refused()),
        };
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        if !has_host || uri.query().is_some() || url.contains('#') {
            return Err(refused());
        }
        Ok(Self { base: url.trim_end_matches('/').to_owned(), is_https })
    }

    /// The URL of a path below the log, `path` without a leading slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }
}

impl std::fmt::Display for LogUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.base)
    }
}

/// One call: what is asked and what may come back.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Below the log's URL, no leading slash; may end in a query.
    pub(crate) path: String,
    pub(crate) content_type: Option<&'static str>,
    /// One more header.
    pub(crate) header: Option<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// Cap of the answer's body, before and after unpacking.
    pub(crate) answer_bytes_max: usize,
}

impl Call {
    pub(crate) fn read(path: String, answer_bytes_max: usize) -> Self {
        let body = Bytes::new();
        let (content_type, header) = (None, None);
        Self { method: Method::GET, path, content_type, header, body, answer_bytes_max }
    }
}

/// The transport. Cheap to clone; connections are pooled.
#[derive(Debug, Clone)]
pub struct HttpClient {
    base: LogUrl,
    limits: Limits,
    pool: Pool,
}

/// Plain HTTP needs no certificates, so that a log on loopback works on a machine that has none.
#[derive(Debug, Clone)]
enum Pool {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// What one attempt came to.
enum Attempt {
    Done(Bytes),
    /// Worth another attempt; `retry_after_s` is what the server asked for.
    Again {
        error: ClientError,
        retry_after_s: Option<u64>,
    },
    Failed(ClientError),
}

impl HttpClient {
    /// A client of one log.
    ///
    /// # Errors
    /// [`ClientError::Certificates`] if the URL is https and the system has no root
    /// certificates.
    pub fn new(base: LogUrl, limits: Limits) -> Result<Self, ClientError> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_millis(limits.connect_timeout_ms)));
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new());
        let pool = if base.is_https {
            connector.enforce_http(false);
            let https = HttpsConnectorBuilder::new()
                .with_native_roots()
                .map_err(ClientError::Certificates)?
                .https_only()
                .enable_http1()
                .wrap_connector(connector);
            Pool::Tls(builder.build(https))
        } else {
            Pool::Plain(builder.build(connector))
        };
        Ok(Self { base, limits, pool })
    }

    /// The log's URL.
    pub fn base(&self) -> &LogUrl {
        &self.base
    }

    /// Makes the call, again and again within the limits, until it has the body of a 2xx or a refusal.
    ///
    /// Every call of a log may be repeated: reads by nature, submissions because the same bytes
    /// are the same record.
    pub(crate) async fn call(&self, call: &Call) -> Result<Bytes, ClientError> {
        let attempts_max = if call.method == Method::GET {
            self.limits.read_attempts_max
        } else {
            self.limits.submit_attempts_max
        };
        let mut attempt = 1;
        loop {
            match self.attempt(call, attempt).await {
                Attempt::Done(body) => return Ok(body),
                Attempt::Failed(error) => return Err(error),
                Attempt::Again { error, .. } if attempt >= attempts_max => return Err(error),
                Attempt::Again { retry_after_s, .. } => {
                    tokio::time::sleep(self.limits.backoff(attempt, retry_after_s)).await;
                    attempt += 1;
                }
            }
        }
    }

    async fn attempt(&self, call: &Call, attempts: u32) -> Attempt {
        let timeout_ms = if call.method == Method::GET {
            self.limits.read_timeout_ms
        } else {
            self.limits.submit_timeout_ms
        };
        let deadline = Duration::from_millis(timeout_ms);
        match tokio::time::timeout(deadline, self.exchange(call, attempts)).await {
            Ok(attempt) => attempt,
            Err(_elapsed) => {
                let error =
                    ClientError::TimedOut { url: self.base.join(&call.path), timeout_ms, attempts };
                Attempt::Again { error, retry_after_s: None }
            }
        }
    }

    async fn exchange(&self, call: &Call, attempts: u32) -> Attempt {
        let url = self.base.join(&call.path);
        let request = match build_request(&url, call) {
            Ok(request) => request,
            Err(source) => {
                return Attempt::Failed(ClientError::Request { path: call.path.clone(), source });
            }
        };
        let sent = match &self.pool {
            Pool::Plain(client) => client.request(request).await,
            Pool::Tls(client) => client.request(request).await,
        };
        let response = match sent {
            Ok(response) => response,
            Err(source) => {
                let error = ClientError::Connection { url, attempts, source: Box::new(source) };
                return Attempt::Again { error, retry_after_s: None };
            }
        };
        let (head, incoming) = response.into_parts();
        let body = match read_capped(incoming, call.answer_bytes_max).await {
            Ok(body) => body,
            Err(ReadError::TooLarge) => {
                return Attempt::Failed(ClientError::TooLarge {
                    url,
                    limit: call.answer_bytes_max,
                });
            }
            Err(ReadError::Broken(source)) => {
                let error = ClientError::Connection { url, attempts, source: Box::new(source) };
                return Attempt::Again { error, retry_after_s: None };
            }
        };
        let body = match unpack(&head.headers, body, call.answer_bytes_max) {
            Ok(body) => body,
            Err(Packing::TooLarge) => {
                return Attempt::Failed(ClientError::TooLarge {
                    url,
                    limit: call.answer_bytes_max,
                });
            }
            Err(Packing::Unreadable) => return Attempt::Failed(ClientError::Encoding { url }),
        };
        if head.status.is_success() {
            return Attempt::Done(body);
        }
        let status = head.status.as_u16();
        let problem = Box::new(Problem::from_body(head.status, &body));
        let is_later = head.status.is_server_error()
            || matches!(head.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        if is_later {
            let retry_after_s = retry_after_seconds(&head.headers);
            let error = ClientError::Unavailable { url, status, attempts, problem };
            return Attempt::Again { error, retry_after_s };
        }
        Attempt::Failed(if head.status == StatusCode::NOT_FOUND {
            ClientError::NotFound { url, problem }
        } else {
            ClientError::Refused { status, problem }
        })
    }
}

fn build_request(url: &str, call: &Call) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(url)
        .header(USER_AGENT, concat!("civiclog/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT_ENCODING, "gzip, identity");
    if let Some(content_type) = call.content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    if let Some((name, value)) = &call.header {
        request = request.header(*name, value);
    }
    request.body(Full::new(call.body.clone()))
}

enum ReadError {
    TooLarge,
    Broken(hyper::Error),
}

async fn read_capped(mut body: Incoming, bytes_max: usize) -> Result<Bytes, ReadError> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(ReadError::Broken)?.into_data() else { continue };
        if read.len() + data.len() > bytes_max {
            return Err(ReadError::TooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

enum Packing {
    TooLarge,
    Unreadable,
}

/// Undoes the content encoding. tlog-tiles allows gzip without negotiation.
fn unpack(headers: &HeaderMap, body: Bytes, bytes_max: usize) -> Result<Bytes, Packing> {
    let encoding = match headers.get(CONTENT_ENCODING) {
        None => return Ok(body),
        Some(value) => value.to_str().map_err(|_| Packing::Unreadable)?,
    };
    if encoding.eq_ignore_ascii_case("identity") {
        return Ok(body);
    }
    if !encoding.eq_ignore_ascii_case("gzip") {
        return Err(Packing::Unreadable);
    }
    // One byte more than allowed tells "exactly full" from "too much" without unpacking a bomb.
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(&body[..])
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|_| Packing::Unreadable)?;
    if plain.len() > bytes_max {
        return Err(Packing::TooLarge);
    }
    Ok(plain.into())
}

/// `Retry-After` in seconds. Its date form is not used by any log and is ignored.
fn retry_after_seconds(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
