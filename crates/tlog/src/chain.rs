//! The chain that a proof hangs on, link by link, and the link that fails.
//!
//! ```text
//! entry ─inclusion─► tree head ─in─► checkpoint ─signed by─► log key ─and cosigned by─► quorum
//! ```

use crate::checkpoint::CheckpointError;
use crate::key::SignatureError;
use crate::merkle::ProofError;
use crate::origin::Origin;

/// The first link that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Neither the caller nor the proof has the entry.
    #[error("no entry to check: the proof holds none and none was given")]
    NoEntry,
    /// What the log signed is not a checkpoint.
    #[error("the signed note holds no checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// No key of this log is trusted, or none of them signed.
    #[error("no key that the policy names for {origin} signed the checkpoint")]
    NoLogSignature {
        /// The log that the checkpoint says it is of.
        origin: Origin,
    },
    /// A line of a trusted log key does not verify.
    #[error("a log signature on the checkpoint is wrong")]
    LogSignature(#[source] SignatureError),
    /// Too few of the policy's witnesses cosigned.
    #[error("too few witnesses: expected cosignatures by {need}, got [{}]", have.join(", "))]
    Quorum {
        /// The witnesses whose cosignature verified.
        have: Vec<String>,
        /// What the policy asks for, in words.
        need: String,
    },
    /// The entry is not where the proof says, or not this entry.
    #[error("the entry is not in this tree")]
    Inclusion(#[source] ProofError),
}
