//! Making a new log: its keys, the first entry, and then database and anchor. Contacts nobody.
//!
//! The governance keys never come near the server: `init --draft` writes entry 0 unsigned, they
//! sign it elsewhere, and `init --genesis` takes it in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use records::json::Value;
use records::{CheckedSubmission, EntryIndex, PublicKey, Record, Submission, Verdict};
use service::{Clock, SystemClock};
use store::{Kv, NewBatch, NewEntry, Store, Writer};
use tlog::Frontier;

use crate::admit::check::AwsLcEs256;
use crate::config::Config;
use crate::sign::anchor::Anchor;
use crate::sign::keys::LogKeys;
use crate::sign::refusal_key::RefusalKey;

/// Makes the log's keys and returns their verifier keys.
pub(crate) fn make_keys(config: &Config) -> anyhow::Result<[String; 2]> {
    let keys = LogKeys::generate(&config.keys_dir(), &config.origin)?;
    Ok(keys.verifier_keys().map(|it| it.to_string()))
}

/// Makes the key that signs refusals, and its public half in the file `jwk`; returns its thumbprint.
pub(crate) fn make_refusal_key(config: &Config, jwk: &Path) -> anyhow::Result<String> {
    let public = RefusalKey::generate(&config.keys_dir(), jwk)?;
    Ok(public.kid().to_string())
}

pub(crate) fn verifier_keys(config: &Config) -> anyhow::Result<[String; 2]> {
    let keys = LogKeys::load(&config.keys_dir(), &config.origin)?;
    Ok(keys.verifier_keys().map(|it| it.to_string()))
}

/// What the first entry is to say. Each path is the public half of a key, as JWK.
#[derive(Debug)]
pub(crate) struct DraftRequest<'a> {
    pub(crate) governance: &'a [PathBuf],
    pub(crate) threshold: u32,
    /// The keys that governance may rotate to; only their thumbprints are published.
    pub(crate) governance_next: &'a [PathBuf],
    /// The operator's keys, for signed refusals.
    pub(crate) operator_keys: &'a [PathBuf],
}

/// Writes entry 0 to a file, unsigned.
pub(crate) fn write_draft(
    config: &Config,
    request: &DraftRequest<'_>,
    path: &Path,
) -> anyhow::Result<()> {
    let (_, policy_text) = config.policy()?;
    let governance = read_keys(request.governance)?;
    let threshold = request.threshold;
    ensure!(
        threshold >= 1 && usize::try_from(threshold).is_ok_and(|it| it <= governance.len()),
        "--threshold is {threshold}; it must be 1 to {}, the number of governance keys",
        governance.len()
    );
    let next = read_keys(request.governance_next)?;
    let operators = read_keys(request.operator_keys)?;
    let today = records::format_millis(SystemClock::new().unix_millis());
    let record = genesis_record(
        config,
        &verifier_keys(config)?,
        &policy_text,
        &Governance { threshold, keys: governance, next },
        &operators,
        today.get(..10).context("today's date")?,
    );
    let record = Record::parse(&records::json::to_canonical(&record))
        .map_err(|it| anyhow::anyhow!("the genesis record: {it}"))?;
    let draft = Submission::unsigned(record, Vec::new())
        .map_err(|it| anyhow::anyhow!("the genesis record: {it}"))?;
    std::fs::write(path, draft.to_canonical())
        .with_context(|| format!("writing {}", path.display()))?;
    tracing::info!(
        "wrote {}: have {threshold} governance key(s) sign it with `civiclog governance sign`, \
         then run `init --genesis`",
        path.display()
    );
    Ok(())
}

struct Governance {
    threshold: u32,
    keys: Vec<PublicKey>,
    next: Vec<PublicKey>,
}

fn genesis_record(
    config: &Config,
    vkeys: &[String; 2],
    policy_text: &str,
    governance: &Governance,
    operators: &[PublicKey],
    today: &str,
) -> Value {
    let jwks = |keys: &[PublicKey]| Value::list(keys.iter().map(PublicKey::to_jwk));
    let policy = policy_text.lines().map(str::trim).filter(|it| !it.is_empty());
    let mut data = BTreeMap::from([
        ("engine".to_owned(), Value::Int(i64::from(records::ENGINE_VERSION))),
        (
            "governance".to_owned(),
            Value::map([
                ("keys", jwks(&governance.keys)),
                ("next", Value::list(governance.next.iter().map(|it| it.kid().as_str()))),
                ("threshold", Value::Int(i64::from(governance.threshold))),
            ]),
        ),
        ("policy".to_owned(), Value::list(policy)),
        ("vkeys".to_owned(), Value::list(vkeys.iter().map(String::as_str))),
    ]);
    if !operators.is_empty() {
        let uses = || Value::list(["refusals"]);
        let keys = operators.iter().map(|it| Value::map([("key", it.to_jwk()), ("use", uses())]));
        data.insert("operator_keys".to_owned(), Value::list(keys));
    }
    Value::map([
        ("v", Value::Int(1)),
        ("log", Value::from(config.origin.as_str())),
        ("profile", Value::from("registry/1")),
        ("kind", Value::from("genesis")),
        ("object", Value::from("log/genesis")),
        ("rev", Value::Int(0)),
        ("op", Value::from("add")),
        ("submitter", Value::from("log")),
        ("occurred", Value::from(today)),
        ("data", Value::Map(data)),
    ])
}

