//! Everything about a submission that needs no order: parsing, grammar, signatures.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use records::{CheckedSubmission, Es256Verify, PublicKey, Refusal, Submission};
use store::{Kv, ReadError, Store};

use crate::admit::posted::Posted;
use crate::core::mode::ModeSwitch;
use crate::core::state::CommittedState;

/// ES256 by `aws-lc-rs`, several times as fast as the reference in `records`.
///
/// A "no" of this one is only a refusal; a "yes" that the reference denies would break replay,
/// which is why the two are compared over Wycheproof and over random input.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLcEs256;

impl Es256Verify for AwsLcEs256 {
    fn verify(&self, sec1: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, sec1).verify(message, signature).is_ok()
    }
}

/// Why a submission did not get as far as being judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// It breaks a rule that needs no state.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The store could not say whether a key is known.
    #[error("looking up a key")]
    Store(#[from] ReadError),
    /// A state value that this program wrote cannot be understood: whoever judged by the rest of it
    /// could be wrong about anything.
    #[error("the admission state is damaged; `audit` names the place, `rebuild` writes it anew")]
    DamagedState(#[source] records::StateError<ReadError>),
    /// What was parsed is not what was posted.
    #[error("a submission changed in memory while it was read")]
    Altered,
}

impl CheckError {
    /// Logs a failure that is no refusal. Where it is damage, the process judges and signs nothing
    /// more, as when the sequencer meets it.
    pub fn report(&self, mode: &ModeSwitch) {
        let words = service::error_chain(self);
        if matches!(self, Self::DamagedState(_)) {
            mode.read_only(words);
        } else {
            tracing::error!(error = words, "admission");
        }
    }
}

/// A submission that passed, and what it was made from.
#[derive(Debug)]
pub struct Checked {
    pub submission: CheckedSubmission,
    /// What the entry has to hold.
    pub posted: Posted,
}

/// Checks everything about a submission that needs no order.
///
/// # Errors
/// [`CheckError::Refused`] with rule, place and words. The others say nothing about the submission:
/// they are for [`CheckError::report`].
pub fn check<K: Kv>(store: &Store<K>, origin: &str, bytes: &[u8]) -> Result<Checked, CheckError> {
    // First of all: what changes from here on is noticed.
    let posted = Posted::of(bytes);
    let submission = Submission::parse(bytes, origin).map_err(CheckError::Refused)?;
    // A canonical submission has one form, so this is what was posted. Seen here, where only one
    // caller is told, so that it can never be a caller who makes the sequencer stop.
    let posted = posted.filter(|it| Posted::of(&submission.to_canonical()) == Some(*it));
    let posted = posted.ok_or(CheckError::Altered)?;
    let state = CommittedState(store);
    // A registration is signed by the key it brings. Checked here, a stranger's wrong ones never
    // cost the sequencer a verification; a thumbprint names one key, known or not.
    let brought = submission.record().brought_keys();
    let known = |kid: &records::Kid| -> Result<Option<PublicKey>, CheckError> {
        if let Some(key) = brought.iter().find(|it| it.kid() == kid) {
            return Ok(Some(key.clone()));
        }
        Ok(records::state::key(&state, kid).map_err(key_error)?.map(|it| it.public))
    };
    let checked = CheckedSubmission::check(submission, known, &AwsLcEs256)?;
    Ok(Checked { submission: checked.map_err(CheckError::Refused)?, posted })
}

fn key_error(error: records::StateError<ReadError>) -> CheckError {
    match error {
        records::StateError::Read(source) => CheckError::Store(source),
        damaged => CheckError::DamagedState(damaged),
    }
}

#[cfg(test)]
mod tests;
