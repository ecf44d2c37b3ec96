//! A profile document: strict JSON in, [`Profile`] out.
//!
//! ```json
//! {"profile": "grants/1",
//!  "kinds": [{"kind": "award", "ops": ["add", "correct", "void"], "object": "{body}/grant/{id}",
//!             "fields": {"amount": {"type": "money", "required": true}}}]}
//! ```
//!
//! What it does not know, it refuses: a misspelt `required` must not quietly mean "optional".

use sha2::{Digest as _, Sha256};

use super::field::{Fields, Type};
use super::pattern::Pattern;
use super::rule::{self, Count, Rule, States};
use super::sealing::{Sealable, is_path};
use crate::envelope::{Envelope, Op};
use crate::fields::Members;
use crate::json::{self, Limits, Value};
use crate::limits::{KIND_RULES_MAX, PROFILE_BYTES_MAX, PROFILE_KINDS_MAX, SIGNATURES_MAX};
use crate::name;
use crate::refusal::{At, Refusal, RuleId};

/// A profile, ready to judge by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    id: String,
    kinds: Vec<Kind>,
    canonical: Vec<u8>,
    digest: [u8; 32],
}

impl Profile {
    /// Reads a document, in any JSON form.
    ///
    /// # Errors
    /// `E29` and the place where the document breaks its grammar; `E01`, `E12` when it is no JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::from_value(json::parse(bytes, &Limits::PROFILE)?, At::Root)
    }

    pub(crate) fn from_value(value: Value, at: At<'_>) -> Result<Self, Refusal> {
        let canonical = json::to_canonical(&value);
        if canonical.len() > PROFILE_BYTES_MAX {
            return Err(at.refuse(
                RuleId::TOO_LARGE,
                format_args!("a document of at most {PROFILE_BYTES_MAX} bytes"),
                format_args!("{} bytes", canonical.len()),
                "make two profiles of it",
            ));
        }
        let mut members = Members::of(value, at, RuleId::PROFILE_DOCUMENT)?;
        let id = members.text_of(
            "profile",
            "a name and a version such as grants/1",
            name::is_profile,
        )?;
        let list_at = at.member("kinds");
        let items = members.optional_list("kinds")?;
        if items.is_empty() || items.len() > PROFILE_KINDS_MAX {
            return Err(members.wrong(
                "kinds",
                "a list of 1 to 32 kinds",
                "another number",
                "correct it",
            ));
        }
        members.finish()?;
        let mut kinds: Vec<Kind> = Vec::with_capacity(items.len());
        for (position, item) in items.into_iter().enumerate() {
            let here = list_at.item(position);
            let kind = Kind::parse(item, here)?;
            if kinds.iter().any(|other| other.name == kind.name) {
                return Err(here.member("kind").refuse(
                    RuleId::PROFILE_DOCUMENT,
                    "each kind once",
                    "it again",
                    "remove one",
                ));
            }
            kinds.push(kind);
        }
        let digest = Sha256::digest(&canonical).into();
        Ok(Self { id, kinds, canonical, digest })
    }

    /// Name and version, e.g. `spending/1`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name without the version.
    pub fn name(&self) -> &str {
        name_of(&self.id)
    }

    /// The kinds, in the order of the document.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// One kind.
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }

    /// The canonical document.
    pub fn canonical(&self) -> &[u8] {
        &self.canonical
    }

    /// SHA-256 of the canonical document.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// The name of a profile without its version.
pub(crate) fn name_of(id: &str) -> &str {
    id.split_once('/').map_or(id, |(name, _)| name)
}

/// What a profile says of one kind of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    name: String,
    ops: Vec<Op>,
    object: Pattern,
    by: Vec<String>,
    takes_one_time_keys: bool,
    signatures: usize,
    cosigned: Option<Cosigned>,
    fields: Fields,
    has_lists: bool,
    sealed: Vec<Sealable>,
    index: Vec<String>,
    facts: Vec<String>,
    states: Option<States>,
    rules: Vec<Rule>,
    counts: Vec<Count>,
}

