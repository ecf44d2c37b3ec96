//! What a file says of itself, against what is in it: counts and sums.

use std::collections::BTreeMap;

use records::{Money, Value};

use super::elements::Elements;
use crate::number::{self, Sum};
use crate::row_error::RowError;

/// What was counted of a part of the message.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) count: u64,
    /// Of the amounts as they stand there, whatever their currencies; nothing if one of them is no
    /// such number.
    sum: Option<Sum>,
}

/// What the message says of that part.
#[derive(Debug)]
pub(super) struct Stated<'a> {
    part: &'a str,
    count: Option<(&'a str, &'a str)>,
    sum: Option<(&'a str, &'a str)>,
}

impl<'a> Stated<'a> {
    /// The count and the sum at these paths below a part.
    pub(super) fn of(elements: &'a Elements, part: &'a str, count: &'a str, sum: &'a str) -> Self {
        let at = |path: &'a str| elements.text(path).map(|text| (path, text));
        Self { part, count: at(count), sum: at(sum) }
    }
}

impl Control {
    pub(super) fn none() -> Self {
        Self { count: 0, sum: Some(Sum::default()) }
    }

    pub(super) fn add(&mut self, amount: Option<&str>) {
        self.count += 1;
        match (&mut self.sum, amount.and_then(Sum::of)) {
            (Some(sum), Some(amount)) => sum.add(amount),
            (sum, _) => *sum = None,
        }
    }

    /// Where the message states another count or sum; what it does not state is not held against it.
    pub(super) fn differences(&self, stated: &Stated<'_>, line: u64) -> Vec<RowError> {
        let mut errors = Vec::new();
        if let Some((path, count)) = stated.count
            && count.parse() != Ok(self.count)
        {
            errors.push(differs(stated.part, path, count, &self.count.to_string(), line));
        }
        if let Some((path, sum)) = stated.sum
            && (self.sum.is_none() || Sum::of(sum) != self.sum)
        {
            let found = self.sum.as_ref().map_or("no such sum".to_owned(), Sum::to_string);
            errors.push(differs(stated.part, path, sum, &found, line));
        }
        errors
    }
}

/// The file says one thing and has another.
pub(super) fn differs(part: &str, path: &str, stated: &str, found: &str, line: u64) -> RowError {
    let message = format!(
        "the file says {stated} and has {found}: something is missing or was changed, so there is \
         no record of the file as a whole"
    );
    let error = RowError::new(line, "control", &format!("{part}/{path}"), message);
    RowError { value: stated.to_owned(), ..error }
}

/// The record of a whole whose parts are not all in.
pub(super) fn waits(missing: u64, count: u64, part: &str) -> RowError {
    let message = format!(
        "the record of the file as a whole waits: {missing} of {count} transactions did not go in; \
         correct the file and run again"
    );
    RowError::new(0, "control", part, message)
}

/// The amount at the first of these paths that has one.
pub(super) fn amount(elements: &Elements, paths: &[&str], line: u64) -> Result<Money, RowError> {
    let path = paths.first().copied().unwrap_or_default();
    let Some((text, currency)) = elements.amount(paths) else {
        return Err(RowError::new(line, "amount", path, "a transaction without an amount"));
    };
    number::money(text, currency).map_err(|refusal| {
        let error = RowError::new(line, refusal.rule.as_str(), path, refusal.message);
        RowError { value: format!("{text} {currency}").trim_end().to_owned(), ..error }
    })
}

/// Sums as a record has them: each currency once, in the order of their codes.
pub(super) fn sums(by_currency: &BTreeMap<&'static str, Sum>) -> Vec<Value> {
    let each = by_currency.iter().map(|(currency, sum)| {
        Value::map([("currency", *currency), ("value", &sum.in_currency(currency))])
    });
    each.collect()
}
