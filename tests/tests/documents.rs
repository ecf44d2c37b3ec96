//! Documents go in by registered keys alone, come out as they went in, in whole or in part, and are
//! withdrawn with a reason; what is slow, wrong, too large or too much harms nobody.

use std::fs;

use e2e::process::{Finished, finish};
use e2e::{Answer, LogOptions, RawConnection, TestLog, Treasury, programs, wait};
use http::Method;
use records::{
    Algorithm, DOCUMENT_BYTES_MAX, DOCUMENT_TYP, DocumentClaim, RecordDraft, SigningKey, Value,
};
use sha2::{Digest as _, Sha256};

fn name_of(bytes: &[u8]) -> String {
    tlog::Hash::new(Sha256::digest(bytes).into()).to_hex()
}

fn longest() -> usize {
    usize::try_from(DOCUMENT_BYTES_MAX).expect("32 MiB")
}

fn bytes_of(seed: u8, len: usize) -> Vec<u8> {
    let mut block = [seed; 32];
    let mut bytes = Vec::with_capacity(len + 32);
    while bytes.len() < len {
        block = Sha256::digest(block).into();
        bytes.extend_from_slice(&block);
    }
    bytes.truncate(len);
    bytes
}

fn signature(log: &str, key: &SigningKey, sha256: &str, size: usize) -> String {
    let claim = DocumentClaim { log, sha256, size: size as u64 };
    key.sign_detached_as(DOCUMENT_TYP, &claim.bytes()).to_text()
}

fn put_as(log: &TestLog, name: &str, bytes: &[u8], signature: &str) -> Answer {
    let headers = [("civiclog-signature", signature)];
    let path = format!("/v1/documents/{name}");
    log.http().call(&Method::PUT, &path, &headers, bytes.to_vec().into()).expect("an answer")
}

fn put(log: &TestLog, treasury: &Treasury, bytes: &[u8]) -> Answer {
    let name = name_of(bytes);
    put_as(log, &name, bytes, &signature(log.origin(), treasury.key(), &name, bytes.len()))
}

fn get(log: &TestLog, name: &str, range: Option<&str>) -> Answer {
    let headers: Vec<(&str, &str)> = range.map(|it| ("range", it)).into_iter().collect();
    log.http().get_with(&format!("/v1/documents/{name}"), &headers)
}

/// The files of documents, uploads under way included.
fn files(log: &TestLog) -> Vec<String> {
    let mut found = Vec::new();
    for shard in fs::read_dir(log.data_path().join("documents")).expect("the documents") {
        let shard = shard.expect("an entry").path();
        if shard.is_dir() {
            for file in fs::read_dir(shard).expect("a folder") {
                found.push(file.expect("a file").file_name().into_string().expect("a name"));
            }
        }
    }
    found.sort();
    found
}

fn with_limits(documents: &str) -> (TestLog, Treasury) {
    // The last table of the configuration, so that another can follow it.
    let publish = format!("checkpoint_interval_ms = 20\n\n[documents]\n{documents}");
    TestLog::start_with(LogOptions { publish, ..LogOptions::default() })
}

#[test]
fn a_document_comes_out_as_it_went_in_whole_and_in_parts() {
    let (mut log, treasury) = TestLog::start();
    for len in [1, 65_536, 200_001, longest()] {
        let bytes = bytes_of(7, len);
        let name = name_of(&bytes);
        get(&log, &name, None).expect_status(404);
        let answer = put(&log, &treasury, &bytes).expect_status(201).json();
        assert_eq!(answer, serde_json::json!({"sha256": name, "size": len, "duplicate": false}));
        assert_eq!(put(&log, &treasury, &bytes).expect_status(200).json()["duplicate"], true);
        let answer = get(&log, &name, None).expect_status(200);
        assert!(answer.body == bytes, "{len} bytes went in, others came out");
        assert!(answer.header("cache-control").contains("immutable"));
        assert_eq!(answer.header("etag"), format!("\"{name}\""));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let bytes = bytes_of(7, 200_001);
    let name = name_of(&bytes);
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=65530-131080", 65_530, 131_081),
        ("bytes=-5", 199_996, 200_001),
    ] {
        let part = get(&log, &name, Some(range)).expect_status(206);
        assert!(part.body == bytes[from..to], "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/200001", to - 1));
    }
    let outside = get(&log, &name, Some("bytes=200001-")).expect_status(416);
    assert_eq!(outside.header("content-range"), "bytes */200001");

    assert_eq!(log.stop_server(), Some(0));
    log.audit();
    log.start_server();
    assert!(get(&log, &name, None).expect_status(200).body == bytes);
}

