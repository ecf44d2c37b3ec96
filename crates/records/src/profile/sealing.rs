//! What of a kind is sealed: which paths, who may hold them, what must go with them.
//!
//! Only listed paths can be sealed, so that a free word cannot ride in the name of a sealed member.

use crate::fields::Members;
use crate::json::{self, Value};
use crate::refusal::{At, Refusal, RuleId};
use crate::sealed::{HeldBy, SealedField};

/// One path that may be sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealable {
    /// A pointer into `data`; `*` stands for any position of a list.
    pub path: String,
    /// Who may hold the value.
    pub held: Vec<HeldBy>,
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

    pub(super) fn covers(&self, field: &SealedField) -> bool {
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

    pub(super) fn allows(&self, holder: HeldBy) -> bool {
        self.held.contains(&holder)
    }
}

fn held_of(text: &str) -> Option<HeldBy> {
    [HeldBy::Log, HeldBy::Submitter].into_iter().find(|holder| holder.as_str() == text)
}

/// A pointer into `data`: member names, and `*` for list positions, but not at the end.
pub(super) fn is_path(path: &str) -> bool {
    let Some(below) = path.strip_prefix('/') else { return false };
    !path.ends_with('*')
        && below.split('/').all(|token| token == "*" || json::is_member_name(token))
}
