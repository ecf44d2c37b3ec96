use records::{Algorithm, RecordDraft, RecordHash, SigningKey, Value};

use super::*;
use crate::fake_log::{FakeLog, ORIGIN, Run, SUBMITTER};

const TENDER: &str = "XX-LAE-WMC/tender/1";

/// Appends a record as it is; whether the rules allow it is not this command's question.
fn append(log: &FakeLog, key: Option<&SigningKey>, kind: &str, object: &str, data: Value) {
    let submitter = key.map(|it| format!("key:{}", it.public().kid()));
    let other = bidder(99);
    let known = log.lock().object(object);
    let mut draft = RecordDraft::new(ORIGIN, "procurement/1", kind)
        .object(object)
        .submitter(submitter.as_deref().unwrap_or(SUBMITTER))
        .occurred("2023-10-02")
        .data(data);
    if let Some(known) = known {
        let rev = known["revisions"].as_array().unwrap().len();
        draft = draft.next(u32::try_from(rev).unwrap(), RecordHash::new([1; 32]));
    }
    let record = draft.build().unwrap();
    let signature = key.unwrap_or(&other).sign_detached(record.bytes()).to_text();
    let mut entry = records::entry_start(1_700_000_000_000, &[]);
    entry.extend_from_slice(record.bytes());
    entry.extend_from_slice(format!(",\"signatures\":[\"{signature}\"],\"v\":1}}").as_bytes());
    log.lock().append(&entry, Vec::new());
}

fn bidder(number: u8) -> SigningKey {
    SigningKey::generate_from_seed(Algorithm::Ed25519, [number; 32]).unwrap()
}

fn bid_of(key: &SigningKey) -> String {
    format!("{TENDER}/bid/{}", key.public().kid())
}

/// Four commitments: one revealed, one withdrawn, one listed as unrevealed, one still silent.
fn log_with_tender(stated: i64) -> FakeLog {
    let log = FakeLog::start();
    let time = "2023-11-20T00:00:00.000Z";
    let open = Value::map([
        ("buyer", Value::map([("id", SUBMITTER)])),
        ("deadline", time.into()),
        ("opening", time.into()),
        ("reveal_until", time.into()),
    ]);
    append(&log, None, "tender.open", TENDER, open);
    let tender = || ("tender", Value::from(TENDER));
    let keys = [1, 2, 3, 4].map(bidder);
    for key in &keys {
        let zeros = "0".repeat(64);
        let data =
            [("commitment", zeros.as_str().into()), ("key", key.public().to_jwk()), tender()];
        append(&log, Some(key), "bid.commit", &bid_of(key), Value::map(data));
    }
    append(&log, Some(&keys[1]), "bid.withdraw", &bid_of(&keys[1]), Value::map([tender()]));
    let close = Value::map([("commitments", Value::Int(stated))]);
    append(&log, None, "tender.close", TENDER, close);
    let ones = "1".repeat(64);
    let reveal = [
        ("bid", ones.as_str().into()),
        ("bidder", Value::map([("id", "GB-COH-1")])),
        ("price", Value::map([("currency", "GBP"), ("value", "10.00")])),
        ("salt", ones.as_str().into()),
        tender(),
    ];
    append(&log, Some(&keys[0]), "bid.reveal", &bid_of(&keys[0]), Value::map(reveal));
    append(&log, None, "bid.unrevealed", &bid_of(&keys[2]), Value::map([tender()]));
    log
}

fn shown(log: &FakeLog, more: &str) -> Run {
    log.civiclog(&format!("tender {TENDER} --log LOG --policy @policy.txt {more}"))
}

#[test]
fn every_commitment_is_told_with_its_fate() {
    let log = log_with_tender(4);
    let run = shown(&log, "--json").expect(Exit::Done);
    let told = run.json();
    let fates: Vec<&str> = told["commitments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["fate"].as_str().unwrap())
        .collect();
    assert_eq!(fates, ["revealed", "withdrawn", "unrevealed", "not revealed"]);
    assert_eq!((&told["state"], &told["is_complete"]), (&"closed".into(), &true.into()));
    let words = shown(&log, "").expect(Exit::Done).out;
    assert!(words.contains("revealed by entry 9, GB-COH-1, GBP 10.00"), "{words}");
    assert!(words.contains("1 revealed, 1 withdrawn, 1 unrevealed, 1 not revealed"), "{words}");
}

#[test]
fn the_list_that_the_log_gives_is_the_one_that_reading_all_of_it_gives() {
    let log = log_with_tender(4);
    let policy = tlog::Policy::parse(&log.read("policy.txt")).unwrap();
    let told = |steps: &BTreeMap<String, Vec<Step>>| {
        let told = Told::of(TENDER, 0, true, steps, &BTreeMap::new());
        serde_json::to_value(told).unwrap()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (read, listed) = runtime.block_on(async {
        let client = LogClient::new(&log.url, &HttpSettings::default()).unwrap();
        let checkpoint = trust::checkpoint(&client, &policy).await.unwrap();
        let view = TreeView::new(client.clone(), checkpoint.head());
        let read = scan(&view, TENDER).await.unwrap();
        (read, ask(&client, &view, TENDER).await.unwrap())
    });
    assert_eq!(told(&read)["commitments"].as_array().unwrap().len(), 4);
    assert_eq!(told(&read), told(&listed));
}

#[test]
fn a_close_that_counts_other_commitments_is_misbehaviour() {
    let run = shown(&log_with_tender(3), "").expect(Exit::Misbehaved);
    assert!(run.err.contains("closed with 3 commitments, the log shows 4"), "{}", run.err);
}

#[test]
fn a_tender_that_is_not_there_is_said_to_be_missing() {
    let log = FakeLog::start();
    assert!(shown(&log, "").expect(Exit::NotVerified).err.contains("has no tender"));
    let run = log.civiclog("tender nothing --log LOG --policy @policy.txt").expect(Exit::Usage);
    assert!(run.err.contains("is no object"), "{}", run.err);
}
