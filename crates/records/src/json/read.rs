//! Bytes to a value, in one pass, without recursion.
//!
//! In the canonical form the reader checks the form while it reads: each deviation has its own
//! words, and the bytes of an accepted document *are* its canonical bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Form, Limits, Value, is_refused_char};
use crate::limits::{INTEGER_MAX, MEMBER_NAME_BYTES_MAX};
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
///
/// # Errors
/// As [`parse`].
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

struct Reader<'a> {
    text: &'a str,
    pos: usize,
    limits: &'a Limits,
    stack: Vec<Frame>,
    span_of: &'a str,
    span: Option<Range<usize>>,
}

enum Frame {
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

    fn literal(&mut self) -> Result<Value, Refusal> {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let (value, len) = if rest.starts_with("true") {
            (Value::Bool(true), 4)
        } else if rest.starts_with("false") {
            (Value::Bool(false), 5)
        } else if rest.starts_with("null") {
            let is_until =
                matches!(self.stack.last(), Some(Frame::Map { name, .. }) if name == "until");
            if !is_until {
                return Err(self.refused("a value", "null", "leave the member out"));
            }
            (Value::Null, 4)
        } else {
            return Err(self.malformed("a value", self.here()));
        };
        self.pos = self.pos.saturating_add(len);
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Refusal> {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let len = rest.bytes().take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
        let token = rest.get(..len).unwrap_or_default();
        if token.bytes().any(|b| b".eE".contains(&b)) {
            return Err(self.refused(
                "an integer",
                "a number with a fraction or an exponent",
                "write amounts as decimal strings",
            ));
        }
        let digits = token.strip_prefix('-').unwrap_or(token);
        let plain = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'))
            && token != "-0";
        if !plain {
            return Err(self.refused(
                "an integer without sign tricks or leading zeros",
                "another spelling",
                "write the number plainly",
            ));
        }
        match token.parse::<i64>() {
            Ok(number) if (-INTEGER_MAX..=INTEGER_MAX).contains(&number) => {
                self.pos = self.pos.saturating_add(len);
                Ok(Value::Int(number))
            }
            _ => Err(self.refused(
                "an integer of at most 2^53 - 1",
                format_args!("a number of {} digits beyond it", digits.len()),
                "write large numbers as text",
            )),
        }
    }

    /// Reads a string, quotes included.
    fn string(&mut self) -> Result<String, Refusal> {
        self.pos = self.pos.saturating_add(1);
        let mut out = String::new();
        loop {
            let rest = self.text.get(self.pos..).unwrap_or_default();
            let Some(len) = rest.bytes().position(|b| b == b'"' || b == b'\\' || b < 0x20) else {
                return Err(self.malformed("a closing quote", "the end of the document"));
            };
            let plain = rest.get(..len).unwrap_or_default();
            if let Some(c) = first_refused(plain) {
                return Err(self.refused_char(c));
            }
            if out.len().saturating_add(len) > self.limits.string_bytes_max {
                return Err(self.too_long());
            }
            self.pos = self.pos.saturating_add(len);
            match self.peek() {
                Some(b'"') => {
                    self.pos = self.pos.saturating_add(1);
                    if out.is_empty() {
                        return Ok(plain.to_owned());
                    }
                    out.push_str(plain);
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(plain);
                    let c = self.escape()?;
                    out.push(c);
                }
                Some(byte) => return Err(self.refused_char(char::from(byte))),
                None => return Err(self.malformed("a closing quote", "the end of the document")),
            }
        }
    }

    /// Reads one escape; the position is at its backslash.
    fn escape(&mut self) -> Result<char, Refusal> {
        let kind = self.text.as_bytes().get(self.pos.saturating_add(1)).copied();
        let c = match kind {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.malformed("an escape of JSON", "another one")),
        };
        if is_refused_char(c) {
            return Err(self.refused_char(c));
        }
        // SPEC RFC 8785 §3.2.2.2: of what is left, only the quote and the backslash need an escape.
        if self.limits.form == Form::Canonical && c == '/' {
            return Err(self.needless_escape());
        }
        self.pos = self.pos.saturating_add(2);
        Ok(c)
    }

    fn unicode_escape(&mut self) -> Result<char, Refusal> {
        let unpaired = |reader: &Self| {
            reader.refused("paired surrogates", "an unpaired one", "repair the text at its source")
        };
        let first = self.hex_unit()?;
        let c = if (0xd800..0xdc00).contains(&first) {
            if self.peek() != Some(b'\\') {
                return Err(unpaired(self));
            }
            if self.text.as_bytes().get(self.pos.saturating_add(1)) != Some(&b'u') {
                return Err(unpaired(self));
            }
            let second = self.hex_unit()?;
            char::decode_utf16([first, second])
                .next()
                .and_then(Result::ok)
                .ok_or_else(|| unpaired(self))?
        } else {
            char::from_u32(u32::from(first)).ok_or_else(|| unpaired(self))?
        };
        if is_refused_char(c) {
            return Err(self.refused_char(c));
        }
        if self.limits.form == Form::Canonical {
            return Err(self.needless_escape());
        }
        Ok(c)
    }

    /// Reads `\uXXXX`; the position is at its backslash.
    fn hex_unit(&mut self) -> Result<u16, Refusal> {
        let from = self.pos.saturating_add(2);
        let to = from.saturating_add(4);
        let digits = self.text.get(from..to).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(unit) = digits.and_then(|d| u16::from_str_radix(d, 16).ok()) else {
            return Err(self.malformed("four hexadecimal digits", "something else"));
        };
        self.pos = to;
        Ok(unit)
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

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.pos = self.pos.saturating_add(1);
        }
        is_next
    }

    fn here(&self) -> String {
        match self.peek() {
            None => "the end of the document".to_owned(),
            Some(_) => format!("something else at offset {}", self.pos),
        }
    }

    fn malformed(&self, expected: &str, got: impl std::fmt::Display) -> Refusal {
        self.refused(expected, got, "send one well-formed JSON document")
    }

    fn needless_escape(&self) -> Refusal {
        self.refused(
            "characters as themselves",
            "an escape that is not needed",
            "write the canonical form of RFC 8785",
        )
    }

    fn refused_char(&self, c: char) -> Refusal {
        self.refused(
            "visible characters",
            format_args!("the control or direction character U+{:04X}", u32::from(c)),
            "remove it from the text",
        )
    }

    fn too_long(&self) -> Refusal {
        refuse(
            RuleId::TOO_LARGE,
            self.pointer(),
            format_args!("texts of at most {} bytes", self.limits.string_bytes_max),
            "a longer one",
            "shorten it, or log it as a document by its hash",
        )
    }

    fn refused(
        &self,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
        fix: impl std::fmt::Display,
    ) -> Refusal {
        refuse(RuleId::NOT_CANONICAL, self.pointer(), expected, got, fix)
    }

    /// Where the value being read lies.
    fn pointer(&self) -> String {
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

fn first_refused(text: &str) -> Option<char> {
    if text.is_ascii() {
        return text.bytes().find(|b| *b < 0x20 || *b == 0x7f).map(char::from);
    }
    text.chars().find(|c| is_refused_char(*c))
}

/// Whether a text may name a member: `[A-Za-z][A-Za-z0-9_]{0,63}`.
pub(crate) fn is_member_name(name: &str) -> bool {
    name.len() <= MEMBER_NAME_BYTES_MAX
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
