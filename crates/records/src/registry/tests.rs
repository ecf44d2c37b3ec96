use crate::fixture::{
    BODY, Log, ORIGIN, assert_form, genesis_data, governance, key, key_add, key_revoke, payment,
    registry, signed, stranger, submitter_add, treasury, vkey,
};
use crate::json::Value;
use crate::jwk::Algorithm;
use crate::refusal::{Refusal, RuleId};
use crate::registry::{KINDS, RESERVED_KINDS};
use crate::state::{self, KeyRole};
use crate::{EntryIndex, RecordDraft, Verdict};

fn genesis_with(name: &str, value: Option<Value>) -> RecordDraft {
    let mut members = genesis_data().as_map().unwrap().clone();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    registry("genesis", "log/genesis", Value::Map(members))
}

fn governance_with(name: &str, value: Value) -> RecordDraft {
    let mut members = genesis_data().at("/governance").unwrap().as_map().unwrap().clone();
    members.insert(name.to_owned(), value);
    genesis_with("governance", Some(Value::Map(members)))
}

fn refused(draft: RecordDraft) -> Refusal {
    let refusal = draft.build().unwrap_err();
    assert_form(&refusal);
    refusal
}

#[test]
fn genesis_starts_the_log_and_registers_its_keys() {
    let log = Log::with_treasury();
    let genesis = state::genesis(&log.state).unwrap().unwrap();
    assert_eq!((genesis.log.as_str(), genesis.threshold, genesis.governance.len()), (ORIGIN, 1, 1));
    assert_eq!((genesis.vkeys, genesis.policy.len()), (vec![vkey()], 2));
    let stored = state::key(&log.state, governance().public().kid()).unwrap().unwrap();
    assert_eq!((stored.role, stored.added), (KeyRole::Governance, EntryIndex::new(0)));
    let submitter = state::submitter(&log.state, BODY).unwrap().unwrap();
    assert_eq!((submitter.log.as_str(), submitter.added), (ORIGIN, EntryIndex::new(1)));
    let (key, value) = log.state.get_key_value(&state::submitter_key(BODY)).unwrap();
    assert_eq!(state::parse_submitter(key, value).unwrap(), submitter);
}

#[test]
fn genesis_takes_operators_and_a_predecessor() {
    let operator = key(Algorithm::Es256, 20);
    let operators = Value::list([Value::map([
        ("key", operator.public().to_jwk()),
        ("use", Value::list(["refusals"])),
    ])]);
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let continues = Value::map([
        ("origin", Value::from("log.example/old")),
        ("root", root.into()),
        ("size", Value::Int(7)),
    ]);
    let draft = genesis_with("operator_keys", Some(operators));
    let draft = {
        let record = draft.build().unwrap();
        let mut data = record.data().as_map().unwrap().clone();
        data.insert("continues".into(), continues);
        registry("genesis", "log/genesis", Value::Map(data))
    };
    let mut log = Log::default();
    log.accept(&signed(&draft.build().unwrap(), &[&governance()], &[]));
    let stored = state::key(&log.state, operator.public().kid()).unwrap().unwrap();
    assert_eq!(stored.role, KeyRole::Operator);
    let genesis = state::genesis(&log.state).unwrap().unwrap();
    assert_eq!(genesis.continues.unwrap().size, 7);
    // An operator key signs nothing that this engine knows.
    let add = submitter_add(BODY, BODY, &treasury()).build().unwrap();
    let refusal = log.refusal(&signed(&add, &[&governance(), &treasury(), &operator], &[]));
    assert_eq!(refusal.rule, RuleId::KEY_NOT_ALLOWED);
}

