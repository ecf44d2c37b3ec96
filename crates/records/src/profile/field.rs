//! The types of fields.
//!
//! There is no type for text. A name or a description has no place in clear data at all, whatever
//! a profile says; it can only be sealed.
//!
//! | type | a value | options |
//! |---|---|---|
//! | `code` | one of a list | `codes` (the list itself) or `list` (one that the log published) |
//! | `class` | a code of somebody else's scheme: `[A-Za-z0-9._-]`, 64 bytes | |
//! | `native` | an identifier of the submitter's own system, no spaces | |
//! | `date`, `month`, `time` | `2026-03-31`, `2026-03`, `2026-03-31T12:00:00.000Z` | |
//! | `money` | `{"currency","value"}` | |
//! | `integer` | a whole number | `min`, `max` |
//! | `boolean` | `true` or `false` | |
//! | `organisation` | an identifier such as `GB-COH-01234567`; none of a person | |
//! | `ocid` | an OCDS process | |
//! | `sha256`, `salt` | 32 bytes, 64 lower-case hexadecimal digits | |
//! | `reference` | the name of an object of this log | |
//! | `key` | a JWK | |
//! | `list` | a list | `of` (what), `max` (how many) |
//! | `object` | more fields | `fields`, `any`, `ascending` |

use std::collections::BTreeMap;

use crate::date;
use crate::fields::Members;
use crate::json::{self, Value};
use crate::limits::{FIELD_DEPTH_MAX, INTEGER_MAX};
use crate::name;
use crate::refusal::{At, Refusal, RuleId};

/// What one field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// One of these.
    Code(Vec<String>),
    /// One of a list that the log published.
    Listed(String),
    /// A text of a fixed form.
    Form(Form),
    /// An amount.
    Money,
    /// A whole number within bounds.
    Integer(i64, i64),
    /// A truth.
    Boolean,
    /// A public key.
    Key,
    /// A list of at most so many.
    List(Box<Type>, usize),
    /// More fields.
    Object(Fields),
}

/// The forms of text that a field can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table above names them")]
pub enum Form {
    Class,
    Native,
    Date,
    Month,
    Time,
    Organisation,
    Ocid,
    Sha256,
    Salt,
    Reference,
}

/// The fields of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// By name.
    pub fields: BTreeMap<String, Field>,
    /// At least one of these is there, in clear or sealed; none: no such demand.
    pub any: Vec<String>,
    /// Two dates of which the second is not before the first.
    pub ascending: Option<(String, String)>,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What it holds.
    pub holds: Type,
    /// Whether a record must have it, in clear.
    pub is_required: bool,
}

impl Fields {
    /// The type at a pointer, and whether the value is always there; lists cannot be looked into.
    pub fn at(&self, pointer: &str) -> Option<(&Type, bool)> {
        let mut fields = self;
        let mut is_certain = true;
        let mut tokens = pointer.strip_prefix('/')?.split('/').peekable();
        while let Some(token) = tokens.next() {
            let field = fields.fields.get(token)?;
            is_certain &= field.is_required;
            match (&field.holds, tokens.peek()) {
                (holds, None) => return Some((holds, is_certain)),
                (Type::Object(inner), Some(_)) => fields = inner,
                _ => return None,
            }
        }
        None
    }

    pub(super) fn parse(
        value: Value,
        at: At<'_>,
        depth: usize,
    ) -> Result<BTreeMap<String, Field>, Refusal> {
        let Value::Map(members) = value else {
            return Err(at.refuse(
                RuleId::PROFILE_DOCUMENT,
                "an object of fields",
                value.kind(),
                "write {} around them",
            ));
        };
        // The one recursion over a document: its depth is a limit, checked before it goes down.
        if depth > FIELD_DEPTH_MAX {
            return Err(at.refuse(
                RuleId::PROFILE_DOCUMENT,
                format_args!("fields nested at most {FIELD_DEPTH_MAX} deep"),
                "more",
                "flatten them",
            ));
        }
        members
            .into_iter()
            .map(|(name, value)| {
                let here = at.member(&name);
                let mut members = Members::of(value, here, RuleId::PROFILE_DOCUMENT)?;
                let is_required = members.truth("required")?;
                let holds = parse_type(&mut members, &here, depth)?;
                members.finish()?;
                Ok((name, Field { holds, is_required }))
            })
            .collect()
    }
}

