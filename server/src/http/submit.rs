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
use records::limits::{BATCH_BYTES_MAX, BATCH_LINES_MAX, SUBMISSION_BYTES_MAX};
use serde::Serialize;
use service::{BodyError, discard_body, read_body_metered};
use tlog::LeafIndex;
use tokio::sync::oneshot;

use super::respond::{Caching, bytes, json};
use super::{ApiError, App, proofs};
use crate::admit::{AdmitError, check};
use crate::pool::{NotJudged, Outcome, Pending, Receipt, Room};
use crate::published::Published;

/// What is still read of a refused body, at most, so that the client sees the refusal.
const DISCARD_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;

/// How long is still read from a refused body, at most.
pub(super) const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);

/// Lines that one piece of work for an admission thread has.
const LINES_PER_JOB: usize = 32;

/// What the client wants to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
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
                ApiError::Overloaded => app.metrics.overloaded(),
                ApiError::Closed(_) | ApiError::NotJudged(_) => app.metrics.not_judged(),
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
    let (head, body) = request.into_parts();
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
    let take = |bytes: usize| match app.budget.room_for_bytes(bytes) {
        Some(more) => {
            room.extend(more);
            true
        }
        None => false,
    };
    let body = read_body_metered(body, bytes_max, app.body_timeout, take).await;
    let body = body.map_err(|error| match error {
        BodyError::TooLarge { .. } => ApiError::BodyTooLarge { bytes_max },
        BodyError::Timeout { .. } => ApiError::BodyTimeout,
        BodyError::NoRoom => ApiError::Overloaded,
        _ => ApiError::BodyTruncated,
    })?;
    match kind {
        Kind::One => one(app, wait, body, room).await,
        Kind::Lines => lines(app, wait, body, room).await,
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
    if !app.mode.is_running() {
        return Err(ApiError::Closed(app.mode.current()));
    }
    let bytes_max = kind.body_bytes_max();
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.parse::<usize>().ok());
    if announced.is_some_and(|it| it > bytes_max) {
        return Err(ApiError::BodyTooLarge { bytes_max });
    }
    if announced.is_some_and(|it| it > app.budget.bytes_free()) {
        return Err(ApiError::Overloaded);
    }
    let room = app.budget.room_for_bytes(1).ok_or(ApiError::Overloaded)?;
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
    let working = Arc::clone(app);
    let checked = app
        .admission
        .run(Arc::clone(&room), move || check(&working.store, working.origin.as_str(), &body))
        .await
        .ok_or(ApiError::Internal)?;
    let checked = checked.map_err(|error| refusal_of(app, error))?;
    let (answer, outcome) = oneshot::channel();
    app.pool.put([Pending { checked, answer, room }]);
    match outcome.await.unwrap_or(Outcome::NotJudged(NotJudged::OutcomeUnknown)) {
        Outcome::Committed(receipt) => {
            if receipt.is_duplicate() {
                app.metrics.duplicate();
            }
            Ok(receipt_answer(app, wait, receipt).await)
        }
        Outcome::Refused { refusal, conflicts_with } => {
            Err(ApiError::Refused { refusal, conflicts_with })
        }
        Outcome::NotJudged(because) => Err(ApiError::NotJudged(because)),
    }
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
async fn published(app: &App, index: LeafIndex) -> Option<Arc<Published>> {
    tokio::time::timeout(app.wait_published, app.board.covering(index)).await.ok().flatten()
}

