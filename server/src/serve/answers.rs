//! What large answers may occupy while they are on their way. A handler is done when its answer is
//! made, and the limits on requests with it; a client that does not read keeps the answer in memory
//! long after. So the bytes of an answer hold room until the last of them was sent or thrown away.
//!
//! Small answers are free: their number is bounded by that of the connections, and whoever only wants
//! a checkpoint, a tile or a proof is not kept from it by others who read slowly.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use crate::core::metrics::Metrics;

/// Answers up to this size hold no room.
pub(crate) const SMALL_ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// Room is counted in units of this many bytes.
const UNIT_BYTES: u64 = 1024;

/// Room for large answers. Reads and writes have one each.
#[derive(Clone)]
pub(crate) struct AnswerRoom {
    units: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl AnswerRoom {
    pub(crate) fn new(bytes_max: usize, metrics: Arc<Metrics>) -> Self {
        let units = Arc::new(Semaphore::new(bytes_max / 1024));
        Self { units, metrics }
    }

    fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok()?;
        Arc::clone(&self.units).try_acquire_many_owned(units).ok()
    }
}

/// Bytes that give their room back when the last copy of them is gone.
struct HeldBytes {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Takes room for a large answer, or says that there is none.
pub(super) async fn hold(State(room): State<AnswerRoom>, request: Request, next: Next) -> Response {
    let (head, body) = next.run(request).await.into_parts();
    // Every answer of this log is made as a whole, so its length is known.
    let bytes = body.size_hint().lower();
    if bytes <= SMALL_ANSWER_BYTES_MAX {
        return Response::from_parts(head, body);
    }
    let Some(permit) = room.take(bytes) else {
        room.metrics.overloaded();
        return ApiError::NoRoomForAnswer.into_response();
    };
    match to_bytes(body, usize::MAX).await {
        Ok(bytes) => {
            let held = Bytes::from_owner(HeldBytes { bytes, _room: permit });
            Response::from_parts(head, Body::from(held))
        }
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use http::StatusCode;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_large_answer_holds_room_until_it_is_gone_and_a_small_one_none() {
        let metrics = Metrics::register(&prometheus::Registry::new()).expect("metrics");
        let room = AnswerRoom::new(64 * 1024, Arc::new(metrics));
        let free = Arc::clone(&room.units);
        let router = Router::new()
            .route("/large", get(|| async { vec![7; 40 * 1024] }))
            .route("/small", get(|| async { vec![7; 16 * 1024] }))
            .layer(axum::middleware::from_fn_with_state(room, hold));
        let ask = |path: &str| {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            router.clone().oneshot(request)
        };
        let first = ask("/large").await.expect("an answer");
        assert_eq!(free.available_permits(), 24);
        let second = ask("/large").await.expect("an answer");
        assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(second.headers().contains_key("retry-after"));
        let small = ask("/small").await.expect("an answer");
        assert_eq!(small.status(), StatusCode::OK);
        let bytes = to_bytes(first.into_body(), usize::MAX).await.expect("a body");
        assert_eq!(bytes.len(), 40 * 1024);
        let part = bytes.slice(..1);
        drop(bytes);
        assert_eq!(free.available_permits(), 24, "a part that is still to be sent holds the whole");
        drop(part);
        assert_eq!(free.available_permits(), 64);
    }
}
