//! One HTTP transport: deadlines, capped bodies, gzip, counted retries.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, PROXY_AUTHORIZATION, RETRY_AFTER, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::answer::Problem;
use crate::connector::Connector;
use crate::error::ClientError;
use crate::settings::{HttpSettings, Limits, Retry};
use crate::trust::Trust;

/// The base URL of a log, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogUrl {
    base: String,
    uri: Uri,
}

impl LogUrl {
    /// Reads a URL such as `https://log.example/spending-2026` or `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`ClientError::Url`] for another scheme, no host, a query or a fragment.
    pub fn parse(url: &str) -> Result<Self, ClientError> {
        let refused = || ClientError::Url { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| refused())?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        if !is_web || !has_host || uri.query().is_some() || url.contains('#') {
            return Err(refused());
        }
        Ok(Self { base: url.trim_end_matches('/').to_owned(), uri })
    }

    /// The URL of a path below the log, `path` without a leading slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
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
    /// What a proxy that reads the requests wants to see.
    proxy_password: Option<HeaderValue>,
    pool: Client<HttpsConnector<Connector>, Full<Bytes>>,
}

/// A whole answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl HttpClient {
    /// A client of one server.
    ///
    /// # Errors
    /// [`ClientError::Trust`] if the URL is https and the certificates cannot be used.
    pub fn new(base: LogUrl, settings: &HttpSettings) -> Result<Self, ClientError> {
        let limits = settings.limits.clone();
        let proxy = settings.proxies.of(&base.uri);
        let proxy_password = match &proxy {
            Some(proxy) if !base.is_https() => proxy.basic_auth().cloned(),
            _ => None,
        };
        // Plain HTTP needs no certificates, and reading those of the system takes milliseconds.
        let tls = if base.is_https() { settings.trust.config()? } else { Trust::nobody()? };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector::new(millis(limits.connect_timeout_ms), proxy));
        let pool =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { base, limits, proxy_password, pool })
    }

    /// The URL of the server.
    pub fn base(&self) -> &LogUrl {
        &self.base
    }

    /// Reads a path, which has no leading slash.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is no such thing.
    pub async fn get(&self, path: &str, bytes_max: usize) -> Result<Bytes, ClientError> {
        self.call(&Call::read(path.to_owned(), bytes_max)).await
    }

    /// Posts an empty body. Whether a call that failed took effect is unknown.
    ///
    /// # Errors
    /// As any call.
    pub async fn post(&self, path: &str, bytes_max: usize) -> Result<Bytes, ClientError> {
        let call = Call { method: Method::POST, ..Call::read(path.to_owned(), bytes_max) };
        self.call(&call).await
    }

    /// Makes the call, again and again within the limits, until it has the body of a 2xx or a refusal.
    ///
    /// Every call of a log may be repeated: reads by nature, submissions because the same bytes
    /// are the same record.
    pub(crate) async fn call(&self, call: &Call) -> Result<Bytes, ClientError> {
        let retry = self.retry(call);
        let mut attempt = 1;
        loop {
            let (error, retry_after_s) = match self.answer(call, attempt).await {
                Ok(answer) if answer.status.is_success() => return Ok(answer.body),
                Ok(answer) => {
                    (self.refusal(&answer, call, attempt), retry_after_seconds(&answer.headers))
                }
                Err(error) => (error, None),
            };
            if attempt >= retry.attempts_max || !error.is_unreachable() {
                return Err(error);
            }
            tokio::time::sleep(retry.backoff(attempt, retry_after_s)).await;
            attempt += 1;
        }
    }

    /// Makes the call once, and judges no status.
    pub(crate) async fn answer(&self, call: &Call, attempts: u32) -> Result<Answer, ClientError> {
        let timeout_ms = match call.method {
            Method::GET => self.limits.read_timeout_ms,
            _ => self.limits.submit_timeout_ms,
        };
        let url = self.base.join(&call.path);
        let exchange = self.exchange(url.clone(), call, attempts);
        tokio::time::timeout(millis(timeout_ms), exchange)
            .await
            .unwrap_or(Err(ClientError::TimedOut { url, timeout_ms, attempts }))
    }

    async fn exchange(
        &self,
        url: String,
        call: &Call,
        attempts: u32,
    ) -> Result<Answer, ClientError> {
        let request = self
            .request(&url, call)
            .map_err(|source| ClientError::Request { path: call.path.clone(), source })?;
        let (head, incoming) = match self.pool.request(request).await {
            Ok(answer) => answer.into_parts(),
            Err(source) => {
                return Err(ClientError::Connection { url, attempts, source: Box::new(source) });
            }
        };
        let limit = call.answer_bytes_max;
        let body = match Limited::new(incoming, limit).collect().await {
            Ok(body) => body.to_bytes(),
            Err(source) if source.is::<LengthLimitError>() => {
                return Err(ClientError::TooLarge { url, limit });
            }
            Err(source) => return Err(ClientError::CutShort { url, attempts, source }),
        };
        let body = match unpack(&head.headers, body, limit) {
            Ok(body) => body,
            Err(Packing::TooLarge) => return Err(ClientError::TooLarge { url, limit }),
            Err(Packing::Unreadable) => return Err(ClientError::Encoding { url }),
        };
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    fn request(&self, url: &str, call: &Call) -> Result<Request<Full<Bytes>>, http::Error> {
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
        if let Some(password) = &self.proxy_password {
            request = request.header(PROXY_AUTHORIZATION, password);
        }
        request.body(Full::new(call.body.clone()))
    }

    fn refusal(&self, answer: &Answer, call: &Call, attempts: u32) -> ClientError {
        let url = self.base.join(&call.path);
        let status = answer.status.as_u16();
        let problem = Box::new(Problem::from_body(answer.status, &answer.body));
        let is_later = answer.status.is_server_error()
            || matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        if is_later {
            ClientError::Unavailable { url, status, attempts, problem }
        } else if answer.status == StatusCode::NOT_FOUND {
            ClientError::NotFound { url, problem }
        } else {
            ClientError::Refused { status, problem }
        }
    }

    fn retry(&self, call: &Call) -> Retry {
        if call.method == Method::GET { self.limits.read } else { self.limits.submit }
    }
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

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// `Retry-After` in seconds. Its date form is not used by any log and is ignored.
fn retry_after_seconds(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
