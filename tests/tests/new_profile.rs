//! The profile that `docs/profiles.md` teaches to write goes into a running log as it stands on the page,
//! and its records are judged by it from then on: nothing is compiled for it.

use e2e::auditor::Auditor;
use e2e::memory_log::value;
use e2e::submitter::{Treasury, key};
use e2e::{LogOptions, TestLog, programs};
use records::{Algorithm, RecordDraft, Value};
use serde_json::json;

/// The document on the page.
fn of_the_page() -> String {
    let page = programs::repository().join("docs/profiles.md");
    let text = std::fs::read_to_string(page).expect("the page");
    let blocks: Vec<&str> =
        text.split("```").filter(|it| it.starts_with("json profile\n")).collect();
    assert_eq!(blocks.len(), 1, "one whole profile on the page");
    blocks[0].trim_start_matches("json profile\n").to_owned()
}

struct Ministry {
    log: TestLog,
    submitter: Treasury,
}

impl Ministry {
    fn post(&self, body: Vec<u8>) -> Result<(), String> {
        let answer = self.log.http().post("/v1/records", "application/json", body);
        if answer.status == 200 {
            return Ok(());
        }
        Err(answer.json()["rule"].as_str().expect("a rule").to_owned())
    }

    fn govern(&self, kind: &str, object: &str, data: Value) -> Result<(), String> {
        let governance = self.log.governance();
        let keys = match kind {
            "submitter.add" => vec![governance, self.submitter.key()],
            _ => vec![governance],
        };
        self.post(self.log.registry(kind, object, data, &keys))
    }

    /// Submits a first revision; the rule that refuses it, if one does.
    fn say(&self, kind: &str, name: &str, data: &serde_json::Value) -> Result<(), String> {
        let draft = RecordDraft::new(self.log.origin(), "grants/1", kind)
            .object(&format!("{}/{name}", self.submitter.id()))
            .submitter(self.submitter.id())
            .occurred("2026-06-01")
            .data(value(data));
        self.post(self.submitter.sign_draft(draft))
    }
}

#[test]
fn the_profile_of_the_page_is_published_and_judges_records() {
    let document = of_the_page();
    let parsed = records::profile::Profile::parse(document.as_bytes()).expect("a profile");
    let mut log = TestLog::create(LogOptions::default());
    log.start_witnesses();
    log.start_server();
    let id = "XX-GOV-ARTS";
    let submitter = Treasury::with_key(log.origin(), id, key(Algorithm::Es256, 9));
    let ministry = Ministry { log, submitter };
    let gbp = |value: &str| json!({"currency": "GBP", "value": value});
    let award =
        json!({"amount": gbp("1000.00"), "programme": "arts", "recipient": {"id": "GB-COH-1"}});

    // Before: the log has no such profile, so it grants none.
    let add = Value::map([
        ("bodies", Value::list([id])),
        ("key", ministry.submitter.key().public().to_jwk()),
        ("profiles", Value::list(["grants/1"])),
        ("submitter", id.into()),
    ]);
    let object = format!("log/submitter/{id}");
    assert_eq!(ministry.govern("submitter.add", &object, add.clone()), Err("E20".to_owned()));

    let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    let publish = value(&json!({"document": document}));
    ministry.govern("profile.publish", "log/profile/grants/1", publish).expect("published");
    ministry.govern("submitter.add", &object, add).expect("registered");
    let served = ministry.log.http().get("/v1/profiles/grants/1").expect_status(200).json();
    assert!(served.to_string().contains("paid-in"), "{served}");

    ministry.say("award", "grant/1", &award).expect("an award");
    let in_words =
        json!({"amount": gbp("1.00"), "programme": "opera", "recipient": {"id": "GB-COH-1"}});
    assert_eq!(ministry.say("award", "grant/2", &in_words), Err("E15".to_owned()));
    let grant = format!("{id}/grant/1");
    let paid = |amount: &str| json!({"amount": gbp(amount), "grant": grant});
    ministry.say("instalment", "grant/1/instalment/1", &paid("600.00")).expect("paid");
    let over = ministry.say("instalment", "grant/1/instalment/2", &paid("400.01"));
    assert_eq!(over, Err("E27".to_owned()));
    ministry.say("instalment", "grant/1/instalment/2", &paid("400.00")).expect("paid");
    let close = |sum: &str| json!({"count": 2, "month": "2026-06", "sums": [gbp(sum)]});
    assert_eq!(
        ministry.say("month.close", "month/2026-06", &close("999.00")),
        Err("E10".to_owned())
    );
    ministry.say("month.close", "month/2026-06", &close("1000.00")).expect("closed");

    // Whoever downloads the log has the profile with it, and reaches the same.
    let reader = ministry.log.reader();
    let mut auditor = Auditor::new(ministry.log.origin());
    for entry in reader.tree(&reader.checkpoint().head()) {
        auditor.take(&entry).unwrap_or_else(|refusal| panic!("{refusal}"));
    }
    let published = records::state::published_profile(auditor.state(), "grants/1");
    assert_eq!(published.expect("readable").as_deref(), Some(parsed.canonical()));
}
