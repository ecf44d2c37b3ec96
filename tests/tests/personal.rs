//! A record that is refused because it holds personal data in clear leaves no trace of that data: not
//! in the data folder, not in the log of any process, not in its metrics.

use std::fs;
use std::path::PathBuf;

use e2e::TestLog;

/// What must be found nowhere. The account numbers are the published examples of their formats.
const SECRETS: [&str; 4] = [
    "Ottoline Brackenbury",
    "GB33BUKB20201555555555",
    "GB33 BUKB 2020 1555 5555 55",
    "XI-NIN-QQ123456C",
];

/// Payments with a secret in a member in clear: what is replaced, and by what.
fn replacements() -> Vec<(&'static str, String)> {
    let [name, account, spaced, person] = SECRETS;
    vec![
        ("\"payee\":{", format!("\"payee\":{{\"name\":\"{name}\",")),
        ("\"payee\":{", format!("\"payee\":{{\"iban\":\"{account}\",")),
        ("\"payer\":{", format!("\"payer\":{{\"contact\":\"{name}\",")),
        ("\"native\":", format!("\"description\":\"to {name}, {spaced}\",\"native\":")),
        ("\"currency\":\"GBP\"", format!("\"currency\":\"{account}\"")),
        ("\"native\":", format!("\"class\":{{\"account\":\"{spaced}\"}},\"native\":")),
        ("\"native\":", format!("\"measure\":\"{account}\",\"native\":")),
        ("\"kind\":\"payment\"", format!("\"kind\":\"{name}\"")),
        ("\"id\":\"XI-LOCAL-", format!("\"id\":\"{person}\",\"was\":\"XI-LOCAL-")),
        ("2026-01-02", name.to_owned()),
        // Not canonical, and cut off in the middle of the name.
        ("\"native\":", format!(" \"note\":\"{name}\",\"native\":")),
        ("\"native\":", format!("\"note\":\"{name}")),
    ]
}

#[test]
fn what_was_refused_is_on_no_disk_and_in_no_log() {
    let (mut log, treasury) = TestLog::start();
    let mut lines = Vec::new();
    for (number, (what, with)) in (0..).zip(replacements()) {
        let raw = treasury.raw_payment(number);
        assert!(raw.record.contains(what), "{what} is not in {}", raw.record);
        let body = raw.replace(what, &with).signed(treasury.key());
        let answer = log.http().post("/v1/records", "application/json", body.clone());
        assert!((400..500).contains(&answer.status), "{with}: {}", answer.text());
        let answer = log.http().post("/v1/records?wait=x", "application/json", body.clone());
        assert_eq!(answer.status, 400, "{}", answer.text());
        lines.extend(body);
        lines.push(b'\n');
    }
    let lines = log.http().post("/v1/records", "application/x-ndjson", lines).expect_status(200);
    assert!(lines.parse_lines::<serde_json::Value>().iter().all(|it| it["status"] == "refused"));
    // One that goes in, so that everything has been written and flushed that ever will be.
    let body = treasury.payment_bytes(100);
    log.http().post("/v1/records", "application/json", body).expect_status(200);
    let metrics = log.admin().get("/metrics").expect_status(200).text();
    assert!(metrics.contains("civiclog_server"), "{metrics}");
    assert_eq!(log.stop_server(), Some(0));

    let mut searched = 0;
    for (file, bytes) in files_below(log.path("")) {
        searched += 1;
        for secret in SECRETS {
            let found = bytes.windows(secret.len()).any(|it| it == secret.as_bytes());
            assert!(!found, "{} holds {secret}", file.display());
        }
    }
    assert!(searched > 20, "the databases and logs of five processes, but {searched} files");
    assert!(!log.server_log().is_empty(), "the server's log was searched");
    for secret in SECRETS {
        assert!(!metrics.contains(secret), "{secret} is in the metrics");
    }
    // The search would have seen it.
    let seen = files_below(log.path("")).into_iter().any(|(_, it)| {
        let payee = b"XI-LOCAL-100".as_slice();
        it.windows(payee.len()).any(|it| it == payee)
    });
    assert!(seen, "the payment that went in is found");
}

fn files_below(folder: PathBuf) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut waiting = vec![folder];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).expect("a folder").map(|it| it.expect("it").path()));
        } else {
            let bytes = fs::read(&path).expect("a file");
            files.push((path, bytes));
        }
    }
    files
}
