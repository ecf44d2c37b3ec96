//! Each rule of the shipped profiles, kept and broken.

use proptest::prelude::*;

use crate::admit::{Verdict, admit};
use crate::fixture::{
    ADMITTED_MS, BODY, Log, ORIGIN, governance, key, payment, registry, signed, treasury,
};
use crate::json::Value;
use crate::jwk::Algorithm;
use crate::jws::P256Verify;
use crate::record::{Op, Record, RecordHash};
use crate::signing::SigningKey;
use crate::submission::{CheckedSubmission, Submission};
use crate::{EntryIndex, RecordDraft, Refusal, RuleId, build, replay, state};

const HOUR_MS: u64 = 3_600_000;

/// A log with a treasury, a bank, a buyer, a supplier and a supervisor, and a clock.
struct World {
    log: Log,
    now_ms: u64,
    times: Vec<u64>,
}

type Outcome = Result<(Record, Vec<&'static str>), Refusal>;

impl World {
    fn new() -> Self {
        let mut log = Log::default();
        let genesis =
            registry("genesis", "log/genesis", crate::fixture::genesis_data()).build().unwrap();
        log.accept(&signed(&genesis, &[&governance()], &[]));
        for (id, number, roles) in [
            (BODY, 2, &["buyer"][..]),
            ("GB-BOE-BANK", 20, &["bank"]),
            ("GB-COH-SUPPLIER", 21, &["supplier"]),
            ("GB-COH-SUPERVISOR", 22, &["supervisor"]),
        ] {
            let key = key(Algorithm::Es256, number);
            let mut data = vec![
                ("bodies", Value::list([BODY])),
                ("key", key.public().to_jwk()),
                (
                    "profiles",
                    Value::list(["contract/1", "delivery/1", "procurement/1", "spending/1"]),
                ),
                ("submitter", id.into()),
            ];
            data.push(("roles", Value::list(roles.iter().copied())));
            let add = registry("submitter.add", &format!("log/submitter/{id}"), Value::map(data))
                .build()
                .unwrap();
            log.accept(&signed(&add, &[&governance(), &key], &[]));
        }
        let times = vec![ADMITTED_MS; log.entries.len()];
        Self { log, now_ms: ADMITTED_MS, times }
    }

    fn submit(&mut self, draft: RecordDraft, keys: &[&SigningKey]) -> Outcome {
        let record = draft.build()?;
        let submission = Submission::parse(&signed(&record, keys, &[]), ORIGIN)?;
        let checked = CheckedSubmission::unchecked(submission);
        let index = EntryIndex::new(self.log.entries.len().try_into().unwrap());
        match admit(&self.log.state, index, self.now_ms, &checked, &P256Verify).unwrap() {
            Verdict::Accepted(admitted) => {
                self.log.state.extend(admitted.changes);
                self.log.entries.push(admitted.entry);
                self.times.push(self.now_ms);
                Ok((record, admitted.flags.iter().map(|flag| flag.as_str()).collect()))
            }
            Verdict::Refused(refusal) => {
                crate::fixture::assert_form(&refusal);
                Err(refusal)
            }
            other => panic!("{other:?}"),
        }
    }

    fn ok(&mut self, draft: RecordDraft) -> Record {
        self.submit(draft, &[&treasury()]).unwrap().0
    }

    fn flags(&mut self, draft: RecordDraft) -> Vec<&'static str> {
        self.submit(draft, &[&treasury()]).unwrap().1
    }

    fn rule(&mut self, draft: RecordDraft) -> RuleId {
        self.rule_by(draft, &[&treasury()])
    }

    fn rule_by(&mut self, draft: RecordDraft, keys: &[&SigningKey]) -> RuleId {
        self.submit(draft, keys).unwrap_err().rule
    }

    /// The next revision of an object, as `next`.
    fn step(&self, object: &str, profile: &str, kind: &str, data: Value) -> RecordDraft {
        let head = state::object_head(&self.log.state, object).unwrap().unwrap();
        draft(profile, kind, object, data).next(head.rev + 1, head.record_hash)
    }

    fn void(&self, object: &str, profile: &str, kind: &str, of: u32) -> RecordDraft {
        let head = state::object_head(&self.log.state, object).unwrap().unwrap();
        draft(profile, kind, object, none()).void(head.rev + 1, head.record_hash, of, "dup")
    }

    fn status(&self, object: &str) -> String {
        state::object_fold(&self.log.state, object).unwrap().unwrap().status
    }

    /// Everything again from the entries alone.
    fn replayed(&self) {
        let (mut state, mut before_ms) = (std::collections::BTreeMap::new(), 0);
        for ((index, bytes), at_ms) in (0..).zip(&self.log.entries).zip(&self.times) {
            let admitted =
                replay(&state, EntryIndex::new(index), ORIGIN, before_ms, bytes, &P256Verify)
                    .unwrap()
                    .unwrap();
            before_ms = *at_ms;
            state.extend(admitted.changes);
        }
        assert_eq!(state, self.log.state);
    }
}

