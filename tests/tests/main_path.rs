//! A record goes in, is committed, cosigned and published, and everybody can check it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::reader::hashes;
use e2e::{Http, TestLog, Treasury};
use records::{Algorithm, Entry};
use serde_json::{Value, json};
use tlog::{Hash, LeafIndex, Note, TreeHead, TreeSize, VerifierKey, leaf_hash, verify_consistency};
use tlog_client::{BatchLine, LineStatus, SubmitAnswer};

/// One log for all tests of this file; each uses payments of its own.
fn shared() -> Arc<(TestLog, Treasury)> {
    // A static is never dropped, so it must not own processes: the tests that use them do.
    static SHARED: Mutex<Weak<(TestLog, Treasury)>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let log = Arc::new(TestLog::start());
        *shared = Arc::downgrade(&log);
        log
    })
}

fn post(http: &Http, query: &str, body: Vec<u8>) -> SubmitAnswer {
    let answer = http.post(&format!("/v1/records{query}"), "application/json", body);
    assert!(matches!(answer.status, 200 | 202), "{} {}", answer.status, answer.text());
    answer.parse()
}

fn post_lines(http: &Http, query: &str, lines: &[Vec<u8>]) -> Vec<BatchLine> {
    let mut body = lines.join(&b'\n');
    body.push(b'\n');
    let path = format!("/v1/records{query}");
    let answer = http.post(&path, "application/x-ndjson", body).expect_status(200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines_answered: Vec<BatchLine> = answer.parse_lines();
    assert_eq!(lines_answered.len(), lines.len(), "an answer for each line");
    lines_answered
}

#[test]
fn a_published_answer_carries_a_proof_that_verifies_offline() {
    let shared = shared();
    let (log, treasury) = &*shared;
    let bytes = treasury.payment_bytes(1_000);
    let answer = post(log.http(), "", bytes);
    assert_eq!(answer.status, LineStatus::Published);
    let verified = log.reader().verified(answer.proof.expect("a proof").as_bytes());
    assert_eq!(verified.index().get(), answer.index);
    assert_eq!(Some(verified.checkpoint().head().size.get()), answer.size);
    assert_eq!(leaf_hash(verified.entry()).to_base64(), answer.leaf_hash);
    assert!(verified.checkpoint().cosigners().len() >= 3, "the quorum is three of four");
    let entry = Entry::parse(verified.entry()).expect("an entry");
    assert_eq!(entry.record().bytes(), treasury.sealed_payment(1_000).0.bytes());
}

#[test]
fn a_committed_answer_is_published_soon_after() {
    let shared = shared();
    let (log, treasury) = &*shared;
    let path = "/v1/records?wait=committed";
    let body = treasury.payment_bytes(1_100);
    let answer = log.http().post(path, "application/json", body).expect_status(202);
    let answer: SubmitAnswer = answer.parse();
    assert_eq!(answer.status, LineStatus::Committed);
    assert_eq!(answer.proof, None, "there is no promise in place of a proof");
    e2e::wait::until("the committed entry is published", || {
        let size = log.reader().checkpoint().head().size;
        LeafIndex::new(answer.index).is_within(size).then_some(())
    });
    assert_eq!(leaf_hash(log.reader().proven(answer.index).entry()).to_base64(), answer.leaf_hash);
}

#[test]
fn lines_are_answered_in_order_and_published_together() {
    let shared = shared();
    let (log, treasury) = &*shared;
    let lines: Vec<_> = (1_200..1_260).map(|it| treasury.payment_bytes(it)).collect();
    let answers = post_lines(log.http(), "", &lines);
    let indices: Vec<u64> = answers.iter().map(|it| it.index.expect("an index")).collect();
    assert!(indices.is_sorted(), "lines keep their order: {indices:?}");
    for (number, answer) in (1_200..).zip(&answers) {
        assert_eq!(answer.status, LineStatus::Published);
        let verified = log.reader().proven(answer.index.expect("an index"));
        let entry = Entry::parse(verified.entry()).expect("an entry");
        assert_eq!(entry.record().object(), treasury.payment_object(number));
        assert_eq!(Some(leaf_hash(verified.entry()).to_base64()), answer.leaf_hash);
    }
}

#[test]
fn the_same_record_again_gets_the_same_receipt() {
    let shared = shared();
    let (log, treasury) = &*shared;
    let http = log.http();
    let first = post(http, "", treasury.payment_bytes(1_300));
    let receipt = (first.index, first.leaf_hash.clone());

    let again = post(http, "", treasury.payment_bytes(1_300));
    assert_eq!((again.index, again.leaf_hash), receipt);
    assert_eq!(again.status, LineStatus::Published);

    // In one batch, before and after a record that is new.
    let lines = [1_300, 1_301, 1_300, 1_301].map(|it| treasury.payment_bytes(it));
    let answers = post_lines(http, "", &lines);
    let duplicates: Vec<bool> = answers.iter().map(|it| it.duplicate).collect();
    assert_eq!(duplicates, [true, false, true, true]);
    assert_eq!(
        (answers[0].index, &answers[0].leaf_hash),
        (answers[2].index, &answers[2].leaf_hash)
    );
    assert_eq!(
        (answers[1].index, &answers[1].leaf_hash),
        (answers[3].index, &answers[3].leaf_hash)
    );
    assert_eq!(
        (answers[0].index, answers[0].leaf_hash.clone()),
        (Some(receipt.0), Some(receipt.1))
    );
}

#[test]
fn the_same_record_signed_by_another_key_of_the_submitter_is_still_the_same_record() {
    let shared = shared();
    let (log, treasury) = &*shared;
    let second = Treasury::new(log.origin(), treasury.id(), Algorithm::Ed25519, 0x42);
    let data = records::Value::map([
        ("key", second.key().public().to_jwk()),
        ("submitter", treasury.id().into()),
    ]);
    let object = format!("log/key/{}", second.key().public().kid());
    let keys = [treasury.key(), second.key()];
    let added = log.registry("key.add", &object, data, &keys);
    post(log.http(), "", added);

    let first = post(log.http(), "", treasury.payment_bytes(1_400));
    let again = post(log.http(), "", second.payment_bytes(1_400));
    assert_eq!((again.index, again.leaf_hash), (first.index, first.leaf_hash));
    let new = post(log.http(), "", second.payment_bytes(1_401));
    assert_ne!(new.index, first.index);
}

#[test]
fn a_record_and_its_object_are_served_with_what_is_disclosed() {
    let shared = shared();
    let (log, treasury) = &*shared;
    let answer = post(log.http(), "", treasury.payment_bytes(1_500));
    let served = log.http().get(&format!("/v1/records/{}", answer.index)).expect_status(200).json();
    assert_eq!(served["index"], answer.index);
    assert_eq!(served["leaf_hash"], answer.leaf_hash.as_str());
    let (record, disclosure) = treasury.sealed_payment(1_500);
    assert_eq!(served["disclosures"], json!([disclosure.text()]));
    assert_eq!(served["entry"]["record"]["object"], treasury.payment_object(1_500));
    assert_eq!(served["entry"]["v"], 1);

    // A correction: the object's current state is what it says now.
    post(log.http(), "", treasury.correction_bytes(1_500, record.hash()));
    let path = format!("/v1/objects/{}", treasury.payment_object(1_500));
    let object = log.http().get(&path).expect_status(200).json();
    let ops: Vec<_> = object["revisions"]
        .as_array()
        .expect("revisions")
        .iter()
        .map(|it| (it["rev"].as_u64(), it["op"].as_str()))
        .collect();
    assert_eq!(ops, [(Some(0), Some("add")), (Some(1), Some("correct"))]);
    assert_eq!(object["revisions"][0]["record_hash"], record.hash().to_string());
    assert_eq!(object["current"]["rev"], 0);
    assert_eq!(object["current"]["as_of_rev"], 1);
    assert_eq!(object["current"]["data"]["amount"]["value"], "1.00");

    let prefix = format!("{}/payment/1500", treasury.id()).replace('/', "%2F");
    let list = log.http().get(&format!("/v1/objects?prefix={prefix}")).expect_status(200);
    let heads: Vec<Value> = list.parse_lines();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert_eq!(heads[0]["object"], treasury.payment_object(1_500));
    assert_eq!(heads[0]["rev"], 1);
}

#[test]
fn a_receipt_leads_back_to_the_key_and_to_the_first_entry() {
    let shared = shared();
    let (log, treasury) = &*shared;
    let answer = post(log.http(), "", treasury.payment_bytes(1_600));
    let path = format!("/v1/receipts/{}", answer.index);
    let file = log.http().get(&path).expect_status(200).body;
    let proofs = tlog::TlogProof::parse_many(&file).expect("a receipt file");
    let kinds: Vec<String> = proofs
        .iter()
        .map(|proof| {
            let verified = tlog::verify(proof, None, &log.policy()).expect("a proof");
            let entry = Entry::parse(verified.entry()).expect("an entry");
            entry.record().kind().to_owned()
        })
        .collect();
    assert_eq!(kinds, ["payment", "genesis", "submitter.add"]);
    assert_eq!(proofs[0].index.get(), answer.index);
}

#[test]
fn published_heads_extend_each_other_and_are_kept() {
    let shared = shared();
    let (log, treasury) = &*shared;
    let reader = log.reader();
    let mut heads: BTreeMap<u64, TreeHead> = BTreeMap::new();
    for number in 1_700..1_708 {
        let answer = post(log.http(), "", treasury.payment_bytes(number));
        let head = reader.verified(answer.proof.expect("a proof").as_bytes()).checkpoint().head();
        heads.insert(head.size.get(), head);
    }
    let all: Vec<TreeHead> = heads.into_values().collect();
    for from in &all {
        for to in all.iter().filter(|to| to.size >= from.size) {
            reader.extends(from, to);
        }
        let kept = log.http().get(&format!("/v1/checkpoints/{}", from.size)).expect_status(200);
        for name in ["first", "last"] {
            let note = kept.json()[name].as_str().expect("a note").to_owned();
            assert_eq!(reader.cosigned(note.as_bytes()).head(), *from);
        }
        let path = format!("/v1/proofs/1/{}", from.size);
        let proof = log.http().get(&path).expect_status(200).body;
        assert_eq!(reader.verified(&proof).checkpoint().head(), *from);
    }
    // A proof for the wrong pair must not be taken for one of the right pair.
    let (from, to) = (all[0], all[all.len() - 1]);
    let path = format!("/v1/consistency/{}/{}", from.size, to.size);
    let answer = log.http().get(&path).expect_status(200).json();
    let wrong = TreeHead { size: from.size, root: to.root };
    assert!(verify_consistency(&wrong, &to, &hashes(&answer["proof"])).is_err());
}

#[test]
fn tiles_and_bundles_rehash_to_the_published_root() {
    let shared = shared();
    let (log, treasury) = &*shared;
    // More than one full tile, so that there are full and partial ones, and a second level.
    let lines: Vec<_> = (10_000..10_600).map(|it| treasury.payment_bytes(it)).collect();
    post_lines(log.http(), "", &lines);
    let reader = log.reader();
    let head = reader.checkpoint().head();
    assert!(head.size.get() > 600);
    let entries = reader.tree(&head);
    assert_eq!(entries.len() as u64, head.size.get());

    // Every earlier width of a tile that is full by now is still served, as clients pinned it.
    let early = log.http().get("/tile/0/000.p/7").expect_status(200).body;
    let full = log.http().get("/tile/0/000").expect_status(200).body;
    assert_eq!(early, full.slice(..7 * 32));

    let plain = log.http().get("/tile/entries/000").expect_status(200);
    assert_eq!(plain.header("content-encoding"), "");
    let packed = log.http().get_with("/tile/entries/000", &[("accept-encoding", "gzip")]);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() < plain.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.body);
    for tile in [&plain, &packed] {
        assert!(tile.header("cache-control").contains("immutable"));
        assert_eq!(tile.header("vary").to_lowercase(), "accept-encoding");
    }
}

