use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fixture::{
    ADMITTED_MS, BODY, Log, ORIGIN, governance, key, key_add, key_revoke, payee_name, payment,
    payment_data, posted, replaced, signed, stranger, submitter_add, treasury,
};
use crate::json::Value;
use crate::jwk::Algorithm;
use crate::jws::P256Verify;
use crate::record::{Op, RecordHash};
use crate::refusal::RuleId;
use crate::state::{self, State, StateError};
use crate::submission::{CheckedSubmission, Submission};
use crate::{EntryIndex, RecordDraft, entry, replay};

fn rule(log: &Log, posted: &[u8]) -> (RuleId, String) {
    let refusal = log.refusal(posted);
    (refusal.rule, refusal.pointer)
}

fn rule_of(log: &Log, draft: RecordDraft) -> (RuleId, String) {
    let refusal = log.refusal_of(draft, &[&treasury()]);
    (refusal.rule, refusal.pointer)
}

#[test]
fn a_payment_becomes_an_entry_with_its_disclosures_beside_it() {
    let mut log = Log::with_treasury();
    let bytes = posted(1);
    let admitted = log.accept(&bytes);
    let submission = Submission::parse(&bytes, ORIGIN).unwrap();
    let entry = String::from_utf8(admitted.entry.clone()).unwrap();
    let record = std::str::from_utf8(submission.record().bytes()).unwrap();
    let signature = submission.signatures()[0].to_text();
    let expected = format!(
        "{{\"admitted\":\"2026-01-05T00:00:00.000Z\",\"flags\":[],\"record\":{record},\"signatures\":[\"{signature}\"],\"v\":1}}"
    );
    assert_eq!(entry, expected);
    assert_eq!((admitted.object.as_str(), admitted.rev), ("GB-LAE-DEV/payment/1", 0));
    let disclosures = format!("[\"{}\"]", payee_name().1.text());
    assert_eq!(admitted.disclosures.unwrap(), disclosures.as_bytes());
    assert!(!entry.contains("Orchard"));
    let head = state::object_head(&log.state, "GB-LAE-DEV/payment/1").unwrap().unwrap();
    assert_eq!(
        (head.rev, head.index, head.record_hash),
        (0, EntryIndex::new(2), submission.record().hash())
    );
    // Its head, its state, its month's total, and its native id.
    assert_eq!(admitted.changes.len(), 4);
}

#[test]
fn the_same_record_is_the_same_entry_whatever_its_signatures() {
    let mut log = Log::with_treasury();
    let record = log.accept_record(payment(1));
    let second = key(Algorithm::Ed25519, 7);
    let add = key_add(BODY, &second).build().unwrap();
    log.accept(&signed(&add, &[&treasury(), &second], &[]));
    let there = Verdict::AlreadyThere { index: EntryIndex::new(2) };
    for keys in [&[&treasury()][..], &[&second], &[&second, &treasury()], &[&stranger()]] {
        assert_eq!(log.judge(&signed(&record, keys, &[])).unwrap(), there);
    }
    // Even when the key that signed it was revoked since, and when later revisions came.
    log.accept_record(payment(1).correct(1, record.hash(), 0, "dup"));
    let revoke = key_revoke(&treasury()).build().unwrap();
    log.accept(&signed(&revoke, &[&governance()], &[]));
    assert_eq!(log.judge(&signed(&record, &[&treasury()], &[])).unwrap(), there);
}

#[test]
fn another_record_for_a_taken_revision_is_a_conflict_with_the_stored_index() {
    let mut log = Log::with_treasury();
    let record = log.accept_record(payment(1));
    log.accept_record(payment(1).next(1, record.hash()));
    let other = payment(1).data(payment_data("1", "GBP")).build().unwrap();
    match log.judge(&signed(&other, &[&treasury()], &[])).unwrap() {
        Verdict::Conflict { index, refusal } => {
            assert_eq!(index, EntryIndex::new(2));
            assert_eq!(
                (refusal.rule, refusal.pointer.as_str()),
                (RuleId::REVISION_CONFLICT, "/record/rev")
            );
            assert!(refusal.message.contains("entry 2"));
        }
        verdict => panic!("{verdict:?}"),
    }
    // A stranger learns nothing from a taken revision.
    assert_eq!(rule(&log, &signed(&other, &[&stranger()], &[])).0, RuleId::KEY_NOT_ALLOWED);
}

