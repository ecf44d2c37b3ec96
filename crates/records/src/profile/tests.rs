use crate::fixture::{self, assert_form, payment, payment_data};
use crate::profile::{Profile, shipped};
use crate::record::Body;
use crate::refusal::RuleId;
use crate::{HeldBy, RecordDraft, RecordHash, Value, seal};

fn with(path: &[&str], value: Option<Value>, mut data: Value) -> Value {
    fn place(here: &mut Value, path: &[&str], value: Option<Value>) {
        let Value::Map(members) = here else { panic!("no object on the way") };
        match (path, value) {
            ([last], None) => drop(members.remove(*last)),
            ([last], Some(value)) => drop(members.insert((*last).to_owned(), value)),
            ([first, rest @ ..], value) => place(members.get_mut(*first).unwrap(), rest, value),
            ([], _) => panic!("no path"),
        }
    }
    place(&mut data, path, value);
    data
}

fn contract(data: Value) -> RecordDraft {
    RecordDraft::new(fixture::ORIGIN, "contract/1", "register")
        .object("GB-LAE-DEV/contract/4711")
        .submitter(fixture::BODY)
        .occurred("2026-01-02")
        .data(data)
}

fn contract_data() -> Value {
    Value::map([
        ("buyer", Value::map([("id", "GB-LAE-DEV")])),
        ("class", Value::map([("cpv", "45000000")])),
        ("native", "C-4711".into()),
        ("ocid", "ocds-213czf-000-00001".into()),
        ("period", Value::map([("end", "2026-12-31"), ("start", "2026-01-01")])),
        ("signed", "2026-01-02".into()),
        ("supplier", Value::map([("id", "GB-COH-01234567")])),
        ("value", Value::map([("currency", "GBP"), ("value", "100000.00")])),
    ])
}

fn payment_of(data: Value) -> (RuleId, String) {
    let refusal = payment(1).data(data).build().unwrap_err();
    assert_form(&refusal);
    (refusal.rule, refusal.pointer)
}

fn contract_of(data: Value) -> (RuleId, String) {
    let refusal = contract(data).build().unwrap_err();
    assert_form(&refusal);
    (refusal.rule, refusal.pointer)
}

#[test]
fn payment_and_contract_take_their_optional_members() {
    let data = [
        ("class", Value::map([("cofog", "07.1"), ("expense", "5701")])),
        ("line", Value::Int(0)),
        ("measure", "net".into()),
    ]
    .into_iter()
    .fold(payment_data("-1", "GBP"), |data, (name, value)| with(&[name], Some(value), data));
    assert_eq!(payment(1).data(data).build().unwrap().body(), &Body::Checked);
    assert_eq!(contract(contract_data()).build().unwrap().body(), &Body::Checked);
}

#[test]
fn required_members_are_missed_by_name() {
    for (path, pointer) in [
        (&["payer"][..], "/data/payer"),
        (&["payer", "id"], "/data/payer/id"),
        (&["payee"], "/data/payee"),
        (&["payee", "id"], "/data/payee"),
        (&["amount"], "/data/amount"),
    ] {
        let expected = (RuleId::GRAMMAR, pointer.to_owned());
        assert_eq!(payment_of(with(path, None, payment_data("1", "GBP"))), expected);
    }
    for (path, pointer) in [
        (&["buyer"][..], "/data/buyer"),
        (&["buyer", "id"], "/data/buyer/id"),
        (&["supplier", "id"], "/data/supplier"),
        (&["value"], "/data/value"),
        (&["signed"], "/data/signed"),
    ] {
        assert_eq!(
            contract_of(with(path, None, contract_data())),
            (RuleId::GRAMMAR, pointer.to_owned())
        );
    }
    for path in [
        &["class"][..],
        &["native"],
        &["ocid"],
        &["period"],
        &["period", "end"],
        &["period", "start"],
    ] {
        contract(with(path, None, contract_data())).build().unwrap();
    }
}