/// One line of the answer to many submissions.
#[derive(Serialize)]
struct LineAnswer {
    line: usize,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// A line on its way: waiting for the sequencer, or refused before.
enum Line {
    Waiting(oneshot::Receiver<Outcome>),
    Refused(Box<records::Refusal>),
    /// The log could not check it.
    Failed,
}

async fn lines(app: &Arc<App>, wait: Wait, body: Bytes, room: Room) -> Result<Response, ApiError> {
    let lines = split_lines(&body)?;
    // The lines hold the bytes from here on, and only until they are checked.
    drop(body);
    let room = room.join(app.budget.room_for_submissions(lines.len()).ok_or(ApiError::Overloaded)?);
    let waiting = check_and_put(app, lines, Arc::new(room)).await?;
    let mut answers = Vec::with_capacity(waiting.len());
    let mut last_committed = None;
    for (number, line) in waiting.into_iter().enumerate() {
        let outcome = match line {
            Line::Waiting(outcome) => {
                outcome.await.unwrap_or(Outcome::NotJudged(NotJudged::OutcomeUnknown))
            }
            Line::Refused(refusal) => Outcome::Refused { refusal: *refusal, conflicts_with: None },
            Line::Failed => Outcome::NotJudged(NotJudged::OutcomeUnknown),
        };
        if let Outcome::Committed(receipt) = &outcome {
            last_committed = last_committed.max(Some(receipt.index()));
        }
        answers.push((number + 1, outcome));
    }
    // One wait for the whole batch: a head that covers the last line covers all of them.
    let all_published = match last_committed {
        Some(last) if wait == Wait::Published => published(app, last).await.is_some(),
        _ => false,
    };
    let size = app.board.current().map(|it| it.size());
    let mut text = Vec::with_capacity(answers.len() * 160);
    for (line, outcome) in answers {
        let shown = |index: LeafIndex| {
            all_published
                || (wait == Wait::Published && size.is_some_and(|size| index.is_within(size)))
        };
        let answer = line_answer(app, line, outcome, shown);
        serde_json::to_writer(&mut text, &answer).map_err(|it| ApiError::internal(&it))?;
        text.push(b'\n');
    }
    Ok(bytes(StatusCode::OK, "application/x-ndjson", Caching::NoStore, text.into()))
}

/// Splits a body into its lines. The last line may end without a line feed; an empty one is not a
/// line.
fn split_lines(body: &Bytes) -> Result<Vec<Bytes>, ApiError> {
    let mut lines = Vec::new();
    let mut start = 0;
    while start < body.len() {
        let rest = &body[start..];
        let length = rest.iter().position(|it| *it == b'\n').unwrap_or(rest.len());
        let end = start + length;
        let ends_with_cr = length > 0 && body[end - 1] == b'\r';
        lines.push(body.slice(start..end - usize::from(ends_with_cr)));
        if lines.len() > BATCH_LINES_MAX {
            return Err(ApiError::TooManyLines { lines_max: BATCH_LINES_MAX });
        }
        start = end + 1;
    }
    Ok(lines)
}

/// Checks all lines in parallel and puts those that pass into the pool, in the body's order.
async fn check_and_put(
    app: &Arc<App>,
    lines: Vec<Bytes>,
    room: Arc<Room>,
) -> Result<Vec<Line>, ApiError> {
    let jobs = lines.chunks(LINES_PER_JOB).map(|chunk| {
        let (app, chunk, room) = (Arc::clone(app), chunk.to_vec(), Arc::clone(&room));
        async move {
            let working = Arc::clone(&app);
            app.admission
                .run(room, move || {
                    chunk
                        .iter()
                        .map(|line| check(&working.store, working.origin.as_str(), line))
                        .collect::<Vec<_>>()
                })
                .await
        }
    });
    let checked = futures_util::future::join_all(jobs).await;
    let mut waiting = Vec::with_capacity(lines.len());
    let mut pending = Vec::with_capacity(lines.len());
    for result in checked {
        for line in result.ok_or(ApiError::Internal)? {
            waiting.push(match line {
                Ok(checked) => {
                    let (answer, outcome) = oneshot::channel();
                    pending.push(Pending { checked, answer, room: Arc::clone(&room) });
                    Line::Waiting(outcome)
                }
                Err(AdmitError::Refused(refusal)) => {
                    app.metrics.refused();
                    Line::Refused(Box::new(refusal))
                }
                Err(error) => {
                    tracing::error!(error = %crate::sequence::error_chain(&error), "admission");
                    Line::Failed
                }
            });
        }
    }
    app.pool.put(pending);
    Ok(waiting)
}

fn line_answer(
    app: &App,
    line: usize,
    outcome: Outcome,
    is_published: impl Fn(LeafIndex) -> bool,
) -> LineAnswer {
    let mut answer = LineAnswer {
        line,
        status: "refused",
        index: None,
        leaf_hash: None,
        duplicate: None,
        rule: None,
        pointer: None,
        detail: None,
    };
    match outcome {
        Outcome::Committed(receipt) => {
            if receipt.is_duplicate() {
                app.metrics.duplicate();
            }
            answer.status = if is_published(receipt.index()) { "published" } else { "committed" };
            answer.index = Some(receipt.index().get());
            answer.leaf_hash = Some(receipt.leaf_hash().to_base64());
            answer.duplicate = Some(receipt.is_duplicate());
        }
        Outcome::Refused { refusal, conflicts_with } => {
            answer.index = conflicts_with.map(LeafIndex::get);
            answer.rule = Some(refusal.rule.as_str());
            answer.pointer = Some(refusal.pointer);
            answer.detail = Some(refusal.message);
        }
        Outcome::NotJudged(because) => {
            app.metrics.not_judged();
            answer.status = "not_judged";
            answer.detail = Some(because.to_string());
        }
    }
    answer
}

fn refusal_of(app: &App, error: AdmitError) -> ApiError {
    match error {
        AdmitError::Refused(refusal) => {
            app.metrics.refused();
            ApiError::Refused { refusal, conflicts_with: None }
        }
        other => ApiError::internal(&other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(body: &'static str) -> Vec<Bytes> {
        split_lines(&Bytes::from_static(body.as_bytes())).expect("few lines")
    }

    #[test]
    fn lines_end_with_a_line_feed_or_the_body() {
        assert_eq!(split("{}\n[]\r\nx"), ["{}", "[]", "x"]);
        assert_eq!(split("a\n\nb\n"), ["a", "", "b"]);
        assert!(split("").is_empty());
    }

    #[test]
    fn one_line_too_many_is_refused() {
        let most = Bytes::from("x\n".repeat(BATCH_LINES_MAX));
        assert_eq!(split_lines(&most).expect("as many as allowed").len(), BATCH_LINES_MAX);
        let more = Bytes::from("x\n".repeat(BATCH_LINES_MAX + 1));
        assert!(matches!(split_lines(&more), Err(ApiError::TooManyLines { .. })));
    }

    #[test]
    fn the_query_knows_two_words() {
        assert_eq!(parse_wait(None).expect("default"), Wait::Published);
        assert_eq!(parse_wait(Some("wait=committed")).expect("a word"), Wait::Committed);
        assert!(parse_wait(Some("wait=never")).is_err());
        assert!(parse_wait(Some("wiat=committed")).is_err());
    }
}