#[test]
fn genesis_is_strict_about_everything_it_founds() {
    let jwk = |number| key(Algorithm::Ed25519, number).public().to_jwk();
    let kid = |number| key(Algorithm::Ed25519, number).public().kid().to_string();
    let wrong_id = vkey().replace('+', "+0").replacen("+0", "+", 1);
    for (draft, pointer) in [
        (genesis_with("engine", None), "/data/engine"),
        (genesis_with("engine", Some(Value::Int(2))), "/data/engine"),
        (genesis_with("policy", None), "/data/policy"),
        (genesis_with("policy", Some(Value::list([1_i64]))), "/data/policy/0"),
        (genesis_with("vkeys", None), "/data/vkeys"),
        (
            genesis_with("vkeys", Some(Value::list([vkey().replace("2026", "2027")]))),
            "/data/vkeys/0",
        ),
        (genesis_with("vkeys", Some(Value::list([wrong_id]))), "/data/vkeys/0"),
        (genesis_with("vkeys", Some(Value::list([vkey(), vkey()]))), "/data/vkeys/1"),
        (
            genesis_with("vkeys", Some(Value::list([format!("{ORIGIN}+00000000+BQEC")]))),
            "/data/vkeys",
        ),
        (genesis_with("governance", None), "/data/governance"),
        (genesis_with("motto", Some("x".into())), "/data/motto"),
        (governance_with("threshold", Value::Int(0)), "/data/governance/threshold"),
        (governance_with("threshold", Value::Int(2)), "/data/governance/threshold"),
        (governance_with("keys", Value::list([jwk(1), jwk(1)])), "/data/governance/keys/1"),
        (governance_with("keys", Value::list([1_i64])), "/data/governance/keys/0"),
        (governance_with("next", Value::list(["x"])), "/data/governance/next/0"),
        (governance_with("next", Value::list([kid(1)])), "/data/governance/next"),
        (governance_with("more", Value::Int(1)), "/data/governance/more"),
        (
            genesis_with(
                "operator_keys",
                Some(Value::list([Value::map([
                    ("key", jwk(1)),
                    ("use", Value::list(["refusals"])),
                ])])),
            ),
            "/data/operator_keys",
        ),
        (
            genesis_with(
                "operator_keys",
                Some(Value::list([Value::map([
                    ("key", jwk(30)),
                    ("use", Value::list(["anything"])),
                ])])),
            ),
            "/data/operator_keys/0/use/0",
        ),
        (
            genesis_with("continues", Some(Value::map([("origin", "a b")]))),
            "/data/continues/origin",
        ),
    ] {
        assert_eq!(refused(draft).pointer, pointer);
    }
    // Four governance signatures would leave no room for the new key of a submitter.
    let four = Value::map([
        ("keys", Value::list([jwk(1), jwk(2), jwk(3), jwk(4)])),
        ("next", Value::list([kid(9)])),
        ("threshold", Value::Int(4)),
    ]);
    assert_eq!(
        refused(genesis_with("governance", Some(four))).pointer,
        "/data/governance/threshold"
    );
}

#[test]
fn genesis_is_entry_0_once_and_signed_by_its_own_keys() {
    let mut log = Log::default();
    let genesis = genesis_with("engine", Some(Value::Int(1))).build().unwrap();
    let add = submitter_add(BODY, BODY, &treasury()).build().unwrap();
    assert_eq!(
        log.refusal(&signed(&add, &[&governance(), &treasury()], &[])).rule,
        RuleId::REGISTRY
    );
    let early = log.refusal(&signed(&payment(1).build().unwrap(), &[&treasury()], &[]));
    assert_eq!(early.rule, RuleId::UNKNOWN_SUBMITTER);
    assert_eq!(log.refusal(&signed(&genesis, &[&stranger()], &[])).rule, RuleId::KEY_NOT_ALLOWED);
    assert_eq!(
        log.refusal(&signed(&genesis, &[&governance(), &stranger()], &[])).rule,
        RuleId::KEY_NOT_ALLOWED
    );
    log.accept(&signed(&genesis, &[&governance()], &[]));
    let there = log.judge(&signed(&genesis, &[&governance()], &[])).unwrap();
    assert_eq!(there, Verdict::AlreadyThere { index: EntryIndex::new(0) });
    let second = genesis_with("policy", Some(Value::list(["other"]))).build().unwrap();
    assert_eq!(log.refusal(&signed(&second, &[&governance()], &[])).rule, RuleId::REGISTRY);
}

