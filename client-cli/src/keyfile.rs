//! Private keys on disk: PKCS#8 PEM, readable by their owner alone; the public half as a JWK
//! beside it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use files::Access;
use records::{Algorithm, PublicKey, SigningKey};

use crate::exit::{Exit, Explain, Failure, Outcome};

/// Reads a private key.
///
/// # Errors
/// Usage: the file is missing, others can read it, or it holds no key of a kind we use.
pub(crate) fn read_signing_key(path: &Path) -> Outcome<SigningKey> {
    let shown = path.display();
    let pem = files::read_private_key(path).map_err(|error| {
        let hint = if error.is_absent() { " (make one: civiclog keygen)" } else { "" };
        let words = format!("reading the key {shown}{hint}");
        Failure { exit: Exit::Usage, error: anyhow::Error::from(error).context(words) }
    })?;
    SigningKey::from_pkcs8_pem(&pem).explain(Exit::Usage, || {
        format!("{shown} is not a PKCS#8 PEM private key on P-256 or Ed25519")
    })
}

/// Reads a public key, a JWK.
///
/// # Errors
/// Usage: the file is missing or no such key.
pub(crate) fn read_public_key(path: &Path) -> Outcome<PublicKey> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).explain(Exit::Usage, || {
        format!("reading the public key {shown} (civiclog keygen writes one beside each key)")
    })?;
    PublicKey::from_jwk_json(text.trim())
        .explain(Exit::Usage, || format!("{shown} is not a public key in JWK form"))
}

/// Makes a key and writes both halves. Returns the public half and where it is.
///
/// # Errors
/// Usage: one of the files exists already; nothing is ever overwritten.
pub(crate) fn create(path: &Path, algorithm: Algorithm) -> Outcome<(PublicKey, PathBuf)> {
    let public_path = path.with_extension("jwk");
    if public_path == path {
        return Err(Failure::usage("a private key cannot be called .jwk; call it KEY.pem"));
    }
    if public_path.exists() {
        let words = format!("{} exists already; keys are never overwritten", public_path.display());
        return Err(Failure::usage(words));
    }
    let key = generate(algorithm)?;
    let pem = key.to_pkcs8_pem().explain(Exit::Usage, || "encoding the new key".to_owned())?;
    files::create_private_key(path, &pem)
        .explain(Exit::Usage, || format!("writing {}", path.display()))?;
    let public = key.public().clone();
    let jwk = format!("{}\n", jwk_text(&public));
    files::create(&public_path, jwk.as_bytes(), Access::Umask)
        .explain(Exit::Usage, || format!("writing {}", public_path.display()))?;
    Ok((public, public_path))
}

/// The canonical JWK of a key.
pub(crate) fn jwk_text(key: &PublicKey) -> String {
    String::from_utf8_lossy(&records::to_canonical(&key.to_jwk())).into_owned()
}

/// 16 or 32 bytes from the operating system, for salts and seeds.
pub(crate) fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(anyhow::Error::from)
        .context("asking the operating system for random bytes")
        .map_err(|error| Failure { exit: Exit::Usage, error })?;
    Ok(bytes)
}

fn generate(algorithm: Algorithm) -> Outcome<SigningKey> {
    // Not every 32 bytes are a P-256 key: about one draw in 2^32 is refused.
    for _ in 0..SEED_DRAWS_MAX {
        if let Ok(key) = SigningKey::generate_from_seed(algorithm, random()?) {
            return Ok(key);
        }
    }
    Err(Failure::usage("the operating system's random bytes do not look random"))
}

const SEED_DRAWS_MAX: u32 = 8;
