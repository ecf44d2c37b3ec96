//! Who signed, and whether that suffices for a submitter's record.

use super::{EntryIndex, Judged, RECORD, Stop};
use crate::jwk::{Kid, PublicKey};
use crate::jws::Es256Verify;
use crate::name;
use crate::profile::{Kind, Profile};
use crate::record::Record;
use crate::refusal::{At, Refusal, RuleId};
use crate::state::{self, KeyRole, KeyState, Put, State, SubmitterState};
use crate::submission::{CheckedSubmission, SignatureCheck, wrong_signature};

/// A key that signed the record, its signature verified.
pub(super) struct Signer {
    pub(super) kid: Kid,
    /// What the registry says of the key; `None` when the record brings the key itself.
    pub(super) registered: Option<KeyState>,
}

impl Signer {
    pub(super) fn is_governance(&self) -> bool {
        self.registered.as_ref().is_some_and(|key| key.role == KeyRole::Governance)
    }

    pub(super) fn is_of(&self, submitter: &str) -> bool {
        let belongs = |key: &KeyState| key.role == KeyRole::Submitter && key.submitter == submitter;
        self.registered.as_ref().is_some_and(belongs)
    }
}

/// A submitter's record: registered for this log, every signature by a key that may give it, body,
/// profile and role granted.
pub(super) fn authorise<S: State>(
    state: &S,
    index: EntryIndex,
    admitted_ms: u64,
    sub: &CheckedSubmission,
    profile: &Profile,
    es256: &dyn Es256Verify,
) -> Judged<(), S> {
    let record = sub.record();
    let owner = record.submitter();
    let kind = profile.kind(record.kind());
    let brought = record.brought_key();
    let one_time = name::one_time_key(owner);
    let submitter = match &one_time {
        Some(_) => None,
        None => Some(registered(state, record)?),
    };
    let signers = signers(state, index, admitted_ms, sub, brought.as_slice(), es256)?;
    let is_own = |signer: &Signer| match &one_time {
        Some(kid) => {
            signer.kid == *kid
                && signer.registered.as_ref().is_none_or(|key| key.submitter == owner)
        }
        None => signer.is_of(owner),
    };
    check_signers(state, kind, &signers, is_own)?;
    let Some(submitter) = submitter else {
        if kind.is_some_and(Kind::takes_one_time_keys) {
            return Ok(());
        }
        return Err(Stop::Refused(role("a registered submitter", "a one-time key")));
    };
    let body = name::body_of(record.object());
    let mut profiles = &submitter.profiles;
    let delegation = if submitter.bodies.iter().any(|granted| granted == body)
        || kind.is_some_and(Kind::takes_one_time_keys)
    {
        None
    } else {
        state::delegation(state, owner, body)?.filter(|one| !one.profiles.is_empty())
    };
    if let Some(delegation) = &delegation {
        profiles = &delegation.profiles;
    } else if !submitter.bodies.iter().any(|granted| granted == body)
        && !kind.is_some_and(Kind::takes_one_time_keys)
    {
        return Err(Stop::Refused(RECORD.member("object").refuse(
            RuleId::NOT_YOUR_BODY,
            format_args!("an object of {}", submitter.bodies.join(", ")),
            "one of another body",
            "start the object with a body you may write for",
        )));
    }
    if !profiles.iter().any(|granted| granted == record.profile()) {
        return Err(Stop::Refused(RECORD.member("profile").refuse(
            RuleId::UNKNOWN_PROFILE,
            format_args!("one of {}", profiles.join(", ")),
            "a profile this submitter was not granted",
            "ask the log's governance to grant it",
        )));
    }
    let roles = kind.map(Kind::by).unwrap_or_default();
    if !roles.is_empty() && !roles.iter().any(|role| submitter.roles.contains(role)) {
        let expected = format!("a submitter with the role {}", roles.join(" or "));
        return Err(Stop::Refused(role(&expected, "one without it")));
    }
    Ok(())
}

/// What registers a one-time key: the first record that it signs.
pub(super) fn one_time_key<S: State>(
    state: &S,
    index: EntryIndex,
    record: &Record,
) -> Judged<Option<Put>, S> {
    let Some(public) = record.brought_key() else { return Ok(None) };
    if state::key(state, public.kid())?.is_some() {
        return Ok(None);
    }
    Ok(Some(state::put_key(&KeyState {
        public,
        role: KeyRole::Submitter,
        submitter: record.submitter().to_owned(),
        added: index,
        revoked: None,
        since: None,
        uses: Vec::new(),
        counts_from_ms: 0,
    })))
}

