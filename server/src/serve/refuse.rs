//! Refusals under the operator's signature, so that a wrong one can be proven.
//!
//! Only what the sequencer judged is signed, and of that only records whose own signatures verified
//! before: a stranger without a key makes this log sign nothing. Signing costs less than the
//! verification that went before it, happens where that happened, and holds the same room.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use records::signed_refusal::REFUSALS_USE;
use records::{Algorithm, EntryIndex, Genesis, PublicKey, RefusalStatement, SigningKey};
use tlog::{LeafIndex, Origin};

use crate::admit::outcome::Signable;

/// The operator key for refusals. Handed to [`RefusalSigner`] and nowhere else.
pub struct RefusalKey(SigningKey);

impl RefusalKey {
    /// Makes the key in `folder`, readable by its owner only, and its public half as a JWK.
    ///
    /// # Errors
    /// When there is one already, or it cannot be written.
    pub fn generate(folder: &Path, jwk: &Path) -> anyhow::Result<PublicKey> {
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
    ///
    /// # Errors
    /// When the file is malformed, or readable by others than its owner.
    pub fn load(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = path(folder);
        if !path.exists() {
            return Ok(None);
        }
        let pem = files::read_private_key(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        let key = SigningKey::from_pkcs8_pem(&pem).context("the key for refusals")?;
        Ok(Some(Self(key)))
    }
}

/// Signs refusals, and nothing else.
pub struct RefusalSigner {
    origin: String,
    key: SigningKey,
}

impl RefusalSigner {
    /// Takes in a key that entry 0 names for refusals. `None` when there is no key: this log's
    /// refusals are then unsigned.
    ///
    /// # Errors
    /// When entry 0 does not name the key for this use: nobody could check what it signs.
    pub fn new(
        origin: &Origin,
        genesis: &Genesis,
        key: Option<RefusalKey>,
    ) -> anyhow::Result<Option<Self>> {
        let mut registered = genesis
            .operator_keys
            .iter()
            .filter(|it| it.uses.iter().any(|it| it == REFUSALS_USE))
            .map(|it| &it.key);
        let Some(RefusalKey(key)) = key else {
            if registered.next().is_some() {
                tracing::warn!("entry 0 names a key for refusals that is not here: unsigned");
            }
            return Ok(None);
        };
        ensure!(
            registered.any(|it| it == key.public()),
            "the key for refusals has the thumbprint {}, and entry 0 names no operator key of that \
             thumbprint for refusals: put the right file in its place, or remove it and refuse \
             without a signature",
            key.public().kid()
        );
        Ok(Some(Self { origin: origin.to_string(), key }))
    }

    /// The thumbprint of the key.
    pub fn kid(&self) -> &str {
        self.key.public().kid().as_str()
    }

    /// The signed text of a refusal that the sequencer judged.
    pub fn sign(
        &self,
        signable: &Signable,
        refusal: &records::Refusal,
        conflicts_with: Option<LeafIndex>,
    ) -> String {
        let index = |it: LeafIndex| EntryIndex::new(it.get());
        RefusalStatement::new(
            &self.origin,
            signable.record(),
            refusal,
            index(signable.size()),
            conflicts_with.map(index),
        )
        .sign(&self.key)
        .to_text()
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("refusals.pem")
}
