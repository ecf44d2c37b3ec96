//! `POST /v1/records`: one submission as JSON, or many, one a line.
//!
//! Room is taken from the budget before a byte of the body is read, and a body that ends early
//! admits nothing. An answer is "committed" only after the commit, and "published" only with a
//! proof under a head that the witnesses cosigned.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use records::limits::{BATCH_BYTES_MAX, SUBMISSION_BYTES_MAX};
use serde::Serialize;
use service::{BodyError, discard_body, read_body_metered};
use tlog::LeafIndex;
use tokio::sync::oneshot;

use super::lines::lines;
use super::respond::{Caching, json};
use super::{ApiError, App, proofs};
use crate::admit::budget::Room;
use crate::admit::check::{CheckError, check};
use crate::admit::outcome::{NotJudged, Outcome, Receipt};
use crate::admit::pool::Pending;
use crate::publish::latest::Published;

/// What is still read of a refused body, at most, so that the client sees the refusal.
const DISCARD_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;

/// How long is still read from a refused body, at most.
pub(super) const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);

/// What the client wants to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Committed,
    Published,
}

/// The two kinds of body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    One,
    Lines,
}

impl Kind {
    fn body_bytes_max(self) -> usize {
        match self {
            Self::One => SUBMISSION_BYTES_MAX,
            Self::Lines => BATCH_BYTES_MAX,
        }
    }
}

/// `POST /v1/records`
pub(super) async fn post_records(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    match answer(&app, query.as_deref(), request).await {
        Ok(response) => response,
        Err(error) => {
            match &error {
                ApiError::Overloaded => app.core.metrics.overloaded(),
                ApiError::Closed(_) | ApiError::NotJudged(_) => app.core.metrics.not_judged(),
                _ => {}
            }
            error.into_response()
        }
    }
}

async fn answer(
    app: &Arc<App>,
    query: Option<&str>,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, mut body) = request.into_parts();
    let (wait, kind, room) = match before_the_body(app, query, &head.headers) {
        Ok(admitted) => admitted,
        Err(error) => {
            // So that the client, which is still sending, gets to read why.
            discard_body(body, DISCARD_BYTES_MAX, DISCARD_TIME_MAX).await;
            return Err(error);
        }
    };
    let bytes_max = kind.body_bytes_max();
    // Room is taken as the bytes arrive: who only announces many of them takes nothing from others.
    let mut room = room;
    let take = |bytes: usize| match app.budget.room_for_body(bytes) {
        Some(more) => {
            room.extend(more);
            true
        }
        None => false,
    };
    let read = read_body_metered(&mut body, bytes_max, app.body_timeout, take).await;
    let whole = match read {
        Ok(whole) => whole,
        Err(error) => {
            // What it held is free for others before the rest is thrown away.
            drop(room);
            discard_body(body, DISCARD_BYTES_MAX, DISCARD_TIME_MAX).await;
            return Err(match error {
                BodyError::TooLarge { .. } => ApiError::BodyTooLarge { bytes_max },
                BodyError::Timeout { .. } => ApiError::BodyTimeout,
                BodyError::NoRoom => ApiError::Overloaded,
                _ => ApiError::BodyTruncated,
            });
        }
    };
    match kind {
        Kind::One => one(app, wait, whole, room).await,
        Kind::Lines => lines(app, wait, whole, room).await,
    }
}

/// Everything that can be refused before a byte of the body is read, and the room for it.
fn before_the_body(
    app: &App,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<(Wait, Kind, Room), ApiError> {
    let wait = parse_wait(query)?;
    let kind = parse_kind(headers)?;
    if !app.core.mode.is_running() {
        return Err(ApiError::Closed(app.core.mode.current()));
    }
    app.low_water.check().map_err(|_| ApiError::NotJudged(NotJudged::DiskAlmostFull))?;
    let bytes_max = kind.body_bytes_max();
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.parse::<usize>().ok());
    if announced.is_some_and(|it| it > bytes_max) {
        return Err(ApiError::BodyTooLarge { bytes_max });
    }
    if announced.is_some_and(|it| !app.budget.could_hold_body(it)) {
        return Err(ApiError::Overloaded);
    }
    let room = app.budget.room_for_body(1).ok_or(ApiError::Overloaded)?;
    Ok((wait, kind, room))
}

fn parse_wait(query: Option<&str>) -> Result<Wait, ApiError> {
    match query.unwrap_or("") {
        "" | "wait=published" => Ok(Wait::Published),
        "wait=committed" => Ok(Wait::Committed),
        _ => Err(ApiError::Parameter {
            name: "wait",
            expected: "the only query is `wait=published` (the default) or `wait=committed`",
        }),
    }
}