/// Signatures of others that a record must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// The role of the submitter they are of.
    pub by: String,
    /// How many.
    pub count: usize,
}

impl Kind {
    fn parse(value: Value, at: At<'_>) -> Result<Self, Refusal> {
        let mut members = Members::of(value, at, RuleId::PROFILE_DOCUMENT)?;
        let name = members.text_of("kind", "a kind in lower case", name::is_kind)?;
        let ops = members
            .texts_of("ops", "add, next, correct or void", |text| Op::find(text).is_some())?;
        let ops: Vec<Op> = ops.iter().filter_map(|text| Op::find(text)).collect();
        let object = Pattern::parse(&members.text("object")?, &at.member("object"))?;
        let by = members.optional_texts_of("by", "a role", name::is_word)?;
        let takes_one_time_keys = members.truth("one_time_keys")?;
        let signatures = number_of_signatures(&mut members, "signatures")?.unwrap_or(1);
        let cosigned = match members.optional_text_of("cosigned_by", "a role", name::is_word)? {
            None => None,
            Some(by) => Some(Cosigned {
                by,
                count: number_of_signatures(&mut members, "cosigners")?.unwrap_or(1),
            }),
        };
        let others = cosigned.as_ref().map_or(0, |cosigned| cosigned.count);
        if signatures.saturating_add(others) > SIGNATURES_MAX {
            return Err(members.wrong("signatures", "at most 4 in all", "more", "demand fewer"));
        }
        let fields = match members.take("fields") {
            None => Fields::default(),
            Some(value) => Fields {
                fields: Fields::parse(value, at.member("fields"), 1)?,
                ..Fields::default()
            },
        };
        let sealed = items(&mut members, &at, "sealed", usize::MAX, Sealable::parse)?;
        let index = members.optional_texts_of("index", "a pointer into data", is_path)?;
        let facts = members.optional_texts_of("facts", "a pointer into data", is_path)?;
        let read = items(&mut members, &at, "rules", KIND_RULES_MAX, |value, at| {
            rule::parse(value, at, &fields)
        })?;
        let counts = items(&mut members, &at, "counts", KIND_RULES_MAX, |value, at| {
            rule::parse_count(value, at, &fields)
        })?;
        members.finish()?;
        let (states, rules) = sorted(read, &at)?;
        let has_lists = !super::field::lists(&fields).is_empty();
        let kind = Self {
            name,
            ops,
            object,
            by,
            takes_one_time_keys,
            signatures,
            cosigned,
            fields,
            has_lists,
            sealed,
            index,
            facts,
            states,
            rules,
            counts,
        };
        kind.check_whole(&at)?;
        Ok(kind)
    }

