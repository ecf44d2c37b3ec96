use std::fs::{self, Permissions};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn written_keys_are_private_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    create_private_key(&path, "secret").unwrap();
    assert_eq!(read_private_key(&path).unwrap(), "secret");
    assert!(matches!(create_private_key(&path, "other"), Err(KeyFileError::Exists { .. })));
    assert_eq!(read_private_key(&path).unwrap(), "secret");
}

#[test]
fn refuses_keys_that_others_can_read_or_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    create_private_key(&path, "secret").unwrap();
    for (mode, accepted) in [(0o400, true), (0o600, true), (0o640, false), (0o602, false)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(read_private_key(&path).is_ok(), accepted, "mode {mode:o}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let message = read_private_key(&path).unwrap_err().to_string();
    assert!(message.contains("0644") && message.contains("chmod 600"), "{message}");
}

#[test]
fn refuses_what_cannot_be_a_key() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(read_private_key(folder.path()), Err(KeyFileError::NotAKeyFile { .. })));
    let absent = read_private_key(&folder.path().join("absent"));
    assert!(matches!(absent, Err(KeyFileError::Io { .. })));
}

#[test]
fn a_key_exchanged_while_it_is_read_is_judged_by_its_own_mode() {
    let folder = tempfile::tempdir().unwrap();
    let (path, spare) = (folder.path().join("key.pem"), folder.path().join("spare"));
    let put = |text: &str, mode: u32| {
        fs::write(&spare, text).unwrap();
        fs::set_permissions(&spare, Permissions::from_mode(mode)).unwrap();
        fs::rename(&spare, &path).unwrap();
    };
    put("private", 0o600);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                put("open to all", 0o644);
                put("private", 0o600);
            }
        });
        for _ in 0..2000 {
            match read_private_key(&path) {
                Ok(text) => assert_eq!(text, "private"),
                Err(error) => assert!(matches!(error, KeyFileError::TooOpen { .. }), "{error}"),
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn other_forms_are_named_with_a_command_that_converts_them() {
    let rows = [
        ("ENCRYPTED PRIVATE KEY", "openssl pkey -in"),
        ("EC PRIVATE KEY", "openssl pkey -in"),
        ("RSA PRIVATE KEY", "openssl genpkey -algorithm ed25519"),
        ("OPENSSH PRIVATE KEY", "ssh-keygen -p -N '' -m PKCS8 -f"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (label, command) in rows {
        let path = folder.path().join(label);
        let pem = format!("-----BEGIN {label}-----\nAA==\n-----END {label}-----\n");
        create_private_key(&path, &pem).unwrap();
        let message = read_private_key(&path).unwrap_err().to_string();
        assert!(message.contains(label) && message.contains(command), "{message}");
    }
}

/// Each key is made by the program that users have it from, and converted by the line they are told.
#[test]
fn the_commands_that_convert_work() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        ("sec 1.pem", "openssl ecparam -name prime256v1 -genkey -out 'sec 1.pem'", ""),
        (
            "locked.pem",
            "openssl genpkey -algorithm ed25519 -aes256 -pass pass:tell -out locked.pem",
            " -passin pass:tell)",
        ),
        ("rsa.pem", "openssl genrsa -traditional -out rsa.pem 2048", ""),
        ("ssh", "ssh-keygen -q -t ecdsa -b 256 -N '' -f ssh", ""),
    ];
    for (name, made_by, passphrase) in rows {
        if !shell(folder.path(), made_by) {
            eprintln!("skipped: `{made_by}` does not work here");
            continue;
        }
        let path = folder.path().join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let message = read_private_key(&path).unwrap_err().to_string();
        let (_, command) = message.split_once(" with: ").unwrap();
        let command = match passphrase {
            "" => command.to_owned(),
            typed => command.replace(')', typed),
        };
        assert!(shell(folder.path(), &command), "{command}");
        let converted = read_private_key(&path.with_extension("pkcs8.pem")).unwrap();
        assert!(converted.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{converted}");
    }
}

fn shell(folder: &Path, command: &str) -> bool {
    let output = Command::new("sh").args(["-c", command]).current_dir(folder).output().unwrap();
    output.status.success()
}
