//! The log's two private keys on disk: Ed25519 signs heads, P-256 signs the RFC 6962 form.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tlog::{Ed25519Signer, Origin, Rfc6962Signer, VerifierKey};

/// The log's signers, read from their files. Handed to the log's signer and nowhere else.
pub struct LogKeys {
    /// Signs every head; what witnesses know the log by.
    pub ed25519: Ed25519Signer,
    /// Signs the RFC 6962 tree head, once a head has its quorum.
    pub p256: Rfc6962Signer,
}

impl LogKeys {
    /// Makes both keys in `folder`, each file readable by its owner only.
    pub fn generate(folder: &Path, origin: &Origin) -> anyhow::Result<Self> {
        for path in [ed25519_path(folder), p256_path(folder)] {
            anyhow::ensure!(
                !path.exists(),
                "{} exists: a log keeps its keys for ever; use another `data_dir` for a new log",
                path.display()
            );
        }
        files::create_folder(folder, files::Access::Owner)
            .with_context(|| format!("creating {}", folder.display()))?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("asking the system for randomness")?;
        let ed25519 = Ed25519Signer::new(origin.key_name(), seed);
        let p256 = loop {
            getrandom::fill(&mut seed).context("asking the system for randomness")?;
            // A draw outside the group order has a chance of 2^-32: draw again.
            if let Ok(signer) = Rfc6962Signer::new(origin.key_name(), seed) {
                break signer;
            }
        };
        files::create_private_key(&ed25519_path(folder), &ed25519.to_pkcs8_pem()?)
            .context("writing the Ed25519 key")?;
        files::create_private_key(&p256_path(folder), &p256.to_pkcs8_pem()?)
            .context("writing the P-256 key")?;
        Ok(Self { ed25519, p256 })
    }

    /// Reads both keys.
    pub fn load(folder: &Path, origin: &Origin) -> anyhow::Result<Self> {
        let read = |path: PathBuf| {
            files::read_private_key(&path)
                .with_context(|| format!("reading {}; `keygen` makes the keys", path.display()))
        };
        let ed25519 =
            Ed25519Signer::from_pkcs8_pem(origin.key_name(), &read(ed25519_path(folder))?)
                .context("the Ed25519 key")?;
        let p256 = Rfc6962Signer::from_pkcs8_pem(origin.key_name(), &read(p256_path(folder))?)
            .context("the P-256 key")?;
        Ok(Self { ed25519, p256 })
    }

    /// The public halves: Ed25519 first, then P-256.
    pub fn verifier_keys(&self) -> [VerifierKey; 2] {
        [self.ed25519.verifier_key(), self.p256.verifier_key()]
    }
}

fn ed25519_path(folder: &Path) -> PathBuf {
    folder.join("log-ed25519.pem")
}

fn p256_path(folder: &Path) -> PathBuf {
    folder.join("log-p256.pem")
}
