//! Every rule has a record that breaks it, and every flag a record that raises it: as this log's own
//! admission judges. A rule without a case fails here.

use e2e::auditor::Auditor;
use e2e::drawn::found;
use e2e::memory_log::{MemoryLog, Said};
use e2e::submitter::key;
use records::{Algorithm, Entry, SigningKey, build, format_millis, seal};
use serde_json::{Value, json};

const BODY: &str = "GB-LAE-DEV";
const HOUR_MS: u64 = 3_600_000;

/// A log of a treasury, a bank, a supplier and a supervisor.
struct Lab {
    log: MemoryLog,
}

fn treasury() -> SigningKey {
    key(Algorithm::Es256, 2)
}

fn bank() -> SigningKey {
    key(Algorithm::Ed25519, 3)
}

fn new_key() -> SigningKey {
    key(Algorithm::Ed25519, 0x40)
}

fn jwk(key: &SigningKey) -> Value {
    serde_json::from_slice(&records::to_canonical(&key.public().to_jwk())).expect("a JWK")
}

fn gbp(value: &str) -> Value {
    json!({"currency": "GBP", "value": value})
}

/// A record of the treasury's.
fn record(profile: &str, kind: &str, name: &str, data: &Value) -> Value {
    json!({"v": 1, "log": "log.example/simulation", "profile": profile, "kind": kind,
        "object": format!("{BODY}/{name}"), "rev": 0, "op": "add", "submitter": BODY,
        "occurred": "2026-06-01", "data": data})
}

fn payment(number: u32) -> Value {
    let data = json!({"amount": gbp("10.00"), "payee": {"id": "GB-COH-1"}, "payer": {"id": BODY}});
    record("spending/1", "payment", &format!("payment/{number}"), &data)
}

fn contract(number: u32) -> Value {
    let data = json!({"buyer": {"id": BODY}, "signed": "2026-05-30", "supplier": {"id": "GB-COH-1"},
        "value": gbp("100")});
    record("contract/1", "register", &format!("contract/{number}"), &data)
}

fn of_log(kind: &str, object: &str, data: &Value) -> Value {
    let mut record = record("registry/1", kind, "", data);
    record["submitter"] = json!("log");
    record["object"] = json!(object);
    record
}

fn with(mut record: Value, name: &str, value: Value) -> Value {
    record[name] = value;
    record
}

fn with_data(mut record: Value, name: &str, value: Value) -> Value {
    record["data"][name] = value;
    record
}

/// The posted form of a record's text.
fn signed(text: &str, keys: &[&SigningKey]) -> Vec<u8> {
    let mut signatures: Vec<(String, String)> = keys
        .iter()
        .map(|key| (key.public().kid().to_string(), key.sign_detached(text.as_bytes()).to_text()))
        .collect();
    signatures.sort();
    let signatures: Vec<&String> = signatures.iter().map(|(_, text)| text).collect();
    format!("{{\"record\":{text},\"signatures\":{}}}", json!(signatures)).into_bytes()
}

impl Lab {
    fn new() -> Self {
        Self { log: found() }
    }

