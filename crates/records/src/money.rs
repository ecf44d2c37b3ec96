//! Amounts of money: decimal strings, never numbers.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod currency;

use std::fmt;

pub use currency::minor_units;

use crate::json::Value;
use crate::limits::MONEY_INTEGER_DIGITS_MAX;
use crate::refusal::{At, Refusal, RuleId, shown_amount};

/// An amount in a currency, in the one form the log accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    value: String,
    currency: &'static str,
    minor_units: u32,
}

impl Money {
    /// Reads an amount such as `-3605.68` in a currency such as `GBP`.
    ///
    /// # Errors
    /// `E06` for an exponent, a plus sign, leading zeros, negative zero, a bare or trailing point,
    /// separators, more decimals than the currency has, and unknown currencies.
    pub fn parse(text: &str, currency: &str) -> Result<Self, Refusal> {
        Self::parse_at(text, currency, &At::Root)
    }

    /// Reads `{"currency", "value"}`.
    pub(crate) fn from_value(value: &Value, at: &At<'_>) -> Result<Self, Refusal> {
        let refused = |at: &At<'_>, got: &str| {
            at.refuse(
                RuleId::MONEY,
                "an object of exactly currency and value, both texts",
                got,
                "write {\"currency\":\"GBP\",\"value\":\"12.30\"}",
            )
        };
        let Value::Map(members) = value else { return Err(refused(at, value.kind())) };
        if let Some(other) =
            members.keys().find(|name| !matches!(name.as_str(), "currency" | "value"))
        {
            return Err(refused(&at.member(other), "another member"));
        }
        let text = |name| match members.get(name) {
            Some(Value::Text(text)) => Ok(text),
            Some(other) => Err(refused(&at.member(name), other.kind())),
            None => Err(refused(&at.member(name), "nothing")),
        };
        Self::parse_at(text("value")?, text("currency")?, at)
    }

    fn parse_at(text: &str, currency: &str, at: &At<'_>) -> Result<Self, Refusal> {
        let Some((currency, minor_units)) = currency::find(currency) else {
            return Err(at.member("currency").refuse(
                RuleId::MONEY,
                "a currency of ISO 4217 that has minor units, in capitals",
                format_args!("a text of {} bytes that is none", currency.len()),
                "use the three-letter code, e.g. GBP",
            ));
        };
        check_form(text, minor_units).map_err(|(expected, fix)| {
            let got = shown_amount(text);
            at.member("value").refuse(RuleId::MONEY, expected.replace("CUR", currency), got, fix)
        })?;
        Ok(Self { value: text.to_owned(), currency, minor_units })
    }

    /// The decimal text as submitted.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The ISO 4217 code.
    pub const fn currency(&self) -> &'static str {
        self.currency
    }

    /// The amount counted in the smallest unit of its currency, e.g. pence.
    pub fn in_minor_units(&self) -> i128 {
        let unsigned = self.value.trim_start_matches('-');
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let missing = usize::try_from(self.minor_units).unwrap_or(0).saturating_sub(fraction.len());
        let digits =
            whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', missing));
        // At most 24 + 4 digits by construction: far below i128.
        let sum = digits.fold(0_i128, |sum, digit| {
            sum.saturating_mul(10).saturating_add(i128::from(digit.saturating_sub(b'0')))
        });
        if self.value.starts_with('-') { sum.saturating_neg() } else { sum }
    }

    /// `{"currency", "value"}`.
    pub fn to_value(&self) -> Value {
        Value::map([("currency", self.currency), ("value", self.value.as_str())])
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.value, self.currency)
    }
}

/// What was expected, and the fix.
type Deviation = (String, &'static str);

fn check_form(text: &str, minor_units: u32) -> Result<(), Deviation> {
    let deviation = |expected: &str, fix| Err((expected.to_owned(), fix));
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (unsigned, None),
    };
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || fraction.is_some_and(|part| !is_digits(part)) {
        return deviation(
            "a plain decimal: digits, an optional point with digits, an optional minus",
            "write no plus sign, exponent, separators or spaces",
        );
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return deviation("no leading zeros", "remove them");
    }
    if whole.len() > MONEY_INTEGER_DIGITS_MAX {
        return deviation("at most 24 digits before the point", "check the amount");
    }
    let decimals = fraction.map_or(0, str::len);
    if u32::try_from(decimals).is_ok_and(|decimals| decimals <= minor_units) {
        let is_zero = unsigned.bytes().all(|b| matches!(b, b'0' | b'.'));
        if is_zero && text.starts_with('-') {
            return deviation("zero without a sign", "remove the minus");
        }
        return Ok(());
    }
    Err((
        format!("at most {minor_units} decimals in CUR"),
        "round to the currency's minor unit at the source, and say so in source.rounded",
    ))
}

/// Rounds a decimal that a binary float left behind: `430.69000000000005` is `430.69`.
///
/// `None` when the text is within the currency's minor units already, when its further digits
/// are no float tail (a true half penny is the submitter's to decide), or when it is no decimal.
pub fn round_float_tail(text: &str, currency: &str) -> Option<String> {
    let (_, minor_units) = currency::find(currency)?;
    let decimals_max = usize::try_from(minor_units).ok()?;
    let is_decimal = text.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'.');
    let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if !is_decimal || decimals <= decimals_max {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    let rounded = format!("{float:.decimals_max$}");
    let rounded = if rounded.bytes().all(|b| matches!(b, b'0' | b'.' | b'-')) {
        rounded.trim_start_matches('-').to_owned()
    } else {
        rounded
    };
    let near: f64 = rounded.parse().ok()?;
    // Sums of a few floats end within some units in the last place of the decimal that was meant.
    let is_tail = float.to_bits().abs_diff(near.to_bits()) <= FLOAT_TAIL_STEPS_MAX;
    (is_tail && Money::parse(&rounded, currency).is_ok()).then_some(rounded)
}

/// How many representable floats may lie between a float tail and the decimal that was meant.
const FLOAT_TAIL_STEPS_MAX: u64 = 64;

#[cfg(test)]
mod tests;
