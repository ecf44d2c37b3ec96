//! The keys that a receipt file brings with it, and the signatures they account for.
//!
//! Everything here was proven to be in the log already. What is checked again is that each
//! registration is signed as the log's rules ask, link by link down to entry 0:
//!
//! ```text
//! key ◄─ submitter.add ◄─ governance keys, as many as their threshold
//! key ◄─ key.add ◄─ the new key, and a key of the same submitter that is itself reached
//! key ◄─ key.add ◄─ the new key and governance: a recovery, which counts seven days later
//! governance keys ◄─ governance.rotate ◄─ the new keys, to each of which those before committed
//! key:… ◄─ the record that brings the key of this thumbprint
//! ```
//! A link that the file lacks leaves the signature unchecked, in words. A link that is there and
//! wrong breaks the file.

mod check;
mod governance;

use std::collections::BTreeMap;

use records::Body;
use records::profile::Profile;
use records::registry::SubmitterAdd;
use records::{DetachedJws, Entry, Genesis, Kid, P256Verify, PublicKey, RegistryRecord, RuleId};

use super::{Broken, Link, Proven};
use governance::Governs;

/// The registrations of one file.
#[derive(Default)]
pub(super) struct Registry {
    /// Who governs, as of the entry that is being judged.
    governs: Option<Governs>,
    /// Which entry of the file registers which key, be it judged yet or not.
    homes: BTreeMap<Kid, u64>,
    /// The keys whose registrations were judged.
    keys: BTreeMap<Kid, RegisteredKey>,
    /// What each submitter may do, as far as the file holds its registration.
    grants: BTreeMap<String, SubmitterAdd>,
    /// Where a submitter ended.
    closed: BTreeMap<String, u64>,
    /// In log order.
    delegations: Vec<Delegated>,
    /// The profiles that the file holds.
    profiles: BTreeMap<String, Profile>,
}

struct RegisteredKey {
    key: PublicKey,
    owner: Owner,
    added: u64,
    /// The admission time from which it counts, in Unix milliseconds; 0: at once.
    counts_from_ms: u64,
    revoked: Option<(u64, Option<String>)>,
    /// What the file lacks between this key and entry 0; nothing: the key counts.
    missing: Option<String>,
}

/// Whose key it is.
#[derive(Clone, PartialEq, Eq)]
enum Owner {
    Governance,
    Operator,
    Submitter(String),
}

impl Owner {
    fn of(submitter: &str) -> Self {
        Self::Submitter(submitter.to_owned())
    }

    fn name(&self) -> &str {
        match self {
            Self::Governance | Self::Operator => "log",
            Self::Submitter(id) => id,
        }
    }
}

/// A body that one submitter lends to another.
struct Delegated {
    index: u64,
    to: String,
    body: String,
    /// None: it ends.
    profiles: Vec<String>,
    missing: Option<String>,
}

/// Whether an entry is one of the log's own.
pub(super) fn is_registration(entry: &Entry) -> bool {
    registration(entry).is_some()
}

fn registration(entry: &Entry) -> Option<&RegistryRecord> {
    match entry.record().body() {
        Body::Registry(record) => Some(record),
        _ => None,
    }
}

impl Registry {
    /// Judges the registrations in log order, so that what one depends on was judged before it.
    pub(super) fn collect(proven: &[Proven]) -> Result<Self, Broken> {
        let mut by_index: BTreeMap<u64, &Proven> = BTreeMap::new();
        for one in proven {
            by_index.insert(one.index, one);
        }
        let mut registry = Self { homes: homes(&by_index)?, ..Self::default() };
        for one in by_index.into_values() {
            registry.take(one)?;
        }
        Ok(registry)
    }

