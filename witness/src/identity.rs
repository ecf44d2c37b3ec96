//! Who this witness is: one name, one key, made once and never replaced.
//!
//! A cosignature does not cover the name of its signer, so one key must never serve two names: the
//! folder keeps the verifier key, which holds both, beside the private one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use tlog::{CosignatureSigner, KeyName, VerifierKey};

use crate::state;

/// Makes the folder and the key of a new witness, and returns its verifier key.
///
/// # Errors
/// When the folder has a key: it is left as it is.
pub fn init(dir: &Path, name: KeyName, seed: [u8; 32]) -> anyhow::Result<VerifierKey> {
    service::create_dir_synced(dir).with_context(|| format!("making {}", dir.display()))?;
    let _held = service::lock_folder(dir)?;
    if key_path(dir).try_exists().context("looking for a key")? {
        bail!("{} holds a witness already: it is left as it is", dir.display());
    }
    let signer = CosignatureSigner::new(name, seed);
    let vkey = signer.verifier_key();
    state::create(dir).context("making the folder for what is cosigned")?;
    service::write_atomic(&vkey_path(dir), format!("{vkey}\n").as_bytes())
        .context("writing the verifier key")?;
    // The key comes last: as long as it is missing, a crash in here is repaired by another `init`.
    service::write_private_key(&key_path(dir), &signer.to_pkcs8_pem()?)?;
    Ok(vkey)
}

/// The signer in a folder, after checking that it is the one that `init` made under this name.
///
/// # Errors
/// When name or key are not those the folder was made with, or others can read the key.
pub fn open(dir: &Path, name: &KeyName) -> anyhow::Result<CosignatureSigner> {
    let pem = service::read_private_key(&key_path(dir))?;
    let signer = CosignatureSigner::from_pkcs8_pem(name.clone(), &pem)?;
    let (made_for, now) = (published(dir)?, signer.verifier_key());
    ensure!(
        now == made_for,
        "the witness in {} is {made_for}, but the configured name with its key is {now}",
        dir.display()
    );
    Ok(signer)
}

/// The verifier key of the witness in a folder.
///
/// # Errors
/// When it cannot be read.
pub fn published(dir: &Path) -> anyhow::Result<VerifierKey> {
    let path = vkey_path(dir);
    let reading = || format!("reading the verifier key in {}", path.display());
    fs::read_to_string(&path).with_context(reading)?.trim_end().parse().with_context(reading)
}

fn key_path(dir: &Path) -> PathBuf {
    dir.join("key.pem")
}

fn vkey_path(dir: &Path) -> PathBuf {
    dir.join("vkey")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> KeyName {
        text.parse().unwrap()
    }

    #[test]
    fn init_makes_a_witness_that_opens_and_refuses_a_second_time() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("deep/witness");
        let vkey = init(&dir, name("w.example/1"), [1; 32]).unwrap();
        let key = fs::read(key_path(&dir)).unwrap();
        let again = init(&dir, name("w.example/1"), [2; 32]).unwrap_err().to_string();
        assert!(again.contains("left as it is"), "{again}");
        assert_eq!(fs::read(key_path(&dir)).unwrap(), key);
        assert_eq!(open(&dir, &name("w.example/1")).unwrap().verifier_key(), vkey);
        assert_eq!(published(&dir).unwrap(), vkey);
    }

    #[test]
    fn init_after_a_crash_before_the_key_makes_a_new_witness() {
        let folder = tempfile::tempdir().unwrap();
        init(folder.path(), name("w.example/1"), [1; 32]).unwrap();
        fs::remove_file(key_path(folder.path())).unwrap();
        let vkey = init(folder.path(), name("w.example/1"), [2; 32]).unwrap();
        assert_eq!(open(folder.path(), &name("w.example/1")).unwrap().verifier_key(), vkey);
    }

    #[test]
    fn one_key_never_serves_two_names() {
        let folder = tempfile::tempdir().unwrap();
        init(folder.path(), name("w.example/1"), [1; 32]).unwrap();
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
        let _held = service::lock_folder(folder.path()).unwrap();
        let words = init(folder.path(), name("w.example/1"), [1; 32]).unwrap_err().to_string();
        assert!(words.contains("in use by another process"), "{words}");
    }
}
