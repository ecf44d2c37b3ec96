//! Sealed fields: a value that is not in the tree, only its salted digest is.
//!
//! `held: "log"`: the disclosure comes beside the record, is checked against the digest, and is
//! stored outside the tree, where it can be erased. `held: "submitter"`: the log never sees it.
//!
//! Spec: RFC 9901 §4.2 (disclosures of object properties and their digests).

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::base64url;
use crate::codes;
use crate::date;
use crate::fields::Members;
use crate::json::{self, Limits, Value};
use crate::refusal::{At, Refusal, RuleId, refuse};

/// Who holds the disclosure of a sealed field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeldBy {
    /// The log, beside the tree, erasable.
    Log,
    /// The submitter alone.
    Submitter,
}

impl HeldBy {
    /// `log` or `submitter`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Submitter => "submitter",
        }
    }
}

/// Until when a field stays sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// A date `YYYY-MM-DD`.
    Date(String),
    /// Without an end; `null` in the record.
    Open,
}

/// SHA-256 of a disclosure's text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisclosureDigest([u8; 32]);

impl DisclosureDigest {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for DisclosureDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for DisclosureDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DisclosureDigest({self})")
    }
}

/// One item of a record's `sealed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedField {
    /// Where the value would stand: an RFC 6901 pointer below `/data/`.
    pub path: String,
    /// The digest of its disclosure.
    pub digest: DisclosureDigest,
    /// Who holds the disclosure.
    pub held: HeldBy,
    /// Why it is sealed, a code; comes with `until`.
    pub why: Option<String>,
    /// Until when it is sealed; comes with `why`.
    pub until: Option<Until>,
}

impl SealedField {
    /// The member name of the sealed value: the last token of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether the field hides a natural person.
    pub fn is_personal(&self) -> bool {
        self.why.as_deref() == Some("person")
    }

    /// The item as it stands in the record.
    pub fn to_value(&self) -> Value {
        let mut members = vec![
            ("digest", Value::Text(self.digest.to_string())),
            ("held", self.held.as_str().into()),
            ("path", self.path.as_str().into()),
        ];
        if let Some(why) = &self.why {
            members.push(("why", why.as_str().into()));
        }
        match &self.until {
            Some(Until::Date(date)) => members.push(("until", date.as_str().into())),
            Some(Until::Open) => members.push(("until", Value::Null)),
            None => {}
        }
        Value::map(members)
    }

    pub(crate) fn from_value(value: Value, at: At<'_>) -> Result<Self, Refusal> {
        let mut members = Members::of(value, at, RuleId::SEALED_FIELD)?;
        let path =
            members.text_of("path", "a pointer below /data/ of plain member names", is_path)?;
        let digest = members.text("digest")?;
        let digest = base64url::decode_32(&digest).map(DisclosureDigest).ok_or_else(|| {
            members.wrong("digest", "base64url of a SHA-256", "another text", "hash the disclosure")
        })?;
        let held = match members.text("held")?.as_str() {
            "log" => HeldBy::Log,
            "submitter" => HeldBy::Submitter,
            _ => {
                return Err(members.wrong(
                    "held",
                    "log or submitter",
                    "another text",
                    "choose one",
                ));
            }
        };
        let why = members.optional_text_of("why", codes::SEALED_WHY_WORDS, codes::is_sealed_why)?;
        let until = match members.take("until") {
            None => None,
            Some(Value::Null) => Some(Until::Open),
            Some(Value::Text(text)) if date::parse_date(&text).is_some() => Some(Until::Date(text)),
            Some(_) => {
                return Err(members.wrong(
                    "until",
                    "a date or null",
                    "another value",
                    "correct it",
                ));
            }
        };
        if why.is_some() != until.is_some() {
            let missing = if why.is_some() { "until" } else { "why" };
            return Err(members.wrong(
                missing,
                "why and until together",
                "one alone",
                "add the other",
            ));
        }
        members.finish()?;
        Ok(Self { path, digest, held, why, until })
    }
}

/// `/data/` and then member names or list positions, joined by `/`. No `~`: no name needs escaping.
fn is_path(path: &str) -> bool {
    let Some(below) = path.strip_prefix("/data/") else { return false };
    let mut tokens = below.split('/').rev();
    let is_named = tokens.next().is_some_and(json::is_member_name);
    is_named && tokens.all(|token| json::is_member_name(token) || is_list_position(token))
}

fn is_list_position(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= 4
        && token.bytes().all(|b| b.is_ascii_digit())
        && (token == "0" || !token.starts_with('0'))
}

