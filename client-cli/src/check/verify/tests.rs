use records::{Algorithm, SigningKey, Submission, Value};
use tlog::TlogProof;

use crate::exit::Exit;
use crate::fake_log::{FakeLog, ORIGIN, Run, SUBMITTER, sealed};

mod trust;
mod words;

const VERIFY: &str = "verify @file --policy @policy.txt --json";

fn key() -> SigningKey {
    SigningKey::generate_from_seed(Algorithm::Es256, [3; 32]).unwrap()
}

/// A payment by the registered submitter, as its record and disclosures.
fn payment(number: u32, submitter: &str) -> (records::Record, records::Disclosure) {
    let (field, disclosure) = sealed("/data/payee/name", "Ann & Co");
    let record = records::RecordDraft::new(ORIGIN, "spending/1", "payment")
        .object(&format!("{submitter}/payment/T{number}"))
        .submitter(submitter)
        .occurred("2023-10-02")
        .data(Value::map([
            ("amount", Value::map([("currency", "GBP"), ("value", "12.50")])),
            ("payee", Value::map([("id", "XX-LOCAL-7")])),
            ("payer", Value::map([("id", submitter)])),
        ]))
        .sealed(field)
        .build()
        .unwrap();
    (record, disclosure)
}

/// A log whose entry 2 is a payment; `file` is its receipt.
fn log_with_receipt() -> FakeLog {
    let log = FakeLog::start();
    assert_eq!(admit_payment(&log, 1, &key()), 2);
    log.civiclog("prove 2 --log LOG -o @file --policy @policy.txt").expect(Exit::Done);
    log
}

/// Appends an entry that the log's rules forbid, and makes a receipt of it with the real
/// registrations.
fn forge(log: &FakeLog, record: &records::Record, signers: &[&SigningKey]) -> u64 {
    forge_at(log, "2023-11-15T00:00:00.000Z", record, signers)
}

fn forge_at(
    log: &FakeLog,
    admitted: &str,
    record: &records::Record,
    signers: &[&SigningKey],
) -> u64 {
    let mut signatures: Vec<_> =
        signers.iter().map(|signer| signer.sign_detached(record.bytes())).collect();
    signatures.sort_by(|a, b| a.kid().cmp(b.kid()));
    let signatures: Vec<String> = signatures.iter().map(records::DetachedJws::to_text).collect();
    let signatures = serde_json::to_string(&signatures).unwrap();
    let record = String::from_utf8(record.bytes().to_vec()).unwrap();
    let entry = format!(
        r#"{{"admitted":"{admitted}","flags":[],"record":{record},"signatures":{signatures},"v":1}}"#
    );
    log.lock().append(entry.as_bytes(), Vec::new());
    let last = u64::try_from(log.size() - 1).unwrap();
    write_file(log, &[last, 1, 0]);
    last
}

/// A file of the proofs of these entries.
fn write_file(log: &FakeLog, indices: &[u64]) {
    let inner = log.lock();
    let file: String = indices.iter().map(|index| inner.proof(*index).encode()).collect();
    drop(inner);
    log.write("file", file);
}

fn admit(log: &FakeLog, record: &records::Record, signers: &[&SigningKey]) -> u64 {
    let signatures: Vec<_> =
        signers.iter().map(|signer| signer.sign_detached(record.bytes())).collect();
    submit(log, &Submission::assemble(record, &signatures, &[]))
}

fn admit_payment(log: &FakeLog, number: u32, signer: &SigningKey) -> u64 {
    let (record, disclosure) = payment(number, SUBMITTER);
    let signature = signer.sign_detached(record.bytes());
    submit(log, &Submission::assemble(&record, &[signature], &[disclosure]))
}

fn submit(log: &FakeLog, submission: &[u8]) -> u64 {
    let reply = log.lock().admit(submission);
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    u64::try_from(log.size() - 1).unwrap()
}

fn another_key(seed: u8) -> SigningKey {
    SigningKey::generate_from_seed(Algorithm::Ed25519, [seed; 32]).unwrap()
}

fn of_registry(kind: &str, object: &str, data: Value) -> records::Record {
    records::RecordDraft::new(ORIGIN, "registry/1", kind)
        .object(object)
        .submitter("log")
        .occurred("2023-11-01")
        .data(data)
        .build()
        .unwrap()
}

fn key_add(submitter: &str, key: &SigningKey) -> records::Record {
    let data = Value::map([("submitter", submitter.into()), ("key", key.public().to_jwk())]);
    of_registry("key.add", &format!("log/key/{}", key.public().kid()), data)
}

