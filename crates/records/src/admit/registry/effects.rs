//! What a registry record puts into the state, once it is known to be right.

use crate::date;
use crate::entry_index::EntryIndex;
use crate::limits::RECOVERY_DAYS;
use crate::name::LOG_SUBMITTER;
use crate::profile::{Profile, shipped};
use crate::record::Record;
use crate::registry::{Genesis, OperatorKey, RegistryRecord, Rotation, SubmitterAdd};
use crate::state::{
    self, Delegation, Governance, KeyRole, KeyState, ProfileState, Put, State, StateError,
    SubmitterState,
};

/// What a registry record does.
///
/// `is_recovery`: governance alone added the key. It counts seven days later, so that the submitter
/// can have it revoked if nobody asked for it.
pub(in crate::admit) fn effects<S: State>(
    state: &S,
    index: EntryIndex,
    admitted_ms: u64,
    record: &Record,
    registration: &RegistryRecord,
    is_recovery: bool,
) -> Result<Vec<Put>, StateError<S::Error>> {
    Ok(match registration {
        RegistryRecord::Genesis(genesis) => found(index, record, genesis),
        RegistryRecord::SubmitterAdd(add) => add_submitter(index, record, add),
        RegistryRecord::KeyAdd { submitter, key } => {
            let mut added = KeyState::registered(key.clone(), KeyRole::Submitter, submitter, index);
            if is_recovery {
                let delay_ms = RECOVERY_DAYS.saturating_mul(date::DAY_MS);
                added.counts_from_ms = admitted_ms.saturating_add(delay_ms);
            }
            vec![state::put_key(&added)]
        }
        RegistryRecord::KeyRevoke { kid, since } => {
            let revoked = state::key(state, kid)?.map(|key| KeyState {
                revoked: Some(index),
                since: since.clone(),
                ..key
            });
            revoked.iter().map(state::put_key).collect()
        }
        RegistryRecord::OperatorKey(operator) => vec![put_operator(operator, index)],
        RegistryRecord::GovernanceRotate(rotation) => rotate(state, index, rotation)?,
        RegistryRecord::ProfilePublish(profile) => publish(profile),
        RegistryRecord::ProfileRetire { profile } => retire(state, index, profile)?,
        RegistryRecord::CodelistPublish { list, part, codes } => {
            let codes = codes.iter().map(|code| state::put_code(list, code));
            std::iter::once(state::put_codelist(list, *part)).chain(codes).collect()
        }
        RegistryRecord::SubmitterDelegate { submitter, to, body, profiles } => {
            let delegation = Delegation { from: submitter.clone(), profiles: profiles.clone() };
            vec![state::put_delegation(to, body, &delegation)]
        }
        RegistryRecord::SubmitterClose { submitter } => {
            let closed = state::submitter(state, submitter)?
                .map(|submitter| SubmitterState { closed: Some(index), ..submitter });
            closed.iter().map(state::put_submitter).collect()
        }
        RegistryRecord::LogFreeze => vec![state::put_frozen()],
        RegistryRecord::EngineActivate { .. }
        | RegistryRecord::PolicyPublish { .. }
        | RegistryRecord::Withhold(_) => Vec::new(),
    })
}

fn found(index: EntryIndex, record: &Record, genesis: &Genesis) -> Vec<Put> {
    let governance = genesis.governance.iter().map(|key| put_governance_key(key, index));
    let operators = genesis.operator_keys.iter().map(|operator| put_operator(operator, index));
    let genesis = std::iter::once(state::put_genesis(record));
    governance.chain(operators).chain(genesis).collect()
}

fn add_submitter(index: EntryIndex, record: &Record, add: &SubmitterAdd) -> Vec<Put> {
    let submitter = SubmitterState {
        submitter: add.submitter.clone(),
        log: record.log().to_owned(),
        bodies: add.bodies.clone(),
        profiles: add.profiles.clone(),
        roles: add.roles.clone(),
        added: index,
        closed: None,
    };
    let key = KeyState::registered(add.key.clone(), KeyRole::Submitter, &add.submitter, index);
    vec![state::put_submitter(&submitter), state::put_key(&key)]
}

/// The old keys end here, the new ones begin.
fn rotate<S: State>(
    state: &S,
    index: EntryIndex,
    rotation: &Rotation,
) -> Result<Vec<Put>, StateError<S::Error>> {
    let mut changes = Vec::new();
    for kid in state::governance(state)?.map(|governs| governs.keys).unwrap_or_default() {
        if let Some(key) = state::key(state, &kid)? {
            changes.push(state::put_key(&KeyState { revoked: Some(index), ..key }));
        }
    }
    changes.extend(rotation.keys.iter().map(|key| put_governance_key(key, index)));
    changes.push(state::put_governance(&Governance {
        keys: rotation.keys.iter().map(|key| key.kid().clone()).collect(),
        threshold: rotation.threshold,
        next: rotation.next.clone(),
    }));
    Ok(changes)
}

fn publish(profile: &Profile) -> Vec<Put> {
    let known = ProfileState { digest: *profile.digest(), retired: None };
    vec![
        state::put_profile(profile.id(), &known),
        state::put_profile_document(profile.id(), profile.canonical()),
    ]
}

fn retire<S: State>(
    state: &S,
    index: EntryIndex,
    id: &str,
) -> Result<Vec<Put>, StateError<S::Error>> {
    let known = state::profile_state(state, id)?.map(|known| known.digest);
    let digest = known.or_else(|| shipped(id).map(|profile| *profile.digest()));
    let retired = digest.map(|digest| ProfileState { digest, retired: Some(index) });
    Ok(retired.iter().map(|retired| state::put_profile(id, retired)).collect())
}

fn put_governance_key(key: &crate::jwk::PublicKey, index: EntryIndex) -> Put {
    let key = KeyState::registered(key.clone(), KeyRole::Governance, LOG_SUBMITTER, index);
    state::put_key(&key)
}

fn put_operator(operator: &OperatorKey, index: EntryIndex) -> Put {
    let key = &operator.key;
    let key = KeyState::registered(key.clone(), KeyRole::Operator, LOG_SUBMITTER, index);
    state::put_key(&KeyState { uses: operator.uses.clone(), ..key })
}