#[test]
fn old_clients_get_tree_heads_and_proofs_of_rfc_6962() {
    let shared = shared();
    let (log, treasury) = &*shared;
    let answer = post(log.http(), "", treasury.payment_bytes(1_800));
    let http = log.http();
    let sth = http.get("/ct/v1/get-sth").expect_status(200);
    assert_eq!(sth.header("cache-control"), "no-store");
    let sth = sth.json();
    let size = sth["tree_size"].as_u64().expect("a size");
    let root = Hash::from_base64(sth["sha256_root_hash"].as_str().expect("a root")).expect("hash");
    let head = TreeHead { size: TreeSize::new(size), root };
    check_tree_head_signature(log, &head, &sth);

    let hash: String = answer.leaf_hash.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let path = format!("/ct/v1/get-proof-by-hash?hash={hash}&tree_size={size}");
    let proof = http.get(&path).expect_status(200).json();
    assert_eq!(proof["leaf_index"], answer.index);
    let leaf = Hash::from_base64(&answer.leaf_hash).expect("a hash");
    let index = LeafIndex::new(answer.index);
    tlog::verify_inclusion(&leaf, index, &head, &hashes(&proof["audit_path"])).expect("included");

    let path = format!("/ct/v1/get-sth-consistency?first=1&second={size}");
    let proof = http.get(&path).expect_status(200).json();
    let first =
        TreeHead { size: TreeSize::new(1), root: leaf_hash(log.reader().proven(0).entry()) };
    verify_consistency(&first, &head, &hashes(&proof["consistency"])).expect("consistent");

    assert_eq!(http.get("/ct/v1/get-sth-consistency?first=2&second=1").status, 400);
    assert_eq!(http.get("/ct/v1/get-proof-by-hash?tree_size=1").status, 400);
}

