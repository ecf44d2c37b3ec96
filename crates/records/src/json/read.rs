//! Bytes to a value, in one pass, without recursion.
//!
//! In the canonical form the reader checks the form while it reads: each deviation has its own
//! words, and the bytes of an accepted document *are* its canonical bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use super::value::{Form, Limits, Value};
use crate::limits::MEMBER_NAME_BYTES_MAX;
use crate::refusal::{Refusal, RuleId, refuse};

/// A document and where one member of its outermost object lies in the bytes.
#[derive(Debug)]
pub struct Document {
    /// The value.
    pub value: Value,
    /// The bytes of the member asked for, when it is there.
    pub span: Option<Range<usize>>,
}

/// Reads one document.
///
/// # Errors
/// `E01` when it is not JSON of the allowed values in the demanded form, `E12` when it is too
/// large or too deep, `E15` for a malformed member name.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, Refusal> {
    parse_document(bytes, limits, "").map(|document| document.value)
}

/// Reads one document and remembers where the member `span_of` of the outermost object lies.
pub fn parse_document(bytes: &[u8], limits: &Limits, span_of: &str) -> Result<Document, Refusal> {
    if bytes.len() > limits.bytes_max {
        return Err(refuse(
            RuleId::TOO_LARGE,
            "",
            format_args!("at most {} bytes", limits.bytes_max),
            format_args!("{} bytes", bytes.len()),
            "split the record or seal long texts",
        ));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(refuse(
            RuleId::NOT_CANONICAL,
            "",
            "JSON that starts with its first value",
            "a byte order mark",
            "write UTF-8 without a byte order mark",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        refuse(
            RuleId::NOT_CANONICAL,
            "",
            "UTF-8",
            format_args!("a byte that is not UTF-8 at offset {}", error.valid_up_to()),
            "convert the document to UTF-8",
        )
    })?;
    let reader = Reader { text, pos: 0, limits, stack: Vec::new(), span_of, span: None };
    reader.document()
}

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) pos: usize,
    pub(super) limits: &'a Limits,
    pub(super) stack: Vec<Frame>,
    span_of: &'a str,
    span: Option<Range<usize>>,
}

pub(super) enum Frame {
    List(Vec<Value>),
    /// `name` is the member whose value is read now, `from` is where that value starts.
    Map {
        members: Vec<(String, Value)>,
        name: String,
        from: usize,
    },
}

