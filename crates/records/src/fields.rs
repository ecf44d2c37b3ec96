//! Taking members out of an object, each with its own refusal.

use std::collections::BTreeMap;

use crate::json::Value;
use crate::refusal::{At, Refusal, RuleId, shown};

/// An object being taken apart; what is left over at the end is refused.
pub(crate) struct Members<'a> {
    rest: BTreeMap<String, Value>,
    at: At<'a>,
    rule: RuleId,
}

impl<'a> Members<'a> {
    /// Starts with an object; anything else is refused by `rule`.
    pub(crate) fn of(value: Value, at: At<'a>, rule: RuleId) -> Result<Self, Refusal> {
        match value {
            Value::Map(members) => Ok(Self { rest: members, at, rule }),
            other => Err(at.refuse(rule, "an object", other.kind(), "see the record's grammar")),
        }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.rest.remove(name)
    }

    pub(crate) fn required(&mut self, name: &str) -> Result<Value, Refusal> {
        self.take(name).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<String, Refusal> {
        self.optional_text(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn optional_text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a text", other.kind(), "write it in quotes")),
        }
    }

    /// A text of a certain form, described by `expected`. The text itself is never repeated.
    pub(crate) fn text_of(
        &mut self,
        name: &str,
        expected: &str,
        is_form: impl Fn(&str) -> bool,
    ) -> Result<String, Refusal> {
        self.optional_text_of(name, expected, is_form)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn optional_text_of(
        &mut self,
        name: &str,
        expected: &str,
        is_form: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, Refusal> {
        match self.optional_text(name)? {
            Some(text) if !is_form(&text) => {
                Err(self.wrong(name, expected, &shown(&text), "correct the value"))
            }
            other => Ok(other),
        }
    }

    /// An integer from `min` on.
    pub(crate) fn optional_int(&mut self, name: &str, min: i64) -> Result<Option<i64>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Int(number)) if number >= min => Ok(Some(number)),
            Some(Value::Int(number)) => {
                let expected = format!("an integer of at least {min}");
                Err(self.wrong(name, &expected, &number.to_string(), "correct the value"))
            }
            Some(other) => {
                Err(self.wrong(name, "an integer", other.kind(), "write it without quotes"))
            }
        }
    }

    pub(crate) fn u32(&mut self, name: &str) -> Result<Option<u32>, Refusal> {
        match self.optional_int(name, 0)? {
            None => Ok(None),
            Some(number) => u32::try_from(number).map(Some).map_err(|_| {
                self.wrong(name, "an integer below 2^32", "a larger one", "correct it")
            }),
        }
    }

    /// `true`, or false when it is not there; `false` is never written.
    pub(crate) fn truth(&mut self, name: &str) -> Result<bool, Refusal> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(_) => Err(self.wrong(name, "true or nothing", "another value", "leave it out")),
        }
    }

    pub(crate) fn optional_list(&mut self, name: &str) -> Result<Vec<Value>, Refusal> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::List(items)) => Ok(items),
            Some(other) => Err(self.wrong(name, "a list", other.kind(), "write it in brackets")),
        }
    }

    /// As [`Members::texts_of`], or no texts when the member is not there.
    pub(crate) fn optional_texts_of(
        &mut self,
        name: &str,
        expected: &str,
        is_form: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, Refusal> {
        if self.rest.contains_key(name) {
            return self.texts_of(name, expected, is_form);
        }
        Ok(Vec::new())
    }

    /// A list of one or more texts of a form, all different.
    pub(crate) fn texts_of(
        &mut self,
        name: &str,
        expected: &str,
        is_form: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, Refusal> {
        let items = self.optional_list(name)?;
        if items.is_empty() {
            return Err(self.missing(name));
        }
        let list = self.at.member(name);
        let mut texts: Vec<String> = Vec::with_capacity(items.len());
        for (position, item) in items.into_iter().enumerate() {
            let here = list.item(position);
            match item {
                Value::Text(text) if texts.contains(&text) => {
                    return Err(here.refuse(self.rule, "each once", "it again", "remove one"));
                }
                Value::Text(text) if is_form(&text) => texts.push(text),
                Value::Text(text) => {
                    let got = shown(&text);
                    return Err(here.refuse(self.rule, expected, got, "correct the value"));
                }
                other => {
                    return Err(here.refuse(self.rule, expected, other.kind(), "write a text"));
                }
            }
        }
        Ok(texts)
    }

    /// Refuses what was not taken.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        match self.rest.keys().next() {
            None => Ok(()),
            Some(name) => Err(self.at.member(name).refuse(
                self.rule,
                "only the members this record knows",
                "an unknown one",
                "remove it; text goes into a sealed field",
            )),
        }
    }

    pub(crate) fn missing(&self, name: &str) -> Refusal {
        self.at.member(name).refuse(
            self.rule,
            format_args!("the member {name}"),
            "nothing",
            "add it",
        )
    }

    pub(crate) fn wrong(&self, name: &str, expected: &str, got: &str, fix: &str) -> Refusal {
        self.at.member(name).refuse(self.rule, expected, got, fix)
    }
}
