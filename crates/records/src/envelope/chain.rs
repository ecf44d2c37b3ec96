//! Where a record stands in its object's chain, as far as the record itself can tell.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::base64url;
use crate::codes;
use crate::fields::Members;
use crate::refusal::{Refusal, RuleId};

/// SHA-256 of a record's canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordHash([u8; 32]);

impl RecordHash {
    /// Takes a hash that was computed elsewhere.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash of canonical record bytes.
    pub fn of(record_bytes: &[u8]) -> Self {
        Self(Sha256::digest(record_bytes).into())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the base64url text that `prev` carries.
    pub fn parse(text: &str) -> Option<Self> {
        base64url::decode_32(text).map(Self)
    }
}

impl fmt::Display for RecordHash {
    /// base64url, unpadded, as `prev` carries it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordHash({self})")
    }
}

/// What a revision does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// The first revision.
    Add,
    /// A later step in the object's life.
    Next,
    /// Replaces the revision `of`.
    Correct,
    /// Takes the revision `of` back; says nothing new.
    Void,
}

impl Op {
    /// The word in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Next => "next",
            Self::Correct => "correct",
            Self::Void => "void",
        }
    }

    /// Reads the word.
    pub fn find(text: &str) -> Option<Self> {
        [Self::Add, Self::Next, Self::Correct, Self::Void]
            .into_iter()
            .find(|op| op.as_str() == text)
    }

    /// Whether it replaces an earlier revision.
    pub const fn replaces(self) -> bool {
        matches!(self, Self::Correct | Self::Void)
    }
}

/// The members that place a record in its object's chain.
pub(super) struct Chain {
    pub(super) rev: u32,
    pub(super) op: Op,
    pub(super) prev: Option<RecordHash>,
    pub(super) of: Option<u32>,
    pub(super) why: Option<String>,
}

impl Chain {
    pub(super) fn take(members: &mut Members<'_>) -> Result<Self, Refusal> {
        let rev = members.u32("rev")?.ok_or_else(|| members.missing("rev"))?;
        let op = Op::find(&members.text("op")?).ok_or_else(|| {
            members.wrong("op", "add, next, correct or void", "another text", "choose one")
        })?;
        let prev = match members.optional_text("prev")? {
            None => None,
            Some(text) => Some(RecordHash::parse(&text).ok_or_else(|| {
                members.wrong(
                    "prev",
                    "base64url of a record hash",
                    "another text",
                    "use the hash of the revision before",
                )
            })?),
        };
        let of = members.u32("of")?;
        let why = members.optional_text_of("why", codes::WHY_WORDS, codes::is_why)?;
        let chain = Self { rev, op, prev, of, why };
        chain.check().map_err(|(rule, name, expected, got, fix)| {
            let mut refusal = members.wrong(name, expected, got, fix);
            refusal.rule = rule;
            refusal
        })?;
        Ok(chain)
    }

    fn check(
        &self,
    ) -> Result<(), (RuleId, &'static str, &'static str, &'static str, &'static str)> {
        let operation = RuleId::OPERATION;
        if (self.op == Op::Add) != (self.rev == 0) {
            return Err((
                operation,
                "op",
                "add at revision 0 and only there",
                "another op",
                "use next, correct or void later on",
            ));
        }
        if self.prev.is_some() != (self.rev > 0) {
            return Err((
                RuleId::WRONG_PREV,
                "prev",
                "prev at every revision but 0",
                "the opposite",
                "name the record hash of the revision before",
            ));
        }
        if self.of.is_some() != self.op.replaces() {
            return Err((
                operation,
                "of",
                "of with correct and void, and only there",
                "the opposite",
                "name the revision that is replaced",
            ));
        }
        if self.of.is_some_and(|of| of >= self.rev) {
            return Err((
                operation,
                "of",
                "an earlier revision",
                "this one or a later one",
                "name the revision that is replaced",
            ));
        }
        match (self.op, &self.why) {
            (Op::Correct | Op::Void, None) => {
                Err((operation, "why", codes::WHY_WORDS, "nothing", "give the reason"))
            }
            (Op::Add, Some(_)) => {
                Err((operation, "why", "no reason for a first revision", "one", "remove it"))
            }
            _ => Ok(()),
        }
    }
}
