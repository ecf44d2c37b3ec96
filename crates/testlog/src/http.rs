//! A scripted HTTP server on loopback.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use http::{Method, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Path and query, without the leading slash.
    pub path: String,
    /// The content type; empty when it has none.
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Request {
    /// Such as `GET /checkpoint`.
    pub fn line(&self) -> String {
        format!("{} /{}", self.method, self.path)
    }
}

/// What one request gets.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// A reply without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// The reply with one header more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// Answers each request by a function, or from a script in order, until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens, without a slash at the end.
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Gives these replies, one after the other.
    pub async fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::start(move |_| {
            let next = replies.lock().unwrap().pop_front();
            next.unwrap_or_else(|| Reply::new(500, "the script is over"))
        })
        .await
    }

    pub async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let both = Arc::new((answer, Arc::clone(&seen)));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let both = Arc::clone(&both);
                let service = service_fn(move |request| {
                    let both = Arc::clone(&both);
                    async move {
                        let request = read(request).await;
                        both.1.lock().unwrap().push(request.clone());
                        encode((both.0)(&request))
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { url, seen, accepting }
    }

    /// All requests until now.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Their lines, such as `GET /checkpoint`.
    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(Request::line).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn read(request: http::Request<Incoming>) -> Request {
    let path = request.uri().path_and_query().unwrap().as_str().trim_start_matches('/').to_owned();
    let content_type = request.headers().get("content-type");
    let content_type = content_type.map_or("", |value| value.to_str().unwrap()).to_owned();
    let method = request.method().clone();
    let body = request.into_body().collect().await;
    let body = body.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    Request { method, path, content_type, body }
}

fn encode(reply: Reply) -> Result<Response<Full<Bytes>>, http::Error> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(reply.body.into()))
}
