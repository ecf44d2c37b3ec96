//! `POST /v1/records`: one submission as JSON, or many, one a line.
//!
//! Room is taken from the budget before a byte of the body is read, and a body that ends early
//! admits nothing. An answer is "committed" only after the commit, and "published" only with a
//! proof under a head that the witnesses cosigned.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use records::limits::{BATCH_BYTES_MAX, SUBMISSION_BYTES_MAX};
use service::{BodyError, discard_body, read_body_metered};

use super::app::App;
use super::error::{ApiError, DISCARD_TIME_MAX};
use crate::admit::budget::Room;
use crate::admit::outcome::NotJudged;
use crate::publish::latest::Published;

mod judge;
mod lines;
mod one;

use judge::{Answer, judge};
use lines::{lines, split_lines};
use one::one;

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
    let read = match before_the_body(app, query, &head.headers) {
        Ok((wait, kind, room)) => {
            read_whole(app, &mut body, kind, room).await.map(|it| (wait, kind, it))
        }
        Err(error) => Err(error),
    };
    let (wait, kind, (whole, room)) = match read {
        Ok(read) => read,
        Err(error) => {
            // So that the client, which is still sending, gets to read why.
            discard_body(body, DISCARD_BYTES_MAX, DISCARD_TIME_MAX).await;
            return Err(error);
        }
    };
    let submissions = match kind {
        Kind::One => vec![whole],
        Kind::Lines => {
            let lines = split_lines(&whole)?;
            // The lines hold the bytes from here on, and only until they are checked.
            drop(whole);
            lines
        }
    };
    let answers = judge(app, submissions, room).await?;
    let head = match wait {
        Wait::Published => head_for(app, &answers).await,
        Wait::Committed => None,
    };
    match kind {
        Kind::One => {
            let answer = answers.into_iter().next().ok_or(ApiError::Internal)?;
            one(app, answer, head.as_deref())
        }
        Kind::Lines => lines(app, answers, head.as_deref()),
    }
}

/// What the client wants to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Committed,
    Published,
}

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

/// Reads the body. Room is taken as the bytes arrive: who only announces many of them takes nothing from
/// others. After an error, what was read is gone and its room is free for others.
async fn read_whole(
    app: &App,
    body: &mut Body,
    kind: Kind,
    mut room: Room,
) -> Result<(Bytes, Room), ApiError> {
    let bytes_max = kind.body_bytes_max();
    let take = |bytes: usize| match app.budget.room_for_body(bytes) {
        Some(more) => {
            room.extend(more);
            true
        }
        None => false,
    };
    match read_body_metered(body, bytes_max, app.body_timeout, take).await {
        Ok(whole) => Ok((whole, room)),
        Err(BodyError::TooLarge { .. }) => Err(ApiError::BodyTooLarge { bytes_max }),
        Err(BodyError::Timeout { .. }) => Err(ApiError::BodyTimeout),
        Err(BodyError::NoRoom) => Err(ApiError::Overloaded),
        Err(_) => Err(ApiError::BodyTruncated),
    }
}

/// The head under which the answers are shown: one that covers the last entry, and with it all of
/// them, or, when it takes longer than the configuration allows, the newest there is.
async fn head_for(app: &App, answers: &[Answer]) -> Option<Arc<Published>> {
    let indices = answers.iter().filter_map(|it| match it {
        Answer::Committed(receipt) => Some(receipt.index()),
        _ => None,
    });
    let covering = app.latest.covering(indices.max()?);
    let in_time = tokio::time::timeout(app.wait_published, covering).await.ok().flatten();
    in_time.or_else(|| app.latest.current())
}

/// What is still read of a refused body, at most, so that the client sees the refusal.
const DISCARD_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;

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
