//! The one way of submissions through the log: checked in parallel, put into the pool in their order,
//! judged by the sequencer, refusals signed. A single record is a batch of one.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use tlog::LeafIndex;
use tokio::sync::oneshot;

use crate::admit::budget::Room;
use crate::admit::check::{CheckError, check};
use crate::admit::outcome::{NotJudged, Outcome, Receipt};
use crate::admit::pool::Pending;
use crate::serve::app::App;
use crate::serve::error::ApiError;

/// What a submitter is told about one submission.
pub(super) enum Answer {
    Committed(Receipt),
    Refused {
        refusal: records::Refusal,
        conflicts_with: Option<LeafIndex>,
        /// The refusal under the operator's signature.
        signed: Option<String>,
    },
    NotJudged(NotJudged),
    /// The log could not check it, which says nothing about the submission.
    Failed,
}

/// Takes submissions in, all or none of them, and returns an answer for each, in their order. The room
/// is given back before the answers are returned: what waits for its publication occupies nothing.
pub(super) async fn judge(
    app: &Arc<App>,
    submissions: Vec<Bytes>,
    room: Room,
) -> Result<Vec<Answer>, ApiError> {
    let room = Arc::new(room.join(room_for(app, submissions.len())?));
    let waiting = check_and_put(app, submissions, Arc::clone(&room)).await?;
    let mut outcomes = Vec::with_capacity(waiting.len());
    for outcome in waiting {
        outcomes.push(match outcome {
            // The sequencer ended without an answer: only a restart shows what became of it.
            Some(it) => Some(it.await.unwrap_or(Outcome::NotJudged(NotJudged::OutcomeUnknown))),
            None => None,
        });
    }
    sign_refusals(app, outcomes, room).await
}

/// Room for so many submissions. What could never fit is not told to come back later.
fn room_for(app: &App, count: usize) -> Result<Room, ApiError> {
    let lines_max = app.budget.submissions_max();
    if count > lines_max {
        return Err(ApiError::TooManyLinesHere { lines_max });
    }
    app.budget.room_for_submissions(count).ok_or(ApiError::Overloaded)
}

/// Checks all submissions in parallel and puts those that pass into the pool. Returns where the outcome
/// of each is to be heard; `None` where the check itself failed.
async fn check_and_put(
    app: &Arc<App>,
    submissions: Vec<Bytes>,
    room: Arc<Room>,
) -> Result<Vec<Option<oneshot::Receiver<Outcome>>>, ApiError> {
    let jobs = submissions.chunks(SUBMISSIONS_PER_JOB).map(|chunk| {
        let (working, chunk) = (Arc::clone(app), chunk.to_vec());
        let check_all = move || -> Vec<_> {
            let origin = working.origin.as_str();
            chunk.iter().map(|bytes| check(&working.core.store, origin, bytes)).collect()
        };
        app.admission.run(Arc::clone(&room), check_all)
    });
    let jobs: Vec<_> = jobs.collect();
    let mut waiting = Vec::with_capacity(submissions.len());
    let mut pending = Vec::with_capacity(submissions.len());
    // The jobs hold the bytes from here on.
    drop(submissions);
    for checked in join_all(jobs).await {
        for result in checked.ok_or(ApiError::Internal)? {
            let (answer, outcome) = oneshot::channel();
            match result {
                Ok(checked) => {
                    pending.push(Pending { checked, answer, room: Arc::clone(&room) });
                    waiting.push(Some(outcome));
                }
                Err(CheckError::Refused(refusal)) => {
                    app.core.metrics.refused();
                    // The receiver is in our hands, so this arrives.
                    let _ = answer.send(Outcome::Refused {
                        refusal,
                        conflicts_with: None,
                        signable: None,
                    });
                    waiting.push(Some(outcome));
                }
                Err(error) => {
                    error.report(&app.core.mode);
                    waiting.push(None);
                }
            }
        }
    }
    app.pool.put(pending);
    Ok(waiting)
}

/// Makes the answers. Refusals that may be signed are, by the threads that checked them: signing is work
/// of the same kind, and holds the same room.
async fn sign_refusals(
    app: &Arc<App>,
    outcomes: Vec<Option<Outcome>>,
    room: Arc<Room>,
) -> Result<Vec<Answer>, ApiError> {
    let mut outcomes = outcomes.into_iter();
    let mut jobs = Vec::new();
    while outcomes.len() > 0 {
        let chunk: Vec<_> = outcomes.by_ref().take(SUBMISSIONS_PER_JOB).collect();
        let (working, room) = (Arc::clone(app), Arc::clone(&room));
        jobs.push(async move {
            let is_work =
                working.refusals.is_some() && chunk.iter().any(|it| may_be_signed(it.as_ref()));
            let answer_all = |app: &App| chunk.into_iter().map(|it| answer(app, it)).collect();
            if !is_work {
                return Some(answer_all(&working));
            }
            app.admission.run(room, move || answer_all(&working)).await
        });
    }
    let answers: Option<Vec<Vec<Answer>>> = join_all(jobs).await.into_iter().collect();
    Ok(answers.ok_or(ApiError::Internal)?.into_iter().flatten().collect())
}

fn may_be_signed(outcome: Option<&Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Refused { signable: Some(_), .. }))
}

fn answer(app: &App, outcome: Option<Outcome>) -> Answer {
    match outcome {
        Some(Outcome::Committed(receipt)) => {
            if receipt.is_duplicate() {
                app.core.metrics.duplicate();
            }
            Answer::Committed(receipt)
        }
        Some(Outcome::Refused { refusal, conflicts_with, signable }) => {
            let signed = app.refusals.as_ref().zip(signable);
            let signed = signed.map(|(key, it)| key.sign(&it, &refusal, conflicts_with));
            Answer::Refused { refusal, conflicts_with, signed }
        }
        Some(Outcome::NotJudged(because)) => Answer::NotJudged(because),
        None => Answer::Failed,
    }
}

/// Submissions in one piece of work for an admission thread.
const SUBMISSIONS_PER_JOB: usize = 32;