#[test]
fn thresholds_count_distinct_governance_keys() {
    let others = [key(Algorithm::Es256, 41), key(Algorithm::Ed25519, 42)];
    let keys = Value::list([
        governance().public().to_jwk(),
        others[0].public().to_jwk(),
        others[1].public().to_jwk(),
    ]);
    let mut members = genesis_data().at("/governance").unwrap().as_map().unwrap().clone();
    members.insert("keys".into(), keys);
    members.insert("threshold".into(), Value::Int(2));
    let genesis = genesis_with("governance", Some(Value::Map(members))).build().unwrap();
    let mut log = Log::default();
    assert_eq!(log.refusal(&signed(&genesis, &[&governance()], &[])).rule, RuleId::KEY_NOT_ALLOWED);
    log.accept(&signed(&genesis, &[&others[0], &others[1]], &[]));
    let add = submitter_add(BODY, BODY, &treasury()).build().unwrap();
    for keys in [
        &[&governance(), &treasury()][..],
        &[&treasury()],
        &[&governance(), &others[0]],
        &[&governance(), &others[0], &stranger()],
    ] {
        assert_eq!(log.refusal(&signed(&add, keys, &[])).rule, RuleId::KEY_NOT_ALLOWED);
    }
    log.accept(&signed(&add, &[&governance(), &others[1], &treasury()], &[]));
    let revoke = key_revoke(&treasury()).build().unwrap();
    assert_eq!(log.refusal(&signed(&revoke, &[&governance()], &[])).rule, RuleId::KEY_NOT_ALLOWED);
    log.accept(&signed(&revoke, &[&governance(), &others[0]], &[]));
}

#[test]
fn a_kid_belongs_to_one_owner_for_ever() {
    let mut log = Log::with_treasury();
    let taken = submitter_add("UA-EDR-1", "UA-EDR-1", &treasury()).build().unwrap();
    assert_eq!(
        log.refusal(&signed(&taken, &[&governance(), &treasury()], &[])).rule,
        RuleId::REGISTRY
    );
    let own = submitter_add("UA-EDR-1", "UA-EDR-1", &governance()).build().unwrap();
    assert_eq!(log.refusal(&signed(&own, &[&governance()], &[])).rule, RuleId::REGISTRY);
    // The next governance keys are known by thumbprint only, and kept free.
    let next = key(Algorithm::Ed25519, 99);
    let grab = submitter_add("UA-EDR-1", "UA-EDR-1", &next).build().unwrap();
    assert_eq!(log.refusal(&signed(&grab, &[&governance(), &next], &[])).rule, RuleId::REGISTRY);
    let again = key_add(BODY, &treasury()).build().unwrap();
    assert_eq!(log.refusal(&signed(&again, &[&treasury()], &[])).rule, RuleId::REGISTRY);
    let second = key(Algorithm::Ed25519, 7);
    log.accept(&signed(&key_add(BODY, &second).build().unwrap(), &[&treasury(), &second], &[]));
    log.accept(&signed(&key_revoke(&second).build().unwrap(), &[&treasury()], &[]));
    let back = submitter_add("UA-EDR-1", "UA-EDR-1", &second).build().unwrap();
    assert_eq!(
        log.refusal(&signed(&back, &[&governance(), &second], &[])).rule,
        RuleId::KEY_NOT_COUNTING
    );
    assert_eq!(
        log.refusal(&signed(
            &key_revoke(&second).set("occurred", "2026-01-03").build().unwrap(),
            &[&treasury()],
            &[]
        ))
        .rule,
        RuleId::REVISION_CONFLICT
    );
}