fn parse_kind(headers: &HeaderMap) -> Result<Kind, ApiError> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = media_type.map(|it| it.split(';').next().unwrap_or(it).trim());
    match essence {
        Some("application/json") => Ok(Kind::One),
        Some("application/x-ndjson") => Ok(Kind::Lines),
        _ => Err(ApiError::MediaType),
    }
}

#[derive(Serialize)]
struct Published1<'a> {
    status: &'static str,
    index: u64,
    size: u64,
    leaf_hash: String,
    duplicate: bool,
    proof: &'a str,
}

#[derive(Serialize)]
struct Committed1 {
    status: &'static str,
    index: u64,
    leaf_hash: String,
    duplicate: bool,
}

async fn one(app: &Arc<App>, wait: Wait, body: Bytes, room: Room) -> Result<Response, ApiError> {
    let submissions = app.budget.room_for_submissions(1).ok_or(ApiError::Overloaded)?;
    let room = Arc::new(room.join(submissions));
    let held = Arc::clone(&room);
    let working = Arc::clone(app);
    let checked = app
        .admission
        .run(Arc::clone(&room), move || check(&working.core.store, working.origin.as_str(), &body))
        .await
        .ok_or(ApiError::Internal)?;
    let checked = checked.map_err(|error| refusal_of(app, error))?;
    let (answer, outcome) = oneshot::channel();
    app.pool.put([Pending { checked, answer, room }]);
    let outcome = outcome.await.unwrap_or(Outcome::NotJudged(NotJudged::OutcomeUnknown));
    match outcome {
        Outcome::Committed(receipt) => {
            drop(held);
            if receipt.is_duplicate() {
                app.core.metrics.duplicate();
            }
            Ok(receipt_answer(app, wait, receipt).await)
        }
        Outcome::Refused { .. } => Err(refused(app, outcome, held).await),
        Outcome::NotJudged(because) => Err(ApiError::NotJudged(because)),
    }
}

/// A refusal by the sequencer, signed if it may be. Signing is work like checking, and holds the
/// same room.
async fn refused(app: &Arc<App>, outcome: Outcome, room: Arc<Room>) -> ApiError {
    let working = Arc::clone(app);
    let sign = move || {
        let signed = signed_refusal(&working, &outcome);
        (outcome, signed)
    };
    match app.admission.run(room, sign).await {
        Some((Outcome::Refused { refusal, conflicts_with, .. }, signed)) => {
            ApiError::Refused { refusal, conflicts_with, signed }
        }
        _ => ApiError::Internal,
    }
}

/// The signed text of an outcome that is a refusal and may be signed.
pub(super) fn signed_refusal(app: &App, outcome: &Outcome) -> Option<String> {
    let Outcome::Refused { refusal, conflicts_with, signable: Some(signable) } = outcome else {
        return None;
    };
    Some(app.refusals.as_ref()?.sign(signable, refusal, *conflicts_with))
}

async fn receipt_answer(app: &App, wait: Wait, receipt: Receipt) -> Response {
    let (index, leaf_hash) = (receipt.index().get(), receipt.leaf_hash().to_base64());
    let duplicate = receipt.is_duplicate();
    if wait == Wait::Published
        && let Some(published) = published(app, receipt.index()).await
        && let Ok(proof) = proofs::proof_text(app, receipt.index(), &published)
        && let Ok(proof) = std::str::from_utf8(&proof)
    {
        let size = published.size().get();
        let answer = Published1 { status: "published", index, size, leaf_hash, duplicate, proof };
        return json(StatusCode::OK, Caching::NoStore, &answer);
    }
    let answer = Committed1 { status: "committed", index, leaf_hash, duplicate };
    json(StatusCode::ACCEPTED, Caching::NoStore, &answer)
}

/// Waits until the entry is published, for as long as the configuration allows.
pub(super) async fn published(app: &App, index: LeafIndex) -> Option<Arc<Published>> {
    tokio::time::timeout(app.wait_published, app.latest.covering(index)).await.ok().flatten()
}

fn refusal_of(app: &App, error: CheckError) -> ApiError {
    match error {
        CheckError::Refused(refusal) => {
            app.core.metrics.refused();
            ApiError::Refused { refusal, conflicts_with: None, signed: None }
        }
        other => {
            other.report(&app.core.mode);
            ApiError::Internal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_knows_two_words() {
        assert_eq!(parse_wait(None).expect("default"), Wait::Published);
        assert_eq!(parse_wait(Some("wait=committed")).expect("a word"), Wait::Committed);
        assert!(parse_wait(Some("wait=never")).is_err());
        assert!(parse_wait(Some("wiat=committed")).is_err());
    }
}
