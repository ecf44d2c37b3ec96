use std::path::PathBuf;

use tempfile::TempDir;
use tlog::Ed25519Signer;

use super::*;

const CONFIG: &str = "# mine\nname = \"w.example/1\"\ndir = \"data\"\n[listen]\npublic = \"127.0.0.1:0\"\n\
                      [http]\nconnections_max = 5 # few";

fn configuration() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("witness.toml");
    fs::write(&path, CONFIG).unwrap();
    (folder, path)
}

fn vkey(name: &str, seed: u8) -> VerifierKey {
    Ed25519Signer::new(name.parse().unwrap(), [seed; 32]).verifier_key()
}

#[test]
fn keys_are_added_and_what_was_there_stays() {
    let (_folder, path) = configuration();
    let origin: Origin = "log.example/a\"b".parse().unwrap();
    add_key(&path, &vkey("log.example/a", 1), None, Some(7)).unwrap();
    add_key(&path, &vkey("log.example/a", 2), None, None).unwrap();
    add_key(&path, &vkey("log.example/k", 3), Some(&origin), None).unwrap();
    let logs = Config::load(&path).unwrap().logs;
    let log = &logs[&"log.example/a".parse().unwrap()];
    assert_eq!((log.keys.len(), log.requests_per_day), (2, 7));
    assert_eq!(logs[&origin].keys, [vkey("log.example/k", 3)]);
    assert!(fs::read_to_string(&path).unwrap().starts_with(CONFIG));
}

#[test]
fn what_would_not_be_accepted_changes_nothing() {
    let (_folder, path) = configuration();
    let key = vkey("log.example/a", 1);
    add_key(&path, &key, None, None).unwrap();
    let before = fs::read_to_string(&path).unwrap();
    let cosigner = tlog::CosignatureSigner::new("w.example/2".parse().unwrap(), [1; 32]);
    for refused in [
        add_key(&path, &key, None, None),
        add_key(&path, &vkey("log.example/b", 1), None, Some(0)),
        add_key(&path, &vkey("log.example/a", 2), None, Some(9)),
        add_key(&path, &cosigner.verifier_key(), None, None),
        add_list(&path, Path::new("absent")),
    ] {
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }
}

#[test]
fn a_list_adds_new_logs_and_changes_none() {
    let (folder, path) = configuration();
    add_key(&path, &vkey("log.example/a", 1), None, None).unwrap();
    let list = folder.path().join("list");
    let entry =
        |name: &str, seed| format!("vkey {}\nqpd 500\ncontact \"x\" \u{7f}\n", vkey(name, seed));
    let text = format!("logs/v0\n{}{}", entry("log.example/a", 2), entry("log.example/b", 3));
    fs::write(&list, text).unwrap();
    let words = add_list(&path, &list).unwrap();
    assert!(words.contains("log.example/a is watched already, UNDER ANOTHER KEY"), "{words}");
    assert!(words.contains("log.example/b added"), "{words}");
    let logs = Config::load(&path).unwrap().logs;
    assert_eq!(logs[&"log.example/a".parse().unwrap()].keys, [vkey("log.example/a", 1)]);
    assert_eq!(logs[&"log.example/b".parse().unwrap()].requests_per_day, 500);
    let again = add_list(&path, &list).unwrap();
    assert!(again.contains("log.example/b is watched already\n"), "{again}");
    assert_eq!(Config::load(&path).unwrap().logs, logs);
}