fn submitter_add(submitter: &str, key: &SigningKey) -> records::Record {
    let data = Value::map([
        ("submitter", Value::from(submitter)),
        ("bodies", Value::list([submitter])),
        ("profiles", Value::list(["spending/1"])),
        ("key", key.public().to_jwk()),
    ]);
    of_registry("submitter.add", &format!("log/submitter/{submitter}"), data)
}

/// A payment that is in the log whatever its rules say.
fn forge_payment(log: &FakeLog, number: u32, submitter: &str, signer: &SigningKey) -> u64 {
    forge(log, &payment(number, submitter).0, &[signer])
}

fn link(run: &Run) -> String {
    run.json()["failed"]["link"].as_str().unwrap().to_owned()
}

#[test]
fn a_receipt_is_verified_and_told_in_plain_words() {
    let log = log_with_receipt();
    let before = log.lock().requests.len();
    let run = log.civiclog("verify @file --policy @policy.txt").expect(Exit::Done);
    for words in [
        "VERIFIED",
        "Entry 2 of log.example/test",
        "2023-10-02: XX-LAE-WMC paid XX-LOCAL-7 GBP 12.50",
        "key registered at index 1; revocation is excluded only by an audit",
        "sealed, not in this file: /data/payee/name (held by the log)",
        "w3 at 2023-11-14 22:15:00 UTC",
        "does not prove: that the payment happened",
    ] {
        assert!(run.out.contains(words), "{words}\n{}", run.out);
    }
    assert_eq!(log.lock().requests.len(), before, "verify made a request");
}

#[test]
fn a_proof_without_registrations_says_what_was_not_checked() {
    let log = log_with_receipt();
    let proof = log.lock().proof(2).encode();
    log.write("file", proof);
    let run = log.civiclog("verify @file --policy @policy.txt").expect(Exit::Done);
    assert!(run.out.contains("NOT CHECKED"), "{}", run.out);
    assert_eq!(log.civiclog(VERIFY).json()["entries"][0]["signatures"][0]["checked"], false);
}

#[test]
fn each_tampering_names_the_link_that_broke() {
    let log = log_with_receipt();
    let good = log.read("file");
    let mut proof = TlogProof::parse(log.lock().proof(2).encode().as_bytes()).unwrap();
    let entry = String::from_utf8(proof.extra.take().unwrap()).unwrap();
    let with_entry = |entry: String| {
        let extra = Some(entry.into_bytes());
        TlogProof { extra, ..proof.clone() }.encode()
    };
    let few = {
        let mut lines: Vec<&str> = good.lines().collect();
        let first_end = lines.iter().skip(1).position(|line| *line == lines[0]).unwrap();
        let (mut kept, mut dropped) = (Vec::new(), 0);
        for line in lines.drain(..=first_end) {
            if line.contains("w.example") && dropped < 2 {
                dropped += 1;
            } else {
                kept.push(line);
            }
        }
        kept.join("\n") + "\n"
    };
    for (name, file, expected) in [
        ("amount", with_entry(entry.replace("12.50", "92.50")), "inclusion"),
        ("no entry", proof.encode(), "entry"),
        ("two witnesses", few, "witnesses"),
        ("other root", good.replacen("\n3\n", "\n4\n", 1), "log-signature"),
        ("cut", good[..good.len() / 3].to_owned(), "file"),
        ("not a proof", "hello".to_owned(), "file"),
    ] {
        log.write("file", file);
        let run = log.civiclog(VERIFY).expect(Exit::NotVerified);
        assert_eq!(link(&run), expected, "{name}: {}", run.out);
        let words = log.civiclog("verify @file --policy @policy.txt").expect(Exit::NotVerified);
        assert!(words.out.starts_with("NOT VERIFIED"), "{}", words.out);
    }
}

#[test]
fn every_flipped_bit_of_a_receipt_is_refused_or_changes_nothing_that_counts() {
    let log = log_with_receipt();
    let good = std::fs::read(log.path("file")).unwrap();
    let honest = log.civiclog(VERIFY).expect(Exit::Done).json();
    for position in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[position] ^= 1 << (position % 7);
        log.write("file", &bad);
        let run = log.civiclog(VERIFY);
        if run.exit == Exit::Done {
            // One witness more or less than needed is all that may differ.
            assert_eq!(run.json()["entries"], honest["entries"], "byte {position}");
        }
    }
}