impl Reader<'_> {
    fn document(mut self) -> Result<Document, Refusal> {
        loop {
            let Some(mut value) = self.begin_value()? else { continue };
            // The value is whole: hand it to its container, and that one to the next while they end here.
            loop {
                let pos = self.pos;
                let outermost = self.stack.len() == 1;
                match self.stack.last_mut() {
                    None => {
                        self.skip_space()?;
                        if self.pos < self.text.len() {
                            return Err(self.malformed("the end", self.here()));
                        }
                        return Ok(Document { value, span: self.span });
                    }
                    Some(Frame::List(items)) => items.push(value),
                    Some(Frame::Map { members, name, from }) => {
                        if outermost && name == self.span_of {
                            self.span = Some(*from..pos);
                        }
                        members.push((std::mem::take(name), value));
                    }
                }
                self.skip_space()?;
                match (self.stack.last(), self.peek()) {
                    (_, Some(b',')) => {
                        self.pos = self.pos.saturating_add(1);
                        self.begin_member()?;
                        break;
                    }
                    (Some(Frame::List(_)), Some(b']')) | (Some(Frame::Map { .. }), Some(b'}')) => {
                        self.pos = self.pos.saturating_add(1);
                        value = self.close();
                    }
                    _ => {
                        return Err(
                            self.malformed("a comma or the end of the container", self.here())
                        );
                    }
                }
            }
        }
    }

    /// Reads a scalar or an empty container, or opens a container and leaves it on the stack (`None`).
    fn begin_value(&mut self) -> Result<Option<Value>, Refusal> {
        self.skip_space()?;
        if let Some(Frame::Map { from, .. }) = self.stack.last_mut() {
            *from = self.pos;
        }
        match self.peek() {
            Some(b'"') => Ok(Some(Value::Text(self.string()?))),
            Some(b'{') => {
                self.open(Frame::Map { members: Vec::new(), name: String::new(), from: 0 })?;
                self.skip_space()?;
                if self.eat(b'}') {
                    return Ok(Some(self.close()));
                }
                self.begin_member()?;
                Ok(None)
            }
            Some(b'[') => {
                let may_be_empty = self.may_be_empty_list();
                self.open(Frame::List(Vec::new()))?;
                self.skip_space()?;
                if !self.eat(b']') {
                    return Ok(None);
                }
                let list = self.close();
                if may_be_empty {
                    return Ok(Some(list));
                }
                Err(self.refused("a list with items", "an empty list", "leave the member out"))
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(Some),
            _ => self.literal().map(Some),
        }
    }

    /// After `{` or `,` in an object: the next member's name and its colon. In a list: nothing.
    fn begin_member(&mut self) -> Result<(), Refusal> {
        if !matches!(self.stack.last(), Some(Frame::Map { .. })) {
            return Ok(());
        }
        self.skip_space()?;
        if self.peek() != Some(b'"') {
            return Err(self.malformed("a member name in quotes", self.here()));
        }
        let next = self.string()?;
        if !is_member_name(&next) {
            return Err(refuse(
                RuleId::GRAMMAR,
                self.outer_pointer(),
                "member names that match [A-Za-z][A-Za-z0-9_]{0,63}",
                format_args!("a name of {} bytes that does not", next.len()),
                "rename the member",
            ));
        }
        self.check_order(&next)?;
        if let Some(Frame::Map { name, .. }) = self.stack.last_mut() {
            *name = next;
        }
        self.skip_space()?;
        if self.eat(b':') {
            return Ok(());
        }
        Err(self.malformed("a colon after the member name", self.here()))
    }

    /// SPEC RFC 7493 §2.3: no duplicates. SPEC RFC 8785 §3.2.3: ascending order. Names are ASCII.
    fn check_order(&self, next: &str) -> Result<(), Refusal> {
        let Some(Frame::Map { members, .. }) = self.stack.last() else { return Ok(()) };
        let Some((last, _)) = members.last() else { return Ok(()) };
        let pointer = || format!("{}/{next}", self.outer_pointer());
        let duplicate = match self.limits.form {
            Form::Canonical => last == next,
            Form::Any => members.iter().any(|(name, _)| name == next),
        };
        if duplicate {
            return Err(refuse(
                RuleId::NOT_CANONICAL,
                pointer(),
                "each member once",
                "a second member of the same name",
                "remove one of the two",
            ));
        }
        if self.limits.form == Form::Canonical && last.as_str() > next {
            return Err(refuse(
                RuleId::NOT_CANONICAL,
                pointer(),
                "members in ascending order",
                format_args!("this member after \"{last}\""),
                "write the canonical form of RFC 8785",
            ));
        }
        if members.len() >= self.limits.keys_max {
            return Err(refuse(
                RuleId::TOO_LARGE,
                self.outer_pointer(),
                format_args!("at most {} members", self.limits.keys_max),
                "more",
                "split the object",
            ));
        }
        Ok(())
    }

    fn open(&mut self, frame: Frame) -> Result<(), Refusal> {
        if self.stack.len() >= self.limits.depth_max {
            return Err(refuse(
                RuleId::TOO_LARGE,
                self.pointer(),
                format_args!("at most {} levels of nesting", self.limits.depth_max),
                "one more",
                "flatten the document",
            ));
        }
        self.stack.push(frame);
        self.pos = self.pos.saturating_add(1);
        Ok(())
    }

    fn close(&mut self) -> Value {
        match self.stack.pop() {
            Some(Frame::Map { members, .. }) => Value::Map(BTreeMap::from_iter(members)),
            Some(Frame::List(items)) => Value::List(items),
            None => Value::Null,
        }
    }

    fn may_be_empty_list(&self) -> bool {
        match (self.stack.as_slice(), self.limits.empty_list) {
            ([Frame::Map { name, .. }], Some(allowed)) => name == allowed,
            _ => false,
        }
    }

    fn skip_space(&mut self) -> Result<(), Refusal> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            if self.limits.form == Form::Canonical {
                return Err(self.refused(
                    "no space between tokens",
                    format_args!("white space at offset {}", self.pos),
                    "write the canonical form of RFC 8785",
                ));
            }
            self.pos = self.pos.saturating_add(1);
        }
        Ok(())
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.pos = self.pos.saturating_add(1);
        }
        is_next
    }

    pub(super) fn here(&self) -> String {
        match self.peek() {
            None => "the end of the document".to_owned(),
            Some(_) => format!("something else at offset {}", self.pos),
        }
    }

    pub(super) fn malformed(&self, expected: &str, got: impl std::fmt::Display) -> Refusal {
        self.refused(expected, got, "send one well-formed JSON document")
    }

    pub(super) fn refused(
        &self,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
        fix: impl std::fmt::Display,
    ) -> Refusal {
        refuse(RuleId::NOT_CANONICAL, self.pointer(), expected, got, fix)
    }

    /// Where the value being read lies.
    pub(super) fn pointer(&self) -> String {
        self.stack.iter().map(token).collect()
    }

    /// Where the container being read lies.
    fn outer_pointer(&self) -> String {
        let outer = self.stack.split_last().map_or(&[][..], |(_, outer)| outer);
        outer.iter().map(token).collect()
    }
}

fn token(frame: &Frame) -> String {
    match frame {
        Frame::List(items) => format!("/{}", items.len()),
        Frame::Map { name, .. } if name.is_empty() => String::new(),
        Frame::Map { name, .. } => format!("/{name}"),
    }
}

/// Whether a text may name a member: `[A-Za-z][A-Za-z0-9_]{0,63}`.
pub(crate) fn is_member_name(name: &str) -> bool {
    name.len() <= MEMBER_NAME_BYTES_MAX
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
