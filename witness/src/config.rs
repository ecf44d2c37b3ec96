//! The configuration file of a witness.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};
use service::HttpLimits;
use tlog::{CheckpointError, KeyName, KeyType, Origin, VerifierKey};

use crate::decide::Logs;

/// A configuration that was checked whole.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name in every cosignature.
    pub name: KeyName,
    /// The folder that `init` made.
    pub dir: PathBuf,
    /// Where it listens.
    pub listen: Listen,
    /// The logs it watches, each with the keys that may sign for it.
    pub logs: Logs,
    /// Bounds on connections.
    pub http: HttpLimits,
}

impl Config {
    /// Reads a configuration file. A relative `dir` starts at the folder of the file.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file and what in it is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let raw: RawConfig = service::load_toml(path)?;
        Ok(Self {
            name: raw.name,
            dir: service::resolve(path, &raw.dir),
            listen: raw.listen,
            logs: logs_by_origin(raw.logs)?,
            http: raw.http,
        })
    }
}

/// Where a witness listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// For logs and monitors. Port 0 takes a free one.
    pub public: SocketAddr,
    /// For metrics and health; without it there are none.
    pub admin: Option<SocketAddr>,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is missing or a field of it is wrong.
    #[error(transparent)]
    File(#[from] service::ConfigError),
    /// A log's key of a kind that signs no whole checkpoint.
    #[error("logs: expected a verifier key of type 0x01 (Ed25519) or 0x02 (ECDSA), got {key}")]
    KeyType {
        /// The key as written.
        key: Box<VerifierKey>,
    },
    /// The name of the key is no origin, and no `origin` was given.
    #[error("logs: the name of {key} is no origin")]
    Origin {
        /// The key as written.
        key: Box<VerifierKey>,
        /// What is wrong with it.
        #[source]
        source: CheckpointError,
    },
    /// The same key stands twice for one log.
    #[error("logs: {key} stands twice for {origin}")]
    Twice {
        /// The log.
        origin: Origin,
        /// The key as written.
        key: Box<VerifierKey>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    #[serde(deserialize_with = "from_text")]
    name: KeyName,
    dir: PathBuf,
    listen: Listen,
    #[serde(default)]
    logs: Vec<RawLog>,
    #[serde(default)]
    http: HttpLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLog {
    #[serde(deserialize_with = "from_text")]
    vkey: VerifierKey,
    /// The first line of the log's checkpoints, where it is not the name of the key.
    #[serde(default, deserialize_with = "from_optional_text")]
    origin: Option<Origin>,
}

fn logs_by_origin(raw: Vec<RawLog>) -> Result<Logs, ConfigError> {
    let mut logs = BTreeMap::new();
    for RawLog { vkey, origin } in raw {
        // A tree head signature (0x05) does not cover the origin, a cosignature (0x04) is no log's.
        if !matches!(vkey.key_type(), Some(KeyType::Ed25519 | KeyType::Ecdsa)) {
            return Err(ConfigError::KeyType { key: Box::new(vkey) });
        }
        let origin = match origin {
            Some(origin) => origin,
            None => vkey
                .name()
                .as_str()
                .parse()
                .map_err(|source| ConfigError::Origin { key: Box::new(vkey.clone()), source })?,
        };
        let keys: &mut Vec<VerifierKey> = logs.entry(origin.clone()).or_default();
        if keys.iter().any(|key| key.name() == vkey.name() && key.id() == vkey.id()) {
            return Err(ConfigError::Twice { origin, key: Box::new(vkey) });
        }
        keys.push(vkey);
    }
    Ok(logs)
}

/// Parsing inside of serde lets the error name file and line.
fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

fn from_optional_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    from_text(deserializer).map(Some)
}

#[cfg(test)]
mod tests;
