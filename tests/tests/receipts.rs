//! A receipt accounts for whoever signed, offline and to entry 0, however that came about: a body that
//! was lent, a key that governance recovered, governance that was replaced, a key that nobody
//! registered, a second signer, a profile of the log's own. The receipts are the server's, the verdicts
//! are the command line's.

use std::fs;

use e2e::drawn::found;
use e2e::memory_log::{MemoryLog, Said, Say};
use e2e::process::{Finished, finish};
use e2e::programs;
use e2e::submitter::key;
use records::{Algorithm, SigningKey, build};
use serde_json::{Value, json};
use tlog::TlogProof;

const BODY: &str = "GB-LAE-DEV";
const OTHER: &str = "GB-LAE-SUB";
const DAY_MS: u64 = 86_400_000;

fn treasury() -> SigningKey {
    key(Algorithm::Es256, 2)
}

fn jwk(key: &SigningKey) -> Value {
    serde_json::from_slice(&records::to_canonical(&key.public().to_jwk())).expect("a JWK")
}

/// Runs `civiclog verify --json` over a file.
fn verify(receipt: &str) -> Finished {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("receipt"), receipt).expect("writing");
    fs::write(path("policy.txt"), MemoryLog::policy_text()).expect("writing");
    let mut command = programs::command(programs::CLI);
    command.current_dir(folder.path());
    command.args(["verify", "receipt", "--policy", "policy.txt", "--json"]);
    finish(command)
}

/// Every signature of the entry is accounted for.
fn expect_checked(log: &MemoryLog, index: u64) {
    let verdict = verify(&log.receipt(index)).expect_success("verify").json();
    let signatures = verdict["entries"][0]["signatures"].as_array().expect("signatures").clone();
    assert!(signatures.iter().all(|it| it["checked"] == true), "{signatures:#?}");
}

/// Without the entry of this kind, the file holds and says that something is not checked.
fn expect_lack(log: &MemoryLog, index: u64, kind: &str, words: &str) {
    let receipt = log.receipt(index);
    let proofs = TlogProof::parse_many(receipt.as_bytes()).expect("a receipt file");
    let wanted = format!("\"kind\":\"{kind}\"");
    let is_kept = |it: &&TlogProof| {
        let entry = String::from_utf8_lossy(it.extra.as_deref().unwrap_or_default()).into_owned();
        !entry.contains(&wanted)
    };
    let kept: String = proofs.iter().filter(is_kept).map(TlogProof::encode).collect();
    assert_ne!(kept, receipt, "{kind} is in the file");
    let verdict = verify(&kept).expect_success("verify").json();
    let signature = verdict["entries"][0]["signatures"][0].clone();
    assert_eq!(signature["checked"], false, "{signature}");
    assert!(signature["missing"].as_str().expect("words").contains(words), "{signature}");
}

fn payment(number: u32) -> Value {
    json!({"amount": {"currency": "GBP", "value": format!("{number}.00")},
        "payee": {"id": "GB-COH-1"}, "payer": {"id": BODY}})
}

/// The treasury's or another's payment.
fn pay(log: &mut MemoryLog, submitter: &str, number: u32, key: &SigningKey) -> Said {
    let object = format!("{BODY}/payment/{number}");
    let (profile, kind, data) = ("spending/1", "payment", payment(number));
    log.say(&Say { submitter, profile, kind, object: &object, data }, &[key])
}

fn govern(
    log: &mut MemoryLog,
    kind: &str,
    object: &str,
    data: Value,
    keys: &[&SigningKey],
) -> Said {
    let submitter = "log";
    log.say(&Say { submitter, profile: "registry/1", kind, object, data }, keys)
}

#[test]
fn a_record_about_a_body_that_was_lent() {
    let mut log = found();
    let other = key(Algorithm::Ed25519, 6);
    let rule = |said: &Said| said.refusal().map(|it| it.rule.as_str());
    assert_eq!(rule(&pay(&mut log, OTHER, 1, &other)), Some("E18"));
    let object = format!("log/delegate/{BODY}/{OTHER}/{BODY}");
    let lent = json!({"body": BODY, "profiles": ["spending/1"], "submitter": BODY, "to": OTHER});
    govern(&mut log, "submitter.delegate", &object, lent, &[&treasury()]).index();
    let index = pay(&mut log, OTHER, 2, &other).index();
    expect_checked(&log, index);
    expect_lack(&log, index, "submitter.delegate", "lacks who lent GB-LAE-DEV to GB-LAE-SUB");
    // What ends later does not undo it.
    let ended = json!({"body": BODY, "submitter": BODY, "to": OTHER});
    govern(&mut log, "submitter.delegate", &object, ended, &[&treasury()]).index();
    assert_eq!(rule(&pay(&mut log, OTHER, 3, &other)), Some("E18"));
    expect_checked(&log, index);
}

#[test]
fn a_record_by_a_key_that_governance_recovered() {
    let mut log = found();
    let new = key(Algorithm::Ed25519, 0x40);
    let object = format!("log/key/{}", new.public().kid());
    let data = json!({"key": jwk(&new), "submitter": BODY});
    govern(&mut log, "key.add", &object, data, &[&MemoryLog::governance(), &new]).index();
    log.advance_ms(7 * DAY_MS - 1);
    assert!(pay(&mut log, BODY, 1, &new).refusal().is_some_and(|it| it.rule.as_str() == "E19"));
    log.advance_ms(1);
    let index = pay(&mut log, BODY, 1, &new).index();
    expect_checked(&log, index);
    expect_lack(&log, index, "submitter.add", "lacks the registration of GB-LAE-DEV");
}

