//! Who signed, and whether that suffices for a submitter's record.
//!
//! The questions are functions of their own, because [`super::excerpt`] asks each of them even
//! when another one cannot be answered.

use super::case::{Case, RECORD, Ruling};
use crate::entry_index::EntryIndex;
use crate::jwk::{Kid, PublicKey};
use crate::jws::DetachedJws;
use crate::name;
use crate::profile::{Kind, Profile};
use crate::record::Record;
use crate::refusal::{At, Refusal, RuleId};
use crate::state::{self, KeyRole, KeyState, Put, State, StateError, SubmitterState};
use crate::submission::{SignatureCheck, wrong_signature};

/// A submitter's record: registered for this log, every signature by a key that may give it, body,
/// profile and role granted.
pub(super) fn authorise<S: State>(case: &Case<'_, S>, profile: &Profile) -> Ruling<(), S> {
    let record = case.record();
    let kind = profile.kind(record.kind());
    let submitter = submitter(case.state, record)?;
    let brought = record.brought_key();
    let signers: Vec<Signer> = signers(case, brought.as_slice()).collect::<Result<_, _>>()?;
    let mut count = Count::default();
    for (position, signer) in signers.iter().enumerate() {
        count.take(case.state, record, kind, position, signer)?;
    }
    count.check(kind)?;
    check_granted(case.state, record, kind, submitter.as_ref())
}

/// Who submits the record, registered for this log and not closed; `None` for a one-time key,
/// whose thumbprint is all that there is to know.
pub(super) fn submitter<S: State>(state: &S, record: &Record) -> Ruling<Option<SubmitterState>, S> {
    if name::one_time_key(record.submitter()).is_some() {
        return Ok(None);
    }
    let submitter =
        state::submitter(state, record.submitter())?.filter(|submitter| submitter.closed.is_none());
    let Some(submitter) = submitter else {
        return Err(RECORD
            .member("submitter")
            .refuse(
                RuleId::UNKNOWN_SUBMITTER,
                "a registered submitter",
                "one that is not in the registry, or was closed",
                "ask the log's governance to register it",
            )
            .into());
    };
    if submitter.log != record.log() {
        return Err(RECORD
            .member("log")
            .refuse(
                RuleId::OTHER_LOG,
                format_args!("\"{}\"", submitter.log),
                "the name of another log",
                "send it to the log it names",
            )
            .into());
    }
    Ok(Some(submitter))
}

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

    fn is_submitter_of(&self, record: &Record) -> bool {
        let Some(kid) = name::one_time_key(record.submitter()) else {
            return self.is_of(record.submitter());
        };
        // The first record that a one-time key signs brings the key; it is registered after that.
        let is_its_own = |key: &KeyState| key.submitter == record.submitter();
        self.kid == kid && self.registered.as_ref().is_none_or(is_its_own)
    }
}

/// The signers of a submission, each judged when it is asked for. A key that is neither registered
/// nor brought along, that does not count, or whose signature is wrong refuses the whole: nobody
/// could tell later which signatures of an entry to believe, so an entry has none that do not count.
///
/// `own_keys`: the keys that the record itself brings and that may sign it.
pub(super) fn signers<'a, S: State>(
    case: &'a Case<'_, S>,
    own_keys: &'a [PublicKey],
) -> impl Iterator<Item = Ruling<Signer, S>> {
    let signatures = case.sub.submission().signatures().iter().zip(case.sub.checks());
    signatures.enumerate().map(move |(position, (signature, check))| {
        signer(case, own_keys, position, signature, *check)
    })
}

fn signer<S: State>(
    case: &Case<'_, S>,
    own_keys: &[PublicKey],
    position: usize,
    signature: &DetachedJws,
    check: SignatureCheck,
) -> Ruling<Signer, S> {
    let registered = state::key(case.state, signature.kid())?;
    let counts =
        |key: &KeyState| key.counts_at(case.index) && case.admitted_ms >= key.counts_from_ms;
    if !registered.as_ref().is_none_or(counts) {
        return Err(At::Fixed("/signatures")
            .item(position)
            .refuse(
                RuleId::KEY_NOT_COUNTING,
                "a key between its registration and its revocation",
                "a revoked key, or one that does not count yet",
                "sign with a current key",
            )
            .into());
    }
    let own = || own_keys.iter().find(|key| key.kid() == signature.kid());
    let Some(public) = registered.as_ref().map(|key| &key.public).or_else(own) else {
        return Err(not_allowed(position, "registered keys").into());
    };
    if check != SignatureCheck::Verified
        && !signature.verify(public, case.record().bytes(), case.es256)
    {
        return Err(wrong_signature(position).into());
    }
    Ok(Signer { kid: signature.kid().clone(), registered })
}

