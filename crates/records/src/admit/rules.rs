//! The rules of a profile, evaluated. What a record did is kept, so that a correction can undo it.

mod evaluate;
mod history;
mod judgement;
mod step;

use std::collections::{BTreeMap, BTreeSet};

use super::case::Ruling;
use crate::profile::Profile;
use crate::record::Record;
use crate::refusal::RuleId;
use crate::state::{self, Contribution, ObjectHead, Put, State};
use judgement::{Judgement, Overlay};

/// What the rules made of a record.
pub(super) struct Ruled {
    pub(super) changes: Vec<Put>,
    pub(super) flags: BTreeSet<RuleId>,
}

/// Holds a record to the rules of its kind. The chain is already known to fit.
pub(super) fn apply<S: State>(
    state: &S,
    admitted_ms: u64,
    profile: &Profile,
    record: &Record,
    head: Option<&ObjectHead>,
) -> Ruling<Ruled, S> {
    let Some(kind) = profile.kind(record.kind()) else {
        return Ok(Ruled { changes: Vec::new(), flags: BTreeSet::new() });
    };
    let before = state::fold_and_newest(state, record.object())?;
    let mut judgement = Judgement {
        state: Overlay { state, puts: BTreeMap::new() },
        admitted_ms,
        profile,
        kind,
        record,
        fold: before.as_ref().map(|(fold, _)| fold.clone()).unwrap_or_default(),
        contribution: Contribution {
            kind: record.kind().to_owned(),
            submitter: record.submitter().to_owned(),
            ..Contribution::default()
        },
        replaced: Contribution::default(),
        flags: BTreeSet::new(),
    };
    let after = if let (Some(of), Some(head)) = (record.of(), head) {
        judgement.undo(of, head, before.as_ref())?;
        judgement.judge()?;
        judgement.refold(of, head, before.as_ref())?
    } else {
        // The object's state comes first: it explains best why a step is not taken.
        judgement.stepped()?;
        judgement.judge()?;
        judgement.stepped()?
    };
    judgement.check_party(&after)?;
    if let (Some(head), Some((_, newest))) = (head, before) {
        judgement.state.put(state::put_contribution(record.object(), head.rev, &newest));
    }
    judgement.state.put(state::put_fold(record.object(), &after, &judgement.contribution));
    Ok(Ruled { changes: judgement.state.puts.into_iter().collect(), flags: judgement.flags })
}

#[cfg(test)]
mod tests;