#[test]
fn a_record_by_a_submitter_whom_a_later_governance_let_in() {
    let mut log = found();
    let [first, second, third] = [0x61, 0x62, 0x63].map(|seed| key(Algorithm::Ed25519, seed));
    for (new, next) in [(&first, &second), (&second, &third)] {
        let data =
            json!({"keys": [jwk(new)], "next": [next.public().kid().to_string()], "threshold": 1});
        let object = format!("log/governance/{}", new.public().kid());
        govern(&mut log, "governance.rotate", &object, data, &[new]).index();
    }
    let (id, own) = ("GB-LAE-NEW", key(Algorithm::Ed25519, 0x41));
    let data =
        json!({"bodies": [BODY], "key": jwk(&own), "profiles": ["spending/1"], "submitter": id});
    let object = format!("log/submitter/{id}");
    let old = [&first, &own];
    let refused = govern(&mut log, "submitter.add", &object, data.clone(), &old);
    assert!(refused.refusal().is_some(), "the old governance ended");
    govern(&mut log, "submitter.add", &object, data, &[&second, &own]).index();
    let index = pay(&mut log, id, 1, &own).index();
    expect_checked(&log, index);
    expect_lack(&log, index, "governance.rotate", "perhaps of a later governance");
}

#[test]
fn records_by_a_bidder_whom_nobody_registered() {
    let mut log = found();
    let tender = format!("{BODY}/tender/1");
    let at = |minutes: u64| records::format_millis(log.now_ms() + minutes * 60_000);
    let open = json!({"buyer": {"id": BODY}, "deadline": at(10), "opening": at(10), "reveal_until": at(20)});
    let profile = "procurement/1";
    let say = Say { submitter: BODY, profile, kind: "tender.open", object: &tender, data: open };
    log.say(&say, &[&treasury()]).index();
    let bidder = key(Algorithm::Ed25519, 0x50);
    let submitter = format!("key:{}", bidder.public().kid());
    let object = format!("{tender}/bid/{}", bidder.public().kid());
    let commitment = build::commitment(&object, &submitter, &[1; 32], &[2; 32]);
    let data = json!({"commitment": commitment, "key": jwk(&bidder), "tender": tender});
    let say = Say { submitter: &submitter, profile, kind: "bid.commit", object: &object, data };
    let committed = log.say(&say, &[&bidder]).index();
    let say = Say { kind: "bid.withdraw", data: json!({"tender": tender}), ..say };
    let withdrawn = log.say(&say, &[&bidder]).index();
    expect_checked(&log, committed);
    expect_checked(&log, withdrawn);
    expect_lack(&log, withdrawn, "bid.commit", "lacks the key's registration");
}

#[test]
fn a_record_that_a_second_party_signed_as_well() {
    let mut log = found();
    let [supplier, supervisor] = [4, 5].map(|seed| key(Algorithm::Ed25519, seed));
    let (profile, order) = ("delivery/1", format!("{BODY}/order/1"));
    let note = format!("{order}/note/1");
    let data = json!({"buyer": {"id": BODY}, "quantity": 10, "supplier": {"id": "GB-COH-1"}, "unit": "each"});
    let say = Say { submitter: BODY, profile, kind: "order", object: &order, data };
    log.say(&say, &[&treasury()]).index();
    let data = json!({"delivered": "2026-06-01", "order": order, "quantity": 6});
    let submitter = "GB-COH-SUPPLIER";
    let say = Say { submitter, profile, kind: "delivery.note", object: &note, data };
    let noted = log.say(&say, &[&supplier]).index();
    let data = json!({"order": order, "quantity": 6});
    let say = Say { submitter: BODY, profile, kind: "delivery.accept", object: &note, data };
    let accepted = log.say(&say, &[&treasury(), &supervisor]).index();
    expect_checked(&log, noted);
    expect_checked(&log, accepted);
}

#[test]
fn a_record_of_a_profile_that_the_log_published() {
    let mut log = found();
    let governance = MemoryLog::governance();
    let document = json!({"profile": "visits/1", "kinds": [{"kind": "visit", "ops": ["add"],
        "object": "{body}/visit/{id}", "cosigned_by": "supervisor"}]});
    let data = json!({"document": document});
    govern(&mut log, "profile.publish", "log/profile/visits/1", data, &[&governance]).index();
    let (id, own) = ("GB-LAE-NEW", key(Algorithm::Ed25519, 0x41));
    let data =
        json!({"bodies": [BODY], "key": jwk(&own), "profiles": ["visits/1"], "submitter": id});
    let object = format!("log/submitter/{id}");
    govern(&mut log, "submitter.add", &object, data, &[&governance, &own]).index();
    let object = format!("{BODY}/visit/1");
    let supervisor = key(Algorithm::Ed25519, 5);
    let say =
        Say { submitter: id, profile: "visits/1", kind: "visit", object: &object, data: json!({}) };
    let index = log.say(&say, &[&own, &supervisor]).index();
    expect_checked(&log, index);
}
