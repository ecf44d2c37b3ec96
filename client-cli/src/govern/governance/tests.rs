use crate::exit::Exit;
use crate::fake_log::{FakeLog, ORIGIN};

fn log_with_governance() -> FakeLog {
    let log = FakeLog::start();
    let pem = log.governance.to_pkcs8_pem().unwrap();
    log.write_private("gov.pem", &pem);
    log
}

fn draft(kind: &str, rest: &str) -> String {
    format!(
        "governance draft {kind} --origin {ORIGIN} --occurred 2023-11-02 --out @draft.json {rest}"
    )
}

#[test]
fn a_submitter_is_drafted_signed_posted_and_shown() {
    let log = log_with_governance();
    log.civiclog("keygen --out @new.pem --alg Ed25519").expect(Exit::Done);
    let add = "--submitter XX-LAE-NEW --profile spending/1 --key @new.jwk --name Newton";
    log.civiclog(&draft("submitter-add", add)).expect(Exit::Done);
    let unsigned = log.civiclog("post @draft.json --log LOG").expect(Exit::Usage);
    assert!(unsigned.err.contains("governance sign"), "{}", unsigned.err);
    for key in ["@gov.pem", "@new.pem", "@new.pem"] {
        log.civiclog(&format!("governance sign @draft.json --key {key}")).expect(Exit::Done);
    }
    let posted = log.civiclog("post @draft.json --log LOG -o @p.tlog-proof --json");
    assert_eq!(posted.expect(Exit::Done).json()["index"], 2);
    log.civiclog("post @draft.json --log LOG").expect(Exit::Done);
    assert_eq!(log.size(), 3);
    log.civiclog("verify @p.tlog-proof --policy @policy.txt").expect(Exit::Done);
    let shown = log.civiclog("get log/submitter/XX-LAE-NEW --log LOG --json").expect(Exit::Done);
    assert_eq!(shown.json()["revisions"][0]["opened"]["/data/name"], "Newton");
    assert_eq!(log.civiclog("get 2 --log LOG --json").json()["opened"]["/data/name"], "Newton");
}

#[test]
fn keys_are_added_by_an_older_one_and_revoked() {
    let log = log_with_governance();
    log.civiclog("keygen --out @second.pem").expect(Exit::Done);
    log.civiclog(&draft("key-add", "--submitter XX-LAE-WMC --key @second.jwk")).expect(Exit::Done);
    log.civiclog("governance sign @draft.json --key @second.pem").expect(Exit::Done);
    let alone = log.civiclog("post @draft.json --log LOG").expect(Exit::NotVerified);
    assert!(alone.err.contains("refused"), "{}", alone.err);
    log.civiclog("governance sign @draft.json --key @key.pem").expect(Exit::Done);
    log.civiclog("post @draft.json --log LOG").expect(Exit::Done);
    std::fs::remove_file(log.path("draft.json")).unwrap();
    log.civiclog(&draft("key-revoke", "--key @second.jwk --since 2023-10-01")).expect(Exit::Done);
    log.civiclog("governance sign @draft.json --key @gov.pem").expect(Exit::Done);
    log.civiclog("post @draft.json --log LOG").expect(Exit::Done);
    assert_eq!(log.size(), 4);
}

#[test]
fn keys_and_drafts_are_never_overwritten_and_never_readable_by_others() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let log = log_with_governance();
    log.civiclog("governance keygen --out @k.pem").expect(Exit::Done);
    assert_eq!(std::fs::metadata(log.path("k.pem")).unwrap().mode() & 0o777, 0o600);
    let before = log.read("k.pem");
    log.civiclog("keygen --out @k.pem").expect(Exit::Usage);
    assert_eq!(log.read("k.pem"), before);
    let add = draft("key-add", "--submitter XX-LAE-WMC --key @k.jwk");
    log.civiclog(&add).expect(Exit::Done);
    log.civiclog(&add).expect(Exit::Usage);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(log.path("k.pem"), open).unwrap();
    let refused = log.civiclog("governance sign @draft.json --key @k.pem").expect(Exit::Usage);
    assert!(refused.err.contains("chmod 600"), "{}", refused.err);
}

#[test]
fn mistakes_in_a_draft_are_named_before_anybody_signs() {
    let log = log_with_governance();
    log.civiclog("keygen --out @k.pem").expect(Exit::Done);
    for rest in [
        "--submitter nonsense --profile spending/1 --key @k.jwk",
        "--submitter XX-LAE-NEW --profile registry/1 --key @k.jwk",
        "--submitter XX-LAE-NEW --profile spending/1 --key @k.pem",
    ] {
        log.civiclog(&draft("submitter-add", rest)).expect(Exit::Usage);
        assert!(!log.path("draft.json").exists());
    }
}

#[test]
fn what_a_log_says_of_itself_is_shown() {
    let log = log_with_governance();
    let words = log.civiclog("log --log LOG").expect(Exit::Done);
    assert!(words.out.contains("3 of (w1, w2, w3, w4)"), "{}", words.out);
    assert_eq!(log.civiclog("log --log LOG --json").json()["origin"], ORIGIN);
    log.civiclog("get 99 --log LOG").expect(Exit::NotVerified);
    log.civiclog("get ../x --log LOG").expect(Exit::Usage);
    log.civiclog("log --log nonsense").expect(Exit::Usage);
    let failed = log.civiclog("log --log http://127.0.0.1:1 --json").expect(Exit::Unreachable);
    assert_eq!(failed.json()["exit"], 3);
}
