//! Proofs: that an entry is in the published tree, that one published tree extends another. All
//! parameters are in the path: caches that ignore queries have served wrong proofs.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use tlog::{LeafIndex, Note, TlogProof, TreeSize};

use super::app::App;
use super::error::ApiError;
use super::respond::{Caching, bytes, json};
use crate::core::prove;
use crate::publish::latest::Published;
use crate::serve::receipt;

const PROOF_TYPE: &str = "text/plain; charset=utf-8";

/// `GET /v1/proofs/{index}`: a proof under the published head, with the entry in it.
pub(super) async fn proof(
    State(app): State<Arc<App>>,
    Path(index): Path<String>,
) -> Result<Response, ApiError> {
    let (index, published) = published_index(&app, &index)?;
    let text = proof_text(&app, index, &published)?;
    Ok(bytes(StatusCode::OK, PROOF_TYPE, Caching::NoStore, text))
}

/// `GET /v1/proofs/{index}/{size}`: the same under an earlier published head that is kept.
pub(super) async fn proof_at(
    State(app): State<Arc<App>>,
    Path((index, size)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (index, _) = published_index(&app, &index)?;
    let size = parse_size("size", &size)?;
    if !index.is_within(size) {
        return Err(ApiError::NotPublished { index, size });
    }
    let note = kept_note(&app, size)?;
    let proof =
        receipt::proof_under(&app.core.store, index, &note).map_err(|it| unproven(&app, &it))?;
    Ok(bytes(StatusCode::OK, PROOF_TYPE, Caching::NoStore, proof.encode().into()))
}

/// `GET /v1/receipts/{index}`: the entry's proof, those of the entries that registered the keys
/// behind its signatures, and that of entry 0, all under the published head.
pub(super) async fn receipt(
    State(app): State<Arc<App>>,
    Path(index): Path<String>,
) -> Result<Response, ApiError> {
    let (index, published) = published_index(&app, &index)?;
    let text =
        receipt::receipt(&app.core.store, index, &published).map_err(|it| unproven(&app, &it))?;
    Ok(bytes(StatusCode::OK, PROOF_TYPE, Caching::NoStore, text.into()))
}

pub(super) fn unproven(app: &App, failure: &prove::Failure) -> ApiError {
    prove::report(failure, &app.core.mode);
    ApiError::Internal
}

#[derive(Serialize)]
struct Consistency {
    from: u64,
    to: u64,
    proof: Vec<String>,
}

/// `GET /v1/consistency/{from}/{to}`: that the tree of `to` entries extends that of `from`.
pub(super) async fn consistency(
    State(app): State<Arc<App>>,
    Path((from, to)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (from, to) = (parse_size("from", &from)?, parse_size("to", &to)?);
    let proof = consistency_proof(&app, from, to)?;
    let answer = Consistency { from: from.get(), to: to.get(), proof };
    Ok(json(StatusCode::OK, Caching::Immutable, &answer))
}

/// The hashes of a consistency proof between two sizes up to the published one, in base64.
pub(super) fn consistency_proof(
    app: &App,
    from: TreeSize,
    to: TreeSize,
) -> Result<Vec<String>, ApiError> {
    let published = app.latest.current().map(|it| it.checkpoint().head());
    let published = published
        .filter(|it| to <= it.size)
        .ok_or(ApiError::NotFound("the published log is smaller than `to`"))?;
    if from > to {
        return Err(ApiError::Parameter { name: "from", expected: "at most `to`" });
    }
    if from == TreeSize::ZERO || from == to {
        return Ok(Vec::new());
    }
    let proof = prove::consistency(&app.core.store, from, to, &published)
        .map_err(|it| unproven(app, &it))?;
    Ok(proof.iter().map(tlog::Hash::to_base64).collect())
}

#[derive(Serialize)]
struct Checkpoints {
    size: u64,
    first: String,
    last: String,
}

/// `GET /v1/checkpoints/{size}`: the first and the last note published for a size.
pub(super) async fn checkpoint_at(
    State(app): State<Arc<App>>,
    Path(size): Path<String>,
) -> Result<Response, ApiError> {
    let size = parse_size("size", &size)?;
    let kept = app.core.store.checkpoint_at(size).map_err(|it| ApiError::internal(&it))?;
    let Some(kept) = kept else {
        return Err(not_kept(&app, size)?);
    };
    let answer = Checkpoints { size: size.get(), first: kept.first.note, last: kept.last.note };
    Ok(json(StatusCode::OK, Caching::NoStore, &answer))
}

/// The proof file of a published entry.
pub(super) fn proof_text(
    app: &App,
    index: LeafIndex,
    published: &Published,
) -> Result<Bytes, ApiError> {
    let proof: TlogProof =
        receipt::proof_under(&app.core.store, index, published.checkpoint().note())
            .map_err(|it| unproven(app, &it))?;
    Ok(proof.encode().into())
}

/// An index that is under the published head, and that head.
pub(super) fn published_index(
    app: &App,
    index: &str,
) -> Result<(LeafIndex, Arc<Published>), ApiError> {
    let index: LeafIndex = index.parse().map_err(|_| ApiError::Parameter {
        name: "index",
        expected: "a number from 0, without leading zeros",
    })?;
    let published =
        app.latest.current().ok_or(ApiError::NotPublished { index, size: TreeSize::ZERO })?;
    if !published.covers(index) {
        return Err(ApiError::NotPublished { index, size: published.size() });
    }
    Ok((index, published))
}

fn parse_size(name: &'static str, size: &str) -> Result<TreeSize, ApiError> {
    size.parse().map_err(|_| ApiError::Parameter {
        name,
        expected: "a number of entries, without leading zeros",
    })
}

fn kept_note(app: &App, size: TreeSize) -> Result<Note, ApiError> {
    let kept = app.core.store.checkpoint_at(size).map_err(|it| ApiError::internal(&it))?;
    let Some(kept) = kept else {
        return Err(not_kept(app, size)?);
    };
    Note::parse(kept.last.note.as_bytes()).map_err(|it| ApiError::internal(&it))
}

fn not_kept(app: &App, size: TreeSize) -> Result<ApiError, ApiError> {
    let next = app.core.store.next_checkpoint_after(size).map_err(|it| ApiError::internal(&it))?;
    Ok(next.map_or(
        ApiError::NotFound("no checkpoint of that size or a larger one was published"),
        |next| ApiError::OtherSizeKept { next },
    ))
}
