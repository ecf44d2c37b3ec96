//! Everything that can go wrong for a client, and the one place that chooses the HTTP status.
//! What went wrong inside is logged, never sent.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use service::Problem;
use tlog::{LeafIndex, TreeSize};

use crate::admit::clock_rule::ClockError;
use crate::admit::outcome::NotJudged;
use crate::core::mode::{Mode, Reason};
use crate::core::withdrawn::Act;
use crate::documents::Notice;

/// How long is still read from a refused body, at most, so that the client sees the refusal.
pub(super) const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);

/// Seconds after which a client may try again, when there was no room.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 1;

/// Seconds after which a client may try again, when the log takes nothing at present.
pub(crate) const RETRY_AFTER_CLOSED_SECONDS: u32 = 10;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ApiError {
    #[error("{refusal}")]
    Refused {
        refusal: records::Refusal,
        /// The entry it contradicts.
        conflicts_with: Option<LeafIndex>,
        /// The same under the operator's signature, for a record whose own signatures verified.
        signed: Option<String>,
    },
    #[error("the body is larger than {bytes_max} bytes")]
    BodyTooLarge { bytes_max: usize },
    #[error("the body has more than {lines_max} lines; send it in several requests")]
    TooManyLines { lines_max: usize },
    /// More lines than this log's configuration lets wait at once.
    #[error(
        "this log takes at most {lines_max} lines at once (its `limits.pool_submissions_max`); send \
         them in several requests"
    )]
    TooManyLinesHere { lines_max: usize },
    #[error("the body ended before it was whole; nothing of it was taken in")]
    BodyTruncated,
    #[error("the body did not arrive in time; nothing of it was taken in")]
    BodyTimeout,
    #[error(
        "the content type must be application/json (one submission) or application/x-ndjson (one \
         a line)"
    )]
    MediaType,
    #[error("{name}: {expected}")]
    Parameter { name: &'static str, expected: &'static str },
    #[error("the log has no room for more submissions at this moment; try again")]
    Overloaded,
    #[error(
        "the log has no room for so large an answer at this moment; ask again (what was submitted \
         stays submitted, and sending it again is safe)"
    )]
    NoRoomForAnswer,
    #[error("the log takes no records at present: {}", mode_words(.0))]
    Closed(Mode),
    #[error("{0}")]
    NotJudged(NotJudged),
    #[error("{0}")]
    NotFound(&'static str),
    #[error("entry {index} is not published: the published log has {size} entries")]
    NotPublished { index: LeafIndex, size: TreeSize },
    #[error("no checkpoint of that size is kept; the next one kept has {next} entries")]
    OtherSizeKept { next: TreeSize },
    #[error("the object has more than {revisions_max} revisions; read its entries one by one")]
    TooManyRevisions { revisions_max: u32 },
    #[error("{} since {}, on the ground {}: {}", words_of(.0.act), .0.since, .0.ground, .0.because)]
    Withdrawn(Box<Notice>),
    #[error("a document is sent with its Content-Length")]
    LengthRequired,
    #[error(
        "a document is uploaded with the header `civiclog-signature`: a detached JWS by a registered \
         key over its hash and length"
    )]
    SignatureMissing,
    #[error(
        "the signature is not one by a key that is registered for a submitter now, over this log, \
         this hash and this length"
    )]
    NotAnUploader,
    #[error("the documents of one submitter take at most {bytes_max} bytes in this log")]
    DocumentQuota { bytes_max: u64 },
    #[error("{0}")]
    OtherDocument(String),
    #[error("the log has no room for more documents at this moment; try again later")]
    NoRoomForDocuments,
    #[error("the document has {size} bytes; there is nothing in that range")]
    RangeOutside { size: u64 },
    #[error("there is nothing at this path")]
    NoSuchPath,
    #[error("this path does not understand that method")]
    MethodNotAllowed,
    #[error("the log could not answer; the operator's log says why")]
    Internal,
}

