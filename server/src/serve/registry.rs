//! Who may submit, and by which rules: what the registry says, as far as it is published.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use records::Record;
use records::profile::shipped;
use serde::Serialize;
use serde_json::value::RawValue;

use super::app::App;
use super::error::ApiError;
use super::respond::{Caching, json};
use super::revisions::last_within;
use crate::core::state::{CommittedState, DAMAGED};

pub(super) const SUBMITTERS_MAX: usize = 10_000;

#[derive(Serialize)]
struct SubmitterView {
    submitter: String,
    added: u64,
    bodies: Vec<String>,
    profiles: Vec<String>,
    roles: Vec<String>,
    /// The entry after which it submits nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<u64>,
}

/// `GET /v1/submitters`
pub(super) async fn submitters(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let size = app.published_size();
    let found = app
        .core
        .store
        .state_scan(&records::state::submitter_key(""), None, SUBMITTERS_MAX)
        .map_err(|it| ApiError::internal(&it))?;
    let mut answer = Vec::new();
    for (key, value) in found {
        let state =
            records::parse_submitter(&key, &value).ok_or_else(|| ApiError::internal(&DAMAGED))?;
        if state.added.get() < size.get() {
            answer.push(SubmitterView {
                submitter: state.submitter,
                added: state.added.get(),
                bodies: state.bodies,
                profiles: state.profiles,
                roles: state.roles,
                // A close that is committed and not published may yet be lost.
                closed: state.closed.map(records::EntryIndex::get).filter(|it| *it < size.get()),
            });
        }
    }
    Ok(json(StatusCode::OK, Caching::NoStore, &answer))
}

#[derive(Serialize)]
struct ProfileView {
    profile: String,
    engine: u32,
    kinds: Vec<String>,
    /// The whole document; none of `registry/1`, whose rules are part of the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Box<RawValue>>,
    /// The entry that published it; none of a profile that every log has.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<u64>,
    /// The entry after which it takes corrections only.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<u64>,
    rules: Vec<RuleView>,
}

#[derive(Serialize)]
struct RuleView {
    rule: &'static str,
    means: &'static str,
}

/// `GET /v1/profiles/{id}`: the document that records of a profile are judged by, and what the rules
/// mean that it names.
pub(super) async fn profile(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let none = ApiError::NotFound("the log knows no profile of that name");
    let published = newest(&app, &format!("log/profile/{id}"))?;
    let (kinds, document) = if id == records::registry::REGISTRY_PROFILE {
        (records::registry::KINDS.iter().map(|it| (*it).to_owned()).collect(), None)
    } else if let Some(profile) = shipped(&id) {
        (kinds_of(profile), Some(raw(profile)?))
    } else if let Some((_, record)) = &published
        && let records::Body::Registry(said) = record.body()
        && let records::RegistryRecord::ProfilePublish(profile) = said.as_ref()
    {
        (kinds_of(profile), Some(raw(profile)?))
    } else {
        return Err(none);
    };
    let rules =
        records::rules().iter().map(|(rule, means)| RuleView { rule: rule.as_str(), means });
    let answer = ProfileView {
        engine: records::ENGINE_VERSION,
        kinds,
        document,
        published: published.map(|(index, _)| index),
        retired: newest(&app, &format!("log/retire/{id}"))?.map(|(index, _)| index),
        rules: rules.collect(),
        profile: id,
    };
    Ok(json(StatusCode::OK, Caching::NoStore, &answer))
}

fn kinds_of(profile: &records::profile::Profile) -> Vec<String> {
    profile.kinds().iter().map(|kind| kind.name().to_owned()).collect()
}

fn raw(profile: &records::profile::Profile) -> Result<Box<RawValue>, ApiError> {
    serde_json::from_slice(profile.canonical()).map_err(|it| ApiError::internal(&it))
}

/// The newest published record about an object of the registry, and where it stands.
pub(super) fn newest(app: &App, object: &str) -> Result<Option<(u64, Record)>, ApiError> {
    let head = records::object_head(&CommittedState(&app.core.store), object)
        .map_err(|it| ApiError::internal(&it))?;
    let Some(head) = head else { return Ok(None) };
    // The newest that is committed may not be published yet: then one before it counts.
    let published = last_within(&app.core.store, object, head.rev, app.published_size());
    let Some((_, index)) = published.map_err(|it| ApiError::internal(&it))? else {
        return Ok(None);
    };
    let entry = app.core.store.entry(index).map_err(|it| ApiError::internal(&it))?;
    let entry = entry.ok_or_else(|| ApiError::internal(&DAMAGED))?;
    let entry = records::Entry::parse(&entry).map_err(|it| ApiError::internal(&it))?;
    Ok(Some((index.get(), entry.record().clone())))
}
