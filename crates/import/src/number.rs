//! Decimals as JSON and XML write them, in the form that the log takes: from text to text. No
//! amount is ever a float here.

use records::{Money, Refusal};

/// A number as a plain decimal: `+007.50` is `7.50`, `1.2e3` is `1200`. `None` if it is no number.
pub fn plain(number: &str) -> Option<String> {
    if number.len() > NUMBER_BYTES_MAX {
        return None;
    }
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_empty = whole.is_empty() && fraction.is_empty();
    if is_empty || !is_digits(whole) || !is_digits(fraction) || exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let (whole, fraction) = shifted(whole, fraction, exponent);
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let is_zero = whole.bytes().chain(fraction.bytes()).all(|digit| digit == b'0');
    let sign = if mantissa.starts_with('-') && !is_zero { "-" } else { "" };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

/// Moves the point by so many places, to the right if positive.
fn shifted(whole: &str, fraction: &str, places: i32) -> (String, String) {
    let digits = [whole, fraction].concat();
    let distance = usize::try_from(places.unsigned_abs()).unwrap_or(0);
    let point = if places < 0 {
        let missing = distance.saturating_sub(whole.len());
        let digits = ["0".repeat(missing), digits].concat();
        let (whole, fraction) = digits.split_at(whole.len() + missing - distance);
        return (whole.to_owned(), fraction.to_owned());
    } else {
        whole.len() + distance
    };
    let missing = point.saturating_sub(digits.len());
    let digits = [digits, "0".repeat(missing)].concat();
    let (whole, fraction) = digits.split_at(point);
    (whole.to_owned(), fraction.to_owned())
}

/// An amount in a currency: zeros beyond its minor units (`105678.50000`) say nothing and are left
/// out.
///
/// # Errors
/// `E06`, as [`Money::parse`].
pub fn money(number: &str, currency: &str) -> Result<Money, Refusal> {
    let Some(mut decimal) = plain(number) else { return Money::parse(number, currency) };
    let places_max = records::minor_units(currency).unwrap_or(0);
    let places_max = usize::try_from(places_max).unwrap_or(0);
    while let Some((_, fraction)) = decimal.split_once('.') {
        if fraction.len() > places_max && fraction.ends_with('0') || fraction.is_empty() {
            decimal.pop();
        } else {
            break;
        }
    }
    Money::parse(&decimal, currency)
}

/// A sum of plain numbers without a currency, as files control themselves by: exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum(i128);

impl Sum {
    /// A number. `None` if it is none, or has more digits than any such sum.
    pub fn of(number: &str) -> Option<Self> {
        let decimal = plain(number)?;
        let (whole, fraction) = decimal.split_once('.').unwrap_or((&decimal, ""));
        let fraction = fraction.trim_end_matches('0');
        let missing = SUM_PLACES.checked_sub(fraction.len())?;
        let digits = format!("{whole}{fraction}{}", "0".repeat(missing));
        digits.parse().ok().map(Self)
    }

    /// Both together; `None` beyond what a sum can hold.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = SUM_PLACES + 1;
        let digits = format!("{:0width$}", self.0.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() - SUM_PLACES);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

/// An amount in minor units as a decimal.
pub fn decimal(minor: i128, decimals: u32) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let width = usize::try_from(decimals).unwrap_or(0) + 1;
    let digits = format!("{:0width$}", minor.unsigned_abs());
    let (whole, fraction) = digits.split_at(digits.len() - width + 1);
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// The longest number read: far more digits than money has.
const NUMBER_BYTES_MAX: usize = 64;
/// Amounts of 10^40 are of no currency.
const EXPONENT_MAX: i32 = 40;
/// Spec: ISO 20022 `DecimalNumber` has at most 17 digits after the point.
const SUM_PLACES: usize = 17;

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
        let tenth = Sum::of("0.1").unwrap();
        let sum = (0..10).fold(Sum::default(), |sum, _| sum.plus(tenth).unwrap());
        assert_eq!(sum, Sum::of("1.00").unwrap());
        assert_eq!(Sum::of("-2.50").unwrap().to_string(), "-2.5");
        assert_eq!(Sum::of("1234567.005").unwrap().to_string(), "1234567.005");
        assert_eq!(Sum::of("0.000000000000000001"), None);
        let most = Sum(i128::MAX);
        assert_eq!(most.plus(tenth), None);
        assert_eq!(Sum::of(&"9".repeat(30)), None);
    }

    #[test]
    fn sums_are_decimals_of_the_currency() {
        for (minor, decimals, expected) in [
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-123_456, 2, "-1234.56"),
            (7, 0, "7"),
            (-1, 3, "-0.001"),
        ] {
            assert_eq!(decimal(minor, decimals), expected);
        }
    }
}