/// Creates database and anchor from the signed file of entry 0.
/// A second `init` in the same folder is refused.
pub(crate) fn create(config: &Config, path: &Path) -> anyhow::Result<()> {
    let (_, policy_text) = config.policy()?;
    let vkeys = verifier_keys(config)?;
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let submission = read_genesis(config, &bytes)
        .with_context(|| format!("the genesis file {}", path.display()))?;
    let genesis = submission.record().body().genesis();
    let genesis = genesis.with_context(|| format!("{} holds no genesis", path.display()))?;
    ensure!(
        genesis.vkeys == vkeys,
        "{} names other keys than this data folder has: make the draft anew",
        path.display()
    );
    let policy: Vec<&str> =
        policy_text.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    ensure!(
        genesis.policy == policy,
        "{} holds another witness policy than {}: make the draft anew",
        path.display(),
        config.policy_path.display()
    );
    ensure!(
        !config.anchor.exists(),
        "there is an anchor at {}: this log was created before",
        config.anchor.display()
    );
    let settings = store::Settings::default();
    let database = config.database_dir();
    ensure!(
        !database.exists(),
        "there is a database at {} and no anchor: an earlier `init` did not finish, or the anchor \
         was lost. If this log never ran, remove that folder (not `keys`) and repeat",
        database.display()
    );
    Store::create(&database, &config.origin, &settings)
        .with_context(|| format!("creating the database {}", database.display()))?;
    let (_, mut writer) =
        Store::open(&database, &config.origin, &settings).context("opening the new database")?;
    commit_genesis(&mut writer, &submission, SystemClock::new().unix_millis())?;
    // Last: a log without an anchor was never created, and `run` refuses it.
    Anchor::create(&config.anchor, &config.origin)?;
    tracing::info!(origin = %config.origin, "the log is created; `run` starts it");
    Ok(())
}

fn read_genesis(config: &Config, bytes: &[u8]) -> anyhow::Result<CheckedSubmission> {
    let refused = |it: records::Refusal| anyhow::anyhow!("{it}");
    let draft = Submission::parse_draft(bytes).map_err(refused)?;
    ensure!(
        !draft.signatures().is_empty(),
        "it has no signature yet: sign it with `civiclog governance sign`"
    );
    let submission =
        Submission::parse(&draft.to_canonical(), config.origin.as_str()).map_err(refused)?;
    Ok(CheckedSubmission::unchecked(submission))
}

/// Makes entry 0 durable in an empty log.
///
/// # Errors
/// When it is refused or cannot be committed.
pub fn commit_genesis<K: Kv>(
    writer: &mut Writer<K>,
    submission: &CheckedSubmission,
    now_ms: u64,
) -> anyhow::Result<()> {
    let nothing = BTreeMap::new();
    let verdict = records::admit(&nothing, EntryIndex::new(0), now_ms, submission, &AwsLcEs256)
        .context("judging the genesis record")?;
    let admitted = match verdict {
        Verdict::Accepted(admitted) => admitted,
        Verdict::Refused(refusal) | Verdict::Conflict { refusal, .. } => {
            bail!("the genesis record is refused: {refusal}")
        }
        Verdict::AlreadyThere { .. } => bail!("an empty log cannot hold the genesis already"),
    };
    let integration = Frontier::empty().integrate(&[tlog::leaf_hash(&admitted.entry)]);
    let entry = NewEntry { entry: admitted.entry, disclosures: admitted.disclosures };
    writer
        .commit(NewBatch { entries: vec![entry], state: admitted.changes, integration })
        .context("committing entry 0")?;
    Ok(())
}

fn read_keys(paths: &[PathBuf]) -> anyhow::Result<Vec<PublicKey>> {
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading the public key {}", path.display()))?;
            PublicKey::from_jwk_json(text.trim())
                .map_err(|it| anyhow::anyhow!("the public key {}: {it}", path.display()))
        })
        .collect()
}
