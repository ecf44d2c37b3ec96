//! The chain of an object's revisions: one line, no forks, each revision replaced at most once.
//!
//! ```text
//! rev 0 add ──► 1 next ──► 2 correct of 0 ──► 3 void of 2
//! now standing: 1            (0 was replaced by 2, 2 by 3)
//! ```

use super::case::{RECORD, Ruling};
use crate::entry_index::EntryIndex;
use crate::limits::OBJECT_REVISIONS_MAX;
use crate::record::{Op, Record};
use crate::refusal::{Refusal, RuleId};
use crate::state::{self, ObjectHead, Put, State};

/// Checks that a record is the next revision of its object, and returns the new chain.
pub(super) fn extend<S: State>(
    state: &S,
    index: EntryIndex,
    record: &Record,
    head: Option<ObjectHead>,
) -> Ruling<Vec<Put>, S> {
    let mut changes = Vec::with_capacity(3);
    match head {
        None => check_first(record)?,
        Some(head) => {
            check_next(record, &head)?;
            let mut last = head.as_revision();
            if let Some(of) = record.of() {
                let mut replaced = state::revision_below(state, record.object(), &head, of)?
                    .ok_or_else(|| unfit("of", "a revision of the object", "another number"))?;
                check_replaced(record, of, &replaced)?;
                if of == head.rev {
                    last.replaced_by = Some(record.rev());
                } else {
                    replaced.replaced_by = Some(record.rev());
                    changes.push(state::put_revision(record.object(), of, &replaced));
                }
            }
            changes.push(state::put_revision(record.object(), head.rev, &last));
        }
    }
    let head = ObjectHead {
        rev: record.rev(),
        index,
        record_hash: record.hash(),
        op: record.op(),
        of: record.of(),
        profile: record.profile().to_owned(),
        kind: record.kind().to_owned(),
    };
    changes.push(state::put_head(record.object(), &head));
    Ok(changes)
}

fn check_first(record: &Record) -> Result<(), Refusal> {
    if record.rev() == 0 {
        return Ok(());
    }
    Err(RECORD.member("rev").refuse(
        RuleId::REVISION_CONFLICT,
        "revision 0 of an object that is not in the log",
        format_args!("revision {}", record.rev()),
        "send the revisions before it first",
    ))
}

fn check_next(record: &Record, head: &ObjectHead) -> Result<(), Refusal> {
    let next = head.rev.saturating_add(1);
    if next >= OBJECT_REVISIONS_MAX {
        return Err(RECORD.member("rev").refuse(
            RuleId::TOO_LARGE,
            format_args!("at most {OBJECT_REVISIONS_MAX} revisions of one object"),
            "one more",
            "start another object",
        ));
    }
    if record.rev() != next {
        return Err(RECORD.member("rev").refuse(
            RuleId::REVISION_CONFLICT,
            format_args!("revision {next}, the next of the object"),
            format_args!("revision {}", record.rev()),
            "send the revisions before it first",
        ));
    }
    if record.prev() != Some(head.record_hash) {
        return Err(RECORD.member("prev").refuse(
            RuleId::WRONG_PREV,
            format_args!("\"{}\", the record hash of revision {}", head.record_hash, head.rev),
            "another hash",
            "read the object's newest revision and build on it",
        ));
    }
    if record.profile() != head.profile {
        return Err(unfit("profile", &format!("{}, as before", head.profile), "another profile"));
    }
    Ok(())
}

fn check_replaced(record: &Record, of: u32, replaced: &state::Revision) -> Result<(), Refusal> {
    if let Some(by) = replaced.replaced_by {
        return Err(RECORD.member("of").refuse(
            RuleId::OPERATION,
            "a revision that still stands",
            format_args!("revision {of}, which revision {by} replaced"),
            format_args!("name revision {by}, if that is what you mean to replace"),
        ));
    }
    if record.op() == Op::Void && replaced.op == Op::Void {
        return Err(unfit("of", "a revision that says something", "a void"));
    }
    if record.kind() != replaced.kind {
        return Err(unfit("kind", &format!("{}, as replaced", replaced.kind), "another kind"));
    }
    Ok(())
}

fn unfit(name: &str, expected: &str, got: &str) -> Refusal {
    RECORD.member(name).refuse(
        RuleId::OPERATION,
        expected,
        got,
        "read the object's revisions and build on them",
    )
}
