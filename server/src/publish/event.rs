//! What the publisher is told, and what it answers.

use std::sync::Arc;

use tlog::{CosignedCheckpoint, SignedCheckpoint, TreeHead, TreeSize, WitnessAnswer};

/// The numbers that pace the rounds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The least time between the starts of two rounds.
    pub checkpoint_interval_ms: u64,
    /// The age at which a published head is cosigned anew.
    pub refresh_interval_ms: u64,
    /// How long a round may keep the next one waiting.
    pub round_timeout_ms: u64,
    /// The least time between two requests to one witness.
    pub request_interval_ms: u64,
}

/// One of the witnesses, by its position in [`witnesses_to_ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WitnessId(pub usize);

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// The sequencer committed up to this head.
    Committed(TreeHead),
    /// A [`Effect::Sign`] is done.
    Signed(SignedCheckpoint),
    /// A witness answered an [`Effect::Ask`], or could not be reached.
    Answered(Answered),
    /// Time passed.
    Tick,
}

/// A witness's answer to one request.
#[derive(Debug)]
pub struct Answered {
    /// Who.
    pub witness: WitnessId,
    /// Which round it was asked for.
    pub round: RoundNumber,
    /// What it said; `None` when it could not be reached or did not answer in time.
    pub answer: Option<WitnessAnswer>,
}

/// Rounds are counted from 1 in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoundNumber(pub(super) u64);

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Take this head through the gate and the anchor, and sign it. Answered by
    /// [`Event::Signed`].
    Sign(TreeHead),
    /// Send the head to a witness, with a proof from `old`. Answered by [`Event::Answered`].
    Ask {
        /// Whom.
        witness: WitnessId,
        /// For which round.
        round: RoundNumber,
        /// The size that the witness is believed to have.
        old: TreeSize,
        /// The head, with the log's own signature only.
        signed: Arc<SignedCheckpoint>,
    },
    /// Store the head and show it to everybody.
    Publish(CosignedCheckpoint),
    /// The start-up rule holds: records may be committed.
    Start,
    /// Never sign again in this process; go on serving what is published.
    Refuse(Refusal),
    /// Nothing more is asked of this witness; tell the operator.
    Distrust {
        /// Whom.
        witness: WitnessId,
        /// What it claims.
        because: Claim,
    },
}

/// A witness's unsigned claim that cannot be true together with what this log signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Claim {
    /// It has cosigned a larger tree than this log ever signed.
    #[error("it has cosigned a tree of {theirs} entries; the largest signed here has {ours}")]
    KnowsMore {
        /// Its size.
        theirs: TreeSize,
        /// The largest size signed here.
        ours: TreeSize,
    },
    /// It denies that a proven head extends what it saw.
    #[error("it denies that our tree of {ours} entries extends what it saw")]
    Denies {
        /// The size it was shown.
        ours: TreeSize,
    },
}

/// Why the log may not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A witness that did not confirm the anchored head contradicts it: this data is an old copy, or
    /// the witness was shown another history.
    #[error(
        "witness {name} contradicts this data folder: {claim}. If the folder was restored from a \
         copy, bring back the newest one; nothing is signed until then"
    )]
    WitnessContradicts {
        /// The witness's name in the policy.
        name: String,
        /// What it said.
        claim: Claim,
    },
    /// The witnesses that are still believed cannot satisfy the policy.
    #[error("the witnesses that do not contradict this log can no longer satisfy the policy")]
    QuorumLost,
}
