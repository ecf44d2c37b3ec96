//! Ways by which a key may come to count that are not what the log's rules ask.

use super::*;

pub(super) const OTHER: &str = "XX-LAE-OTHER";

/// Verifies a file of these entries; the entry that breaks it, with the words.
pub(super) fn broken(log: &FakeLog, indices: &[u64]) -> (u64, String) {
    write_file(log, indices);
    let run = log.civiclog(VERIFY).expect(Exit::NotVerified);
    assert_eq!(link(&run), "registration", "{}", run.out);
    let failed = run.json()["failed"].clone();
    (failed["index"].as_u64().unwrap(), failed["why"].as_str().unwrap().to_owned())
}

/// Whether the first signature of a file that holds was checked to entry 0.
fn is_checked(log: &FakeLog, indices: &[u64]) -> bool {
    write_file(log, indices);
    let verdict = log.civiclog(VERIFY).expect(Exit::Done).json();
    verdict["entries"][0]["signatures"][0]["checked"] == true
}

#[test]
fn a_key_that_governance_alone_added_counts_seven_days_later() {
    let log = log_with_receipt();
    let new = another_key(41);
    let added = forge(&log, &key_add(SUBMITTER, &new), &[&new, &log.governance]);
    let pay = |number, at: &str| forge_at(&log, at, &payment(number, SUBMITTER).0, &[&new]);
    let early = pay(2, "2023-11-21T23:59:59.999Z");
    let (index, why) = broken(&log, &[early, added, 1, 0]);
    assert_eq!(index, early);
    assert!(why.contains("counts from 2023-11-22T00:00:00.000Z only"), "{why}");
    let in_time = pay(3, "2023-11-22T00:00:00.000Z");
    assert!(is_checked(&log, &[in_time, added, 1, 0]));
}

#[test]
fn a_recovery_needs_as_many_governance_keys_as_the_threshold() {
    let log = log_with_receipt();
    let (new, intruder) = (another_key(41), another_key(42));
    let added = forge(&log, &key_add(SUBMITTER, &new), &[&new, &intruder]);
    let index = forge_at(&log, "2023-12-15T00:00:00.000Z", &payment(2, SUBMITTER).0, &[&new]);
    assert!(!is_checked(&log, &[index, added, 1, 0]), "nobody knows the second key");
}

fn rotation(new: &SigningKey, next: &SigningKey) -> records::Record {
    let data = Value::map([
        ("keys", Value::list([new.public().to_jwk()])),
        ("next", Value::list([next.public().kid().as_str()])),
        ("threshold", Value::Int(1)),
    ]);
    of_registry("governance.rotate", &format!("log/governance/{}", new.public().kid()), data)
}

#[test]
fn governance_to_which_nobody_committed_accounts_for_nothing() {
    let log = log_with_receipt();
    let (thief, own) = (another_key(51), another_key(52));
    let rotated = forge(&log, &rotation(&thief, &another_key(53)), &[&thief]);
    let added = forge(&log, &submitter_add(OTHER, &own), &[&thief, &own]);
    let index = forge_payment(&log, 2, OTHER, &own);
    assert!(!is_checked(&log, &[index, added, rotated, 0]));
    // It must at least be signed by the keys that it brings.
    let unsigned = forge(&log, &rotation(&another_key(54), &thief), &[&thief]);
    assert_eq!(broken(&log, &[index, unsigned, 0]).0, unsigned);
}

#[test]
fn the_governance_before_a_rotation_lets_nobody_in_after_it() {
    let log = log_with_receipt();
    let (new, own) = (another_key(51), another_key(52));
    let rotated = forge(&log, &rotation(&new, &another_key(53)), &[&new]);
    let added = forge(&log, &submitter_add(OTHER, &own), &[&log.governance, &own]);
    let index = forge_payment(&log, 2, OTHER, &own);
    let (at, why) = broken(&log, &[index, added, rotated, 0]);
    assert_eq!(at, added);
    assert!(why.contains("0 of the log's governance keys"), "{why}");
}

pub(super) fn lend(body: &str, to: &str, profiles: &[&str]) -> records::Record {
    let mut data =
        vec![("body", Value::from(body)), ("submitter", SUBMITTER.into()), ("to", to.into())];
    if !profiles.is_empty() {
        data.push(("profiles", Value::list(profiles.iter().copied())));
    }
    of_registry(
        "submitter.delegate",
        &format!("log/delegate/{SUBMITTER}/{to}/{body}"),
        Value::map(data),
    )
}

#[test]
fn a_body_is_lent_only_by_whom_it_was_granted_to() {
    let log = log_with_receipt();
    let other = another_key(43);
    log.register(OTHER, &other);
    let own = key();
    let pay = |number| {
        let record = payment(number, SUBMITTER).0;
        let text = String::from_utf8(record.bytes().to_vec()).unwrap();
        let from = format!("\"submitter\":\"{SUBMITTER}\"");
        let text = text.replace(&from, &format!("\"submitter\":\"{OTHER}\""));
        forge(&log, &records::Record::parse(text.as_bytes()).unwrap(), &[&other])
    };
    let before = pay(2);
    let by_itself = forge(&log, &lend(SUBMITTER, OTHER, &["spending/1"]), &[&other]);
    let index = pay(3);
    assert_eq!(broken(&log, &[index, by_itself, 3, 1, 0]).0, by_itself);
    let foreign = forge(&log, &lend("XX-LAE-THIRD", OTHER, &["spending/1"]), &[&own]);
    assert_eq!(broken(&log, &[index, foreign, 3, 1, 0]).0, foreign);
    let lent = forge(&log, &lend(SUBMITTER, OTHER, &["spending/1"]), &[&own]);
    let index = pay(4);
    assert!(is_checked(&log, &[index, lent, 3, 1, 0]));
    assert!(!is_checked(&log, &[before, lent, 3, 1, 0]), "it was lent later");
    let ended = forge(&log, &lend(SUBMITTER, OTHER, &[]), &[&own]);
    let index = pay(5);
    let (at, why) = broken(&log, &[index, ended, lent, 3, 1, 0]);
    assert_eq!((at, why.contains("is not registered for spending/1")), (index, true), "{why}");
}

#[test]
fn a_submitter_that_was_closed_says_nothing_more() {
    let log = log_with_receipt();
    let data = Value::map([("submitter", Value::from(SUBMITTER))]);
    let record = of_registry("submitter.close", &format!("log/close/{SUBMITTER}"), data);
    let closed = forge(&log, &record, &[&log.governance]);
    assert!(is_checked(&log, &[2, closed, 1, 0]));
    let index = forge_payment(&log, 2, SUBMITTER, &key());
    let (at, why) = broken(&log, &[index, closed, 1, 0]);
    assert_eq!((at, why.contains("was closed at index 3")), (index, true), "{why}");
}
