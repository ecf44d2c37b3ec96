use std::collections::BTreeMap;
use std::net::SocketAddr;

use prometheus::Registry;
use tempfile::TempDir;
use testlog::ForgedLog;

use super::*;
use crate::config::Listen;
use crate::identity::Signers;
use crate::metrics::Metrics;
use crate::state::{StateFolder, durable_write};
use crate::test_log::{forked_log, logs, signers, small_log};
use crate::witness::{Now, Witness};

struct Scene {
    folder: TempDir,
    log: ForgedLog,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        identity::init(folder.path(), &signers()).unwrap();
        Self { folder, log: small_log("log.example/a", 9) }
    }

    fn config(&self) -> Config {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        Config {
            name: "witness.example/w1".parse().unwrap(),
            dir: self.folder.path().to_owned(),
            listen: Listen { public: any, admin: None },
            logs: logs(&self.log),
            http: service::HttpLimits::default(),
        }
    }

    fn cosign(&self, old: u64, size: u64) {
        let write = durable_write();
        let (keys, logs) = (signers().verifier_keys(), logs(&self.log));
        let (state, known) = StateFolder::open(self.folder.path(), keys, &logs, write).unwrap();
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let witness = Witness::new(signers(), logs, state, known, metrics);
        let now = Now { unix: UnixSeconds::new(1_000), monotonic_millis: 0 };
        witness.add_checkpoint(&self.log.request(old, size), now).unwrap();
    }
}

/// What the log shows: a head, cosigned by this witness at that time, if at all.
fn shown(log: &ForgedLog, size: u64, at: Option<u64>, claimed: Option<u64>) -> Shown {
    let mut note = log.note(size);
    if let Some(at) = at {
        let checkpoint = Checkpoint::parse(note.text()).unwrap();
        for line in signers().sign(&checkpoint, UnixSeconds::new(at)) {
            note.push(line).unwrap();
        }
    }
    Shown { note, claimed: claimed.map(TreeSize::new) }
}

#[test]
fn list_shows_each_log_and_verifies_the_folder() {
    let scene = Scene::new();
    let words = list(&scene.config(), UnixSeconds::new(1_005)).unwrap();
    assert!(words.contains("log.example/a: nothing cosigned yet"), "{words}");
    scene.cosign(0, 5);
    let words = list(&scene.config(), UnixSeconds::new(1_005)).unwrap();
    assert!(words.contains("log.example/a: 5 entries, root "), "{words}");
    assert!(words.contains(", 5 s ago; 1 keys, 1000000 requests a day"), "{words}");
    let forgotten = Config { logs: BTreeMap::new(), ..scene.config() };
    let words = list(&forgotten, UnixSeconds::new(0)).unwrap();
    assert!(words.contains("not configured now"), "{words}");
    let file = scene.folder.path().join("state").join(scene.log.origin().sha256_hex());
    fs::write(file, "other").unwrap();
    assert!(list(&scene.config(), UnixSeconds::new(0)).is_err());
}

#[test]
fn what_the_folder_does_not_remember_is_an_alarm() {
    let scene = Scene::new();
    let fork = forked_log("log.example/a", 9, 2);
    let log = &scene.log;
    let config = scene.config();
    let outcome = |shown: Shown| compare(&shown, &config).map_err(|it| it.to_string());
    let refused = |shown: Shown| outcome(shown).unwrap_err();
    assert!(refused(shown(log, 3, Some(900), None)).contains("remembers nothing"));
    scene.cosign(0, 5);

    for fine in [
        shown(log, 5, Some(1_000), Some(5)),
        shown(log, 5, Some(900), None),
        shown(log, 3, Some(900), None),
        shown(log, 8, None, None),
        shown(log, 8, None, Some(4)),
    ] {
        outcome(fine).unwrap();
    }
    let older = "older copy";
    assert!(refused(shown(log, 8, Some(1_001), None)).contains(older));
    assert!(refused(shown(log, 5, Some(1_001), None)).contains(older));
    assert!(refused(shown(log, 8, None, Some(8))).contains("its word, no proof"));
    assert!(refused(shown(&fork, 5, Some(900), None)).contains("TWO trees of 5 entries"));
}

#[test]
fn a_line_of_ours_that_is_wrong_and_a_log_that_is_not_ours_are_refused() {
    let scene = Scene::new();
    scene.cosign(0, 5);
    let mut seen = shown(&scene.log, 5, None, None);
    let other = Checkpoint::parse(scene.log.note(3).text()).unwrap();
    seen.note.push(signers().sign(&other, UnixSeconds::new(5)).remove(0)).unwrap();
    assert!(compare(&seen, &scene.config()).is_err());
    let stranger = small_log("log.example/b", 9);
    assert!(compare(&shown(&stranger, 5, None, None), &scene.config()).is_err());
    // Whoever uses our name with another key is nobody we know.
    let impostor = Signers::new("witness.example/w1".parse().unwrap(), [9; 32], None).unwrap();
    let mut seen = shown(&scene.log, 8, None, None);
    let head = Checkpoint::parse(scene.log.note(8).text()).unwrap();
    seen.note.push(impostor.sign(&head, UnixSeconds::new(5)).remove(0)).unwrap();
    compare(&seen, &scene.config()).unwrap();
}

#[test]
fn a_checkpoint_in_a_file_is_read() {
    let scene = Scene::new();
    let path = scene.folder.path().join("checkpoint");
    fs::write(&path, scene.log.note(5).to_string()).unwrap();
    let words = compare(&Shown::in_file(&path).unwrap(), &scene.config()).unwrap();
    assert!(words.contains("5 entries, without this witness's signature"), "{words}");
    fs::write(&path, "not a note").unwrap();
    assert!(Shown::in_file(&path).is_err());
}
