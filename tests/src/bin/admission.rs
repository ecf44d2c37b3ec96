//! How many records a second the server admits, everything but network and disk: parsing, grammar,
//! sealed fields, ES256, every rule of the heaviest shipped kind, hashing into the tree. Two threads
//! check, one sequences, as in the server; the database is in memory.
//! `cargo run --release -p e2e --bin admission`
#![expect(clippy::print_stdout, reason = "the figures are the point")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use e2e::drawn::found;
use e2e::memory_log::{MemoryLog, Said, check};
use e2e::submitter::key;
use records::{Algorithm, HeldBy, RecordDraft, SigningKey, Submission, Value, seal};
use service::{Clock as _, SystemClock};

const BODY: &str = "GB-LAE-DEV";
const PAYMENTS: usize = 100_000;
const BATCH: usize = 500;
const CHECKING: usize = 2;

fn main() {
    let mut log = found();
    let treasury = key(Algorithm::Es256, 2);
    for founding in [contract(&log, &treasury), commitment(&log, &treasury)] {
        log.submit(&founding).index();
    }
    let posted: Vec<Vec<u8>> =
        (0..PAYMENTS).map(|number| payment(&log, &treasury, number)).collect();
    let bytes: usize = posted.iter().map(Vec::len).sum();
    println!("{PAYMENTS} payments of {} bytes, signed", bytes / PAYMENTS);

    let clock = SystemClock::new();
    let before = clock.monotonic_millis();
    let (send, checked) = mpsc::sync_channel(8);
    let (store, next) = (log.store().clone(), AtomicUsize::new(0));
    let mut committed = 0;
    std::thread::scope(|scope| {
        for _ in 0..CHECKING {
            let (send, store, next, posted) = (send.clone(), store.clone(), &next, &posted);
            scope.spawn(move || {
                while let Some(batch) =
                    posted.chunks(BATCH).nth(next.fetch_add(1, Ordering::Relaxed))
                {
                    let each = batch.iter().map(|bytes| check(&store, bytes).expect("good"));
                    send.send(each.collect()).expect("somebody sequences");
                }
            });
        }
        drop(send);
        for batch in checked {
            let said = log.sequence(batch);
            committed += said.iter().filter(|it| matches!(it, Said::Committed(_))).count();
        }
    });
    let took = Duration::from_millis(clock.monotonic_millis().saturating_sub(before));
    assert_eq!(committed, PAYMENTS, "every payment is admitted");
    let each = took.as_secs_f64() / f64::from(u32::try_from(PAYMENTS).expect("few"));
    println!("{:.0} records/s, {:.1} s for all", 1.0 / each, took.as_secs_f64());
}

fn draft(log: &MemoryLog, profile: &str, kind: &str, name: &str, data: Value) -> RecordDraft {
    RecordDraft::new(log.origin(), profile, kind)
        .object(&format!("{BODY}/{name}"))
        .submitter(BODY)
        .occurred("2026-06-01")
        .data(data)
}

fn party(id: &str) -> Value {
    Value::map([("id", id)])
}

fn money(value: &str) -> Value {
    Value::map([("currency", "GBP"), ("value", value)])
}

fn signed(draft: RecordDraft, key: &SigningKey) -> Vec<u8> {
    let record = draft.build().expect("a record");
    Submission::assemble(&record, &[key.sign_detached(record.bytes())], &[])
}

fn contract(log: &MemoryLog, key: &SigningKey) -> Vec<u8> {
    let data = Value::map([
        ("buyer", party(BODY)),
        ("signed", "2026-05-01".into()),
        ("supplier", party("XI-LOCAL-89507")),
        ("value", money("900000000.00")),
    ]);
    signed(draft(log, "contract/1", "register", "contract/4711", data), key)
}

fn commitment(log: &MemoryLog, key: &SigningKey) -> Vec<u8> {
    let data = Value::map([("amount", money("900000000.00")), ("payer", party(BODY))]);
    signed(draft(log, "spending/1", "commitment", "commitment/1", data), key)
}

/// Held to everything that the kind with most rules has: a contract and a commitment that exist, a
/// running sum, a native id of its own, a month's total.
fn payment(log: &MemoryLog, key: &SigningKey, number: usize) -> Vec<u8> {
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let (name, opened) =
        seal("/data/payee/name", "name", "Orchard Care Ltd".into(), salt, HeldBy::Log);
    let native = format!("CFADDAY{number:08}");
    let data = Value::map([
        ("amount", money("3605.68")),
        ("class", Value::map([("expense", "5701")])),
        ("native", native.as_str().into()),
        ("payee", party("XI-LOCAL-89507")),
        ("payer", party(BODY)),
    ]);
    let record = draft(log, "spending/1", "payment", &format!("payment/{native}"), data)
        .reference("commitment", &format!("{BODY}/commitment/1"))
        .reference("contract", &format!("{BODY}/contract/4711"))
        .sealed(name)
        .source(Value::map([("row", Value::Int(1))]))
        .build()
        .expect("a payment");
    Submission::assemble(&record, &[key.sign_detached(record.bytes())], &[opened])
}
