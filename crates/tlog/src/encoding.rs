//! Text forms shared by every file format here: base64 with padding, canonical decimal numbers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Base64 with padding, the only alphabet these formats use.
///
/// Spec: RFC 4648 §4.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Strict base64: padding required, spare bits zero, no white space. `None` for anything else, so
/// that every byte string has exactly one text.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A number as it is printed: digits only, no sign, no leading zero.
pub(crate) fn canonical_decimal(text: &str) -> Option<u64> {
    let canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    // `parse` refuses the empty text and numbers that do not fit.
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_one_text_per_byte_string() {
        assert_eq!(from_base64("AA=="), Some(vec![0]));
        for refused in ["AA", "AA=", "AB==", "AA==\n", "A A=", "_w==", "AA==AA=="] {
            assert_eq!(from_base64(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn decimal_has_one_text_per_number() {
        assert_eq!(canonical_decimal("0"), Some(0));
        assert_eq!(canonical_decimal("18446744073709551615"), Some(u64::MAX));
        for refused in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "18446744073709551616", "١"]
        {
            assert_eq!(canonical_decimal(refused), None, "{refused:?}");
        }
    }
}
