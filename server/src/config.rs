//! The server's configuration: one TOML file, every field named, unknown fields refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use tlog::{Origin, Policy};
use tlog_client::{HttpSettings, Proxies, Trust};

/// The file as it is written; [`Config`] is what it means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    origin: String,
    data_dir: PathBuf,
    policy: PathBuf,
    anchor: Option<PathBuf>,
    #[serde(default)]
    listen: Listen,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    publish: Publish,
    #[serde(default)]
    documents: DocumentLimits,
    #[serde(default)]
    network: Network,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// The port for everybody. Default `127.0.0.1:8080`; port 0 takes a free one.
    pub public: SocketAddr,
    /// The port for the operator: metrics and health. Default `127.0.0.1:9090`; keep it private.
    pub admin: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            public: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin: SocketAddr::from(([127, 0, 0, 1], 9090)),
        }
    }
}

/// What the server takes on at once. The limits of the format itself are fixed in `records`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Entries in one commit, at most. Default 1024; 1 to 16,384.
    pub batch_entries_max: usize,
    /// Submissions waiting at once, at most. Default 65,536.
    pub pool_submissions_max: usize,
    /// Bytes of memory that request bodies and waiting submissions hold, at most: a body of n bytes
    /// counts as 5 n, and each submission in it as 4 KiB more. Default 256 MiB; at least 96 MiB, which
    /// holds one full batch.
    pub pool_bytes_max: usize,
    /// Bytes of large answers on their way, at most, for reads and for writes each. Default 64 MiB.
    pub answer_bytes_max: usize,
    /// Open connections, at most; further ones wait to be accepted. Default 2,048.
    pub connections_max: usize,
    /// Write requests served at once; more are answered 503. Default 1,024.
    pub writes_max: usize,
    /// Read requests served at once; more are answered 503. Default 512.
    pub reads_max: usize,
    /// How long a client may take to send its headers, in milliseconds. Default 10,000.
    pub header_timeout_ms: u64,
    /// How long a client may take to send its body, in milliseconds. Default 30,000.
    pub body_timeout_ms: u64,
    /// How long `wait=published` waits before it answers 202, in milliseconds. Default 20,000.
    pub wait_published_ms: u64,
    /// How long open requests may take to finish after SIGTERM, in milliseconds. Default 25,000.
    pub drain_timeout_ms: u64,
    /// Nothing is taken in while the disk of the database or of the anchor has fewer bytes free.
    /// Default 1 GiB; 0 never looks.
    pub disk_free_bytes_min: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_entries_max: 1024,
            pool_submissions_max: 65_536,
            pool_bytes_max: 256 * 1024 * 1024,
            answer_bytes_max: 64 * 1024 * 1024,
            connections_max: 2048,
            writes_max: 1024,
            reads_max: 512,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            wait_published_ms: 20_000,
            drain_timeout_ms: 25_000,
            disk_free_bytes_min: 1 << 30,
        }
    }
}

/// What documents may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentLimits {
    /// Bytes of one submitter's documents together. Default 10 GiB; 0 takes none in.
    pub bytes_per_submitter_max: u64,
    /// Uploads at once; more are answered 503. Default 8.
    pub uploads_max: usize,
    /// Downloads at once; more are answered 503. Default 64.
    pub downloads_max: usize,
    /// How long one upload may take, in milliseconds. Default 120,000.
    pub upload_timeout_ms: u64,
    /// Uploads are refused when the disk would have less than this left. Default 1 GiB.
    pub disk_free_bytes_min: u64,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            bytes_per_submitter_max: 10 << 30,
            uploads_max: 8,
            downloads_max: 64,
            upload_timeout_ms: 120_000,
            disk_free_bytes_min: 1 << 30,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Publish {
    /// The least time between two rounds, in milliseconds. Default 250; 10 to 60,000.
    pub checkpoint_interval_ms: u64,
    /// A head is cosigned anew after this time even without growth. Default 60,000 ms.
    pub refresh_interval_ms: u64,
    /// How long one request to a witness may take, in milliseconds. Default 5,000.
    pub witness_timeout_ms: u64,
    /// Requests that each witness allows in a day; rounds are paced to it. Default 864,000.
    pub requests_per_day: u64,
    /// Witnesses that allow another number, by their names in the policy.
    pub requests_per_day_of: BTreeMap<String, u64>,
    /// `/readyz` fails when the published head is older than this. Default 180,000 ms.
    pub ready_age_max_ms: u64,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            checkpoint_interval_ms: 250,
            refresh_interval_ms: 60_000,
            witness_timeout_ms: 5_000,
            requests_per_day: 864_000,
            requests_per_day_of: BTreeMap::new(),
            ready_age_max_ms: 180_000,
        }
    }
}

