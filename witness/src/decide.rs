//! What is signed and what is refused. Pure: what the witness remembers, a request and the time go
//! in; a refusal, or signatures and what to remember next come out.
//!
//! Two steps, so that a request nobody vouches for is refused before it can make anyone wait:
//! [`Request::read`] needs only the configuration, [`decide`] needs what was cosigned before.

use std::collections::BTreeMap;

use tlog::{
    AddCheckpoint, AddCheckpointError, Checkpoint, CheckpointError, Evidence, Hash, Note,
    NoteError, NoteSignature, Origin, ProofError, SignatureError, SignedAt, TreeHead, TreeSize,
    UnixSeconds, VerifierKey, verify_consistency,
};

use crate::signers::Signers;

/// The logs a witness watches.
pub type Logs = BTreeMap<Origin, Log>;

/// What a witness was told about a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The keys that may sign for it, at least one.
    pub keys: Vec<VerifierKey>,
    /// How many requests signed by it are answered in a day.
    pub requests_per_day: u32,
}

/// A request that is well formed and that a known key of the log signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    old: TreeSize,
    proof: Vec<Hash>,
    checkpoint: Checkpoint,
    /// The lines of known log keys that verified; all others are dropped here.
    log_signatures: Vec<NoteSignature>,
}

impl Request {
    /// Reads the body of a request and checks everything that needs no memory.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::UnknownOrigin`], [`Refusal::NotAuthorized`] or
    /// [`Refusal::OldExceedsSize`].
    pub fn read(body: &[u8], logs: &Logs) -> Result<Self, Refusal> {
        // SPEC tlog-witness §add-checkpoint: what cannot be read -> 400, before anything else.
        let AddCheckpoint { old_size: old, consistency_proof: proof, checkpoint: note } =
            AddCheckpoint::parse(body)?;
        let checkpoint = read_checkpoint(&note)?;
        // SPEC tlog-witness §add-checkpoint: a log that is not configured -> 404.
        let log = logs.get(&checkpoint.origin).ok_or(Refusal::UnknownOrigin)?;
        let log_signatures = verified_lines(&note, &log.keys)?;
        // SPEC tlog-witness §add-checkpoint: an old size above that of the checkpoint -> 400.
        if old > checkpoint.head.size {
            return Err(Refusal::OldExceedsSize { old, size: checkpoint.head.size });
        }
        Ok(Self { old, proof, checkpoint, log_signatures })
    }

    /// The log it is about.
    pub fn origin(&self) -> &Origin {
        &self.checkpoint.origin
    }

    /// The checkpoint with the log's signatures that verified.
    fn signed_note(&self) -> Option<Note> {
        Note::new(self.checkpoint.to_text(), self.log_signatures.clone()).ok()
    }

    /// What the log signed, as this witness would write it.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

/// Whether a witness that last cosigned `before` cosigns this one too.
///
/// # Errors
/// [`Refusal::Conflict`] or [`Refusal::Inconsistent`]. What the witness remembers stays as it is.
pub fn decide(
    before: Option<&Cosigned>,
    request: &Request,
    signers: &Signers,
    now: UnixSeconds,
) -> Result<Decision, Refusal> {
    let latest = before.map_or(TreeHead::EMPTY, Cosigned::head);
    let offered = request.checkpoint.head;
    // SPEC tlog-witness §add-checkpoint: the old size is not that of the latest checkpoint cosigned
    // (0 if none) -> 409 with that size.
    if request.old != latest.size {
        return Err(Refusal::Conflict { latest: latest.size });
    }
    // SPEC tlog-witness §add-checkpoint: size 0 whose root is not that of the empty tree -> 422.
    if offered.size == TreeSize::ZERO && offered.root != tlog::EMPTY_ROOT {
        return Err(Refusal::Inconsistent(Inconsistency::EmptyTreeRoot));
    }
    // SPEC tlog-witness §add-checkpoint: the same size with another root -> 422.
    if offered.size == latest.size && offered.root != latest.root {
        return Err(Refusal::Inconsistent(Inconsistency::OtherRoot { size: latest.size }));
    }
    // SPEC tlog-witness §add-checkpoint: old size 0 with a proof -> 422.
    if request.old == TreeSize::ZERO && !request.proof.is_empty() {
        return Err(Refusal::Inconsistent(Inconsistency::ProofFromNothing));
    }
    // SPEC tlog-witness §add-checkpoint: a proof that does not verify -> 422. The same size needs
    // an empty one: then this is a refresh, and only the time of the cosignature is new.
    verify_consistency(&latest, &offered, &request.proof)
        .map_err(|source| Refusal::Inconsistent(Inconsistency::Proof { source }))?;
    cosign(request, signers, now)
}

/// What this request proves against the log, whatever else is wrong with it: its head and the one
/// cosigned before cannot both be true, and the log signed both.
pub fn contradiction(
    before: Option<&Cosigned>,
    request: &Request,
    log_keys: &[VerifierKey],
) -> Option<Evidence> {
    let offered = request.signed_note()?;
    let known = before.map_or(&offered, Cosigned::note);
    Evidence::find(log_keys, known, &offered, &request.proof)
}

/// What a witness does after it decided to sign: remember `after`, and only then answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub cosignatures: Vec<NoteSignature>,
    /// What to remember instead of what was there.
    pub after: Cosigned,
}

