//! A downloaded entry, judged again.

use crate::admit::{Admitted, Verdict, admit};
use crate::entry::Entry;
use crate::entry_index::EntryIndex;
use crate::jws::Es256Verify;
use crate::refusal::{Refusal, RuleId, refuse};
use crate::state::{State, StateError};
use crate::submission::CheckedSubmission;

/// Judges a downloaded entry again.
///
/// `state` is the state after the entries before it, `not_before_ms` the admission time of the
/// entry before it (0 for entry 0). Accepted is what comes out byte for byte as it went in.
///
/// # Errors
/// [`StateError`] when the state cannot be read; inside, the refusal: of the entry's form, of the
/// record, or `E23` when the rules produce other bytes.
pub fn replay<S: State>(
    state: &S,
    index: EntryIndex,
    origin: &str,
    not_before_ms: u64,
    entry: &[u8],
    es256: &dyn Es256Verify,
) -> Result<Result<Admitted, Refusal>, StateError<S::Error>> {
    let parsed = match Entry::parse(entry) {
        Ok(parsed) => parsed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let admitted_ms = parsed.admitted_ms();
    if admitted_ms < not_before_ms {
        return Ok(Err(deviates(
            "/admitted",
            "a time not before the entry before it",
            "an earlier one",
        )));
    }
    let submission = parsed.into_submission();
    if let Err(refusal) = submission.expect_log(origin) {
        return Ok(Err(refusal));
    }
    let checked = CheckedSubmission::unchecked(submission);
    Ok(match admit(state, index, admitted_ms, &checked, es256)? {
        Verdict::Accepted(admitted) if admitted.entry == entry => Ok(admitted),
        Verdict::Accepted(_) => Err(deviates("/flags", "the flags the rules give", "others")),
        Verdict::AlreadyThere { index } => {
            Err(deviates("/record", "a record once", &format!("that of entry {index} again")))
        }
        Verdict::Conflict { refusal, .. } | Verdict::Refused(refusal) => Err(refusal),
    })
}

fn deviates(pointer: &str, expected: &str, got: &str) -> Refusal {
    refuse(RuleId::REPLAY, pointer, expected, got, "none: the log broke its rules")
}
