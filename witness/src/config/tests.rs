use std::fs;

use tlog::{CosignatureSigner, Ed25519Signer, Rfc6962Signer};

use super::*;

fn log_key(seed: u8) -> String {
    let name = "log.example/a".parse().unwrap();
    Ed25519Signer::new(name, [seed; 32]).verifier_key().to_string()
}

fn load(logs: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("witness.toml");
    let text = format!(
        "name = \"w.example/1\"\ndir = \"data\"\n[listen]\npublic = \"127.0.0.1:0\"\n{logs}"
    );
    fs::write(&path, text).unwrap();
    Config::load(&path).map_err(|error| format!("{error:#}"))
}

#[test]
fn reads_several_keys_of_one_log_and_an_origin_of_its_own() {
    let logs = format!(
        "[[logs]]\nvkey = \"{}\"\n[[logs]]\nvkey = \"{}\"\n[[logs]]\nvkey = \"{}\"\norigin = \"o\"\n",
        log_key(1),
        log_key(2),
        log_key(1)
    );
    let config = load(&logs).unwrap();
    assert!(config.dir.ends_with("data") && config.dir.is_absolute());
    assert_eq!(config.logs[&"log.example/a".parse().unwrap()].keys.len(), 2);
    assert_eq!(config.logs[&"o".parse().unwrap()].keys.len(), 1);
    assert_eq!(config.listen.admin, None);
}

#[test]
fn says_what_is_wrong_and_where() {
    let name = || "log.example/a".parse().unwrap();
    let cosigner = CosignatureSigner::new(name(), [1; 32]).verifier_key();
    let tree_head = Rfc6962Signer::new(name(), [1; 32]).unwrap().verifier_key();
    let log = |key: &str| format!("[[logs]]\nvkey = \"{key}\"\n");
    let rows = [
        ("[[logs]]\n".to_owned(), "missing field `vkey`"),
        (log("nothing"), "line 6"),
        (format!("{}orgin = \"o\"\n", log(&log_key(1))), "orgin"),
        (format!("{}origin = \"a b\"\n", log(&log_key(1))), "origin of 1 to 255 bytes"),
        (log(&cosigner.to_string()), "0x01 (Ed25519)"),
        (log(&tree_head.to_string()), "0x01 (Ed25519)"),
        (format!("{0}{0}", log(&log_key(1))), "stands twice"),
        ("[http]\nheader_timeout = 1\n".to_owned(), "header_timeout"),
    ];
    for (logs, expected) in rows {
        let message = load(&logs).unwrap_err();
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
}

#[test]
fn the_samples_that_are_shipped_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for sample in ["deploy/witness.toml", "k8s/witness/witness.toml"] {
        let config = Config::load(&root.join(sample)).unwrap();
        assert_eq!(config.name.as_str(), "witness.example/w1", "{sample}");
    }
}

#[test]
fn the_sample_shows_the_defaults_of_every_field_that_may_be_left_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("deploy/witness.toml")).unwrap();
    let shown: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .skip_while(|line| *line != "[http]")
        .filter(|line| line.starts_with('[') || line.contains(" = "))
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert_eq!(load(&shown).unwrap().http, HttpLimits::default());
    assert_eq!(shown.lines().count(), 6, "{shown}");
}
