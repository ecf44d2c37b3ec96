//! Who must sign a registry record.

use super::super::authority::{self, Signer, not_allowed};
use super::super::case::{Case, RECORD, Ruling};
use super::refused::unfit;
use crate::entry_index::EntryIndex;
use crate::jwk::{Kid, PublicKey};
use crate::jws::DetachedJws;
use crate::record::Record;
use crate::refusal::{At, Refusal, RuleId};
use crate::registry::{Genesis, RegistryRecord, Rotation};
use crate::state::{self, KeyRole, KeyState, State, StateError};

/// Whether the signers of a registry record suffice.
pub(in crate::admit) fn authorise<S: State>(
    case: &Case<'_, S>,
    registration: &RegistryRecord,
) -> Ruling<(), S> {
    check_log(case, registration)?;
    check_parties(case.state, registration)?;
    let signers = authority::signers(case, registration.own_keys());
    let signers: Vec<Signer> = signers.collect::<Result<_, _>>()?;
    check_signers(case.state, registration, &signers)
}

/// Entry 0 is the genesis, only entry 0 is, and every registry record is for that log.
pub(in crate::admit) fn check_log<S: State>(
    case: &Case<'_, S>,
    registration: &RegistryRecord,
) -> Ruling<(), S> {
    let genesis = state::genesis(case.state)?;
    Ok(fits_log(case.record(), registration, case.index, genesis.as_ref())?)
}

fn fits_log(
    record: &Record,
    registration: &RegistryRecord,
    index: EntryIndex,
    genesis: Option<&Genesis>,
) -> Result<(), Refusal> {
    let refused = |name, expected: &str, got: &str, fix: &str| {
        Err(RECORD.member(name).refuse(RuleId::REGISTRY, expected, got, fix))
    };
    let is_genesis = matches!(registration, RegistryRecord::Genesis(_));
    match genesis {
        None if !is_genesis => {
            refused("kind", "genesis as entry 0", "another kind", "start the log first")
        }
        None if index.get() > 0 => {
            refused("kind", "genesis as entry 0", "a later index", "start a new log")
        }
        Some(_) if is_genesis => refused("kind", "one genesis", "a second one", "start a new log"),
        Some(genesis) if genesis.log != record.log() => Err(RECORD.member("log").refuse(
            RuleId::OTHER_LOG,
            format_args!("\"{}\"", genesis.log),
            "the name of another log",
            "send it to the log it names",
        )),
        _ => Ok(()),
    }
}

/// The submitters that it is about are registered. Asked before any signature is looked at: a
/// stranger's `key.add` must not cost the log a verification.
pub(in crate::admit) fn check_parties<S: State>(
    state: &S,
    registration: &RegistryRecord,
) -> Ruling<(), S> {
    match registration {
        RegistryRecord::KeyAdd { submitter, .. } | RegistryRecord::SubmitterClose { submitter } => {
            expect_submitter(state, "submitter", submitter)
        }
        RegistryRecord::SubmitterDelegate { submitter, to, .. } => {
            expect_submitter(state, "submitter", submitter)?;
            expect_submitter(state, "to", to)
        }
        _ => Ok(()),
    }
}

fn expect_submitter<S: State>(state: &S, member: &str, id: &str) -> Ruling<(), S> {
    match state::submitter(state, id)?.filter(|submitter| submitter.closed.is_none()) {
        Some(_) => Ok(()),
        None => Err(RECORD
            .member("data")
            .member(member)
            .refuse(
                RuleId::UNKNOWN_SUBMITTER,
                "a registered submitter",
                "one that is not in the registry",
                "add the submitter first",
            )
            .into()),
    }
}

/// Whether these are the keys that a registry record of this kind needs, and enough of them.
pub(in crate::admit) fn check_signers<S: State>(
    state: &S,
    registration: &RegistryRecord,
    signers: &[Signer],
) -> Ruling<(), S> {
    let own = registration.own_keys();
    let governs = state::governance(state)?;
    let need = governs.as_ref().map_or(usize::MAX, |governs| governs.threshold);
    let checked = match registration {
        RegistryRecord::Genesis(genesis) => {
            only(signers, "governance keys of this genesis", |signer| brings(own, signer))
                .and_then(|()| at_least(signers.len(), genesis.threshold))
        }
        RegistryRecord::SubmitterAdd(_) | RegistryRecord::OperatorKey(_) => {
            check_new_key(signers, own, need)
        }
        RegistryRecord::KeyAdd { submitter, .. } => check_key_add(signers, submitter, own, need),
        RegistryRecord::KeyRevoke { kid, .. } => {
            let key = state::key(state, kid)?;
            check_revoke(signers, key.as_ref(), need)
        }
        RegistryRecord::SubmitterClose { submitter } => check_either(signers, submitter, need),
        RegistryRecord::SubmitterDelegate { submitter, .. } => {
            only(signers, "current keys of the submitter who delegates", |signer| {
                signer.is_of(submitter)
            })
        }
        RegistryRecord::GovernanceRotate(rotation) => {
            let next = governs.map(|governs| governs.next).unwrap_or_default();
            check_rotation(signers, rotation, &next, need)
        }
        RegistryRecord::Withhold(_) => check_operator(signers, "withhold", need),
        RegistryRecord::LogFreeze => check_operator(signers, "log.freeze", need),
        RegistryRecord::ProfilePublish(_)
        | RegistryRecord::ProfileRetire { .. }
        | RegistryRecord::CodelistPublish { .. }
        | RegistryRecord::EngineActivate { .. }
        | RegistryRecord::PolicyPublish { .. } => {
            only(signers, "governance keys", Signer::is_governance)
                .and_then(|()| at_least(governance(signers), need))
        }
    };
    Ok(checked?)
}

