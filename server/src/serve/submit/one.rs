//! The answer to a single submission: a receipt, or a problem.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::judge::Answer;
use crate::publish::latest::Published;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::proofs::proof_text;
use crate::serve::respond::{Caching, json};

#[derive(Serialize)]
struct PublishedAnswer<'a> {
    status: &'static str,
    index: u64,
    size: u64,
    leaf_hash: String,
    duplicate: bool,
    proof: &'a str,
}

#[derive(Serialize)]
struct CommittedAnswer {
    status: &'static str,
    index: u64,
    leaf_hash: String,
    duplicate: bool,
}

/// Answers "published", with the proof, if `head` covers the entry.
pub(super) fn one(
    app: &App,
    answer: Answer,
    head: Option<&Published>,
) -> Result<Response, ApiError> {
    let receipt = match answer {
        Answer::Committed(receipt) => receipt,
        Answer::Refused { refusal, conflicts_with, signed } => {
            return Err(ApiError::Refused { refusal, conflicts_with, signed });
        }
        Answer::NotJudged(because) => return Err(ApiError::NotJudged(because)),
        Answer::Failed => return Err(ApiError::Internal),
    };
    let (index, leaf_hash) = (receipt.index().get(), receipt.leaf_hash().to_base64());
    let duplicate = receipt.is_duplicate();
    if let Some(head) = head.filter(|it| it.covers(receipt.index()))
        && let Ok(proof) = proof_text(app, receipt.index(), head)
        && let Ok(proof) = std::str::from_utf8(&proof)
    {
        let size = head.size().get();
        let answer =
            PublishedAnswer { status: "published", index, size, leaf_hash, duplicate, proof };
        return Ok(json(StatusCode::OK, Caching::NoStore, &answer));
    }
    let answer = CommittedAnswer { status: "committed", index, leaf_hash, duplicate };
    Ok(json(StatusCode::ACCEPTED, Caching::NoStore, &answer))
}
