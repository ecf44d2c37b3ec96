//! What the log's rules refuse in an entry, told to whoever reads a receipt.
//!
//! A refusal is written for a submitter, who can mend the record. The reader of a receipt can mend
//! nothing: she has to see whose key stands where it must not. Which rule is broken was decided by
//! `records`; here is only looked up who is behind the signature that it points at.

use std::collections::BTreeMap;

use records::profile::{Kind, Profile, shipped};
use records::{
    DetachedJws, Excerpt, KeyRole, KeyState, Kid, PublicKey, Refusal, RegistryRecord, RuleId, state,
};

use super::broken::{Broken, Link};
use super::proven::Proven;

/// An entry of the file that the rules refuse.
pub(super) struct Refused<'a> {
    pub(super) one: &'a Proven,
    pub(super) refusal: Refusal,
    /// What the entries before it registered.
    pub(super) excerpt: &'a Excerpt,
    pub(super) entries: &'a BTreeMap<u64, &'a Proven>,
}

impl Refused<'_> {
    pub(super) fn broken(&self) -> Broken {
        let (link, words) = match self.one.registration() {
            Some(registration) => (Link::Registration, self.of_registration(registration)),
            None if self.refusal.rule == RuleId::SIGNATURE => {
                let of_kid =
                    |kid| format!("the signature of key {kid} is not one over this record");
                (Link::SubmitterSignature, self.signer().map(of_kid))
            }
            None => (Link::Registration, self.of_record()),
        };
        self.one.broken(link, words.unwrap_or_else(|| self.refusal.to_string()))
    }

    fn of_registration(&self, registration: &RegistryRecord) -> Option<String> {
        if self.refusal.rule == RuleId::REGISTRY {
            return self.contradiction(registration);
        }
        if !self.refusal.pointer.starts_with("/signatures") {
            return None;
        }
        match registration {
            RegistryRecord::SubmitterAdd(_)
            | RegistryRecord::OperatorKey(_)
            | RegistryRecord::KeyAdd { .. }
                if let Some(key) = self.unsigned(registration.own_keys()) =>
            {
                Some(format!("the new key {key} did not sign its own registration"))
            }
            RegistryRecord::KeyAdd { submitter, key } => {
                self.wrong_introduction(submitter, key.kid())
            }
            RegistryRecord::KeyRevoke { kid: revoked, .. } => {
                let (whose, stranger) =
                    (self.key(revoked)?.submitter, self.key(self.signer()?)?.submitter);
                Some(format!("key {revoked} of {whose} was revoked by {stranger}"))
            }
            RegistryRecord::SubmitterDelegate { submitter, .. } => match self.uncounted() {
                Some(words) => Some(words),
                None => Some(format!("key {} cannot lend a body of {submitter}", self.signer()?)),
            },
            _ => self.too_few(),
        }
    }

    /// A registration that does not fit what was registered before it.
    fn contradiction(&self, registration: &RegistryRecord) -> Option<String> {
        let index = self.one.index;
        Some(match registration {
            RegistryRecord::SubmitterDelegate { submitter, body, .. } => {
                format!("{submitter} lends {body}, or a profile, which it was not granted")
            }
            RegistryRecord::SubmitterAdd(add) if self.refusal.pointer.ends_with("/submitter") => {
                format!("{} was registered before", add.submitter)
            }
            _ => {
                let mut kids = registration.own_keys().iter().map(PublicKey::kid);
                match (kids.find_map(|kid| self.key(kid)), registration) {
                    (Some(KeyState { public, added, .. }), _) => {
                        format!("key {} was registered before, at index {added}", public.kid())
                    }
                    (None, RegistryRecord::Genesis(_)) => {
                        format!("a genesis at index {index}, not 0")
                    }
                    (None, _) => return None,
                }
            }
        })
    }

    /// A key of a submitter is let in by another one of it, or by governance.
    fn wrong_introduction(&self, submitter: &str, new: &Kid) -> Option<String> {
        let Some(kid) = self.signer() else {
            let mut signatures = self.one.entry.signatures().iter();
            if signatures.any(|signature| signature.kid() != new) {
                return self.too_few();
            }
            return Some(format!("no key of {submitter} let the new key {new} in"));
        };
        let Some(known) = self.key(kid) else {
            let at = self.registered_at(kid)?;
            return Some(format!("key {kid} let in key {new}, but was registered later, at {at}"));
        };
        if known.role == KeyRole::Governance {
            return self.too_few();
        }
        if known.submitter != submitter {
            let owner = &known.submitter;
            return Some(format!("key {new} of {submitter} was let in by a key of {owner}"));
        }
        match self.refusal.rule {
            RuleId::SIGNATURE => {
                Some(format!("the signature of key {kid}, which let in key {new}, does not hold"))
            }
            RuleId::KEY_NOT_COUNTING if known.revoked.is_some() => {
                Some(format!("key {new} was let in by key {kid}, which was revoked before"))
            }
            _ => self.uncounted(),
        }
    }

    /// Governance signs with as many keys as its threshold says: those of entry 0 or of the last
    /// rotation, or the new ones where governance replaces itself.
    fn too_few(&self) -> Option<String> {
        let before = state::governance(self.excerpt.state()).ok().flatten();
        let (keys, threshold) = match self.one.registration()? {
            RegistryRecord::Genesis(genesis) => (kids(&genesis.governance), genesis.threshold),
            RegistryRecord::GovernanceRotate(rotation) => {
                let before = before.map_or(1, |before| before.threshold);
                (kids(&rotation.keys), rotation.threshold.max(before))
            }
            _ => before.map(|before| (before.keys, before.threshold))?,
        };
        let have = self.signers().filter(|kid| keys.contains(kid)).count();
        Some(format!(
            "{have} of the log's governance keys signed this registration, {threshold} must"
        ))
    }

    fn of_record(&self) -> Option<String> {
        let record = self.one.record();
        let (submitter, kind) = (record.submitter(), record.kind());
        match self.refusal.rule {
            RuleId::KEY_NOT_COUNTING => self.uncounted(),
            RuleId::KEY_NOT_ALLOWED => self.stranger(),
            RuleId::UNKNOWN_SUBMITTER => {
                let found = records::submitter(self.excerpt.state(), submitter).ok()??;
                Some(format!("{submitter} was closed at index {}", found.closed?))
            }
            // A body that was lent and is not any more: a loan of nothing.
            RuleId::UNKNOWN_PROFILE | RuleId::NOT_YOUR_BODY => {
                Some(format!("{submitter} is not registered for {}", record.profile()))
            }
            RuleId::ROLE if records::name::one_time_key(submitter).is_some() => {
                Some(format!("{kind} takes no one-time keys"))
            }
            RuleId::ROLE => Some(format!("{submitter} has not the role that {kind} needs")),
            _ => None,
        }
    }

    /// A signature by somebody other than the submitter: the kind must ask for one of that role.
    fn stranger(&self) -> Option<String> {
        let (record, kid) = (self.one.record(), self.signer()?);
        let Some(known) = self.key(kid) else { return self.uncounted() };
        let other = &known.submitter;
        let document = state::published_profile(self.excerpt.state(), record.profile()).ok()?;
        let published = document.and_then(|document| Profile::parse(&document).ok());
        let profile = shipped(record.profile()).or(published.as_ref());
        let kind = profile.and_then(|profile| profile.kind(record.kind()));
        Some(match kind.and_then(Kind::cosigned) {
            Some(cosigned) => {
                let (role, kind) = (&cosigned.by, record.kind());
                format!("key {kid} is of {other}, which is no {role}, as {kind} needs")
            }
            None => format!("key {kid} is registered for {other}, not for {}", record.submitter()),
        })
    }

    /// Why the key that signed does not count: not yet, or not any more.
    fn uncounted(&self) -> Option<String> {
        let kid = self.signer()?;
        let Some(known) = self.key(kid) else {
            let at = self.registered_at(kid)?;
            return Some(format!("key {kid} was registered at index {at} only, not before"));
        };
        if let Some(revoked) = known.revoked {
            return Some(format!("key {kid} was revoked at index {revoked}"));
        }
        let from = records::format_millis(known.counts_from_ms);
        (self.one.entry.admitted_ms() < known.counts_from_ms).then(|| {
            format!("key {kid} was added by governance alone, so it counts from {from} only")
        })
    }

    /// The first of these keys that did not sign.
    fn unsigned<'a>(&self, keys: &'a [PublicKey]) -> Option<&'a Kid> {
        let mut kids = keys.iter().map(PublicKey::kid);
        kids.find(|kid| !self.signers().any(|signer| signer == *kid))
    }

    /// The keys whose signatures are not known to be wrong.
    fn signers(&self) -> impl Iterator<Item = &Kid> {
        let wrong = self.signer().filter(|_| self.refusal.rule == RuleId::SIGNATURE);
        let signatures = self.one.entry.signatures().iter().map(DetachedJws::kid);
        signatures.filter(move |kid| Some(*kid) != wrong)
    }

    /// The key whose signature the refusal points at.
    fn signer(&self) -> Option<&Kid> {
        let position = self.refusal.pointer.strip_prefix("/signatures/")?.parse::<usize>().ok()?;
        self.one.entry.signatures().get(position).map(DetachedJws::kid)
    }

    fn key(&self, kid: &Kid) -> Option<KeyState> {
        records::key(self.excerpt.state(), kid).ok().flatten()
    }

    /// Where the file registers a key, be it after this entry.
    fn registered_at(&self, kid: &Kid) -> Option<u64> {
        let registers = |one: &Proven| match one.registration() {
            Some(registration) => registration.own_keys().iter().any(|key| key.kid() == kid),
            None => one.record().brought_key().is_some_and(|key| key.kid() == kid),
        };
        self.entries.values().find(|one| registers(one)).map(|one| one.index)
    }
}

fn kids(keys: &[PublicKey]) -> Vec<Kid> {
    keys.iter().map(|key| key.kid().clone()).collect()
}
