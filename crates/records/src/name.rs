//! The grammar of names: objects, submitters, parties, codes. ASCII only, so no look-alikes.
//!
//! Each function answers whether a text has the form; what to say about it is the caller's part.

use crate::hex;
use crate::jwk::Kid;
use crate::limits::{
    CODE_BYTES_MAX, NATIVE_ID_BYTES_MAX, OBJECT_BYTES_MAX, ORIGIN_BYTES_MAX, PARTY_ID_BYTES_MAX,
};

/// The submitter and first object segment of the log's own records.
pub const LOG_SUBMITTER: &str = "log";

/// A submitter or a body: `[A-Z]{2,3}-[A-Z0-9]+-[A-Z0-9.]+`, at most 100 bytes.
pub fn is_body(text: &str) -> bool {
    is_org_id(text, |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'.')
}

/// What a submitter that is one key and nothing else begins with.
pub const ONE_TIME_PREFIX: &str = "key:";

/// A submitter: a body, `log`, or `key:` and the thumbprint of a one-time key.
pub fn is_submitter(text: &str) -> bool {
    text == LOG_SUBMITTER || is_body(text) || one_time_key(text).is_some()
}

/// The key of a submitter that is a one-time key.
pub fn one_time_key(submitter: &str) -> Option<Kid> {
    submitter.strip_prefix(ONE_TIME_PREFIX).and_then(Kid::parse)
}

/// A party: as a body, with lower case, `_`, `~`, `/` and `-` allowed in its last part.
pub fn is_party_id(text: &str) -> bool {
    is_org_id(text, |b| b.is_ascii_alphanumeric() || b"._~/-".contains(&b))
}

/// Whether a party identifier is of a scheme that names natural persons and thus must be sealed.
///
/// Spec: OCDS 1.1 guidance on personal identifiers.
pub fn is_personal_id(text: &str) -> bool {
    text.split('-').nth(1).is_some_and(|scheme| {
        ["PASSPORT", "TAXID", "IDCARD"].iter().any(|personal| scheme.eq_ignore_ascii_case(personal))
    })
}

fn is_org_id(text: &str, is_local: impl Fn(u8) -> bool) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(country), Some(list), Some(local)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    text.len() <= PARTY_ID_BYTES_MAX
        && (2..=3).contains(&country.len())
        && country.bytes().all(|b| b.is_ascii_uppercase())
        && !list.is_empty()
        && list.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && !local.is_empty()
        && local.bytes().all(is_local)
}

/// An object: at most 200 bytes, segments `[A-Za-z0-9._~-]+` joined by `/`, never `.` or `..`,
/// at least two of them: the body and the thing.
pub fn is_object(text: &str) -> bool {
    text.len() <= OBJECT_BYTES_MAX && text.contains('/') && text.split('/').all(is_segment)
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty()
        && segment != "."
        && segment != ".."
        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b))
}

/// The body an object belongs to: its first segment.
pub fn body_of(object: &str) -> &str {
    object.split('/').next().unwrap_or_default()
}

/// An origin: 1 to 255 bytes of visible ASCII without `+`.
pub fn is_origin(text: &str) -> bool {
    (1..=ORIGIN_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() && b != b'+')
}

/// A profile: `name/version`, e.g. `spending/1`.
pub fn is_profile(text: &str) -> bool {
    let Some((name, version)) = text.split_once('/') else { return false };
    is_kind(name)
        && (1..=4).contains(&version.len())
        && version.bytes().all(|b| b.is_ascii_digit())
        && !version.starts_with('0')
}