fn parse_type(members: &mut Members<'_>, at: &At<'_>, depth: usize) -> Result<Type, Refusal> {
    let name = members.text("type")?;
    if let Some((_, form, _)) = FORMS.iter().find(|(known, _, _)| *known == name) {
        return Ok(Type::Form(*form));
    }
    match name.as_str() {
        "money" => Ok(Type::Money),
        "boolean" => Ok(Type::Boolean),
        "key" => Ok(Type::Key),
        "code" => {
            let list =
                members.optional_text_of("list", "the name of a code list", name::is_word)?;
            match list {
                Some(list) => Ok(Type::Listed(list)),
                None => members
                    .texts_of("codes", "a code of [A-Za-z0-9._-]", name::is_code)
                    .map(Type::Code),
            }
        }
        "integer" => {
            let min = members.optional_int("min", -INTEGER_MAX)?.unwrap_or(0);
            let max = members.optional_int("max", min)?.unwrap_or(INTEGER_MAX);
            Ok(Type::Integer(min, max))
        }
        "list" => {
            let max = members.optional_int("max", 1)?.and_then(|max| usize::try_from(max).ok());
            let max = max.ok_or_else(|| members.missing("max"))?;
            let of_at = at.member("of");
            let mut of = Members::of(members.required("of")?, of_at, RuleId::PROFILE_DOCUMENT)?;
            let deeper = depth.saturating_add(1);
            if deeper > FIELD_DEPTH_MAX {
                return Err(members.wrong(
                    "of",
                    "fewer levels",
                    "more than the limit",
                    "flatten them",
                ));
            }
            let holds = parse_type(&mut of, &of_at, deeper)?;
            of.finish()?;
            Ok(Type::List(Box::new(holds), max))
        }
        "object" => {
            let inner = members.required("fields")?;
            let fields = Fields::parse(inner, at.member("fields"), depth.saturating_add(1))?;
            let any = members.optional_texts_of("any", "a member name", json::is_member_name)?;
            let ascending =
                members.optional_texts_of("ascending", "two dates among the fields", |name| {
                    fields.get(name).is_some_and(|field| field.holds == Type::Form(Form::Date))
                })?;
            let ascending = match <[String; 2]>::try_from(ascending) {
                Ok([first, second]) => Some((first, second)),
                Err(other) if other.is_empty() => None,
                Err(_) => {
                    return Err(members.wrong(
                        "ascending",
                        "two names",
                        "another number",
                        "name two dates",
                    ));
                }
            };
            Ok(Type::Object(Fields { fields, any, ascending }))
        }
        _ => Err(members.wrong(
            "type",
            "a type of the engine's table",
            "another word",
            "see the list of types",
        )),
    }
}

/// Name, form, and what to say about it.
const FORMS: &[(&str, Form, &str)] = &[
    ("class", Form::Class, "a code of [A-Za-z0-9._-], at most 64 bytes"),
    ("native", Form::Native, "an identifier without spaces"),
    ("date", Form::Date, "a date of the calendar, YYYY-MM-DD"),
    ("month", Form::Month, "a month, YYYY-MM"),
    ("time", Form::Time, "a time such as 2026-03-31T12:00:00.000Z"),
    ("organisation", Form::Organisation, "an identifier such as GB-COH-01234567"),
    ("ocid", Form::Ocid, "an ocid such as ocds-213czf-1"),
    ("sha256", Form::Sha256, "64 lower-case hexadecimal digits"),
    ("salt", Form::Salt, "32 random bytes as 64 lower-case hexadecimal digits"),
    ("reference", Form::Reference, "the name of an object of this log"),
];

impl Form {
    pub(super) fn takes(self, text: &str) -> bool {
        match self {
            Self::Class => name::is_code(text),
            Self::Native => name::is_native_id(text),
            Self::Date => date::parse_date(text).is_some(),
            Self::Month => date::parse_date(&format!("{text}-01")).is_some(),
            Self::Time => date::parse_millis(text).is_some(),
            Self::Organisation => name::is_party_id(text),
            Self::Ocid => name::is_ocid(text),
            Self::Sha256 | Self::Salt => name::is_sha256_hex(text),
            Self::Reference => name::is_object(text),
        }
    }

    pub(super) fn words(self) -> &'static str {
        FORMS.iter().find(|(_, form, _)| *form == self).map_or("a text", |(_, _, words)| words)
    }
}

/// The codes of published lists that a record's data names: pointer, list and code.
pub(crate) fn listed<'a>(fields: &'a Fields, data: &'a Value) -> Vec<(String, &'a str, &'a str)> {
    let mut found = Vec::new();
    let mut open: Vec<(String, Walk<'a>, &'a Value)> =
        vec![(String::new(), Walk::Fields(fields), data)];
    while let Some((pointer, walk, value)) = open.pop() {
        match (walk, value) {
            (Walk::Fields(fields), Value::Map(members)) => {
                for (name, value) in members {
                    if let Some(field) = fields.fields.get(name) {
                        open.push((format!("{pointer}/{name}"), Walk::Holds(&field.holds), value));
                    }
                }
            }
            (Walk::Holds(Type::Object(fields)), value) => {
                open.push((pointer, Walk::Fields(fields), value));
            }
            (Walk::Holds(Type::List(of, _)), Value::List(items)) => {
                for (position, item) in items.iter().enumerate() {
                    open.push((format!("{pointer}/{position}"), Walk::Holds(of), item));
                }
            }
            (Walk::Holds(Type::Listed(list)), Value::Text(code)) => {
                found.push((pointer, list.as_str(), code.as_str()));
            }
            _ => {}
        }
    }
    found
}

enum Walk<'a> {
    Fields(&'a Fields),
    Holds(&'a Type),
}

/// The published lists that fields draw on.
pub(crate) fn lists(fields: &Fields) -> Vec<&str> {
    let mut found = Vec::new();
    let mut open: Vec<&Type> = fields.fields.values().map(|field| &field.holds).collect();
    while let Some(holds) = open.pop() {
        match holds {
            Type::Listed(list) => found.push(list.as_str()),
            Type::List(of, _) => open.push(of),
            Type::Object(fields) => open.extend(fields.fields.values().map(|field| &field.holds)),
            _ => {}
        }
    }
    found
}
