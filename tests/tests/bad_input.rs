//! Whatever is wrong with a record is refused by rule, place and words: alone, and as one line of
//! many, where the lines around it go in.

use e2e::submitter::{RawSubmission, key};
use e2e::{Answer, RawConnection, TestLog, Treasury};
use records::{Algorithm, Value};
use serde_json::Value as Json;

/// A submission that must be refused, and how.
struct Case {
    name: &'static str,
    body: Vec<u8>,
    status: u16,
    rule: &'static str,
    pointer: &'static str,
}

#[test]
fn every_kind_of_bad_record_is_refused_by_rule_and_place() {
    let (log, treasury) = TestLog::start();
    let revoked = revoked_key(&log, &treasury);
    let stored = log.http().post("/v1/records", JSON, treasury.payment_bytes(1)).expect_status(200);
    let stored_index = stored.json()["index"].clone();
    let cases = cases(&log, &treasury, &revoked);
    let mut failures = Vec::new();

    for case in &cases {
        let answer = log.http().post("/v1/records", JSON, case.body.clone());
        if let Err(words) = check_problem(case, &answer) {
            failures.push(format!("{} alone: {words}", case.name));
        }
        if case.status == 409 && answer.json()["index"] != stored_index {
            failures.push(format!(
                "{} does not name the stored index: {}",
                case.name,
                answer.text()
            ));
        }
    }

    // The same once more as lines between good ones.
    let mut lines = Vec::new();
    for (number, case) in (100..).zip(&cases) {
        lines.push(treasury.payment_bytes(number));
        // A line feed inside would make two lines of it.
        assert!(!case.body.contains(&b'\n'), "{}", case.name);
        lines.push(case.body.clone());
    }
    let answer = log.http().post("/v1/records", NDJSON, lines.join(&b'\n')).expect_status(200);
    let answers: Vec<Json> = answer.parse_lines();
    assert_eq!(answers.len(), lines.len());
    for (pair, case) in answers.chunks(2).zip(&cases) {
        if pair[0]["status"] != "published" {
            failures.push(format!("the good line before {}: {}", case.name, pair[0]));
        }
        let line = &pair[1];
        let is_as_alone = line["status"] == "refused"
            && line["rule"] == case.rule
            && line["pointer"] == case.pointer
            && line["detail"].as_str().is_some_and(|it| it.contains("; fix: "));
        if !is_as_alone {
            failures.push(format!("{} as a line: {line}", case.name));
        }
        if case.status == 409 && line["index"] != stored_index {
            failures.push(format!("{} as a line names another index: {line}", case.name));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));

    // Nothing that was refused got in, and what is in is sound.
    let head = log.reader().checkpoint().head();
    let in_the_tree = log.reader().tree(&head).len();
    // Genesis, the submitter, key.add, key.revoke, the stored payment, the good lines.
    assert_eq!(in_the_tree, 5 + cases.len());
}

