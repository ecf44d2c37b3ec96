//! Profiles of engine version 1: what the data of each kind must hold.
//!
//! Every clear member is listed here; what is not listed is refused. Names of parties and free
//! text have no clear member at all: they go into sealed fields.

mod contract;
mod spending;

use std::collections::BTreeMap;

use crate::json::Value;
use crate::name;
use crate::record::{Op, Record};
use crate::refusal::{At, Refusal, RuleId, shown};
use crate::registry::{self, Genesis, RegistryRecord};

pub use contract::Contract;
pub use spending::Payment;

/// Profiles that a submitter can be granted.
pub const SUBMITTER_PROFILES: &[&str] = &["contract/1", "spending/1"];

/// What a record's profile made of its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `spending/1` `payment`.
    Payment(Payment),
    /// `contract/1` `register`.
    Contract(Contract),
    /// `registry/1`.
    Registry(Box<RegistryRecord>),
    /// A `void`: it says nothing new.
    Void,
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

/// Checks the data of a record by its profile and kind.
pub(crate) fn check(record: &Record, at: &At<'_>) -> Result<Body, Refusal> {
    match (record.profile(), record.kind()) {
        ("registry/1", _) => {
            registry::check(record, at).map(|record| Body::Registry(Box::new(record)))
        }
        ("spending/1", "payment") | ("contract/1", "register") if record.op() == Op::Void => {
            check_void(record, at)
        }
        ("spending/1", "payment") => spending::check(record, at).map(Body::Payment),
        ("contract/1", "register") => contract::check(record, at).map(Body::Contract),
        ("spending/1" | "contract/1", _) => Err(at.member("kind").refuse(
            RuleId::UNKNOWN_PROFILE,
            "payment in spending/1, register in contract/1",
            "another kind",
            "use a kind of the profile",
        )),
        _ => Err(at.member("profile").refuse(
            RuleId::UNKNOWN_PROFILE,
            "spending/1 or contract/1",
            "another profile",
            "use a published profile",
        )),
    }
}

fn check_void(record: &Record, at: &At<'_>) -> Result<Body, Refusal> {
    let is_silent = record.data().as_map().is_some_and(BTreeMap::is_empty)
        && record.sealed().is_empty()
        && record.documents().is_empty();
    if is_silent {
        return Ok(Body::Void);
    }
    Err(at.member("data").refuse(
        RuleId::OPERATION,
        "empty data, no sealed fields and no documents in a void",
        "some",
        "write \"data\":{}; to say something new, use correct",
    ))
}

/// The clear data of a record, being read.
pub(crate) struct Data<'a> {
    members: &'a BTreeMap<String, Value>,
    at: At<'a>,
}

impl<'a> Data<'a> {
    pub(crate) fn of(value: &'a Value, at: At<'a>) -> Result<Self, Refusal> {
        match value {
            Value::Map(members) => Ok(Self { members, at }),
            other => {
                Err(at.refuse(RuleId::GRAMMAR, "an object", other.kind(), "write {} around it"))
            }
        }
    }

