//! Sending rows: each batch is journalled and fsynced before a byte of it leaves.

use bytes::Bytes;
use import::RowError;
use indicatif::ProgressBar;
use tlog::LeafIndex;
use tlog_client::log::BATCH_BYTES_MAX;
use tlog_client::{BatchLine, LineStatus, LogClient, Wait};

use super::journal::{Journal, Kept};
use super::planned::{PlannedRow, RowStatus};
use super::seal::Sealer;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::keyfile;

/// Seals what is new, sends all that is not in the log yet, and notes the answers.
pub(crate) async fn send(
    client: &LogClient,
    sealer: &Sealer<'_>,
    journal: &mut Journal,
    rows: &mut [PlannedRow],
    bar: &ProgressBar,
) -> Outcome<()> {
    let mut rest = rows;
    while !rest.is_empty() {
        let (batch, taken) = next_batch(sealer, rest)?;
        let (now, later) = rest.split_at_mut(taken);
        rest = later;
        deliver(client, journal, now, batch).await.map_err(|failure| {
            let words = format!("after {} rows; run the same command again", bar.position());
            Failure { error: failure.error.context(words), ..failure }
        })?;
        bar.inc(u64::try_from(taken).unwrap_or(0));
    }
    Ok(())
}

/// One line of a batch.
struct Outgoing {
    position: usize,
    rev: u32,
    /// Whether it is what the row builds on, journalled by an earlier run and not published yet.
    is_predecessor: bool,
    kept: Kept,
    /// Whether it is in the journal already.
    is_journalled: bool,
}

/// Fills a batch from the front of `rows`. Says how many of them it has dealt with: rows that
/// break a rule became errors, rows that are in the log were passed over.
fn next_batch(sealer: &Sealer<'_>, rows: &mut [PlannedRow]) -> Outcome<(Vec<Outgoing>, usize)> {
    let mut batch: Vec<Outgoing> = Vec::new();
    let mut bytes = 0;
    for (position, row) in rows.iter_mut().enumerate() {
        let (kept, is_journalled) = match std::mem::replace(&mut row.status, RowStatus::New) {
            RowStatus::New => {
                let salts: Outcome<Vec<[u8; 16]>> =
                    row.draft.sealed.iter().map(|_| keyfile::random()).collect();
                match sealer.seal(&row.draft, &row.act, salts?) {
                    Ok(kept) => (kept, false),
                    Err(refusal) => {
                        row.status =
                            RowStatus::Rejected(RowError::of_refusal(&row.draft, &refusal));
                        continue;
                    }
                }
            }
            RowStatus::Kept(kept) => (kept, true),
            settled => {
                row.status = settled;
                continue;
            }
        };
        let predecessor_len =
            row.predecessor.as_ref().map_or(0, |(_, predecessor)| predecessor.submission.len() + 1);
        // What the log never sees is in the journal's batch, which has a limit too.
        let kept_len: usize = kept.disclosures.iter().map(String::len).sum();
        let len = kept.submission.len() + 1 + predecessor_len + kept_len;
        // One that is too long for any batch goes alone: the log says so, and the run ends.
        let is_full = batch.len() + 1 >= LINES_PER_BATCH || bytes + len > BATCH_BYTES_MAX;
        if is_full && !batch.is_empty() {
            // Sealed again with fresh salts when its turn comes: nobody has seen these.
            if is_journalled {
                row.status = RowStatus::Kept(kept);
            }
            return Ok((batch, position));
        }
        bytes += len;
        if let Some((rev, kept)) = row.predecessor.take() {
            let (is_predecessor, is_journalled) = (true, true);
            batch.push(Outgoing { position, rev, is_predecessor, kept, is_journalled });
        }
        let rev = row.act.rev();
        batch.push(Outgoing { position, rev, is_predecessor: false, kept, is_journalled });
    }
    let taken = rows.len();
    Ok((batch, taken))
}

/// Journals the batch, sends it, and turns the answers into what became of the rows.
async fn deliver(
    client: &LogClient,
    journal: &mut Journal,
    rows: &mut [PlannedRow],
    batch: Vec<Outgoing>,
) -> Outcome<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let fresh = batch.iter().filter(|outgoing| !outgoing.is_journalled).map(|outgoing| {
        let object = rows[outgoing.position].draft.object.clone();
        (object, outgoing.rev, outgoing.kept.clone())
    });
    // The order of these two lines is the whole safety of this command.
    journal.keep(fresh).explain(Exit::Usage, || "writing the journal".to_owned())?;
    let lines: Vec<Bytes> =
        batch.iter().map(|outgoing| outgoing.kept.submission.clone().into()).collect();
    let answers = client.submit_batch(&lines, Wait::Committed).await?;

    // All lines are settled before anything ends the run: a refusal that the journal does not hear
    // of would keep the corrected row out for ever.
    let mut refused = Vec::new();
    let mut failure = None;
    for (outgoing, answer) in batch.iter().zip(answers) {
        let row = &mut rows[outgoing.position];
        match status_of(row, &answer) {
            // What builds on it is answered next, and cannot be in without it.
            Ok(_) if outgoing.is_predecessor => {}
            Ok(status) => row.status = status,
            Err(error) => failure = failure.or(Some(error)),
        }
        if answer.status == LineStatus::Refused {
            let rule = answer.rule.unwrap_or_default();
            refused.push((row.draft.object.clone(), outgoing.rev, rule));
        }
    }
    journal.forget(refused).explain(Exit::Usage, || "writing the journal".to_owned())?;
    failure.map_or(Ok(()), Err)
}

fn status_of(row: &PlannedRow, answer: &BatchLine) -> Outcome<RowStatus> {
    let index = answer.index.map(LeafIndex::new);
    match (answer.status, index) {
        (LineStatus::Published | LineStatus::Committed, Some(index)) => {
            Ok(RowStatus::InLog { index, is_new: !answer.duplicate })
        }
        (LineStatus::Published | LineStatus::Committed, None) => Err(Failure::new(
            Exit::Misbehaved,
            format!("the log took {} and names no index", row.draft.object),
        )),
        // The object is there with other bytes: perhaps the same row, sealed by an earlier run
        // whose journal is gone and whose entry was not published when we looked.
        (LineStatus::Refused, Some(index)) => Ok(RowStatus::Conflict(index)),
        (LineStatus::NotJudged, _) => Err(Failure::new(
            Exit::Unreachable,
            format!(
                "the log stopped before it judged {}: {}; run the same command again, nothing is \
                 sent twice",
                row.draft.object,
                answer.detail.as_deref().unwrap_or("it gave no reason")
            ),
        )),
        (LineStatus::Refused, None) => {
            let text = |part: &Option<String>| part.clone().unwrap_or_default();
            let (rule, pointer) = (text(&answer.rule), text(&answer.pointer));
            let detail = text(&answer.detail);
            Ok(RowStatus::Rejected(RowError::of_rule(&row.draft, &rule, &pointer, &detail)))
        }
    }
}

/// Fewer than the log allows, so that progress shows and a broken connection repeats little.
pub(super) const LINES_PER_BATCH: usize = 2_000;
