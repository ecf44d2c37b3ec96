//! What a registry record must respect beside its signers: the registry as it is.

use super::super::case::{RECORD, Ruling};
use super::refused::unfit;
use crate::entry_index::EntryIndex;
use crate::jwk::PublicKey;
use crate::limits::ENGINE_VERSION;
use crate::profile::{Profile, field, shipped};
use crate::refusal::{At, Refusal, RuleId};
use crate::registry::{RegistryRecord, Rotation};
use crate::state::{self, State, SubmitterState};

/// Refuses a registry record that does not fit the registry as it is.
pub(in crate::admit) fn check<S: State>(
    state: &S,
    index: EntryIndex,
    registration: &RegistryRecord,
) -> Ruling<(), S> {
    match registration {
        RegistryRecord::SubmitterAdd(add) => {
            expect_new_key(state, &add.key)?;
            expect_profiles(state, &add.profiles)?;
            if state::submitter(state, &add.submitter)?.is_some() {
                return Err(unfit("submitter", "a new submitter", "a registered one").into());
            }
            Ok(())
        }
        RegistryRecord::KeyAdd { key, .. } => expect_new_key(state, key),
        RegistryRecord::OperatorKey(operator) => expect_new_key(state, &operator.key),
        RegistryRecord::KeyRevoke { kid, .. } => {
            let key = state::key(state, kid)?
                .ok_or_else(|| unfit("kid", "a registered key", "an unknown one"))?;
            if key.revoked.is_some() {
                return Err(unfit("kid", "a key that is not revoked", "a revoked one").into());
            }
            Ok(())
        }
        RegistryRecord::GovernanceRotate(rotation) => check_rotation(state, rotation),
        RegistryRecord::ProfilePublish(profile) => check_profile(state, profile),
        RegistryRecord::ProfileRetire { profile } => check_retire(state, profile),
        RegistryRecord::CodelistPublish { list, part, .. } => {
            let next = state::codelist_parts(state, list)?.saturating_add(1);
            if *part != next {
                let expected = format!("{next}, the next part of the list");
                return Err(unfit("part", &expected, "another number").into());
            }
            Ok(())
        }
        RegistryRecord::SubmitterDelegate { submitter, to, body, profiles } => {
            check_delegation(state, submitter, to, body, profiles)
        }
        RegistryRecord::EngineActivate { engine } => Err(unknown_engine(*engine).into()),
        RegistryRecord::Withhold(withheld) if withheld.entry >= index.get() => {
            Err(unfit("entry", "an entry of this log", "a later index").into())
        }
        // The rest is for readers: nothing is judged by it.
        RegistryRecord::Genesis(_)
        | RegistryRecord::SubmitterClose { .. }
        | RegistryRecord::PolicyPublish { .. }
        | RegistryRecord::Withhold(_)
        | RegistryRecord::LogFreeze => Ok(()),
    }
}

/// A kid belongs to one owner for ever, and the next governance keys are kept free for governance:
/// a key that was seen as a submitter's may have leaked as one.
fn expect_new_key<S: State>(state: &S, key: &PublicKey) -> Ruling<(), S> {
    let is_next = state::governance(state)?.is_some_and(|governs| governs.next.contains(key.kid()));
    if is_next || state::key(state, key.kid())?.is_some() {
        return Err(unfit("key", "a key that was never registered", "a known one").into());
    }
    Ok(())
}

fn check_rotation<S: State>(state: &S, rotation: &Rotation) -> Ruling<(), S> {
    let keys = rotation.keys.iter().map(|key| ("keys", key.kid()));
    for (member, kid) in keys.chain(rotation.next.iter().map(|kid| ("next", kid))) {
        if state::key(state, kid)?.is_some() {
            return Err(unfit(member, "keys that were never registered", "a known one").into());
        }
    }
    Ok(())
}