impl ApiError {
    /// Logs what failed inside and hides it from the client.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %service::error_chain(error), "answering a request");
        Self::Internal
    }

    /// The only place where a status is chosen.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Refused { conflicts_with: Some(_), .. } => StatusCode::CONFLICT,
            Self::Refused { refusal, .. } => match refusal.rule.as_str() {
                "E12" => StatusCode::PAYLOAD_TOO_LARGE,
                "E01" => StatusCode::BAD_REQUEST,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            },
            Self::BodyTooLarge { .. }
            | Self::TooManyLines { .. }
            | Self::TooManyLinesHere { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTruncated | Self::Parameter { .. } => StatusCode::BAD_REQUEST,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Overloaded | Self::NoRoomForAnswer | Self::Closed(_) | Self::NotJudged(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::NotFound(_)
            | Self::NotPublished { .. }
            | Self::OtherSizeKept { .. }
            | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::TooManyRevisions { .. } | Self::OtherDocument(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Withdrawn(_) => StatusCode::GONE,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::SignatureMissing => StatusCode::UNAUTHORIZED,
            Self::NotAnUploader | Self::DocumentQuota { .. } => StatusCode::FORBIDDEN,
            Self::NoRoomForDocuments => StatusCode::SERVICE_UNAVAILABLE,
            Self::RangeOutside { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            // A start is over as soon as the witnesses have confirmed the tree signed last and have told
            // their time.
            Self::Overloaded
            | Self::NoRoomForAnswer
            | Self::Closed(Mode::Starting(_))
            | Self::NotJudged(NotJudged::Clock(ClockError::WitnessTimeUnknown)) => {
                Some(RETRY_AFTER_SECONDS)
            }
            Self::Closed(_) | Self::NotJudged(_) | Self::NoRoomForDocuments => {
                Some(RETRY_AFTER_CLOSED_SECONDS)
            }
            _ => None,
        }
    }

    /// The rule behind a refusal of the body as a whole.
    fn rule(&self) -> Option<&'static str> {
        match self {
            Self::BodyTooLarge { .. }
            | Self::TooManyLines { .. }
            | Self::TooManyLinesHere { .. } => Some("E12"),
            Self::BodyTruncated => Some("E01"),
            _ => None,
        }
    }

    pub(crate) fn problem(&self) -> Problem {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or("Error");
        let mut problem = Problem::new(status, title);
        problem = match self {
            Self::Refused { refusal, conflicts_with, signed } => {
                let problem = problem
                    .detail(refusal.message.clone())
                    .rule(refusal.rule.as_str())
                    .pointer(refusal.pointer.clone());
                let problem = match conflicts_with {
                    Some(index) => problem.with("index", index.get()),
                    None => problem,
                };
                match signed {
                    Some(text) => problem.with("refusal", text.as_str()),
                    None => problem,
                }
            }
            Self::Withdrawn(notice) => problem
                .detail(self.to_string())
                .with("act", words_of(notice.act))
                .with("since", notice.since.as_str())
                .with("ground", notice.ground.as_str())
                .with("because", notice.because.as_str()),
            other => {
                let problem = problem.detail(other.to_string());
                match other.rule() {
                    Some(rule) => problem.rule(rule).pointer(""),
                    None => problem,
                }
            }
        };
        match self.retry_after_seconds() {
            Some(seconds) => problem.retry_after_s(seconds),
            None => problem,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Self::RangeOutside { size } = self
            && let Ok(range) = HeaderValue::try_from(format!("bytes */{size}"))
        {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
        response
    }
}

const fn words_of(act: Act) -> &'static str {
    match act {
        Act::Withheld => "withheld",
        Act::Erased => "erased",
    }
}

fn mode_words(mode: &Mode) -> String {
    match mode {
        Mode::Starting(words) | Mode::ReadOnly(Reason::Contradicted(words)) => words.clone(),
        Mode::ReadOnly(Reason::Failed(_)) => {
            "something failed, and it stands still rather than guess; its operator's log says what"
                .to_owned()
        }
        Mode::Running => "it was closed a moment ago".to_owned(),
        Mode::Stopping => "it is shutting down".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_inside_is_for_the_operator_alone() {
        let words = "reading or writing the anchor /var/lib/civiclog/anchor: no space left";
        let mode = Mode::ReadOnly(Reason::Failed(words.to_owned()));
        let told = ApiError::Closed(mode).to_string();
        assert!(!told.contains("/var") && !told.contains("space"), "{told}");
        assert!(told.contains("operator"), "{told}");
    }

    #[test]
    fn a_log_that_starts_is_asked_again_sooner_than_one_that_waits_for_its_operator() {
        let starting = ApiError::Closed(Mode::Starting("waiting for witnesses".to_owned()));
        let untold = ApiError::NotJudged(ClockError::WitnessTimeUnknown.into());
        let failed = ApiError::Closed(Mode::ReadOnly(Reason::Failed("a write failed".to_owned())));
        let full = ApiError::NotJudged(NotJudged::DiskAlmostFull);
        let after = [starting, untold, failed, full].map(|it| it.retry_after_seconds());
        assert_eq!(after, [1, 1, 10, 10].map(Some));
    }
}
