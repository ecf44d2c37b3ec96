use super::*;
use crate::CommitError;
use crate::fixtures::{
    FaultyKv, WriteFault, batch_upon, cosigned, cosigned_for, entry, grow, log_of, new_log, open_in,
};

const HOUR: u64 = 3_600_000;

fn at(ms: u64) -> UnixMillis {
    UnixMillis::new(ms)
}

#[test]
fn publishing_is_durable_and_keeps_first_and_last_note() {
    let kv = new_log();
    let (store, mut writer) = open_in(&kv);
    assert_eq!(store.latest_published(), None);
    grow(&mut writer, 5);
    let (first, second) = (cosigned(store.head(), 1), cosigned(store.head(), 2));
    store.publish(&first, at(1000)).unwrap();
    let only = store.checkpoint_at(store.head().size).unwrap().unwrap();
    assert_eq!(only.first, only.last);
    store.publish(&second, at(2000)).unwrap();

    let (store, _writer) = open_in(&kv);
    let published = store.latest_published().unwrap();
    assert_eq!(published.head(), store.head());
    assert_eq!(published.note(), second.note().to_string());
    let notes = store.checkpoint_at(store.head().size).unwrap().unwrap();
    assert_eq!(notes.first, DatedNote { at: at(1000), note: first.note().to_string() });
    assert_eq!(notes.last, DatedNote { at: at(2000), note: second.note().to_string() });
}

#[test]
fn the_empty_tree_can_be_published() {
    let kv = new_log();
    let (store, _writer) = open_in(&kv);
    store.publish(&cosigned(TreeHead::EMPTY, 1), at(1)).unwrap();
    assert_eq!(open_in(&kv).0.latest_published().unwrap().head(), TreeHead::EMPTY);
}

#[test]
fn what_is_published_never_shrinks() {
    let (store, mut writer) = log_of(5);
    let small = store.head();
    grow(&mut writer, 6);
    store.publish(&cosigned(store.head(), 1), at(1)).unwrap();
    let refused = store.publish(&cosigned(small, 2), at(2)).unwrap_err();
    assert_eq!(refused.to_string(), "expected a size of at least 6, got 5");
    assert_eq!(store.latest_published().unwrap().head(), store.head());
    assert_eq!(store.checkpoint_at(small.size).unwrap(), None);
}

#[test]
fn refuses_what_is_not_of_this_tree_or_not_durable() {
    let (store, _writer) = log_of(5);
    let (other, mut longer) = log_of(4);
    crate::fixtures::commit_entries(&mut longer, 70..71);
    let refused = store.publish(&cosigned(other.head(), 1), at(1)).unwrap_err();
    assert!(matches!(refused, PublishError::OtherTree { .. }));
    grow(&mut longer, 6);
    let refused = store.publish(&cosigned(other.head(), 1), at(1)).unwrap_err();
    assert!(matches!(refused, PublishError::NotCommitted { .. }));
    let foreign = cosigned_for(&"log.example/other".parse().unwrap(), store.head(), 1);
    assert!(matches!(store.publish(&foreign, at(1)), Err(PublishError::Origin)));
    assert_eq!(store.latest_published(), None);
}

#[test]
fn after_a_failed_publish_nothing_is_published_or_committed() {
    for fault in [WriteFault::NotApplied, WriteFault::Applied] {
        let kv = FaultyKv::over(new_log());
        let (store, mut writer) = open_in(&kv);
        grow(&mut writer, 5);
        kv.fail_next_write(fault);
        let checkpoint = cosigned(store.head(), 1);
        assert!(matches!(store.publish(&checkpoint, at(1)), Err(PublishError::Fatal(_))));
        assert!(matches!(store.publish(&checkpoint, at(2)), Err(PublishError::Fatal(_))));
        assert_eq!(store.latest_published(), None);
        let batch = batch_upon(&writer, vec![entry(5)]);
        assert!(matches!(writer.commit(batch), Err(CommitError::Fatal(_))));
        let published = open_in(&kv.inner).0.latest_published();
        assert_eq!(published.is_some(), fault == WriteFault::Applied);
    }
}

