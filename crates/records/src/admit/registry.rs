//! The registry: who must sign its records, and what they change.

mod publish;

use super::authority::{self, Signer, not_allowed};
use super::{EntryIndex, Judged, RECORD, Stop};
use crate::date;
use crate::jwk::{Kid, PublicKey};
use crate::jws::Es256Verify;
use crate::limits::RECOVERY_DAYS;
use crate::name::LOG_SUBMITTER;
use crate::record::Record;
use crate::refusal::{At, Refusal, RuleId};
use crate::registry::{Genesis, OperatorKey, RegistryRecord, Rotation, SubmitterAdd};
use crate::state::{self, Governance, KeyRole, KeyState, Put, State, SubmitterState};
use crate::submission::CheckedSubmission;

/// Whether the signers of a registry record suffice.
pub(super) fn authorise<S: State>(
    state: &S,
    index: EntryIndex,
    admitted_ms: u64,
    sub: &CheckedSubmission,
    said: &RegistryRecord,
    es256: &dyn Es256Verify,
) -> Judged<(), S> {
    let genesis = state::genesis(state)?;
    check_log(sub.record(), said, index, genesis.as_ref())?;
    // Cheap questions first: a stranger's key.add must not cost a verification here.
    match said {
        RegistryRecord::KeyAdd { submitter, .. } | RegistryRecord::SubmitterClose { submitter } => {
            expect_submitter(state, "submitter", submitter)?;
        }
        RegistryRecord::SubmitterDelegate { submitter, to, .. } => {
            expect_submitter(state, "submitter", submitter)?;
            expect_submitter(state, "to", to)?;
        }
        _ => {}
    }
    let own = said.own_keys();
    let signers = authority::signers(state, index, admitted_ms, sub, own, es256)?;
    let governs = state::governance(state)?;
    let need = governs.as_ref().map_or(usize::MAX, |governs| governs.threshold);
    match said {
        RegistryRecord::Genesis(genesis) => {
            check_signers(&signers, "governance keys of this genesis", |signer| {
                brings(own, signer)
            })?;
            check_threshold(signers.len(), genesis.threshold)?;
        }
        RegistryRecord::SubmitterAdd(_) | RegistryRecord::OperatorKey(_) => {
            check_signers(&signers, "governance keys and the new key", |signer| {
                signer.is_governance() || brings(own, signer)
            })?;
            check_possession(&signers, own)?;
            check_threshold(governance(&signers), need)?;
        }
        RegistryRecord::KeyAdd { submitter, .. } => authorise_key(&signers, submitter, own, need)?,
        RegistryRecord::KeyRevoke { kid, .. } => {
            let Some(key) = state::key(state, kid)? else {
                return Err(Stop::Refused(unfit("kid", "a registered key", "an unknown one")));
            };
            if key.role == KeyRole::Governance {
                return Err(Stop::Refused(unfit(
                    "kid",
                    "a key of a submitter or of the operator",
                    "one of governance, which is rotated",
                )));
            }
            check_either(&signers, &key.submitter, need)?;
        }
        RegistryRecord::SubmitterClose { submitter } => check_either(&signers, submitter, need)?,
        RegistryRecord::SubmitterDelegate { submitter, .. } => {
            check_signers(&signers, "current keys of the submitter who delegates", |signer| {
                signer.is_of(submitter)
            })?;
        }
        RegistryRecord::GovernanceRotate(rotation) => {
            let next = governs.map(|governs| governs.next).unwrap_or_default();
            authorise_rotation(&signers, rotation, &next, need)?;
        }
        RegistryRecord::Withhold(_) => check_operator(&signers, "withhold", need)?,
        RegistryRecord::LogFreeze => check_operator(&signers, "log.freeze", need)?,
        RegistryRecord::ProfilePublish(_)
        | RegistryRecord::ProfileRetire { .. }
        | RegistryRecord::CodelistPublish { .. }
        | RegistryRecord::EngineActivate { .. }
        | RegistryRecord::PolicyPublish { .. } => {
            check_signers(&signers, "governance keys", Signer::is_governance)?;
            check_threshold(governance(&signers), need)?;
        }
    }
    Ok(())
}

/// New governance: by its own keys, each of which was committed to. The old keys are not asked, for
/// whoever stole them must not be able to keep the log.
fn authorise_rotation(
    signers: &[Signer],
    rotation: &Rotation,
    next: &[Kid],
    need: usize,
) -> Result<(), Refusal> {
    check_signers(signers, "the new governance keys", |signer| brings(&rotation.keys, signer))?;
    if rotation.keys.iter().any(|key| !next.contains(key.kid())) {
        return Err(unfit("keys", "keys whose thumbprints were committed to", "another key"));
    }
    check_threshold(signers.len(), need.max(rotation.threshold))
}

/// A further key: by one that counts, or by governance alone, which is a recovery.
fn authorise_key(
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
    check_signers(signers, expected, |signer| {
        brings(own, signer) || signer.is_of(whose) || (is_recovery && signer.is_governance())
    })?;
    check_possession(signers, own)?;
    if is_recovery {
        return check_threshold(governance(signers), need);
    }
    if signers.iter().any(|signer| signer.is_of(submitter)) {
        return Ok(());
    }
    Err(lacking("a signature by a current key of the submitter as well"))
}

