use super::*;
use crate::fixture::{self, assert_form, payment, replaced};
use crate::refusal::RuleId;

fn good() -> Vec<u8> {
    let hash = RecordHash::new([1; 32]);
    payment(1)
        .correct(3, hash, 2, "dup")
        .reference("contract", "GB-LAE-DEV/contract/4711")
        .reference_id("ocds", "ocds-213czf-1")
        .document(Value::map([
            ("media", Value::from("application/pdf")),
            ("sha256", "ab".repeat(32).into()),
            ("size", Value::Int(10)),
            ("type", "contractSigned".into()),
        ]))
        .sealed(fixture::payee_name().0)
        .build()
        .unwrap()
        .bytes()
        .to_vec()
}

fn refused(bytes: &[u8]) -> Refusal {
    let refusal = Record::parse(bytes).unwrap_err();
    assert_form(&refusal);
    refusal
}

#[test]
fn typed_view_says_what_the_bytes_say() {
    let bytes = good();
    let record = Record::parse(&bytes).unwrap();
    assert_eq!(record.bytes(), bytes);
    assert_eq!(record.hash(), RecordHash::of(&bytes));
    assert_eq!(
        (record.log(), record.profile(), record.kind()),
        (fixture::ORIGIN, "spending/1", "payment")
    );
    assert_eq!((record.object(), record.submitter()), ("GB-LAE-DEV/payment/1", "GB-LAE-DEV"));
    assert_eq!(
        (record.rev(), record.op(), record.of(), record.why()),
        (3, Op::Correct, Some(2), Some("dup"))
    );
    assert_eq!((record.prev(), record.occurred()), (Some(RecordHash::new([1; 32])), "2026-01-02"));
    assert_eq!(record.refs().len(), 2);
    assert_eq!(record.documents()[0].kind, "contractSigned");
    assert_eq!(record.sealed()[0].name(), "name");
    assert_eq!(record.source().unwrap().row, Some(2));
    assert_eq!(record.data().at("/amount/value").and_then(Value::as_text), Some("3605.68"));
}

/// The example that documents the format, with real digests.
#[test]
fn accepts_the_documented_example() {
    let text = r#"{"data":{"amount":{"currency":"GBP","value":"3605.68"},"payee":{"id":"XI-LOCAL-89507"},"payer":{"id":"GB-LAE-DEV"}},"kind":"payment","log":"log.example/spending-2026","object":"GB-LAE-DEV/payment/CFADDAY36539932","occurred":"2024-01-02","op":"add","profile":"spending/1","refs":[{"object":"GB-LAE-DEV/contract/4711","rel":"contract"}],"rev":0,"sealed":[{"digest":"jsu9yVulwQQlhFlM_3JlzMaSFzglhQG0DpfayQwLUK4","held":"log","path":"/data/payee/name"}],"source":{"row":2},"submitter":"GB-LAE-DEV","v":1}"#;
    let record = Record::parse(text.as_bytes()).unwrap();
    assert_eq!(record.hash().to_string(), "VlPaevr5axTyl-7tYCtlMXlk4dma__YKocN3bhNj7c8");
}

#[test]
fn every_missing_member_is_named() {
    let value = json::parse(&good(), &Limits::RECORD).unwrap();
    let optional = ["refs", "documents", "sealed", "source"];
    for name in value.as_map().unwrap().keys() {
        let mut members = value.as_map().unwrap().clone();
        members.remove(name);
        let parsed = Record::parse(&json::to_canonical(&Value::Map(members)));
        if optional.contains(&name.as_str()) {
            assert!(parsed.is_ok(), "{name}");
            continue;
        }
        let refusal = parsed.unwrap_err();
        assert_form(&refusal);
        assert_eq!(refusal.pointer, format!("/{name}"));
    }
}

#[test]
fn every_member_of_another_type_is_refused_in_its_place() {
    let value = json::parse(&good(), &Limits::RECORD).unwrap();
    for name in value.as_map().unwrap().keys() {
        for other in [Value::Bool(true), Value::Int(-7), Value::from("ä ö"), Value::list([1_i64])]
        {
            let mut members = value.as_map().unwrap().clone();
            members.insert(name.clone(), other);
            let refusal = refused(&json::to_canonical(&Value::Map(members)));
            assert!(refusal.pointer.starts_with(&format!("/{name}")), "{name}: {refusal}");
        }
    }
}