#[test]
fn nobody_registers_a_key_he_does_not_have() {
    let log = Log::with_treasury();
    let add = submitter_add("UA-EDR-1", "UA-EDR-1", &stranger()).build().unwrap();
    assert_eq!(log.refusal(&signed(&add, &[&governance()], &[])).rule, RuleId::KEY_NOT_ALLOWED);
    let add = key_add(BODY, &stranger()).build().unwrap();
    assert_eq!(log.refusal(&signed(&add, &[&treasury()], &[])).rule, RuleId::KEY_NOT_ALLOWED);
    assert_eq!(log.refusal(&signed(&add, &[&stranger()], &[])).rule, RuleId::KEY_NOT_ALLOWED);
}

#[test]
fn keys_are_revoked_by_their_submitter_or_by_governance() {
    let mut log = Log::with_treasury();
    let other = key(Algorithm::Ed25519, 8);
    let add = submitter_add("UA-EDR-1", "UA-EDR-1", &other).build().unwrap();
    log.accept(&signed(&add, &[&governance(), &other], &[]));
    let revoke = key_revoke(&treasury());
    for keys in [&[&other][..], &[&stranger()], &[&treasury(), &other]] {
        assert_eq!(log.refusal_of(revoke.clone(), keys).rule, RuleId::KEY_NOT_ALLOWED);
    }
    assert_eq!(log.refusal_of(key_revoke(&governance()), &[&governance()]).rule, RuleId::REGISTRY);
    assert_eq!(log.refusal_of(key_revoke(&stranger()), &[&governance()]).rule, RuleId::REGISTRY);
    let kid = treasury().public().kid().to_string();
    let data = Value::map([("kid", kid.as_str()), ("since", "2025-12-24")]);
    let since = registry("key.revoke", &format!("log/revoke/{kid}"), data).build().unwrap();
    log.accept(&signed(&since, &[&treasury()], &[]));
    let stored = state::key(&log.state, treasury().public().kid()).unwrap().unwrap();
    assert_eq!(
        (stored.revoked, stored.since.as_deref()),
        (Some(EntryIndex::new(3)), Some("2025-12-24"))
    );
}

#[test]
fn registry_records_have_one_shape() {
    let good = || submitter_add("UA-EDR-1", "UA-EDR-1", &stranger());
    let hash = crate::RecordHash::new([1; 32]);
    let field = |path: &str| {
        let name = path.rsplit('/').next().unwrap();
        crate::seal(path, name, "x".into(), [1; 16], crate::HeldBy::Log).0
    };
    good().sealed(field("/data/name")).build().unwrap();
    for (draft, pointer) in [
        (good().submitter(BODY), "/submitter"),
        (good().next(1, hash), "/op"),
        (good().reference("contract", "a/b"), "/refs"),
        (good().source(Value::map([("row", 1_i64)])), "/source"),
        (good().sealed(field("/data/title")), "/sealed"),
        (good().object("log/submitter/UA-EDR-2"), "/object"),
        (good().object("log/submitter/UA-EDR-1/x"), "/object"),
        (key_add(BODY, &stranger()).object("log/key/x"), "/object"),
        (key_revoke(&stranger()).sealed(field("/data/name")), "/sealed"),
        (good().set("data", Value::map([("submitter", "log")])), "/data/submitter"),
    ] {
        let refusal = refused(draft);
        assert_eq!(refusal.pointer, pointer, "{refusal}");
        assert_eq!(refusal.rule, RuleId::REGISTRY);
    }
}

#[test]
fn reserved_kinds_are_refused_with_that_word() {
    for kind in RESERVED_KINDS {
        let refusal = refused(registry(kind, "log/x", Value::map::<&str, Value>([])));
        assert_eq!((refusal.rule, refusal.pointer.as_str()), (RuleId::UNKNOWN_PROFILE, "/kind"));
        assert!(refusal.message.contains("reserved"));
    }
    let unknown = refused(registry("party", "log/x", Value::map::<&str, Value>([])));
    assert!(!unknown.message.contains("reserved"));
}

fn accept(
    log: &mut Log,
    draft: crate::RecordDraft,
    keys: &[&crate::SigningKey],
) -> crate::Admitted {
    let record = draft.build().unwrap();
    log.accept(&signed(&record, keys, &[]))
}

