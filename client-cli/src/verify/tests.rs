use records::{Algorithm, SigningKey, Submission, Value};
use tlog::TlogProof;

use crate::exit::Exit;
use crate::fake_log::{FakeLog, ORIGIN, Run, SUBMITTER, sealed};

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
    let (record, disclosure) = payment(1, SUBMITTER);
    let signature = key().sign_detached(record.bytes());
    let bytes = Submission::assemble(&record, &[signature], &[disclosure]);
    assert_eq!(log.lock().admit(&bytes).0, 200);
    log.civiclog("prove 2 --log LOG -o @file --policy @policy.txt").expect(Exit::Done);
    log
}

/// Appends an entry that the log's rules forbid, and makes a receipt of it with the real
/// registrations.
fn forge(log: &FakeLog, record: &records::Record, signer: &SigningKey) {
    let jws = signer.sign_detached(record.bytes()).to_text();
    let record = String::from_utf8(record.bytes().to_vec()).unwrap();
    let entry = format!(
        r#"{{"admitted":"2023-11-15T00:00:00.000Z","flags":[],"record":{record},"signatures":["{jws}"],"v":1}}"#
    );
    let mut inner = log.lock();
    inner.append(entry.as_bytes(), Vec::new());
    let last = u64::try_from(inner.entries.len() - 1).unwrap();
    let file: String = [last, 1, 0].map(|index| inner.proof(index).encode()).concat();
    drop(inner);
    log.write("file", file);
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
    forge(&log, &record, &key());
    let run = log.civiclog(VERIFY).expect(Exit::NotVerified);
    assert_eq!(link(&run), "registration", "{}", run.out);
}

#[test]
fn a_registration_that_governance_did_not_sign_does_not_count() {
    let log = log_with_receipt();
    let intruder = SigningKey::generate_from_seed(Algorithm::Ed25519, [66; 32]).unwrap();
    let record = records::RecordDraft::new(ORIGIN, "registry/1", "submitter.add")
        .object("log/submitter/XX-LAE-EVIL")
        .submitter("log")
        .occurred("2023-11-01")
        .data(Value::map([
            ("submitter", Value::from("XX-LAE-EVIL")),
            ("bodies", Value::list(["XX-LAE-EVIL"])),
            ("profiles", Value::list(["spending/1"])),
            ("key", intruder.public().to_jwk()),
        ]))
        .build()
        .unwrap();
    forge(&log, &record, &intruder);
    let run = log.civiclog(VERIFY).expect(Exit::NotVerified);
    assert_eq!(link(&run), "registration", "{}", run.out);
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
    let unwitnessed = log.read("policy.txt").replace("quorum four", "quorum none");
    log.write("none.txt", unwitnessed);
    log.civiclog("verify @file --policy @none.txt").expect(Exit::Usage);
    log.civiclog("verify @file --policy @bad.txt").expect(Exit::Usage);
    log.civiclog("verify @absent --policy @policy.txt").expect(Exit::Usage);
}