/// A key of the treasury that was added and then revoked.
fn revoked_key(log: &TestLog, treasury: &Treasury) -> Treasury {
    let revoked = Treasury::new(log.origin(), treasury.id(), Algorithm::Es256, 0x77);
    let kid = revoked.key().public().kid().to_string();
    let add = log.registry(
        "key.add",
        &format!("log/key/{kid}"),
        Value::map([("key", revoked.key().public().to_jwk()), ("submitter", treasury.id().into())]),
        &[treasury.key(), revoked.key()],
    );
    log.http().post("/v1/records", JSON, add).expect_status(200);
    let revoke = log.registry(
        "key.revoke",
        &format!("log/revoke/{kid}"),
        Value::map([("kid", kid.as_str())]),
        &[log.governance()],
    );
    log.http().post("/v1/records", JSON, revoke).expect_status(200);
    revoked
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases(log: &TestLog, treasury: &Treasury, revoked: &Treasury) -> Vec<Case> {
    let raw = || treasury.raw_payment(50);
    let signed = |it: RawSubmission| it.signed(treasury.key());
    let text = |it: Vec<u8>| String::from_utf8(it).expect("UTF-8");
    let good = || text(signed(raw()));
    let prev = treasury.sealed_payment(1).0.hash();
    let other_log = Treasury::new("log.example/elsewhere", treasury.id(), Algorithm::Es256, 1);
    let nobody = Treasury::new(log.origin(), "GB-LAE-NOBODY", Algorithm::Es256, 9);
    let header = |members: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(members)
    };
    let kid = treasury.key().public().kid();
    let signature = treasury.key().sign_detached(raw().record.as_bytes()).to_text();
    let (_, signature_bytes) = signature.split_once("..").expect("a detached signature");
    let mut flipped = signature.clone();
    // The first letter of the signature: a spare bit at its end would be another fault.
    let first = flipped.find("..").expect("two dots") + 2;
    let other = if flipped[first..].starts_with('A') { "B" } else { "A" };
    flipped.replace_range(first..=first, other);
    let (_, foreign) = treasury.sealed_payment(51);

    let case =
        |name, body: Vec<u8>, status, rule, pointer| Case { name, body, status, rule, pointer };
    vec![
        case(
            "float money",
            signed(raw().replace("\"value\":\"550.50\"", "\"value\":550.5")),
            400, "E01", "/record/data/amount/value",
        ),
        case(
            "too many minor units",
            signed(raw().replace("550.50", "550.505")),
            422, "E06", "/record/data/amount/value",
        ),
        case(
            "money with an exponent",
            signed(raw().replace("550.50", "5e2")),
            422, "E06", "/record/data/amount/value",
        ),
        case(
            "unknown currency",
            signed(raw().replace("GBP", "XXZ")),
            422, "E06", "/record/data/amount/currency",
        ),
        case(
            "unknown key",
            raw().signed(&key(Algorithm::Es256, 0x31)),
            422, "E03", "/signatures/0",
        ),
        case("revoked key", raw().signed(revoked.key()), 422, "E19", "/signatures/0"),
        case("wrong signature", raw().with_signature(&flipped), 422, "E13", "/signatures/0"),
        case(
            "wrong prev",
            treasury.correction_bytes(1, treasury.sealed_payment(2).0.hash()),
            422, "E05", "/record/prev",
        ),
        case(
            "a gap in the revisions",
            treasury.sign_draft(treasury.payment(1).next(3, prev)),
            422, "E04", "/record/rev",
        ),
        case(
            "same object and revision, other bytes",
            treasury.sign_draft(treasury.payment(2).object(&treasury.payment_object(1))),
            409, "E04", "/record/rev",
        ),
        case(
            "oversize record",
            signed(raw().replace(
                "\"native\":\"CFADDAY50\"",
                &format!("\"native\":\"CFADDAY50\",{}", padding(33 * 1024)),
            )),
            413, "E12", "/record",
        ),
        case(
            "oversize submission",
            good()
                .replace("],\"record\"", &format!("],\"padding\":\"{}\",\"record\"", "x".repeat(70_000)))
                .into_bytes(),
            413,
            "E12",
            "",
        ),
        case(
            "oversize text",
            signed(raw().replace("CFADDAY50", &"x".repeat(8 * 1024 + 1))),
            413, "E12", "/record/data/native",
        ),
        case(
            "deep JSON",
            signed(raw().replace("\"CFADDAY50\"", &format!("{}1{}", "[".repeat(40), "]".repeat(40)))),
            413, "E12", "/record/data/native/0/0/0/0/0/0/0/0/0/0/0/0/0",
        ),
        case(
            "duplicate keys",
            signed(raw().replace("\"kind\":\"payment\"", "\"kind\":\"payment\",\"kind\":\"payment\"")),
            400, "E01", "/record/kind",
        ),
        case("not UTF-8", not_utf8(&good()), 400, "E01", ""),
        case("byte order mark", format!("\u{feff}{}", good()).into_bytes(), 400, "E01", ""),
        case("white space", good().replacen(':', ": ", 1).into_bytes(), 400, "E01", "/disclosures"),
        case(
            "members out of order",
            good().replace("],\"record\"", "],\"z\":1,\"record\"").into_bytes(),
            400, "E01", "/record",
        ),
        case("half a record", good().into_bytes()[..200].to_vec(), 400, "E01", "/record/data/payee/id"),
        case("nothing", Vec::new(), 400, "E01", ""),
        case("null", signed(raw().replace("\"CFADDAY50\"", "null")), 400, "E01", "/record/data/native"),
        case("an unpaired surrogate", signed(raw().replace("CFADDAY50", "\\ud800")), 400, "E01", "/record/data/native"),
        case(
            "a control character",
            signed(raw().replace("CFADDAY50", "\\u0007")),
            400, "E01", "/record/data/native",
        ),
        case(
            "a direction override",
            signed(raw().replace("CFADDAY50", "a\u{202e}b")),
            400, "E01", "/record/data/native",
        ),
        case(
            "unknown submitter",
            nobody.payment_bytes(1),
            422, "E14", "/record/submitter",
        ),
        case(
            "another body's object",
            signed(raw().replace("GB-LAE-DEV/payment/50", "GB-LAE-COR/payment/50")),
            422, "E18", "/record/object",
        ),
        case(
            "a look-alike in the object",
            signed(raw().replace("GB-LAE-DEV/payment/50", "GB-LAE-D\u{0415}V/payment/50")),
            422, "E15", "/record/object",
        ),
        case(
            "dot dot in the object",
            signed(raw().replace("GB-LAE-DEV/payment/50", "GB-LAE-DEV/../payment/50")),
            422, "E15", "/record/object",
        ),
        case("a record for another log", other_log.payment_bytes(50), 422, "E16", "/record/log"),
        case(
            "another typ",
            raw().with_signature(
                &treasury.key().sign_detached_as("civiclog-refusal+jws", raw().record.as_bytes()).to_text(),
            ),
            422, "E13", "/signatures/0",
        ),
        case(
            "a header too many",
            raw().with_signature(&format!(
                "{}..{signature_bytes}",
                header(&format!(
                    "{{\"alg\":\"ES256\",\"b64\":false,\"kid\":\"{kid}\",\"typ\":\"civiclog-record+jws\"}}"
                ))
            )),
            422, "E13", "/signatures/0",
        ),
        case(
            "alg none",
            raw().with_signature(&format!(
                "{}..",
                header(&format!("{{\"alg\":\"none\",\"kid\":\"{kid}\",\"typ\":\"civiclog-record+jws\"}}"))
            )),
            422, "E13", "/signatures/0",
        ),
        case(
            "no signature",
            good().replace(&format!("[\"{signature}\"]"), "[]").into_bytes(),
            400, "E01", "/signatures",
        ),
        case(
            "a disclosure that does not fit",
            signed(RawSubmission { disclosures: vec![foreign.text().to_owned()], ..raw() }),
            422, "E17", "/disclosures/0",
        ),
        case(
            "a disclosure missing",
            signed(RawSubmission { disclosures: Vec::new(), ..raw() }),
            422, "E17", "/disclosures",
        ),
        case(
            "a disclosure too many",
            signed(RawSubmission {
                disclosures: [raw().disclosures, vec![foreign.text().to_owned()]].concat(),
                ..raw()
            }),
            422, "E17", "/disclosures/1",
        ),
        case(
            "a name in clear",
            signed(raw().replace("\"payee\":{", "\"payee\":{\"area\":\"Exeter\",")),
            422, "E07", "/record/data/payee/area",
        ),
        case(
            "an unknown member",
            signed(raw().replace("\"CFADDAY50\"", "\"CFADDAY50\",\"nativf\":1")),
            422, "E15", "/record/data/nativf",
        ),
        case(
            "an unknown profile",
            signed(raw().replace("spending/1", "spending/9")),
            422, "E02", "/record/profile",
        ),
        case(
            "a day that does not exist",
            signed(raw().replace("2026-01-02", "2026-02-30")),
            422, "E15", "/record/occurred",
        ),
        case(
            "a registry record by a treasury",
            log.registry(
                "submitter.add",
                "log/submitter/GB-LAE-EVIL",
                Value::map([
                    ("bodies", Value::list(["GB-LAE-EVIL"])),
                    ("key", key(Algorithm::Es256, 0x55).public().to_jwk()),
                    ("profiles", Value::list(["spending/1"])),
                    ("submitter", "GB-LAE-EVIL".into()),
                ]),
                &[treasury.key(), &key(Algorithm::Es256, 0x55)],
            ),
            422, "E03", "/signatures/0",
        ),
    ]
}

