//! A checkpoint whose log is known to have signed it.

use crate::chain::VerifyError;
use crate::checkpoint::Checkpoint;
use crate::key::VerifierKey;
use crate::note::Note;
use crate::position::TreeHead;

/// A checkpoint that a known key of its log signed. There is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Reads the checkpoint in a note and checks it against the log's keys. Keys of another name
    /// and lines of unknown keys count for nothing.
    ///
    /// # Errors
    /// [`VerifyError::Checkpoint`], [`VerifyError::NoLogSignature`] or
    /// [`VerifyError::LogSignature`].
    ///
    /// Spec: signed-note §Verification; tlog-policy requires the key name to be the origin.
    pub fn open(note: Note, log_keys: &[VerifierKey]) -> Result<Self, VerifyError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        let origin_name = checkpoint.origin.key_name();
        let mut is_signed = false;
        for key in log_keys.iter().filter(|key| key.name() == &origin_name) {
            // SPEC signed-note: one known key that fails spoils the note, even if another verifies.
            is_signed |= key.verify_note(&note).map_err(VerifyError::LogSignature)?.is_some();
        }
        if is_signed {
            return Ok(Self { checkpoint, note });
        }
        Err(VerifyError::NoLogSignature { origin: checkpoint.origin })
    }

    /// What the log stated.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head
    }

    /// The note it came in, with all its lines.
    pub fn note(&self) -> &Note {
        &self.note
    }
}

#[cfg(test)]
mod tests;
