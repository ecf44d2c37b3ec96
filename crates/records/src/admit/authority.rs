//! Who signed, and whether that suffices for a submitter's record.

use super::{EntryIndex, Judged, RECORD, Stop};
use crate::jwk::{Kid, PublicKey};
use crate::jws::Es256Verify;
use crate::name;
use crate::refusal::{At, Refusal, RuleId};
use crate::state::{self, KeyRole, KeyState, State};
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

/// A submitter's record: registered for this log, every signature by a key of it that counts, and
/// body and profile granted.
pub(super) fn authorise<S: State>(
    state: &S,
    index: EntryIndex,
    sub: &CheckedSubmission,
    es256: &dyn Es256Verify,
) -> Judged<(), S> {
    let record = sub.record();
    let Some(submitter) = state::submitter(state, record.submitter())? else {
        return Err(Stop::Refused(RECORD.member("submitter").refuse(
            RuleId::UNKNOWN_SUBMITTER,
            "a registered submitter",
            "one that is not in the registry",
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
    let owner = record.submitter();
    for (position, signer) in signers(state, index, sub, &[], es256)?.iter().enumerate() {
        if !signer.is_of(owner) {
            return Err(Stop::Refused(not_allowed(position, "keys of the record's submitter")));
        }
    }
    let body = name::body_of(record.object());
    if !submitter.bodies.iter().any(|granted| granted == body) {
        return Err(Stop::Refused(RECORD.member("object").refuse(
            RuleId::NOT_YOUR_BODY,
            format_args!("an object of {}", submitter.bodies.join(", ")),
            "one of another body",
            "start the object with a body you may write for",
        )));
    }
    if !submitter.profiles.iter().any(|granted| granted == record.profile()) {
        return Err(Stop::Refused(RECORD.member("profile").refuse(
            RuleId::UNKNOWN_PROFILE,
            format_args!("one of {}", submitter.profiles.join(", ")),
            "a profile this submitter was not granted",
            "ask the log's governance to grant it",
        )));
    }
    Ok(())
}

/// All signers of a submission. A key that is neither registered nor brought along, that does not
/// count, or whose signature is wrong refuses the whole.
///
/// `own_keys`: the keys that the record itself brings and that may sign it.
pub(super) fn signers<S: State>(
    state: &S,
    index: EntryIndex,
    sub: &CheckedSubmission,
    own_keys: &[PublicKey],
    es256: &dyn Es256Verify,
) -> Judged<Vec<Signer>, S> {
    let signatures = sub.submission().signatures();
    let mut signers = Vec::with_capacity(signatures.len());
    for (position, (signature, check)) in signatures.iter().zip(sub.checks()).enumerate() {
        let registered = state::key(state, signature.kid())?;
        if registered.as_ref().is_some_and(|key| !key.counts_at(index)) {
            return Err(Stop::Refused(At::Fixed("/signatures").item(position).refuse(
                RuleId::KEY_NOT_COUNTING,
                "a key between its registration and its revocation",
                "a revoked key",
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