/// The profile on the page that tells how to write one.
fn grants() -> Value {
    let page = include_str!("../../../../docs/profiles.md");
    let (_, rest) = page.split_once("```json profile\n").unwrap();
    let (document, _) = rest.split_once("```").unwrap();
    crate::parse(document.as_bytes(), &crate::json::Limits::PROFILE).unwrap()
}

fn publish(id: &str, document: Value) -> crate::RecordDraft {
    registry("profile.publish", &format!("log/profile/{id}"), Value::map([("document", document)]))
}

fn grants_submitter(log: &mut Log) -> crate::SigningKey {
    let ministry = key(Algorithm::Es256, 30);
    let add = submitter_add("GB-GOR-MIN", "GB-GOR-MIN", &ministry).data(Value::map([
        ("bodies", Value::list(["GB-GOR-MIN"])),
        ("key", ministry.public().to_jwk()),
        ("profiles", Value::list(["grants/1"])),
        ("submitter", "GB-GOR-MIN".into()),
    ]));
    accept(log, add, &[&governance(), &ministry]);
    ministry
}

fn grant(kind: &str, object: &str, data: Value) -> crate::RecordDraft {
    crate::RecordDraft::new(crate::fixture::ORIGIN, "grants/1", kind)
        .object(&format!("GB-GOR-MIN/{object}"))
        .submitter("GB-GOR-MIN")
        .occurred("2026-01-02")
        .data(data)
}

fn gbp(value: &str) -> Value {
    Value::map([("currency", "GBP"), ("value", value)])
}

fn award() -> crate::RecordDraft {
    let recipient = Value::map([("id", "GB-COH-01234567")]);
    grant(
        "award",
        "grant/1",
        Value::map([
            ("amount", gbp("100")),
            ("programme", "arts".into()),
            ("recipient", recipient),
        ]),
    )
}

fn instalment(number: u32, value: &str) -> crate::RecordDraft {
    let data = Value::map([("amount", gbp(value)), ("grant", "GB-GOR-MIN/grant/1".into())]);
    grant("instalment", &format!("grant/1/instalment/{number}"), data)
}

#[test]
fn the_profile_on_the_page_is_published_and_judges_what_comes_after() {
    let mut log = Log::with_treasury();
    let early = submitter_add("GB-GOR-MIN", "GB-GOR-MIN", &stranger()).data(Value::map([
        ("bodies", Value::list(["GB-GOR-MIN"])),
        ("key", stranger().public().to_jwk()),
        ("profiles", Value::list(["grants/1"])),
        ("submitter", "GB-GOR-MIN".into()),
    ]));
    let refusal = log.refusal_of(early, &[&governance(), &stranger()]);
    assert_eq!(
        (refusal.rule, refusal.pointer.as_str()),
        (RuleId::REGISTRY, "/record/data/profiles/0")
    );
    assert_eq!(
        log.refusal_of(publish("grants/1", grants()), &[&treasury()]).rule,
        RuleId::KEY_NOT_ALLOWED
    );
    accept(&mut log, publish("grants/1", grants()), &[&governance()]);
    let ministry = grants_submitter(&mut log);
    accept(&mut log, award(), &[&ministry]);
    accept(&mut log, instalment(1, "60"), &[&ministry]);
    let rule = |draft: crate::RecordDraft| log.refusal_of(draft, &[&ministry]).rule;
    assert_eq!(rule(instalment(2, "40.01")), RuleId::OVER_LIMIT);
    assert_eq!(rule(instalment(2, "1").object("GB-GOR-MIN/grant/2/instalment/2")), RuleId::GRAMMAR);
    assert_eq!(rule(award().set("kind", "loan")), RuleId::UNKNOWN_PROFILE);
    let named = Value::map([("id", "GB-COH-01234567"), ("name", "Jane Roe")]);
    let data =
        Value::map([("amount", gbp("1")), ("programme", "arts".into()), ("recipient", named)]);
    let refusal = log.refusal_of(grant("award", "grant/3", data), &[&ministry]);
    assert_eq!(
        (refusal.rule, refusal.pointer.as_str()),
        (RuleId::PERSON_IN_CLEAR, "/record/data/recipient/name")
    );
    assert!(!refusal.message.contains("Jane"));
    let close = |count: i64| {
        let data = [
            ("count", Value::Int(count)),
            ("month", "2026-01".into()),
            ("sums", Value::list([gbp("60")])),
        ];
        grant("month.close", "month/2026-01", Value::map(data))
    };
    assert_eq!(log.refusal_of(close(2), &[&ministry]).rule, RuleId::TOTALS);
    accept(&mut log, close(1), &[&ministry]);
    // Retired, it takes what sets older records right, and nothing new.
    let retire =
        registry("profile.retire", "log/retire/grants/1", Value::map([("profile", "grants/1")]));
    accept(&mut log, retire, &[&governance()]);
    let head = state::object_head(&log.state, "GB-GOR-MIN/grant/1/instalment/1").unwrap().unwrap();
    assert_eq!(log.refusal_of(instalment(3, "1"), &[&ministry]).rule, RuleId::ENDED);
    accept(&mut log, instalment(1, "50").correct(1, head.record_hash, 0, "cor-pub"), &[&ministry]);
}