#[test]
fn the_same_row_sealed_twice_is_two_records() {
    let mut log = Log::with_treasury();
    log.accept(&posted(1));
    let (field, disclosure) = crate::seal(
        "/data/payee/name",
        "name",
        "Orchard Care Ltd".into(),
        [10; 16],
        crate::HeldBy::Log,
    );
    let again = payment(1).sealed(field).build().unwrap();
    let verdict = log.judge(&signed(&again, &[&treasury()], &[disclosure])).unwrap();
    assert!(matches!(verdict, Verdict::Conflict { .. }));
}

#[test]
fn only_keys_of_the_submitter_that_count_may_sign() {
    let mut log = Log::with_treasury();
    let record = payment(1).build().unwrap();
    let by = |log: &Log, keys: &[&crate::SigningKey]| rule(log, &signed(&record, keys, &[]));
    assert_eq!(by(&log, &[&stranger()]), (RuleId::KEY_NOT_ALLOWED, "/signatures/0".into()));
    assert_eq!(by(&log, &[&governance()]).0, RuleId::KEY_NOT_ALLOWED);
    assert_eq!(by(&log, &[&governance(), &treasury()]).0, RuleId::KEY_NOT_ALLOWED);
    let other = key(Algorithm::Ed25519, 8);
    let add = submitter_add("UA-EDR-1", "UA-EDR-1", &other).build().unwrap();
    log.accept(&signed(&add, &[&governance(), &other], &[]));
    assert_eq!(by(&log, &[&other]).0, RuleId::KEY_NOT_ALLOWED);
    assert_eq!(by(&log, &[&other, &treasury()]).0, RuleId::KEY_NOT_ALLOWED);
}

#[test]
fn a_wrong_signature_is_refused_before_and_in_the_judgement() {
    let log = Log::with_treasury();
    let changed = replaced(&posted(1), "3605.68", "3605.69");
    assert_eq!(rule(&log, &changed), (RuleId::SIGNATURE, "/signatures/0".into()));
    let checked = CheckedSubmission::unchecked(Submission::parse(&changed, ORIGIN).unwrap());
    let verdict =
        admit(&log.state, EntryIndex::new(2), ADMITTED_MS, &checked, &P256Verify).unwrap();
    assert!(matches!(verdict, Verdict::Refused(refusal) if refusal.rule == RuleId::SIGNATURE));
}

#[test]
fn a_key_that_arrives_in_the_same_batch_counts_for_the_next_entry() {
    let mut log = Log::with_treasury();
    let second = key(Algorithm::Ed25519, 7);
    let record = payment(1).build().unwrap();
    // Checked while the key was unknown, judged after its key.add in the same batch.
    let submission = Submission::parse(&signed(&record, &[&second], &[]), ORIGIN).unwrap();
    let known = |kid: &crate::Kid| state::key(&log.state, kid).map(|key| key.map(|k| k.public));
    let checked = CheckedSubmission::check(submission, known, &P256Verify).unwrap().unwrap();
    assert_eq!(checked.checks(), [crate::SignatureCheck::KeyUnknown]);
    let add = key_add(BODY, &second).build().unwrap();
    log.accept(&signed(&add, &[&treasury(), &second], &[]));
    let verdict =
        admit(&log.state, EntryIndex::new(3), ADMITTED_MS, &checked, &P256Verify).unwrap();
    assert!(matches!(verdict, Verdict::Accepted(_)));
}

#[test]
fn a_key_counts_strictly_between_its_add_and_its_revoke() {
    let mut log = Log::with_treasury();
    let second = key(Algorithm::Ed25519, 7);
    let add = key_add(BODY, &second).build().unwrap();
    log.accept(&signed(&add, &[&treasury(), &second], &[]));
    let revoke = key_revoke(&second).build().unwrap();
    // Its last signature that counts may be its own revocation.
    log.accept(&signed(&revoke, &[&second], &[]));
    let stored = state::key(&log.state, second.public().kid()).unwrap().unwrap();
    let counts: Vec<bool> = (1..6).map(|index| stored.counts_at(EntryIndex::new(index))).collect();
    assert_eq!((stored.added.get(), stored.revoked.unwrap().get()), (2, 3));
    assert_eq!(counts, [false, false, false, false, false]);
    let record = payment(1).build().unwrap();
    assert_eq!(
        rule(&log, &signed(&record, &[&second], &[])),
        (RuleId::KEY_NOT_COUNTING, "/signatures/0".into())
    );
    assert_eq!(
        rule(&log, &signed(&record, &[&second, &treasury()], &[])).0,
        RuleId::KEY_NOT_COUNTING
    );
    let wide =
        crate::KeyState { added: EntryIndex::new(2), revoked: Some(EntryIndex::new(5)), ..stored };
    let counts: Vec<bool> = (1..7).map(|index| wide.counts_at(EntryIndex::new(index))).collect();
    assert_eq!(counts, [false, false, true, true, false, false]);
}

