//! What a reader is told about each way in which the file of a dishonest log breaks.

use super::trust::{OTHER, broken, lend};
use super::*;

/// An act of a log that breaks its rules, which leaves a file of these entries.
type Act = fn(&FakeLog) -> Vec<u64>;

#[test]
fn each_break_of_the_rules_is_told_in_words_of_its_own() {
    for (words, act) in ACTS {
        let log = log_with_receipt();
        let file = act(&log);
        let (_, why) = broken(&log, &file);
        assert!(why.contains(words), "{words}\n{why}");
    }
}

const ACTS: [(&str, Act); 17] = [
    ("was registered at index 4 only, not before", |log| {
        let late = another_key(41);
        let paid = forge_payment(log, 2, SUBMITTER, &late);
        vec![paid, admit(log, &key_add(SUBMITTER, &late), &[&late, &key()]), 1, 0]
    }),
    ("was revoked at index 3", |log| {
        let revoked = admit(log, &key_revoke(&key()), &[&log.governance]);
        vec![forge_payment(log, 2, SUBMITTER, &key()), revoked, 1, 0]
    }),
    ("is registered for XX-LAE-OTHER, not for XX-LAE-WMC", |log| {
        log.register(OTHER, &another_key(43));
        vec![forge_payment(log, 2, SUBMITTER, &another_key(43)), 3, 1, 0]
    }),
    ("XX-LAE-OTHER, which is no supervisor, as delivery.accept needs", |log| {
        log.register(OTHER, &another_key(43));
        let (supplier, [noted, accepted]) = (another_key(44), delivery());
        let added = forge(log, &supplier_add(&supplier, "buyer"), &[&log.governance, &supplier]);
        forge(log, &noted, &[&supplier]);
        vec![forge(log, &accepted, &[&supplier, &another_key(43)]), added, 3, 0]
    }),
    ("XX-LAE-SUPPLIER has not the role that delivery.note needs", |log| {
        let supplier = another_key(44);
        let added = forge(log, &supplier_add(&supplier, "buyer"), &[&log.governance, &supplier]);
        vec![forge(log, &delivery()[0], &[&supplier]), added, 0]
    }),
    ("payment takes no one-time keys", |log| {
        let bidder = another_key(45);
        let submitter = format!("key:{}", bidder.public().kid());
        let record = payment(2, SUBMITTER).0;
        vec![forge(log, &submitted_by(&record, &submitter), &[&bidder]), 0]
    }),
    ("XX-LAE-WMC is not registered for delivery/1", |log| {
        let [noted, _] = delivery();
        let text = String::from_utf8(noted.bytes().to_vec()).unwrap().replace(SUPPLIER, SUBMITTER);
        let noted = records::Record::parse(text.as_bytes()).unwrap();
        vec![forge(log, &noted, &[&key()]), 1, 0]
    }),
    ("XX-LAE-WMC was registered before", |log| {
        let new = another_key(41);
        let again = forge(log, &submitter_add(SUBMITTER, &new), &[&log.governance, &new]);
        vec![2, again, 1, 0]
    }),
    ("was registered before, at index 1", |log| {
        let again = forge(log, &submitter_add(OTHER, &key()), &[&log.governance, &key()]);
        vec![2, again, 1, 0]
    }),
    ("of XX-LAE-WMC was revoked by XX-LAE-OTHER", |log| {
        log.register(OTHER, &another_key(43));
        vec![2, forge(log, &key_revoke(&key()), &[&another_key(43)]), 3, 1, 0]
    }),
    ("cannot lend a body of XX-LAE-WMC", |log| {
        log.register(OTHER, &another_key(43));
        let lent = lend(SUBMITTER, OTHER, &["spending/1"]);
        vec![2, forge(log, &lent, &[&another_key(43)]), 3, 1, 0]
    }),
    ("XX-LAE-WMC lends XX-LAE-THIRD, or a profile, which it was not granted", |log| {
        log.register(OTHER, &another_key(43));
        let lent = lend("XX-LAE-THIRD", OTHER, &["spending/1"]);
        vec![2, forge(log, &lent, &[&key()]), 3, 1, 0]
    }),
    ("was registered before, at index 0", |log| vec![2, second_genesis(log), 1, 0]),
    ("a genesis at index 3, not 0", |log| vec![second_genesis(log)]),
    ("which was revoked before", |log| {
        let new = another_key(41);
        let revoked = admit(log, &key_revoke(&key()), &[&log.governance]);
        vec![2, forge(log, &key_add(SUBMITTER, &new), &[&new, &key()]), revoked, 1, 0]
    }),
    ("0 of the log's governance keys signed this registration, 1 must", |log| {
        let new = another_key(41);
        vec![2, forge(log, &submitter_add(OTHER, &new), &[&new]), 1, 0]
    }),
    ("did not sign its own registration", |log| {
        let new = another_key(41);
        vec![2, forge(log, &submitter_add(OTHER, &new), &[&log.governance]), 1, 0]
    }),
];

fn second_genesis(log: &FakeLog) -> u64 {
    let first = log.lock().entries()[0].clone();
    let genesis = records::Entry::parse(&first).unwrap().record().clone();
    forge(log, &genesis, &[&log.governance])
}

fn key_revoke(key: &SigningKey) -> records::Record {
    let kid = key.public().kid().to_string();
    let data = Value::map([("kid", Value::from(kid.as_str()))]);
    of_registry("key.revoke", &format!("log/revoke/{kid}"), data)
}

fn supplier_add(key: &SigningKey, role: &str) -> records::Record {
    let data = Value::map([
        ("submitter", Value::from(SUPPLIER)),
        ("bodies", Value::list([SUPPLIER])),
        ("profiles", Value::list(["delivery/1"])),
        ("roles", Value::list([role])),
        ("key", key.public().to_jwk()),
    ]);
    of_registry("submitter.add", &format!("log/submitter/{SUPPLIER}"), data)
}

fn delivery() -> [records::Record; 2] {
    let order = format!("{SUPPLIER}/order/1");
    let draft = |kind, mut data: Vec<(&'static str, Value)>| {
        data.extend([("order", order.as_str().into()), ("quantity", Value::Int(6))]);
        records::RecordDraft::new(ORIGIN, "delivery/1", kind)
            .object(&format!("{order}/note/1"))
            .submitter(SUPPLIER)
            .occurred("2023-10-02")
            .data(Value::map(data))
    };
    let noted = draft("delivery.note", vec![("delivered", "2023-10-02".into())]).build().unwrap();
    let accepted = draft("delivery.accept", Vec::new()).next(1, noted.hash()).build().unwrap();
    [noted, accepted]
}

/// The same record under the name of another submitter.
fn submitted_by(record: &records::Record, submitter: &str) -> records::Record {
    let text = String::from_utf8(record.bytes().to_vec()).unwrap();
    let from = format!("\"submitter\":\"{}\"", record.submitter());
    let text = text.replace(&from, &format!("\"submitter\":\"{submitter}\""));
    records::Record::parse(text.as_bytes()).unwrap()
}

const SUPPLIER: &str = "XX-LAE-SUPPLIER";