#[test]
fn an_entry_that_its_submitter_did_not_sign_is_refused_though_it_is_in_the_log() {
    let log = log_with_receipt();
    let (record, _) = payment(2, SUBMITTER);
    let (other, _) = payment(3, SUBMITTER);
    let jws_of_other = key().sign_detached(other.bytes());
    let record_text = String::from_utf8(record.bytes().to_vec()).unwrap();
    let entry = format!(
        r#"{{"admitted":"2023-11-15T00:00:00.000Z","flags":[],"record":{record_text},"signatures":["{}"],"v":1}}"#,
        jws_of_other.to_text()
    );
    log.lock().append(entry.as_bytes(), Vec::new());
    let file: String = [3, 1, 0].map(|index| log.lock().proof(index).encode()).concat();
    log.write("file", file);
    let run = log.civiclog(VERIFY).expect(Exit::NotVerified);
    assert_eq!(link(&run), "submitter-signature", "{}", run.out);
}

#[test]
fn a_key_that_is_registered_for_somebody_else_does_not_count() {
    let log = log_with_receipt();
    let (record, _) = payment(2, "XX-LAE-OTHER");
    forge(&log, &record, &[&key()]);
    let run = log.civiclog(VERIFY).expect(Exit::NotVerified);
    assert_eq!(link(&run), "registration", "{}", run.out);
}

#[test]
fn a_registration_that_governance_did_not_sign_does_not_count() {
    let log = log_with_receipt();
    let intruder = another_key(66);
    forge(&log, &submitter_add("XX-LAE-EVIL", &intruder), &[&intruder]);
    let run = log.civiclog(VERIFY).expect(Exit::NotVerified);
    assert_eq!(link(&run), "registration", "{}", run.out);
}

#[test]
fn a_chain_of_keys_is_followed_to_entry_0() {
    let log = log_with_receipt();
    let keys = [another_key(41), another_key(42), another_key(43)];
    let first = key();
    let mut introducer = &first;
    for key in &keys {
        admit(&log, &key_add(SUBMITTER, key), &[key, introducer]);
        introducer = key;
    }
    let index = admit_payment(&log, 9, introducer);
    log.civiclog(&format!("prove {index} --log LOG -o @file --policy @policy.txt"))
        .expect(Exit::Done);
    let entries = log.civiclog(VERIFY).expect(Exit::Done).json()["entries"].clone();
    assert_eq!(entries.as_array().unwrap().len(), 6);
    assert_eq!(entries[0]["signatures"][0]["checked"], true);
    assert_eq!(entries[0]["signatures"][0]["registered_at"], 5);
    // In whatever order the proofs stand.
    write_file(&log, &[index, 0, 1, 3, 4, 5]);
    assert_eq!(log.civiclog(VERIFY).json()["entries"][0]["signatures"][0]["checked"], true);
}

#[test]
fn a_chain_with_a_link_missing_is_verified_and_says_which() {
    let log = log_with_receipt();
    let (second, third) = (another_key(41), another_key(42));
    admit(&log, &key_add(SUBMITTER, &second), &[&second, &key()]);
    admit(&log, &key_add(SUBMITTER, &third), &[&third, &second]);
    let index = admit_payment(&log, 9, &third);
    let lacks = |key: &SigningKey| format!("lacks the registration of key {}", key.public().kid());
    for (indices, missing) in [
        (&[index, 4, 3, 1][..], "the file lacks entry 0".to_owned()),
        (&[index, 4, 3, 0], lacks(&key())),
        (&[index, 4, 1, 0], lacks(&second)),
        (&[index, 1, 0], "this file lacks the key's registration".to_owned()),
        (&[index], "this file lacks the key's registration".to_owned()),
    ] {
        write_file(&log, indices);
        let signature = log.civiclog(VERIFY).expect(Exit::Done).json();
        let signature = signature["entries"][0]["signatures"][0].clone();
        assert_eq!(signature["checked"], false, "{indices:?}");
        assert_eq!(signature["registered_at"], serde_json::Value::Null, "{indices:?}");
        let run = log.civiclog("verify @file --policy @policy.txt").expect(Exit::Done);
        assert!(run.out.contains("registration NOT CHECKED: "), "{}", run.out);
        assert!(run.out.contains(&missing), "{missing}\n{}", run.out);
        assert!(!run.out.contains("key registered at index"), "{}", run.out);
    }
}

#[test]
fn a_registration_of_ones_own_counts_for_nothing_without_entry_0() {
    let log = log_with_receipt();
    let intruder = another_key(66);
    let registration = forge(&log, &submitter_add("XX-LAE-EVIL", &intruder), &[&intruder]);
    let index = forge_payment(&log, 2, "XX-LAE-EVIL", &intruder);
    write_file(&log, &[index, registration]);
    let run = log.civiclog(VERIFY).expect(Exit::Done);
    assert_eq!(run.json()["entries"][0]["signatures"][0]["checked"], false);
    write_file(&log, &[index, registration, 0]);
    assert_eq!(link(&log.civiclog(VERIFY).expect(Exit::NotVerified)), "registration");
}