/// The last checkpoint a witness cosigned of one log, with the log's signatures and its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    checkpoint: Checkpoint,
    at: UnixSeconds,
    note: Note,
}

impl Cosigned {
    /// Takes a stored note back, if each key of this witness signed it; one of `log_keys`, when they
    /// are known, must have signed it too.
    ///
    /// # Errors
    /// [`CosignedError`] when it is not a checkpoint that this witness would have cosigned.
    pub fn verify(
        note: Note,
        own_keys: &[VerifierKey],
        log_keys: Option<&[VerifierKey]>,
    ) -> Result<Self, CosignedError> {
        let checkpoint = read_checkpoint(&note).map_err(|_| CosignedError::Checkpoint)?;
        let signed: Result<Vec<_>, _> = own_keys.iter().map(|key| key.verify_note(&note)).collect();
        // All of them sign in one step, so they are all there and of one time.
        let signed = signed.map_err(|_| CosignedError::OwnSignature)?;
        let Some(Some(SignedAt::Seconds(at))) = signed.first().copied() else {
            return Err(CosignedError::OwnSignature);
        };
        if signed.iter().any(|other| *other != Some(SignedAt::Seconds(at))) {
            return Err(CosignedError::OwnSignature);
        }
        if let Some(keys) = log_keys
            && verified_lines(&note, keys).is_err()
        {
            return Err(CosignedError::LogSignature);
        }
        Ok(Self { checkpoint, at, note })
    }

    /// The log.
    pub fn origin(&self) -> &Origin {
        &self.checkpoint.origin
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head
    }

    /// When this witness signed.
    pub fn at(&self) -> UnixSeconds {
        self.at
    }

    /// The checkpoint with the signatures of the log and of this witness.
    pub fn note(&self) -> &Note {
        &self.note
    }
}

/// Why a request is not signed. All of them are the caller's; none changes anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400.
    #[error("malformed request")]
    Malformed(#[from] Malformed),
    /// 404.
    #[error("this witness does not watch a log of that origin")]
    UnknownOrigin,
    /// 403: no line by a known key, or one that does not verify.
    #[error("no valid signature by a known key of this log")]
    NotAuthorized(#[source] Option<SignatureError>),
    /// 400.
    #[error("expected an old size of at most the checkpoint's {size}, got {old}")]
    OldExceedsSize {
        /// The old size in the request.
        old: TreeSize,
        /// The size of the checkpoint.
        size: TreeSize,
    },
    /// 409.
    #[error("the latest checkpoint cosigned has size {latest}")]
    Conflict {
        /// The size to start from.
        latest: TreeSize,
    },
    /// 422.
    #[error(transparent)]
    Inconsistent(Inconsistency),
}

impl From<AddCheckpointError> for Refusal {
    fn from(error: AddCheckpointError) -> Self {
        Self::Malformed(Malformed::Request(error))
    }
}

/// What cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not a request.
    #[error(transparent)]
    Request(AddCheckpointError),
    /// The note is not a checkpoint.
    #[error(transparent)]
    Checkpoint(CheckpointError),
    /// Some kinds of cosignature do not cover extension lines, so none is signed here.
    #[error("expected a checkpoint without extension lines")]
    Extensions,
    /// What was understood, written again, is not what was signed.
    #[error("the checkpoint is not in canonical form")]
    NotCanonical,
    /// With this witness's line it would be no note any more.
    #[error(transparent)]
    Note(NoteError),
}

