//! The operator key that signs refusals: made once, kept beside the log's own keys.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use records::{Algorithm, PublicKey, SigningKey};

/// The operator key for refusals. Handed to the signer of refusals and to nobody else.
pub(crate) struct RefusalKey(SigningKey);

impl RefusalKey {
    /// Makes the key in `folder`, readable by its owner only, and its public half as a JWK.
    pub(crate) fn generate(folder: &Path, jwk: &Path) -> anyhow::Result<PublicKey> {
        ensure!(!path(folder).exists(), "{} exists already", path(folder).display());
        files::create_folder(folder, files::Access::Owner)
            .with_context(|| format!("creating {}", folder.display()))?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("asking the system for randomness")?;
        let key = SigningKey::generate_from_seed(Algorithm::Ed25519, seed)?;
        // The public half first: without the private one it is nothing, and can be made again.
        std::fs::write(jwk, records::to_canonical(&key.public().to_jwk()))
            .with_context(|| format!("writing {}", jwk.display()))?;
        files::create_private_key(&path(folder), &key.to_pkcs8_pem()?)
            .context("writing the key for refusals")?;
        Ok(key.public().clone())
    }

    /// Reads the key, where there is one.
    pub(crate) fn load(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = path(folder);
        if !path.exists() {
            return Ok(None);
        }
        let pem = files::read_private_key(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        let key = SigningKey::from_pkcs8_pem(&pem).context("the key for refusals")?;
        Ok(Some(Self(key)))
    }

    /// Hands the key over, to the one that signs with it.
    pub(crate) fn into_signing_key(self) -> SigningKey {
        self.0
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("refusals.pem")
}