/// Governance lets a key in, and the key signs too.
fn check_new_key(signers: &[Signer], own: &[PublicKey], need: usize) -> Result<(), Refusal> {
    only(signers, "governance keys and the new key", |signer| {
        signer.is_governance() || brings(own, signer)
    })?;
    check_possession(signers, own)?;
    at_least(governance(signers), need)
}

/// A further key: by one that counts, or by governance alone, which is a recovery.
///
/// The two are not mixed: a submitter's key and governance together would leave open whether the
/// seven days of a recovery apply.
fn check_key_add(
    signers: &[Signer],
    submitter: &str,
    own: &[PublicKey],
    need: usize,
) -> Result<(), Refusal> {
    let is_recovery = governance(signers) > 0;
    let (whose, expected) = if is_recovery {
        ("", "the new key and governance keys alone")
    } else {
        (submitter, "the new key and current keys of the submitter")
    };
    only(signers, expected, |signer| {
        brings(own, signer) || signer.is_of(whose) || (is_recovery && signer.is_governance())
    })?;
    check_possession(signers, own)?;
    if is_recovery {
        return at_least(governance(signers), need);
    }
    if signers.iter().any(|signer| signer.is_of(submitter)) {
        return Ok(());
    }
    Err(lacking("a signature by a current key of the submitter as well"))
}

/// The end of a key, by whoever may end it. Governance keys end by rotation only, which names who
/// governs next.
fn check_revoke(signers: &[Signer], key: Option<&KeyState>, need: usize) -> Result<(), Refusal> {
    let key = key.ok_or_else(|| unfit("kid", "a registered key", "an unknown one"))?;
    if key.role == KeyRole::Governance {
        return Err(unfit(
            "kid",
            "a key of a submitter or of the operator",
            "one of governance, which is rotated",
        ));
    }
    check_either(signers, &key.submitter, need)
}

/// Governance keys up to the threshold, or a current key of the submitter.
fn check_either(signers: &[Signer], submitter: &str, need: usize) -> Result<(), Refusal> {
    only(signers, "governance keys or current keys of the submitter", |signer| {
        signer.is_governance() || signer.is_of(submitter)
    })?;
    if signers.iter().any(|signer| signer.is_of(submitter)) {
        return Ok(());
    }
    at_least(governance(signers), need)
}

/// New governance: by its own keys, each of which was committed to. The old keys are not asked, for
/// whoever stole them must not be able to keep the log.
fn check_rotation(
    signers: &[Signer],
    rotation: &Rotation,
    next: &[Kid],
    need: usize,
) -> Result<(), Refusal> {
    only(signers, "the new governance keys", |signer| brings(&rotation.keys, signer))?;
    if rotation.keys.iter().any(|key| !next.contains(key.kid())) {
        return Err(unfit("keys", "keys whose thumbprints were committed to", "another key"));
    }
    at_least(signers.len(), need.max(rotation.threshold))
}

/// Governance keys up to the threshold, or an operator key for this use.
fn check_operator(signers: &[Signer], wanted: &str, need: usize) -> Result<(), Refusal> {
    let is_for_it = |signer: &Signer| {
        let fits = |key: &KeyState| {
            key.role == KeyRole::Operator && key.uses.iter().any(|known| known == wanted)
        };
        signer.registered.as_ref().is_some_and(fits)
    };
    only(signers, "governance keys or operator keys for this use", |signer| {
        signer.is_governance() || is_for_it(signer)
    })?;
    if signers.iter().any(is_for_it) {
        return Ok(());
    }
    at_least(governance(signers), need)
}

fn only(
    signers: &[Signer],
    expected: &str,
    may_sign: impl Fn(&Signer) -> bool,
) -> Result<(), Refusal> {
    match signers.iter().position(|signer| !may_sign(signer)) {
        Some(position) => Err(not_allowed(position, expected)),
        None => Ok(()),
    }
}

fn at_least(have: usize, need: usize) -> Result<(), Refusal> {
    if have >= need {
        return Ok(());
    }
    Err(At::Fixed("/signatures").refuse(
        RuleId::KEY_NOT_ALLOWED,
        format_args!("{need} governance signatures"),
        have,
        "collect more signatures",
    ))
}

/// The new key signs too: so nobody can register a key he does not have.
fn check_possession(signers: &[Signer], own: &[PublicKey]) -> Result<(), Refusal> {
    if signers.iter().any(|signer| brings(own, signer)) {
        return Ok(());
    }
    Err(lacking("a signature by the new key as well"))
}

fn lacking(expected: &str) -> Refusal {
    At::Fixed("/signatures").refuse(
        RuleId::KEY_NOT_ALLOWED,
        expected,
        "none",
        "sign the record with that key too",
    )
}

fn brings(own: &[PublicKey], signer: &Signer) -> bool {
    own.iter().any(|key| key.kid() == &signer.kid)
}

fn governance(signers: &[Signer]) -> usize {
    signers.iter().filter(|signer| signer.is_governance()).count()
}

/// Whether governance is among the signers: a `key.add` that it signed is a recovery. Their
/// signatures are verified by now.
pub(in crate::admit) fn is_by_governance<S: State>(
    state: &S,
    signatures: &[DetachedJws],
) -> Result<bool, StateError<S::Error>> {
    for signature in signatures {
        let key = state::key(state, signature.kid())?;
        if key.is_some_and(|key| key.role == KeyRole::Governance) {
            return Ok(true);
        }
    }
    Ok(false)
}
