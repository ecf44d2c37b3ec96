//! A publisher's own numbers as parts of objects' ids.

use std::fmt::Write as _;

/// A number as a segment of an object's id. What the grammar does not allow, and the escape
/// itself, becomes `~` and two hexadecimal digits, so that two numbers never become one.
pub fn segment(number: &str) -> String {
    let mut escaped = String::with_capacity(number.len());
    for byte in number.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "~{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    match escaped.as_str() {
        // A path with these segments means another one to every reader of paths.
        "." => "~2E".to_owned(),
        ".." => "~2E~2E".to_owned(),
        _ => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_numbers_become_distinct_segments() {
        let numbers = ["1004\\19", "1004/19", "1004 19", "1004~5C19", "1004-19", ".", "..", "№7"];
        let segments: std::collections::BTreeSet<String> =
            numbers.iter().map(|number| segment(number)).collect();
        assert_eq!(segments.len(), numbers.len());
        for segment in segments {
            assert!(records::name::is_object(&format!("XX-A-B/payment/{segment}")), "{segment}");
        }
    }
}