/// Why a checkpoint does not extend what was cosigned before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistency {
    /// The log signed an impossible head.
    #[error("expected the root of the empty tree for size 0")]
    EmptyTreeRoot,
    /// The log signed two roots for one size.
    #[error("another root was cosigned for size {size}")]
    OtherRoot {
        /// The size.
        size: TreeSize,
    },
    /// Everything extends the empty tree, so there is nothing to prove.
    #[error("expected no proof for old size 0")]
    ProofFromNothing,
    /// The proof is wrong; the log may be right.
    #[error("the consistency proof does not verify")]
    Proof {
        /// What is wrong with it.
        #[source]
        source: ProofError,
    },
}

/// Why a stored note is not what a witness remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CosignedError {
    /// The text is no checkpoint.
    #[error("not a checkpoint")]
    Checkpoint,
    /// This witness did not sign it, or a bit of it is not as it was.
    #[error("this witness's own signature does not verify")]
    OwnSignature,
    /// No key that is configured for the log now signed it.
    #[error(
        "no configured key of the log signed it; keep a log's old key configured until a checkpoint \
         by its new key was cosigned"
    )]
    LogSignature,
}

fn read_checkpoint(note: &Note) -> Result<Checkpoint, Refusal> {
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| match error {
        // No log can be configured under such a name; to its operator that is an unknown origin.
        CheckpointError::Origin(_) if !note.text().starts_with('\n') => Refusal::UnknownOrigin,
        other => Refusal::Malformed(Malformed::Checkpoint(other)),
    })?;
    if !checkpoint.extensions.is_empty() {
        return Err(Refusal::Malformed(Malformed::Extensions));
    }
    // What is signed is this witness's own writing of what it understood. If that were not the text
    // the log signed, two parsers would disagree about what was cosigned.
    if checkpoint.to_text() != note.text() {
        return Err(Refusal::Malformed(Malformed::NotCanonical));
    }
    Ok(checkpoint)
}

/// One line for each known key that signed; at least one.
fn verified_lines(note: &Note, keys: &[VerifierKey]) -> Result<Vec<NoteSignature>, Refusal> {
    let mut lines = Vec::new();
    for key in keys {
        // SPEC tlog-witness §add-checkpoint: a line of a known name and key id that does not verify
        // -> 403, even when another known key signed. Lines of unknown keys are ignored.
        let signed =
            key.verify_note(note).map_err(|source| Refusal::NotAuthorized(Some(source)))?;
        if signed.is_some() {
            lines.extend(note.signatures().iter().find(|line| key.owns(line)).cloned());
        }
    }
    // SPEC tlog-witness §add-checkpoint: no line by a known key -> 403.
    if lines.is_empty() { Err(Refusal::NotAuthorized(None)) } else { Ok(lines) }
}

fn cosign(request: &Request, signers: &Signers, now: UnixSeconds) -> Result<Decision, Refusal> {
    let text = request.checkpoint.to_text();
    let cosignatures = signers.sign(&request.checkpoint, now);
    let lines = [request.log_signatures.as_slice(), &cosignatures].concat();
    let note =
        Note::new(text, lines).map_err(|error| Refusal::Malformed(Malformed::Note(error)))?;
    let after = Cosigned { checkpoint: request.checkpoint.clone(), at: now, note };
    Ok(Decision { cosignatures, after })
}

#[cfg(test)]
mod tests;