/// Governance keys up to the threshold, or a current key of the submitter.
fn check_either(signers: &[Signer], submitter: &str, need: usize) -> Result<(), Refusal> {
    check_signers(signers, "governance keys or current keys of the submitter", |signer| {
        signer.is_governance() || signer.is_of(submitter)
    })?;
    if signers.iter().any(|signer| signer.is_of(submitter)) {
        return Ok(());
    }
    check_threshold(governance(signers), need)
}

/// Governance keys up to the threshold, or an operator key for this use.
fn check_operator(signers: &[Signer], wanted: &str, need: usize) -> Result<(), Refusal> {
    let is_for_it = |signer: &Signer| {
        let fits = |key: &KeyState| {
            key.role == KeyRole::Operator && key.uses.iter().any(|known| known == wanted)
        };
        signer.registered.as_ref().is_some_and(fits)
    };
    check_signers(signers, "governance keys or operator keys for this use", |signer| {
        signer.is_governance() || is_for_it(signer)
    })?;
    if signers.iter().any(is_for_it) {
        return Ok(());
    }
    check_threshold(governance(signers), need)
}

/// What a registry record puts into the state, and its flag.
#[derive(Default)]
pub(super) struct Applied {
    pub(super) changes: Vec<Put>,
    pub(super) flag: Option<RuleId>,
}

impl From<Vec<Put>> for Applied {
    fn from(changes: Vec<Put>) -> Self {
        Self { changes, flag: None }
    }
}

/// What a registry record does.
pub(super) fn apply<S: State>(
    state: &S,
    index: EntryIndex,
    admitted_ms: u64,
    sub: &CheckedSubmission,
    said: &RegistryRecord,
) -> Judged<Applied, S> {
    let record = sub.record();
    match said {
        RegistryRecord::Genesis(genesis) => Ok(genesis_puts(index, record, genesis).into()),
        RegistryRecord::SubmitterAdd(add) => {
            expect_new_key(state, &add.key)?;
            expect_profiles(state, &add.profiles)?;
            if state::submitter(state, &add.submitter)?.is_some() {
                return Err(Stop::Refused(unfit(
                    "submitter",
                    "a new submitter",
                    "a registered one",
                )));
            }
            Ok(submitter_puts(index, record, add).into())
        }
        RegistryRecord::KeyAdd { submitter, key } => {
            expect_new_key(state, key)?;
            let mut stored = registered(key, KeyRole::Submitter, submitter, index);
            let is_recovery = !signed_by_submitter(state, sub, submitter)?;
            if is_recovery {
                let delay = RECOVERY_DAYS.saturating_mul(date::DAY_MS);
                stored.counts_from_ms = admitted_ms.saturating_add(delay);
            }
            let flag = is_recovery.then_some(RuleId::RECOVERY);
            Ok(Applied { changes: vec![state::put_key(&stored)], flag })
        }
        RegistryRecord::KeyRevoke { kid, since } => {
            let Some(mut key) = state::key(state, kid)? else {
                return Err(Stop::Refused(unfit("kid", "a registered key", "an unknown one")));
            };
            if key.revoked.is_some() {
                return Err(Stop::Refused(unfit(
                    "kid",
                    "a key that is not revoked",
                    "a revoked one",
                )));
            }
            key.revoked = Some(index);
            key.since.clone_from(since);
            Ok(vec![state::put_key(&key)].into())
        }
        RegistryRecord::OperatorKey(operator) => {
            expect_new_key(state, &operator.key)?;
            Ok(vec![state::put_key(&operator_state(operator, index))].into())
        }
        RegistryRecord::GovernanceRotate(rotation) => rotate(state, index, rotation),
        _ => publish::apply(state, index, said),
    }
}