    /// The rules that a submission breaks, or the flags that it gets.
    fn post(&mut self, posted: &[u8]) -> Vec<&'static str> {
        match self.log.submit(posted) {
            Said::Committed(index) => {
                let entry = self.log.served_from(index).swap_remove(0);
                let entry = Entry::parse(&entry).expect("an entry");
                entry.flags().iter().map(|flag| flag.as_str()).collect()
            }
            Said::AlreadyThere(_) => Vec::new(),
            Said::Refused(refusal) | Said::RefusedAtOnce(refusal) => vec![refusal.rule.as_str()],
        }
    }

    fn by(&mut self, record: &Value, keys: &[&SigningKey]) -> Vec<&'static str> {
        self.post(&signed(&record.to_string(), keys))
    }

    fn say(&mut self, record: &Value) -> Vec<&'static str> {
        self.by(record, &[&treasury()])
    }

    /// Said before, so that the next breaks a rule.
    fn given(&mut self, record: &Value) {
        assert_eq!(self.say(record), [""; 0], "{record}");
    }

    fn given_by(&mut self, record: &Value, keys: &[&SigningKey]) {
        let said = self.by(record, keys);
        assert!(said.iter().all(|it| it.starts_with('W')), "{record}: {said:?}");
    }

    fn govern(
        &mut self,
        kind: &str,
        object: &str,
        data: &Value,
        more: &[&SigningKey],
    ) -> Vec<&'static str> {
        let governance = MemoryLog::governance();
        let keys = [&[&governance], more].concat();
        self.by(&of_log(kind, object, data), &keys)
    }

    /// The record as the next step of its object.
    fn next(&self, record: Value, op: &str) -> Value {
        let state = civiclog_server::core::state::CommittedState(self.log.store());
        let object = record["object"].as_str().expect("a name").to_owned();
        let head = records::object_head(&state, &object).expect("readable").expect("an object");
        let record = with(record, "op", json!(op));
        let record = with(record, "rev", json!(head.rev + 1));
        with(record, "prev", json!(head.record_hash.to_string()))
    }

    /// An open tender with a commitment by a bidder, whose key and object these are.
    fn tender(&mut self) -> (SigningKey, String) {
        let at = |hours: u64| json!(format_millis(self.log.now_ms() + hours * HOUR_MS));
        let data = json!({"buyer": {"id": BODY}, "deadline": at(1), "opening": at(1),
            "reveal_until": at(3)});
        self.given(&record("procurement/1", "tender.open", "tender/1", &data));
        let bidder = new_key();
        let object = format!("{BODY}/tender/1/bid/{}", bidder.public().kid());
        let commitment = Self::commitment(&bidder);
        self.given_by(&commitment, &[&bidder]);
        (bidder, object)
    }

    /// Every bidder commits to the same bid with the same salt, as the first bidder's.
    fn commitment(bidder: &SigningKey) -> Value {
        let kid = |key: &SigningKey| key.public().kid().to_string();
        let first = new_key();
        let object = format!("{BODY}/tender/1/bid/{}", kid(&first));
        let id = format!("key:{}", kid(&first));
        let commitment = build::commitment(&object, &id, &[1; 32], &[2; 32]);
        let data = json!({"commitment": commitment, "key": jwk(bidder), "tender": format!("{BODY}/tender/1")});
        let name = format!("tender/1/bid/{}", kid(bidder));
        let record = record("procurement/1", "bid.commit", &name, &data);
        with(record, "submitter", json!(format!("key:{}", kid(bidder))))
    }

    fn order(&mut self) {
        let data = json!({"amount": gbp("30"), "message": "M1", "payee": {"id": "GB-COH-1"},
            "payer": {"id": BODY}});
        self.given(&record("spending/1", "payment.order", "order/1", &data));
    }

    fn settlement(&self, amount: &str, submitter: &str) -> Value {
        let data = json!({"amount": gbp(amount), "booked": "2026-06-01", "statement": "S1"});
        let record = record("spending/1", "payment.settled", "order/1", &data);
        self.next(with(record, "submitter", json!(submitter)), "next")
    }

    fn close(number: u32, count: u32) -> Value {
        let data = json!({"count": count, "number": number, "period": "2026-06"});
        record("spending/1", "period.close", "close/2026-06", &data)
    }
}

/// A rule and what breaks it.
type Case = (&'static str, fn(&mut Lab) -> Vec<&'static str>);