/// The signature in `get-sth` is by the log's P-256 key, over the structure of RFC 6962 §3.5.
fn check_tree_head_signature(log: &TestLog, head: &TreeHead, sth: &Value) {
    use p256::ecdsa::signature::Verifier as _;
    use p256::pkcs8::DecodePublicKey as _;
    let vkey: tlog::VerifierKey = log.vkeys()[1].parse().expect("the P-256 verifier key");
    let at = tlog::UnixMillis::new(sth["timestamp"].as_u64().expect("a time"));
    let message = tlog::tree_head_signature_input(head, at);
    let signed = sth["tree_head_signature"].as_str().expect("a signature");
    let signed = STANDARD.decode(signed).expect("base64");
    // SPEC RFC 5246 §4.7: hash sha256 (4), signature ecdsa (3), a length, the DER.
    assert_eq!(signed[..2], [4, 3]);
    assert_eq!(usize::from(signed[2]) * 256 + usize::from(signed[3]), signed.len() - 4);
    let key = p256::ecdsa::VerifyingKey::from_public_key_der(vkey.public_key_bytes())
        .or_else(|_| p256::ecdsa::VerifyingKey::from_sec1_bytes(vkey.public_key_bytes()))
        .expect("a P-256 key");
    let signature = p256::ecdsa::DerSignature::try_from(&signed[4..]).expect("DER");
    key.verify(&message, &signature).expect("the signature over the tree head");
}