#[test]
fn amounts_are_strict_money_with_exact_pointers() {
    for (value, currency, pointer) in [
        ("1.234", "GBP", "/data/amount/value"),
        ("1e3", "GBP", "/data/amount/value"),
        ("+1", "GBP", "/data/amount/value"),
        ("01", "GBP", "/data/amount/value"),
        ("-0.00", "GBP", "/data/amount/value"),
        ("1.5", "JPY", "/data/amount/value"),
        ("430.69000000000005", "GBP", "/data/amount/value"),
        ("1", "gbp", "/data/amount/currency"),
        ("1", "XXX", "/data/amount/currency"),
    ] {
        assert_eq!(
            payment_of(payment_data(value, currency)),
            (RuleId::MONEY, pointer.to_owned()),
            "{value}"
        );
    }
    for (path, value, pointer) in [
        (&["amount"][..], Value::from("3605.68"), "/data/amount"),
        (&["amount"], Value::Int(3), "/data/amount"),
        (&["amount", "value"], Value::Int(3), "/data/amount/value"),
        (&["amount", "net"], "1".into(), "/data/amount/net"),
    ] {
        assert_eq!(
            payment_of(with(path, Some(value), payment_data("1", "GBP"))),
            (RuleId::MONEY, pointer.to_owned())
        );
    }
    let float = b"{\"data\":{\"amount\":{\"currency\":\"GBP\",\"value\":3605.68}}}";
    let refusal = crate::Record::parse(float).unwrap_err();
    assert_eq!(
        (refusal.rule, refusal.pointer.as_str()),
        (RuleId::NOT_CANONICAL, "/data/amount/value")
    );
    assert!(refusal.message.contains("decimal strings"));
}

#[test]
fn names_and_texts_in_clear_are_refused_and_never_repeated() {
    let secret = "Jane Roe of 1 High Street";
    let cases = [
        (&["payee", "name"][..], RuleId::PERSON_IN_CLEAR),
        (&["payer", "name"], RuleId::PERSON_IN_CLEAR),
        (&["description"], RuleId::PERSON_IN_CLEAR),
        (&["payee", "iban"], RuleId::PERSON_IN_CLEAR),
        (&["invoice"], RuleId::PERSON_IN_CLEAR),
        (&["payee", "nickname"], RuleId::GRAMMAR),
        (&["payee", "id"], RuleId::GRAMMAR),
        (&["native"], RuleId::GRAMMAR),
        (&["measure"], RuleId::GRAMMAR),
        (&["whatever"], RuleId::GRAMMAR),
        (&["amount", "value"], RuleId::MONEY),
        (&["amount", "currency"], RuleId::MONEY),
        (&["payee"], RuleId::GRAMMAR),
        (&["line"], RuleId::GRAMMAR),
        (&["class"], RuleId::GRAMMAR),
        (&["amount"], RuleId::MONEY),
    ];
    for (path, rule) in cases {
        let data = with(path, Some(secret.into()), payment_data("1", "GBP"));
        let refusal = payment(1).data(data).build().unwrap_err();
        assert_form(&refusal);
        assert_eq!(refusal.rule, rule, "{path:?}");
        assert_eq!(refusal.pointer, format!("/data/{}", path.join("/")));
        let words = format!("{refusal}");
        assert!(!words.contains("Jane") && !words.contains("High"), "{words}");
    }
    for number in ["123-45-6789", "19850312-1234", "+44.7700.900123"] {
        for path in [&["payee", "id"][..], &["measure"]] {
            let data = with(path, Some(number.into()), payment_data("1", "GBP"));
            assert!(!payment(1).data(data).build().unwrap_err().message.contains(number));
        }
    }
    let classes = Value::map([("person", secret)]);
    assert_eq!(
        payment_of(with(&["class"], Some(classes), payment_data("1", "GBP"))).1,
        "/data/class/person"
    );
}