#[test]
fn only_a_registered_key_brings_a_document_and_only_the_one_it_signed_for() {
    let (log, treasury) = TestLog::start();
    let bytes = bytes_of(1, 5000);
    let name = name_of(&bytes);
    let sign = |log: &str, key: &SigningKey, size| signature(log, key, &name, size);
    let stranger = e2e::submitter::key(Algorithm::Es256, 0x77);
    let record = treasury.key().sign_detached(&bytes).to_text();
    for (status, signature) in [
        (403, sign(log.origin(), &stranger, bytes.len())),
        (403, sign("log.example/another", treasury.key(), bytes.len())),
        (403, sign(log.origin(), treasury.key(), bytes.len() - 1)),
        (403, signature(log.origin(), treasury.key(), &name_of(b"other"), bytes.len())),
        // Governance registers submitters; it is none.
        (403, sign(log.origin(), log.governance(), bytes.len())),
        (403, record),
        (403, "..".to_owned()),
    ] {
        put_as(&log, &name, &bytes, &signature).expect_status(status);
    }
    let path = format!("/v1/documents/{name}");
    let unsigned = log.http().call(&Method::PUT, &path, &[], bytes.clone().into());
    assert_eq!(unsigned.expect("an answer").status, 401);
    put_as(&log, "ABC", &bytes, "x").expect_status(400);
    get(&log, &name.to_uppercase(), None).expect_status(400);

    // A true signature over another content: the hash is checked as the bytes come.
    let mut other = bytes.clone();
    other[4999] ^= 1;
    let answer = put_as(&log, &name, &other, &sign(log.origin(), treasury.key(), bytes.len()));
    assert!(answer.expect_status(422).text().contains(&name_of(&other)));
    assert_eq!(files(&log), [""; 0], "nothing of all this is left");

    let longer = longest() + 1;
    let mut raw = RawConnection::to(log.http());
    raw.send(
        format!(
            "PUT {path} HTTP/1.1\r\nhost: log\r\ncontent-length: {longer}\r\n\
             civiclog-signature: {}\r\n\r\n",
            sign(log.origin(), treasury.key(), longer)
        )
        .as_bytes(),
    );
    assert_eq!(raw.answer().expect("an answer").0, 413);
    put(&log, &treasury, &bytes).expect_status(201);
}