/// The rules between sealed fields and the clear data around them.
///
/// `root` is the record's object reduced to `data`, so that paths can be followed as they are.
pub(crate) fn check_fields(
    fields: &[SealedField],
    data: &Value,
    at: &At<'_>,
) -> Result<(), Refusal> {
    let list = at.member("sealed");
    for (position, field) in fields.iter().enumerate() {
        let item = list.item(position);
        let here = item.member("path");
        let refused =
            |expected, got, fix| Err(here.refuse(RuleId::SEALED_FIELD, expected, got, fix));
        let before = position.checked_sub(1).and_then(|before| fields.get(before));
        if before.is_some_and(|before| before.path >= field.path) {
            return refused("paths in ascending order, each once", "another order", "sort them");
        }
        let is_inside = |other: &SealedField| {
            field.path.strip_prefix(other.path.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        if fields.iter().any(is_inside) {
            return refused(
                "paths of which none contains another",
                "one inside another",
                "seal one of them",
            );
        }
        let below = field.path.strip_prefix("/data").unwrap_or_default();
        let parent = below.strip_suffix(field.name()).and_then(|path| path.strip_suffix('/'));
        let Some(Value::Map(parent_members)) = parent.and_then(|path| data.at(path)) else {
            return refused(
                "a path whose parent is an object in data",
                "no such parent",
                "add the parent",
            );
        };
        if parent_members.contains_key(field.name()) {
            return Err(here.refuse(
                RuleId::PERSON_IN_CLEAR,
                "a sealed member to be absent from data",
                "the member in clear as well",
                "remove it from data, draw a new salt and seal it again",
            ));
        }
        if field.is_personal()
            && (parent_members.contains_key("id") || parent_members.contains_key("ids"))
        {
            return Err(here.refuse(
                RuleId::PERSON_IN_CLEAR,
                "no identifier in clear beside a field sealed as personal",
                "an id of the same party",
                "seal the id too",
            ));
        }
    }
    Ok(())
}

/// An opened sealed field: salt, name and value, in one fixed text.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure {
    text: String,
    salt: [u8; 16],
    name: String,
    value: Value,
}

impl Disclosure {
    /// Makes a disclosure; `salt` must be fresh random bytes.
    ///
    /// Spec: RFC 9901 §4.2.1.
    pub fn new(salt: [u8; 16], name: &str, value: Value) -> Self {
        let items =
            Value::list([base64url::encode(&salt).into(), Value::from(name), value.clone()]);
        let text = base64url::encode(&json::to_canonical(&items));
        Self { text, salt, name: name.to_owned(), value }
    }

    /// Reads the base64url text of `[salt, name, value]`. The JSON may be written in any form.
    ///
    /// # Errors
    /// `E17`; nothing of the content is repeated.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refused = |got: &str| {
            refuse(
                RuleId::DISCLOSURE,
                "",
                "base64url of [salt of 16 bytes, name, value]",
                got,
                "send the disclosure as it was made",
            )
        };
        let bytes = base64url::decode(text).ok_or_else(|| refused("no strict base64url"))?;
        let value = json::parse(&bytes, &Limits::FOREIGN).map_err(|inner| {
            // The inner pointer may name members of a sealed value, so only the rule is told.
            refused(&format!("content that breaks {}", inner.rule))
        })?;
        let Value::List(items) = value else { return Err(refused("no list")) };
        let Ok([salt, name, value]) = <[Value; 3]>::try_from(items) else {
            return Err(refused("a list of another length"));
        };
        let salt = salt.as_text().and_then(base64url::decode).and_then(|salt| salt.try_into().ok());
        let Some(salt) = salt else { return Err(refused("another salt")) };
        let Value::Text(name) = name else { return Err(refused("a name that is no text")) };
        if !json::is_member_name(&name) {
            return Err(refused("a name outside [A-Za-z][A-Za-z0-9_]{0,63}"));
        }
        Ok(Self { text: text.to_owned(), salt, name, value })
    }

    /// The digest that stands in the record. Spec: RFC 9901 §4.2.3.
    pub fn digest(&self) -> DisclosureDigest {
        DisclosureDigest(Sha256::digest(self.text.as_bytes()).into())
    }

    /// The text that is sent and hashed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The salt.
    pub const fn salt(&self) -> &[u8; 16] {
        &self.salt
    }

    /// The member name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value that was sealed.
    pub const fn value(&self) -> &Value {
        &self.value
    }
}

impl fmt::Debug for Disclosure {
    /// Shows the name only: disclosures hold what must not get into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disclosure").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Checks that these are exactly the disclosures of the fields the log holds, in their order.
pub(crate) fn check_disclosures(
    fields: &[SealedField],
    disclosures: &[Disclosure],
) -> Result<(), Refusal> {
    let list = At::Fixed("/disclosures");
    let held: Vec<&SealedField> = fields.iter().filter(|field| field.held == HeldBy::Log).collect();
    for (position, disclosure) in disclosures.iter().enumerate() {
        let here = list.item(position);
        let Some(field) = held.get(position) else {
            return Err(here.refuse(
                RuleId::DISCLOSURE,
                format_args!("{} disclosures, one for each field held by the log", held.len()),
                format_args!("{}", disclosures.len()),
                "send no disclosure of other fields",
            ));
        };
        if disclosure.digest() != field.digest {
            return Err(here.refuse(
                RuleId::DISCLOSURE,
                format_args!("the disclosure of {} that hashes to its digest", field.path),
                "another one",
                "send the disclosures in the order of sealed, as they were made",
            ));
        }
        if disclosure.name() != field.name() {
            return Err(here.refuse(
                RuleId::DISCLOSURE,
                format_args!("a disclosure named {}", field.name()),
                "another name",
                "seal the value under the last name of its path",
            ));
        }
    }
    match held.get(disclosures.len()) {
        None => Ok(()),
        Some(field) => Err(list.refuse(
            RuleId::DISCLOSURE,
            format_args!("the disclosure of {}, which the log holds", field.path),
            "nothing",
            "send it, or seal the field with held \"submitter\"",
        )),
    }
}

#[cfg(test)]
mod tests;
