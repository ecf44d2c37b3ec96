//! Who governs, from entry 0 through every rotation that the file holds.

use std::collections::BTreeSet;

use records::registry::Rotation;
use records::{DetachedJws, Genesis, Kid, PublicKey};

use super::{Broken, Link, Owner, Proven, Registry, holds, keys_of_genesis};

/// The governance keys at one point of the log.
pub(super) struct Governs {
    keys: Vec<PublicKey>,
    threshold: usize,
    /// The thumbprints of the keys that may replace them.
    next: Vec<Kid>,
    /// What the file lacks between these keys and entry 0.
    missing: Option<String>,
}

impl Registry {
    pub(super) fn found(&mut self, one: &Proven, genesis: &Genesis) -> Result<(), Broken> {
        if one.index != 0 {
            let why = format!("a genesis at index {}, not 0", one.index);
            return Err(one.broken(Link::Registration, why));
        }
        expect_threshold(one, &genesis.governance, genesis.threshold)?;
        for key in keys_of_genesis(genesis) {
            let is_governance = genesis.governance.contains(key);
            let owner = if is_governance { Owner::Governance } else { Owner::Operator };
            self.add(key, owner, 0, None);
        }
        self.governs = Some(Governs {
            keys: genesis.governance.clone(),
            threshold: genesis.threshold,
            next: genesis.next.clone(),
            missing: None,
        });
        Ok(())
    }

    /// New governance keys, to each of which those before had committed. The old ones end.
    pub(super) fn rotate(&mut self, one: &Proven, rotation: &Rotation) -> Result<(), Broken> {
        let need = self.governs.as_ref().map_or(1, |before| before.threshold);
        expect_threshold(one, &rotation.keys, rotation.threshold.max(need))?;
        let missing = match &self.governs {
            None => Some(NO_GENESIS.to_owned()),
            Some(before) if rotation.keys.iter().all(|key| before.next.contains(key.kid())) => {
                before.missing.clone()
            }
            // Nobody can tell whether there was one between.
            Some(_) => Some(format!(
                "the file lacks what committed to the governance keys of entry {}",
                one.index
            )),
        };
        let old = self.keys.values_mut().filter(|key| key.owner == Owner::Governance);
        for key in old.filter(|key| key.revoked.is_none()) {
            key.revoked = Some((one.index, None));
        }
        for key in &rotation.keys {
            self.add(key, Owner::Governance, one.index, missing.clone());
        }
        self.governs = Some(Governs {
            keys: rotation.keys.clone(),
            threshold: rotation.threshold,
            next: rotation.next.clone(),
            missing,
        });
        Ok(())
    }

    /// Whether governance signed an entry: broken, or reached (`None`), or what is missing.
    pub(super) fn governed(&self, one: &Proven) -> Result<Option<String>, Broken> {
        let Some(governs) = &self.governs else { return Ok(Some(NO_GENESIS.to_owned())) };
        let Err(broken) = expect_threshold(one, &governs.keys, governs.threshold) else {
            return Ok(governs.missing.clone());
        };
        let own = super::registration(&one.entry).map(records::RegistryRecord::own_keys);
        let is_unknown = |signature: &DetachedJws| {
            let kid = signature.kid();
            !self.homes.contains_key(kid)
                && own.unwrap_or_default().iter().all(|key| key.kid() != kid)
        };
        if one.entry.signatures().iter().any(is_unknown) {
            // Perhaps the keys of a rotation that is not in the file.
            let index = one.index;
            let lack = "the file lacks the registration of keys that signed entry";
            return Ok(Some(format!("{lack} {index}, perhaps of a later governance")));
        }
        Err(broken)
    }
}

/// Enough of these keys signed.
fn expect_threshold(one: &Proven, keys: &[PublicKey], threshold: usize) -> Result<(), Broken> {
    let signatures = one.entry.signatures().iter();
    let signed: BTreeSet<&Kid> = signatures
        .filter(|signature| keys.iter().any(|key| holds(signature, key, &one.entry)))
        .map(DetachedJws::kid)
        .collect();
    if signed.len() >= threshold {
        return Ok(());
    }
    let why = format!(
        "{} of the log's governance keys signed this registration, {threshold} must",
        signed.len(),
    );
    Err(one.broken(Link::Registration, why))
}

const NO_GENESIS: &str = "the file lacks entry 0, which names the keys that govern the log";
