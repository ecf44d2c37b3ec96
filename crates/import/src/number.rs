//! Decimals as JSON and XML write them, in the form that the log takes. No amount is ever a float
//! here, and none is rounded: what does not fit a currency is left for the log's rule to refuse.

use std::fmt;

use bigdecimal::BigDecimal;
use records::{Money, Refusal};

/// A number as a plain decimal: `+007.50` is `7.50`, `1.2e3` is `1200`. `None` if it is no number.
pub(crate) fn plain(number: &str) -> Option<String> {
    parse(number).map(|number| number.to_plain_string())
}

/// An amount in a currency: zeros beyond its minor units (`105678.50000`) say nothing and are left
/// out.
///
/// # Errors
/// `E06`, as [`Money::parse`].
pub(crate) fn money(number: &str, currency: &str) -> Result<Money, Refusal> {
    let Some(decimal) = parse(number) else { return Money::parse(number, currency) };
    let places_max = minor_units(currency);
    let cut = decimal.with_scale(places_max);
    // Cutting takes digits away too, so the shorter form stands only where it is the same number.
    let is_longer = decimal.fractional_digit_count() > places_max;
    let decimal = if is_longer && cut == decimal { cut } else { decimal };
    Money::parse(&decimal.to_plain_string(), currency)
}

/// An exact sum, of any length: it neither wraps nor rounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum(BigDecimal);

impl Sum {
    /// A number without a currency, as files control themselves by. `None` if it is none, or has
    /// more digits than any sum of a message.
    pub(crate) fn of(number: &str) -> Option<Self> {
        let number = parse(number)?.normalized();
        let places = number.fractional_digit_count();
        let digits = i64::try_from(number.digits()).unwrap_or(i64::MAX);
        let is_short = places <= SUM_PLACES && digits.saturating_sub(places) <= SUM_WHOLE_DIGITS;
        is_short.then_some(Self(number))
    }

    /// An amount, in whatever currency.
    pub fn of_money(money: &Money) -> Self {
        Self(BigDecimal::new(money.in_minor_units().into(), minor_units(money.currency())))
    }

    /// Adds another to it.
    pub fn add(&mut self, other: Self) {
        self.0 += other.0;
    }

    /// As amounts of this currency are written, with all its minor units. Nothing is cut off if all
    /// that was added is of this currency.
    pub fn in_currency(&self, currency: &str) -> String {
        self.0.with_scale(minor_units(currency)).to_plain_string()
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shortest = self.0.normalized();
        let places = shortest.fractional_digit_count().max(0);
        f.write_str(&shortest.with_scale(places).to_plain_string())
    }
}

/// A number with as many places as it was written with.
fn parse(number: &str) -> Option<BigDecimal> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    // The library takes underscores, and a sign behind the point.
    let is_plain = unsigned.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let exponent: i32 = exponent.parse().ok()?;
    if number.len() > NUMBER_BYTES_MAX || !is_plain || exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let decimal: BigDecimal = number.parse().ok()?;
    // Behind an exponent there may be fewer than no places.
    Some(if decimal.fractional_digit_count() < 0 { decimal.with_scale(0) } else { decimal })
}

fn minor_units(currency: &str) -> i64 {
    records::minor_units(currency).unwrap_or(0).into()
}

/// The longest number read: far more digits than money has.
const NUMBER_BYTES_MAX: usize = 64;
/// Amounts of 10^40 are of no currency.
const EXPONENT_MAX: i32 = 40;
/// Spec: ISO 20022 `DecimalNumber` has at most 17 digits after the point.
const SUM_PLACES: i64 = 17;
/// Before the point it has at most 18; sums that a bank computed may have a few more.
const SUM_WHOLE_DIGITS: i64 = 21;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_plain_decimals_without_losing_a_digit() {
        for (number, expected) in [
            ("120000", Some("120000")),
            ("123456789012345678.90", Some("123456789012345678.90")),
            ("430.69000000000005", Some("430.69000000000005")),
            ("+007.50", Some("7.50")),
            ("-.5", Some("-0.5")),
            ("5.", Some("5")),
            ("-0.00", Some("0.00")),
            ("1.25e3", Some("1250")),
            ("1.25E1", Some("12.5")),
            ("125e-1", Some("12.5")),
            ("-1e-2", Some("-0.01")),
            ("0e40", Some("0")),
            ("1e41", None),
            ("1e", None),
            ("", None),
            (".", None),
            ("-", None),
            ("1,5", None),
            ("--1", None),
            ("NaN", None),
            ("0x10", None),
            (&"1".repeat(65), None),
        ] {
            assert_eq!(plain(number).as_deref(), expected, "{number}");
        }
    }

    #[test]
    fn zeros_beyond_the_minor_units_say_nothing_and_other_digits_do() {
        for (number, currency, expected) in [
            ("105678.50000", "SEK", Some("105678.50")),
            ("500000", "SEK", Some("500000")),
            ("7.000", "JPY", Some("7")),
            ("1.250", "KWD", Some("1.250")),
            ("1.005", "EUR", None),
            ("7.5", "JPY", None),
            ("one", "EUR", None),
            ("1", "EURO", None),
        ] {
            let money = money(number, currency).ok();
            assert_eq!(money.as_ref().map(Money::value), expected, "{number} {currency}");
        }
    }

    #[test]
    fn sums_are_exact_and_never_wrap() {
        let sum_of = |numbers: &[&str]| {
            let mut sum = Sum::default();
            for number in numbers {
                sum.add(Sum::of(number).unwrap());
            }
            sum
        };
        assert_eq!(sum_of(&["0.1"; 10]), Sum::of("1.00").unwrap());
        assert_eq!(Sum::of("-2.50").unwrap().to_string(), "-2.5");
        assert_eq!(Sum::of("1234567.005").unwrap().to_string(), "1234567.005");
        assert_eq!(Sum::of("1200").unwrap().to_string(), "1200");
        assert_eq!(Sum::of("0.000000000000000001"), None);
        assert_eq!(Sum::of(&"9".repeat(30)), None);
        let most = "9".repeat(21);
        let twice = format!("1{}8.1", "9".repeat(20));
        assert_eq!(sum_of(&[&most, &most, "0.1"]).to_string(), twice);
    }

    #[test]
    fn sums_are_decimals_of_the_currency() {
        for (amounts, currency, expected) in [
            (&[][..], "EUR", "0.00"),
            (&["0.05"], "EUR", "0.05"),
            (&["-1234.06", "-0.5"], "EUR", "-1234.56"),
            (&["7"], "JPY", "7"),
            (&["-0.001"], "KWD", "-0.001"),
            (&["5", "-5"], "GBP", "0.00"),
        ] {
            let mut sum = Sum::default();
            for amount in amounts {
                sum.add(Sum::of_money(&Money::parse(amount, currency).unwrap()));
            }
            assert_eq!(sum.in_currency(currency), expected);
        }
    }

    #[test]
    fn what_only_the_library_takes_is_no_number() {
        for number in ["1_000", ".-5", "1.-5", "1e4_0", "+-5", "-+5", "1..5", "inf"] {
            assert_eq!(plain(number), None, "{number}");
        }
    }
}
