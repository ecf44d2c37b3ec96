//! Reading over HTTP, for commands: every body is capped, every attempt is timed, and what may be
//! better in a moment is asked for again a few times.
//!
//! Nothing that comes from here is believed: whoever asked verifies it.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Attempts of one read, the first included.
pub(crate) const ATTEMPTS_MAX: u32 = 5;

/// The wait after the first failed attempt; doubled after each.
pub(crate) const BACKOFF_FIRST_MS: u64 = 200;

/// A client of one server.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    timeout: Duration,
    attempts_max: u32,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FetchError {
    /// Not an absolute http or https URL.
    #[error("{url:?} is not an http or https URL")]
    Url {
        /// What was given.
        url: String,
    },
    /// No whole answer within the time allowed.
    #[error("no answer from {url} within {timeout:?}")]
    TimedOut {
        /// What was asked for.
        url: String,
        /// The time allowed.
        timeout: Duration,
    },
    /// The connection failed.
    #[error("no connection to {url}")]
    Connection {
        /// What was asked for.
        url: String,
        /// The cause.
        #[source]
        source: hyper_util::client::legacy::Error,
    },
    /// The body was cut short, or longer than allowed.
    #[error("the answer of {url} was cut short or over {bytes_max} bytes")]
    Body {
        /// What was asked for.
        url: String,
        /// The limit.
        bytes_max: usize,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another status than 200 or 404.
    #[error("{url} answers {status}: {words}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: StatusCode,
        /// The beginning of the body, when it is text.
        words: String,
    },
}

impl FetchError {
    /// Whether the next attempt may go better.
    fn may_pass(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Connection { .. } | Self::Body { .. } => true,
            Self::Status { status, .. } => {
                *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
            }
            Self::Url { .. } => false,
        }
    }
}

impl Fetcher {
    /// A client of the server at `base`. `timeout` is for one attempt, body included.
    ///
    /// # Errors
    /// [`FetchError::Url`].
    pub(crate) fn new(base: &str, timeout: Duration) -> Result<Self, FetchError> {
        let base = base.trim_end_matches('/');
        let refused = || FetchError::Url { url: base.to_owned() };
        let uri: Uri = base.parse().map_err(|_| refused())?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        if !is_http || uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(refused());
        }
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        let http =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { http, base: base.to_owned(), timeout, attempts_max: ATTEMPTS_MAX })
    }

    /// The same for a server whose silence is an answer: nothing is asked twice.
    ///
    /// # Errors
    /// [`FetchError::Url`].
    pub(crate) fn once(base: &str, timeout: Duration) -> Result<Self, FetchError> {
        Ok(Self { attempts_max: 1, ..Self::new(base, timeout)? })
    }

    /// Fetches a path, which has no leading slash; `None` when the server says that it has no such
    /// thing.
    ///
    /// # Errors
    /// [`FetchError`], after [`ATTEMPTS_MAX`] attempts.
    pub(crate) async fn get(
        &self,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<Bytes>, FetchError> {
        let mut attempt = 1;
        loop {
            let error = match self.attempt(Method::GET, path, bytes_max).await {
                Ok((StatusCode::NOT_FOUND, _)) => return Ok(None),
                Ok((StatusCode::OK, body)) => return Ok(Some(body)),
                Ok((status, body)) => self.refused(path, status, &body),
                Err(error) => error,
            };
            if attempt >= self.attempts_max || !error.may_pass() {
                return Err(error);
            }
            tracing::debug!(%error, attempt, "asking again");
            tokio::time::sleep(Duration::from_millis(BACKOFF_FIRST_MS << (attempt - 1))).await;
            attempt += 1;
        }
    }

    /// Posts an empty body, once, and returns what a 200 says.
    ///
    /// # Errors
    /// [`FetchError`]; whether it took effect is then unknown.
    pub(crate) async fn post(&self, path: &str, bytes_max: usize) -> Result<Bytes, FetchError> {
        match self.attempt(Method::POST, path, bytes_max).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, body) => Err(self.refused(path, status, &body)),
        }
    }

    fn refused(&self, path: &str, status: StatusCode, body: &Bytes) -> FetchError {
        let words: String =
            String::from_utf8_lossy(body).trim().chars().take(WORDS_CHARS_MAX).collect();
        FetchError::Status { url: self.url(path), status, words }
    }

    async fn attempt(
        &self,
        method: Method,
        path: &str,
        bytes_max: usize,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let timed_out = || FetchError::TimedOut { url: self.url(path), timeout: self.timeout };
        tokio::time::timeout(self.timeout, self.exchange(method, path, bytes_max))
            .await
            .unwrap_or_else(|_| Err(timed_out()))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        bytes_max: usize,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let url = self.url(path);
        let uri: Uri = url.parse().map_err(|_| FetchError::Url { url: url.clone() })?;
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::new(Bytes::new()))
            .expect("a parsed URI makes a request");
        let answer = self
            .http
            .request(request)
            .await
            .map_err(|source| FetchError::Connection { url: url.clone(), source })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), bytes_max)
            .collect()
            .await
            .map_err(|source| FetchError::Body { url, bytes_max, source })?
            .to_bytes();
        Ok((status, body))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }
}

/// How much of a refusal is shown.
const WORDS_CHARS_MAX: usize = 400;

#[cfg(test)]
mod tests;
