//! The configuration file of a witness.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Deserializer, de};
use service::HttpLimits;
use tlog::{KeyName, KeyType, Origin, VerifierKey};

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
    /// Names the file, and the line or the log that is wrong.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let raw: RawConfig = service::load_toml(path)?;
        Ok(Self {
            name: raw.name,
            dir: service::resolve(path, &raw.dir),
            listen: raw.listen,
            logs: logs_by_origin(raw.logs).with_context(|| path.display().to_string())?,
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

fn logs_by_origin(raw: Vec<RawLog>) -> anyhow::Result<Logs> {
    let mut logs = Logs::new();
    for RawLog { vkey, origin } in raw {
        // A tree head signature (0x05) does not cover the origin, a cosignature (0x04) is no log's.
        ensure!(
            matches!(vkey.key_type(), Some(KeyType::Ed25519 | KeyType::Ecdsa)),
            "logs: expected a verifier key of type 0x01 (Ed25519) or 0x02 (ECDSA), got {vkey}"
        );
        let origin: Origin = match origin {
            Some(origin) => origin,
            None => vkey.name().as_str().parse().with_context(|| format!("logs: {vkey}"))?,
        };
        let keys = logs.entry(origin.clone()).or_default();
        ensure!(
            !keys.iter().any(|key| key.name() == vkey.name() && key.id() == vkey.id()),
            "logs: {vkey} stands twice for {origin}"
        );
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