#[test]
fn identifiers_of_natural_persons_are_refused_in_clear() {
    for id in ["GBR-PASSPORT-123456789", "UKR-TAXID-1", "FR-IDCARD-9"] {
        let data = with(&["payee", "id"], Some(id.into()), payment_data("1", "GBP"));
        let refusal = payment(1).data(data).build().unwrap_err();
        assert_eq!(
            (refusal.rule, refusal.pointer.as_str()),
            (RuleId::PERSON_IN_CLEAR, "/data/payee/id")
        );
        assert!(!refusal.message.contains(id));
    }
}

#[test]
fn a_party_may_be_known_by_a_sealed_name_alone() {
    let data = with(&["payee", "id"], None, payment_data("1", "GBP"));
    for path in ["/data/payee/name", "/data/payee/id"] {
        let name = path.rsplit('/').next().unwrap();
        let (field, _) = seal(path, name, "x".into(), [1; 16], HeldBy::Submitter);
        payment(1).data(data.clone()).sealed(field).build().unwrap();
    }
    let (other, _) = seal("/data/payee/iban", "iban", "x".into(), [1; 16], HeldBy::Submitter);
    assert_eq!(payment(1).data(data).sealed(other).build().unwrap_err().pointer, "/data/payee");
}

#[test]
fn a_required_member_cannot_be_sealed_away() {
    for (path, parent) in [("/data/amount", "amount"), ("/data/payer/id", "id")] {
        let (field, _) = seal(path, parent, "x".into(), [1; 16], HeldBy::Submitter);
        let clear: Vec<&str> = path.trim_start_matches("/data/").split('/').collect();
        let data = with(&clear, None, payment_data("1", "GBP"));
        let refusal = payment(1).data(data).sealed(field).build().unwrap_err();
        assert_eq!((refusal.rule, refusal.pointer.as_str()), (RuleId::GRAMMAR, path));
    }
}

#[test]
fn contract_dates_and_ocid_are_checked() {
    for (path, value, pointer) in [
        (&["signed"][..], "2026-13-01", "/data/signed"),
        (&["period", "start"], "soon", "/data/period/start"),
        (&["period", "end"], "2025-12-31", "/data/period/end"),
        (&["period", "note"], "x", "/data/period/note"),
        (&["ocid"], "ocds-1-1", "/data/ocid"),
        (&["ocid"], "OCDS-213czf-1", "/data/ocid"),
        (&["title"], "Works", "/data/title"),
        (&["native"], "a b", "/data/native"),
    ] {
        assert_eq!(contract_of(with(path, Some(value.into()), contract_data())).1, pointer);
    }
    let empty = Value::map::<&str, Value>([]);
    assert_eq!(contract_of(with(&["period"], Some(empty), contract_data())).1, "/data/period");
}

#[test]
fn a_void_says_nothing_new() {
    let hash = RecordHash::new([1; 32]);
    let void = payment(1).void(1, hash, 0, "dup");
    assert_eq!(void.clone().build().unwrap().body(), &Body::Checked);
    let (field, _) = seal("/data/x", "x", "x".into(), [1; 16], HeldBy::Submitter);
    for bad in [void.clone().data(payment_data("1", "GBP")), void.sealed(field)] {
        assert_eq!(bad.build().unwrap_err().rule, RuleId::OPERATION);
    }
}

#[test]
fn shipped_documents_are_frozen_with_the_engine_version() {
    let pinned = [
        ("contract/1", "c6e336efb1e45719c95193c68c25a17007f4f75bd4e98eb945a96f4f3fc75c04"),
        ("delivery/1", "6628751288cfe7c01d5da19c928a9da1c052d0e50a9e2b99530dcd98b9ee785a"),
        ("procurement/1", "3b3236c385e284ecc0b67ae977242d8fd3a12cc0a4e01cad0e1cfd49252439fa"),
        ("spending/1", "f2dc790d6d95d53cef0b554c01fa938848c7d033840844ee18e5d42dbf737aeb"),
    ];
    assert_eq!(shipped::DOCUMENTS.len(), pinned.len());
    for ((id, text), (pinned_id, digest)) in shipped::DOCUMENTS.iter().zip(pinned) {
        let profile = Profile::parse(text.as_bytes()).unwrap();
        assert_eq!((*id, profile.id()), (pinned_id, pinned_id));
        assert_eq!(
            hex::encode(profile.digest()),
            digest,
            "{id} changed: that needs another engine version"
        );
        assert!(shipped(id).is_some());
    }
}

