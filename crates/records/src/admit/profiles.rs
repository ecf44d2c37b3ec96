//! Which profile a record is judged by.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::case::{RECORD, Ruling};
use crate::profile::{Profile, field, shipped};
use crate::record::{Op, Record};
use crate::refusal::{RuleId, refuse};
use crate::state::{self, State, StateError};

/// The profile of a record, from the engine or from the log.
pub(super) enum Found {
    Shipped(&'static Profile),
    Published(Arc<Profile>),
}

impl std::ops::Deref for Found {
    type Target = Profile;

    fn deref(&self) -> &Profile {
        match self {
            Self::Shipped(profile) => profile,
            Self::Published(profile) => profile,
        }
    }
}

/// Finds the profile of a record, and checks of a published one what the parser could not.
pub(super) fn find<S: State>(state: &S, record: &Record) -> Ruling<Found, S> {
    let known = state::profile_state(state, record.profile())?;
    let profile = match (shipped(record.profile()), &known) {
        (Some(profile), _) => Found::Shipped(profile),
        (None, Some(known)) => Found::Published(published(state, record.profile(), &known.digest)?),
        (None, None) => {
            return Err(RECORD
                .member("profile")
                .refuse(
                    RuleId::UNKNOWN_PROFILE,
                    "a profile that this log has",
                    "another profile",
                    "use a profile of the engine, or publish this one first",
                )
                .into());
        }
    };
    let is_retired = known.is_some_and(|known| known.retired.is_some());
    if is_retired && !record.op().replaces() {
        return Err(RECORD
            .member("profile")
            .refuse(
                RuleId::ENDED,
                "a profile that is not retired; a retired one takes correct and void only",
                "a retired one",
                "use its successor",
            )
            .into());
    }
    if matches!(profile, Found::Published(_)) {
        profile.check(record, &RECORD)?;
    }
    Ok(profile)
}

/// Checks codes against the lists that the log published.
pub(super) fn check_listed<S: State>(
    state: &S,
    profile: &Profile,
    record: &Record,
) -> Ruling<(), S> {
    let kind =
        profile.kind(record.kind()).filter(|kind| kind.has_lists() && record.op() != Op::Void);
    let Some(kind) = kind else { return Ok(()) };
    for (pointer, list, code) in field::listed(kind.fields(), record.data()) {
        if !state::is_listed(state, list, code)? {
            let data = format!("/record/data{pointer}");
            return Err(refuse(
                RuleId::GRAMMAR,
                &data,
                format_args!("a code of the list {list} as published in this log"),
                "another code",
                "correct the code, or publish a further part of the list",
            )
            .into());
        }
    }
    Ok(())
}

/// A published document, read once. The memory is keyed by the document's hash, so it says nothing
/// that the state does not say: a verdict cannot depend on it.
fn published<S: State>(
    state: &S,
    id: &str,
    digest: &[u8; 32],
) -> Result<Arc<Profile>, StateError<S::Error>> {
    let read = |memory: &Mutex<Memory>| {
        memory.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    };
    if let Some(profile) = read(&MEMORY) {
        return Ok(profile);
    }
    let corrupt = || StateError::Corrupt { family: "profile document" };
    let document = state::published_profile(state, id)?.ok_or_else(corrupt)?;
    let profile = Profile::parse(&document).map_err(|_| corrupt())?;
    if profile.digest() != digest {
        return Err(corrupt());
    }
    let profile = Arc::new(profile);
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    if memory.len() >= MEMORY_MAX {
        memory.clear();
    }
    memory.insert(*digest, Arc::clone(&profile));
    Ok(profile)
}

type Memory = BTreeMap<[u8; 32], Arc<Profile>>;

static MEMORY: LazyLock<Mutex<Memory>> = LazyLock::new(|| Mutex::new(Memory::new()));

const MEMORY_MAX: usize = 64;
