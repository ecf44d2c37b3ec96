//! What of a kind is sealed: which paths, who may hold them, what must go with them.
//!
//! Only listed paths can be sealed, so that a free word cannot ride in the name of a sealed member.

use crate::codes;
use crate::fields::Members;
use crate::json::{self, Value};
use crate::record::Record;
use crate::refusal::{At, Refusal, RuleId};
use crate::sealed::{Held, SealedField};

/// One path that may be sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealable {
    /// A pointer into `data`; `*` stands for any position of a list.
    pub path: String,
    /// Who may hold the value.
    pub held: Vec<Held>,
    /// Whether a record must have it.
    pub is_required: bool,
    /// Whether it must say why, and until when.
    pub needs_reason: bool,
    /// Pointers into `data` that may not stand in clear when this one is sealed as personal.
    pub with: Vec<String>,
}

impl Sealable {
    pub(super) fn parse(value: Value, at: At<'_>) -> Result<Self, Refusal> {
        let mut members = Members::of(value, at, RuleId::PROFILE_DOCUMENT)?;
        let path = members.text_of("path", "a pointer into data such as /payee/name", is_path)?;
        let held = members.texts_of("held", "log or submitter", |text| held_of(text).is_some())?;
        let held = held.iter().filter_map(|text| held_of(text)).collect();
        let is_required = members.truth("required")?;
        let needs_reason = members.truth("reason")?;
        let with = members.optional_texts_of("with", "a pointer into data", is_path)?;
        members.finish()?;
        if is_required && path.contains('*') {
            return Err(at.member("required").refuse(
                RuleId::PROFILE_DOCUMENT,
                "a path without * to be required",
                "one with *",
                "leave required out",
            ));
        }
        Ok(Self { path, held, is_required, needs_reason, with })
    }

    fn covers(&self, field: &SealedField) -> bool {
        let Some(below) = field.path.strip_prefix("/data") else { return false };
        if !self.path.contains('*') {
            return self.path == below;
        }
        let (mut pattern, mut path) = (self.path.split('/'), below.split('/'));
        loop {
            match (pattern.next(), path.next()) {
                (None, None) => return true,
                (Some("*"), Some(token)) if token.bytes().all(|b| b.is_ascii_digit()) => {}
                (Some(expected), Some(token)) if expected == token => {}
                _ => return false,
            }
        }
    }

    fn allows(&self, holder: Held) -> bool {
        self.held.contains(&holder)
    }
}

/// Checks the sealed fields of a record against what its kind lists.
pub(super) fn check(kind: &super::Kind, record: &Record, at: &At<'_>) -> Result<(), Refusal> {
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

fn held_of(text: &str) -> Option<Held> {
    [Held::Log, Held::Submitter].into_iter().find(|holder| holder.as_str() == text)
}

fn words(held: &[Held]) -> String {
    let names: Vec<&str> = held.iter().map(|holder| holder.as_str()).collect();
    names.join("\" or \"")
}

/// A pointer into `data`: member names, and `*` for list positions, but not at the end.
pub(super) fn is_path(path: &str) -> bool {
    let Some(below) = path.strip_prefix('/') else { return false };
    !path.ends_with('*')
        && below.split('/').all(|token| token == "*" || json::is_member_name(token))
}