/// Whether an answer is the problem document that the case expects.
fn check_problem(case: &Case, answer: &Answer) -> Result<(), String> {
    let said = || format!("{} {}", answer.status, answer.text());
    if answer.status != case.status {
        return Err(format!("expected {}, got {}", case.status, said()));
    }
    if answer.header("content-type") != "application/problem+json" {
        return Err(format!("no problem document: {}", said()));
    }
    let problem = answer.json();
    let has_words = problem["detail"].as_str().is_some_and(|it| !it.is_empty())
        && problem["title"].is_string()
        && problem["status"] == case.status;
    if !has_words || problem["rule"] != case.rule || problem["pointer"] != case.pointer {
        return Err(format!("expected {} at {:?}, got {}", case.rule, case.pointer, said()));
    }
    Ok(())
}

/// Members that each obey their own limit, and together exceed the record's.
fn padding(bytes: usize) -> String {
    let texts: Vec<String> = (0..=bytes / 8_000)
        .map(|number| format!("\"o{number}\":\"{}\"", "x".repeat(8_000)))
        .collect();
    texts.join(",")
}

fn not_utf8(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let at = text.find("CFADDAY").expect("the native id");
    bytes[at] = 0xff;
    bytes
}

#[test]
fn the_body_as_a_whole_is_held_to_its_limits() {
    let (log, treasury) = TestLog::start();
    let http = log.http();
    let lines = |count: usize| "{}\n".repeat(count);
    assert_eq!(http.post("/v1/records", NDJSON, lines(10_001)).status, 413);
    // Whoever announces too much is told before he sends it.
    for (content_type, length) in [(JSON, 64 * 1024 + 1), (NDJSON, 8 * 1024 * 1024 + 1)] {
        let mut connection = RawConnection::to(http);
        connection.send_post_head("", content_type, length);
        let (status, problem) = connection.answer().expect("an answer");
        assert_eq!(status, 413, "{problem}");
        assert!(problem.contains("larger than") && problem.contains("E12"), "{problem}");
    }
    // Whoever sends it all the same still gets to read why.
    let answer = http.post("/v1/records", NDJSON, vec![b'x'; 9 * 1024 * 1024]).expect_status(413);
    assert_eq!(answer.json()["rule"], "E12");
    // Whoever announces nothing is cut off at the limit; a line is refused by itself.
    let mut connection = RawConnection::to(http);
    connection.send(
        b"POST /v1/records HTTP/1.1\r\nhost: log\r\ncontent-type: application/json\r\n\
          transfer-encoding: chunked\r\n\r\n10001\r\n",
    );
    connection.send(&vec![b'x'; 0x1_0001]);
    assert_eq!(connection.answer().expect("an answer").0, 413);
    let long_line = [&vec![b'x'; 70_000][..], b"\n", &treasury.payment_bytes(4)[..]].concat();
    let answers: Vec<Json> = http.post("/v1/records", NDJSON, long_line).parse_lines();
    assert_eq!((&answers[0]["status"], &answers[0]["rule"]), (&"refused".into(), &"E12".into()));
    assert_eq!(answers[1]["status"], "published");
    assert_eq!(http.post("/v1/records", NDJSON, "").expect_status(200).text(), "");

    let good = treasury.payment_bytes(1);
    assert_eq!(http.post("/v1/records", "text/csv", good.clone()).status, 415);
    assert_eq!(http.post("/v1/records?wait=never", JSON, good.clone()).status, 400);
    assert_eq!(http.get("/v1/records").status, 405);
    assert_eq!(http.post("/v1/records", "application/json; charset=utf-8", good).status, 200);

    // An empty line is a line, and keeps the numbers of those after it right.
    let body = [&treasury.payment_bytes(2)[..], b"\n\n", &treasury.payment_bytes(3)[..]].concat();
    let answers: Vec<Json> = http.post("/v1/records", NDJSON, body).parse_lines();
    let statuses: Vec<_> = answers.iter().map(|it| it["status"].as_str()).collect();
    assert_eq!(statuses, [Some("published"), Some("refused"), Some("published")]);
    assert_eq!(answers[2]["line"], 3);
}