#[test]
fn registered_submitters_write_for_their_bodies_and_profiles_only() {
    let mut log = Log::with_treasury();
    assert_eq!(
        rule_of(&log, payment(1).submitter("UA-EDR-1")),
        (RuleId::UNKNOWN_SUBMITTER, "/record/submitter".into())
    );
    for object in
        ["GB-LAE-DEW/payment/1", "log/payment/X", "GB-LAE-DEV.x/payment/1", "gb-lae-dev/payment/1"]
    {
        assert_eq!(
            rule_of(&log, payment(1).object(object)),
            (RuleId::NOT_YOUR_BODY, "/record/object".into()),
            "{object}"
        );
    }
    assert_eq!(rule_of(&log, payment(1).submitter("log")).0, RuleId::UNKNOWN_SUBMITTER);
    let narrow = key(Algorithm::Ed25519, 8);
    let add = submitter_add("UA-EDR-1", BODY, &narrow).set(
        "data",
        Value::map([
            ("bodies", Value::list([BODY])),
            ("key", narrow.public().to_jwk()),
            ("profiles", Value::list(["contract/1"])),
            ("submitter", "UA-EDR-1".into()),
        ]),
    );
    log.accept(&signed(&add.build().unwrap(), &[&governance(), &narrow], &[]));
    let record = payment(1).submitter("UA-EDR-1").build().unwrap();
    assert_eq!(
        rule(&log, &signed(&record, &[&narrow], &[])),
        (RuleId::UNKNOWN_PROFILE, "/record/profile".into())
    );
}

#[test]
fn a_record_of_another_log_is_refused_by_the_state_alone() {
    let log = Log::with_treasury();
    let foreign = payment(1).set("log", "log.example/other").build().unwrap();
    let submission =
        Submission::parse(&signed(&foreign, &[&treasury()], &[]), "log.example/other").unwrap();
    let checked = CheckedSubmission::unchecked(submission);
    let verdict =
        admit(&log.state, EntryIndex::new(2), ADMITTED_MS, &checked, &P256Verify).unwrap();
    assert!(matches!(verdict, Verdict::Refused(refusal) if refusal.rule == RuleId::OTHER_LOG));
}

#[test]
fn revisions_form_one_chain_without_gaps() {
    let mut log = Log::with_treasury();
    let hash = RecordHash::new([1; 32]);
    assert_eq!(
        rule_of(&log, payment(1).next(1, hash)),
        (RuleId::REVISION_CONFLICT, "/record/rev".into())
    );
    let first = log.accept_record(payment(1));
    assert_eq!(
        rule_of(&log, payment(1).next(2, first.hash())),
        (RuleId::REVISION_CONFLICT, "/record/rev".into())
    );
    assert_eq!(
        rule_of(&log, payment(1).next(1, hash)),
        (RuleId::WRONG_PREV, "/record/prev".into())
    );
    let second = log.accept_record(payment(1).next(1, first.hash()));
    assert_eq!(rule_of(&log, payment(1).next(2, first.hash())).0, RuleId::WRONG_PREV);
    log.accept_record(payment(1).next(2, second.hash()));
    assert_eq!(
        rule_of(&log, payment(1).next(u32::MAX, second.hash())).0,
        RuleId::REVISION_CONFLICT
    );
    for rev in 0..3 {
        let revision = state::object_revision(&log.state, first.object(), rev).unwrap().unwrap();
        assert_eq!(revision.index.get(), u64::from(rev) + 2);
    }
    assert_eq!(state::object_revision(&log.state, first.object(), 3).unwrap(), None);
}

fn contract(object: &str) -> RecordDraft {
    RecordDraft::new(ORIGIN, "contract/1", "register")
        .object(object)
        .submitter(BODY)
        .occurred("2026-01-02")
        .data(Value::map([
            ("buyer", Value::map([("id", BODY)])),
            ("signed", "2026-01-02".into()),
            ("supplier", Value::map([("id", BODY)])),
            ("value", Value::map([("currency", "GBP"), ("value", "1")])),
        ]))
}

#[test]
fn an_object_keeps_its_kind_of_name() {
    let log = Log::with_treasury();
    let draft = contract("GB-LAE-DEV/payment/1");
    assert_eq!(rule_of(&log, draft), (RuleId::GRAMMAR, "/object".into()));
}