#[test]
fn a_published_profile_is_new_and_the_next_of_its_name() {
    let mut log = Log::with_treasury();
    let named = |id: &str| {
        let Value::Map(mut document) = grants() else { panic!() };
        document.insert("profile".to_owned(), id.into());
        publish(id, Value::Map(document))
    };
    for id in ["spending/1", "registry/2", "grants/2", "spending/3"] {
        assert_eq!(log.refusal_of(named(id), &[&governance()]).rule, RuleId::REGISTRY, "{id}");
    }
    assert_eq!(
        log.refusal_of(named("grants/1").object("log/profile/grants/2"), &[&governance()]).rule,
        RuleId::REGISTRY
    );
    for id in ["grants/1", "grants/2", "spending/2"] {
        accept(&mut log, named(id), &[&governance()]);
    }
    assert_eq!(
        log.refusal_of(publish("x/1", Value::map([("profile", "x/1")])), &[&governance()]).rule,
        RuleId::PROFILE_DOCUMENT
    );
}

#[test]
fn code_lists_grow_by_parts_and_profiles_draw_on_them() {
    let mut log = Log::with_treasury();
    let text = String::from_utf8(crate::to_canonical(&grants())).unwrap();
    let listed =
        text.replace("\"codes\":[\"arts\",\"farming\",\"research\"]", "\"list\":\"programmes\"");
    assert_ne!(text, listed);
    let document = || crate::parse(listed.as_bytes(), &crate::json::Limits::PROFILE).unwrap();
    assert_eq!(
        log.refusal_of(publish("grants/1", document()), &[&governance()]).rule,
        RuleId::REGISTRY
    );
    let part = |part: i64, code: &str| {
        let data = [
            ("codes", Value::list([code])),
            ("list", "programmes".into()),
            ("part", Value::Int(part)),
        ];
        registry("codelist.publish", &format!("log/codelist/programmes/{part}"), Value::map(data))
    };
    assert_eq!(log.refusal_of(part(2, "arts"), &[&governance()]).rule, RuleId::REGISTRY);
    accept(&mut log, part(1, "research"), &[&governance()]);
    accept(&mut log, publish("grants/1", document()), &[&governance()]);
    let ministry = grants_submitter(&mut log);
    let refusal = log.refusal_of(award(), &[&ministry]);
    assert_eq!(
        (refusal.rule, refusal.pointer.as_str()),
        (RuleId::GRAMMAR, "/record/data/programme")
    );
    accept(&mut log, part(2, "arts"), &[&governance()]);
    accept(&mut log, award(), &[&ministry]);
}

