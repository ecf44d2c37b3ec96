//! What the log says about itself: its keys, its policy, its witnesses.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::app::App;
use super::error::ApiError;
use super::registry;
use super::respond::{Caching, json};

#[derive(Serialize)]
struct LogView {
    origin: String,
    vkeys: Vec<String>,
    policy: Vec<String>,
    policy_words: String,
    liars_for_split_view: usize,
    witnesses_down_tolerated: usize,
    /// The thumbprint of the operator key that signs refusals; null when they are unsigned.
    refusal_key: Option<String>,
    /// The witness policy that governance published last, as an entry of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_entry: Option<PolicyView>,
    committed_size: u64,
    published: Option<HeadView>,
}

#[derive(Serialize)]
struct HeadView {
    size: u64,
    root: String,
}

/// `GET /v1/log`
pub(super) async fn log(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let resilience = app.policy.resilience();
    let published = app
        .latest
        .current()
        .map(|it| HeadView { size: it.size().get(), root: it.head().root.to_base64() });
    let answer = LogView {
        origin: app.origin.to_string(),
        vkeys: app.verifier_keys.iter().map(ToString::to_string).collect(),
        policy: app.policy_text.lines().map(str::to_owned).collect(),
        policy_words: policy_words(&app.policy),
        liars_for_split_view: resilience.liars_for_split_view,
        witnesses_down_tolerated: resilience.down_tolerated,
        refusal_key: app.refusals.as_ref().map(|it| it.kid().to_owned()),
        policy_entry: policy_entry(&app)?,
        committed_size: app.core.store.head().size.get(),
        published,
    };
    Ok(json(StatusCode::OK, Caching::NoStore, &answer))
}

/// A witness policy in the log. That the log works under it is for the reader to see: `agrees`.
#[derive(Serialize)]
struct PolicyView {
    index: u64,
    policy: Vec<String>,
    /// Whether these are the lines that the log works under.
    agrees: bool,
}

fn policy_entry(app: &App) -> Result<Option<PolicyView>, ApiError> {
    let Some((index, record)) = registry::newest(app, "log/policy/witnesses")? else {
        return Ok(None);
    };
    let records::Body::Registry(said) = record.body() else { return Ok(None) };
    let records::RegistryRecord::PolicyPublish { policy } = said.as_ref() else { return Ok(None) };
    let agrees = policy.iter().map(String::as_str).eq(app.policy_text.lines());
    Ok(Some(PolicyView { index, policy: policy.clone(), agrees }))
}

/// What a policy protects from, in a sentence.
pub(crate) fn policy_words(policy: &tlog::Policy) -> String {
    let resilience = policy.resilience();
    format!(
        "{} witnesses; at least {} of them would have to lie before two readers could be shown \
         two different logs, and publishing goes on while {} of them cannot be reached",
        resilience.witnesses, resilience.liars_for_split_view, resilience.down_tolerated
    )
}

#[derive(Serialize)]
struct WitnessView {
    name: String,
    vkey: String,
    /// Under the published head, when (Unix seconds); absent when it did not cosign that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cosigned_published_at: Option<u64>,
    /// The size it cosigned last, as far as this process knows.
    size: u64,
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    distrusted: Option<String>,
    /// Why the operator does not hear it, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_aside: Option<SetAsideView>,
}

#[derive(Serialize)]
struct SetAsideView {
    because: String,
    at: String,
}

/// `GET /v1/witnesses`
pub(super) async fn witnesses(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let published = app.latest.current();
    let statuses = app.statuses.borrow().clone();
    let answer: Vec<WitnessView> = app
        .policy
        .witnesses()
        .iter()
        .enumerate()
        .map(|(at, witness)| {
            let status = statuses.get(at);
            let cosigned = published.as_ref().and_then(|it| {
                it.checkpoint().cosigners().iter().find(|cosigner| cosigner.name == witness.name)
            });
            WitnessView {
                name: witness.name.clone(),
                vkey: witness.key.to_string(),
                cosigned_published_at: cosigned.map(|it| it.at.get()),
                size: status.map_or(0, |it| it.size.get()),
                failures: status.map_or(0, |it| it.failures),
                distrusted: status.and_then(|it| it.distrusted).map(|it| it.to_string()),
                set_aside: set_aside(&app, &witness.key.to_string()),
            }
        })
        .collect();
    Ok(json(StatusCode::OK, Caching::NoStore, &answer))
}

fn set_aside(app: &App, vkey: &str) -> Option<SetAsideView> {
    let it = app.set_aside.iter().find(|it| it.vkey == vkey)?;
    Some(SetAsideView { because: it.because.clone(), at: it.at.clone() })
}
