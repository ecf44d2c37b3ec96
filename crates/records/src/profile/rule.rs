//! The rules of a profile that look at the entries before: eight primitives, no more.
//!
//! | rule | holds a record to | may name |
//! |---|---|---|
//! | `exists` | an object it refers to is there, of a kind, in a state, by another or the same submitter | E25, W01, W05 |
//! | `states` | the object is in one of `from` (none for a new one); afterwards it is in `to` | E24 |
//! | `unique` | no other object has these values, or this document | E26, W06, W10 |
//! | `sequence` | the number is the one after the last of its stream | E11 |
//! | `before`, `after` | admitted before, or not before, a date or time that an object states | E08, W13 |
//! | `opens` | salt and hash give the commitment that the object made earlier | E09 |
//! | `sum` | the running total of what refers to an object stays within a limit the object states | E27, W02, W07 |
//! | `totals` | count and sums stated are those that the log holds | E10 |
//!
//! `counts` is the other half of `totals`: what a record adds to which total. A correction or a
//! void takes the contribution of the revision it replaces back out, so current state counts once.

use super::field::{Fields, Form, Type};
use super::sealing::is_path;
use crate::fields::Members;
use crate::json::Value;
use crate::limits::ENGINE_VERSION;
use crate::name;
use crate::refusal::{At, Refusal, RuleId};

/// One rule and what it raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What is held to be true.
    pub primitive: Primitive,
    /// What is raised when it is not: `E…` refuses, `W…` flags.
    pub raises: RuleId,
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Primitive {
    /// An object referred to is there.
    Exists {
        /// Which.
        of: Whose,
        /// The kinds that may have opened it, `name/kind` with the profile's name; none: any.
        kinds: Vec<String>,
        /// The states that it may be in; none: any.
        states: Vec<String>,
        /// Whether it must have been opened by the same submitter, or by another.
        by: Option<Party>,
        /// Whether the reference itself must be there.
        is_required: bool,
    },
    /// A value that no other object has.
    Unique {
        /// Pointers into `data`, taken together; or `documents`, each hash by itself.
        of: Vec<String>,
        /// The values are compared among rules of the same name.
        among: String,
        /// Keys that the values are compared within.
        within: Vec<Key>,
    },
    /// A number without gaps.
    Sequence {
        /// Pointer to the number.
        number: String,
        /// What tells one stream from another.
        stream: Vec<Key>,
        /// Streams of the same name are one.
        among: String,
        /// Whether the first number may be any; else it is 1.
        starts_anywhere: bool,
    },
    /// Admitted before a time, or not before it.
    Time {
        /// Whether it must be before.
        is_before: bool,
        /// The object that states the time.
        of: Whose,
        /// The fact that is the time.
        at: String,
        /// Days added to it.
        days: i64,
    },
    /// Opens a commitment of the same object.
    Opens {
        /// The fact that is the commitment.
        commitment: String,
        /// Pointer to the salt.
        salt: String,
        /// Pointer to the hash that was committed to.
        sha256: String,
    },
    /// A running total within a limit.
    Sum {
        /// Pointer to what is added.
        amount: String,
        /// Whether it is taken off.
        is_minus: bool,
        /// The object that states the limit.
        of: Whose,
        /// The fact that is the limit.
        limit: String,
        /// How much of the limit may be used.
        percent: i64,
        /// Sums of the same name are one.
        among: String,
    },
    /// Count and sums as the log holds them.
    Totals {
        /// The total.
        among: String,
        /// Its group.
        by: Vec<Key>,
        /// The count stated.
        count: Option<Stated>,
        /// Pointer to the sums stated, one for each currency.
        sums: Option<String>,
        /// Pointers to an amount before and after: before plus sum is after.
        balance: Option<(String, String)>,
        /// Whether the group is closed by it.
        is_closing: bool,
    },
}

/// Which object a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// What the record itself says.
    This,
    /// What the earlier revisions of the object say.
    Earlier,
    /// The objects referred to by a relation.
    Reference(String),
    /// The object named by a field.
    Field(String),
}

/// Who opened an object, seen from the submitter of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The same submitter.
    Same,
    /// Another submitter.
    Other,
}

/// What tells one group, stream or scope from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The body: the first segment of the object.
    Body,
    /// The object.
    Object,
    /// Who submitted it.
    Submitter,
    /// The month in which it occurred.
    Month,
    /// A field of `data`, a text or an integer.
    Field(String),
}

