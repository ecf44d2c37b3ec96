//! The keys that a receipt file brings with it, and the signatures they account for.
//!
//! Everything here was proven to be in the log already. What is checked again is that each
//! registration is signed as the log's rules ask, link by link down to entry 0:
//!
//! ```text
//! key ◄─ submitter.add ◄─ governance keys of the genesis, as many as its threshold
//! key ◄─ key.add ◄─ the new key, and a key of the same submitter that is itself reached
//! ```
//! A link that the file lacks leaves the signature unchecked, in words. A link that is there and
//! wrong breaks the file.

use std::collections::{BTreeMap, BTreeSet};

use records::registry::SubmitterAdd;
use records::{DetachedJws, Entry, Genesis, Kid, P256Verify, PublicKey, RegistryRecord};

use super::{Broken, Link, Proven, SignatureFinding};

/// The registrations of one file.
pub(super) struct Registry {
    genesis: Option<Genesis>,
    /// Which entry of the file registers which key, be it judged yet or not.
    homes: BTreeMap<Kid, u64>,
    /// The keys whose registrations were judged.
    keys: BTreeMap<Kid, RegisteredKey>,
    /// What each submitter may do, as far as the file holds its registration.
    grants: BTreeMap<String, SubmitterAdd>,
}

struct RegisteredKey {
    key: PublicKey,
    /// `log` for the keys of the genesis.
    submitter: String,
    added: u64,
    revoked: Option<(u64, Option<String>)>,
    /// What the file lacks between this key and entry 0; nothing: the key counts.
    missing: Option<String>,
}

/// Whether an entry is one of the log's own.
pub(super) fn is_registration(entry: &Entry) -> bool {
    entry.record().body().genesis().is_some() || registration(entry).is_some()
}

fn registration(entry: &Entry) -> Option<&RegistryRecord> {
    match entry.record().body() {
        records::profile::Body::Registry(record) => Some(record),
        _ => None,
    }
}

impl Registry {
    /// Judges the registrations in log order, so that what one depends on was judged before it.
    pub(super) fn collect(proven: &[Proven]) -> Result<Self, Broken> {
        let mut by_index: BTreeMap<u64, &Proven> = BTreeMap::new();
        for one in proven.iter().filter(|one| is_registration(&one.entry)) {
            by_index.insert(one.index, one);
        }
        let mut registry = Self {
            genesis: None,
            homes: homes(&by_index)?,
            keys: BTreeMap::new(),
            grants: BTreeMap::new(),
        };
        for one in by_index.into_values() {
            registry.take(one)?;
        }
        Ok(registry)
    }

    fn take(&mut self, one: &Proven) -> Result<(), Broken> {
        match registration(&one.entry) {
            Some(RegistryRecord::Genesis(genesis)) => {
                if one.index != 0 {
                    let why = format!("a genesis at index {}, not 0", one.index);
                    return Err(one.broken(Link::Registration, why));
                }
                expect_governance(genesis, one)?;
                for key in keys_of_genesis(genesis) {
                    self.add(key, "log", 0, None);
                }
                self.genesis = Some(genesis.clone());
            }
            Some(RegistryRecord::SubmitterAdd(add)) => {
                Self::expect_signature_by(one, &add.key)?;
                let missing = match &self.genesis {
                    Some(genesis) => {
                        expect_governance(genesis, one)?;
                        None
                    }
                    // Nobody knows whose signatures to expect.
                    None => Some(format!(
                        "the file lacks entry 0, which names the keys that may register {}",
                        add.submitter
                    )),
                };
                self.add(&add.key, &add.submitter, one.index, missing);
                if self.grants.insert(add.submitter.clone(), add.clone()).is_some() {
                    let why = format!("{} was registered before", add.submitter);
                    return Err(one.broken(Link::Registration, why));
                }
            }
            Some(RegistryRecord::KeyAdd { submitter, key }) => {
                Self::expect_signature_by(one, key)?;
                let missing = self.follow(one, submitter, key)?;
                self.add(key, submitter, one.index, missing);
            }
            Some(RegistryRecord::KeyRevoke { kid, since }) => {
                self.revoke(one, kid, since.as_deref())?;
            }
            // The rest registers nobody whose records a receipt is for.
            Some(_) | None => {}
        }
        Ok(())
    }

