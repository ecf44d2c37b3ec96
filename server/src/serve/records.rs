//! `GET /v1/records/{index}`: one entry with what is disclosed of it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use tlog::LeafIndex;

use super::app::App;
use super::error::ApiError;
use super::proofs::published_index;
use super::respond::{Caching, json};
use crate::core::withdrawn::{self, Withdrawal, Withdrawals};

/// An entry as JSON answers carry it.
#[derive(Serialize)]
pub(super) struct EntryView {
    pub(super) index: u64,
    /// The stored bytes, verbatim: they are canonical JSON.
    pub(super) entry: Box<RawValue>,
    /// The hash of these bytes as a leaf, base64.
    pub(super) leaf_hash: String,
    /// What the log holds and may show of the sealed fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) disclosures: Option<Box<RawValue>>,
    /// What the log once held and no longer has, or no longer shows, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) withdrawn: Withdrawals,
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
        .core
        .store
        .entry(index)
        .map_err(|it| ApiError::internal(&it))?
        .ok_or(ApiError::NotFound("no such entry"))?;
    let leaf_hash = tlog::leaf_hash(&entry).to_base64();
    let disclosures = app.core.store.disclosures(index).map_err(|it| ApiError::internal(&it))?;
    let withdrawn = withdrawn::of_entry(&app.core.store, index)
        .map_err(|it| ApiError::internal(it.as_ref()))?;
    let disclosures = disclosures.map(|it| what_may_be_shown(&entry, &it, &withdrawn));
    let disclosures = disclosures.transpose()?.flatten();
    Ok(EntryView { index: index.get(), entry: raw(&entry)?, leaf_hash, disclosures, withdrawn })
}

/// What the log holds of an entry, without what was withdrawn and what is sealed as personal: that
/// is kept for those who have a right to it, and never shown to everybody.
fn what_may_be_shown(
    entry: &[u8],
    held: &[u8],
    withdrawn: &[Withdrawal],
) -> Result<Option<Box<RawValue>>, ApiError> {
    let entry = records::Entry::parse(entry).map_err(|it| ApiError::internal(&it))?;
    let held: Vec<String> = serde_json::from_slice(held).map_err(|it| ApiError::internal(&it))?;
    let fields = entry.record().sealed();
    let shown = |text: &String| {
        let Ok(disclosure) = records::Disclosure::parse(text) else {
            return false;
        };
        let digest = disclosure.digest();
        let field = fields.iter().find(|it| it.digest == digest);
        field.is_some_and(|field| {
            !field.is_personal() && withdrawn.iter().all(|it| it.path != field.path)
        })
    };
    let shown: Vec<&String> = held.iter().filter(|it| shown(it)).collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(&shown).map_err(|it| ApiError::internal(&it))?;
    RawValue::from_string(text).map(Some).map_err(|it| ApiError::internal(&it))
}

fn raw(json: &[u8]) -> Result<Box<RawValue>, ApiError> {
    serde_json::from_slice(json).map_err(|it| ApiError::internal(&it))
}
