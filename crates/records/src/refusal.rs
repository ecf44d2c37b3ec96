//! Why something was refused: one rule, one place, plain words.
//!
//! A refusal is shown to strangers and may be signed and kept, so it never repeats a value that
//! should have been sealed. Of all submitted texts only amounts get into a message.

use std::fmt;

use serde::Serialize;

/// Identifier of one rule: `E…` refuses, `W…` only flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RuleId(&'static str);

impl RuleId {
    /// The identifier as text, e.g. `E06`.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Finds a rule by its text; `None` for anything that is not in [`rules`].
    pub fn find(text: &str) -> Option<Self> {
        RULES.iter().map(|(id, _)| *id).find(|id| id.0 == text)
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One refusal: the rule, where it broke, and what was expected, got, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{rule} at {}: {message}", if pointer.is_empty() { "the whole document" } else { pointer.as_str() })]
pub struct Refusal {
    /// The rule that was broken.
    pub rule: RuleId,
    /// Where: an RFC 6901 pointer into the document that was judged; empty = the whole of it.
    pub pointer: String,
    /// Plain words: `expected …, got …; fix: …`.
    pub message: String,
}

impl Refusal {
    /// The same refusal seen from an enclosing document, where this one sits at `prefix`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }
}

/// All rules of this engine version with their meaning, in order.
pub fn rules() -> &'static [(RuleId, &'static str)] {
    RULES
}

