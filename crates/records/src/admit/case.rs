//! The case that is judged, and how a rule says what it found.

use crate::entry_index::EntryIndex;
use crate::jws::Es256Verify;
use crate::record::Record;
use crate::refusal::{At, Refusal};
use crate::state::{State, StateError};
use crate::submission::CheckedSubmission;

/// A submission that is judged as the entry at `index`, admitted at `admitted_ms` (Unix
/// milliseconds), by the state after the entries before it.
pub(super) struct Case<'a, S> {
    pub(super) state: &'a S,
    pub(super) index: EntryIndex,
    pub(super) admitted_ms: u64,
    pub(super) sub: &'a CheckedSubmission,
    pub(super) es256: &'a dyn Es256Verify,
}

impl<S> Case<'_, S> {
    pub(super) fn record(&self) -> &Record {
        self.sub.record()
    }
}

/// What a rule found, or why the judgement ends here.
pub(super) type Ruling<T, S> = Result<T, Stop<<S as State>::Error>>;

/// What ends a judgement early. A state that cannot be read is no refusal: nothing was decided.
pub(super) enum Stop<E: std::error::Error + 'static> {
    Refused(Refusal),
    State(StateError<E>),
}

impl<E: std::error::Error> From<Refusal> for Stop<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E: std::error::Error> From<StateError<E>> for Stop<E> {
    fn from(error: StateError<E>) -> Self {
        Self::State(error)
    }
}

/// Where the record stands in the submission that is judged.
pub(super) const RECORD: At<'static> = At::Fixed("/record");