fn registered<S: State>(state: &S, record: &Record) -> Judged<SubmitterState, S> {
    let submitter =
        state::submitter(state, record.submitter())?.filter(|submitter| submitter.closed.is_none());
    let Some(submitter) = submitter else {
        return Err(Stop::Refused(RECORD.member("submitter").refuse(
            RuleId::UNKNOWN_SUBMITTER,
            "a registered submitter",
            "one that is not in the registry, or was closed",
            "ask the log's governance to register it",
        )));
    };
    if submitter.log != record.log() {
        return Err(Stop::Refused(RECORD.member("log").refuse(
            RuleId::OTHER_LOG,
            format_args!("\"{}\"", submitter.log),
            "the name of another log",
            "send it to the log it names",
        )));
    }
    Ok(submitter)
}

/// Enough signatures by the submitter, enough by whoever must sign with it, none by others.
fn check_signers<S: State>(
    state: &S,
    kind: Option<&Kind>,
    signers: &[Signer],
    is_own: impl Fn(&Signer) -> bool,
) -> Judged<(), S> {
    let cosigned = kind.and_then(Kind::cosigned);
    let (mut own, mut others) = (0_usize, 0_usize);
    for (position, signer) in signers.iter().enumerate() {
        if is_own(signer) {
            own = own.saturating_add(1);
            continue;
        }
        let has_role = match (cosigned, &signer.registered) {
            (Some(cosigned), Some(key)) if key.role == KeyRole::Submitter => {
                state::submitter(state, &key.submitter)?.is_some_and(|other| {
                    other.closed.is_none() && other.roles.contains(&cosigned.by)
                })
            }
            _ => false,
        };
        if !has_role {
            return Err(Stop::Refused(not_allowed(position, "keys of the record's submitter")));
        }
        others = others.saturating_add(1);
    }
    let need = kind.map_or(1, Kind::signatures);
    if own < need {
        return Err(Stop::Refused(too_few(need, "its submitter")));
    }
    match cosigned {
        Some(cosigned) if others < cosigned.count => {
            Err(Stop::Refused(too_few(cosigned.count, &cosigned.by)))
        }
        _ => Ok(()),
    }
}

fn too_few(need: usize, whose: &str) -> Refusal {
    At::Fixed("/signatures").refuse(
        RuleId::KEY_NOT_ALLOWED,
        format_args!("{need} signatures by keys of {whose}"),
        "fewer",
        "collect the missing signatures",
    )
}

fn role(expected: &str, got: &str) -> Refusal {
    RECORD.member("submitter").refuse(RuleId::ROLE, expected, got, "let the right party submit it")
}

/// All signers of a submission. A key that is neither registered nor brought along, that does not
/// count, or whose signature is wrong refuses the whole.
///
/// `own_keys`: the keys that the record itself brings and that may sign it.
pub(super) fn signers<S: State>(
    state: &S,
    index: EntryIndex,
    admitted_ms: u64,
    sub: &CheckedSubmission,
    own_keys: &[PublicKey],
    es256: &dyn Es256Verify,
) -> Judged<Vec<Signer>, S> {
    let signatures = sub.submission().signatures();
    let mut signers = Vec::with_capacity(signatures.len());
    for (position, (signature, check)) in signatures.iter().zip(sub.checks()).enumerate() {
        let registered = state::key(state, signature.kid())?;
        if registered
            .as_ref()
            .is_some_and(|key| !key.counts_at(index) || admitted_ms < key.counts_from_ms)
        {
            return Err(Stop::Refused(At::Fixed("/signatures").item(position).refuse(
                RuleId::KEY_NOT_COUNTING,
                "a key between its registration and its revocation",
                "a revoked key, or one that does not count yet",
                "sign with a current key",
            )));
        }
        let own = || own_keys.iter().find(|key| key.kid() == signature.kid());
        let public = registered.as_ref().map(|key| &key.public).or_else(own);
        let Some(public) = public else {
            return Err(Stop::Refused(not_allowed(position, "registered keys")));
        };
        let is_verified = *check == SignatureCheck::Verified
            || signature.verify(public, sub.record().bytes(), es256);
        if !is_verified {
            return Err(Stop::Refused(wrong_signature(position)));
        }
        signers.push(Signer { kid: signature.kid().clone(), registered });
    }
    Ok(signers)
}

pub(super) fn not_allowed(position: usize, expected: &str) -> Refusal {
    At::Fixed("/signatures").item(position).refuse(
        RuleId::KEY_NOT_ALLOWED,
        format_args!("signatures by {expected} only"),
        "one by another key",
        "sign with the right key, or register this one first",
    )
}