/// Whether a current key of the submitter is among the signers; its signature is verified by now.
fn signed_by_submitter<S: State>(
    state: &S,
    sub: &CheckedSubmission,
    submitter: &str,
) -> Judged<bool, S> {
    for signature in sub.submission().signatures() {
        if state::key(state, signature.kid())?
            .is_some_and(|key| key.role == KeyRole::Submitter && key.submitter == submitter)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The old keys end here, the new ones begin.
fn rotate<S: State>(state: &S, index: EntryIndex, rotation: &Rotation) -> Judged<Applied, S> {
    let mut changes = Vec::new();
    for kid in state::governance(state)?.map(|governs| governs.keys).unwrap_or_default() {
        if let Some(mut key) = state::key(state, &kid)? {
            key.revoked = Some(index);
            changes.push(state::put_key(&key));
        }
    }
    for key in &rotation.keys {
        if state::key(state, key.kid())?.is_some() {
            return Err(Stop::Refused(unfit(
                "keys",
                "keys that were never registered",
                "a known one",
            )));
        }
        changes.push(state::put_key(&registered(key, KeyRole::Governance, LOG_SUBMITTER, index)));
    }
    for kid in &rotation.next {
        if state::key(state, kid)?.is_some() {
            return Err(Stop::Refused(unfit(
                "next",
                "keys that were never registered",
                "a known one",
            )));
        }
    }
    changes.push(state::put_governance(&Governance {
        keys: rotation.keys.iter().map(|key| key.kid().clone()).collect(),
        threshold: rotation.threshold,
        next: rotation.next.clone(),
    }));
    Ok(changes.into())
}

fn operator_state(operator: &OperatorKey, index: EntryIndex) -> KeyState {
    KeyState {
        uses: operator.uses.clone(),
        ..registered(&operator.key, KeyRole::Operator, LOG_SUBMITTER, index)
    }
}

/// A submitter is granted what the log has.
pub(super) fn expect_profiles<S: State>(state: &S, profiles: &[String]) -> Judged<(), S> {
    for (position, profile) in profiles.iter().enumerate() {
        if !publish::is_known(state, profile)? {
            let list = At::Fixed("/record/data/profiles");
            return Err(Stop::Refused(list.item(position).refuse(
                RuleId::REGISTRY,
                "a profile that this log has",
                "another one",
                "publish the profile first",
            )));
        }
    }
    Ok(())
}

/// Entry 0 is the genesis, only entry 0 is, and every registry record is for that log.
fn check_log(
    record: &Record,
    said: &RegistryRecord,
    index: EntryIndex,
    genesis: Option<&Genesis>,
) -> Result<(), Refusal> {
    let refused = |name, expected: &str, got: &str, fix: &str| {
        Err(RECORD.member(name).refuse(RuleId::REGISTRY, expected, got, fix))
    };
    let is_genesis = matches!(said, RegistryRecord::Genesis(_));
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

fn expect_submitter<S: State>(state: &S, member: &str, id: &str) -> Judged<(), S> {
    match state::submitter(state, id)?.filter(|submitter| submitter.closed.is_none()) {
        Some(_) => Ok(()),
        None => Err(Stop::Refused(RECORD.member("data").member(member).refuse(
            RuleId::UNKNOWN_SUBMITTER,
            "a registered submitter",
            "one that is not in the registry",
            "add the submitter first",
        ))),
    }
}

/// A kid belongs to one owner for ever, and the next governance keys are kept free for governance.
fn expect_new_key<S: State>(state: &S, key: &PublicKey) -> Judged<(), S> {
    let is_next = state::governance(state)?.is_some_and(|governs| governs.next.contains(key.kid()));
    if is_next || state::key(state, key.kid())?.is_some() {
        return Err(Stop::Refused(unfit("key", "a key that was never registered", "a known one")));
    }
    Ok(())
}

fn check_signers(
    signers: &[Signer],
    expected: &str,
    may_sign: impl Fn(&Signer) -> bool,
) -> Result<(), Refusal> {
    match signers.iter().position(|signer| !may_sign(signer)) {
        Some(position) => Err(not_allowed(position, expected)),
        None => Ok(()),
    }
}

fn check_threshold(have: usize, need: usize) -> Result<(), Refusal> {
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

fn unfit(name: &str, expected: &str, got: &str) -> Refusal {
    let data = RECORD.member("data");
    data.member(name).refuse(RuleId::REGISTRY, expected, got, "read the registry and correct it")
}

fn brings(own: &[PublicKey], signer: &Signer) -> bool {
    own.iter().any(|key| key.kid() == &signer.kid)
}

fn governance(signers: &[Signer]) -> usize {
    signers.iter().filter(|signer| signer.is_governance()).count()
}

fn registered(key: &PublicKey, role: KeyRole, owner: &str, index: EntryIndex) -> KeyState {
    KeyState {
        public: key.clone(),
        role,
        submitter: owner.to_owned(),
        added: index,
        revoked: None,
        since: None,
        uses: Vec::new(),
        counts_from_ms: 0,
    }
}

fn genesis_puts(index: EntryIndex, record: &Record, genesis: &Genesis) -> Vec<Put> {
    let governance = genesis.governance.iter().map(|key| (key, KeyRole::Governance));
    let mut puts: Vec<Put> = governance
        .map(|(key, role)| state::put_key(&registered(key, role, LOG_SUBMITTER, index)))
        .collect();
    let operators = genesis.operator_keys.iter();
    puts.extend(operators.map(|operator| state::put_key(&operator_state(operator, index))));
    puts.push(state::put_genesis(record));
    puts
}

fn submitter_puts(index: EntryIndex, record: &Record, add: &SubmitterAdd) -> Vec<Put> {
    let submitter = SubmitterState {
        submitter: add.submitter.clone(),
        log: record.log().to_owned(),
        bodies: add.bodies.clone(),
        profiles: add.profiles.clone(),
        roles: add.roles.clone(),
        added: index,
        closed: None,
    };
    let key = registered(&add.key, KeyRole::Submitter, &add.submitter, index);
    vec![state::put_submitter(&submitter), state::put_key(&key)]
}
