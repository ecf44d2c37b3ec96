//! What the publisher is told, and what it answers.

use std::sync::Arc;

use tlog::{SignedCheckpoint, TreeHead, TreeSize, WitnessAnswer};

use crate::sign::thread::SigningTask;

/// The numbers that pace the rounds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The least time between the starts of two rounds.
    pub checkpoint_interval_ms: u64,
    /// The age at which a published head is cosigned anew.
    pub refresh_interval_ms: u64,
    /// How long a round may keep the next one waiting.
    pub round_timeout_ms: u64,
    /// The least time between two requests to one witness that has no number of its own.
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
    /// A [`SigningTask::Sign`] is done.
    Signed(SignedCheckpoint),
    /// A witness answered an [`Effect::Ask`], or could not be reached.
    Answered(Answered),
    /// An [`Effect::Inquire`] found out something that our own key signed.
    Shown {
        /// Whoever showed it.
        witness: WitnessId,
        /// What our key signed.
        shown: Shown,
    },
    /// Time passed.
    Tick,
}

/// A head with a valid signature of our own key, shown by a witness, that this process cannot have
/// signed. Unlike a [`Claim`] it is no mere word: a key that signed it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shown {
    /// A larger tree than this data folder has.
    #[error(
        "a tree of {size} entries, signed by this log's key, that this data folder does not have"
    )]
    Newer { size: TreeSize },
    /// Another tree than this data folder has at that size.
    #[error("another tree of {size} entries than this data folder has, signed by this log's key")]
    Contradicting { size: TreeSize },
}

/// A witness's answer to one request.
#[derive(Debug)]
pub struct Answered {
    /// Whoever was asked.
    pub witness: WitnessId,
    pub round: RoundNumber,
    /// `None` when it could not be reached or did not answer in time.
    pub answer: Option<WitnessAnswer>,
}

/// Rounds are counted from 1 in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoundNumber(pub(super) u64);

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// What the signing thread does. [`SigningTask::Sign`] is answered by [`Event::Signed`].
    Signing(SigningTask),
    /// Send the head to a witness, with a proof from `old`. Answered by [`Event::Answered`].
    Ask {
        /// One that has no other request in flight.
        witness: WitnessId,
        /// Its answer counts for this round only.
        round: RoundNumber,
        /// The size that the witness is believed to have.
        old: TreeSize,
        /// The head, with the log's own signature only.
        signed: Arc<SignedCheckpoint>,
    },
    /// The start-up rule holds: records may be committed.
    Start,
    /// Never sign again in this process; go on serving what is published.
    StopSigning(Contradiction),
    /// Nothing more is asked of this witness; tell the operator.
    Distrust {
        /// It keeps its place in the list.
        witness: WitnessId,
        because: Claim,
    },
    /// Ask a distrusted witness for the checkpoint that it cosigned last. If it bears our signature
    /// and is none of ours, [`Event::Shown`] says so.
    Inquire(WitnessId),
}

/// A witness's unsigned claim that cannot be true together with what this log signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Claim {
    /// It has cosigned a larger tree than this log ever signed.
    #[error("it has cosigned a tree of {theirs} entries; the largest signed here has {ours}")]
    KnowsMore {
        theirs: TreeSize,
        /// The largest size signed here.
        ours: TreeSize,
    },
    /// It denies that a proven head extends what it saw.
    #[error("it denies that our tree of {ours} entries extends what it saw")]
    Denies { ours: TreeSize },
}

/// Why the log may not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A witness that did not confirm the anchored head contradicts it: this data is an old copy, or
    /// the witness was shown another history.
    #[error(
        "witness {name} contradicts this data folder: {claim}. If the folder was restored from a \
         copy, bring back the newest one, or stop the server and have `recover` bring back the \
         entries from a mirror: see \"A backup was restored\" in the runbook; nothing is signed \
         until then"
    )]
    WitnessContradicts {
        /// The witness's name in the policy.
        name: String,
        claim: Claim,
    },
    /// A witness has a head that our own key signed and that this process cannot have signed. That
    /// is proof, not a claim: the key was used elsewhere, or this data is an old copy.
    #[error(
        "witness {name} has {shown}. The key was used with other data: by another copy of this log, \
         before this folder was restored, or by a thief. Nothing is signed any more"
    )]
    SignedElsewhere {
        /// The witness's name in the policy.
        name: String,
        shown: Shown,
    },
    /// The witnesses that are still believed cannot satisfy the policy.
    #[error("the witnesses that do not contradict this log can no longer satisfy the policy")]
    QuorumLost,
}