#[test]
fn refuses_what_is_outside_the_grammar() {
    let bytes = good();
    for (from, to, rule, pointer) in [
        ("\"v\":1", "\"v\":2", RuleId::GRAMMAR, "/v"),
        ("\"v\":1", "\"v\":1,\"w\":1", RuleId::GRAMMAR, "/w"),
        ("GB-LAE-DEV/payment/1", "GB-LAE-DEV/../1", RuleId::GRAMMAR, "/object"),
        ("GB-LAE-DEV/payment/1", "GB-LAE-DEV/payment/1/", RuleId::GRAMMAR, "/object"),
        ("GB-LAE-DEV/payment/1", "GB-LAE-DEV//1", RuleId::GRAMMAR, "/object"),
        ("GB-LAE-DEV/payment/1", "GB-LAE-DEV", RuleId::GRAMMAR, "/object"),
        ("GB-LAE-DEV/payment/1", "GB-LAE-DEV/pаyment/1", RuleId::GRAMMAR, "/object"),
        ("GB-LAE-DEV/payment/1", "GB-LAE-DEV/payment\u{200d}/1", RuleId::GRAMMAR, "/object"),
        ("GB-LAE-DEV/payment/1", "GB-LAE-DEV/payment/e\u{301}", RuleId::GRAMMAR, "/object"),
        (
            "\"submitter\":\"GB-LAE-DEV\"",
            "\"submitter\":\"gb-lae-dev\"",
            RuleId::GRAMMAR,
            "/submitter",
        ),
        ("2026-01-02", "2026-02-30", RuleId::GRAMMAR, "/occurred"),
        ("2026-01-02", "2026-01-02T00:00:00Z", RuleId::GRAMMAR, "/occurred"),
        ("\"rev\":3", "\"rev\":-3", RuleId::GRAMMAR, "/rev"),
        ("\"rev\":3", "\"rev\":4294967296", RuleId::GRAMMAR, "/rev"),
        ("\"rev\":3", "\"rev\":\"3\"", RuleId::GRAMMAR, "/rev"),
        ("\"op\":\"correct\"", "\"op\":\"delete\"", RuleId::GRAMMAR, "/op"),
        ("\"why\":\"dup\"", "\"why\":\"because\"", RuleId::GRAMMAR, "/why"),
        ("\"rel\":\"ocds\"", "\"rel\":\"friend\"", RuleId::GRAMMAR, "/refs/1/rel"),
        ("\"id\":\"ocds-213czf-1\"", "\"id\":\"Jane Roe\"", RuleId::GRAMMAR, "/refs/1/id"),
        ("contractSigned", "JaneRoe", RuleId::GRAMMAR, "/documents/0/type"),
        ("application/pdf", "application/PDF", RuleId::GRAMMAR, "/documents/0/media"),
        ("\"row\":2", "\"row\":0", RuleId::GRAMMAR, "/source/row"),
        ("\"row\":2", "\"rounded\":false,\"row\":2", RuleId::GRAMMAR, "/source/rounded"),
        ("\"row\":2", "\"comment\":\"x\",\"row\":2", RuleId::GRAMMAR, "/source/comment"),
        ("\"kind\":\"payment\"", "\"kind\":\"budget\"", RuleId::UNKNOWN_PROFILE, "/kind"),
    ] {
        let refusal = refused(&replaced(&bytes, from, to));
        assert_eq!((refusal.rule, refusal.pointer.as_str()), (rule, pointer), "{from} to {to}");
    }
}

#[test]
fn op_of_why_and_prev_fit_together() {
    let hash = RecordHash::new([1; 32]);
    for (draft, rule, pointer) in [
        (payment(1).set("op", "next"), RuleId::OPERATION, "/op"),
        (payment(1).next(1, hash).set("op", "add"), RuleId::OPERATION, "/op"),
        (payment(1).set("prev", hash.to_string()), RuleId::WRONG_PREV, "/prev"),
        (payment(1).set("rev", 1_i64).set("op", "next"), RuleId::WRONG_PREV, "/prev"),
        (payment(1).next(1, hash).set("of", 0_i64), RuleId::OPERATION, "/of"),
        (payment(1).next(1, hash).set("op", "correct").set("why", "dup"), RuleId::OPERATION, "/of"),
        (payment(1).next(1, hash).set("op", "correct").set("of", 0_i64), RuleId::OPERATION, "/why"),
        (payment(1).correct(1, hash, 1, "dup"), RuleId::OPERATION, "/of"),
        (payment(1).correct(1, hash, 2, "dup"), RuleId::OPERATION, "/of"),
        (payment(1).set("why", "dup"), RuleId::OPERATION, "/why"),
        (payment(1).next(1, hash).set("prev", "AAAA"), RuleId::GRAMMAR, "/prev"),
        (payment(1).next(1, hash).set("prev", format!("{hash}=")), RuleId::GRAMMAR, "/prev"),
    ] {
        let refusal = draft.build().unwrap_err();
        assert_eq!((refusal.rule, refusal.pointer.as_str()), (rule, pointer));
    }
    for draft in [
        payment(1).next(1, hash),
        payment(1).next(1, hash).set("why", "mod-cir"),
        payment(1).void(2, hash, 0, "dup").set("source", Value::map([("row", 1_i64)])),
    ] {
        draft.build().unwrap();
    }
}

#[test]
fn a_record_of_more_than_32_kib_is_refused() {
    let build = |count: usize| {
        let items: Vec<Value> = (0..count)
            .map(|n| Value::map([("id", format!("{n:0>90}")), ("rel", "iati".into())]))
            .collect();
        payment(1).set("refs", Value::List(items)).build()
    };
    assert!(build(200).is_ok());
    assert_eq!(build(400).unwrap_err().rule, RuleId::TOO_LARGE);
}
