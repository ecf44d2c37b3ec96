//! What a witness signs: the time and the whole text of the checkpoint (Ed25519), or the time, the
//! origin, size and root (ML-DSA-44).
//!
//! Spec: c2sp.org/tlog-cosignature §Format, `cosignature/v1` and `subtree/v1`.

use crate::note::KeyName;
use crate::origin::{ORIGIN_BYTES_MAX, Origin};
use crate::position::TreeHead;
use crate::time::UnixSeconds;

/// The message under a type 0x04 signature. It names no witness, so one key must never be used
/// under two names.
pub fn cosigned_message(text: &str, at: UnixSeconds) -> Vec<u8> {
    format!("cosignature/v1\ntime {at}\n{text}").into_bytes()
}

/// The bytes of a type 0x04 signature, after the key id: u64 seconds ‖ Ed25519 signature.
pub(crate) fn encode(at: UnixSeconds, signature: &[u8; 64]) -> Vec<u8> {
    [at.get().to_be_bytes().as_slice(), signature].concat()
}

/// Takes the bytes of a type 0x04 signature apart. `None` when they are not 72 or the time is above
/// [`COSIGNATURE_SECONDS_MAX`].
pub(crate) fn decode(bytes: &[u8]) -> Option<(UnixSeconds, [u8; 64])> {
    let (at, signature) = split_time(bytes)?;
    Some((at, signature.try_into().ok()?))
}

/// The time before a signature of type 0x04 or 0x06, and the signature.
pub(crate) fn split_time(bytes: &[u8]) -> Option<(UnixSeconds, &[u8])> {
    let (seconds, signature) = bytes.split_first_chunk()?;
    let at = UnixSeconds::new(u64::from_be_bytes(*seconds));
    // SPEC tlog-cosignature: timestamps fit a signed 64-bit number.
    (at.get() <= COSIGNATURE_SECONDS_MAX).then_some((at, signature))
}

/// The message under a type 0x06 signature over a whole tree. It names its signer, unlike
/// `cosignature/v1`, and covers no extension lines.
///
/// `name` and `origin` are at most 255 bytes: one byte holds the length of each.
pub(crate) fn subtree_message(
    name: &KeyName,
    at: UnixSeconds,
    origin: &Origin,
    head: &TreeHead,
) -> Vec<u8> {
    let mut message = b"subtree/v1\n\0".to_vec();
    push_short(&mut message, name.as_str());
    message.extend(at.get().to_be_bytes());
    push_short(&mut message, origin.as_str());
    message.extend(0_u64.to_be_bytes());
    message.extend(head.size.get().to_be_bytes());
    message.extend(head.root.as_bytes());
    message
}

fn push_short(message: &mut Vec<u8>, text: &str) {
    // What is longer was refused before it came here, and would verify nowhere.
    message.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    message.extend(text.as_bytes());
}

/// Whether a signer of type 0x06 can have this name.
pub(crate) fn is_signable_name(name: &KeyName) -> bool {
    name.as_str().len() <= ORIGIN_BYTES_MAX
}

/// The latest time a cosignature may state: 2^63 - 1 seconds.
pub const COSIGNATURE_SECONDS_MAX: u64 = u64::MAX >> 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_beyond_63_bits_is_refused() {
        let latest = UnixSeconds::new(COSIGNATURE_SECONDS_MAX);
        assert_eq!(decode(&encode(latest, &[7; 64])), Some((latest, [7; 64])));
        let beyond = UnixSeconds::new(COSIGNATURE_SECONDS_MAX + 1);
        assert_eq!(decode(&encode(beyond, &[7; 64])), None);
    }

    #[test]
    fn other_lengths_are_refused() {
        for length in (0..200).filter(|length| *length != 72) {
            assert_eq!(decode(&vec![0; length]), None, "{length}");
        }
    }
}
