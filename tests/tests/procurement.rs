//! A tender from its opening to its contract, against a running log: five bidders whom nobody registered,
//! of whom one comes too late, one withdraws and one never opens the bid. Every commitment ends
//! revealed, withdrawn or listed as unrevealed, and the command line tells which.

use std::collections::BTreeMap;

use e2e::auditor::Auditor;
use e2e::memory_log::value;
use e2e::process::{Finished, finish};
use e2e::submitter::{Treasury, key};
use e2e::{LogOptions, TestLog, programs, wait};
use records::{Algorithm, RecordDraft, RecordHash, SigningKey, Submission, build, format_millis};
use serde_json::{Value, json};
use service::{Clock as _, SystemClock};
use sha2::{Digest as _, Sha256};

const TENDER: &str = "GB-LAE-DEV/tender/2026-17";

/// The buyer, the log, and the chain of every object so far.
struct Tender {
    log: TestLog,
    buyer: Treasury,
    chains: BTreeMap<String, (u32, RecordHash)>,
}

/// Somebody who bids with a key of its own for this tender alone.
struct Bidder {
    key: SigningKey,
    salt: [u8; 32],
    bid: [u8; 32],
}

impl Bidder {
    fn new(number: u8) -> Self {
        let of = |what: &str| Sha256::digest(format!("{what} {number}")).into();
        Self { key: key(Algorithm::Ed25519, 0x70 + number), salt: of("salt"), bid: of("bid") }
    }

    fn kid(&self) -> String {
        self.key.public().kid().to_string()
    }

    fn id(&self) -> String {
        format!("key:{}", self.kid())
    }

    fn object(&self) -> String {
        format!("{TENDER}/bid/{}", self.kid())
    }

    fn jwk(&self) -> Value {
        let text = records::to_canonical(&self.key.public().to_jwk());
        serde_json::from_slice(&text).expect("a JWK")
    }

    fn commitment(&self) -> Value {
        let made = build::commitment(&self.object(), &self.id(), &self.salt, &self.bid);
        json!({"commitment": made, "key": self.jwk(), "tender": TENDER})
    }

    fn reveal(&self, bid: [u8; 32], price: &str) -> Value {
        json!({
            "bid": hex(bid), "bidder": {"id": "GB-COH-01234567"}, "salt": hex(self.salt),
            "price": {"currency": "GBP", "value": price}, "tender": TENDER,
        })
    }
}

impl Tender {
    fn new() -> Self {
        let mut log = TestLog::create(LogOptions::default());
        log.start_witnesses();
        log.start_server();
        let buyer = Treasury::new(log.origin(), "GB-LAE-DEV", Algorithm::Es256, 1);
        let data = records::Value::map([
            ("bodies", records::Value::list([buyer.id()])),
            ("key", buyer.key().public().to_jwk()),
            ("profiles", records::Value::list(["contract/1", "procurement/1"])),
            ("submitter", buyer.id().into()),
        ]);
        let object = format!("log/submitter/{}", buyer.id());
        let keys = [log.governance(), buyer.key()];
        let body = log.registry("submitter.add", &object, data, &keys);
        log.http().post("/v1/records", "application/json", body).expect_status(200);
        Self { log, buyer, chains: BTreeMap::new() }
    }

    /// Submits the next step of an object; the rule that refuses it, if one does.
    fn step(
        &mut self,
        by: Option<&Bidder>,
        kind: &str,
        object: &str,
        data: &Value,
    ) -> Result<(), String> {
        let (submitter, key) = match by {
            Some(bidder) => (bidder.id(), &bidder.key),
            None => (self.buyer.id().to_owned(), self.buyer.key()),
        };
        let profile = if kind == "register" { "contract/1" } else { "procurement/1" };
        let mut draft = RecordDraft::new(self.log.origin(), profile, kind)
            .object(object)
            .submitter(&submitter)
            .occurred("2026-06-01")
            .data(value(data));
        let rev = match self.chains.get(object) {
            Some((rev, hash)) => {
                draft = draft.next(rev + 1, *hash);
                rev + 1
            }
            None => 0,
        };
        if kind == "register" {
            draft = draft.reference("tender", TENDER);
        }
        let record = draft.build().expect("a record");
        let body = Submission::assemble(&record, &[key.sign_detached(record.bytes())], &[]);
        let answer = self.log.http().post("/v1/records?wait=committed", "application/json", body);
        if [200, 202].contains(&answer.status) {
            self.chains.insert(object.to_owned(), (rev, record.hash()));
            return Ok(());
        }
        let rule = answer.json()["rule"].as_str().map(str::to_owned);
        Err(rule.unwrap_or_else(|| panic!("{} {:?}", answer.status, answer.body)))
    }