#[test]
fn a_key_that_may_submit_nothing_of_its_own_brings_no_document() {
    let (log, treasury) = TestLog::start();
    let bytes = bytes_of(2, 500);
    let by = |key: &SigningKey| {
        put_as(&log, &name_of(&bytes), &bytes, &signature(log.origin(), key, &name_of(&bytes), 500))
    };
    let post = |body: Vec<u8>| {
        log.http().post("/v1/records", "application/json", body).expect_status(200);
    };
    let [recovered, bidder] = [0x71, 0x72].map(|it| e2e::submitter::key(Algorithm::Ed25519, it));

    // Governance alone added it, so it counts in seven days.
    let data =
        Value::map([("key", recovered.public().to_jwk()), ("submitter", treasury.id().into())]);
    let object = format!("log/key/{}", recovered.public().kid());
    post(log.registry("key.add", &object, data, &[log.governance(), &recovered]));
    by(&recovered).expect_status(403);

    // A key that its own first record registers is no submitter: there may be any number of them.
    let other = e2e::submitter::key(Algorithm::Ed25519, 0x73);
    let data = Value::map([
        ("bodies", Value::list(["GB-LAE-BUY"])),
        ("key", other.public().to_jwk()),
        ("profiles", Value::list(["procurement/1"])),
        ("submitter", "GB-LAE-BUY".into()),
    ]);
    let keys = [log.governance(), &other];
    post(log.registry("submitter.add", "log/submitter/GB-LAE-BUY", data, &keys));
    let tender = "GB-LAE-BUY/tender/1";
    let draft = |kind: &str, object: &str, submitter: &str, data: Value| {
        let draft = RecordDraft::new(log.origin(), "procurement/1", kind).object(object);
        draft.submitter(submitter).occurred("2026-06-01").data(data)
    };
    let later = Value::from("2999-01-01T00:00:00.000Z");
    let open = Value::map([
        ("buyer", Value::map([("id", "GB-LAE-BUY")])),
        ("deadline", later.clone()),
        ("opening", later.clone()),
        ("reveal_until", later),
    ]);
    let buyer = Treasury::with_key(log.origin(), "GB-LAE-BUY", other);
    post(buyer.sign_draft(draft("tender.open", tender, "GB-LAE-BUY", open)));
    let commit = Value::map([
        ("commitment", "0".repeat(64).as_str().into()),
        ("key", bidder.public().to_jwk()),
        ("tender", tender.into()),
    ]);
    let id = format!("key:{}", bidder.public().kid());
    let object = format!("{tender}/bid/{}", bidder.public().kid());
    let commit = draft("bid.commit", &object, &id, commit).build().expect("a record");
    let signed = [bidder.sign_detached(commit.bytes())];
    post(records::Submission::assemble(&commit, &signed, &[]));
    by(&bidder).expect_status(403);

    by(buyer.key()).expect_status(201);
    let data = Value::map([("submitter", treasury.id())]);
    let object = format!("log/close/{}", treasury.id());
    post(log.registry("submitter.close", &object, data, &[log.governance()]));
    by(treasury.key()).expect_status(403);
    log.http()
        .post("/v1/records", "application/json", treasury.payment_bytes(1))
        .expect_status(422);
}

fn put_head(log: &TestLog, treasury: &Treasury, bytes: &[u8]) -> String {
    let name = name_of(bytes);
    format!(
        "PUT /v1/documents/{name} HTTP/1.1\r\nhost: log\r\ncontent-length: {}\r\n\
         civiclog-signature: {}\r\n\r\n",
        bytes.len(),
        signature(log.origin(), treasury.key(), &name, bytes.len())
    )
}

#[test]
fn slow_torn_and_too_many_uploads_end_and_leave_nothing() {
    let (mut log, treasury) = with_limits("uploads_max = 1\nupload_timeout_ms = 1500\n");
    let bytes = bytes_of(2, 100_000);
    let mut slow = RawConnection::to(log.http());
    assert!(slow.send(put_head(&log, &treasury, &bytes).as_bytes()) && slow.send(&bytes[..50_000]));
    wait::until("the upload is under way", || (files(&log).len() == 1).then_some(()));
    // The one place is taken; who comes now is told to come back.
    let busy = put(&log, &treasury, b"another").expect_status(503);
    assert!(!busy.header("retry-after").is_empty());
    assert_eq!(slow.answer().expect("an answer").0, 408, "it was cut off");
    wait::until("what came of it is gone", || files(&log).is_empty().then_some(()));

    let mut torn = RawConnection::to(log.http());
    assert!(torn.send(put_head(&log, &treasury, &bytes).as_bytes()) && torn.send(&bytes[..60_000]));
    wait::until("the upload is under way", || (files(&log).len() == 1).then_some(()));
    drop(torn);
    wait::until("what came of it is gone", || files(&log).is_empty().then_some(()));
    get(&log, &name_of(&bytes), None).expect_status(404);

    // Killed in the middle: what is left is removed at the next start.
    let mut cut = RawConnection::to(log.http());
    assert!(cut.send(put_head(&log, &treasury, &bytes).as_bytes()) && cut.send(&bytes[..60_000]));
    wait::until("the upload is under way", || (files(&log).len() == 1).then_some(()));
    log.kill_server();
    log.start_server();
    assert_eq!(files(&log), [""; 0]);
    put(&log, &treasury, &bytes).expect_status(201);
}

