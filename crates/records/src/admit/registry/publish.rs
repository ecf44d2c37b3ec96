//! What governance publishes after the founding: profiles, code lists, grants, ends.

use super::super::{EntryIndex, Judged, RECORD, Stop};
use super::{Applied, expect_profiles, unfit};
use crate::limits::ENGINE_VERSION;
use crate::profile::{Profile, field, shipped};
use crate::refusal::RuleId;
use crate::registry::RegistryRecord;
use crate::state::{self, Delegation, ProfileState, Put, State};

pub(super) fn apply<S: State>(
    state: &S,
    index: EntryIndex,
    said: &RegistryRecord,
) -> Judged<Applied, S> {
    let changes = match said {
        RegistryRecord::ProfilePublish(profile) => publish(state, profile)?,
        RegistryRecord::ProfileRetire { profile } => vec![retire(state, index, profile)?],
        RegistryRecord::CodelistPublish { list, part, codes } => {
            extend_list(state, list, *part, codes)?
        }
        RegistryRecord::SubmitterDelegate { submitter, to, body, profiles } => {
            vec![delegate(state, submitter, to, body, profiles)?]
        }
        RegistryRecord::SubmitterClose { submitter } => match state::submitter(state, submitter)? {
            Some(mut found) => {
                found.closed = Some(index);
                vec![state::put_submitter(&found)]
            }
            None => Vec::new(),
        },
        RegistryRecord::EngineActivate { engine } => {
            return Err(Stop::Refused(unknown_engine(*engine)));
        }
        RegistryRecord::Withhold(withheld) if withheld.entry >= index.get() => {
            return Err(Stop::Refused(unfit("entry", "an entry of this log", "a later index")));
        }
        RegistryRecord::LogFreeze => vec![state::put_frozen()],
        // The rest is for readers: nothing is judged by it.
        _ => Vec::new(),
    };
    Ok(changes.into())
}

/// Whether a profile can be granted: shipped or published, and not retired.
pub(super) fn is_known<S: State>(state: &S, id: &str) -> Judged<bool, S> {
    let known = state::profile_state(state, id)?;
    Ok(match known {
        Some(known) => known.retired.is_none(),
        None => shipped(id).is_some(),
    })
}

fn publish<S: State>(state: &S, profile: &Profile) -> Judged<Vec<Put>, S> {
    let refused = |expected: &str, got: &str| {
        let data = RECORD.member("data");
        let document = data.member("document");
        Err(Stop::Refused(document.member("profile").refuse(
            RuleId::REGISTRY,
            expected,
            got,
            "publish it as the next version of its name",
        )))
    };
    let exists = |id: &str| -> Judged<bool, S> {
        Ok(shipped(id).is_some() || state::profile_state(state, id)?.is_some())
    };
    if profile.name() == "registry" || exists(profile.id())? {
        return refused("a profile that this log does not have", "one that it has");
    }
    let version = profile
        .id()
        .rsplit('/')
        .next()
        .and_then(|text| text.parse::<u32>().ok())
        .unwrap_or_default();
    let before = format!("{}/{}", profile.name(), version.saturating_sub(1));
    if version > 1 && !exists(&before)? {
        return refused(
            &format!("version 1, or one after {before}"),
            "a version with a gap before it",
        );
    }
    for kind in profile.kinds() {
        for list in field::lists(kind.fields()) {
            if state::codelist_parts(state, list)? == 0 {
                return Err(Stop::Refused(unfit(
                    "document",
                    "code lists that this log published",
                    "another one",
                )));
            }
        }
    }
    let known = ProfileState { digest: *profile.digest(), retired: None };
    Ok(vec![
        state::put_profile(profile.id(), &known),
        state::put_profile_document(profile.id(), profile.canonical()),
    ])
}

fn retire<S: State>(state: &S, index: EntryIndex, id: &str) -> Judged<Put, S> {
    let digest = match state::profile_state(state, id)? {
        Some(known) if known.retired.is_some() => {
            return Err(Stop::Refused(unfit("profile", "a profile in use", "a retired one")));
        }
        Some(known) => known.digest,
        None => match shipped(id) {
            Some(profile) => *profile.digest(),
            None => {
                return Err(Stop::Refused(unfit(
                    "profile",
                    "a profile of this log",
                    "an unknown one",
                )));
            }
        },
    };
    Ok(state::put_profile(id, &ProfileState { digest, retired: Some(index) }))
}

fn extend_list<S: State>(
    state: &S,
    list: &str,
    part: u32,
    codes: &[String],
) -> Judged<Vec<Put>, S> {
    let next = state::codelist_parts(state, list)?.saturating_add(1);
    if part != next {
        return Err(Stop::Refused(unfit(
            "part",
            &format!("{next}, the next part of the list"),
            "another number",
        )));
    }
    let mut changes = vec![state::put_codelist(list, part)];
    changes.extend(codes.iter().map(|code| state::put_code(list, code)));
    Ok(changes)
}

fn delegate<S: State>(
    state: &S,
    from: &str,
    to: &str,
    body: &str,
    profiles: &[String],
) -> Judged<Put, S> {
    let owner = state::submitter(state, from)?;
    let has_body = |owner: &state::SubmitterState| owner.bodies.iter().any(|own| own == body);
    let Some(owner) = owner.filter(has_body) else {
        return Err(Stop::Refused(unfit(
            "body",
            "a body of the submitter who delegates",
            "another body",
        )));
    };
    if from == to {
        return Err(Stop::Refused(unfit("to", "another submitter", "the same one")));
    }
    if let Some(other) = state::delegation(state, to, body)?
        .filter(|one| !one.profiles.is_empty() && one.from != from)
    {
        let expected = format!("a body that {} did not delegate to it", other.from);
        return Err(Stop::Refused(unfit("body", &expected, "one that it did")));
    }
    if !profiles.iter().all(|profile| owner.profiles.contains(profile)) {
        return Err(Stop::Refused(unfit(
            "profiles",
            "profiles of the submitter who delegates",
            "another one",
        )));
    }
    expect_profiles(state, profiles)?;
    Ok(state::put_delegation(
        to,
        body,
        &Delegation { from: from.to_owned(), profiles: profiles.to_vec() },
    ))
}

/// This code has one engine version, the one that every log starts with: there is none to go to.
fn unknown_engine(engine: u32) -> crate::refusal::Refusal {
    let got = if engine <= ENGINE_VERSION {
        "one that was activated before"
    } else {
        "one that it does not have"
    };
    unfit("engine", "a later engine version that this software has", got)
}