    /// What one part of a kind demands of another.
    fn check_whole(&self, at: &At<'_>) -> Result<(), Refusal> {
        let refused = |name: &str, expected: &str, got: &str, fix: &str| {
            Err(at.member(name).refuse(RuleId::PROFILE_DOCUMENT, expected, got, fix))
        };
        for pointer in self.index.iter().chain(&self.facts) {
            match self.fields.at(pointer) {
                Some((Type::Object(_) | Type::List(..) | Type::Key, _)) | None => {
                    let which = if self.facts.contains(pointer) { "facts" } else { "index" };
                    return refused(
                        which,
                        "pointers to single values among the fields",
                        "another",
                        "correct it",
                    );
                }
                Some(_) => {}
            }
        }
        for (is_first, field) in self.object.fields() {
            let fit = self.fields.fields.get(field).filter(|field| field.is_required);
            let is_fit = fit.is_some_and(|field| match &field.holds {
                Type::Form(form) => is_first == (*form == super::field::Form::Reference),
                Type::Code(_) | Type::Listed(_) | Type::Integer(..) => !is_first,
                _ => false,
            });
            if !is_fit {
                return refused(
                    "object",
                    "fields that are required; a reference at the start, else none",
                    "another",
                    "correct the pattern or the field",
                );
            }
        }
        let starts_below_a_reference = self.object.fields().any(|(is_first, _)| is_first);
        if self.takes_one_time_keys && !starts_below_a_reference {
            return refused(
                "one_time_keys",
                "objects named below a reference, for a one-time key has no body",
                "another pattern",
                "let the pattern start with {data.FIELD}",
            );
        }
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ops it takes.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Whether it takes an op.
    pub fn takes(&self, op: Op) -> bool {
        self.ops.contains(&op)
    }

    /// How its objects are named.
    pub const fn object(&self) -> &Pattern {
        &self.object
    }

    /// The roles that may submit it; none: everybody who was granted the profile.
    pub fn by(&self) -> &[String] {
        &self.by
    }

    /// Whether a one-time key may submit it.
    pub const fn takes_one_time_keys(&self) -> bool {
        self.takes_one_time_keys
    }

    /// How many keys of the submitter must sign.
    pub const fn signatures(&self) -> usize {
        self.signatures
    }

    /// Who else must sign.
    pub const fn cosigned(&self) -> Option<&Cosigned> {
        self.cosigned.as_ref()
    }

    /// The fields of its data.
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Whether a field draws on a code list that the log published.
    pub(crate) const fn has_lists(&self) -> bool {
        self.has_lists
    }

    /// What may be sealed.
    pub fn sealed(&self) -> &[Sealable] {
        &self.sealed
    }

    /// Pointers by which readers look records up: always to clear fields, so that an index never
    /// tells what a seal hides.
    pub fn index(&self) -> &[String] {
        &self.index
    }

    /// The values by which readers look a record up, with their pointers.
    pub fn index_values<'a>(
        &'a self,
        record: &'a Envelope,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.index.iter().filter_map(|pointer| Some((pointer.as_str(), record.data().at(pointer)?)))
    }

    /// Pointers to what rules of later records may read.
    pub fn facts(&self) -> &[String] {
        &self.facts
    }

    /// How it moves its object.
    pub const fn states(&self) -> Option<&States> {
        self.states.as_ref()
    }

    /// Its other rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What it adds to totals.
    pub fn counts(&self) -> &[Count] {
        &self.counts
    }
}

/// A kind's states apart from its other rules.
fn sorted(read: Vec<rule::Read>, at: &At<'_>) -> Result<(Option<States>, Vec<Rule>), Refusal> {
    let (mut states, mut rules) = (None, Vec::new());
    for one in read {
        match one {
            rule::Read::Rule(rule) => rules.push(rule),
            rule::Read::States(read) if states.is_none() => states = Some(read),
            rule::Read::States(_) => {
                return Err(at.member("rules").refuse(
                    RuleId::PROFILE_DOCUMENT,
                    "at most one rule states",
                    "two",
                    "list all states in its from",
                ));
            }
        }
    }
    Ok((states, rules))
}

fn number_of_signatures(members: &mut Members<'_>, name: &str) -> Result<Option<usize>, Refusal> {
    match members.optional_int(name, 1)?.map(usize::try_from) {
        None => Ok(None),
        Some(Ok(number)) if number <= SIGNATURES_MAX => Ok(Some(number)),
        Some(_) => Err(members.wrong(name, "a number from 1 to 4", "another", "correct it")),
    }
}

fn items<T>(
    members: &mut Members<'_>,
    at: &At<'_>,
    name: &str,
    max: usize,
    read: impl Fn(Value, At<'_>) -> Result<T, Refusal>,
) -> Result<Vec<T>, Refusal> {
    let list = at.member(name);
    let items = members.optional_list(name)?;
    if items.len() > max {
        return Err(members.wrong(name, &format!("at most {max} items"), "more", "leave some out"));
    }
    items.into_iter().enumerate().map(|(position, item)| read(item, list.item(position))).collect()
}