#[test]
fn a_key_that_governance_alone_adds_is_flagged_and_counts_seven_days_later() {
    let mut log = Log::with_treasury();
    let second = key(Algorithm::Ed25519, 7);
    let add = key_add(BODY, &second);
    assert_eq!(log.refusal_of(add.clone(), &[&governance()]).rule, RuleId::KEY_NOT_ALLOWED);
    assert_eq!(
        log.refusal_of(add.clone(), &[&governance(), &second, &treasury()]).rule,
        RuleId::KEY_NOT_ALLOWED
    );
    let admitted = accept(&mut log, add, &[&governance(), &second]);
    assert_eq!(admitted.flags, [RuleId::RECOVERY]);
    let posted = signed(&crate::fixture::payment(1).build().unwrap(), &[&second], &[]);
    assert_eq!(log.refusal(&posted).rule, RuleId::KEY_NOT_COUNTING);
    let at = |ms: u64| {
        let submission = crate::Submission::parse(&posted, crate::fixture::ORIGIN).unwrap();
        let checked = crate::CheckedSubmission::unchecked(submission);
        let index = EntryIndex::new(log.entries.len().try_into().unwrap());
        crate::admit(&log.state, index, ms, &checked, &crate::P256Verify).unwrap()
    };
    let ripe = crate::fixture::ADMITTED_MS + 7 * crate::date::DAY_MS;
    assert!(matches!(at(ripe - 1), crate::Verdict::Refused(_)));
    assert!(matches!(at(ripe), crate::Verdict::Accepted(_)));
}

#[test]
fn governance_rotates_to_keys_it_committed_to() {
    let mut log = Log::with_treasury();
    let (next, after) = (key(Algorithm::Ed25519, 99), key(Algorithm::Ed25519, 98));
    let rotate = |new: &crate::SigningKey| {
        let data = [
            ("keys", Value::list([new.public().to_jwk()])),
            ("next", Value::list([after.public().kid().to_string()])),
            ("threshold", Value::Int(1)),
        ];
        registry(
            "governance.rotate",
            &format!("log/governance/{}", new.public().kid()),
            Value::map(data),
        )
    };
    assert_eq!(log.refusal_of(rotate(&stranger()), &[&stranger()]).rule, RuleId::REGISTRY);
    assert_eq!(log.refusal_of(rotate(&next), &[&governance()]).rule, RuleId::KEY_NOT_ALLOWED);
    accept(&mut log, rotate(&next), &[&next]);
    let add = || submitter_add("UA-EDR-1", "UA-EDR-1", &stranger());
    assert_eq!(log.refusal_of(add(), &[&governance(), &stranger()]).rule, RuleId::KEY_NOT_COUNTING);
    accept(&mut log, add(), &[&next, &stranger()]);
}

#[test]
fn a_submitter_delegates_its_body_and_takes_it_back() {
    let mut log = Log::with_treasury();
    let agent = key(Algorithm::Es256, 31);
    accept(&mut log, submitter_add("UA-EDR-1", "UA-EDR-1", &agent), &[&governance(), &agent]);
    let object = format!("log/delegate/{BODY}/UA-EDR-1/{BODY}");
    let delegate = |profiles: Option<&str>| {
        let mut data = vec![
            ("body", Value::from(BODY)),
            ("submitter", BODY.into()),
            ("to", "UA-EDR-1".into()),
        ];
        data.extend(profiles.map(|profile| ("profiles", Value::list([profile]))));
        registry("submitter.delegate", &object, Value::map(data))
    };
    let by_agent = |number| crate::fixture::payment(number).submitter("UA-EDR-1");
    assert_eq!(log.refusal_of(by_agent(1), &[&agent]).rule, RuleId::NOT_YOUR_BODY);
    assert_eq!(
        log.refusal_of(delegate(Some("spending/1")), &[&agent]).rule,
        RuleId::KEY_NOT_ALLOWED
    );
    assert_eq!(log.refusal_of(delegate(Some("delivery/1")), &[&treasury()]).rule, RuleId::REGISTRY);
    accept(&mut log, delegate(Some("spending/1")), &[&treasury()]);
    accept(&mut log, by_agent(1), &[&agent]);
    let head = state::object_head(&log.state, &object).unwrap().unwrap();
    accept(&mut log, delegate(None).next(1, head.record_hash), &[&treasury()]);
    assert_eq!(log.refusal_of(by_agent(2), &[&agent]).rule, RuleId::NOT_YOUR_BODY);
}

