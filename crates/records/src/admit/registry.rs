//! The registry: who must sign its records, and what they change.

use super::authority::{self, Signer, not_allowed};
use super::{EntryIndex, Judged, RECORD, Stop};
use crate::jwk::PublicKey;
use crate::jws::Es256Verify;
use crate::name::LOG_SUBMITTER;
use crate::record::Record;
use crate::refusal::{At, Refusal, RuleId};
use crate::registry::{Genesis, RegistryRecord, SubmitterAdd};
use crate::state::{self, KeyRole, KeyState, Put, State, SubmitterState};
use crate::submission::CheckedSubmission;

/// Whether the signers of a registry record suffice.
pub(super) fn authorise<S: State>(
    state: &S,
    index: EntryIndex,
    sub: &CheckedSubmission,
    said: &RegistryRecord,
    es256: &dyn Es256Verify,
) -> Judged<(), S> {
    let genesis = state::genesis(state)?;
    check_log(sub.record(), said, index, genesis.as_ref())?;
    // Cheap questions first: a stranger's key.add must not cost a verification here.
    if let RegistryRecord::KeyAdd { submitter, .. } = said {
        expect_submitter(state, submitter)?;
    }
    let signers = authority::signers(state, index, sub, said.own_keys(), es256)?;
    let own = said.own_keys();
    match said {
        RegistryRecord::Genesis(genesis) => {
            check_signers(&signers, "governance keys of this genesis", |signer| {
                brings(own, signer)
            })?;
            check_threshold(signers.len(), genesis.threshold)?;
        }
        RegistryRecord::SubmitterAdd(_) => {
            check_signers(&signers, "governance keys and the new key", |signer| {
                signer.is_governance() || brings(own, signer)
            })?;
            check_possession(&signers, own)?;
            check_threshold(governance(&signers), threshold(genesis.as_ref()))?;
        }
        RegistryRecord::KeyAdd { submitter, .. } => {
            if governance(&signers) > 0 {
                return Err(Stop::Refused(recovery_reserved()));
            }
            check_signers(&signers, "the new key and current keys of the submitter", |signer| {
                signer.is_of(submitter) || brings(own, signer)
            })?;
            check_possession(&signers, own)?;
            if !signers.iter().any(|signer| signer.is_of(submitter)) {
                return Err(Stop::Refused(lacking(
                    "a signature by a current key of the submitter as well",
                )));
            }
        }
        RegistryRecord::KeyRevoke { kid, .. } => {
            let submitter = match state::key(state, kid)? {
                Some(key) if key.role == KeyRole::Submitter => key.submitter,
                Some(_) => {
                    return Err(Stop::Refused(unfit("kid", "a submitter's key", "another key")));
                }
                None => {
                    return Err(Stop::Refused(unfit("kid", "a registered key", "an unknown one")));
                }
            };
            check_signers(
                &signers,
                "governance keys or current keys of the submitter",
                |signer| signer.is_governance() || signer.is_of(&submitter),
            )?;
            if !signers.iter().any(|signer| signer.is_of(&submitter)) {
                check_threshold(governance(&signers), threshold(genesis.as_ref()))?;
            }
        }
    }
    Ok(())
}

/// What a registry record puts into the state.
pub(super) fn apply<S: State>(
    state: &S,
    index: EntryIndex,
    record: &Record,
    said: &RegistryRecord,
) -> Judged<Vec<Put>, S> {
    match said {
        RegistryRecord::Genesis(genesis) => Ok(genesis_puts(index, record, genesis)),
        RegistryRecord::SubmitterAdd(add) => {
            expect_new_key(state, &add.key)?;
            if state::submitter(state, &add.submitter)?.is_some() {
                return Err(Stop::Refused(unfit(
                    "submitter",
                    "a new submitter",
                    "a registered one",
                )));
            }
            Ok(submitter_puts(index, record, add))
        }
        RegistryRecord::KeyAdd { submitter, key } => {
            expect_new_key(state, key)?;
            let key = registered(key, KeyRole::Submitter, submitter, index);
            Ok(vec![state::put_key(&key)])
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
            Ok(vec![state::put_key(&key)])
        }
    }
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

fn expect_submitter<S: State>(state: &S, id: &str) -> Judged<(), S> {
    match state::submitter(state, id)? {
        Some(_) => Ok(()),
        None => Err(Stop::Refused(RECORD.member("data").member("submitter").refuse(
            RuleId::UNKNOWN_SUBMITTER,
            "a registered submitter",
            "one that is not in the registry",
            "add the submitter first",
        ))),
    }
}

/// A kid belongs to one owner for ever, and the next governance keys are kept free for governance.
fn expect_new_key<S: State>(state: &S, key: &PublicKey) -> Judged<(), S> {
    let is_next = state::genesis(state)?.is_some_and(|genesis| genesis.next.contains(key.kid()));
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

fn recovery_reserved() -> Refusal {
    At::Fixed("/signatures").refuse(
        RuleId::KEY_NOT_ALLOWED,
        "the new key and a current key of the submitter",
        "a governance key: recovery by governance is reserved and not yet active",
        "sign with a current key, or register a new submitter",
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

fn threshold(genesis: Option<&Genesis>) -> usize {
    genesis.map_or(usize::MAX, |genesis| genesis.threshold)
}

fn registered(key: &PublicKey, role: KeyRole, owner: &str, index: EntryIndex) -> KeyState {
    KeyState {
        public: key.clone(),
        role,
        submitter: owner.to_owned(),
        added: index,
        revoked: None,
        since: None,
    }
}

fn genesis_puts(index: EntryIndex, record: &Record, genesis: &Genesis) -> Vec<Put> {
    let governance = genesis.governance.iter().map(|key| (key, KeyRole::Governance));
    let operators = genesis.operator_keys.iter().map(|operator| (&operator.key, KeyRole::Operator));
    let keys = governance.chain(operators);
    let mut puts: Vec<Put> = keys
        .map(|(key, role)| state::put_key(&registered(key, role, LOG_SUBMITTER, index)))
        .collect();
    puts.push(state::put_genesis(record));
    puts
}

fn submitter_puts(index: EntryIndex, record: &Record, add: &SubmitterAdd) -> Vec<Put> {
    let submitter = SubmitterState {
        submitter: add.submitter.clone(),
        log: record.log().to_owned(),
        bodies: add.bodies.clone(),
        profiles: add.profiles.clone(),
        added: index,
    };
    let key = registered(&add.key, KeyRole::Submitter, &add.submitter, index);
    vec![state::put_submitter(&submitter), state::put_key(&key)]
}
