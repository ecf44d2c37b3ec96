//! A record checked by its profile, as far as that needs no state.

use std::collections::BTreeMap;

use super::document::{Kind, Profile};
use super::field::{Field, Fields, Form, Type};
use crate::codes;
use crate::envelope::{Envelope, Op};
use crate::json::Value;
use crate::jwk::PublicKey;
use crate::money::Money;
use crate::name;
use crate::refusal::{At, Refusal, RuleId, shown};
use crate::sealed::{HeldBy, SealedField};

impl Profile {
    /// Checks everything about a record that needs no state.
    ///
    /// # Errors
    /// The first rule it breaks; the pointer is into the record. Useful before a record of a
    /// published profile is signed: for such a one the parser alone cannot do this.
    pub fn check_record(&self, record: &Envelope) -> Result<(), Refusal> {
        self.check(record, &At::Root)
    }

    pub(crate) fn check(&self, record: &Envelope, at: &At<'_>) -> Result<(), Refusal> {
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
        check_data(kind, record, &at.member("data"))?;
        check_sealed(kind, record, at)?;
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

fn check_void(record: &Envelope, at: &At<'_>) -> Result<(), Refusal> {
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

/// Checks the clear data of a record.
fn check_data(kind: &Kind, record: &Envelope, at: &At<'_>) -> Result<(), Refusal> {
    check_object(kind.fields(), record.data(), at, &Around { kind, record, data: at })
}

/// What a check deep inside the data must know of the whole.
struct Around<'a> {
    kind: &'a Kind,
    record: &'a Envelope,
    data: &'a At<'a>,
}

impl Around<'_> {
    /// Where something stands, from `data` on.
    fn below(&self, here: &At<'_>) -> String {
        let pointer = here.pointer();
        pointer.strip_prefix(&self.data.pointer()).unwrap_or(&pointer).to_owned()
    }

    fn is_sealed(&self, here: &At<'_>) -> bool {
        let path = format!("/data{}", self.below(here));
        self.record.sealed().iter().any(|field| field.path == path)
    }
}

fn check_object(
    fields: &Fields,
    value: &Value,
    at: &At<'_>,
    around: &Around<'_>,
) -> Result<(), Refusal> {
    let Value::Map(members) = value else {
        return Err(at.refuse(RuleId::GRAMMAR, "an object", value.kind(), "write {} around it"));
    };
    for (name, value) in members {
        let here = at.member(name);
        match fields.fields.get(name) {
            Some(field) => check_value(&field.holds, value, &here, around)?,
            None => return Err(unknown(fields, name, &here, around)),
        }
    }
    let missing =
        |(name, field): &(&String, &Field)| field.is_required && !members.contains_key(*name);
    if let Some((name, _)) = fields.fields.iter().find(missing) {
        return Err(at.member(name).refuse(
            RuleId::GRAMMAR,
            format_args!("the member {name}"),
            "nothing",
            "add it",
        ));
    }
    let is_there = |name: &String| members.contains_key(name) || around.is_sealed(&at.member(name));
    if !fields.any.is_empty() && !fields.any.iter().any(is_there) {
        return Err(at.refuse(
            RuleId::GRAMMAR,
            format_args!("one of {}, in clear or sealed", fields.any.join(", ")),
            "none",
            "add one, or seal one under this path",
        ));
    }
    check_ascending(fields, members, at)
}

fn check_ascending(
    fields: &Fields,
    members: &BTreeMap<String, Value>,
    at: &At<'_>,
) -> Result<(), Refusal> {
    let Some((first, second)) = &fields.ascending else { return Ok(()) };
    let text = |name: &String| members.get(name).and_then(Value::as_text);
    match (text(first), text(second)) {
        // Dates of this form sort as texts.
        (Some(start), Some(end)) if end < start => Err(at.member(second).refuse(
            RuleId::GRAMMAR,
            format_args!("a date on or after {first}"),
            "an earlier one",
            "correct the dates",
        )),
        _ => Ok(()),
    }
}

/// A member that the profile does not list; such as can only be names or texts are `E07`.
fn unknown(fields: &Fields, name: &str, here: &At<'_>, around: &Around<'_>) -> Refusal {
    let below = around.below(here);
    let is_text = CLEAR_TEXT.contains(&name)
        || around.kind.sealed().iter().any(|sealable| sealable.path == below);
    if is_text {
        return here.refuse(
            RuleId::PERSON_IN_CLEAR,
            "names and texts in sealed fields only",
            "one in clear",
            "remove it from data and seal it under this path",
        );
    }
    let known: Vec<&str> = fields.fields.keys().map(String::as_str).collect();
    here.refuse(
        RuleId::GRAMMAR,
        format_args!("only the members {}", known.join(", ")),
        "another one",
        "remove it; a text is sealed under a path that the profile lists",
    )
}

fn check_value(
    holds: &Type,
    value: &Value,
    at: &At<'_>,
    around: &Around<'_>,
) -> Result<(), Refusal> {
    match holds {
        Type::Money => Money::from_value(value, at).map(drop),
        Type::Key => PublicKey::from_jwk_at(value, at).map(drop),
        Type::Object(fields) => check_object(fields, value, at, around),
        Type::Code(codes) => {
            check_text(value, at, &codes.join(", "), |text| codes.iter().any(|code| code == text))
        }
        Type::Listed(list) => {
            check_text(value, at, &format!("a code of the list {list}"), name::is_code)
        }
        Type::Form(form) => {
            check_text(value, at, form.words(), |text| form.takes(text))?;
            if *form == Form::Organisation && value.as_text().is_some_and(name::is_personal_id) {
                return Err(at.refuse(
                    RuleId::PERSON_IN_CLEAR,
                    "identifiers of natural persons in sealed fields only",
                    "one in clear",
                    "remove it from data and seal it under this path",
                ));
            }
            Ok(())
        }
        Type::Integer(min, max) => match value {
            Value::Int(number) if (min..=max).contains(&number) => Ok(()),
            _ => Err(at.refuse(
                RuleId::GRAMMAR,
                format_args!("an integer from {min} to {max}"),
                "another value",
                "correct the value",
            )),
        },
        Type::Boolean => match value {
            Value::Bool(_) => Ok(()),
            other => {
                Err(at.refuse(RuleId::GRAMMAR, "true or false", other.kind(), "correct the value"))
            }
        },
        Type::List(of, max) => check_list(of, *max, value, at, around),
    }
}

fn check_list(
    of: &Type,
    max: usize,
    value: &Value,
    at: &At<'_>,
    around: &Around<'_>,
) -> Result<(), Refusal> {
    let Value::List(items) = value else {
        return Err(at.refuse(RuleId::GRAMMAR, "a list", value.kind(), "write it in brackets"));
    };
    if items.len() > max {
        return Err(at.refuse(
            RuleId::GRAMMAR,
            format_args!("at most {max} items"),
            items.len(),
            "leave some out, or split the record",
        ));
    }
    items
        .iter()
        .enumerate()
        .try_for_each(|(position, item)| check_value(of, item, &at.item(position), around))
}

fn check_text(
    value: &Value,
    at: &At<'_>,
    expected: &str,
    is_form: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let fix = "correct the value; text goes into a sealed field";
    match value {
        Value::Text(text) if is_form(text) => Ok(()),
        Value::Text(text) => Err(at.refuse(RuleId::GRAMMAR, expected, shown(text), fix)),
        other => Err(at.refuse(RuleId::GRAMMAR, expected, other.kind(), fix)),
    }
}

/// Members that name a person or hold free text wherever they occur.
#[rustfmt::skip]
const CLEAR_TEXT: &[&str] = &[
    "address", "area", "bank", "beneficiary", "comment", "contact", "description", "email", "iban",
    "invoice", "name", "note", "person", "phone", "postcode", "purpose", "remark", "telephone",
    "text", "title", "type", "vat",
];

/// Checks the sealed fields of a record against what its kind lists.
fn check_sealed(kind: &Kind, record: &Envelope, at: &At<'_>) -> Result<(), Refusal> {
    let list = at.member("sealed");
    for (position, field) in record.sealed().iter().enumerate() {
        let here = list.item(position);
        let Some(listed) = kind.sealed().iter().find(|listed| listed.covers(field)) else {
            let paths: Vec<&str> = kind.sealed().iter().map(|one| one.path.as_str()).collect();
            return Err(here.member("path").refuse(
                RuleId::SEALED_FIELD,
                format_args!("a path that the profile lists, below /data: {}", paths.join(", ")),
                "another one",
                "seal the value under the listed path that fits best",
            ));
        };
        if !listed.allows(field.held) {
            return Err(here.member("held").refuse(
                RuleId::SEALED_FIELD,
                format_args!(
                    "\"{}\", as the profile demands for {}",
                    words(&listed.held),
                    listed.path
                ),
                field.held.as_str(),
                "draw a new salt and seal it again",
            ));
        }
        if listed.needs_reason && field.why.is_none() {
            return Err(here.member("why").refuse(
                RuleId::SEALED_FIELD,
                codes::SEALED_WHY_WORDS,
                "nothing",
                "say why it is sealed, and until when",
            ));
        }
        let told = |path: &&String| record.data().at(path).is_some();
        if let Some(path) = listed.with.iter().find(told).filter(|_| field.is_personal()) {
            return Err(at.member("data").refuse(
                RuleId::PERSON_IN_CLEAR,
                format_args!("no {path} in clear beside {} sealed as personal", listed.path),
                "one",
                "seal it too, or leave it out",
            ));
        }
    }
    let is_there = |path: &str| {
        let named = |field: &SealedField| field.path.strip_prefix("/data") == Some(path);
        record.sealed().iter().any(named)
    };
    match kind.sealed().iter().find(|one| one.is_required && !is_there(&one.path)) {
        None => Ok(()),
        Some(missing) => Err(list.refuse(
            RuleId::SEALED_FIELD,
            format_args!("the sealed field /data{}", missing.path),
            "none",
            "seal the value and add it",
        )),
    }
}

fn words(held: &[HeldBy]) -> String {
    let names: Vec<&str> = held.iter().map(|holder| holder.as_str()).collect();
    names.join("\" or \"")
}
