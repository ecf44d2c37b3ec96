//! The permanent name of a log.

use std::fmt;
use std::str::FromStr;

use crate::hash::sha256;
use crate::note::{KeyName, NoteError};

/// The permanent name of a log: 1 to 255 bytes, no white space, no `+`. Also its key name.
///
/// Spec: tlog-checkpoint §Note text; the length is what ML-DSA cosignatures can carry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(KeyName);

impl Origin {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name under which the log signs.
    pub fn key_name(&self) -> KeyName {
        self.0.clone()
    }

    /// SHA-256 of the name in lower-case hexadecimal: how witnesses name a log in a path.
    ///
    /// Spec: c2sp.org/tlog-witness §monitoring.
    pub fn sha256_hex(&self) -> String {
        sha256(&[self.as_str().as_bytes()]).to_hex()
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text.len() > ORIGIN_BYTES_MAX {
            return Err(OriginError);
        }
        text.parse().map(Self).map_err(|_: NoteError| OriginError)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an origin of 1 to 255 bytes without white space and '+'")]
pub struct OriginError;

/// The longest origin, in bytes.
pub const ORIGIN_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "log.example/x";

    #[test]
    fn an_origin_is_hashed_for_paths() {
        let origin: Origin = NAME.parse().unwrap();
        assert_eq!(origin.sha256_hex(), sha256(&[NAME.as_bytes()]).to_hex());
        assert_eq!(origin.key_name().as_str(), NAME);
    }
}
