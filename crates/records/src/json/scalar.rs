//! Literals, numbers and strings: the values without members.

use super::read::{Frame, Reader};
use super::value::{Form, Value, is_refused_char};
use crate::limits::INTEGER_MAX;
use crate::refusal::{Refusal, RuleId, refuse};

impl Reader<'_> {
    pub(super) fn literal(&mut self) -> Result<Value, Refusal> {
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

    pub(super) fn number(&mut self) -> Result<Value, Refusal> {
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
    pub(super) fn string(&mut self) -> Result<String, Refusal> {
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
}

fn first_refused(text: &str) -> Option<char> {
    if text.is_ascii() {
        return text.bytes().find(|b| *b < 0x20 || *b == 0x7f).map(char::from);
    }
    text.chars().find(|c| is_refused_char(*c))
}