/// A number that a record states, or that a profile fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stated {
    /// Pointer into `data`.
    Field(String),
    /// Always this.
    Fixed(i64),
}

/// How a kind moves its object from state to state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States {
    /// Where it may come from; none: it opens the object.
    pub from: Vec<String>,
    /// Where it leads.
    pub to: String,
    /// Whether the submitter must be the one who opened the object, or another.
    pub by: Option<Party>,
}

/// What a record adds to a total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The total.
    pub among: String,
    /// Its group.
    pub by: Vec<Key>,
    /// Pointer to an amount that is added; none: it only counts.
    pub sum: Option<String>,
    /// Whether the amount is taken off.
    pub is_minus: bool,
    /// What is added to the count: 1, 0 or -1.
    pub step: i64,
}

/// A rule as it stands in the document.
pub(super) enum Read {
    Rule(Rule),
    States(States),
}

/// Reads one rule of a kind whose fields are known.
pub(super) fn parse(value: Value, at: At<'_>, fields: &Fields) -> Result<Read, Refusal> {
    let mut members = Members::of(value, at, RuleId::PROFILE_DOCUMENT)?;
    let name = members.text("rule")?;
    if name == "states" {
        let from = members.optional_texts_of("from", "a state", name::is_word)?;
        let to = members.text_of("to", "a state", name::is_word)?;
        let by = party(&mut members)?;
        members.finish()?;
        return Ok(Read::States(States { from, to, by }));
    }
    let mut reader = Reader { members, fields };
    let (primitive, allowed): (_, &[RuleId]) = match name.as_str() {
        "exists" => {
            (reader.exists()?, &[RuleId::REFERENCE, RuleId::UNLINKED_CONTRACT, RuleId::UNMATCHED])
        }
        "unique" => (
            reader.unique()?,
            &[RuleId::NOT_UNIQUE, RuleId::EVIDENCE_REUSED, RuleId::DUPLICATE_NATIVE],
        ),
        "sequence" => (reader.sequence()?, &[RuleId::SEQUENCE]),
        "before" | "after" => {
            (reader.time(name == "before")?, &[RuleId::TOO_LATE, RuleId::PUBLISHED_LATE])
        }
        "opens" => (reader.opens()?, &[RuleId::OPENING]),
        "sum" => (reader.sum()?, &[RuleId::OVER_LIMIT, RuleId::OVER_COMMITMENT, RuleId::INCREASE]),
        "totals" => (reader.totals()?, &[RuleId::TOTALS]),
        _ => {
            return Err(reader.members.wrong(
                "rule",
                "exists, states, unique, sequence, before, after, opens, sum or totals",
                "another word",
                "these are all the rules that engine version 1 has",
            ));
        }
    };
    let raises = reader.members.text("raises")?;
    let found = allowed.iter().copied().find(|rule| rule.as_str() == raises);
    let raises = found.ok_or_else(|| {
        let ids: Vec<&str> = allowed.iter().map(|rule| rule.as_str()).collect();
        reader.members.wrong("raises", &ids.join(" or "), "another rule", "name one that fits")
    })?;
    reader.members.finish()?;
    Ok(Read::Rule(Rule { primitive, raises }))
}

/// Reads one item of `counts`.
pub(super) fn parse_count(value: Value, at: At<'_>, fields: &Fields) -> Result<Count, Refusal> {
    let members = Members::of(value, at, RuleId::PROFILE_DOCUMENT)?;
    let mut reader = Reader { members, fields };
    let among = reader.among("total")?;
    let by = reader.keys("by", false)?;
    let sum = reader.optional_amount("sum")?;
    let is_minus = reader.members.truth("minus")?;
    let step = reader.members.optional_int("step", -1)?.unwrap_or(1);
    if step > 1 {
        return Err(reader.members.wrong(
            "step",
            "-1, 0 or 1",
            "another number",
            "leave it out for 1",
        ));
    }
    reader.members.finish()?;
    Ok(Count { among, by, sum, is_minus, step })
}

fn party(members: &mut Members<'_>) -> Result<Option<Party>, Refusal> {
    let by = members
        .optional_text_of("by", "same or other", |text| ["same", "other"].contains(&text))?;
    Ok(by.map(|by| if by == "same" { Party::Same } else { Party::Other }))
}

struct Reader<'a> {
    members: Members<'a>,
    fields: &'a Fields,
}