#[test]
fn a_size_that_is_not_kept_leads_to_the_next_that_is() {
    let (store, mut writer) = log_of(5);
    store.publish(&cosigned(store.head(), 1), at(1)).unwrap();
    grow(&mut writer, 9);
    store.publish(&cosigned(store.head(), 1), at(2)).unwrap();
    let next = |size| store.next_checkpoint_after(TreeSize::new(size)).unwrap();
    assert_eq!(next(0), Some(TreeSize::new(5)));
    assert_eq!(next(5), Some(TreeSize::new(9)));
    assert_eq!(next(9), None);
    assert_eq!(next(u64::MAX), None);
}

/// Publishes every 20 minutes for this many hours, one entry more each time.
fn publish_for(hours: u64) -> Store<crate::MemoryKv> {
    let (store, mut writer) = log_of(0);
    for third in 0..hours * 3 {
        grow(&mut writer, third + 1);
        store.publish(&cosigned(store.head(), third), at(third * HOUR / 3)).unwrap();
    }
    store
}

fn kept(store: &Store<crate::MemoryKv>) -> Vec<u64> {
    let mut sizes = Vec::new();
    store
        .each_checkpoint(TreeSize::ZERO, |notes| {
            sizes.push(notes.size.get());
            ControlFlow::Continue(())
        })
        .unwrap();
    sizes
}

#[test]
fn all_of_two_days_are_kept_and_then_the_last_of_each_hour() {
    let store = publish_for(52);
    let all: Vec<u64> = (1..=156).collect();
    // Nothing is older than 48 hours yet: the first was published at 0.
    assert_eq!(store.prune_checkpoints(at(48 * HOUR)).unwrap(), 0);
    assert_eq!(kept(&store), all);
    // Four hours are: of each only the last of three stays.
    let removed = store.prune_checkpoints(at(52 * HOUR)).unwrap();
    assert_eq!(removed, 8);
    let expected: Vec<u64> =
        all.iter().copied().filter(|size| *size > 12 || size % 3 == 0).collect();
    assert_eq!(kept(&store), expected);
    // Again from where it stopped, to the same end as in one go from the start.
    store.prune_checkpoints(at(75 * HOUR)).unwrap();
    store.prune_checkpoints(at(1000 * HOUR)).unwrap();
    let hours: Vec<u64> = (1..=52).map(|hour| hour * 3).collect();
    assert_eq!(kept(&store), hours);
    let (reopened, _writer) = open_in(&store.shared.kv);
    assert_eq!(reopened.prune_checkpoints(at(1000 * HOUR)).unwrap(), 0);
    assert_eq!(reopened.latest_published().unwrap().head().size, TreeSize::new(156));
    crate::audit(&reopened, |_, _| {}).unwrap();
}

#[test]
fn one_call_removes_a_bounded_number() {
    let kv = new_log();
    let (store, _writer) = open_in(&kv);
    let note = cosigned(TreeHead::EMPTY, 1).note().to_string();
    let dated = DatedNote { at: at(0), note };
    let mut batch = Batch::default();
    for size in 0..2 * PRUNED_PER_CALL_MAX as u64 {
        let size = TreeSize::new(size);
        let row = CheckpointNotes { size, first: dated.clone(), last: dated.clone() };
        batch.put(Family::Checkpoints, &size_key(size), &encode(&row));
    }
    kv.write(&batch).unwrap();
    assert_eq!(store.prune_checkpoints(at(90 * HOUR)).unwrap(), PRUNED_PER_CALL_MAX);
    assert_eq!(store.prune_checkpoints(at(90 * HOUR)).unwrap(), PRUNED_PER_CALL_MAX - 1);
    assert_eq!(store.prune_checkpoints(at(90 * HOUR)).unwrap(), 0);
    assert_eq!(kept(&store), [2 * PRUNED_PER_CALL_MAX as u64 - 1]);
}

#[test]
fn a_malformed_row_is_an_error() {
    let (store, _writer) = log_of(5);
    store.publish(&cosigned(store.head(), 1), at(1)).unwrap();
    let row = store.checkpoint_at(store.head().size).unwrap().unwrap();
    let whole = encode(&row);
    assert_eq!(parse(row.size, &whole).unwrap(), row);
    for cut in [0, 7, 16, 19, 20, 100] {
        assert!(parse(row.size, &whole[..cut]).is_err(), "{cut}");
    }
    let mut not_text = whole;
    not_text[25] = 0xff;
    assert!(parse(row.size, &not_text).is_err());
}
