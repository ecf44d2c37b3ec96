use proptest::prelude::*;

use super::*;
use crate::fixture::{
    ORIGIN, assert_form, governance, payee_name, payment, posted, replaced, signed, stranger,
    treasury,
};
use crate::jwk::Algorithm;
use crate::jws::P256Verify;
use crate::limits::SUBMISSION_BYTES_MAX;

fn refused(bytes: &[u8]) -> (RuleId, String) {
    let refusal = Submission::parse(bytes, ORIGIN).unwrap_err();
    assert_form(&refusal);
    (refusal.rule, refusal.pointer)
}

#[test]
fn a_submission_comes_back_byte_for_byte() {
    let bytes = posted(1);
    let submission = Submission::parse(&bytes, ORIGIN).unwrap();
    assert_eq!(submission.to_canonical(), bytes);
    assert_eq!(submission.signatures()[0].kid(), treasury().public().kid());
    assert_eq!(submission.disclosures()[0].value().as_text(), Some("Orchard Care Ltd"));
    assert_eq!(submission.record(), &Record::parse(submission.record().bytes()).unwrap());
}

#[test]
fn members_and_types_of_a_submission_are_fixed() {
    let bytes = posted(1);
    for (from, to, rule, pointer) in [
        ("{\"disclosures\":", "{\"disclosure\":", RuleId::GRAMMAR, "/disclosure"),
        ("{\"disclosures\":", "{\"a\":1,\"disclosures\":", RuleId::GRAMMAR, "/a"),
        ("\"record\":{", "\"record\":[{", RuleId::NOT_CANONICAL, "/record/2"),
        ("\"signatures\":[", "\"signatures\":[1,", RuleId::SIGNATURE, "/signatures/0"),
        ("\"signatures\":[", "\"signatures\":[\"x\",", RuleId::SIGNATURE, "/signatures/0"),
        ("{\"disclosures\":[", "{\"disclosures\":[1,", RuleId::DISCLOSURE, "/disclosures/0"),
        (
            "{\"disclosures\":[\"",
            "{\"disclosures\":[\"Jane Roe",
            RuleId::DISCLOSURE,
            "/disclosures/0",
        ),
        ("2026-01-02", "2026-02-30", RuleId::GRAMMAR, "/record/occurred"),
        (
            "\"value\":\"3605.68\"",
            "\"value\":3605.68",
            RuleId::NOT_CANONICAL,
            "/record/data/amount/value",
        ),
        (
            "\"value\":\"3605.68\"",
            "\"value\":\"3605.685\"",
            RuleId::MONEY,
            "/record/data/amount/value",
        ),
    ] {
        assert_eq!(
            refused(&replaced(&bytes, from, to)),
            (rule, pointer.to_owned()),
            "{from} to {to}"
        );
    }
    assert_eq!(refused(b"{}"), (RuleId::GRAMMAR, "/record".into()));
    assert_eq!(refused(b"[1]").0, RuleId::GRAMMAR);
}

#[test]
fn a_record_for_another_log_is_refused() {
    let bytes = posted(1);
    let refusal = Submission::parse(&bytes, "log.example/other").unwrap_err();
    assert_eq!((refusal.rule, refusal.pointer.as_str()), (RuleId::OTHER_LOG, "/record/log"));
}

#[test]
fn signatures_are_one_to_four_sorted_and_distinct() {
    let record = payment(1).build().unwrap();
    let texts = |count: u8| -> Vec<String> {
        let keys = (10..10 + count).map(|n| crate::fixture::key(Algorithm::Ed25519, n));
        let mut jws: Vec<DetachedJws> = keys.map(|key| key.sign_detached(record.bytes())).collect();
        jws.sort_by(|a, b| a.kid().cmp(b.kid()));
        jws.iter().map(DetachedJws::to_text).collect()
    };
    let post = |texts: &[String]| {
        let list: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
        let record = std::str::from_utf8(record.bytes()).unwrap();
        format!("{{\"record\":{record},\"signatures\":[{}]}}", list.join(",")).into_bytes()
    };
    for count in 1..=4 {
        assert!(Submission::parse(&post(&texts(count)), ORIGIN).is_ok());
    }
    assert_eq!(refused(&post(&texts(5))), (RuleId::SIGNATURE, "/signatures".into()));
    let mut two = texts(2);
    two.swap(0, 1);
    assert_eq!(refused(&post(&two)), (RuleId::SIGNATURE, "/signatures/1".into()));
    let one = texts(1);
    assert_eq!(
        refused(&post(&[one[0].clone(), one[0].clone()])),
        (RuleId::SIGNATURE, "/signatures/1".into())
    );
    assert_eq!(refused(&post(&[])).0, RuleId::NOT_CANONICAL);
    let record = std::str::from_utf8(record.bytes()).unwrap();
    assert_eq!(
        refused(format!("{{\"record\":{record}}}").as_bytes()),
        (RuleId::SIGNATURE, "/signatures".into())
    );
}