/// A kind: lower-case words joined by dots, e.g. `submitter.add`.
pub fn is_kind(text: &str) -> bool {
    text.len() <= CODE_BYTES_MAX
        && text.split('.').all(|word| {
            word.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// A code of a classification: `[A-Za-z0-9][A-Za-z0-9._-]*`, at most 64 bytes.
pub fn is_code(text: &str) -> bool {
    text.len() <= CODE_BYTES_MAX
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// An identifier of the submitter's own system: visible ASCII of a small alphabet, no spaces, at most 100 bytes.
pub fn is_native_id(text: &str) -> bool {
    text.len() <= NATIVE_ID_BYTES_MAX
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~:/#+-".contains(&b))
}

/// A name of a role or of a code list: lower-case words, `-` between them.
pub fn is_word(text: &str) -> bool {
    is_kind(text) && !text.contains('.')
}

/// An open contracting process: a registered prefix `ocds-` with six letters or digits, then an internal id.
///
/// Spec: OCDS 1.1, identifiers.
pub fn is_ocid(text: &str) -> bool {
    let Some((prefix, local)) = text.strip_prefix("ocds-").and_then(|rest| rest.split_once('-'))
    else {
        return false;
    };
    prefix.len() == 6
        && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && is_native_id(local)
}

/// A media type, lower case, without parameters.
pub fn is_media_type(text: &str) -> bool {
    let is_part = |part: &str| {
        (1..=127).contains(&part.len())
            && part.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&^_.+-".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_part(kind) && is_part(subtype))
}

/// A SHA-256 as `sha256sum` prints it: 64 lower-case hexadecimal digits.
pub fn is_sha256_hex(text: &str) -> bool {
    hex::decode_32(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_objects_of_the_grammar_only() {
        for good in ["GB-LAE-DEV/payment/CFADDAY36539932", "a/b", "log/key/_-~.x", "a/.../b"] {
            assert!(is_object(good), "{good}");
        }
        let long = format!("a/{}", "b".repeat(199));
        for bad in [
            "",
            "a",
            "/a",
            "a/",
            "a//b",
            "a/./b",
            "a/../b",
            "../a",
            "a/..",
            "a b/c",
            "a/b\u{0430}",
            "а/b",
            "a/%2e%2e",
            "a\\b/c",
            "a/b?c",
            "a/ﬁ",
            "a/e\u{301}",
            "a/\u{2024}\u{2024}",
            &long,
        ] {
            assert!(!is_object(bad), "{bad}");
        }
    }

    #[test]
    fn accepts_bodies_of_the_grammar_only() {
        for good in ["GB-LAE-DEV", "XI-LOCAL-89507", "UA-EDR-00.1", "US-SAM-A"] {
            assert!(is_body(good) && is_submitter(good) && is_party_id(good), "{good}");
        }
        for bad in [
            "",
            "log",
            "GB-LAE",
            "gb-LAE-DEV",
            "G-LAE-D",
            "GBRX-LAE-D",
            "GB-LAE-d",
            "GB-LAE-",
            "GB--D",
            "GB-LAE-D/E",
            "GB-LAE-DЕV",
            "GB-LAE-A-B",
        ] {
            assert!(!is_body(bad), "{bad}");
        }
        assert!(is_submitter("log") && !is_submitter("LOG"));
        assert!(is_party_id("GB-VAT-a/b~c-d") && !is_party_id("GB-VAT-Jane Roe"));
    }

    #[test]
    fn person_schemes_are_recognised() {
        assert!(is_personal_id("GBR-PASSPORT-1") && is_personal_id("UA-TAXID-1"));
        assert!(!is_personal_id("GB-COH-PASSPORT"));
    }

    #[test]
    fn codes_hold_no_spaces_and_no_free_text() {
        assert!(is_code("07.1") && is_code("B") && is_code("a_b-c"));
        for bad in ["", " ", "a b", "-a", "ä", "a/b", &"x".repeat(65)] {
            assert!(!is_code(bad), "{bad}");
        }
        assert!(is_native_id("CFADDAY36539932") && !is_native_id("a b") && !is_native_id(""));
        assert!(is_profile("spending/1") && !is_profile("spending/01") && !is_profile("spending"));
        assert!(is_kind("submitter.add") && !is_kind("Submitter") && !is_kind("a..b"));
        assert!(is_media_type("application/pdf") && !is_media_type("application/PDF; q=1"));
        assert!(is_origin("log.example/spending-2026") && !is_origin("a+b") && !is_origin("a b"));
    }
}