/// A submitter is granted what the log has.
fn expect_profiles<S: State>(state: &S, profiles: &[String]) -> Ruling<(), S> {
    for (position, profile) in profiles.iter().enumerate() {
        if !can_be_granted(state, profile)? {
            let list = At::Fixed("/record/data/profiles");
            return Err(list
                .item(position)
                .refuse(
                    RuleId::REGISTRY,
                    "a profile that this log has",
                    "another one",
                    "publish the profile first",
                )
                .into());
        }
    }
    Ok(())
}

/// Shipped or published, and not retired.
fn can_be_granted<S: State>(state: &S, id: &str) -> Ruling<bool, S> {
    Ok(match state::profile_state(state, id)? {
        Some(known) => known.retired.is_none(),
        None => shipped(id).is_some(),
    })
}

/// A new profile: one version after the other, with code lists that the log has.
fn check_profile<S: State>(state: &S, profile: &Profile) -> Ruling<(), S> {
    let refused = |expected: &str, got: &str| {
        let data = RECORD.member("data");
        let document = data.member("document");
        Err(document
            .member("profile")
            .refuse(RuleId::REGISTRY, expected, got, "publish it as the next version of its name")
            .into())
    };
    let exists = |id: &str| -> Ruling<bool, S> {
        Ok(shipped(id).is_some() || state::profile_state(state, id)?.is_some())
    };
    if profile.name() == "registry" || exists(profile.id())? {
        return refused("a profile that this log does not have", "one that it has");
    }
    let version = profile.id().rsplit('/').next().and_then(|text| text.parse::<u32>().ok());
    let version = version.unwrap_or_default();
    let before = format!("{}/{}", profile.name(), version.saturating_sub(1));
    if version > 1 && !exists(&before)? {
        let expected = format!("version 1, or one after {before}");
        return refused(&expected, "a version with a gap before it");
    }
    for kind in profile.kinds() {
        for list in field::lists(kind.fields()) {
            if state::codelist_parts(state, list)? == 0 {
                let expected = "code lists that this log published";
                return Err(unfit("document", expected, "another one").into());
            }
        }
    }
    Ok(())
}

fn check_retire<S: State>(state: &S, id: &str) -> Ruling<(), S> {
    match state::profile_state(state, id)? {
        Some(known) if known.retired.is_some() => {
            Err(unfit("profile", "a profile in use", "a retired one").into())
        }
        None if shipped(id).is_none() => {
            Err(unfit("profile", "a profile of this log", "an unknown one").into())
        }
        _ => Ok(()),
    }
}

/// A body is lent by whoever it was granted to, and by one submitter at a time: else the end of one
/// loan would leave open whether the other goes on.
fn check_delegation<S: State>(
    state: &S,
    from: &str,
    to: &str,
    body: &str,
    profiles: &[String],
) -> Ruling<(), S> {
    let owner = state::submitter(state, from)?;
    let has_body = |owner: &SubmitterState| owner.bodies.iter().any(|own| own == body);
    let owner = owner
        .filter(has_body)
        .ok_or_else(|| unfit("body", "a body of the submitter who delegates", "another body"))?;
    if from == to {
        return Err(unfit("to", "another submitter", "the same one").into());
    }
    if let Some(other) = state::delegation(state, to, body)?
        .filter(|delegation| !delegation.profiles.is_empty() && delegation.from != from)
    {
        let expected = format!("a body that {} did not delegate to it", other.from);
        return Err(unfit("body", &expected, "one that it did").into());
    }
    if !profiles.iter().all(|profile| owner.profiles.contains(profile)) {
        let expected = "profiles of the submitter who delegates";
        return Err(unfit("profiles", expected, "another one").into());
    }
    expect_profiles(state, profiles)
}

/// This code has one engine version, the one that every log starts with: there is none to go to.
fn unknown_engine(engine: u32) -> Refusal {
    let got = if engine <= ENGINE_VERSION {
        "one that was activated before"
    } else {
        "one that it does not have"
    };
    unfit("engine", "a later engine version that this software has", got)
}
