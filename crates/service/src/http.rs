//! The HTTP/1.1 accept loop: hyper under an [`axum::Router`], with every wait and every count bounded.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::shutdown::Shutdown;
use crate::stall::StallGuard;

/// Serves `router` on `listener` until `shutdown` is requested; then takes no new connection, lets
/// requests under way finish for at most `drain_timeout_ms`, and returns. A second signal ends the
/// wait at once.
///
/// Over `connections_max` open connections, new ones wait in the listener's queue. A handler is
/// dropped at its next `.await` when its client goes away: work that must not be half done belongs
/// in a task of its own. Every request carries its [`Peer`] as an extension.
pub async fn serve(listener: TcpListener, router: Router, limits: HttpLimits, shutdown: Shutdown) {
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    while let Some((stream, peer, slot)) = next_connection(&listener, &slots, &shutdown).await {
        connections.spawn({
            let (router, limits, shutdown) = (router.clone(), limits.clone(), shutdown.clone());
            async move {
                serve_connection(stream, peer, router, &limits, &shutdown).await;
                drop(slot);
            }
        });
        while let Some(ended) = connections.try_join_next() {
            report(ended);
        }
    }
    drop(listener);
    drain(connections, &limits, &shutdown).await;
}

/// Bounds of one listener. Every field has a default and may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpLimits {
    /// How long a request's header may take, counted from the moment the connection waits for it;
    /// so it is also how long an idle connection is kept. Default 15,000 ms.
    pub header_timeout_ms: u64,
    /// Longest request header, and the connection's read buffer. Default 16 KiB, at least 8 KiB.
    pub header_bytes_max: usize,
    /// Open connections. Default 1,024.
    pub connections_max: usize,
    /// How long a client may leave an answer untouched before it is cut off. Default 10,000 ms.
    pub write_stall_timeout_ms: u64,
    /// How long requests under way may still take once stopping was asked for. Default 10,000 ms.
    pub drain_timeout_ms: u64,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            header_timeout_ms: 15_000,
            header_bytes_max: 16 * 1024,
            connections_max: 1_024,
            write_stall_timeout_ms: 10_000,
            drain_timeout_ms: 10_000,
        }
    }
}

/// Who sent a request, as the socket sees it. A request extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

type Slot = tokio::sync::OwnedSemaphorePermit;

/// None: stopping was asked for.
async fn next_connection(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    shutdown: &Shutdown,
) -> Option<(TcpStream, SocketAddr, Slot)> {
    let accept = async {
        let slot = Arc::clone(slots).acquire_owned().await.expect("never closed");
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, peer, slot),
                Err(error) => pause_after(&error).await,
            }
        }
    };
    tokio::select! {
        biased;
        () = shutdown.requested() => None,
        accepted = accept => Some(accepted),
    }
}

/// A client that gave up before it was accepted is nothing. Anything else (most likely no file
/// descriptors) will not be better at once, and retrying at once would burn a core.
async fn pause_after(error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    ) {
        return;
    }
    tracing::error!(%error, "cannot accept connections");
    tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: &HttpLimits,
    shutdown: &Shutdown,
) {
    // Small answers must not wait for the acknowledgement of earlier ones.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot switch off Nagle's algorithm");
    }
    let stream = StallGuard::new(stream, Duration::from_millis(limits.write_stall_timeout_ms));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let router = router.clone();
        async move { Ok::<Response, Infallible>(answer(router, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.header_timeout_ms))
        .max_buf_size(limits.header_bytes_max.max(HEADER_BYTES_FLOOR))
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> Response {
    match router.oneshot(request).await {
        Ok(response) => response,
    }
}

async fn drain(mut connections: JoinSet<()>, limits: &HttpLimits, shutdown: &Shutdown) {
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    tokio::select! {
        () = all_ended => return,
        () = shutdown.forced() => {}
        () = tokio::time::sleep(Duration::from_millis(limits.drain_timeout_ms)) => {}
    }
    tracing::warn!(connections = connections.len(), "cutting off connections that did not finish");
    connections.shutdown().await;
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request handler panicked; its connection is closed");
    }
}

const ACCEPT_PAUSE_MS: u64 = 100;

/// hyper refuses a smaller buffer.
const HEADER_BYTES_FLOOR: usize = 8 * 1024;

#[cfg(test)]
mod tests;