    fn take(&mut self, one: &Proven) -> Result<(), Broken> {
        let Some(said) = registration(&one.entry) else {
            // A one-time key needs no registration: its thumbprint is the submitter's name.
            if let Some(key) = one.entry.record().brought_key()
                && !self.keys.contains_key(key.kid())
            {
                self.add(&key, Owner::of(one.entry.record().submitter()), one.index, None);
            }
            return Ok(());
        };
        match said {
            RegistryRecord::Genesis(genesis) => self.found(one, genesis)?,
            RegistryRecord::GovernanceRotate(rotation) => self.rotate(one, rotation)?,
            RegistryRecord::SubmitterAdd(add) => {
                Self::expect_signature_by(one, &add.key)?;
                let missing = self.governed(one)?;
                self.add(&add.key, Owner::of(&add.submitter), one.index, missing);
                if self.grants.insert(add.submitter.clone(), add.clone()).is_some() {
                    let why = format!("{} was registered before", add.submitter);
                    return Err(one.broken(Link::Registration, why));
                }
            }
            RegistryRecord::KeyAdd { submitter, key } => self.add_key(one, submitter, key)?,
            RegistryRecord::OperatorKey(operator) => {
                Self::expect_signature_by(one, &operator.key)?;
                let missing = self.governed(one)?;
                self.add(&operator.key, Owner::Operator, one.index, missing);
            }
            RegistryRecord::KeyRevoke { kid, since } => {
                self.revoke(one, kid, since.as_deref())?;
            }
            RegistryRecord::SubmitterDelegate { submitter, to, body, profiles } => {
                let missing = self.lent(one, submitter, body, profiles)?;
                let (to, body, profiles) = (to.clone(), body.clone(), profiles.clone());
                let lent = Delegated { index: one.index, to, body, profiles, missing };
                self.delegations.push(lent);
            }
            // Whoever signed it: it only ever takes trust away.
            RegistryRecord::SubmitterClose { submitter } => {
                self.closed.entry(submitter.clone()).or_insert(one.index);
            }
            RegistryRecord::ProfilePublish(profile) if self.governed(one)?.is_none() => {
                self.profiles.insert(profile.id().to_owned(), profile.as_ref().clone());
            }
            // The rest says nothing about who may sign.
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, key: &PublicKey, owner: Owner, added: u64, missing: Option<String>) {
        let (key, kid) = (key.clone(), key.kid().clone());
        let registered =
            RegisteredKey { key, owner, added, counts_from_ms: 0, revoked: None, missing };
        self.keys.insert(kid, registered);
    }

    /// A further key: let in by another of the submitter, or by governance.
    fn add_key(&mut self, one: &Proven, submitter: &str, key: &PublicKey) -> Result<(), Broken> {
        Self::expect_signature_by(one, key)?;
        let is_governance = |it: &DetachedJws| {
            self.keys.get(it.kid()).is_some_and(|known| known.owner == Owner::Governance)
        };
        let is_recovery = one.entry.signatures().iter().any(is_governance);
        let missing =
            if is_recovery { self.governed(one)? } else { self.follow(one, submitter, key)? };
        self.add(key, Owner::of(submitter), one.index, missing);
        // The flag is the log's word: it is enough to doubt the key, as the signers are.
        if is_recovery || one.entry.flags().contains(&RuleId::RECOVERY) {
            let from_ms = one.entry.admitted_ms().saturating_add(RECOVERY_MS);
            if let Some(added) = self.keys.get_mut(key.kid()) {
                added.counts_from_ms = from_ms;
            }
        }
        Ok(())
    }

    /// Follows a `key.add` to the keys that let the new one in. One that is reached suffices; if
    /// there is none, says what is missing on the way to it.
    fn follow(
        &self,
        one: &Proven,
        submitter: &str,
        key: &PublicKey,
    ) -> Result<Option<String>, Broken> {
        let signatures = one.entry.signatures().iter();
        let introductions = signatures
            .filter(|signature| signature.kid() != key.kid())
            .map(|signature| self.introduction(one, submitter, key, signature))
            .collect::<Result<Vec<Option<String>>, Broken>>()?;
        if introductions.is_empty() {
            let why = format!("no key of {submitter} let the new key {} in", key.kid());
            return Err(one.broken(Link::Registration, why));
        }
        let is_reached = introductions.iter().any(Option::is_none);
        Ok(if is_reached { None } else { introductions.into_iter().flatten().next() })
    }

    /// Judges one signature that lets a key in: broken, or reached (`None`), or what is missing.
    fn introduction(
        &self,
        one: &Proven,
        submitter: &str,
        key: &PublicKey,
        signature: &DetachedJws,
    ) -> Result<Option<String>, Broken> {
        let (kid, new) = (signature.kid(), key.kid());
        let Some(known) = self.keys.get(kid) else {
            let Some(home) = self.homes.get(kid) else {
                let lack = "the file lacks the registration of key";
                return Ok(Some(format!("{lack} {kid}, which let key {new} in")));
            };
            let why = format!("key {kid} let in key {new}, but was registered later, at {home}");
            return Err(one.broken(Link::Registration, why));
        };
        let why = if known.owner != Owner::of(submitter) {
            format!("key {new} of {submitter} was let in by a key of {}", known.owner.name())
        } else if known.revoked.is_some() {
            format!("key {new} was let in by key {kid}, which was revoked before")
        } else if !holds(signature, &known.key, &one.entry) {
            format!("the signature of key {kid}, which let in key {new}, does not hold")
        } else {
            return Ok(known.missing.clone());
        };
        Err(one.broken(Link::Registration, why))
    }

    /// Notes a revocation. Who signed it is looked at as far as the file holds their keys: a
    /// revocation only ever takes trust away.
    fn revoke(&mut self, one: &Proven, kid: &Kid, since: Option<&str>) -> Result<(), Broken> {
        let Some(revoked) = self.keys.get(kid) else { return Ok(()) };
        let mut owners = one
            .entry
            .signatures()
            .iter()
            .filter_map(|signature| self.keys.get(signature.kid()))
            .map(|signer| &signer.owner);
        let stranger =
            owners.find(|owner| matches!(owner, Owner::Submitter(_)) && **owner != revoked.owner);
        if let Some(stranger) = stranger {
            let (whose, stranger) = (revoked.owner.name(), stranger.name());
            let why = format!("key {kid} of {whose} was revoked by {stranger}");
            return Err(one.broken(Link::Registration, why));
        }
        if let Some(revoked) = self.keys.get_mut(kid) {
            revoked.revoked.get_or_insert((one.index, since.map(str::to_owned)));
        }
        Ok(())
    }

    fn expect_signature_by(one: &Proven, key: &PublicKey) -> Result<(), Broken> {
        if one.entry.signatures().iter().any(|signature| holds(signature, key, &one.entry)) {
            return Ok(());
        }
        let why = format!("the new key {} did not sign its own registration", key.kid());
        Err(one.broken(Link::Registration, why))
    }
}

/// Where each key of the file is registered: once, for the log accepts no key twice.
fn homes(by_index: &BTreeMap<u64, &Proven>) -> Result<BTreeMap<Kid, u64>, Broken> {
    let mut homes = BTreeMap::new();
    for (index, one) in by_index {
        let keys: Vec<&PublicKey> = match registration(&one.entry) {
            Some(RegistryRecord::Genesis(genesis)) => keys_of_genesis(genesis).collect(),
            Some(said) => said.own_keys().iter().collect(),
            None => continue,
        };
        for key in keys {
            let before = homes.insert(key.kid().clone(), *index);
            if let Some(before) = before.filter(|before| before != index) {
                let why = format!("key {} was registered before, at index {before}", key.kid());
                return Err(one.broken(Link::Registration, why));
            }
        }
    }
    Ok(homes)
}

fn keys_of_genesis(genesis: &Genesis) -> impl Iterator<Item = &PublicKey> {
    let operators = genesis.operator_keys.iter().map(|operator| &operator.key);
    genesis.governance.iter().chain(operators)
}

fn holds(signature: &DetachedJws, key: &PublicKey, entry: &Entry) -> bool {
    signature.kid() == key.kid() && signature.verify(key, entry.record().bytes(), &P256Verify)
}

/// How long after its admission a key counts that governance alone added.
///
/// Spec: `records::RECOVERY_DAYS`.
const RECOVERY_MS: u64 = records::RECOVERY_DAYS * 86_400_000;

/// What is missing when nothing of a key is in the file.
pub(super) const NO_REGISTRATION: &str = "this file lacks the key's registration";