#[test]
fn what_is_not_there_is_not_found() {
    let (log, treasury) = TestLog::start();
    let http = log.http();
    http.post("/v1/records", JSON, treasury.payment_bytes(1)).expect_status(200);
    let size = log.reader().checkpoint().head().size.get();
    for path in [
        // Beyond the published size, wrong widths, no canonical path, no tiles at all.
        "/tile/0/001",
        "/tile/0/000",
        "/tile/0/000.p/200",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/0",
        "/tile/0/x000/000",
        "/tile/64/000",
        "/tile/1/000.p/1",
        "/tile/00/000.p/1",
        "/tile/entries/000",
        "/tile/entries/001.p/1",
        "/tile/entries/000.p/01",
        "/tile/",
        "/tile",
        "/tile/0/../0/000.p/1",
        "/tile/0/%2e%2e/000.p/1",
        // Everything else.
        "/v1/records/99",
        "/v1/proofs/99",
        "/v1/proofs/0/99",
        "/v1/receipts/99",
        "/v1/consistency/1/99",
        "/v1/checkpoints/99",
        "/v1/objects/GB-LAE-DEV/payment/none",
        "/v1/profiles/none/1",
        "/v2",
        "/",
    ] {
        let answer = http.get(path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert!(!answer.header("cache-control").contains("immutable"), "{path}");
    }
    for path in ["/v1/records/01", "/v1/records/-1", "/v1/proofs/x", "/v1/consistency/2/1"] {
        assert_eq!(http.get(path).status, 400, "{path}");
    }
    for path in [format!("/v1/records/{}", size - 1), format!("/tile/0/000.p/{size}")] {
        assert_eq!(http.get(&path).status, 200, "{path}");
    }
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
