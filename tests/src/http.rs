//! A plain HTTP client for tests: nothing is retried, nothing is hidden.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;

/// A client of one server. Cheap to clone; calls block.
#[derive(Clone, Debug)]
pub struct Http {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as it came.
    pub body: Bytes,
}

/// Why there is no answer: the connection could not be made, or broke.
#[derive(Debug, thiserror::Error)]
#[error("no answer from {url}: {cause}")]
pub struct NoAnswer {
    url: String,
    cause: String,
}

impl Http {
    /// A client of the server at `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { base: base.trim_end_matches('/').to_owned(), client }
    }

    /// The server's URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Fetches a path, which starts with a slash.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Fetches a path.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn try_get(&self, path: &str) -> Result<Answer, NoAnswer> {
        self.call(&Method::GET, path, &[], Bytes::new())
    }

    /// Fetches a path with headers.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.call(&Method::GET, path, headers, Bytes::new())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Posts a body.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn post(&self, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        self.try_post(path, content_type, body).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Posts a body.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn try_post(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<Answer, NoAnswer> {
        self.call(&Method::POST, path, &[("content-type", content_type)], body.into())
    }

    /// Any request.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn call(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, NoAnswer> {
        let url = format!("{}{path}", self.base);
        let no_answer = |cause: &dyn std::error::Error| NoAnswer {
            url: url.clone(),
            cause: format!(
                "{cause}{}",
                cause.source().map(|it| format!(": {it}")).unwrap_or_default()
            ),
        };
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|it| no_answer(&it))?;
        runtime().block_on(async {
            let response = self.client.request(request).await.map_err(|it| no_answer(&it))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|it| no_answer(&it))?.to_bytes();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        })
    }
}

impl Answer {
    /// The same, when it has this status.
    ///
    /// # Panics
    /// When it has another.
    #[expect(clippy::return_self_not_must_use, reason = "the check is the point")]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {} {}", self.status, self.text()))
    }

    /// The body as JSON of a known shape.
    ///
    /// # Panics
    /// When it has another.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The lines of an NDJSON body.
    ///
    /// # Panics
    /// When a line has another shape.
    pub fn parse_lines<T: serde::de::DeserializeOwned>(&self) -> Vec<T> {
        let text = self.text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|it| panic!("{it}: {line}")))
            .collect()
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or("")
    }
}

/// The one runtime that all blocking calls of a test process share.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

/// A connection on which a test says exactly what it wants, byte by byte.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl RawConnection {
    /// Connects to the server of a client.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn to(http: &Http) -> Self {
        let address = http.base().trim_start_matches("http://");
        let stream = TcpStream::connect(address).expect("connecting");
        let timeout = Duration::from_millis(crate::wait::DEADLINE_MS);
        stream.set_read_timeout(Some(timeout)).expect("setting a timeout");
        Self { stream, read: Vec::new() }
    }

    /// Sends bytes. The server may have closed the connection already.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends the head of a `POST /v1/records` that announces a body of this length.
    pub fn send_post_head(&mut self, query: &str, content_type: &str, length: usize) -> bool {
        self.send(
            format!(
                "POST /v1/records{query} HTTP/1.1\r\nhost: log\r\ncontent-type: {content_type}\r\n\
                 content-length: {length}\r\n\r\n"
            )
            .as_bytes(),
        )
    }

    /// Says that nothing more comes.
    pub fn finish_sending(&self) {
        // It may be closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads one answer: its status and its body; `None` when the connection ended without one.
    ///
    /// # Panics
    /// When the server neither answers nor closes.
    pub fn answer(&mut self) -> Option<(u16, String)> {
        loop {
            if let Some(answer) = self.parse() {
                return Some(answer);
            }
            let mut part = [0; 16 * 1024];
            match self.stream.read(&mut part) {
                Ok(0) => return None,
                Ok(length) => self.read.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the server neither answers nor closes: {error}"),
            }
        }
    }

    fn parse(&mut self) -> Option<(u16, String)> {
        let text = String::from_utf8_lossy(&self.read).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        })?;
        let body = body.get(..length)?.to_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        self.read.drain(..head.len() + 4 + length);
        Some((status, body))
    }
}