#[test]
fn a_closed_submitter_and_a_frozen_log_take_nothing_more() {
    let mut log = Log::with_treasury();
    let operator = key(Algorithm::Ed25519, 32);
    let data =
        Value::map([("key", operator.public().to_jwk()), ("use", Value::list(["withhold"]))]);
    let object = format!("log/operator/{}", operator.public().kid());
    let add = registry("operator.key", &object, data);
    assert_eq!(log.refusal_of(add.clone(), &[&governance()]).rule, RuleId::KEY_NOT_ALLOWED);
    accept(&mut log, add, &[&governance(), &operator]);
    let posted = crate::fixture::posted(1);
    log.accept(&posted);
    let withhold = |entry: i64| {
        let data = [
            ("entry", Value::Int(entry)),
            ("paths", Value::list(["/data/payee/name"])),
            ("why", "erasure".into()),
        ];
        registry("withhold", &format!("log/withhold/{entry}"), Value::map(data))
    };
    assert_eq!(log.refusal_of(withhold(4), &[&operator]).rule, RuleId::REGISTRY);
    assert_eq!(log.refusal_of(withhold(3), &[&treasury()]).rule, RuleId::KEY_NOT_ALLOWED);
    let close = registry(
        "submitter.close",
        &format!("log/close/{BODY}"),
        Value::map([("submitter", BODY)]),
    );
    assert_eq!(log.refusal_of(close.clone(), &[&operator]).rule, RuleId::KEY_NOT_ALLOWED);
    accept(&mut log, close, &[&treasury()]);
    assert_eq!(
        log.refusal_of(crate::fixture::payment(2), &[&treasury()]).rule,
        RuleId::UNKNOWN_SUBMITTER
    );
    let freeze = registry("log.freeze", "log/freeze", Value::map::<&str, Value>([]));
    assert_eq!(log.refusal_of(freeze.clone(), &[&operator]).rule, RuleId::KEY_NOT_ALLOWED);
    accept(&mut log, freeze, &[&governance()]);
    let add = submitter_add("UA-EDR-1", "UA-EDR-1", &stranger());
    assert_eq!(log.refusal_of(add, &[&governance(), &stranger()]).rule, RuleId::ENDED);
    // What the law takes out is still said.
    accept(&mut log, withhold(3), &[&operator]);
}

#[test]
fn an_engine_that_this_software_does_not_have_is_not_activated() {
    let log = Log::with_treasury();
    for engine in [0_i64, 1, 2] {
        let activate = registry(
            "engine.activate",
            &format!("log/engine/{engine}"),
            Value::map([("engine", engine)]),
        );
        assert_eq!(log.refusal_of(activate, &[&governance()]).rule, RuleId::REGISTRY);
    }
    let mut log = log;
    let policy = |line: &str| {
        registry(
            "policy.publish",
            "log/policy/witnesses",
            Value::map([("policy", Value::list([line]))]),
        )
    };
    let first = accept(&mut log, policy("log x"), &[&governance()]);
    let head = state::object_head(&log.state, &first.object).unwrap().unwrap();
    accept(&mut log, policy("log y").next(1, head.record_hash), &[&governance()]);
}

#[test]
fn the_kinds_that_are_named_are_the_ones_that_are_known() {
    let rule = |kind: &str| refused(registry(kind, "log/x", Value::map::<&str, Value>([]))).rule;
    assert!(KINDS.is_sorted());
    for kind in KINDS {
        assert_ne!(rule(kind), RuleId::UNKNOWN_PROFILE, "{kind}");
    }
    for kind in RESERVED_KINDS.iter().chain(&["key.lend"]) {
        assert_eq!(rule(kind), RuleId::UNKNOWN_PROFILE, "{kind}");
    }
}
