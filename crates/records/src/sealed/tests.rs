use super::*;
use crate::fixture::{self, assert_form, payment, payment_data};
use crate::{Record, Submission, json::to_canonical, seal};

/// The examples of RFC 9901 §4.2.3 and §5.1; see `tests/vectors/README.md`.
#[test]
fn disclosures_and_digests_are_those_of_rfc_9901() {
    let vectors = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/disclosure-vectors.json"
    ));
    let vectors = json::parse(vectors, &Limits::FOREIGN).unwrap();
    let vectors = vectors.as_list().unwrap();
    assert_eq!(vectors.len(), 9);
    for vector in vectors {
        let text = |name| vector.get(name).and_then(Value::as_text).unwrap();
        let parsed = Disclosure::parse(text("disclosure"));
        if vector.get("accepted") == Some(&Value::Bool(false)) {
            // Its salt has spare bits that are not zero, so it is not the one text of 16 bytes.
            assert_eq!(parsed.unwrap_err().rule, RuleId::DISCLOSURE);
            continue;
        }
        let disclosure = parsed.unwrap();
        assert_eq!(disclosure.digest().to_string(), text("digest"));
        assert_eq!(disclosure.name(), text("name"));
        assert_eq!(Some(disclosure.value()), vector.get("value"));
        assert_eq!(base64url::encode(disclosure.salt()), text("salt"));
        assert_eq!(disclosure.text(), text("disclosure"), "it is never written anew");
    }
}

#[test]
fn disclosure_round_trips_and_shows_no_value_in_debug() {
    let made = Disclosure::new([7; 16], "name", "Jane Roe".into());
    let read = Disclosure::parse(made.text()).unwrap();
    assert_eq!((&read, read.salt(), read.digest()), (&made, &[7; 16], made.digest()));
    assert!(!format!("{read:?}").contains("Jane"));
}

#[test]
fn refuses_disclosures_of_another_form_without_repeating_them() {
    let encode = |text: &str| base64url::encode(text.as_bytes());
    let salt = base64url::encode(&[1; 16]);
    for text in [
        String::new(),
        "=".into(),
        encode("{}"),
        encode("Jane Roe"),
        encode(&format!("[\"{salt}\",\"Jane\"]")),
        encode(&format!("[\"{salt}\",\"name\",\"Jane\",1]")),
        encode("[\"AAAA\",\"name\",\"Jane\"]"),
        encode(&format!("[\"{salt}\",\"Jane Roe\",1]")),
        encode(&format!("[\"{salt}\",1,\"Jane\"]")),
        encode(&format!("[1,\"{salt}\",\"Jane\"]")),
        encode(&format!("[\"{salt}\",\"name\",1.5]")),
        encode(&format!("[\"{salt}\",\"name\",null]")),
        encode(&format!("[\"{salt}\",\"name\",{{\"Jane\":1,\"Jane\":2}}]")),
        encode(&format!("[\"{salt}\",\"name\",\"Jane\\u202e\"]")),
        encode(&format!("[\"{}\",\"name\",\"Jane\"]", base64url::encode(&[1; 17]))),
        format!("{}=", Disclosure::new([1; 16], "name", 1_i64.into()).text()),
    ] {
        let refusal = Disclosure::parse(&text).unwrap_err();
        assert_form(&refusal);
        assert_eq!(refusal.rule, RuleId::DISCLOSURE);
        assert!(!format!("{refusal}").contains("Jane"), "{refusal}");
    }
}

fn field(path: &str) -> SealedField {
    let name = path.rsplit('/').next().unwrap();
    seal(path, name, "x".into(), [3; 16], HeldBy::Submitter).0
}

fn with(fields: Vec<SealedField>) -> Result<Record, Refusal> {
    let record = fields.into_iter().fold(payment(1), crate::RecordDraft::sealed).build();
    record.inspect_err(assert_form)
}

#[test]
fn accepts_sealed_fields_below_data() {
    with(vec![field("/data/payee/name"), field("/data/description"), field("/data/purpose")])
        .unwrap();
}

#[test]
fn refuses_misplaced_sealed_fields() {
    for path in [
        "",
        "/",
        "/data",
        "/data/",
        "data/x",
        "/object",
        "/datax/y",
        "/data/a/../b",
        "/data/no/name",
        "/data/amount/value/x",
        "/data/native/x",
        "/data/a~1b",
        "/data/a~0b",
        "/data//x",
        "/data/payee/",
        "/data/payee/0",
        "/data/pa yee",
        "/data/é",
        "/data/payee/00/x",
        "/data/payee/0/x",
    ] {
        assert_eq!(with(vec![field(path)]).unwrap_err().rule, RuleId::SEALED_FIELD, "{path}");
    }
}

#[test]
fn refuses_a_sealed_member_that_stands_in_clear_too() {
    let refusal = with(vec![field("/data/payee/id")]).unwrap_err();
    assert_eq!(
        (refusal.rule, refusal.pointer.as_str()),
        (RuleId::PERSON_IN_CLEAR, "/sealed/0/path")
    );
}