#[test]
fn each_revision_is_replaced_at_most_once() {
    let mut log = Log::with_treasury();
    let add = log.accept_record(payment(1));
    let correct = log.accept_record(payment(1).correct(1, add.hash(), 0, "cor-pub"));
    assert_eq!(
        rule_of(&log, payment(1).correct(2, correct.hash(), 0, "dup")),
        (RuleId::OPERATION, "/record/of".into())
    );
    let void = log.accept_record(
        payment(1).void(2, correct.hash(), 1, "dup").set("source", Value::map([("row", 1_i64)])),
    );
    assert_eq!(
        rule_of(
            &log,
            payment(1).void(3, void.hash(), 2, "dup").set("source", Value::map([("row", 1_i64)]))
        ),
        (RuleId::OPERATION, "/record/of".into())
    );
    // A void by mistake is undone by correcting it.
    let back = log.accept_record(payment(1).correct(3, void.hash(), 2, "cor-pub"));
    let next = log.accept_record(payment(1).next(4, back.hash()));
    log.accept_record(payment(1).correct(5, next.hash(), 3, "cor-pub"));
    let replaced: Vec<Option<u32>> = (0..6)
        .map(|rev| {
            state::object_revision(&log.state, add.object(), rev).unwrap().unwrap().replaced_by
        })
        .collect();
    assert_eq!(replaced, [Some(1), Some(2), Some(3), Some(5), None, None]);
}

fn flags_of(draft: RecordDraft, admitted_ms: u64, log: &Log) -> Vec<&'static str> {
    let record = draft.build().unwrap();
    let submission = Submission::parse(&signed(&record, &[&treasury()], &[]), ORIGIN).unwrap();
    let checked = CheckedSubmission::unchecked(submission);
    let index = EntryIndex::new(log.entries.len().try_into().unwrap());
    match admit(&log.state, index, admitted_ms, &checked, &P256Verify).unwrap() {
        Verdict::Accepted(admitted) => admitted.flags.iter().map(|flag| flag.as_str()).collect(),
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn flags_follow_from_the_record_the_time_and_the_entries_before() {
    let mut log = Log::with_treasury();
    let day = crate::date::DAY_MS;
    let on = |days: i64| crate::date::format_date(crate::date::day_of_millis(ADMITTED_MS) + days);
    let flags = |days: i64, log: &Log| flags_of(payment(1).occurred(&on(days)), ADMITTED_MS, log);
    assert_eq!(flags(-30, &log), [""; 0]);
    assert_eq!(flags(-31, &log), ["W03"]);
    assert_eq!(flags(1, &log), [""; 0]);
    assert_eq!(flags(2, &log), ["W04"]);
    // Within one day the hour makes no difference.
    assert_eq!(flags_of(payment(1).occurred(&on(-30)), ADMITTED_MS + day - 1, &log), [""; 0]);
    assert_eq!(
        flags_of(payment(1).source(Value::map([("rounded", true)])), ADMITTED_MS, &log),
        ["W09"]
    );
    let linked = |log: &Log| {
        flags_of(payment(2).reference("contract", "GB-LAE-DEV/contract/1"), ADMITTED_MS, log)
    };
    assert_eq!(linked(&log), ["W01"]);
    let all = payment(1)
        .occurred("2020-01-01")
        .reference("contract", "a/b")
        .source(Value::map([("rounded", true)]));
    assert_eq!(flags_of(all, ADMITTED_MS, &log), ["W01", "W03", "W09"]);
    let first = log.accept_record(payment(1));
    log.accept_record(contract("GB-LAE-DEV/contract/1"));
    assert_eq!(linked(&log), [""; 0]);
    // A correction tells nothing for the first time, so it cannot be late.
    let correction = payment(1).correct(1, first.hash(), 0, "dup").occurred("2020-01-01");
    assert_eq!(flags_of(correction, ADMITTED_MS, &log), [""; 0]);
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the disk is gone")]
struct Gone;

/// Fails at the n-th read.
struct Failing<'a>(&'a BTreeMap<Vec<u8>, Vec<u8>>, std::cell::Cell<usize>);

impl State for Failing<'_> {
    type Error = Gone;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Gone> {
        let left = self.1.get();
        self.1.set(left.wrapping_sub(1));
        if left == 0 { Err(Gone) } else { Ok(self.0.get(key).cloned()) }
    }
}