fn refused_document(from: &str, to: &str) -> (RuleId, String) {
    let text = shipped::DOCUMENTS[3].1;
    assert!(text.contains(from), "{from}");
    let refusal = Profile::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err();
    assert_form(&refusal);
    (refusal.rule, refusal.pointer)
}

#[test]
fn a_document_says_nothing_that_the_engine_does_not_know() {
    for (from, to, pointer) in [
        ("\"spending/1\"", "\"spending\"", "/profile"),
        ("\"type\": \"money\"", "\"type\": \"text\"", "/kinds/0/fields/amount/type"),
        ("\"required\": true", "\"requird\": true", "/kinds/0/fields/amount/requird"),
        ("{body}/budget/{ids}", "{body}/{ids}/budget", "/kinds/0/object"),
        ("{body}/budget/{ids}", "budget/{ids}", "/kinds/0/object"),
        ("\"W01\"", "\"E10\"", "/kinds/1/rules/1/raises"),
        ("\"W01\"", "\"W99\"", "/kinds/1/rules/1/raises"),
        ("\"rule\": \"exists\"", "\"rule\": \"eval\"", "/kinds/1/rules/1/rule"),
        ("\"index\": [\"/year\"]", "\"index\": [\"/class\"]", "/kinds/0/index"),
        ("\"facts\": [\"/amount\"]", "\"facts\": [\"/nothing\"]", "/kinds/0/facts"),
        ("\"ops\": [\"add\", \"correct\", \"void\"]", "\"ops\": [\"delete\"]", "/kinds/0/ops/0"),
        ("\"kind\": \"commitment\"", "\"kind\": \"budget.line\"", "/kinds/1/kind"),
    ] {
        assert_eq!(
            refused_document(from, to),
            (RuleId::PROFILE_DOCUMENT, pointer.to_owned()),
            "{from} to {to}"
        );
    }
    let deep = "{\"type\":\"object\",\"fields\":{\"a\":".repeat(6)
        + "{\"type\":\"date\"}"
        + &"}}".repeat(6);
    let deep = format!(
        "{{\"profile\":\"x/1\",\"kinds\":[{{\"kind\":\"x\",\"ops\":[\"add\"],\"object\":\"{{body}}/x/{{id}}\",\"fields\":{{\"a\":{deep}}}}}]}}"
    );
    assert!(Profile::parse(deep.as_bytes()).is_err());
}

#[test]
fn only_listed_paths_are_sealed_and_only_listed_schemes_classify() {
    for (path, held) in [
        ("/data/payee/jane_roe", HeldBy::Submitter),
        ("/data/janeroe", HeldBy::Log),
        ("/data/payee/iban", HeldBy::Log),
    ] {
        let name = path.rsplit('/').next().unwrap();
        let (field, _) = seal(path, name, "x".into(), [1; 16], held);
        let refusal = payment(1).sealed(field).build().unwrap_err();
        assert_eq!(refusal.rule, RuleId::SEALED_FIELD, "{path}");
        assert!(!refusal.message.contains("jane"), "{refusal}");
    }
    let classes = Value::map([("jane_roe", "1")]);
    let data = with(&["class"], Some(classes), payment_data("1", "GBP"));
    assert_eq!(payment_of(data), (RuleId::GRAMMAR, "/data/class/jane_roe".to_owned()));
}