fn none() -> Value {
    Value::map::<&str, Value>([])
}

fn money(value: &str) -> Value {
    Value::map([("currency", "GBP"), ("value", value)])
}

fn party(id: &str) -> Value {
    Value::map([("id", id)])
}

fn draft(profile: &str, kind: &str, object: &str, data: Value) -> RecordDraft {
    RecordDraft::new(ORIGIN, profile, kind)
        .object(object)
        .submitter(BODY)
        .occurred("2026-01-05")
        .data(data)
}

fn spending(kind: &str, name: &str, data: Value) -> RecordDraft {
    draft("spending/1", kind, &format!("{BODY}/{name}"), data)
}

fn paid(number: u32, value: &str) -> RecordDraft {
    payment(number).data(crate::fixture::numbered_data(number, value))
}

fn close(number: i64, count: i64, sum: &str) -> RecordDraft {
    let data = [
        ("count", Value::Int(count)),
        ("number", Value::Int(number)),
        ("period", "2026-01".into()),
        ("sums", Value::list([money(sum)])),
    ];
    spending("period.close", "close/2026-01", Value::map(data))
}

fn bank() -> SigningKey {
    key(Algorithm::Es256, 20)
}

#[test]
fn a_period_closes_on_what_the_log_holds_and_no_other_figures() {
    let mut world = World::new();
    world.ok(paid(1, "10.00"));
    let second = world.ok(paid(2, "5.50"));
    world.ok(paid(3, "1").occurred("2025-12-31"));
    for wrong in [
        close(1, 3, "15.50"),
        close(1, 2, "15.51"),
        close(1, 2, "15.5").submitter(BODY).data(none()),
    ] {
        assert!([RuleId::TOTALS, RuleId::GRAMMAR].contains(&world.rule(wrong)));
    }
    assert_eq!(world.rule(close(1, 2, "15.51")), RuleId::TOTALS);
    assert_eq!(world.rule(close(2, 2, "15.50")), RuleId::SEQUENCE);
    // A correction counts in the place of what it replaces, a void not at all.
    let object = second.object().to_owned();
    let corrected = world.ok(paid(2, "6.00").correct(1, second.hash(), 0, "cor-pub"));
    assert_eq!(world.rule(close(1, 2, "15.50")), RuleId::TOTALS);
    world.ok(world.void(&object, "spending/1", "payment", 1));
    assert_eq!(world.rule(close(1, 2, "16.00")), RuleId::TOTALS);
    assert_eq!(corrected.object(), object);
    let closed = world.ok(close(1, 1, "10.00"));
    // What comes later is flagged, and the close can be corrected to it.
    assert_eq!(world.flags(paid(4, "2.00")), ["W11"]);
    assert_eq!(world.flags(paid(5, "2.00").occurred("2025-12-31")), [""; 0]);
    assert_eq!(
        world.rule(close(1, 1, "10.00").correct(1, closed.hash(), 0, "late")),
        RuleId::TOTALS
    );
    assert_eq!(
        world.rule(close(2, 2, "12.00").correct(1, closed.hash(), 0, "late")),
        RuleId::SEQUENCE
    );
    world.ok(close(1, 2, "12.00").correct(1, closed.hash(), 0, "late"));
    world.replayed();
}

