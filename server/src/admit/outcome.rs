//! What becomes of a submission: committed, refused, or not judged at all.

use records::{CheckedSubmission, RecordHash, SignatureCheck};
use tlog::{Hash, LeafIndex};

use crate::admit::clock_rule::ClockError;

/// What became of a submission.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is in the store, durably.
    Committed(Receipt),
    /// It was judged and may not enter the log.
    Refused {
        /// The rule, the place and the words.
        refusal: records::Refusal,
        /// The stored entry that it contradicts, when it names an object and revision that exist.
        conflicts_with: Option<LeafIndex>,
        /// What may be signed: there if the record's own signatures verified before it was judged.
        signable: Option<Signable>,
    },
    /// It was not judged: nothing is known about the record itself.
    NotJudged(NotJudged),
}

/// Why a submission was not judged. The client may send the same bytes again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJudged {
    /// The log does not take records now.
    #[error("the log does not take records at present")]
    Closed,
    /// A commit failed in a way that leaves its outcome unknown until the restart.
    #[error(
        "the outcome of the commit is unknown until the log was restarted; send the same bytes \
         again then"
    )]
    OutcomeUnknown,
    #[error(
        "the log's disk is almost full; it takes records again once its operator has made room"
    )]
    DiskAlmostFull,
    /// The machine's clock cannot be believed.
    #[error(transparent)]
    Clock(#[from] ClockError),
}

/// A record that was refused in its order, after all its own signatures verified. Only the sequencer
/// makes one, so nothing else can be signed.
#[derive(Clone, Debug)]
pub struct Signable {
    record: RecordHash,
    size: LeafIndex,
}

impl Signable {
    /// Of a record that was judged as the entry at `size`, if its signatures verified.
    pub(crate) fn of(checked: &CheckedSubmission, size: LeafIndex) -> Option<Self> {
        let is_verified = |it: &SignatureCheck| *it == SignatureCheck::Verified;
        let record = checked.record().hash();
        checked.checks().iter().all(is_verified).then_some(Self { record, size })
    }

    /// The record's hash.
    pub fn record(&self) -> RecordHash {
        self.record
    }

    pub fn size(&self) -> LeafIndex {
        self.size
    }
}

/// Where a committed record stands. Only the sequencer makes one, after the commit:
///
/// ```compile_fail
/// fn answer_at_once(index: tlog::LeafIndex, leaf_hash: tlog::Hash) -> civiclog_server::admit::outcome::Receipt {
///     civiclog_server::admit::outcome::Receipt { index, leaf_hash, is_duplicate: false }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    index: LeafIndex,
    leaf_hash: Hash,
    is_duplicate: bool,
}

impl Receipt {
    /// A receipt for an entry that the store holds durably.
    pub(crate) fn durable(
        committed: &store::Committed,
        index: LeafIndex,
        leaf_hash: Hash,
        is_duplicate: bool,
    ) -> Self {
        assert!(index.is_within(committed.head().size), "a receipt is for a committed entry");
        Self { index, leaf_hash, is_duplicate }
    }

    /// The entry's index.
    pub fn index(&self) -> LeafIndex {
        self.index
    }

    /// The hash of the entry as a leaf.
    pub fn leaf_hash(&self) -> Hash {
        self.leaf_hash
    }

    /// Whether the record was in the log already.
    pub fn is_duplicate(&self) -> bool {
        self.is_duplicate
    }
}