#[test]
fn a_submission_of_more_than_64_kib_is_refused_unread() {
    let bytes = vec![b' '; SUBMISSION_BYTES_MAX + 1];
    assert_eq!(refused(&bytes), (RuleId::TOO_LARGE, String::new()));
    assert_eq!(refused(&bytes[1..]).0, RuleId::NOT_CANONICAL);
}

#[test]
fn truncated_submissions_are_refused_at_every_length() {
    let bytes = posted(1);
    for len in 0..bytes.len() {
        assert!(Submission::parse(&bytes[..len], ORIGIN).is_err(), "{len}");
    }
}

#[test]
fn drafts_take_any_form_and_collect_signatures() {
    let (field, disclosure) = payee_name();
    let record = payment(1).sealed(field).build().unwrap();
    let mut draft = Submission::unsigned(record.clone(), vec![disclosure]).unwrap();
    let pretty: serde_json::Value = serde_json::from_slice(&draft.to_canonical()).unwrap();
    let pretty = serde_json::to_string_pretty(&pretty).unwrap();
    assert_eq!(Submission::parse_draft(pretty.as_bytes()).unwrap(), draft);
    for key in [treasury(), governance(), treasury()] {
        draft.add_signature(key.sign_detached(record.bytes()));
    }
    assert_eq!(draft.signatures().len(), 2);
    assert_eq!(Submission::parse(&draft.to_canonical(), ORIGIN).unwrap(), draft);
    assert!(Submission::unsigned(record, Vec::new()).is_err());
}

#[test]
fn check_verifies_known_keys_and_leaves_unknown_ones() {
    let submission = Submission::parse(&posted(1), ORIGIN).unwrap();
    let check = |key: Option<PublicKey>| {
        let keys = |_: &Kid| Ok::<_, std::convert::Infallible>(key.clone());
        CheckedSubmission::check(submission.clone(), keys, &P256Verify).unwrap()
    };
    assert_eq!(check(None).unwrap().checks(), [SignatureCheck::KeyUnknown]);
    assert_eq!(
        check(Some(treasury().public().clone())).unwrap().checks(),
        [SignatureCheck::Verified]
    );
    // A key store that hands out another key than the one asked for must not make it pass.
    let refusal = check(Some(stranger().public().clone())).unwrap_err();
    assert_eq!((refusal.rule, refusal.pointer.as_str()), (RuleId::SIGNATURE, "/signatures/0"));
    let failing = CheckedSubmission::check(submission.clone(), |_| Err("unreadable"), &P256Verify);
    assert_eq!(failing.unwrap_err(), "unreadable");
}

#[test]
fn a_signature_over_another_record_is_refused() {
    let bytes = posted(1);
    let other = replaced(&bytes, "3605.68", "3605.69");
    let submission = Submission::parse(&other, ORIGIN).unwrap();
    let keys = |_: &Kid| Ok::<_, std::convert::Infallible>(Some(treasury().public().clone()));
    assert!(CheckedSubmission::check(submission, keys, &P256Verify).unwrap().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Nothing about a submission can be changed without it being refused, or being another record.
    #[test]
    fn any_changed_bit_is_refused_or_changes_the_record_hash(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let bytes = posted(1);
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= 1 << bit;
        if let Ok(submission) = Submission::parse(&changed, ORIGIN) {
            prop_assert_eq!(submission.to_canonical(), changed);
            let keys = |kid: &Kid| {
                let key = treasury();
                Ok::<_, std::convert::Infallible>((kid == key.public().kid()).then(|| key.public().clone()))
            };
            match CheckedSubmission::check(submission, keys, &P256Verify).unwrap() {
                // A changed kid names a key that nobody has; the judgement refuses it.
                Ok(checked) => prop_assert_eq!(checked.checks(), &[SignatureCheck::KeyUnknown][..]),
                Err(refusal) => prop_assert_eq!(refusal.rule, RuleId::SIGNATURE),
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Submission::parse(&bytes, ORIGIN).is_err());
    }

    #[test]
    fn records_of_any_amount_round_trip(units in 0_u64..10_000_000_000, number in any::<u32>()) {
        let value = format!("{}.{:02}", units / 100, units % 100);
        let record = payment(number).data(crate::fixture::payment_data(&value, "EUR")).build().unwrap();
        let submission = Submission::parse(&signed(&record, &[&governance()], &[]), ORIGIN).unwrap();
        prop_assert_eq!(submission.record(), &record);
    }
}
