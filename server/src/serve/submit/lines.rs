//! Many submissions in one body, one a line, and an answer for each, one a line.

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use records::limits::BATCH_LINES_MAX;
use serde::Serialize;
use tlog::LeafIndex;

use super::judge::Answer;
use crate::admit::outcome::NotJudged;
use crate::publish::latest::Published;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::respond::{Caching, bytes};

/// Splits a body into its lines. The last line may end without a line feed; an empty one is not a
/// line.
pub(super) fn split_lines(body: &Bytes) -> Result<Vec<Bytes>, ApiError> {
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

/// Answers each line; those that `head` covers are "published".
pub(super) fn lines(
    app: &App,
    answers: Vec<Answer>,
    head: Option<&Published>,
) -> Result<Response, ApiError> {
    let mut text = Vec::with_capacity(answers.len() * 160);
    for (number, answer) in (1..).zip(answers) {
        let line = line_answer(app, number, answer, head);
        serde_json::to_writer(&mut text, &line).map_err(|it| ApiError::internal(&it))?;
        text.push(b'\n');
    }
    Ok(bytes(StatusCode::OK, "application/x-ndjson", Caching::NoStore, text.into()))
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

fn line_answer(app: &App, line: usize, answer: Answer, head: Option<&Published>) -> LineAnswer {
    let mut told = LineAnswer { line, status: "refused", ..LineAnswer::default() };
    let not_judged = match answer {
        Answer::Committed(receipt) => {
            let is_published = head.is_some_and(|it| it.covers(receipt.index()));
            told.status = if is_published { "published" } else { "committed" };
            told.index = Some(receipt.index().get());
            told.leaf_hash = Some(receipt.leaf_hash().to_base64());
            told.duplicate = Some(receipt.is_duplicate());
            return told;
        }
        Answer::Refused { refusal, conflicts_with, signed } => {
            told.index = conflicts_with.map(LeafIndex::get);
            told.rule = Some(refusal.rule.as_str());
            told.pointer = Some(refusal.pointer);
            told.detail = Some(refusal.message);
            told.refusal = signed;
            return told;
        }
        Answer::NotJudged(because) => because,
        Answer::Failed => NotJudged::OutcomeUnknown,
    };
    app.core.metrics.not_judged();
    told.status = "not_judged";
    told.detail = Some(not_judged.to_string());
    told
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
