//! What a witness signs: the time and the whole text of the checkpoint.
//!
//! Spec: c2sp.org/tlog-cosignature §Format, `cosignature/v1`.

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
    let (seconds, signature) = bytes.split_first_chunk()?;
    let at = UnixSeconds::new(u64::from_be_bytes(*seconds));
    // SPEC tlog-cosignature: timestamps fit a signed 64-bit number.
    if at.get() > COSIGNATURE_SECONDS_MAX {
        return None;
    }
    Some((at, signature.try_into().ok()?))
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
