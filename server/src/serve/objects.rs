//! What the log says about one object: every published revision, and the state they add up to.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use records::{Entry, Op};
use serde::Serialize;
use serde_json::value::RawValue;
use tlog::LeafIndex;

use super::app::App;
use super::error::ApiError;
use super::query::url_pairs;
use super::records::{EntryView, entry_view};
use super::respond::{Caching, bytes, json};
use super::revisions::last_within;
use crate::core::state::CommittedState;

/// Objects in one answer of the listing.
const LIST_MAX: usize = 1000;

/// Revisions that one answer shows. Of an object with more, read the entries.
const REVISIONS_MAX: u32 = 1000;

/// Pages of the state that one listing looks through for published objects, at most.
const SCANS_MAX: usize = 64;

#[derive(Serialize)]
struct ObjectView {
    object: String,
    /// `null` when everything was voided.
    current: Option<Current>,
    revisions: Vec<RevisionView>,
}

/// The state that all revisions add up to.
#[derive(Serialize)]
struct Current {
    /// The step in the object's life.
    rev: u32,
    /// The revision that holds its data now: the step itself, or its last correction.
    as_of_rev: u32,
    data: Box<RawValue>,
}

#[derive(Serialize)]
struct RevisionView {
    rev: u32,
    op: &'static str,
    /// The revision that it replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    by: String,
    /// When the log admitted it.
    when: String,
    record_hash: String,
    #[serde(flatten)]
    entry: EntryView,
}

/// One revision as the fold needs it.
struct Step {
    rev: u32,
    op: Op,
    of: Option<u32>,
    data: Vec<u8>,
}

/// `GET /v1/objects/{object}`
pub(super) async fn object(
    State(app): State<Arc<App>>,
    Path(object): Path<String>,
) -> Result<Response, ApiError> {
    let none = ApiError::NotFound("nothing is published about an object of that name");
    let size = app.published_size();
    let state = CommittedState(&app.core.store);
    let mut revisions = Vec::new();
    let mut steps = Vec::new();
    for rev in 0..=REVISIONS_MAX {
        let stored = records::state::object_revision(&state, &object, rev)
            .map_err(|it| ApiError::internal(&it))?;
        let Some(stored) = stored else {
            break;
        };
        let index = LeafIndex::new(stored.index.get());
        if !index.is_within(size) {
            break;
        }
        if rev == REVISIONS_MAX {
            // A fold over the oldest of them would be a wrong current state.
            return Err(ApiError::TooManyRevisions { revisions_max: REVISIONS_MAX });
        }
        let view = entry_view(&app, index)?;
        let entry =
            Entry::parse(view.entry.get().as_bytes()).map_err(|it| ApiError::internal(&it))?;
        let record = entry.record();
        steps.push(Step {
            rev,
            op: record.op(),
            of: record.of(),
            data: records::to_canonical(record.data()),
        });
        revisions.push(RevisionView {
            rev,
            op: record.op().as_str(),
            of: record.of(),
            why: record.why().map(str::to_owned),
            by: record.submitter().to_owned(),
            when: records::format_millis(entry.admitted_ms()),
            record_hash: record.hash().to_string(),
            entry: view,
        });
    }
    if revisions.is_empty() {
        return Err(none);
    }
    let current = fold(&steps)?;
    Ok(json(StatusCode::OK, Caching::NoStore, &ObjectView { object, current, revisions }))
}

