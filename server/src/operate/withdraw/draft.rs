//! The record by which a withdrawal is told in the log: `registry/1` `withhold`, unsigned.
//!
//! Readers are told of a withdrawal at once, by the log's answers. That the operator cannot deny it
//! later, or say another ground, takes an entry. It is signed by governance or by an operator key for it;
//! neither is on the server. The words of the reason stay out of it: nothing in the tree can be erased.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use records::{RecordDraft, Submission, Value};
use store::{Kv, Store};
use tlog::LeafIndex;

use crate::core::state::CommittedState;
use crate::core::withdrawn::Withdrawal;

/// Makes the file, which must not be there yet.
pub(super) fn create(path: &Path) -> anyhow::Result<File> {
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    made.with_context(|| format!("writing the draft {} (it must not exist yet)", path.display()))
}

/// Writes the record that says what was withdrawn of an entry, as the next word about it.
pub(super) fn write<K: Kv>(
    file: &mut File,
    store: &Store<K>,
    index: LeafIndex,
    withdrawn: &[Withdrawal],
) -> anyhow::Result<()> {
    let first = withdrawn.first().context("nothing was withdrawn")?;
    let object = format!("log/withhold/{index}");
    let data = Value::map([
        ("entry", Value::Int(i64::try_from(index.get())?)),
        ("paths", Value::list(withdrawn.iter().map(|it| it.path.as_str()))),
        ("why", first.ground.as_str().into()),
    ]);
    let mut draft = RecordDraft::new(store.origin().as_str(), "registry/1", "withhold")
        .object(&object)
        .submitter("log")
        .occurred(first.since.get(..10).context("today's date")?)
        .data(data);
    if let Some(head) = records::object_head(&CommittedState(store), &object)? {
        draft = draft.next(head.rev + 1, head.record_hash);
    }
    let refused = |it: records::Refusal| anyhow::anyhow!("the record that tells it: {it}");
    let record = draft.build().map_err(refused)?;
    let submission = Submission::unsigned(record, Vec::new()).map_err(refused)?;
    file.write_all(&submission.to_canonical()).context("writing the draft")?;
    file.sync_all().context("writing the draft")
}