/// How witnesses and mirrors are reached. Proxies come from the environment: `HTTPS_PROXY` and its like.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Certificates in PEM of authorities that are believed beside the system's. Default: none.
    pub ca_file: Option<PathBuf>,
    /// The certificate in PEM, with its chain, that is shown to who asks for one. Default: none.
    pub client_certificate: Option<PathBuf>,
    /// Its private key in PEM, readable by its owner alone. Set with the certificate or not at all.
    pub client_key: Option<PathBuf>,
}

impl Network {
    fn below(self, folder: &Path) -> Self {
        let below = |path: Option<PathBuf>| path.map(|path| folder.join(path));
        Self {
            ca_file: below(self.ca_file),
            client_certificate: below(self.client_certificate),
            client_key: below(self.client_key),
        }
    }

    fn trust(&self) -> anyhow::Result<Trust> {
        let read = |path: &Path| {
            std::fs::read(path).with_context(|| format!("reading {}", path.display()))
        };
        let mut trust = Trust::default();
        if let Some(path) = &self.ca_file {
            trust = trust
                .and_authorities(&read(path)?)
                .with_context(|| format!("`network.ca_file` {}", path.display()))?;
        }
        if let (Some(path), Some(key)) = (&self.client_certificate, &self.client_key) {
            trust = trust
                .with_identity(&read(path)?, files::read_secret(key)?.as_bytes())
                .with_context(|| format!("`network.client_certificate` {}", path.display()))?;
        }
        Ok(trust)
    }
}

/// A checked configuration, with every path made absolute to the file's own folder.
#[derive(Clone, Debug)]
pub struct Config {
    /// The log's name for ever.
    pub origin: Origin,
    /// The folder that holds keys, database and, unless moved, the anchor.
    pub data_dir: PathBuf,
    /// The anchor: what was signed last. Keep it on another disk where you can.
    pub anchor: PathBuf,
    /// The witness policy file.
    pub policy_path: PathBuf,
    pub listen: Listen,
    /// What to take on at once.
    pub limits: Limits,
    pub publish: Publish,
    /// What documents may take.
    pub documents: DocumentLimits,
    /// How witnesses and mirrors are reached.
    pub network: Network,
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// When the file cannot be read, has an unknown or missing field, or a value out of range;
    /// the message names the field.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let raw: RawConfig = service::config::load_toml(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let config = Self {
            origin: raw.origin.parse().with_context(|| format!("{}: `origin`", path.display()))?,
            data_dir: folder.join(&raw.data_dir),
            anchor: raw
                .anchor
                .map_or_else(|| folder.join(&raw.data_dir).join("anchor"), |it| folder.join(it)),
            policy_path: folder.join(raw.policy),
            listen: raw.listen,
            limits: raw.limits,
            publish: raw.publish,
            documents: raw.documents,
            network: raw.network.below(folder),
        };
        config.check_ranges().with_context(|| path.display().to_string())?;
        Ok(config)
    }

    /// How others are reached over HTTP.
    ///
    /// # Errors
    /// When a file of `[network]` or a proxy of the environment cannot be used.
    pub fn http_settings(&self) -> anyhow::Result<HttpSettings> {
        let proxies = Proxies::from_variables(service::environment_variable)?;
        Ok(HttpSettings { trust: self.network.trust()?, proxies, ..HttpSettings::default() })
    }

    /// The same for witnesses, which are asked once and have little time.
    pub fn witness_settings(&self) -> anyhow::Result<HttpSettings> {
        let timeout = Duration::from_millis(self.publish.witness_timeout_ms);
        Ok(self.http_settings()?.once_within(timeout))
    }

    /// Where the log's private keys are.
    pub fn keys_dir(&self) -> PathBuf {
        self.data_dir.join("keys")
    }

    pub fn database_dir(&self) -> PathBuf {
        self.data_dir.join("db")
    }

    pub fn documents_dir(&self) -> PathBuf {
        self.data_dir.join("documents")
    }

    /// Where the list of everything that was withdrawn is: beside the anchor, apart from the database.
    pub fn withdrawn_path(&self) -> PathBuf {
        self.anchor.with_extension("withdrawn")
    }

    /// Where heads are kept that our key signed and this data does not explain.
    pub fn evidence_dir(&self) -> PathBuf {
        self.data_dir.join("evidence")
    }

    /// Reads the witness policy; refuses one that a split view could satisfy.
    ///
    /// # Errors
    /// When the file is unreadable or malformed, or when two disjoint sets of witnesses could
    /// both satisfy it.
    pub fn policy(&self) -> anyhow::Result<(Policy, String)> {
        let path = self.policy_path.display();
        let text = std::fs::read_to_string(&self.policy_path)
            .with_context(|| format!("reading the witness policy {path}"))?;
        let policy = Policy::parse(&text).with_context(|| format!("witness policy {path}"))?;
        policy.refuse_unsafe().with_context(|| format!("witness policy {path}"))?;
        for witness in policy.witnesses() {
            anyhow::ensure!(
                witness.url.is_some(),
                "witness policy {path}: `witness {}` has no URL, so it cannot be asked",
                witness.name
            );
        }
        Ok((policy, text))
    }

    fn check_ranges(&self) -> anyhow::Result<()> {
        let in_range = |name: &str, value: u64, least: u64, most: u64| {
            anyhow::ensure!(
                (least..=most).contains(&value),
                "`{name}` is {value}; it must be {least} to {most}"
            );
            Ok(())
        };
        let (limits, publish, network) = (&self.limits, &self.publish, &self.network);
        anyhow::ensure!(
            network.client_certificate.is_some() == network.client_key.is_some(),
            "`network.client_certificate` and `network.client_key` are set both or not at all"
        );
        let documents = &self.documents;
        in_range("documents.uploads_max", documents.uploads_max as u64, 1, 1024)?;
        in_range("documents.downloads_max", documents.downloads_max as u64, 1, 65_536)?;
        in_range("documents.upload_timeout_ms", documents.upload_timeout_ms, 10, 3_600_000)?;
        in_range("limits.batch_entries_max", limits.batch_entries_max as u64, 1, 16_384)?;
        in_range("limits.pool_submissions_max", limits.pool_submissions_max as u64, 1, 1 << 20)?;
        in_range(
            "limits.pool_bytes_max",
            limits.pool_bytes_max as u64,
            POOL_BYTES_LEAST,
            16 << 30,
        )?;
        in_range("limits.answer_bytes_max", limits.answer_bytes_max as u64, 16 << 20, 4 << 30)?;
        in_range("limits.connections_max", limits.connections_max as u64, 1, 65_536)?;
        in_range("limits.writes_max", limits.writes_max as u64, 1, 65_536)?;
        in_range("limits.reads_max", limits.reads_max as u64, 1, 65_536)?;
        in_range("limits.header_timeout_ms", limits.header_timeout_ms, 10, 600_000)?;
        in_range("limits.body_timeout_ms", limits.body_timeout_ms, 10, 600_000)?;
        in_range("limits.wait_published_ms", limits.wait_published_ms, 0, 20_000)?;
        in_range("limits.drain_timeout_ms", limits.drain_timeout_ms, 0, 600_000)?;
        in_range("limits.disk_free_bytes_min", limits.disk_free_bytes_min, 0, 1 << 50)?;
        in_range("publish.checkpoint_interval_ms", publish.checkpoint_interval_ms, 10, 60_000)?;
        in_range("publish.refresh_interval_ms", publish.refresh_interval_ms, 1_000, 3_600_000)?;
        in_range("publish.witness_timeout_ms", publish.witness_timeout_ms, 100, 60_000)?;
        in_range("publish.requests_per_day", publish.requests_per_day, 24, 864_000_000)?;
        for per_day in publish.requests_per_day_of.values() {
            in_range("publish.requests_per_day_of", *per_day, 24, 864_000_000)?;
        }
        in_range("publish.ready_age_max_ms", publish.ready_age_max_ms, 1_000, 86_400_000)
    }
}