#[test]
fn a_chain_with_a_wrong_link_is_refused_and_the_link_named() {
    let (new, late, other) = (another_key(41), another_key(42), another_key(43));
    let first = key();
    for (name, submitter, signers, words) in [
        ("nobody", SUBMITTER, &[&new][..], "no key of XX-LAE-WMC let the new key"),
        ("not itself", SUBMITTER, &[&first], "did not sign its own registration"),
        ("somebody else", SUBMITTER, &[&new, &other], "let in by a key of XX-LAE-OTHER"),
        ("for somebody else", "XX-LAE-OTHER", &[&new, &first], "let in by a key of XX-LAE-WMC"),
        ("a later key", SUBMITTER, &[&new, &late], "but was registered later"),
    ] {
        let log = log_with_receipt();
        log.register("XX-LAE-OTHER", &other);
        let added = forge(&log, &key_add(submitter, &new), signers);
        let later = forge(&log, &key_add(SUBMITTER, &late), &[&late, &first]);
        let index = forge_payment(&log, 2, submitter, &new);
        write_file(&log, &[index, later, added, 3, 1, 0]);
        let run = log.civiclog(VERIFY).expect(Exit::NotVerified);
        assert_eq!(link(&run), "registration", "{name}: {}", run.out);
        let failed = run.json()["failed"].clone();
        assert!(failed["why"].as_str().unwrap().contains(words), "{name}: {failed}");
        assert_eq!(failed["index"], added, "{name}: the link that is wrong");
    }
}

#[test]
fn a_signature_that_lets_a_key_in_must_be_over_that_registration() {
    let log = log_with_receipt();
    let new = another_key(41);
    let (record, other) = (key_add(SUBMITTER, &new), payment(7, SUBMITTER).0);
    let mut signatures = [new.sign_detached(record.bytes()), key().sign_detached(other.bytes())];
    signatures.sort_by(|a, b| a.kid().cmp(b.kid()));
    let entry = format!(
        r#"{{"admitted":"2023-11-15T00:00:00.000Z","flags":[],"record":{},"signatures":["{}","{}"],"v":1}}"#,
        String::from_utf8_lossy(record.bytes()),
        signatures[0].to_text(),
        signatures[1].to_text()
    );
    log.lock().append(entry.as_bytes(), Vec::new());
    let index = forge_payment(&log, 2, SUBMITTER, &new);
    write_file(&log, &[index, 3, 1, 0]);
    let run = log.civiclog(VERIFY).expect(Exit::NotVerified);
    assert_eq!(link(&run), "registration", "{}", run.out);
    assert_eq!(run.json()["failed"]["index"], 3);
}

#[test]
fn a_revoked_key_lets_nobody_in() {
    let log = log_with_receipt();
    let new = another_key(41);
    let kid = key().public().kid().to_string();
    let data = Value::map([("kid", Value::from(kid.as_str()))]);
    let record = of_registry("key.revoke", &format!("log/revoke/{kid}"), data);
    admit(&log, &record, &[&log.governance]);
    let added = forge(&log, &key_add(SUBMITTER, &new), &[&new, &key()]);
    let index = forge_payment(&log, 2, SUBMITTER, &new);
    write_file(&log, &[index, added, 3, 1, 0]);
    let run = log.civiclog(VERIFY).expect(Exit::NotVerified);
    assert_eq!((link(&run).as_str(), &run.json()["failed"]["index"]), ("registration", &4.into()));
}

#[test]
fn a_key_that_is_registered_twice_does_not_count() {
    let log = log_with_receipt();
    let second = forge(&log, &submitter_add("XX-LAE-OTHER", &key()), &[&log.governance, &key()]);
    let index = forge_payment(&log, 2, "XX-LAE-OTHER", &key());
    write_file(&log, &[index, second, 1, 0]);
    let run = log.civiclog(VERIFY).expect(Exit::NotVerified);
    assert_eq!(link(&run), "registration", "{}", run.out);
}

#[test]
fn two_trees_of_one_size_in_a_file_are_evidence_against_the_log() {
    let (log, other) = (log_with_receipt(), FakeLog::start());
    admit_payment(&other, 2, &key());
    let of_other = other.lock().proof(1).encode();
    let file = log.read("file") + &of_other;
    log.write("file", file);
    let run = log.civiclog(VERIFY).expect(Exit::Misbehaved);
    assert_eq!((link(&run).as_str(), &run.json()["verified"]), ("fork", &false.into()));
    let run = log.civiclog("verify @file --policy @policy.txt").expect(Exit::Misbehaved);
    for words in ["NOT VERIFIED", "two different trees of 3 entries", "heads are evidence"] {
        assert!(run.out.contains(words), "{words}\n{}", run.out);
    }
}