    /// Refuses members that are not listed; such as can only be names or texts as `E07`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let Some(name) = self.members.keys().find(|name| !known.contains(&name.as_str())) else {
            return Ok(());
        };
        let here = self.at.member(name);
        if CLEAR_TEXT.contains(&name.as_str()) {
            return Err(here.refuse(
                RuleId::PERSON_IN_CLEAR,
                "names and texts in sealed fields only",
                "one in clear",
                "remove it from data and seal it under this path",
            ));
        }
        Err(here.refuse(
            RuleId::GRAMMAR,
            format_args!("only the members {}", known.join(", ")),
            "another one",
            "remove it, or seal it under this path",
        ))
    }

    pub(crate) fn required(&self, name: &str) -> Result<&'a Value, Refusal> {
        self.members.get(name).ok_or_else(|| {
            self.at.member(name).refuse(
                RuleId::GRAMMAR,
                format_args!("the member {name}"),
                "nothing",
                "add it",
            )
        })
    }

    pub(crate) fn text_of(
        &self,
        name: &str,
        expected: &str,
        is_form: impl Fn(&str) -> bool,
    ) -> Result<&'a str, Refusal> {
        self.required(name)?;
        Ok(self.optional_text_of(name, expected, is_form)?.unwrap_or_default())
    }

    pub(crate) fn optional_text_of(
        &self,
        name: &str,
        expected: &str,
        is_form: impl Fn(&str) -> bool,
    ) -> Result<Option<&'a str>, Refusal> {
        let refused = |got: &str| {
            let fix = "correct the value; text goes into a sealed field";
            Err(self.at.member(name).refuse(RuleId::GRAMMAR, expected, got, fix))
        };
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::Text(text)) if is_form(text) => Ok(Some(text)),
            Some(Value::Text(text)) => refused(&shown(text)),
            Some(other) => refused(other.kind()),
        }
    }

    pub(crate) fn optional_line(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::Int(number)) if *number >= 0 => Ok(Some(*number)),
            Some(_) => Err(self.at.member(name).refuse(
                RuleId::GRAMMAR,
                "an integer from 0 on",
                "another value",
                "count the lines of one transaction",
            )),
        }
    }

    /// A party: an object whose only clear member is an optional `id`.
    pub(crate) fn party(&'a self, name: &'a str) -> Result<Option<&'a str>, Refusal> {
        let party = Data::of(self.required(name)?, self.at.member(name))?;
        party.only(&["id"])?;
        let id = party.optional_text_of("id", PARTY_ID_WORDS, name::is_party_id)?;
        if id.is_some_and(name::is_personal_id) {
            return Err(party.at.member("id").refuse(
                RuleId::PERSON_IN_CLEAR,
                "identifiers of natural persons in sealed fields only",
                "one in clear",
                "remove it from data and seal it under this path",
            ));
        }
        Ok(id)
    }

    /// A party that must be named by an id in clear.
    pub(crate) fn public_party(&'a self, name: &'a str) -> Result<&'a str, Refusal> {
        self.party(name)?.ok_or_else(|| {
            let party = self.at.member(name);
            party.member("id").refuse(RuleId::GRAMMAR, PARTY_ID_WORDS, "nothing", "add it")
        })
    }

    /// A party that is named by an id in clear, or by a sealed id or name.
    pub(crate) fn known_party(
        &'a self,
        name: &'a str,
        record: &Record,
    ) -> Result<Option<&'a str>, Refusal> {
        let id = self.party(name)?;
        let is_sealed = |member: &str| {
            let path = |field: &crate::sealed::SealedField| {
                field.path.strip_prefix("/data/").and_then(|path| path.strip_prefix(name))
                    == Some(member)
            };
            record.sealed().iter().any(path)
        };
        if id.is_none() && !is_sealed("/id") && !is_sealed("/name") {
            return Err(self.at.member(name).refuse(
                RuleId::GRAMMAR,
                "an id, or a sealed id or name",
                "a party without any",
                "seal the name under this path, or give the id",
            ));
        }
        Ok(id)
    }

    /// An optional map of classification codes.
    pub(crate) fn check_classes(&self, name: &str) -> Result<(), Refusal> {
        let Some(value) = self.members.get(name) else { return Ok(()) };
        let classes = Data::of(value, self.at.member(name))?;
        let expected = "a code of [A-Za-z0-9._-], at most 64 bytes";
        for scheme in classes.members.keys() {
            classes.optional_text_of(scheme, expected, name::is_code)?;
        }
        Ok(())
    }
}

const PARTY_ID_WORDS: &str = "an identifier such as GB-COH-01234567";

/// Members that name a person or hold free text wherever they occur.
#[rustfmt::skip]
const CLEAR_TEXT: &[&str] = &[
    "address", "area", "bank", "beneficiary", "comment", "contact", "description", "email", "iban",
    "invoice", "name", "note", "person", "phone", "postcode", "purpose", "remark", "telephone",
    "text", "title", "type", "vat",
];

#[cfg(test)]
mod tests;
