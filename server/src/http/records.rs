//! `GET /v1/records/{index}`: one entry with what is disclosed of it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use tlog::LeafIndex;

use super::proofs::published_index;
use super::respond::{Caching, json};
use super::{ApiError, App};

/// An entry as JSON answers carry it.
#[derive(Serialize)]
pub(super) struct EntryView {
    /// Where it stands.
    pub(super) index: u64,
    /// The stored bytes, verbatim: they are canonical JSON.
    pub(super) entry: Box<RawValue>,
    /// The hash of these bytes as a leaf, base64.
    pub(super) leaf_hash: String,
    /// What the log holds and may show of the sealed fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) disclosures: Option<Box<RawValue>>,
}

/// `GET /v1/records/{index}`
pub(super) async fn record(
    State(app): State<Arc<App>>,
    Path(index): Path<String>,
) -> Result<Response, ApiError> {
    let (index, _) = published_index(&app, &index)?;
    // Disclosures may be erased later, so the whole answer is not one for ever.
    Ok(json(StatusCode::OK, Caching::NoStore, &entry_view(&app, index)?))
}

/// Reads an entry and what is disclosed of it.
pub(super) fn entry_view(app: &App, index: LeafIndex) -> Result<EntryView, ApiError> {
    let entry = app
        .store
        .entry(index)
        .map_err(|it| ApiError::internal(&it))?
        .ok_or(ApiError::NotFound("no such entry"))?;
    let leaf_hash = tlog::leaf_hash(&entry).to_base64();
    let disclosures = app
        .store
        .disclosures(index)
        .map_err(|it| ApiError::internal(&it))?
        .map(|it| raw(&it))
        .transpose()?;
    Ok(EntryView { index: index.get(), entry: raw(&entry)?, leaf_hash, disclosures })
}

fn raw(json: &[u8]) -> Result<Box<RawValue>, ApiError> {
    serde_json::from_slice(json).map_err(|it| ApiError::internal(&it))
}