/// How many signatures a record has by its submitter, and by whoever must sign with it.
#[derive(Default)]
pub(super) struct Count {
    own: usize,
    others: usize,
}

impl Count {
    /// Counts one signature, and refuses it when it is by neither.
    pub(super) fn take<S: State>(
        &mut self,
        state: &S,
        record: &Record,
        kind: Option<&Kind>,
        position: usize,
        signer: &Signer,
    ) -> Ruling<(), S> {
        if signer.is_submitter_of(record) {
            self.own = self.own.saturating_add(1);
            return Ok(());
        }
        let has_role = match (kind.and_then(Kind::cosigned), &signer.registered) {
            (Some(cosigned), Some(key)) if key.role == KeyRole::Submitter => {
                state::submitter(state, &key.submitter)?.is_some_and(|other| {
                    other.closed.is_none() && other.roles.contains(&cosigned.by)
                })
            }
            _ => false,
        };
        if !has_role {
            return Err(not_allowed(position, "keys of the record's submitter").into());
        }
        self.others = self.others.saturating_add(1);
        Ok(())
    }

    /// Enough of both, as the kind asks.
    pub(super) fn check(&self, kind: Option<&Kind>) -> Result<(), Refusal> {
        let too_few = |need: usize, whose: &str| {
            Err(At::Fixed("/signatures").refuse(
                RuleId::KEY_NOT_ALLOWED,
                format_args!("{need} signatures by keys of {whose}"),
                "fewer",
                "collect the missing signatures",
            ))
        };
        let need = kind.map_or(1, Kind::signatures);
        if self.own < need {
            return too_few(need, "its submitter");
        }
        match kind.and_then(Kind::cosigned) {
            Some(cosigned) if self.others < cosigned.count => too_few(cosigned.count, &cosigned.by),
            _ => Ok(()),
        }
    }
}

/// Whether its submitter was granted the record's body, profile and role. A body that is another's
/// may have been delegated; then the delegation says for which profiles.
///
/// A kind that takes one-time keys is open to all bodies: a bid stands below the buyer's tender.
pub(super) fn check_granted<S: State>(
    state: &S,
    record: &Record,
    kind: Option<&Kind>,
    submitter: Option<&SubmitterState>,
) -> Ruling<(), S> {
    let takes_one_time_keys = kind.is_some_and(Kind::takes_one_time_keys);
    let Some(submitter) = submitter else {
        if takes_one_time_keys {
            return Ok(());
        }
        return Err(wrong_role("a registered submitter", "a one-time key").into());
    };
    let body = name::body_of(record.object());
    let profiles = if takes_one_time_keys || submitter.bodies.iter().any(|own| own == body) {
        submitter.profiles.clone()
    } else {
        let delegation = state::delegation(state, record.submitter(), body)?;
        let current = delegation.filter(|delegation| !delegation.profiles.is_empty());
        current.ok_or_else(|| not_your_body(submitter))?.profiles
    };
    if !profiles.iter().any(|granted| granted == record.profile()) {
        return Err(RECORD
            .member("profile")
            .refuse(
                RuleId::UNKNOWN_PROFILE,
                format_args!("one of {}", profiles.join(", ")),
                "a profile this submitter was not granted",
                "ask the log's governance to grant it",
            )
            .into());
    }
    let roles = kind.map(Kind::by).unwrap_or_default();
    if !roles.is_empty() && !roles.iter().any(|role| submitter.roles.contains(role)) {
        let expected = format!("a submitter with the role {}", roles.join(" or "));
        return Err(wrong_role(&expected, "one without it").into());
    }
    Ok(())
}

/// What registers a one-time key: the first record that it signs.
pub(super) fn one_time_key<S: State>(
    state: &S,
    index: EntryIndex,
    record: &Record,
) -> Result<Option<Put>, StateError<S::Error>> {
    let Some(public) = record.brought_key() else { return Ok(None) };
    if state::key(state, public.kid())?.is_some() {
        return Ok(None);
    }
    let key = KeyState::registered(public, KeyRole::Submitter, record.submitter(), index);
    Ok(Some(state::put_key(&key)))
}

pub(super) fn not_allowed(position: usize, expected: &str) -> Refusal {
    At::Fixed("/signatures").item(position).refuse(
        RuleId::KEY_NOT_ALLOWED,
        format_args!("signatures by {expected} only"),
        "one by another key",
        "sign with the right key, or register this one first",
    )
}

fn not_your_body(submitter: &SubmitterState) -> Refusal {
    RECORD.member("object").refuse(
        RuleId::NOT_YOUR_BODY,
        format_args!("an object of {}", submitter.bodies.join(", ")),
        "one of another body",
        "start the object with a body you may write for",
    )
}

fn wrong_role(expected: &str, got: &str) -> Refusal {
    RECORD.member("submitter").refuse(RuleId::ROLE, expected, got, "let the right party submit it")
}
