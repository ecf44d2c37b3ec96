//! A record: what a submitter says, in its one canonical form, parsed into a typed view.
//!
//! A value of [`Record`] is the proof that everything about it that needs no state was checked:
//! grammar, names, dates, money, sealed fields, the data of its profile.

use std::ops::Deref;

pub use crate::envelope::{DocumentRef, Envelope, Op, RecordHash, Reference, Source, Target};

use crate::json::{self, Limits, Value};
use crate::jwk::PublicKey;
use crate::profile::shipped;
use crate::refusal::{At, Refusal};
use crate::registry::{self, Genesis, RegistryRecord};

/// A well-formed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    envelope: Envelope,
    body: Body,
}

impl Record {
    /// Reads the canonical bytes of one record.
    ///
    /// # Errors
    /// The first rule it breaks; the pointer is into the record.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let value = json::parse(bytes, &Limits::RECORD)?;
        Self::from_value(value, bytes, At::Root)
    }

    /// Takes a record apart that was read as part of a larger document; `bytes` are its own bytes there.
    pub(crate) fn from_value(value: Value, bytes: &[u8], at: At<'_>) -> Result<Self, Refusal> {
        let envelope = Envelope::from_value(value, bytes, &at)?;
        let body = check(&envelope, &at)?;
        Ok(Self { envelope, body })
    }

    /// The keys that the record brings itself and that may sign it.
    pub fn brought_keys(&self) -> Vec<PublicKey> {
        match &self.body {
            Body::Registry(registration) => registration.own_keys().to_vec(),
            _ => self.brought_key().into_iter().collect(),
        }
    }

    /// What its profile made of the data.
    pub const fn body(&self) -> &Body {
        &self.body
    }
}

impl Deref for Record {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.envelope
    }
}

/// What a record's profile made of its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A record of a shipped profile: its data has the form that the profile demands.
    Checked,
    /// A record of a profile that this crate does not carry: its data is checked when it is judged.
    Unchecked,
    /// `registry/1`.
    Registry(Box<RegistryRecord>),
}

impl Body {
    /// The genesis, if this is one.
    pub fn genesis(&self) -> Option<&Genesis> {
        match self {
            Self::Registry(record) => match record.as_ref() {
                RegistryRecord::Genesis(genesis) => Some(genesis),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Checks the data of a record by its profile and kind, as far as that needs no state.
fn check(record: &Envelope, at: &At<'_>) -> Result<Body, Refusal> {
    if record.profile() == registry::REGISTRY_PROFILE {
        return registry::check(record, at)
            .map(|registration| Body::Registry(Box::new(registration)));
    }
    match shipped(record.profile()) {
        Some(profile) => profile.check(record, at).map(|()| Body::Checked),
        None => Ok(Body::Unchecked),
    }
}

#[cfg(test)]
mod tests;