/// The current state: the last step that was not voided, as last corrected.
fn fold(steps: &[Step]) -> Result<Option<Current>, ApiError> {
    // For each revision, the step it belongs to: a correction may replace a correction.
    let mut belongs_to: Vec<u32> = Vec::with_capacity(steps.len());
    // For each step, the position of the revision that holds its data; `None` once voided.
    let mut holders: Vec<(u32, Option<usize>)> = Vec::new();
    for (position, step) in steps.iter().enumerate() {
        let replaced = step.of.and_then(|of| belongs_to.get(usize::try_from(of).ok()?).copied());
        let target = replaced.unwrap_or(step.rev);
        belongs_to.push(target);
        let holder = match step.op {
            Op::Void => None,
            _ => Some(position),
        };
        match holders.iter_mut().find(|(rev, _)| *rev == target) {
            Some((_, current)) => *current = holder,
            None => holders.push((target, holder)),
        }
    }
    let last = holders.iter().rev().find_map(|(rev, holder)| Some((*rev, (*holder)?)));
    let Some((rev, position)) = last else {
        return Ok(None);
    };
    let step = &steps[position];
    let data = serde_json::from_slice(&step.data).map_err(|it| ApiError::internal(&it))?;
    Ok(Some(Current { rev, as_of_rev: step.rev, data }))
}

#[derive(Serialize)]
struct HeadView {
    object: String,
    rev: u32,
    index: u64,
}

/// `GET /v1/objects?prefix=&after=`: the last published revision of each object, a line each, in
/// the order of their names; at most [`LIST_MAX`]. Continue with `after` = the last name.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let mut prefix = String::new();
    let mut after = None;
    for (name, value) in url_pairs(query.as_deref().unwrap_or("")) {
        match name {
            "prefix" => prefix = value,
            "after" => after = Some(value),
            _ => {
                return Err(ApiError::Parameter {
                    name: "query",
                    expected: "only `prefix` and `after`",
                });
            }
        }
    }
    let size = app.published_size();
    let start = records::state::object_head_key(&prefix);
    let mut after = after.map(|it: String| records::state::object_head_key(&it));
    let mut text = Vec::new();
    let mut shown = 0;
    // Objects that are committed and not published yet are passed over, not counted.
    for _ in 0..SCANS_MAX {
        let found = app
            .core
            .store
            .state_scan(&start, after.as_deref(), LIST_MAX)
            .map_err(|it| ApiError::internal(&it))?;
        after = found.last().map(|(key, _)| key.clone());
        let is_last_page = found.len() < LIST_MAX;
        for (key, value) in found {
            let (object, head) = records::state::parse_object_head(&key, &value)
                .ok_or_else(|| ApiError::internal(&crate::core::state::DAMAGED))?;
            if shown < LIST_MAX
                && let Some((rev, index)) = last_within(&app.core.store, &object, head.rev, size)
                    .map_err(|it| ApiError::internal(&it))?
            {
                let view = HeadView { object, rev, index: index.get() };
                serde_json::to_writer(&mut text, &view).map_err(|it| ApiError::internal(&it))?;
                text.push(b'\n');
                shown += 1;
            }
        }
        if shown == LIST_MAX || is_last_page {
            break;
        }
    }
    Ok(bytes(StatusCode::OK, "application/x-ndjson", Caching::NoStore, text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rev: u32, op: Op, of: Option<u32>) -> Step {
        Step { rev, op, of, data: format!("{{\"rev\":{rev}}}").into_bytes() }
    }

    fn folded(steps: &[Step]) -> Option<(u32, u32)> {
        fold(steps).expect("a fold").map(|it| (it.rev, it.as_of_rev))
    }

    #[test]
    fn current_state_is_the_last_step_as_last_corrected() {
        let mut steps = vec![step(0, Op::Add, None)];
        assert_eq!(folded(&steps), Some((0, 0)));
        steps.push(step(1, Op::Correct, Some(0)));
        assert_eq!(folded(&steps), Some((0, 1)));
        steps.push(step(2, Op::Next, None));
        assert_eq!(folded(&steps), Some((2, 2)));
        steps.push(step(3, Op::Correct, Some(1)));
        assert_eq!(folded(&steps), Some((2, 2)));
        steps.push(step(4, Op::Void, Some(2)));
        assert_eq!(folded(&steps), Some((0, 3)));
        steps.push(step(5, Op::Void, Some(0)));
        assert_eq!(folded(&steps), None);
    }
}
