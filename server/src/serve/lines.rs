//! `POST /v1/records` with many submissions, one a line: taken in whole or not at all, each line
//! judged and answered for itself.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use records::limits::BATCH_LINES_MAX;
use serde::Serialize;
use tlog::LeafIndex;
use tokio::sync::oneshot;

use super::respond::{Caching, bytes};
use super::submit::{Wait, published, signed_refusal};
use super::{ApiError, App};
use crate::admit::budget::Room;
use crate::admit::check::{CheckError, check};
use crate::admit::outcome::{NotJudged, Outcome};
use crate::admit::pool::Pending;

/// Lines that one piece of work for an admission thread has.
const LINES_PER_JOB: usize = 32;

/// A line on its way: waiting for the sequencer, or refused before.
enum Line {
    Waiting(oneshot::Receiver<Outcome>),
    Refused(Box<records::Refusal>),
    /// The log could not check it.
    Failed,
}

/// Answers a body of lines.
pub(super) async fn lines(
    app: &Arc<App>,
    wait: Wait,
    body: Bytes,
    room: Room,
) -> Result<Response, ApiError> {
    let lines = split_lines(&body)?;
    // The lines hold the bytes from here on, and only until they are checked.
    drop(body);
    let room = Arc::new(room.join(room_for(app, lines.len())?));
    let waiting = check_and_put(app, lines, Arc::clone(&room)).await?;
    let mut outcomes = Vec::with_capacity(waiting.len());
    for line in waiting {
        outcomes.push(match line {
            Line::Waiting(outcome) => {
                outcome.await.unwrap_or(Outcome::NotJudged(NotJudged::OutcomeUnknown))
            }
            Line::Refused(refusal) => {
                Outcome::Refused { refusal: *refusal, conflicts_with: None, signable: None }
            }
            Line::Failed => Outcome::NotJudged(NotJudged::OutcomeUnknown),
        });
    }
    let outcomes = sign_refusals(app, outcomes, room).await?;
    let last_committed = outcomes.iter().filter_map(|(outcome, _)| match outcome {
        Outcome::Committed(receipt) => Some(receipt.index()),
        _ => None,
    });
    // One wait for the whole batch: a head that covers the last line covers all of them.
    let all_published = match last_committed.max() {
        Some(last) if wait == Wait::Published => published(app, last).await.is_some(),
        _ => false,
    };
    let size = app.latest.current().map(|it| it.size());
    let mut text = Vec::with_capacity(outcomes.len() * 160);
    for (number, (outcome, signed)) in outcomes.into_iter().enumerate() {
        let shown = |index: LeafIndex| {
            all_published
                || (wait == Wait::Published && size.is_some_and(|size| index.is_within(size)))
        };
        let answer = line_answer(app, number + 1, outcome, signed, shown);
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

/// Room for so many lines. What could never fit is not told to come back later.
fn room_for(app: &App, lines: usize) -> Result<Room, ApiError> {
    let lines_max = app.budget.submissions_max();
    if lines > lines_max {
        return Err(ApiError::TooManyLinesHere { lines_max });
    }
    app.budget.room_for_submissions(lines).ok_or(ApiError::Overloaded)
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
                        .map(|line| check(&working.core.store, working.origin.as_str(), line))
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
                Err(CheckError::Refused(refusal)) => {
                    app.core.metrics.refused();
                    Line::Refused(Box::new(refusal))
                }
                Err(error) => {
                    error.report(&app.core.mode);
                    Line::Failed
                }
            });
        }
    }
    app.pool.put(pending);
    Ok(waiting)
}

type Signed = Vec<(Outcome, Option<String>)>;

/// Signs the refusals that may be signed, in pieces of work like the checks before, and gives the
/// room of the batch back.
async fn sign_refusals(
    app: &Arc<App>,
    outcomes: Vec<Outcome>,
    room: Arc<Room>,
) -> Result<Signed, ApiError> {
    if app.refusals.is_none() {
        return Ok(outcomes.into_iter().map(|it| (it, None)).collect());
    }
    let mut outcomes = outcomes.into_iter();
    let mut jobs = Vec::new();
    while outcomes.len() > 0 {
        let chunk: Vec<Outcome> = outcomes.by_ref().take(LINES_PER_JOB).collect();
        let (app, room) = (Arc::clone(app), Arc::clone(&room));
        jobs.push(async move {
            if chunk.iter().all(|it| !matches!(it, Outcome::Refused { signable: Some(_), .. })) {
                return Some(chunk.into_iter().map(|it| (it, None)).collect());
            }
            let working = Arc::clone(&app);
            let sign = move |outcome| {
                let signed = signed_refusal(&working, &outcome);
                (outcome, signed)
            };
            app.admission.run(room, move || chunk.into_iter().map(sign).collect::<Signed>()).await
        });
    }
    let signed = futures_util::future::join_all(jobs).await;
    let signed: Option<Vec<Signed>> = signed.into_iter().collect();
    Ok(signed.ok_or(ApiError::Internal)?.into_iter().flatten().collect())
}

/// One line of the answer to many submissions.
#[derive(Default, Serialize)]
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
    /// The refusal under the operator's signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
}

fn line_answer(
    app: &App,
    line: usize,
    outcome: Outcome,
    signed: Option<String>,
    is_published: impl Fn(LeafIndex) -> bool,
) -> LineAnswer {
    let mut answer = LineAnswer { line, status: "refused", ..LineAnswer::default() };
    match outcome {
        Outcome::Committed(receipt) => {
            if receipt.is_duplicate() {
                app.core.metrics.duplicate();
            }
            answer.status = if is_published(receipt.index()) { "published" } else { "committed" };
            answer.index = Some(receipt.index().get());
            answer.leaf_hash = Some(receipt.leaf_hash().to_base64());
            answer.duplicate = Some(receipt.is_duplicate());
        }
        Outcome::Refused { refusal, conflicts_with, .. } => {
            answer.index = conflicts_with.map(LeafIndex::get);
            answer.rule = Some(refusal.rule.as_str());
            answer.pointer = Some(refusal.pointer);
            answer.detail = Some(refusal.message);
            answer.refusal = signed;
        }
        Outcome::NotJudged(because) => {
            app.core.metrics.not_judged();
            answer.status = "not_judged";
            answer.detail = Some(because.to_string());
        }
    }
    answer
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
}
