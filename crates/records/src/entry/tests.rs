use super::*;
use crate::fixture::{ADMITTED_MS, Log, ORIGIN, assert_form, payment, posted, replaced};
use crate::jws::P256Verify;
use crate::{Admitted, EntryIndex, replay};

fn log() -> Log {
    let mut log = Log::with_treasury();
    log.accept(&posted(1));
    log
}

fn judged_again(log: &Log, entry: &[u8], not_before_ms: u64) -> Result<Admitted, Refusal> {
    // The state as it was before the last entry.
    let before = Log::with_treasury();
    assert_eq!(before.entries[..], log.entries[..2]);
    let judged =
        replay(&before.state, EntryIndex::new(2), ORIGIN, not_before_ms, entry, &P256Verify);
    judged.unwrap().inspect_err(assert_form)
}

#[test]
fn an_entry_comes_back_byte_for_byte() {
    for bytes in log().entries {
        let entry = Entry::parse(&bytes).unwrap();
        assert_eq!(entry.to_canonical(), bytes);
        assert_eq!((entry.admitted_ms(), entry.flags().len()), (ADMITTED_MS, 0));
    }
}

#[test]
fn replay_accepts_what_was_admitted() {
    let log = log();
    let admitted = judged_again(&log, &log.entries[2], ADMITTED_MS).unwrap();
    assert_eq!(admitted.entry, log.entries[2]);
    assert_eq!(admitted.disclosures, None, "replay needs no disclosure");
}

#[test]
fn replay_refuses_an_entry_the_rules_do_not_give() {
    let log = log();
    let entry = &log.entries[2];
    for (from, to, rule) in [
        ("\"flags\":[]", "\"flags\":[\"W03\"]", RuleId::REPLAY),
        ("\"flags\":[]", "\"flags\":[\"E03\"]", RuleId::GRAMMAR),
        ("\"flags\":[]", "\"flags\":[\"W99\"]", RuleId::GRAMMAR),
        ("\"flags\":[]", "\"flags\":[\"W03\",\"W01\"]", RuleId::GRAMMAR),
        ("\"flags\":[],", "", RuleId::GRAMMAR),
        ("2026-01-05T", "2027-01-05T", RuleId::REPLAY),
        ("00:00:00.000Z", "00:00:00Z", RuleId::GRAMMAR),
        ("\"value\":\"3605.68\"", "\"value\":\"3605.69\"", RuleId::SIGNATURE),
        ("],\"v\":1}", "],\"v\":2}", RuleId::GRAMMAR),
        ("],\"v\":1}", "],\"v\":1,\"w\":1}", RuleId::GRAMMAR),
    ] {
        assert_eq!(
            judged_again(&log, &replaced(entry, from, to), 0).unwrap_err().rule,
            rule,
            "{from} to {to}"
        );
    }
    assert_eq!(judged_again(&log, entry, ADMITTED_MS + 1).unwrap_err().pointer, "/admitted");
    let again = replay(&log.state, EntryIndex::new(3), ORIGIN, 0, entry, &P256Verify).unwrap();
    assert_eq!(again.unwrap_err().rule, RuleId::REPLAY);
    let elsewhere =
        replay(&log.state, EntryIndex::new(2), "log.example/other", 0, entry, &P256Verify).unwrap();
    assert_eq!(elsewhere.unwrap_err().rule, RuleId::OTHER_LOG);
}

#[test]
fn replay_keeps_the_flags_that_were_judged() {
    let mut log = Log::with_treasury();
    log.accept_record(payment(1).occurred("2020-01-01"));
    let admitted = judged_again(&log, &log.entries[2], 0).unwrap();
    assert_eq!(admitted.flags, [RuleId::LATE]);
    let forged = replaced(&log.entries[2], "\"flags\":[\"W03\"]", "\"flags\":[]");
    assert_eq!(judged_again(&log, &forged, 0).unwrap_err().rule, RuleId::REPLAY);
}

#[test]
fn every_changed_bit_of_an_entry_is_noticed() {
    let log = log();
    let entry = &log.entries[2];
    for at in (0..entry.len()).step_by(5) {
        let mut changed = entry.clone();
        changed[at] ^= 1 << (at % 8);
        let result = judged_again(&log, &changed, 0);
        // A later time within the same day is as good a time; the tree holds it fast.
        let is_time = changed[..40] != entry[..40];
        assert!(result.is_err() || is_time, "offset {at}");
    }
}
