//! What can be wrong with a policy file.

use crate::key::KeyError;

/// Why a policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Longer than [`POLICY_BYTES_MAX`].
    #[error("expected a policy of at most {POLICY_BYTES_MAX} bytes, got {got}")]
    TooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// A line that is wrong.
    #[error("policy line {line}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: PolicyLineError,
    },
    /// The file ends without saying what the quorum is.
    #[error("expected a quorum line")]
    NoQuorumLine,
    /// `quorum none`: the log alone would decide what everybody sees.
    #[error("the policy asks for no witness")]
    NoQuorum,
    /// Two quorums share no witness, so a split view needs no lie.
    #[error("two quorums of the policy need not share a witness")]
    DisjointQuorums,
}

/// What is wrong with a line of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyLineError {
    /// A control character other than tab.
    #[error("expected no control characters, carriage returns included")]
    ControlByte,
    /// An unknown first word.
    #[error("expected a line that starts with log, witness, group, quorum or #")]
    Keyword,
    /// Too few or too many words.
    #[error(
        "expected 'log <key> [url]', 'witness <name> <key> [url]', 'group <name> all|any|<k> <member>...' or 'quorum <name>|none'"
    )]
    Words,
    /// Not a verifier key.
    #[error("not a verifier key")]
    Key(#[from] KeyError),
    /// A witness key on a log line, or the other way round.
    #[error("expected a log key on a log line and a cosignature key on a witness line")]
    Role,
    /// Not a URL of HTTP.
    #[error("expected a URL that starts with https:// or http://")]
    Url,
    /// A key that is already in the policy.
    #[error("this public key is already in the policy")]
    KeyTwice,
    /// A name that is already defined, or reserved.
    #[error("this name is already defined or reserved")]
    NameTwice,
    /// A member that is already in a group.
    #[error("a witness or group is a member of at most one group, once")]
    MemberTwice,
    /// A name that no line above defines.
    #[error("expected the name of a witness or group defined above")]
    Undefined,
    /// Not `all`, `any` or a number of members.
    #[error("expected all, any, or a number from 1 to the number of members")]
    Threshold,
    /// A second quorum line.
    #[error("expected one quorum line, not two")]
    QuorumTwice,
    /// More than [`POLICY_ENTRIES_MAX`] of a kind.
    #[error("expected at most {POLICY_ENTRIES_MAX} of a kind")]
    TooMany,
}

/// The longest policy file that is read, in bytes.
pub const POLICY_BYTES_MAX: usize = 1024 * 1024;
/// The most log keys, the most witnesses and the most groups in a policy, each.
pub const POLICY_ENTRIES_MAX: usize = 256;