impl Reader<'_> {
    fn exists(&mut self) -> Result<Primitive, Refusal> {
        let of = self.whose()?;
        if of == Whose::This {
            return Err(self.members.wrong(
                "of",
                "a relation or a field",
                "self",
                "name what it refers to",
            ));
        }
        let kinds = self.members.optional_texts_of(
            "kinds",
            "a kind such as contract/register",
            is_kind_name,
        )?;
        let states = self.members.optional_texts_of("states", "a state", name::is_word)?;
        let by = party(&mut self.members)?;
        let is_required = self.members.truth("required")?;
        Ok(Primitive::Exists { of, kinds, states, by, is_required })
    }

    fn unique(&mut self) -> Result<Primitive, Refusal> {
        let of = self.members.texts_of("of", "pointers into data, or documents", |text| {
            text == "documents" || is_path(text)
        })?;
        let is_documents = of.iter().any(|one| one == "documents");
        if is_documents && of.len() > 1 {
            return Err(self.members.wrong(
                "of",
                "documents alone, or pointers",
                "both",
                "make two rules",
            ));
        }
        if !is_documents {
            for pointer in &of {
                self.expect("of", pointer, is_scalar, false)?;
            }
        }
        let among = self.among("among")?;
        let within = self.keys("within", true)?;
        Ok(Primitive::Unique { of, among, within })
    }

    fn sequence(&mut self) -> Result<Primitive, Refusal> {
        let number = self.pointer("number", |holds| matches!(holds, Type::Integer(..)), true)?;
        let among = self.among("among")?;
        let stream = self.keys("stream", false)?;
        let starts_anywhere = self.members.truth("anywhere")?;
        Ok(Primitive::Sequence { number, stream, among, starts_anywhere })
    }

    fn time(&mut self, is_before: bool) -> Result<Primitive, Refusal> {
        let of = self.whose()?;
        let at =
            self.fact("at", &of, |holds| matches!(holds, Type::Form(Form::Date | Form::Time)))?;
        let days = self.members.optional_int("days", 0)?.unwrap_or(0);
        if days > DAYS_MAX {
            return Err(self.members.wrong("days", "at most 36,500", "more", "correct it"));
        }
        Ok(Primitive::Time { is_before, of, at, days })
    }

    fn opens(&mut self) -> Result<Primitive, Refusal> {
        let commitment = self.members.text_of("commitment", "a pointer to a fact", is_path)?;
        let salt = self.pointer("salt", |holds| *holds == Type::Form(Form::Salt), true)?;
        let sha256 = self.pointer("sha256", |holds| *holds == Type::Form(Form::Sha256), true)?;
        Ok(Primitive::Opens { commitment, salt, sha256 })
    }

    fn sum(&mut self) -> Result<Primitive, Refusal> {
        let amount = self.pointer("amount", is_amount, false)?;
        let is_minus = self.members.truth("minus")?;
        let of = self.whose()?;
        let limit = self.fact("limit", &of, is_amount)?;
        let percent = self.members.optional_int("percent", 1)?.unwrap_or(100);
        if percent > PERCENT_MAX {
            return Err(self.members.wrong("percent", "at most 1,000", "more", "correct it"));
        }
        let among = self.among("among")?;
        Ok(Primitive::Sum { amount, is_minus, of, limit, percent, among })
    }

    fn totals(&mut self) -> Result<Primitive, Refusal> {
        let among = self.among("total")?;
        let by = self.keys("by", false)?;
        let count = match self.members.take("count") {
            None => None,
            Some(Value::Int(number)) => Some(Stated::Fixed(number)),
            Some(Value::Text(pointer)) => {
                self.expect("count", &pointer, |holds| matches!(holds, Type::Integer(..)), true)?;
                Some(Stated::Field(pointer))
            }
            Some(other) => {
                return Err(self.members.wrong(
                    "count",
                    "a pointer or a number",
                    other.kind(),
                    "correct it",
                ));
            }
        };
        let sums = match self.members.optional_text_of("sums", "a pointer into data", is_path)? {
            None => None,
            Some(pointer) => {
                let is_sums =
                    |holds: &Type| matches!(holds, Type::List(of, _) if **of == Type::Money);
                self.expect("sums", &pointer, is_sums, false)?;
                Some(pointer)
            }
        };
        let opening = self.optional_amount("opening")?;
        let closing = self.optional_amount("closing")?;
        let balance = match (opening, closing) {
            (Some(opening), Some(closing)) => Some((opening, closing)),
            (None, None) => None,
            _ => {
                return Err(self.members.wrong(
                    "closing",
                    "opening and closing",
                    "one alone",
                    "add the other",
                ));
            }
        };
        let is_closing = self.members.truth("closes")?;
        Ok(Primitive::Totals { among, by, count, sums, balance, is_closing })
    }

    fn whose(&mut self) -> Result<Whose, Refusal> {
        let of = self.members.text("of")?;
        match of.as_str() {
            "self" => Ok(Whose::This),
            "earlier" => Ok(Whose::Earlier),
            field if field.starts_with('/') => {
                self.expect("of", field, |holds| *holds == Type::Form(Form::Reference), false)?;
                Ok(Whose::Field(of))
            }
            rel if crate::codes::REL.contains(&rel) => Ok(Whose::Reference(of)),
            _ => Err(self.members.wrong(
                "of",
                "self, earlier, a pointer to a reference, or a relation such as contract",
                "another text",
                "say which object the rule looks at",
            )),
        }
    }

    /// A fact of another object; of this one it must be a field.
    fn fact(
        &mut self,
        name: &str,
        of: &Whose,
        is_fit: impl Fn(&Type) -> bool,
    ) -> Result<String, Refusal> {
        if *of == Whose::This {
            return self.pointer(name, is_fit, false);
        }
        self.members.text_of(name, "a pointer to a fact", is_path)
    }

    fn pointer(
        &mut self,
        name: &str,
        is_fit: impl Fn(&Type) -> bool,
        is_certain: bool,
    ) -> Result<String, Refusal> {
        let pointer = self.members.text(name)?;
        self.expect(name, &pointer, is_fit, is_certain)?;
        Ok(pointer)
    }

    fn optional_amount(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let pointer = self.members.optional_text(name)?;
        if let Some(pointer) = &pointer {
            self.expect(name, pointer, is_amount, false)?;
        }
        Ok(pointer)
    }

    /// Refuses a pointer that leads to no field, or to one of another type.
    fn expect(
        &self,
        name: &str,
        pointer: &str,
        is_fit: impl Fn(&Type) -> bool,
        is_certain: bool,
    ) -> Result<(), Refusal> {
        match self.fields.at(pointer) {
            Some((holds, is_always)) if is_fit(holds) && (is_always || !is_certain) => Ok(()),
            Some((holds, _)) if is_fit(holds) => Err(self.members.wrong(
                name,
                "a required field",
                "an optional one",
                "make the field required",
            )),
            Some(_) => Err(self.members.wrong(
                name,
                "a field of the type that the rule works on",
                "one of another type",
                "see the table of rules",
            )),
            None => Err(self.members.wrong(
                name,
                "a pointer to a field of this kind",
                "none",
                "add the field",
            )),
        }
    }

    fn among(&mut self, name: &str) -> Result<String, Refusal> {
        self.members.text_of(name, "a word", name::is_word)
    }

    fn keys(&mut self, name: &str, may_lack: bool) -> Result<Vec<Key>, Refusal> {
        let is_key = |text: &str| key_of(text).is_some();
        let expected = "body, object, submitter, month, or a pointer into data";
        let texts = if may_lack {
            self.members.optional_texts_of(name, expected, is_key)?
        } else {
            self.members.texts_of(name, expected, is_key)?
        };
        let keys: Vec<Key> = texts.iter().filter_map(|text| key_of(text)).collect();
        for key in &keys {
            if let Key::Field(pointer) = key {
                self.expect(name, pointer, is_scalar, true)?;
            }
        }
        Ok(keys)
    }
}

fn key_of(text: &str) -> Option<Key> {
    match text {
        "body" => Some(Key::Body),
        "object" => Some(Key::Object),
        "submitter" => Some(Key::Submitter),
        "month" => Some(Key::Month),
        pointer => is_path(pointer).then(|| Key::Field(pointer.to_owned())),
    }
}

/// `name/kind`, e.g. `contract/register`: whatever the version of the profile.
fn is_kind_name(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(profile, kind)| name::is_kind(profile) && name::is_kind(kind))
}

fn is_amount(holds: &Type) -> bool {
    matches!(holds, Type::Money | Type::Integer(..))
}

fn is_scalar(holds: &Type) -> bool {
    matches!(holds, Type::Form(_) | Type::Code(_) | Type::Listed(_) | Type::Integer(..))
}

const DAYS_MAX: i64 = 36_500;
const PERCENT_MAX: i64 = 1000;

// The words above say "engine version 1"; a second version must look at them again.
const _: () = assert!(ENGINE_VERSION == 1);