#[test]
fn a_failed_read_is_never_taken_for_absence() {
    let mut log = Log::with_treasury();
    let first = log.accept_record(payment(1));
    let posts = [
        posted(2),
        signed(&first, &[&treasury()], &[]),
        signed(
            &payment(1)
                .correct(1, first.hash(), 0, "dup")
                .reference("contract", "a/b")
                .build()
                .unwrap(),
            &[&treasury()],
            &[],
        ),
        signed(&key_add(BODY, &stranger()).build().unwrap(), &[&treasury(), &stranger()], &[]),
        signed(&key_revoke(&treasury()).build().unwrap(), &[&governance()], &[]),
    ];
    for post in posts {
        let checked = CheckedSubmission::unchecked(Submission::parse(&post, ORIGIN).unwrap());
        let index = EntryIndex::new(3);
        let expected = admit(&log.state, index, ADMITTED_MS, &checked, &P256Verify).unwrap();
        let mut reads = 0;
        loop {
            let state = Failing(&log.state, std::cell::Cell::new(reads));
            match admit(&state, index, ADMITTED_MS, &checked, &P256Verify) {
                Err(StateError::Read(Gone)) => reads += 1,
                Ok(verdict) => {
                    assert_eq!(verdict, expected);
                    break;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(reads > 0);
    }
}

#[test]
fn corrupt_state_is_an_error_and_no_verdict() {
    let log = Log::with_treasury();
    let checked = CheckedSubmission::unchecked(Submission::parse(&posted(1), ORIGIN).unwrap());
    for (key, value) in &log.state {
        if key.starts_with(b"o/log") || key == b"g" {
            continue;
        }
        for broken in
            [vec![], vec![9], value[..value.len() - 1].to_vec(), [value.as_slice(), b"x"].concat()]
        {
            let mut state = log.state.clone();
            state.insert(key.clone(), broken);
            let judged = admit(&state, EntryIndex::new(2), ADMITTED_MS, &checked, &P256Verify);
            let concerns = key == &state::submitter_key(BODY)
                || key.ends_with(treasury().public().kid().as_str().as_bytes());
            assert_eq!(matches!(judged, Err(StateError::Corrupt { .. })), concerns);
        }
    }
}

/// Each history is a list of choices; every entry that comes out must replay to the same bytes and state.
fn history() -> impl Strategy<Value = Vec<(u32, u8, u64)>> {
    prop::collection::vec((0..3_u32, 0..6_u8, 0..200_u64), 1..14)
}

fn draft(log: &Log, number: u32, choice: u8) -> RecordDraft {
    let object = format!("{BODY}/payment/{number}");
    let Some(head) = state::object_head(&log.state, &object).unwrap() else {
        return payment(number).sealed(payee_name().0);
    };
    let rev = head.rev + 1;
    let of = (0..=head.rev).rev().find(|rev| {
        let revision = state::object_revision(&log.state, &object, *rev).unwrap().unwrap();
        revision.replaced_by.is_none() && (choice != 2 || revision.op != Op::Void)
    });
    match (choice, of) {
        (0, _) => payment(number).reference("contract", &object).sealed(payee_name().0),
        (1, Some(of)) => payment(number).correct(rev, head.record_hash, of, "cor-pub"),
        (2, Some(of)) => payment(number).void(rev, head.record_hash, of, "dup"),
        _ => payment(number).next(rev, head.record_hash).occurred("2025-11-01"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn replay_gives_what_admission_gave(choices in history()) {
        let mut log = Log::with_treasury();
        let mut now_ms = ADMITTED_MS;
        for (number, choice, later_ms) in choices {
            now_ms += later_ms * 86_400_000 / 3;
            let record = draft(&log, number, choice).build().unwrap();
            let disclosures = if record.sealed().is_empty() { vec![] } else { vec![payee_name().1] };
            let submission = Submission::parse(&signed(&record, &[&treasury()], &disclosures), ORIGIN).unwrap();
            let checked = CheckedSubmission::unchecked(submission);
            let index = EntryIndex::new(log.entries.len().try_into().unwrap());
            if let Verdict::Accepted(admitted) = admit(&log.state, index, now_ms, &checked, &P256Verify).unwrap() {
                log.state.extend(admitted.changes.iter().cloned());
                log.entries.push(admitted.entry);
            }
        }
        let mut state = BTreeMap::new();
        let mut before_ms = 0;
        for (index, bytes) in (0..).zip(&log.entries) {
            let admitted = replay(&state, EntryIndex::new(index), ORIGIN, before_ms, bytes, &P256Verify).unwrap().unwrap();
            before_ms = entry::Entry::parse(bytes).unwrap().admitted_ms();
            state.extend(admitted.changes);
        }
        prop_assert_eq!(state, log.state);
    }
}

#[test]
fn every_changed_bit_of_a_submission_is_refused() {
    let mut log = Log::with_treasury();
    let bytes = posted(1);
    let index = log.judge(&bytes);
    assert!(matches!(index, Ok(Verdict::Accepted(_))));
    for at in (0..bytes.len()).step_by(3) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        log.refusal(&changed);
    }
    log.accept(&bytes);
}