#[test]
fn payments_over_their_commitment_are_flagged_until_one_is_taken_back() {
    let mut world = World::new();
    let commitment = format!("{BODY}/commitment/1");
    let data = Value::map([("amount", money("100")), ("payer", party(BODY))]);
    world.ok(spending("commitment", "commitment/1", data));
    let against = |number, value: &str| paid(number, value).reference("commitment", &commitment);
    assert_eq!(world.flags(against(1, "60")), [""; 0]);
    assert_eq!(world.flags(against(2, "40.01")), ["W02"]);
    assert_eq!(world.flags(against(3, "-40.01")), [""; 0]);
    assert_eq!(world.flags(against(4, "40")), [""; 0]);
    world.ok(world.void(&format!("{BODY}/payment/4"), "spending/1", "payment", 0));
    assert_eq!(world.flags(against(5, "40")), [""; 0]);
    // An amendment raises the limit; closing ends the commitment's life.
    world.ok(world.step(
        &commitment,
        "spending/1",
        "commitment.amend",
        Value::map([("amount", money("200"))]),
    ));
    assert_eq!(world.flags(against(6, "100")), [""; 0]);
    assert_eq!(world.flags(against(7, "0.01")), ["W02"]);
    world.ok(world.step(&commitment, "spending/1", "commitment.close", none()));
    let again = world.step(
        &commitment,
        "spending/1",
        "commitment.amend",
        Value::map([("amount", money("1"))]),
    );
    assert_eq!(world.rule(again), RuleId::STATE);
    world.replayed();
}

#[test]
fn a_native_id_twice_is_flagged_and_freed_by_a_void() {
    let mut world = World::new();
    let twin = |number| payment(number).data(crate::fixture::payment_data("1", "GBP"));
    assert_eq!(world.flags(twin(1)), [""; 0]);
    assert_eq!(world.flags(twin(2)), ["W10"]);
    world.ok(world.void(&format!("{BODY}/payment/1"), "spending/1", "payment", 0));
    assert_eq!(world.flags(twin(3)), [""; 0]);
    world.replayed();
}