#[test]
fn each_submitter_has_room_of_its_own_which_a_restart_remembers() {
    let (mut log, treasury) = with_limits("bytes_per_submitter_max = 1000\n");
    let other = log.register("GB-LAE-OTH", Algorithm::Ed25519, 9);
    put(&log, &treasury, &bytes_of(1, 600)).expect_status(201);
    put(&log, &treasury, &bytes_of(2, 500)).expect_status(403);
    // What was turned away or is there already takes nothing.
    put(&log, &treasury, &bytes_of(1, 600)).expect_status(200);
    put(&log, &treasury, &bytes_of(3, 400)).expect_status(201);
    assert_eq!(log.stop_server(), Some(0));
    log.start_server();
    put(&log, &treasury, &bytes_of(4, 1)).expect_status(403);
    put(&log, &other, &bytes_of(4, 1000)).expect_status(201);

    // A disk that is almost full takes no documents, and everything else goes on.
    assert_eq!(log.stop_server(), Some(0));
    log.options_mut().publish = format!(
        "checkpoint_interval_ms = 20\n\n[documents]\ndisk_free_bytes_min = {}\n",
        1_u64 << 62
    );
    log.write_config();
    log.start_server();
    put(&log, &treasury, &bytes_of(5, 1)).expect_status(503);
    get(&log, &name_of(&bytes_of(4, 1000)), None).expect_status(200);
    let record = treasury.payment_bytes(1);
    log.http().post("/v1/records", "application/json", record).expect_status(200);
}

fn server(log: &TestLog, command: &str, sha256: &str) -> Finished {
    let mut program = programs::command(programs::SERVER);
    program.arg(command).arg("--config").arg(log.config_path());
    program.args(["--document", sha256, "--ground", "court-order", "--because", "file 12/26"]);
    finish(program)
}

#[test]
fn a_withheld_document_is_gone_with_a_reason_and_every_proof_holds() {
    let (mut log, treasury) = TestLog::start();
    let bytes = bytes_of(3, 3000);
    let name = name_of(&bytes);
    put(&log, &treasury, &bytes).expect_status(201);
    let record = treasury.payment_bytes(1);
    log.http().post("/v1/records", "application/json", record).expect_status(200);
    assert_eq!(server(&log, "withhold", &name_of(b"never seen")).code, Some(1));

    // Beside the running server, at once.
    server(&log, "withhold", &name).expect_success("withhold");
    for answer in [get(&log, &name, None), put(&log, &treasury, &bytes)] {
        let problem = answer.expect_status(410).json();
        assert_eq!(problem["act"], "withheld", "{problem}");
        assert_eq!(
            (&problem["ground"], &problem["because"]),
            (&"court-order".into(), &"file 12/26".into())
        );
        assert!(records::parse_millis(problem["since"].as_str().expect("a time")).is_some());
    }
    assert!(files(&log).contains(&name), "it is kept");
    server(&log, "erase", &name).expect_success("erase");
    assert!(!files(&log).contains(&name), "its bytes are gone");
    server(&log, "withhold", &name).expect_success("once more");
    assert_eq!(get(&log, &name, None).expect_status(410).json()["act"], "erased");
    log.reader().proven(2);
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}

