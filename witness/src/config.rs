//! The configuration file of a witness.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Deserializer, de};
use service::HttpLimits;
use tlog::{KeyName, KeyType, Origin, REQUESTS_PER_DAY_MAX, VerifierKey};

use crate::decide::{Log, Logs};

/// A configuration that was checked whole.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name in every cosignature.
    pub name: KeyName,
    /// The folder that `init` made.
    pub dir: PathBuf,
    /// Where it listens.
    pub listen: Listen,
    /// The logs it watches, each with the keys that may sign for it and its limit.
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
        Self::check(path, service::load_toml(path)?)
    }

    /// Reads the text of a configuration file that is at `path`, or will be.
    ///
    /// # Errors
    /// Names the file, and what is wrong.
    pub fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        Self::check(path, service::parse_toml(path, text)?)
    }

    fn check(path: &Path, raw: RawConfig) -> anyhow::Result<Self> {
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
    /// Of the log as a whole: at its first key, or nowhere.
    requests_per_day: Option<u32>,
}

fn logs_by_origin(raw: Vec<RawLog>) -> anyhow::Result<Logs> {
    let mut logs = Logs::new();
    for RawLog { vkey, origin, requests_per_day } in raw {
        refuse_key_of_no_log(&vkey)?;
        let origin: Origin = match origin {
            Some(origin) => origin,
            None => vkey.name().as_str().parse().with_context(|| format!("logs: {vkey}"))?,
        };
        let requests = requests_per_day.unwrap_or(REQUESTS_PER_DAY_DEFAULT);
        ensure!(
            (1..=REQUESTS_PER_DAY_MAX).contains(&requests),
            "logs: expected requests_per_day from 1 to {REQUESTS_PER_DAY_MAX} for {origin}"
        );
        let new = || Log { keys: Vec::new(), requests_per_day: requests };
        let log = logs.entry(origin.clone()).or_insert_with(new);
        ensure!(
            !log.keys.iter().any(|key| key.name() == vkey.name() && key.id() == vkey.id()),
            "logs: {vkey} stands twice for {origin}"
        );
        ensure!(
            log.keys.is_empty() || requests_per_day.is_none(),
            "logs: requests_per_day stands at a further key of {origin}, expected it at the first"
        );
        log.keys.push(vkey);
    }
    Ok(logs)
}

/// A tree head signature (0x05) does not cover the origin, a cosignature (0x04) is no log's.
pub(crate) fn refuse_key_of_no_log(vkey: &VerifierKey) -> anyhow::Result<()> {
    ensure!(
        matches!(vkey.key_type(), Some(KeyType::Ed25519 | KeyType::Ecdsa | KeyType::MlDsa44)),
        "logs: expected a verifier key of type 0x01 (Ed25519), 0x02 (ECDSA) or 0x06 (ML-DSA-44), \
         got {vkey}"
    );
    Ok(())
}

/// More than any log needs, and few enough that one alone cannot keep the disk busy.
pub const REQUESTS_PER_DAY_DEFAULT: u32 = 10_000_000;

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