    fn add(&mut self, key: &PublicKey, submitter: &str, added: u64, missing: Option<String>) {
        let (key, submitter) = (key.clone(), submitter.to_owned());
        let kid = key.kid().clone();
        self.keys.insert(kid, RegisteredKey { key, submitter, added, revoked: None, missing });
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
        let why = if known.submitter != submitter {
            format!("key {new} of {submitter} was let in by a key of {}", known.submitter)
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
            .map(|signer| signer.submitter.as_str());
        let stranger = owners.find(|owner| *owner != "log" && *owner != revoked.submitter);
        if let Some(stranger) = stranger {
            let why = format!("key {kid} of {} was revoked by {stranger}", revoked.submitter);
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

    /// Checks the signatures of an entry as far as the file holds their keys.
    pub(super) fn check(&self, one: &Proven) -> Result<Vec<SignatureFinding>, Broken> {
        let found = one.entry.signatures().iter().map(|signature| self.check_one(one, signature));
        let found = found.collect::<Result<Vec<SignatureFinding>, Broken>>()?;
        if !is_registration(&one.entry) {
            self.expect_grant(one)?;
        }
        Ok(found)
    }

    fn check_one(&self, one: &Proven, signature: &DetachedJws) -> Result<SignatureFinding, Broken> {
        let kid = signature.kid();
        let mut finding = SignatureFinding {
            kid: kid.to_string(),
            algorithm: signature.algorithm().as_str(),
            checked: false,
            missing: None,
            registered_at: None,
            registered_for: None,
            in_doubt_since: None,
        };
        let Some(known) = self.keys.get(kid) else {
            finding.missing = Some(NO_REGISTRATION.to_owned());
            return Ok(finding);
        };
        if !holds(signature, &known.key, &one.entry) {
            let why = format!("the signature of key {kid} is not one over this record");
            return Err(one.broken(Link::SubmitterSignature, why));
        }
        finding.checked = known.missing.is_none();
        finding.missing.clone_from(&known.missing);
        if finding.checked {
            finding.registered_at = Some(known.added);
            finding.registered_for = Some(known.submitter.clone());
        }
        if is_registration(&one.entry) {
            return Ok(finding);
        }
        let submitter = one.entry.record().submitter();
        let why = if known.submitter != submitter {
            format!("key {kid} is registered for {}, not for {submitter}", known.submitter)
        } else if known.added >= one.index {
            format!("key {kid} was registered at index {} only, not before", known.added)
        } else if let Some((revoked, _)) = known.revoked.as_ref().filter(|(at, _)| *at <= one.index)
        {
            format!("key {kid} was revoked at index {revoked}")
        } else {
            finding.in_doubt_since = known.revoked.as_ref().and_then(|(_, since)| since.clone());
            return Ok(finding);
        };
        Err(one.broken(Link::Registration, why))
    }

    fn expect_grant(&self, one: &Proven) -> Result<(), Broken> {
        let record = one.entry.record();
        let Some(grant) = self.grants.get(record.submitter()) else { return Ok(()) };
        let body = records::name::body_of(record.object());
        let why = if !grant.bodies.iter().any(|granted| granted == body) {
            format!("{} is not registered to write for {body}", record.submitter())
        } else if !grant.profiles.iter().any(|granted| granted == record.profile()) {
            format!("{} is not registered for {}", record.submitter(), record.profile())
        } else {
            return Ok(());
        };
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

fn expect_governance(genesis: &Genesis, one: &Proven) -> Result<(), Broken> {
    let signatures = one.entry.signatures().iter();
    let signed: BTreeSet<&Kid> = signatures
        .filter(|signature| genesis.governance.iter().any(|key| holds(signature, key, &one.entry)))
        .map(DetachedJws::kid)
        .collect();
    if signed.len() >= genesis.threshold {
        return Ok(());
    }
    let why = format!(
        "{} of the log's governance keys signed this registration, {} must",
        signed.len(),
        genesis.threshold
    );
    Err(one.broken(Link::Registration, why))
}

fn holds(signature: &DetachedJws, key: &PublicKey, entry: &Entry) -> bool {
    signature.kid() == key.kid() && signature.verify(key, entry.record().bytes(), &P256Verify)
}

/// What is missing when nothing of a key is in the file.
pub(super) const NO_REGISTRATION: &str = "this file lacks the key's registration";
