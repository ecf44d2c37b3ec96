//! The two calls of a witness.
//!
//! | call | answer |
//! |---|---|
//! | `POST /add-checkpoint` | 200 with signature lines, or the status of the refusal |
//! | `GET /<sha256 of the origin, lower-case hexadecimal>/checkpoint` | the last checkpoint cosigned, or 404 |

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use service::{BodyError, Clock, error_chain, read_body_capped};
use tlog::{
    ADD_CHECKPOINT_BYTES_MAX, NoteSignature, TREE_SIZE_CONTENT_TYPE, UnixMillis,
    encode_cosignatures, encode_tree_size,
};

use crate::decide::Refusal;
use crate::metrics::Outcome;
use crate::witness::{AddError, Now, Witness};

/// The public calls.
pub fn router(witness: Arc<Witness>, clock: Arc<dyn Clock>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin_sha256_hex}/checkpoint", get(latest_checkpoint))
        .with_state(Served { witness, clock })
}

/// How many decisions, each of which waits for a disk, may run at once; the others queue.
pub const DECISIONS_AT_ONCE_MAX: usize = 16;

#[derive(Clone)]
struct Served {
    witness: Arc<Witness>,
    clock: Arc<dyn Clock>,
}

async fn add_checkpoint(State(served): State<Served>, body: Body) -> Response {
    let metrics = served.witness.metrics().clone();
    let (outcome, response) = answer(decide_aside(served, body).await);
    metrics.answered(outcome);
    response
}

/// On a thread that may wait for a disk. It finishes what it began even when the client goes away.
async fn decide_aside(served: Served, body: Body) -> Result<Vec<NoteSignature>, Failure> {
    // SPEC tlog-witness: proof and notes are small; a longer body is refused before it is read.
    let timeout = Duration::from_millis(BODY_TIMEOUT_MS);
    let body = read_body_capped(body, ADD_CHECKPOINT_BYTES_MAX, timeout).await?;
    let decided = tokio::task::spawn_blocking(move || {
        let unix = UnixMillis::new(served.clock.unix_millis()).to_seconds();
        let now = Now { unix, monotonic_millis: served.clock.monotonic_millis() };
        served.witness.add_checkpoint(&body, now)
    });
    match decided.await {
        Ok(decided) => Ok(decided?),
        Err(error) => {
            tracing::error!(%error, "a decision died");
            Err(Failure::Add(AddError::StateUnknown))
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Add(#[from] AddError),
}

/// The one place that turns an outcome into a status.
///
/// Spec: c2sp.org/tlog-witness §add-checkpoint.
fn answer(result: Result<Vec<NoteSignature>, Failure>) -> (Outcome, Response) {
    let failure = match result {
        Ok(lines) => {
            return (Outcome::Cosigned, text(StatusCode::OK, encode_cosignatures(&lines)));
        }
        Err(failure) => failure,
    };
    let (outcome, status) = match &failure {
        Failure::Add(AddError::Refused(refusal)) => match refusal {
            Refusal::Malformed(_) | Refusal::OldExceedsSize { .. } => {
                (Outcome::Malformed, StatusCode::BAD_REQUEST)
            }
            Refusal::NotAuthorized(_) => (Outcome::NotAuthorized, StatusCode::FORBIDDEN),
            Refusal::UnknownOrigin => (Outcome::UnknownOrigin, StatusCode::NOT_FOUND),
            // SPEC tlog-witness §add-checkpoint: the size alone on a line, under exactly this type.
            Refusal::Conflict { latest } => {
                let size = [(CONTENT_TYPE, TREE_SIZE_CONTENT_TYPE)];
                let response = (StatusCode::CONFLICT, size, encode_tree_size(*latest));
                return (Outcome::Conflict, response.into_response());
            }
            Refusal::Inconsistent(_) => (Outcome::Inconsistent, StatusCode::UNPROCESSABLE_ENTITY),
        },
        Failure::Add(AddError::TooMany { retry_after_seconds }) => {
            let after = [(RETRY_AFTER, HeaderValue::from(*retry_after_seconds))];
            let words = text(StatusCode::TOO_MANY_REQUESTS, format!("{}\n", error_chain(&failure)));
            return (Outcome::TooMany, (after, words).into_response());
        }
        Failure::Add(AddError::StateUnknown) => (Outcome::Failed, StatusCode::SERVICE_UNAVAILABLE),
        Failure::Body(BodyError::TooLarge { .. }) => {
            (Outcome::Malformed, StatusCode::PAYLOAD_TOO_LARGE)
        }
        Failure::Body(BodyError::Timeout { .. }) => {
            (Outcome::Malformed, StatusCode::REQUEST_TIMEOUT)
        }
        Failure::Body(_) => (Outcome::Malformed, StatusCode::BAD_REQUEST),
    };
    (outcome, text(status, format!("{}\n", error_chain(&failure))))
}

/// SPEC tlog-witness §monitoring: the checkpoint with the log's signatures and our own; 404 if none.
async fn latest_checkpoint(
    State(served): State<Served>,
    Path(origin_sha256_hex): Path<String>,
) -> Response {
    match served.witness.latest_checkpoint(&origin_sha256_hex) {
        Some(note) => {
            let headers = [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-cache")];
            (headers, note.to_string()).into_response()
        }
        None => text(StatusCode::NOT_FOUND, "no checkpoint of that log was cosigned\n".to_owned()),
    }
}

fn text(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, TEXT)], body).into_response()
}

const TEXT: &str = "text/plain; charset=utf-8";
const BODY_TIMEOUT_MS: u64 = 10_000;

#[cfg(test)]
mod tests;
