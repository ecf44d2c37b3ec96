//! base64url without padding, strict: one text for each byte string.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Spec: RFC 4648 §5, unpadded.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `None` for padding, white space, other alphabets and spare bits that are not zero.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Exactly 32 bytes.
pub(crate) fn decode_32(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut out).ok()?;
    (len == out.len()).then_some(out)
}

/// Exactly 32 bytes of padded standard base64, as checkpoints write a root.
pub(crate) fn decode_standard_32(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// Padded standard base64 of any length, as verifier keys write their material.
pub(crate) fn decode_standard(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
