//! Who this witness is: one name, its keys, made once and never replaced.
//!
//! A cosignature does not cover the name of its signer, so one key must never serve two names: the
//! folder keeps the verifier keys, which hold both, beside the private ones.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use files::Access;
use tlog::{CosignatureSigner, KeyName, MlDsaSigner, VerifierKey};

use crate::signers::Signers;
use crate::state;

/// Makes the folder and the keys of a new witness, and returns its verifier keys.
///
/// # Errors
/// When the folder has a key: it is left as it is.
pub fn init(dir: &Path, signers: &Signers) -> anyhow::Result<Vec<VerifierKey>> {
    files::create_folder(dir, Access::Owner)
        .with_context(|| format!("making {}", dir.display()))?;
    let _held = files::lock_folder(dir)?;
    if key_path(dir).try_exists().context("looking for a key")? {
        bail!("{} holds a witness already: it is left as it is", dir.display());
    }
    let vkeys = signers.verifier_keys();
    state::create(dir).context("making the folder for what is cosigned")?;
    let lines: Vec<String> = vkeys.iter().map(ToString::to_string).collect();
    files::replace(&vkey_path(dir), (lines.join("\n") + "\n").as_bytes(), Access::Everyone)
        .context("writing the verifier keys")?;
    // A crash in here is repaired by another `init`, so what an earlier one left behind may go.
    if ml_dsa_path(dir).try_exists().context("looking for a key")? {
        fs::remove_file(ml_dsa_path(dir)).context("removing the key of an unfinished init")?;
    }
    if let Some(signer) = &signers.ml_dsa {
        files::create_private_key(&ml_dsa_path(dir), &signer.to_pkcs8_pem()?)?;
    }
    // The key comes last: as long as it is missing, there is no witness.
    files::create_private_key(&key_path(dir), &signers.ed25519.to_pkcs8_pem()?)?;
    Ok(vkeys)
}

/// The signers in a folder, after checking that they are those that `init` made under this name.
///
/// # Errors
/// When name or keys are not those the folder was made with, or others can read a key.
pub fn open(dir: &Path, name: &KeyName) -> anyhow::Result<Signers> {
    let pem = files::read_private_key(&key_path(dir))?;
    let ed25519 = CosignatureSigner::from_pkcs8_pem(name.clone(), &pem)?;
    let made_for = published(dir)?;
    let ml_dsa = if made_for.len() > 1 {
        let pem = files::read_private_key(&ml_dsa_path(dir))?;
        Some(MlDsaSigner::from_pkcs8_pem(name.clone(), &pem)?)
    } else {
        None
    };
    let signers = Signers { ed25519, ml_dsa };
    for (now, made_for) in signers.verifier_keys().iter().zip(&made_for) {
        ensure!(
            now == made_for,
            "the witness in {} is {made_for}, but the configured name with its key is {now}",
            dir.display()
        );
    }
    Ok(signers)
}

/// The verifier keys of the witness in a folder, one or two, that of Ed25519 first.
pub fn published(dir: &Path) -> anyhow::Result<Vec<VerifierKey>> {
    let path = vkey_path(dir);
    let reading = || format!("reading the verifier keys in {}", path.display());
    let text = fs::read_to_string(&path).with_context(reading)?;
    let keys: Vec<VerifierKey> =
        text.lines().map(str::parse).collect::<Result<_, _>>().with_context(reading)?;
    ensure!((1..=2).contains(&keys.len()), "expected one or two keys in {}", path.display());
    Ok(keys)
}

fn key_path(dir: &Path) -> PathBuf {
    dir.join("key.pem")
}

fn ml_dsa_path(dir: &Path) -> PathBuf {
    dir.join("key-ml-dsa.pem")
}

fn vkey_path(dir: &Path) -> PathBuf {
    dir.join("vkey")
}

#[cfg(test)]
mod tests {
    use tlog::{Checkpoint, UnixSeconds};

    use super::*;

    fn name(text: &str) -> KeyName {
        text.parse().unwrap()
    }

    fn made(dir: &Path, seed: u8) -> anyhow::Result<Vec<VerifierKey>> {
        init(dir, &Signers::new(name("w.example/1"), [seed; 32], None).unwrap())
    }

    #[test]
    fn a_second_key_is_made_kept_and_signs_too() {
        let folder = tempfile::tempdir().unwrap();
        let signers = Signers::new(name("w.example/1"), [1; 32], Some([2; 32])).unwrap();
        let vkeys = init(folder.path(), &signers).unwrap();
        assert_eq!(published(folder.path()).unwrap(), vkeys);
        let opened = open(folder.path(), &name("w.example/1")).unwrap();
        assert_eq!(opened.verifier_keys(), vkeys);
        let head = tlog::TreeHead::EMPTY;
        let checkpoint = Checkpoint::new("log.example/a".parse().unwrap(), head);
        let lines = opened.sign(&checkpoint, UnixSeconds::new(7));
        let note = tlog::Note::new(checkpoint.to_text(), lines).unwrap();
        assert_eq!(note.signatures().len(), 2);
        for vkey in &vkeys {
            let at = tlog::SignedAt::Seconds(UnixSeconds::new(7));
            assert_eq!(vkey.verify_note(&note), Ok(Some(at)), "{vkey}");
        }
        // A key that is missing is no reason to sign with the other one alone.
        fs::remove_file(ml_dsa_path(folder.path())).unwrap();
        assert!(open(folder.path(), &name("w.example/1")).is_err());
    }

    #[test]
    fn init_makes_a_witness_that_opens_and_refuses_a_second_time() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("deep/witness");
        let vkey = made(&dir, 1).unwrap();
        let key = fs::read(key_path(&dir)).unwrap();
        let again = made(&dir, 2).unwrap_err().to_string();
        assert!(again.contains("left as it is"), "{again}");
        assert_eq!(fs::read(key_path(&dir)).unwrap(), key);
        assert_eq!(open(&dir, &name("w.example/1")).unwrap().verifier_keys(), vkey);
        assert_eq!(published(&dir).unwrap(), vkey);
    }

    #[test]
    fn init_after_a_crash_before_the_key_makes_a_new_witness() {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path(), 1).unwrap();
        fs::remove_file(key_path(folder.path())).unwrap();
        let vkey = made(folder.path(), 2).unwrap();
        assert_eq!(open(folder.path(), &name("w.example/1")).unwrap().verifier_keys(), vkey);
    }

    #[test]
    fn one_key_never_serves_two_names() {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path(), 1).unwrap();
        let words = open(folder.path(), &name("w.example/2")).unwrap_err().to_string();
        assert!(words.contains("w.example/1+") && words.contains("w.example/2+"), "{words}");
    }

    #[test]
    fn a_folder_without_a_witness_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(folder.path(), &name("w.example/1")).is_err());
        fs::write(vkey_path(folder.path()), "nothing").unwrap();
        assert!(published(folder.path()).is_err());
    }

    #[test]
    fn a_folder_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _held = files::lock_folder(folder.path()).unwrap();
        let words = made(folder.path(), 1).unwrap_err().to_string();
        assert!(words.contains("in use by another process"), "{words}");
    }
}