#[test]
fn two_entries_at_one_index_in_a_file_are_evidence_against_the_log() {
    let (log, other) = (log_with_receipt(), FakeLog::start());
    admit_payment(&other, 2, &key());
    admit_payment(&other, 3, &key());
    let of_other = other.lock().proof(2).encode();
    let file = log.read("file") + &of_other;
    log.write("file", file);
    let run = log.civiclog(VERIFY).expect(Exit::Misbehaved);
    assert_eq!(link(&run), "fork", "{}", run.out);
    assert!(run.out.contains("two different entries at index 2"), "{}", run.out);
}

#[test]
fn the_same_entry_under_two_checkpoints_is_no_contradiction() {
    let log = log_with_receipt();
    let early = log.read("file");
    admit_payment(&log, 2, &key());
    let late = log.lock().proof(2).encode();
    log.write("file", early + &late);
    let run = log.civiclog(VERIFY).expect(Exit::Done).json();
    assert_eq!(run["checkpoints"].as_array().unwrap().len(), 2);
}

#[test]
fn hostile_text_in_a_file_reaches_no_terminal() {
    let log = log_with_receipt();
    let hostile = log.read("file").replace("index 2\n", "index \u{1b}[2J2\n");
    log.write("file", hostile);
    let run = log.civiclog("verify @file --policy @policy.txt").expect(Exit::NotVerified);
    assert!(!run.out.contains('\u{1b}') && !run.err.contains('\u{1b}'));
}

#[test]
fn a_policy_that_is_missing_or_broken_is_a_usage_error() {
    let log = log_with_receipt();
    log.civiclog("verify @file --policy @absent").expect(Exit::Usage);
    log.write("bad.txt", "quorum\n");
    let unwitnessed = log.read("policy.txt").replace("quorum all-witnesses", "quorum none");
    log.write("none.txt", unwitnessed);
    log.civiclog("verify @file --policy @none.txt").expect(Exit::Usage);
    log.civiclog("verify @file --policy @bad.txt").expect(Exit::Usage);
    log.civiclog("verify @absent --policy @policy.txt").expect(Exit::Usage);
}

/// A receipt with a sealed name, and the disclosure of another value under the same name.
fn disclosures_file(log: &FakeLog, name: &str, disclosure: &records::Disclosure, object: &str) {
    let file = serde_json::json!({
        "format": "civiclog-disclosures/1", "log": ORIGIN, "for": "the auditor",
        "disclosures": [{"object": object, "rev": 0, "path": "/data/payee/name",
            "disclosure": disclosure.text()}],
    });
    log.write(name, file.to_string());
}

#[test]
fn an_opened_value_is_shown_only_if_its_digest_stands_in_the_entry() {
    let log = log_with_receipt();
    let object = format!("{SUBMITTER}/payment/T1");
    let (_, disclosure) = payment(1, SUBMITTER);
    disclosures_file(&log, "right", &disclosure, &object);
    let run = log.civiclog(&format!("{VERIFY} --disclosure @right")).expect(Exit::Done);
    assert_eq!(run.json()["entries"][0]["sealed"][0]["opened"], "Ann & Co");
    let run = log.civiclog("verify @file --policy @policy.txt --disclosure @right");
    assert!(run.expect(Exit::Done).out.contains("opened for you: \"Ann & Co\""));

    let other = records::Disclosure::new([9; 16], "name", "Bob & Co".into());
    for (name, disclosure, object) in
        [("value", &other, object.as_str()), ("object", &disclosure, "XX-LAE-DEV/payment/T2")]
    {
        disclosures_file(&log, name, disclosure, object);
        let run = log.civiclog(&format!("{VERIFY} --disclosure @right --disclosure @{name}"));
        let run = run.expect(Exit::NotVerified);
        assert_eq!(run.json()["failed"]["link"], "disclosure", "{name}");
        assert!(!run.out.contains("Bob & Co") && !run.out.contains("Ann & Co"), "{name}");
    }
    let text = std::fs::read_to_string(log.path("right")).unwrap();
    log.write("log", text.replace(ORIGIN, "log.example/another"));
    let run = log.civiclog(&format!("{VERIFY} --disclosure @log")).expect(Exit::NotVerified);
    assert_eq!(run.json()["failed"]["link"], "disclosure");
    log.write("junk", "not JSON");
    log.civiclog(&format!("{VERIFY} --disclosure @junk")).expect(Exit::Usage);
}