const CASES: &[Case] = &[
    ("E01", |lab| {
        lab.post(&signed(&payment(1).to_string().replacen(',', ", ", 1), &[&treasury()]))
    }),
    ("E02", |lab| lab.say(&with(payment(1), "profile", json!("gifts/1")))),
    ("E03", |lab| lab.by(&payment(1), &[&bank()])),
    ("E04", |lab| {
        lab.given(&payment(1));
        lab.say(&with(payment(1), "occurred", json!("2026-05-31")))
    }),
    ("E05", |lab| {
        lab.given(&payment(1));
        let next = lab.next(payment(1), "next");
        lab.say(&with(next, "prev", json!("A".repeat(43))))
    }),
    ("E06", |lab| lab.say(&with_data(payment(1), "amount", gbp("1.005")))),
    ("E07", |lab| lab.say(&with_data(payment(1), "payee", json!({"id": "GB-TAXID-1"})))),
    ("E08", |lab| {
        lab.tender();
        lab.log.advance_ms(HOUR_MS);
        let late = key(Algorithm::Ed25519, 0x41);
        let commitment = Lab::commitment(&late);
        lab.by(&commitment, &[&late])
    }),
    ("E09", |lab| {
        let (bidder, object) = lab.tender();
        lab.log.advance_ms(HOUR_MS);
        let close = record("procurement/1", "tender.close", "tender/1", &json!({"commitments": 1}));
        let close = lab.next(close, "next");
        lab.given(&close);
        let data = json!({"bid": "03".repeat(32), "bidder": {"id": "GB-COH-1"}, "salt": "01".repeat(32),
            "tender": format!("{BODY}/tender/1")});
        let name = object.strip_prefix("GB-LAE-DEV/").expect("of the body");
        let reveal = record("procurement/1", "bid.reveal", name, &data);
        let reveal = with(reveal, "submitter", json!(format!("key:{}", bidder.public().kid())));
        let reveal = lab.next(reveal, "next");
        lab.by(&reveal, &[&bidder])
    }),
    ("E10", |lab| lab.say(&Lab::close(1, 1))),
    ("E11", |lab| lab.say(&Lab::close(2, 0))),
    ("E12", |lab| lab.say(&with_data(payment(1), "native", json!("N".repeat(9000))))),
    ("E13", |lab| {
        let posted = signed(&payment(1).to_string(), &[&treasury()]);
        let text = String::from_utf8(posted).expect("text");
        lab.post(text.replace("\"10.00\"", "\"90.00\"").as_bytes())
    }),
    ("E14", |lab| lab.say(&with(payment(1), "submitter", json!("GB-LAE-NOBODY")))),
    ("E15", |lab| lab.say(&with_data(payment(1), "surplus", json!(1)))),
    ("E16", |lab| lab.say(&with(payment(1), "log", json!("log.example/other")))),
    ("E17", |lab| {
        // It says that the log holds the name, and brings none.
        let (field, _) =
            seal("/data/payee/name", "name", "Orchard".into(), [1; 16], records::HeldBy::Log);
        let sealed = records::to_canonical(&field.to_value());
        let sealed: Value = serde_json::from_slice(&sealed).expect("JSON");
        lab.say(&with(payment(1), "sealed", json!([sealed])))
    }),
    ("E18", |lab| lab.say(&with(payment(1), "object", json!("GB-LAE-ELSE/payment/1")))),
    ("E19", |lab| {
        let new = new_key();
        let data = json!({"key": jwk(&new), "submitter": BODY});
        let object = format!("log/key/{}", new.public().kid());
        lab.given_by(&of_log("key.add", &object, &data), &[&treasury(), &new]);
        let data = json!({"kid": new.public().kid().to_string()});
        let object = format!("log/revoke/{}", new.public().kid());
        assert_eq!(lab.govern("key.revoke", &object, &data, &[]), [""; 0]);
        lab.by(&payment(1), &[&new])
    }),
    ("E20", |lab| {
        let data = json!({"document": {"profile": "spending/1", "kinds": [
            {"kind": "gift", "ops": ["add"], "object": "{body}/gift/{id}"}]}});
        lab.govern("profile.publish", "log/profile/spending/1", &data, &[])
    }),
    ("E21", |lab| {
        let sealed =
            json!([{"digest": "A".repeat(43), "held": "nobody", "path": "/data/payee/name"}]);
        lab.say(&with(payment(1), "sealed", sealed))
    }),
    ("E22", |lab| {
        lab.given(&payment(1));
        let void = with(with(lab.next(payment(1), "void"), "of", json!(0)), "why", json!("dup"));
        lab.say(&void)
    }),
    ("E23", |lab| {
        lab.given(&payment(1));
        let mut auditor = Auditor::new(lab.log.origin());
        let mut entries = lab.log.served_from(0);
        let last = entries.pop().expect("an entry");
        for entry in &entries {
            auditor.take(entry).expect("the founding replays");
        }
        let lie = String::from_utf8(last).expect("text").replacen("[]", "[\"W03\"]", 1);
        vec![auditor.take(lie.as_bytes()).expect_err("another flag").rule.as_str()]
    }),
    ("E24", |lab| {
        let data = json!({"amount": gbp("10"), "payer": {"id": BODY}});
        lab.given(&record("spending/1", "commitment", "commitment/1", &data));
        let close = record("spending/1", "commitment.close", "commitment/1", &json!({}));
        let first = lab.next(close.clone(), "next");
        lab.given(&first);
        let second = lab.next(close, "next");
        lab.say(&second)
    }),
    ("E25", |lab| {
        let data = json!({"amount": gbp("10"), "budget": format!("{BODY}/budget/2026"), "payer": {"id": BODY}});
        lab.say(&record("spending/1", "commitment", "commitment/1", &data))
    }),
    ("E26", |lab| {
        lab.tender();
        let copier = key(Algorithm::Ed25519, 0x41);
        let commitment = Lab::commitment(&copier);
        lab.by(&commitment, &[&copier])
    }),
    ("E27", |lab| {
        lab.order();
        let settlement = lab.settlement("30.01", "GB-BOE-BANK");
        lab.by(&settlement, &[&bank()])
    }),
    ("E28", |lab| {
        lab.order();
        let settlement = lab.settlement("30", BODY);
        lab.say(&settlement)
    }),
    ("E29", |lab| {
        let data = json!({"document": {"profile": "gifts/1", "kinds": [{"kind": "gift"}]}});
        lab.govern("profile.publish", "log/profile/gifts/1", &data, &[])
    }),
    ("E30", |lab| {
        assert_eq!(lab.govern("log.freeze", "log/freeze", &json!({}), &[]), [""; 0]);
        lab.say(&payment(1))
    }),
    ("W01", |lab| {
        let refs = json!([{"object": format!("{BODY}/contract/9"), "rel": "contract"}]);
        lab.say(&with(payment(1), "refs", refs))
    }),
    ("W02", |lab| {
        let data = json!({"amount": gbp("9.99"), "payer": {"id": BODY}});
        lab.given(&record("spending/1", "commitment", "commitment/1", &data));
        let refs = json!([{"object": format!("{BODY}/commitment/1"), "rel": "commitment"}]);
        lab.say(&with(payment(1), "refs", refs))
    }),
    ("W03", |lab| lab.say(&with(payment(1), "occurred", json!("2026-05-01")))),
    ("W04", |lab| lab.say(&with(payment(1), "occurred", json!("2026-06-03")))),
    ("W05", |lab| {
        let refs = json!([{"object": format!("{BODY}/order/1/note/1"), "rel": "delivery"}]);
        lab.say(&with(payment(1), "refs", refs))
    }),
    ("W06", |lab| {
        let document = json!([{"media": "application/pdf", "sha256": "01".repeat(32), "size": 1,
            "type": "contractSigned"}]);
        let mut flags = Vec::new();
        for number in 1..3 {
            lab.given(&contract(number));
            let record =
                record("contract/1", "document", &format!("contract/{number}"), &json!({}));
            let record = lab.next(with(record, "documents", document.clone()), "next");
            flags = lab.say(&record);
        }
        flags
    }),
    ("W07", |lab| {
        lab.given(&contract(1));
        let data = json!({"increase": gbp("50.01"), "reason": "mod-rev", "signed": "2026-06-01"});
        let amend = lab.next(record("contract/1", "amend", "contract/1", &data), "next");
        lab.say(&amend)
    }),
    ("W09", |lab| lab.say(&with(payment(1), "source", json!({"rounded": true})))),
    ("W10", |lab| {
        lab.given(&with_data(payment(1), "native", json!("N1")));
        lab.say(&with_data(payment(2), "native", json!("N1")))
    }),
    ("W11", |lab| {
        lab.given(&Lab::close(1, 0));
        lab.say(&payment(1))
    }),
    ("W12", |lab| {
        let new = new_key();
        let data = json!({"key": jwk(&new), "submitter": BODY});
        lab.govern("key.add", &format!("log/key/{}", new.public().kid()), &data, &[&new])
    }),
    ("W13", |lab| lab.say(&with_data(contract(1), "signed", json!("2026-03-02")))),
];

#[test]
fn every_rule_refuses_and_every_flag_is_raised() {
    let mut wrong = Vec::new();
    for (rule, case) in CASES {
        let produced = case(&mut Lab::new());
        if produced != [*rule] {
            wrong.push(format!("{rule}: {produced:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_rule_is_without_a_case() {
    let cases: Vec<&str> = CASES.iter().map(|(rule, _)| *rule).collect();
    let rules: Vec<&str> = records::rules().iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(cases, rules);
}