/// The least that `limits.pool_bytes_max` may say: a full batch must fit.
pub(crate) const POOL_BYTES_LEAST: u64 = 96 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> anyhow::Result<Config> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("server.toml");
        std::fs::write(&path, text).expect("writing the file");
        Config::load(&path)
    }

    const LEAST: &str = "origin = \"log.example/spending\"\ndata_dir = \"data\"\npolicy = \"p\"\n";

    #[test]
    fn three_fields_are_enough() {
        let config = load(LEAST).expect("a valid file");
        assert_eq!(config.limits.batch_entries_max, 1024);
        assert_eq!(config.publish.checkpoint_interval_ms, 250);
        assert!(config.anchor.ends_with("data/anchor"));
    }

    #[test]
    fn unknown_fields_are_refused_by_name() {
        let error = load(&format!("{LEAST}[limits]\nbatch_max = 3\n")).expect_err("unknown field");
        assert!(format!("{error:#}").contains("batch_max"), "{error:#}");
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        let text = format!("{LEAST}[publish]\ncheckpoint_interval_ms = 1\n");
        let error = load(&text).expect_err("too small");
        assert!(format!("{error:#}").contains("publish.checkpoint_interval_ms"), "{error:#}");
        let text = format!("{LEAST}[publish]\nrequests_per_day_of = {{ w1 = 5 }}\n");
        let error = load(&text).expect_err("too few");
        assert!(format!("{error:#}").contains("publish.requests_per_day_of"), "{error:#}");
    }
}
