//! Profiles: published documents that say what the records of a family hold, and one small engine
//! that reads them.
//!
//! A profile is data. It lists kinds; each kind its fields, what of it is sealed, how its objects
//! are named, who submits it, and which of eight [rules](rule::Primitive) it is held to. Nothing
//! in it is a program: a rule is a pure function of the entries before, the record, and the time
//! the log stamped on it. There is no type for clear text, so a profile cannot ask for any.
//!
//! | module | holds |
//! |---|---|
//! | [`document`] | the document: strict parser, [`Profile`], [`Kind`] |
//! | [`field`] | types of fields, and checking data against them |
//! | [`sealing`] | what may be sealed, by whom it is held |
//! | [`pattern`] | how objects are named |
//! | [`rule`] | the rules that look at the entries before |
//! | [`shipped`] | the profiles that engine version 1 carries |
//!
//! This module checks all of a record that needs no state. A record of a shipped profile is checked
//! when it is parsed; one of a published profile when it is judged, for only the log has its rules.

pub mod document;
pub mod field;
pub mod pattern;
pub mod rule;
pub mod sealing;
pub mod shipped;

use std::collections::BTreeMap;

use crate::record::{Op, Record};
use crate::refusal::{At, Refusal, RuleId};
use crate::registry::{self, Genesis, RegistryRecord};

pub use document::{Kind, Profile};
pub use shipped::shipped;

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
pub(crate) fn check(record: &Record, at: &At<'_>) -> Result<Body, Refusal> {
    if record.profile() == registry::REGISTRY_PROFILE {
        return registry::check(record, at).map(|said| Body::Registry(Box::new(said)));
    }
    match shipped(record.profile()) {
        Some(profile) => profile.check(record, at).map(|()| Body::Checked),
        None => Ok(Body::Unchecked),
    }
}

impl Profile {
    /// Checks everything about a record that needs no state.
    ///
    /// # Errors
    /// The first rule it breaks; the pointer is into the record. Useful before a record of a
    /// published profile is signed: for such a one the parser alone cannot do this.
    pub fn check_record(&self, record: &Record) -> Result<(), Refusal> {
        self.check(record, &At::Root)
    }

    pub(crate) fn check(&self, record: &Record, at: &At<'_>) -> Result<(), Refusal> {
        let kind = self.kind(record.kind()).ok_or_else(|| {
            let kinds: Vec<&str> = self.kinds().iter().map(Kind::name).collect();
            at.member("kind").refuse(
                RuleId::UNKNOWN_PROFILE,
                format_args!("a kind of {}: {}", self.id(), kinds.join(", ")),
                "another kind",
                "use a kind of the profile",
            )
        })?;
        if !kind.takes(record.op()) {
            let ops: Vec<&str> = kind.ops().iter().map(|op| op.as_str()).collect();
            return Err(at.member("op").refuse(
                RuleId::OPERATION,
                format_args!("{}, which {} takes", ops.join(" or "), kind.name()),
                record.op().as_str(),
                "use an op that the profile lists for this kind",
            ));
        }
        if record.op() == Op::Void {
            return check_void(record, at);
        }
        field::check_data(kind, record, &at.member("data"))?;
        sealing::check(kind, record, at)?;
        if !kind.object().matches(record) {
            return Err(at.member("object").refuse(
                RuleId::GRAMMAR,
                format_args!("an object named {}", kind.object()),
                "another name",
                "name the object as the profile says",
            ));
        }
        Ok(())
    }
}

fn check_void(record: &Record, at: &At<'_>) -> Result<(), Refusal> {
    let is_silent = record.data().as_map().is_some_and(BTreeMap::is_empty)
        && record.sealed().is_empty()
        && record.documents().is_empty();
    if is_silent {
        return Ok(());
    }
    Err(at.member("data").refuse(
        RuleId::OPERATION,
        "empty data, no sealed fields and no documents in a void",
        "some",
        "write \"data\":{}; to say something new, use correct",
    ))
}

#[cfg(test)]
mod tests;