#[test]
fn documents_are_in_backups_and_an_erased_one_does_not_come_back() {
    let (mut log, treasury) = TestLog::start();
    let (kept, gone) = (bytes_of(4, 3000), bytes_of(5, 3000));
    for bytes in [&kept, &gone] {
        put(&log, &treasury, bytes).expect_status(201);
    }
    assert_eq!(log.stop_server(), Some(0));
    let folder = tempfile::tempdir().expect("a folder");
    let backup = e2e::mirror::backup(&log, folder.path(), &[]);
    let said = server(&log, "erase", &name_of(&gone)).expect_success("erase").stdout;
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let named = said["backups"][0]["folder"].as_str().expect("a backup that holds it");
    assert_eq!(std::path::Path::new(named), backup, "{said}");

    // The database and one document are lost; the word on the other is not.
    std::fs::remove_dir_all(log.data_path().join("db")).expect("losing the database");
    let at = log.data_path().join("documents").join(&name_of(&kept)[..2]).join(name_of(&kept));
    std::fs::remove_file(&at).expect("losing a document");
    let restored = log.server_command_with("restore", &["--from".as_ref(), backup.as_path()]);
    let restored = restored.expect_success("restore").stdout;
    assert!(restored.contains("\"documents\":1"), "{restored}");
    log.start_server();
    assert_eq!(get(&log, &name_of(&kept), None).expect_status(200).body, kept);
    assert_eq!(get(&log, &name_of(&gone), None).expect_status(410).json()["act"], "erased");
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}

#[test]
fn a_damaged_document_is_not_served_and_the_audit_names_it() {
    let (mut log, treasury) = TestLog::start();
    let bytes = bytes_of(4, 3000);
    let name = name_of(&bytes);
    put(&log, &treasury, &bytes).expect_status(201);
    let path = log.data_path().join("documents").join(&name[..2]).join(&name);
    let mut damaged = bytes.clone();
    damaged[1234] ^= 4;
    fs::write(&path, &damaged).expect("damaging it");
    get(&log, &name, None).expect_status(500);
    get(&log, &name, Some("bytes=0-9")).expect_status(500);
    assert_eq!(log.stop_server(), Some(0));
    let audit = log.server_command("audit");
    assert_eq!(audit.code, Some(1));
    assert!(audit.stderr.contains(&name), "{}", audit.stderr);
    fs::write(&path, &bytes).expect("putting it back");
    log.audit();
}

#[test]
fn the_command_line_uploads_and_fetches() {
    let (log, treasury) = TestLog::start();
    let pem = treasury.key().to_pkcs8_pem().expect("a PEM");
    files::create_private_key(&log.path("key.pem"), &pem).expect("writing a key");
    let bytes = bytes_of(5, 70_000);
    fs::write(log.path("contract.pdf"), &bytes).expect("a file");
    let run = |arguments: &[&str]| {
        let mut command = programs::command(programs::CLI);
        command.current_dir(log.path("")).arg("--json").arg("document").args(arguments);
        command.args(["--log", log.http().base()]);
        finish(command)
    };
    let put = ["put", "contract.pdf", "--key", "key.pem"];
    let said = run(&put).expect_success("put").json();
    assert_eq!((&said["sha256"], &said["duplicate"]), (&name_of(&bytes).into(), &false.into()));
    assert_eq!(run(&put).expect_success("put again").json()["duplicate"], true);
    let name = name_of(&bytes);
    run(&["get", &name, "-o", "copy.pdf"]).expect_success("get");
    assert!(fs::read(log.path("copy.pdf")).expect("the copy") == bytes);
    run(&["get", &name_of(b"none"), "-o", "none"]).expect_code(1, "there is none");
    run(&["get", "4711", "-o", "none"]).expect_code(2, "that is no hash");
    server(&log, "withhold", &name).expect_success("withhold");
    let gone = run(&["get", &name, "-o", "none"]).expect_code(1, "it is withheld");
    assert!(gone.stdout.contains("withheld"), "{}", gone.stdout);
    assert!(!log.path("none").exists());
}
