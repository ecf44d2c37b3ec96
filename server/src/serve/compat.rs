//! The parts of the RFC 6962 interface that make sense for this log: tree heads and proofs. Our
//! entries are not certificates, so they come as tiles.
//!
//! Parameters are in the query, as the RFC has them, so nothing here may be cached.
//!
//! Spec: RFC 6962 §4.3-§4.5.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Serialize;
use tlog::{Hash, TreeSize};

use super::app::App;
use super::error::ApiError;
use super::proofs::{consistency_proof, unproven};
use super::query::url_pairs;
use super::respond::{Caching, json};
use crate::core::prove;

#[derive(Serialize)]
struct SthView {
    tree_size: u64,
    timestamp: u64,
    sha256_root_hash: String,
    tree_head_signature: String,
}

/// `GET /ct/v1/get-sth`
pub(super) async fn get_sth(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let none = ApiError::NotFound("nothing is published yet");
    let Some(published) = app.latest.current() else {
        return Err(none);
    };
    let tree_head = published.tree_head().ok_or(none)?;
    let answer = SthView {
        tree_size: published.size().get(),
        timestamp: tree_head.at.get(),
        sha256_root_hash: published.head().root.to_base64(),
        tree_head_signature: STANDARD.encode(&tree_head.signature),
    };
    Ok(json(StatusCode::OK, Caching::NoStore, &answer))
}

#[derive(Serialize)]
struct ConsistencyView {
    consistency: Vec<String>,
}

/// `GET /ct/v1/get-sth-consistency?first=&second=`
pub(super) async fn get_sth_consistency(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let first = size_parameter(&query, "first")?;
    let second = size_parameter(&query, "second")?;
    let consistency = consistency_proof(&app, first, second)?;
    Ok(json(StatusCode::OK, Caching::NoStore, &ConsistencyView { consistency }))
}

#[derive(Serialize)]
struct ProofView {
    leaf_index: u64,
    audit_path: Vec<String>,
}

/// `GET /ct/v1/get-proof-by-hash?hash=&tree_size=`
pub(super) async fn get_proof_by_hash(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let size = size_parameter(&query, "tree_size")?;
    let hash = parameter(&query, "hash").and_then(|it| Hash::from_base64(&it).ok()).ok_or(
        ApiError::Parameter {
            name: "hash",
            expected: "the base64 of a leaf hash, percent-encoded",
        },
    )?;
    let published = app.latest.current().map(|it| it.checkpoint().head());
    let published = published
        .filter(|it| size <= it.size)
        .ok_or(ApiError::NotFound("the published log is smaller than `tree_size`"))?;
    let index = app
        .core
        .store
        .index_of_leaf(&hash)
        .map_err(|it| ApiError::internal(&it))?
        .filter(|it| it.is_within(size))
        .ok_or(ApiError::NotFound("no leaf of that hash is in a tree of that size"))?;
    let path = prove::head_at(&app.core.store, size, &published)
        .and_then(|head| prove::inclusion(&app.core.store, index, &hash, &head))
        .map_err(|it| unproven(&app, &it))?;
    let audit_path = path.iter().map(Hash::to_base64).collect();
    let answer = ProofView { leaf_index: index.get(), audit_path };
    Ok(json(StatusCode::OK, Caching::NoStore, &answer))
}

fn size_parameter(query: &str, name: &'static str) -> Result<TreeSize, ApiError> {
    parameter(query, name)
        .and_then(|it| it.parse().ok())
        .ok_or(ApiError::Parameter { name, expected: "a number of entries, without leading zeros" })
}

fn parameter(query: &str, name: &str) -> Option<String> {
    url_pairs(query).find(|(found, _)| *found == name).map(|(_, value)| value)
}
