//! What was posted is what is stored: the bytes of a record and its signatures are hashed as they
//! arrive, and looked for in the entry after its leaf was hashed.
//!
//! A signature is verified on one copy of a record, and the entry is written from another. A bit
//! that flips in memory between the two would be hashed, stored and signed like any other. Form and
//! order of posting and entry make it simple to see:
//!
//! ```text
//! posted  {"disclosures":[…],"record":{…},"signatures":[…]}
//!                            └───────── hashed ─────────┘
//! entry   {"admitted":…,"flags":[…],"record":{…},"signatures":[…],"v":1}
//! ```

use sha2::{Digest as _, Sha256};

/// The hash of a record with its signatures, as they were posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    len: usize,
    digest: [u8; 32],
}

impl Posted {
    /// Takes the hash of a submission's bytes, before anything reads them; `None` when they hold no
    /// record, which their parser says better.
    pub fn of(submission: &[u8]) -> Option<Self> {
        // Disclosures may come before it, and they are base64url: this cannot be within one.
        let start = submission.windows(RECORD.len()).position(|it| it == RECORD)?;
        let end = submission.len().checked_sub(SUBMISSION_END.len())?;
        let part = submission.get(start..end)?;
        Some(Self { len: part.len(), digest: Sha256::digest(part).into() })
    }

    /// Whether an entry holds exactly what was posted.
    pub fn stands_in(&self, entry: &[u8]) -> bool {
        let end = entry.len().checked_sub(ENTRY_END.len());
        let start = end.and_then(|end| end.checked_sub(self.len));
        let (Some(start), Some(end)) = (start, end) else {
            return false;
        };
        entry.ends_with(ENTRY_END) && Sha256::digest(&entry[start..end]).as_slice() == self.digest
    }
}

const RECORD: &[u8] = br#""record":"#;
const SUBMISSION_END: &[u8] = b"}";
const ENTRY_END: &[u8] = br#","v":1}"#;

#[cfg(test)]
mod tests {
    use super::*;

    const SUBMISSION: &[u8] = br#"{"disclosures":["WyJz"],"record":{"v":1},"signatures":["a..b"]}"#;
    const ENTRY: &[u8] =
        br#"{"admitted":"x","flags":[],"record":{"v":1},"signatures":["a..b"],"v":1}"#;

    #[test]
    fn an_entry_holds_what_was_posted_or_something_else() {
        let posted = Posted::of(SUBMISSION).expect("a record");
        assert!(posted.stands_in(ENTRY));
        assert!(!posted.stands_in(b""));
        assert!(!posted.stands_in(&ENTRY[1..ENTRY.len() - 1]));
        assert_eq!(Posted::of(b"{}"), None);
        assert_eq!(Posted::of(b""), None);
        // As short as it can be: nothing behind the name.
        assert!(Posted::of(br#""record":"#).is_some_and(|it| !it.stands_in(ENTRY)));
    }

    #[test]
    fn no_bit_of_the_record_or_its_signatures_can_change_unnoticed() {
        let posted = Posted::of(SUBMISSION).expect("a record");
        let covered = ENTRY.windows(RECORD.len()).position(|it| it == RECORD).expect("a record");
        for bit in covered * 8..ENTRY.len() * 8 {
            let mut entry = ENTRY.to_vec();
            entry[bit / 8] ^= 1 << (bit % 8);
            assert!(!posted.stands_in(&entry), "bit {bit}");
        }
    }
}