#[test]
fn refuses_the_same_path_twice_and_another_order() {
    let twice = with(vec![field("/data/area"), field("/data/area")]).unwrap_err();
    assert_eq!(twice.rule, RuleId::SEALED_FIELD);
    let record = with(vec![field("/data/area"), field("/data/note")]).unwrap();
    let text = String::from_utf8(record.bytes().to_vec()).unwrap();
    let swapped = text.replace("/data/area", "/data/x").replace("/data/note", "/data/area");
    assert_eq!(Record::parse(swapped.as_bytes()).unwrap_err().rule, RuleId::SEALED_FIELD);
}

#[test]
fn refuses_a_path_inside_another() {
    // The parent of the inner one would have to stand in clear, so both orders of the check refuse it.
    let refusal = with(vec![field("/data/extra"), field("/data/extra/name")]).unwrap_err();
    assert_eq!(refusal.rule, RuleId::SEALED_FIELD);
    let data = Value::map([("a", Value::map([("b", 1_i64)]))]);
    let fields = [field("/data/a"), field("/data/a/c")];
    assert!(check_fields(&fields, &data, &At::Root).is_err());
}

#[test]
fn personal_fields_carry_why_and_until_and_take_the_ids_along() {
    let person = |until: Option<Until>, why: Option<&str>| SealedField {
        why: why.map(str::to_owned),
        until,
        ..field("/data/payee/name")
    };
    let beside_an_id = with(vec![person(Some(Until::Open), Some("person"))]).unwrap_err();
    assert_eq!(beside_an_id.rule, RuleId::PERSON_IN_CLEAR);

    let mut data = payment_data("1", "GBP");
    if let Value::Map(members) = &mut data {
        members.insert("payee".into(), Value::map::<&str, Value>([]));
    }
    // The number of its line in the accounts leads to the person as well.
    let beside_a_number =
        payment(1).data(data.clone()).sealed(person(Some(Until::Open), Some("person"))).build();
    assert_eq!(beside_a_number.unwrap_err().rule, RuleId::PERSON_IN_CLEAR);
    if let Value::Map(members) = &mut data {
        members.remove("native");
    }
    let build = |field: SealedField| payment(1).data(data.clone()).sealed(field).build();
    let record = build(person(Some(Until::Open), Some("person"))).unwrap();
    assert!(record.sealed()[0].is_personal());
    assert!(String::from_utf8_lossy(record.bytes()).contains("\"until\":null"));
    build(person(Some(Until::Date("2030-01-01".into())), Some("person"))).unwrap();
    for bad in [
        person(None, Some("person")),
        person(Some(Until::Open), None),
        person(Some(Until::Open), Some("because")),
        person(Some(Until::Date("soon".into())), Some("person")),
    ] {
        assert_eq!(build(bad).unwrap_err().rule, RuleId::SEALED_FIELD);
    }
}

#[test]
fn disclosures_must_be_exactly_those_the_log_holds() {
    let (name, opened) = fixture::payee_name();
    let (text, opened_text) =
        seal("/data/description", "description", "Care".into(), [4; 16], HeldBy::Log);
    let (own, opened_own) =
        seal("/data/invoice", "invoice", "7".into(), [5; 16], HeldBy::Submitter);
    let record = payment(1).sealed(name).sealed(text).sealed(own).build().unwrap();
    let parse = |disclosures: &[Disclosure]| {
        let posted = fixture::signed(&record, &[&fixture::treasury()], disclosures);
        Submission::parse(&posted, fixture::ORIGIN)
    };
    let good = [opened_text.clone(), opened.clone()];
    assert_eq!(parse(&good).unwrap().disclosures(), good);
    let salted = Disclosure::new([8; 16], "name", "Orchard Care Ltd".into());
    for bad in [
        vec![],
        vec![opened_text.clone()],
        vec![opened.clone()],
        vec![opened.clone(), opened_text.clone()],
        vec![opened_text.clone(), opened.clone(), opened.clone()],
        vec![opened_text.clone(), opened.clone(), opened_own.clone()],
        vec![opened_text.clone(), opened_own],
        vec![opened_text.clone(), salted],
    ] {
        let refusal = parse(&bad).unwrap_err();
        assert_form(&refusal);
        assert_eq!(refusal.rule, RuleId::DISCLOSURE);
        assert!(!refusal.message.contains("Orchard"));
    }
}

#[test]
fn a_disclosure_under_another_name_is_refused() {
    let disclosure = Disclosure::new([4; 16], "other", "x".into());
    let field =
        SealedField { digest: disclosure.digest(), held: HeldBy::Log, ..field("/data/payee/name") };
    assert_eq!(check_disclosures(&[field], &[disclosure]).unwrap_err().rule, RuleId::DISCLOSURE);
}

#[test]
fn items_of_sealed_have_no_other_members() {
    let mut item = field("/data/x").to_value();
    assert_eq!(SealedField::from_value(item.clone(), At::Root).unwrap(), field("/data/x"));
    if let Value::Map(members) = &mut item {
        members.insert("salt".into(), "x".into());
    }
    assert!(SealedField::from_value(item.clone(), At::Root).is_err());
    for (from, to) in
        [("submitter", "both"), ("\"digest\":\"", "\"digest\":\"A"), ("\"path\"", "\"paths\"")]
    {
        let text = String::from_utf8(to_canonical(&field("/data/x").to_value())).unwrap();
        let value = json::parse(text.replacen(from, to, 1).as_bytes(), &Limits::FOREIGN).unwrap();
        assert!(SealedField::from_value(value, At::Root).is_err(), "{from}");
    }
}