/// A place in a document. It is a chain of borrowed names and costs nothing until something is refused.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    /// The document itself.
    Root,
    /// A fixed place, already written as an RFC 6901 pointer.
    Fixed(&'a str),
    /// A member of the object at the outer place.
    Member(&'a At<'a>, &'a str),
    /// An item of the list at the outer place.
    Item(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    pub(crate) const fn member(&'a self, name: &'a str) -> At<'a> {
        At::Member(self, name)
    }

    pub(crate) const fn item(&'a self, index: usize) -> At<'a> {
        At::Item(self, index)
    }

    /// RFC 6901 text. Member names hold neither `~` nor `/`, so nothing needs escaping.
    pub(crate) fn pointer(&self) -> String {
        let mut tokens = Vec::new();
        let mut here = *self;
        loop {
            match here {
                At::Root => break,
                At::Fixed(path) => {
                    tokens.push(path.to_owned());
                    break;
                }
                At::Member(outer, name) => {
                    tokens.push(format!("/{name}"));
                    here = *outer;
                }
                At::Item(outer, index) => {
                    tokens.push(format!("/{index}"));
                    here = *outer;
                }
            }
        }
        tokens.reverse();
        tokens.concat()
    }

    /// A refusal at this place.
    pub(crate) fn refuse(
        &self,
        rule: RuleId,
        expected: impl fmt::Display,
        got: impl fmt::Display,
        fix: impl fmt::Display,
    ) -> Refusal {
        refuse(rule, self.pointer(), expected, got, fix)
    }
}

/// The one constructor of refusals: every message says what was expected, what came, and the fix.
pub(crate) fn refuse(
    rule: RuleId,
    pointer: impl Into<String>,
    expected: impl fmt::Display,
    got: impl fmt::Display,
    fix: impl fmt::Display,
) -> Refusal {
    Refusal {
        rule,
        pointer: pointer.into(),
        message: format!("expected {expected}, got {got}; fix: {fix}"),
    }
}

/// A submitted text as a message may show it: by its length alone.
///
/// A name, an address or an identity number put into the wrong field must not leave in a refusal,
/// and no alphabet tells these from codes.
pub(crate) fn shown(text: &str) -> String {
    if text.is_empty() {
        "an empty text".to_owned()
    } else {
        format!("a text of {} bytes", text.len())
    }
}

/// A refused amount as a message may show it: as it is, if it looks like a number and like nothing else.
pub(crate) fn shown_amount(text: &str) -> String {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = unsigned.bytes().all(|b| b.is_ascii_digit() || b".,eE".contains(&b));
    let starts_so = unsigned.as_bytes().first().is_some_and(u8::is_ascii_digit);
    if text.len() <= 40 && is_number && starts_so { format!("\"{text}\"") } else { shown(text) }
}

macro_rules! rules {
    ($($name:ident = $id:literal, $words:literal;)+) => {
        impl RuleId {
            $(#[doc = $words] pub const $name: Self = Self($id);)+
        }
        const RULES: &[(RuleId, &str)] = &[$((RuleId::$name, $words)),+];
    };
}

rules! {
    NOT_CANONICAL = "E01", "the document is not canonical JSON of the allowed values";
    UNKNOWN_PROFILE = "E02", "the profile or the kind is not known, reserved, or not granted to this submitter";
    KEY_NOT_ALLOWED = "E03", "the record is not signed by the keys that may sign it";
    REVISION_CONFLICT = "E04", "the revision is taken by another record, or is not the next one";
    WRONG_PREV = "E05", "prev is not the record hash of the revision before";
    MONEY = "E06", "the amount or the currency is not well formed";
    PERSON_IN_CLEAR = "E07", "a name, an identifier of a person or a free text stands in clear";
    TOO_LATE = "E08", "it came before or after the time in which it is allowed";
    OPENING = "E09", "what is revealed does not open the commitment";
    TOTALS = "E10", "the count or the sums stated differ from what the log holds";
    SEQUENCE = "E11", "the number is not the next of its stream";
    TOO_LARGE = "E12", "the document, a text or an object is too large or too deep";
    SIGNATURE = "E13", "a signature is malformed or does not verify";
    UNKNOWN_SUBMITTER = "E14", "the submitter is not registered, or closed";
    GRAMMAR = "E15", "a member is missing, unknown or malformed";
    OTHER_LOG = "E16", "the record is for another log";
    DISCLOSURE = "E17", "a disclosure is missing, superfluous, malformed or does not fit its digest";
    NOT_YOUR_BODY = "E18", "the submitter may not write for this body";
    KEY_NOT_COUNTING = "E19", "the key is revoked or does not count yet";
    REGISTRY = "E20", "the registry record breaks a rule of the registry";
    SEALED_FIELD = "E21", "a sealed field is malformed, misplaced or overlaps";
    OPERATION = "E22", "op, of and why do not fit together or to the object's history";
    REPLAY = "E23", "the entry is not what the rules produce from its record";
    STATE = "E24", "the object is in a state in which this is not allowed";
    REFERENCE = "E25", "an object it refers to is missing, of another kind or in another state";
    NOT_UNIQUE = "E26", "another object has this value already";
    OVER_LIMIT = "E27", "the sum exceeds the limit of the object it refers to";
    ROLE = "E28", "the submitter does not have the role that this kind needs";
    PROFILE_DOCUMENT = "E29", "the profile document is malformed";
    ENDED = "E30", "the log is frozen or the profile is retired";
    UNLINKED_CONTRACT = "W01", "the contract it refers to is not in this log";
    OVER_COMMITMENT = "W02", "the payments exceed the commitment they refer to";
    LATE = "W03", "it occurred more than 30 days before it was admitted";
    DATED_AHEAD = "W04", "its date lies more than a day after the admission";
    UNMATCHED = "W05", "nothing accepted stands behind the payment or the delivery";
    EVIDENCE_REUSED = "W06", "the same evidence serves another object too";
    INCREASE = "W07", "the value grew by more than the threshold";
    ROUNDED = "W09", "the importer rounded a binary-float tail";
    DUPLICATE_NATIVE = "W10", "another object has the same native identifier";
    AFTER_CLOSE = "W11", "its period was closed before";
    RECOVERY = "W12", "governance alone added the key; it counts seven days later";
    PUBLISHED_LATE = "W13", "it was published later than its profile allows";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_ids_are_unique_and_found_by_text() {
        for (id, words) in rules() {
            assert_eq!(RuleId::find(id.as_str()), Some(*id));
            assert!(!words.is_empty());
            assert_eq!(rules().iter().filter(|(other, _)| other == id).count(), 1);
        }
        assert_eq!(RuleId::find("E99"), None);
    }

    #[test]
    fn pointer_is_rendered_from_the_root() {
        let data = At::Root.member("data");
        let lines = data.member("lines");
        assert_eq!(lines.item(3).member("x").pointer(), "/data/lines/3/x");
        assert_eq!(At::Root.pointer(), "");
        assert_eq!(At::Fixed("/record").member("v").pointer(), "/record/v");
    }

    #[test]
    fn only_amounts_are_shown() {
        assert_eq!(shown_amount("-12.345"), "\"-12.345\"");
        assert_eq!(shown_amount("1,000e2"), "\"1,000e2\"");
        for hidden in
            ["Jane Roe", "GB29NWBK60161331926819", "123-45-6789", "19850312-1234", "a@b", ".e"]
        {
            assert!(!shown_amount(hidden).contains(hidden));
            assert!(!shown(hidden).contains(hidden));
        }
        assert_eq!(shown(""), "an empty text");
    }
}
