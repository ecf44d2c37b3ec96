//! A JSON value, and how much of one is read.

use std::collections::BTreeMap;

use crate::limits::{
    DEPTH_MAX, ENTRY_BYTES_MAX, JWS_HEADER_BYTES_MAX, KEYS_MAX, RECORD_BYTES_MAX, STRING_BYTES_MAX,
    SUBMISSION_BYTES_MAX,
};

/// One JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`; only the member `until` may have it.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer, |n| ≤ 2^53 - 1.
    Int(i64),
    /// A string.
    Text(String),
    /// An array, never empty in a record.
    List(Vec<Value>),
    /// An object.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// An object of the given members; a later member of the same name replaces an earlier one.
    pub fn map<N: Into<String>, V: Into<Value>>(members: impl IntoIterator<Item = (N, V)>) -> Self {
        Self::Map(members.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
    }

    /// A list of the given items.
    pub fn list<V: Into<Value>>(items: impl IntoIterator<Item = V>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an integer.
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth of a boolean.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The members of an object.
    pub const fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Self::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The member `name` of an object; `None` when it is absent or this is no object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_map()?.get(name)
    }

    /// The value at an RFC 6901 pointer. `~` escapes are not needed here: no name holds one.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |here, token| match here {
            Self::Map(members) => members.get(token),
            Self::List(items) => items.get(token.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// What kind of value this is, for messages: never the value itself.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(items)
    }
}

/// How a document must be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// RFC 8785: exactly one byte sequence for each value.
    Canonical,
    /// Any JSON: spaces, member order and escapes are free; the values are held to the same rules.
    Any,
}

/// What a document may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Canonical or not.
    pub form: Form,
    /// Longest document, in bytes.
    pub bytes_max: usize,
    /// Deepest nesting.
    pub depth_max: usize,
    /// Longest string, in bytes.
    pub string_bytes_max: usize,
    /// Most members of one object.
    pub keys_max: usize,
    /// The one member of the outermost object that may be an empty list.
    pub empty_list: Option<&'static str>,
}

impl Limits {
    /// A record by itself. It sits one level deep in submissions and entries, so it gets one level less.
    pub const RECORD: Self = Self {
        form: Form::Canonical,
        bytes_max: RECORD_BYTES_MAX,
        depth_max: DEPTH_MAX - 1,
        string_bytes_max: STRING_BYTES_MAX,
        keys_max: KEYS_MAX,
        empty_list: None,
    };
    /// A submission.
    pub const SUBMISSION: Self =
        Self { bytes_max: SUBMISSION_BYTES_MAX, depth_max: DEPTH_MAX, ..Self::RECORD };
    /// A submission that is still being signed: any form, `signatures` may be empty.
    pub const DRAFT: Self =
        Self { form: Form::Any, empty_list: Some("signatures"), ..Self::SUBMISSION };
    /// An entry; its `flags` may be empty.
    pub const ENTRY: Self =
        Self { bytes_max: ENTRY_BYTES_MAX, empty_list: Some("flags"), ..Self::SUBMISSION };
    /// A small document made by foreign software: a disclosure or a JWK.
    pub const FOREIGN: Self = Self { form: Form::Any, bytes_max: STRING_BYTES_MAX, ..Self::RECORD };
    /// A profile document as people write it: any form. Its canonical form is limited apart.
    pub const PROFILE: Self =
        Self { form: Form::Any, bytes_max: 4 * RECORD_BYTES_MAX, ..Self::RECORD };
    /// The protected header of a signature.
    pub const JWS_HEADER: Self =
        Self { bytes_max: JWS_HEADER_BYTES_MAX, depth_max: 1, ..Self::FOREIGN };
}

/// Whether a code point is refused in every string.
///
/// | code points | why |
/// |---|---|
/// | U+0000-001F, 007F, 0080-009F | C0, DEL, C1 controls: they move cursors, end lines and cut texts short |
/// | U+2028, 2029 | line and paragraph separator: they end a line in some readers and not in others |
/// | U+061C, 200E, 200F, 202A-202E, 2066-2069 | bidirectional controls: they show a text in another order than it is stored |
/// | U+FEFF | byte order mark: invisible, and stripped by some readers |
/// | U+FFF9-FFFB | interlinear annotation: hides text from some readers |
/// | U+E0000-E007F | tag characters: an invisible copy of ASCII |
/// | U+FDD0-FDEF, U+nFFFE, U+nFFFF | noncharacters, forbidden by I-JSON |
///
/// Joiners (U+200C, 200D) stay: Persian and Indic names need them. Private use stays: it is visible.
pub const fn is_refused_char(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{2028}' | '\u{2029}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        | '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}'
        | '\u{1fffe}' | '\u{1ffff}' | '\u{2fffe}' | '\u{2ffff}' | '\u{3fffe}' | '\u{3ffff}'
        | '\u{4fffe}' | '\u{4ffff}' | '\u{5fffe}' | '\u{5ffff}' | '\u{6fffe}' | '\u{6ffff}'
        | '\u{7fffe}' | '\u{7ffff}' | '\u{8fffe}' | '\u{8ffff}' | '\u{9fffe}' | '\u{9ffff}'
        | '\u{afffe}' | '\u{affff}' | '\u{bfffe}' | '\u{bffff}' | '\u{cfffe}' | '\u{cffff}'
        | '\u{dfffe}' | '\u{dffff}' | '\u{efffe}' | '\u{effff}' | '\u{ffffe}' | '\u{fffff}'
        | '\u{10fffe}' | '\u{10ffff}'
    )
}