#[test]
fn the_log_says_who_it_is_and_who_watches_it() {
    let shared = shared();
    let (log, treasury) = &*shared;
    let said = log.http().get("/v1/log").expect_status(200).json();
    assert_eq!(said["origin"], log.origin());
    assert_eq!(said["vkeys"], json!(log.vkeys()));
    assert_eq!(said["liars_for_split_view"], 2);
    assert_eq!(said["witnesses_down_tolerated"], 1);
    let policy = std::fs::read_to_string(log.policy_path()).expect("the policy");
    assert_eq!(said["policy"], json!(policy.lines().collect::<Vec<_>>()));
    assert!(said["published"]["size"].as_u64() >= Some(2));

    let witnesses = log.http().get("/v1/witnesses").expect_status(200).json();
    let names: Vec<_> =
        witnesses.as_array().expect("a list").iter().map(|it| it["name"].as_str()).collect();
    assert_eq!(names, [Some("w1"), Some("w2"), Some("w3"), Some("w4")]);
    let cosigned = witnesses.as_array().expect("a list").iter();
    assert!(cosigned.filter(|it| it["cosigned_published_at"].is_u64()).count() >= 3);

    let submitters = log.http().get("/v1/submitters").expect_status(200).json();
    assert_eq!(submitters[0]["submitter"], treasury.id());
    assert_eq!(submitters[0]["profiles"], json!(["contract/1", "spending/1"]));
    let profile = log.http().get("/v1/profiles/spending/1").expect_status(200).json();
    let kinds = profile["kinds"].as_array().expect("a list");
    assert!(
        kinds.contains(&json!("payment")) && kinds.contains(&json!("period.close")),
        "{kinds:?}"
    );
    assert_eq!(profile["document"]["profile"], "spending/1");
}

#[test]
fn the_checkpoint_carries_the_logs_two_signatures_and_its_witnesses() {
    let shared = shared();
    let (log, treasury) = &*shared;
    post(log.http(), "", treasury.contract_bytes(7));
    let answer = log.http().get("/checkpoint").expect_status(200);
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let note = Note::parse(&answer.body).expect("a signed note");
    for vkey in log.vkeys() {
        let key: VerifierKey = vkey.parse().expect("a verifier key");
        assert!(matches!(key.verify_note(&note), Ok(Some(_))), "{vkey}");
    }
    let lines = note.text().lines().count();
    assert_eq!(lines, 3, "origin, size, root, and no extension lines");
    let cosigners = log.policy().check(&note).expect("the quorum").cosigners().len();
    assert!(cosigners >= 3);
    assert!(log.admin().get("/readyz").status == 200);
    assert!(log.admin().get("/healthz").status == 200);
    assert!(log.admin().get("/metrics").text().contains("civiclog_server_"));
}
