//! The keys that a receipt file brings with it, and the signatures they account for.
//!
//! Everything here was proven to be in the log already. What is checked again is that the
//! registrations are signed as the log's rules ask: governance lets a submitter in, a submitter
//! lets its next key in.

use std::collections::{BTreeMap, BTreeSet};

use records::{DetachedJws, Entry, Genesis, Kid, P256Verify, PublicKey, RegistryRecord};

use super::{Broken, Link, Proven, SignatureFinding};

/// The registrations of one file.
pub(super) struct Registry {
    genesis: Option<Genesis>,
    keys: BTreeMap<Kid, KeyFinding>,
    /// What each submitter may do, as far as the file holds its registration.
    grants: BTreeMap<String, records::registry::SubmitterAdd>,
}

struct KeyFinding {
    key: PublicKey,
    /// `log` for governance keys.
    submitter: String,
    added: u64,
    revoked: Option<(u64, Option<String>)>,
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
    /// Reads the registrations in log order.
    pub(super) fn collect(proven: &[Proven]) -> Result<Self, Broken> {
        let mut by_index: BTreeMap<u64, &Proven> = BTreeMap::new();
        for one in proven.iter().filter(|one| is_registration(&one.entry)) {
            by_index.insert(one.index, one);
        }
        let mut registry = Self { genesis: None, keys: BTreeMap::new(), grants: BTreeMap::new() };
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
                self.genesis = Some(genesis.clone());
                for key in &genesis.governance {
                    self.add(key, "log", 0);
                }
                self.expect_governance(one)
            }
            Some(RegistryRecord::SubmitterAdd(add)) => {
                self.expect_governance(one)?;
                Self::expect_signature_by(one, &add.key)?;
                self.add(&add.key, &add.submitter, one.index);
                self.grants.insert(add.submitter.clone(), add.clone());
                Ok(())
            }
            Some(RegistryRecord::KeyAdd { submitter, key }) => {
                Self::expect_signature_by(one, key)?;
                // The key that let this one in may not be in the file; if it is, it must have.
                let known: Vec<&KeyFinding> = one
                    .entry
                    .signatures()
                    .iter()
                    .filter_map(|signature| self.keys.get(signature.kid()))
                    .collect();
                if known.iter().any(|key| key.submitter != *submitter) {
                    let why = format!("a key of {submitter} let in by a key of somebody else");
                    return Err(one.broken(Link::Registration, why));
                }
                self.add(key, submitter, one.index);
                Ok(())
            }
            Some(RegistryRecord::KeyRevoke { kid, since }) => {
                if let Some(key) = self.keys.get_mut(kid) {
                    key.revoked = Some((one.index, since.clone()));
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn add(&mut self, key: &PublicKey, submitter: &str, index: u64) {
        // A key that is there keeps its first registration; the log accepts no second one.
        self.keys.entry(key.kid().clone()).or_insert_with(|| KeyFinding {
            key: key.clone(),
            submitter: submitter.to_owned(),
            added: index,
            revoked: None,
        });
    }

    /// Without the genesis in the file nobody knows whose signatures to expect.
    fn expect_governance(&self, one: &Proven) -> Result<(), Broken> {
        let Some(genesis) = &self.genesis else { return Ok(()) };
        let signed: BTreeSet<&Kid> = one
            .entry
            .signatures()
            .iter()
            .filter(|signature| {
                genesis.governance.iter().any(|key| holds(signature, key, &one.entry))
            })
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
            registered_at: None,
            registered_for: None,
            in_doubt_since: None,
        };
        let Some(known) = self.keys.get(kid) else { return Ok(finding) };
        if !holds(signature, &known.key, &one.entry) {
            let why = format!("the signature of key {kid} is not one over this record");
            return Err(one.broken(Link::SubmitterSignature, why));
        }
        finding.checked = true;
        finding.registered_at = Some(known.added);
        finding.registered_for = Some(known.submitter.clone());
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

fn holds(signature: &DetachedJws, key: &PublicKey, entry: &Entry) -> bool {
    signature.kid() == key.kid() && signature.verify(key, entry.record().bytes(), &P256Verify)
}