    fn buyer(&mut self, kind: &str, object: &str, data: &Value) -> Result<(), String> {
        self.step(None, kind, object, data)
    }

    fn ok(&mut self, by: Option<&Bidder>, kind: &str, object: &str, data: &Value) {
        self.step(by, kind, object, data).unwrap_or_else(|rule| panic!("{kind}: {rule}"));
    }

    fn refused(&mut self, by: Option<&Bidder>, kind: &str, object: &str, data: &Value, rule: &str) {
        assert_eq!(self.step(by, kind, object, data), Err(rule.to_owned()), "{kind} {data}");
    }

    fn cli(&self, more: &[&str]) -> Finished {
        let mut command = programs::command(programs::CLI);
        command.current_dir(self.log.path("")).args(["tender", TENDER, "--policy", "policy.txt"]);
        command.args(["--log", self.log.http().base()]).args(more);
        finish(command)
    }
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn now_ms() -> u64 {
    SystemClock::new().unix_millis()
}

fn wait_for(at_ms: u64) {
    wait::until("the time has come", || (now_ms() >= at_ms).then_some(()));
}

#[test]
fn a_tender_ends_with_every_commitment_accounted_for() {
    let mut tender = Tender::new();
    let [first, withdrawn, third, silent, late] = [1, 2, 3, 4, 5].map(Bidder::new);
    let (deadline, reveal_until) = (now_ms() + 4_000, now_ms() + 9_000);
    let open = json!({
        "buyer": {"id": "GB-LAE-DEV"}, "deadline": format_millis(deadline),
        "opening": format_millis(deadline), "reveal_until": format_millis(reveal_until),
    });
    tender.ok(None, "tender.open", TENDER, &open);
    for bidder in [&first, &withdrawn, &third, &silent] {
        tender.ok(Some(bidder), "bid.commit", &bidder.object(), &bidder.commitment());
    }
    let of_tender = json!({"tender": TENDER});
    tender.ok(Some(&withdrawn), "bid.withdraw", &withdrawn.object(), &of_tender);
    tender.refused(
        Some(&first),
        "bid.reveal",
        &first.object(),
        &first.reveal(first.bid, "10"),
        "E25",
    );
    tender.refused(None, "tender.close", TENDER, &json!({"commitments": 4}), "E08");

    wait_for(deadline);
    tender.refused(Some(&late), "bid.commit", &late.object(), &late.commitment(), "E08");
    tender.refused(Some(&silent), "bid.withdraw", &silent.object(), &of_tender, "E08");
    tender.refused(None, "tender.close", TENDER, &json!({"commitments": 3}), "E10");
    tender.ok(None, "tender.close", TENDER, &json!({"commitments": 4}));
    tender.ok(Some(&first), "bid.reveal", &first.object(), &first.reveal(first.bid, "120000.00"));
    let other = third.reveal(first.bid, "1.00");
    tender.refused(Some(&third), "bid.reveal", &third.object(), &other, "E09");
    tender.ok(Some(&third), "bid.reveal", &third.object(), &third.reveal(third.bid, "99000.00"));
    let as_withdrawn = withdrawn.reveal(withdrawn.bid, "1.00");
    tender.refused(Some(&withdrawn), "bid.reveal", &withdrawn.object(), &as_withdrawn, "E24");
    let scores = json!({"scores": [{"bid": first.object(), "score": 80}]});
    tender.refused(None, "evaluation", TENDER, &scores, "E10");
    tender.refused(None, "bid.unrevealed", &silent.object(), &of_tender, "E08");

    wait_for(reveal_until);
    let too_late = silent.reveal(silent.bid, "1.00");
    tender.refused(Some(&silent), "bid.reveal", &silent.object(), &too_late, "E08");
    tender.ok(None, "bid.unrevealed", &silent.object(), &of_tender);
    tender.ok(None, "evaluation", TENDER, &scores);
    let standstill = now_ms() + 2_000;
    let award = |bid: &Bidder| {
        json!({"bid": bid.object(), "standstill_until": format_millis(standstill),
            "value": {"currency": "GBP", "value": "99000.00"}})
    };
    tender.refused(None, "award", TENDER, &award(&silent), "E25");
    tender.ok(None, "award", TENDER, &award(&third));
    let complaint = format!("{TENDER}/complaint/1");
    tender.ok(
        Some(&first),
        "complaint",
        &complaint,
        &json!({"tender": TENDER, "key": first.jwk()}),
    );
    let contract = json!({
        "buyer": {"id": "GB-LAE-DEV"}, "signed": "2026-06-01",
        "supplier": {"id": "GB-COH-01234567"}, "value": {"currency": "GBP", "value": "99000.00"},
    });
    tender.refused(None, "register", "GB-LAE-DEV/contract/17", &contract, "E25");
    tender.refused(None, "standstill.end", TENDER, &json!({}), "E08");

    wait_for(standstill);
    tender.refused(None, "standstill.end", TENDER, &json!({}), "E10");
    let dismissed = json!({"outcome": "dismissed", "tender": TENDER});
    tender.ok(None, "complaint.decision", &complaint, &dismissed);
    tender.ok(None, "standstill.end", TENDER, &json!({}));
    tender.ok(None, "register", "GB-LAE-DEV/contract/17", &contract);
    tender.buyer("tender.cancel", TENDER, &json!({"reason": "other"})).expect_err("it is final");

    expect_list(&tender, [&first, &withdrawn, &third, &silent], &late);
    replay(&tender.log);
}

/// The command line shows four commitments with their fates, and nothing of the late one.
fn expect_list(tender: &Tender, bidders: [&Bidder; 4], late: &Bidder) {
    let shown = wait::until("all is published", || {
        let shown = tender.cli(&["--json"]).expect_success("civiclog tender --json").stdout;
        let shown: Value = serde_json::from_str(&shown).expect("one JSON document");
        (shown["state"] == "final").then_some(shown)
    });
    let fates: Vec<(&str, &str)> = shown["commitments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| (it["object"].as_str().expect("a name"), it["fate"].as_str().expect("a fate")))
        .collect();
    let objects = bidders.map(Bidder::object);
    let expected = ["revealed", "withdrawn", "revealed", "unrevealed"];
    let expected: Vec<(&str, &str)> = objects.iter().map(String::as_str).zip(expected).collect();
    assert_eq!(fates, expected);
    assert_eq!((&shown["commitments_stated"], &shown["is_complete"]), (&json!(4), &json!(true)));
    assert_eq!(shown["complaints"][0]["outcome"], "dismissed");
    assert_eq!(shown["commitments"][2]["price"], "GBP 99000.00");
    let words = tender.cli(&[]).expect_success("civiclog tender").stdout;
    assert!(words.contains("2 revealed, 1 withdrawn, 1 unrevealed, 0 not revealed"), "{words}");
    assert!(!words.contains(&late.kid()), "{words}");
    assert!(words.contains("no other commitment is in it"), "{words}");
}

/// Whoever downloads the log and replays it reaches the same.
fn replay(log: &TestLog) {
    let reader = log.reader();
    let entries = reader.tree(&reader.checkpoint().head());
    let mut auditor = Auditor::new(log.origin());
    for entry in &entries {
        auditor.take(entry).unwrap_or_else(|refusal| panic!("{refusal}"));
    }
    let fold = records::state::object_fold(auditor.state(), TENDER).expect("readable");
    assert_eq!(fold.expect("the tender").status, "final");
}
