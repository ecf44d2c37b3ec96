//! How the objects of a kind are named, e.g. `{body}/payment/{ids}`.
//!
//! | token | stands for |
//! |---|---|
//! | a word | itself |
//! | `{body}` | the body that the submitter writes for; only at the start |
//! | `{data.x}` | what the field `x` of `data` says: a reference may start the name |
//! | `{key}` | the thumbprint of the submitter's one-time key |
//! | `{id}`, `{ids}` | one segment; one or more, only at the end |

use std::fmt;

use crate::envelope::Envelope;
use crate::json::Value;
use crate::name;
use crate::refusal::{At, Refusal, RuleId};

/// A pattern of object names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Body,
    Field(String),
    Key,
    One,
    Many,
}

impl Pattern {
    pub(crate) fn parse(text: &str, at: &At<'_>) -> Result<Self, Refusal> {
        let parts: Vec<&str> = text.split('/').collect();
        let last = parts.len().saturating_sub(1);
        let tokens: Option<Vec<Token>> =
            parts.iter().enumerate().map(|(i, part)| token(part, i == 0, i == last)).collect();
        tokens.filter(|tokens| tokens.len() >= 2).map(Self).ok_or_else(|| {
            at.refuse(
                RuleId::PROFILE_DOCUMENT,
                "{body} or {data.FIELD}, then words, {id}, {key}, {data.FIELD}, at the end perhaps {ids}, joined by /",
                "another text",
                "write it like {body}/payment/{ids}",
            )
        })
    }

    /// The fields of `data` that it names; the first of the pair: whether it starts the name.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (bool, &str)> {
        self.0.iter().enumerate().filter_map(|(position, token)| match token {
            Token::Field(name) => Some((position == 0, name.as_str())),
            _ => None,
        })
    }

    /// Whether a record's object is named so. The data is already known to have its form.
    pub(crate) fn matches(&self, record: &Envelope) -> bool {
        let mut rest = Some(record.object());
        for token in &self.0 {
            let Some(text) = rest else { return false };
            let (segment, after) = match text.split_once('/') {
                Some((segment, after)) => (segment, Some(after)),
                None => (text, None),
            };
            rest = match token {
                Token::Word(word) if word != segment => return false,
                Token::Key
                    if name::one_time_key(record.submitter())
                        .is_none_or(|kid| kid.as_str() != segment) =>
                {
                    return false;
                }
                Token::Field(field) => {
                    let Some(value) = record.data().get(field).and_then(text_of) else {
                        return false;
                    };
                    match text.strip_prefix(value.as_str()) {
                        Some("") => None,
                        Some(after) if after.starts_with('/') => after.strip_prefix('/'),
                        _ => return false,
                    }
                }
                Token::Many => return true,
                Token::Word(_) | Token::Key | Token::Body | Token::One => after,
            };
        }
        rest.is_none()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, token) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("/")?;
            }
            match token {
                Token::Word(word) => f.write_str(word)?,
                Token::Body => f.write_str("{body}")?,
                Token::Field(name) => write!(f, "{{data.{name}}}")?,
                Token::Key => f.write_str("{key}")?,
                Token::One => f.write_str("{id}")?,
                Token::Many => f.write_str("{ids}")?,
            }
        }
        Ok(())
    }
}

fn token(part: &str, is_first: bool, is_last: bool) -> Option<Token> {
    match part {
        "{body}" => is_first.then_some(Token::Body),
        _ if is_first && !part.starts_with("{data.") => None,
        "{id}" => Some(Token::One),
        "{ids}" => is_last.then_some(Token::Many),
        "{key}" => Some(Token::Key),
        word if name::is_word(word) => Some(Token::Word(word.to_owned())),
        field => {
            let field = field.strip_prefix("{data.")?.strip_suffix('}')?;
            crate::json::is_member_name(field).then(|| Token::Field(field.to_owned()))
        }
    }
}

/// A value as part of a name or of a group: texts and integers.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}