fn order(number: u32) -> RecordDraft {
    let data = [
        ("amount", money("30")),
        ("message", "MSG-1".into()),
        ("payee", party("XI-LOCAL-1")),
        ("payer", party(BODY)),
    ];
    spending("payment.order", &format!("order/{number}"), Value::map(data))
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn the_bank_settles_orders_and_its_statement_balances() {
    let mut world = World::new();
    for number in 1..4 {
        world.ok(order(number));
    }
    let file = |count: i64| {
        let data = [
            ("count", Value::Int(count)),
            ("message", "MSG-1".into()),
            ("sums", Value::list([money("90")])),
        ];
        spending("order.close", "order-file/MSG-1", Value::map(data))
    };
    assert_eq!(world.rule(file(2)), RuleId::TOTALS);
    world.ok(file(3));
    let settled = |world: &World, number: u32, value: &str| {
        let data = [
            ("amount", money(value)),
            ("booked", "2026-01-05".into()),
            ("statement", "S17".into()),
        ];
        world
            .step(
                &format!("{BODY}/order/{number}"),
                "spending/1",
                "payment.settled",
                Value::map(data),
            )
            .submitter("GB-BOE-BANK")
    };
    let by_treasury = settled(&world, 1, "30").submitter(BODY);
    assert_eq!(world.rule(by_treasury), RuleId::ROLE);
    let too_much = settled(&world, 1, "30.01");
    assert_eq!(world.rule_by(too_much, &[&bank()]), RuleId::OVER_LIMIT);
    for number in 1..3 {
        let draft = settled(&world, number, "30");
        world.submit(draft, &[&bank()]).unwrap();
    }
    let twice = settled(&world, 1, "30");
    assert_eq!(world.rule_by(twice, &[&bank()]), RuleId::STATE);
    let returned = Value::map([
        ("amount", money("30")),
        ("booked", "2026-01-05".into()),
        ("statement", "S17".into()),
    ]);
    let returned = |world: &World, number: u32| {
        world
            .step(
                &format!("{BODY}/order/{number}"),
                "spending/1",
                "payment.returned",
                returned.clone(),
            )
            .submitter("GB-BOE-BANK")
    };
    let early = returned(&world, 3);
    assert_eq!(world.rule_by(early, &[&bank()]), RuleId::STATE);
    let draft = returned(&world, 2);
    world.submit(draft, &[&bank()]).unwrap();
    let statement = |closing: &str, number: i64| {
        let data = [
            ("closing", money(closing)),
            ("count", Value::Int(3)),
            ("number", Value::Int(number)),
            ("opening", money("1000")),
            ("statement", "S17".into()),
            ("year", Value::Int(2026)),
        ];
        spending("statement.close", "statement/S17", Value::map(data)).submitter("GB-BOE-BANK")
    };
    assert_eq!(world.rule_by(statement("940", 17), &[&bank()]), RuleId::TOTALS);
    world.submit(statement("970", 17), &[&bank()]).unwrap();
    assert_eq!(world.status(&format!("{BODY}/order/2")), "returned");
    world.replayed();
}

#[test]
fn an_order_need_not_say_who_is_paid_but_says_nothing_empty() {
    let mut world = World::new();
    let with = |number: u32, payee: Option<Value>| {
        let mut data = vec![
            ("amount", money("30")),
            ("execution", "2026-01-09".into()),
            ("message", "MSG-1".into()),
            ("payer", party(BODY)),
        ];
        data.extend(payee.map(|payee| ("payee", payee)));
        spending("payment.order", &format!("order/MSG-1.{number}"), Value::map(data))
    };
    world.ok(with(1, None));
    assert_eq!(world.rule(with(2, Some(none()))), RuleId::GRAMMAR);
    let (iban, _) = build::seal(
        "/data/payee/iban",
        "iban",
        "GB98567801234512345678".into(),
        [1; 16],
        crate::HeldBy::Submitter,
    );
    world.ok(with(2, Some(none())).sealed(iban));
    world.replayed();
}

/// A booked transaction of statement S18: what left the account is negative.
fn booked(number: u32, value: &str) -> RecordDraft {
    let data = [
        ("amount", money(value)),
        ("booked", "2026-01-09".into()),
        ("code", "PMNT-RCDT-ESCT".into()),
        ("statement", "S18".into()),
    ];
    let object = format!("entry/S18/{number}");
    spending("statement.entry", &object, Value::map(data)).submitter("GB-BOE-BANK")
}

#[test]
fn a_statement_of_entries_balances_or_is_refused() {
    let mut world = World::new();
    let by_treasury = booked(1, "70").submitter(BODY);
    assert_eq!(world.rule(by_treasury), RuleId::ROLE);
    for (number, value) in [(1, "70"), (2, "-30.50")] {
        world.submit(booked(number, value), &[&bank()]).unwrap();
    }
    let closed = |count: i64, closing: &str| {
        let data = [
            ("closing", money(closing)),
            ("count", Value::Int(count)),
            ("number", Value::Int(18)),
            ("opening", money("1000")),
            ("statement", "S18".into()),
            ("year", Value::Int(2026)),
        ];
        spending("statement.close", "statement/S18", Value::map(data)).submitter("GB-BOE-BANK")
    };
    assert_eq!(world.rule_by(closed(1, "1039.50"), &[&bank()]), RuleId::TOTALS);
    assert_eq!(world.rule_by(closed(2, "1039.51"), &[&bank()]), RuleId::TOTALS);
    world.submit(closed(2, "1039.50"), &[&bank()]).unwrap();
    let (_, flags) = world.submit(booked(3, "1"), &[&bank()]).unwrap();
    assert_eq!(flags, ["W11"]);
    world.replayed();
}

#[test]
fn a_statement_without_balances_states_its_sums() {
    let mut world = World::new();
    let file = |statement: &str, count: i64, sum: Option<&str>| {
        let mut data = vec![
            ("count", Value::Int(count)),
            ("statement", statement.into()),
            ("year", Value::Int(2026)),
        ];
        data.extend(sum.map(|sum| ("sums", Value::list([money(sum)]))));
        let object = format!("statement-file/{statement}");
        spending("statement.file", &object, Value::map(data)).submitter("GB-BOE-BANK")
    };
    world.submit(file("S17", 0, None), &[&bank()]).unwrap();
    world.submit(booked(1, "-12"), &[&bank()]).unwrap();
    assert_eq!(world.rule_by(file("S18", 0, None), &[&bank()]), RuleId::TOTALS);
    assert_eq!(world.rule_by(file("S18", 1, Some("12")), &[&bank()]), RuleId::TOTALS);
    world.submit(file("S18", 1, Some("-12")), &[&bank()]).unwrap();
    world.replayed();
}

#[test]
fn a_release_is_what_others_look_it_up_by() {
    let mut world = World::new();
    let ocid = "ocds-213czf-000-00001";
    let release = |number: u32, tag: &str| {
        let amount = [("amount", money("12")), ("count", Value::Int(2)), ("of", "award".into())];
        let data = [
            ("amounts", Value::list([Value::map(amount)])),
            ("buyer", party("GB-LAC-E09000003")),
            ("date", "2026-01-02T03:04:05.000Z".into()),
            ("native", format!("{number}").as_str().into()),
            ("ocid", ocid.into()),
            ("tag", Value::list([tag])),
        ];
        procurement("release", &format!("{BODY}/release/{ocid}/{number}"), Value::map(data))
    };
    world.ok(release(1, "award"));
    assert_eq!(world.rule(release(2, "awarded")), RuleId::GRAMMAR);
    let other = format!("{BODY}/releases/{ocid}/3");
    assert_eq!(world.rule(release(3, "award").object(&other)), RuleId::GRAMMAR);
    // Nothing of it is demanded: what departs from the standard is in the document alone.
    world.ok(procurement("release", &format!("{BODY}/release/x/4"), none()));
    let head = state::object_head(&world.log.state, &format!("{BODY}/release/{ocid}/1"));
    let head = head.unwrap().unwrap();
    world.ok(release(1, "awardUpdate").correct(1, head.record_hash, 0, "cor-pub"));
    world.ok(world.void(&format!("{BODY}/release/{ocid}/1"), "procurement/1", "release", 1));
    world.replayed();
}

fn at(world: &World, hours: u64) -> Value {
    crate::format_millis(world.now_ms + hours * HOUR_MS).into()
}

fn procurement(kind: &str, object: &str, data: Value) -> RecordDraft {
    draft("procurement/1", kind, object, data)
}

struct Bidder {
    key: SigningKey,
    id: String,
    object: String,
    salt: [u8; 32],
}

impl Bidder {
    fn new(number: u8, tender: &str) -> Self {
        let key = key(Algorithm::Ed25519, number);
        let kid = key.public().kid().to_string();
        Self {
            id: format!("key:{kid}"),
            object: format!("{tender}/bid/{kid}"),
            salt: [number; 32],
            key,
        }
    }

    fn commit(&self, tender: &str) -> RecordDraft {
        let commitment = build::commitment(&self.object, &self.id, &self.salt, &[7; 32]);
        let data = [
            ("commitment", commitment.into()),
            ("key", self.key.public().to_jwk()),
            ("tender", tender.into()),
        ];
        procurement("bid.commit", &self.object, Value::map(data)).submitter(&self.id)
    }

    fn reveal(&self, world: &World, tender: &str, bid: [u8; 32]) -> RecordDraft {
        let data = [
            ("bid", hex::encode(bid).into()),
            ("bidder", party("GB-COH-01234567")),
            ("salt", hex::encode(self.salt).into()),
            ("tender", tender.into()),
        ];
        world
            .step(&self.object, "procurement/1", "bid.reveal", Value::map(data))
            .submitter(&self.id)
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn a_tender_runs_from_its_opening_to_the_end_of_its_standstill() {
    let mut world = World::new();
    let tender = format!("{BODY}/tender/7");
    let of_tender = || Value::map([("tender", tender.as_str())]);
    let data = [
        ("buyer", party(BODY)),
        ("deadline", at(&world, 10)),
        ("opening", at(&world, 11)),
        ("reveal_until", at(&world, 20)),
    ];
    world.ok(procurement("tender.open", &tender, Value::map(data)));
    let bidders: Vec<Bidder> = (40..45).map(|number| Bidder::new(number, &tender)).collect();
    for bidder in &bidders[..4] {
        world.submit(bidder.commit(&tender), &[&bidder.key]).unwrap();
    }
    // Another's key, another's commitment, another's bid.
    let stolen = bidders[4].commit(&tender);
    assert_eq!(world.rule_by(stolen.clone(), &[&bidders[0].key]), RuleId::KEY_NOT_ALLOWED);
    let copied = state::object_fold(&world.log.state, &bidders[0].object).unwrap().unwrap().facts["/commitment"].clone();
    let copy = stolen.data(Value::map([
        ("commitment", copied),
        ("key", bidders[4].key.public().to_jwk()),
        ("tender", tender.as_str().into()),
    ]));
    assert_eq!(world.rule_by(copy, &[&bidders[4].key]), RuleId::NOT_UNIQUE);
    let withdraw = world.step(&bidders[3].object, "procurement/1", "bid.withdraw", of_tender());
    let foreign = withdraw.clone().submitter(&bidders[2].id);
    assert!(world.submit(foreign, &[&bidders[2].key]).is_err());
    world.submit(withdraw.submitter(&bidders[3].id), &[&bidders[3].key]).unwrap();
    let close = |world: &World, count: i64| {
        world.step(
            &tender,
            "procurement/1",
            "tender.close",
            Value::map([("commitments", Value::Int(count))]),
        )
    };
    let early = close(&world, 4);
    assert_eq!(world.rule(early), RuleId::TOO_LATE);
    let early = bidders[0].reveal(&world, &tender, [7; 32]);
    assert_eq!(world.rule_by(early, &[&bidders[0].key]), RuleId::REFERENCE);

    world.now_ms += 10 * HOUR_MS;
    // Late by a millisecond is late, whatever the bidder's clock said.
    assert_eq!(world.rule_by(bidders[4].commit(&tender), &[&bidders[4].key]), RuleId::TOO_LATE);
    let wrong = close(&world, 3);
    assert_eq!(world.rule(wrong), RuleId::TOTALS);
    let right = close(&world, 4);
    world.ok(right);

    world.now_ms += HOUR_MS;
    let other_bytes = bidders[0].reveal(&world, &tender, [8; 32]);
    assert_eq!(world.rule_by(other_bytes, &[&bidders[0].key]), RuleId::OPENING);
    for bidder in &bidders[..2] {
        let reveal = bidder.reveal(&world, &tender, [7; 32]);
        world.submit(reveal, &[&bidder.key]).unwrap();
    }
    let withdrawn = bidders[3].reveal(&world, &tender, [7; 32]);
    assert_eq!(world.rule_by(withdrawn, &[&bidders[3].key]), RuleId::STATE);
    let evaluate = |world: &World| world.step(&tender, "procurement/1", "evaluation", none());
    let early = evaluate(&world);
    assert_eq!(world.rule(early), RuleId::TOTALS);
    let unrevealed = |world: &World| {
        world.step(&bidders[2].object, "procurement/1", "bid.unrevealed", of_tender())
    };
    let early = unrevealed(&world);
    assert_eq!(world.rule(early), RuleId::TOO_LATE);

    world.now_ms += 10 * HOUR_MS;
    let late = bidders[2].reveal(&world, &tender, [7; 32]);
    assert_eq!(world.rule_by(late, &[&bidders[2].key]), RuleId::TOO_LATE);
    let listed = unrevealed(&world);
    world.ok(listed);
    let evaluation = evaluate(&world);
    world.ok(evaluation);
    let fates: Vec<String> =
        bidders[..4].iter().map(|bidder| world.status(&bidder.object)).collect();
    assert_eq!(fates, ["revealed", "revealed", "unrevealed", "withdrawn"]);
    let until = at(&world, 240);
    let award = |world: &World, bid: &str| {
        let data =
            [("bid", bid.into()), ("standstill_until", until.clone()), ("value", money("1000"))];
        world.step(&tender, "procurement/1", "award", Value::map(data))
    };
    let unfit = award(&world, &bidders[2].object);
    assert_eq!(world.rule(unfit), RuleId::REFERENCE);
    let fit = award(&world, &bidders[0].object);
    world.ok(fit);
    let complaint = format!("{tender}/complaint/1");
    let filed = procurement("complaint", &complaint, of_tender()).submitter(&bidders[1].id);
    world.submit(filed, &[&bidders[1].key]).unwrap();
    let end = |world: &World| world.step(&tender, "procurement/1", "standstill.end", none());
    let early = end(&world);
    assert_eq!(world.rule(early), RuleId::TOO_LATE);
    world.now_ms += 240 * HOUR_MS;
    let open_complaint = end(&world);
    assert_eq!(world.rule(open_complaint), RuleId::TOTALS);
    let contract = |world: &World| {
        let data = [
            ("buyer", party(BODY)),
            ("signed", "2026-01-16".into()),
            ("supplier", party("GB-COH-01234567")),
            ("value", money("1000")),
        ];
        let _ = world;
        draft("contract/1", "register", &format!("{BODY}/contract/7"), Value::map(data))
            .reference("tender", &tender)
    };
    let early = contract(&world);
    assert_eq!(world.rule(early), RuleId::REFERENCE);
    let outcome = Value::map([("outcome", "dismissed"), ("tender", tender.as_str())]);
    let decided = world.step(&complaint, "procurement/1", "complaint.decision", outcome);
    world.ok(decided);
    let last = end(&world);
    world.ok(last);
    let signed = contract(&world);
    world.ok(signed);
    let cancel =
        world.step(&tender, "procurement/1", "tender.cancel", Value::map([("reason", "other")]));
    assert_eq!(world.rule(cancel), RuleId::STATE);
    world.replayed();
}

#[test]
fn deliveries_are_accepted_by_another_party_within_what_was_ordered() {
    let mut world = World::new();
    let order = format!("{BODY}/order/1");
    let data = [
        ("buyer", party(BODY)),
        ("quantity", Value::Int(10)),
        ("supplier", party("GB-COH-01234567")),
        ("unit", "t".into()),
    ];
    world.ok(draft("delivery/1", "order", &order, Value::map(data)));
    let supplier = key(Algorithm::Es256, 21);
    let supervisor = key(Algorithm::Es256, 22);
    let delivered = |quantity: i64| {
        [
            ("delivered", Value::from("2026-01-05")),
            ("order", order.as_str().into()),
            ("quantity", Value::Int(quantity)),
        ]
    };
    let note = |number: u32, quantity: i64| {
        draft(
            "delivery/1",
            "delivery.note",
            &format!("{order}/note/{number}"),
            Value::map(delivered(quantity)),
        )
        .submitter("GB-COH-SUPPLIER")
    };
    assert_eq!(world.rule(note(1, 6).submitter(BODY)), RuleId::ROLE);
    for number in 1..4 {
        world.submit(note(number, 6), &[&supplier]).unwrap();
    }
    let accept = |world: &World, number: u32, quantity: i64| {
        let data = [("order", Value::from(order.as_str())), ("quantity", Value::Int(quantity))];
        world.step(
            &format!("{order}/note/{number}"),
            "delivery/1",
            "delivery.accept",
            Value::map(data),
        )
    };
    let both = [&treasury(), &supervisor];
    let alone = accept(&world, 1, 6);
    assert_eq!(world.rule(alone), RuleId::KEY_NOT_ALLOWED);
    let by_supplier = accept(&world, 1, 6).submitter("GB-COH-SUPPLIER");
    assert_eq!(world.rule_by(by_supplier, &[&supplier, &supervisor]), RuleId::ROLE);
    let more_than_noted = accept(&world, 1, 7);
    assert_eq!(world.rule_by(more_than_noted, &both), RuleId::OVER_LIMIT);
    let first = accept(&world, 1, 6);
    world.submit(first, &both).unwrap();
    let more_than_ordered = accept(&world, 2, 5);
    assert_eq!(world.rule_by(more_than_ordered, &both), RuleId::OVER_LIMIT);
    let reject = world.step(
        &format!("{order}/note/3"),
        "delivery/1",
        "delivery.reject",
        Value::map([("order", order.as_str()), ("reason", "damaged")]),
    );
    world.ok(reject);
    // A payment for what nobody accepted is admitted, and flagged.
    let pay = |number: u32, note: u32| {
        paid(number, "1").reference("delivery", &format!("{order}/note/{note}"))
    };
    assert_eq!(world.flags(pay(1, 1)), [""; 0]);
    assert_eq!(world.flags(pay(2, 2)), ["W05"]);
    assert_eq!(world.flags(pay(3, 3)), ["W05"]);
    world.replayed();
}

#[test]
fn a_contract_lives_until_it_ends_and_grows_under_watch() {
    let mut world = World::new();
    let object = format!("{BODY}/contract/1");
    let data = |signed: &str| {
        Value::map([
            ("buyer", party(BODY)),
            ("signed", signed.into()),
            ("supplier", party("GB-COH-01234567")),
            ("value", money("100")),
        ])
    };
    let late = draft("contract/1", "register", &format!("{BODY}/contract/0"), data("2025-10-06"));
    assert_eq!(world.flags(late), ["W13"]);
    assert_eq!(world.flags(draft("contract/1", "register", &object, data("2025-10-07"))), [""; 0]);
    let amend = |world: &World, increase: &str| {
        let data = [
            ("increase", money(increase)),
            ("reason", "mod-rev".into()),
            ("signed", "2026-01-05".into()),
        ];
        world.step(&object, "contract/1", "amend", Value::map(data))
    };
    let half = amend(&world, "50");
    assert_eq!(world.flags(half), [""; 0]);
    let more = amend(&world, "0.01");
    assert_eq!(world.flags(more), ["W07"]);
    let end = Value::map([("date", "2026-01-05"), ("reason", "mutual")]);
    let end = world.step(&object, "contract/1", "terminate", end);
    world.ok(end);
    let after = amend(&world, "1");
    assert_eq!(world.rule(after), RuleId::STATE);
    // What later steps rest on cannot be taken back under them.
    let below = world.void(&object, "contract/1", "register", 0);
    assert_eq!(world.rule(below), RuleId::STATE);
    let top = world.void(&object, "contract/1", "terminate", 3);
    world.ok(top);
    assert_eq!(world.status(&object), "registered");
    let after = amend(&world, "1");
    world.ok(after);
    world.replayed();
}

#[test]
fn only_the_ops_and_names_of_the_kind_are_taken() {
    let mut world = World::new();
    let hash = RecordHash::new([1; 32]);
    assert_eq!(world.rule(close(1, 0, "0").next(1, hash)), RuleId::OPERATION);
    assert_eq!(
        world.rule(close(1, 0, "0").object(&format!("{BODY}/close/2026-02"))),
        RuleId::GRAMMAR
    );
    assert_eq!(world.rule(paid(1, "1").object(&format!("{BODY}/paid/1"))), RuleId::GRAMMAR);
    assert!(
        crate::profile::shipped("procurement/1")
            .unwrap()
            .kind("tender.open")
            .unwrap()
            .takes(Op::Add)
    );
}

/// A choice becomes a draft that fits the log as it is, or does not: the judgement says which.
fn drawn(world: &World, choice: u8, number: u32, amount: i64) -> (RecordDraft, bool) {
    let value = format!("{amount}.00");
    let commitment = format!("{BODY}/commitment/{number}");
    let commit = |value: &str| Value::map([("amount", money(value)), ("payer", party(BODY))]);
    let object = match choice {
        0..=4 => format!("{BODY}/payment/{number}"),
        5..=7 => commitment.clone(),
        8 | 9 => format!("{BODY}/close/2026-01"),
        _ => format!("{BODY}/order/{number}"),
    };
    let head = state::object_head(&world.log.state, &object).unwrap();
    let draft = match choice {
        0..=2 => paid(number, &value).reference("commitment", &commitment),
        3 => paid(number, &value).occurred("2025-11-01"),
        4 => payment(number).data(crate::fixture::payment_data(&value, "GBP")),
        5 => spending("commitment", &format!("commitment/{number}"), commit(&value)),
        6 => spending(
            "commitment.amend",
            &format!("commitment/{number}"),
            Value::map([("amount", money(&value))]),
        ),
        7 => spending("commitment.close", &format!("commitment/{number}"), none()),
        8 => close(1, i64::from(number), &value),
        9 => close(i64::from(number), 1, &value),
        10 => order(number),
        11 => {
            let data = [
                ("amount", money(&value)),
                ("booked", "2026-01-05".into()),
                ("statement", "S1".into()),
            ];
            spending("payment.settled", &format!("order/{number}"), Value::map(data))
                .submitter("GB-BOE-BANK")
        }
        _ => spending("payment.rejected", &format!("order/{number}"), none())
            .submitter("GB-BOE-BANK"),
    };
    let Some(head) = head else { return (draft, choice >= 11) };
    let rev = head.rev + 1;
    let of = u32::try_from(amount).unwrap() % rev;
    let draft = match amount % 3 {
        0 => draft.correct(rev, head.record_hash, of, "cor-pub"),
        1 => draft.void(rev, head.record_hash, of, "dup").set("data", none()),
        _ => draft.next(rev, head.record_hash),
    };
    (draft, choice >= 11)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// What admission accepts, replay accepts with the same bytes, flags and state; what it refuses,
    /// replay refuses by the same rule when a log took it all the same.
    #[test]
    fn replay_judges_as_admission_did(choices in prop::collection::vec((0..13_u8, 1..4_u32, 0..90_i64), 1..40)) {
        let mut world = World::new();
        for (choice, number, amount) in choices {
            world.now_ms += HOUR_MS;
            let (draft, by_bank) = drawn(&world, choice, number, amount);
            let Ok(record) = draft.clone().build() else { continue };
            let signer = if by_bank { bank() } else { treasury() };
            let signature = signer.sign_detached(record.bytes());
            let index = EntryIndex::new(world.log.entries.len().try_into().unwrap());
            let head = state::object_head(&world.log.state, record.object()).unwrap();
            if head.is_some_and(|head| head.rev >= record.rev()) {
                continue;
            }
            let before = world.log.state.clone();
            if let Err(refusal) = world.submit(draft, &[&signer]) {
                let forged = crate::entry::encode(world.now_ms, &[], &record, &[signature]);
                let replayed = replay(&before, index, ORIGIN, 0, &forged, &P256Verify).unwrap();
                prop_assert_eq!(replayed.unwrap_err(), refusal);
                prop_assert_eq!(before, world.log.state.clone());
            }
        }
        world.replayed();
    }
}
