//! What must hold on this machine before anything else: the anchor, the store and the keys belong
//! to one log, and the head in the anchor is a prefix of the store's tree.
//!
//! That this is the *newest* copy of them only the witnesses can tell: the publisher asks them
//! before it signs or commits anything new (see [`crate::publish::decisions`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use service::{Clock as _, SystemClock};
use store::{Kv, ReadError, Store, Writer};
use tlog::{Note, Origin, Policy, SignedCheckpoint, VerifierKey};

use crate::admit::clock_rule::AdmissionClock;
use crate::config::Config;
use crate::core::{Core, genesis};
use crate::publish::decisions::{Effect, Pace, Publisher, Start};
use crate::publish::latest::{LatestPublished, Published, SignedTreeHead};
use crate::publish::set_aside::{Decision, Judging};
use crate::sign::anchor::Anchor;
use crate::sign::guard::{confirm, guard};
use crate::sign::keys::LogKeys;
use crate::sign::signer::LogSigner;
use crate::sign::thread::SigningThread;

/// The parts of a log, as they were found.
pub struct Parts<K: Kv> {
    /// What the configuration calls the log.
    pub origin: Origin,
    pub anchor: Anchor,
    /// Reads what `writer` writes.
    pub store: Store<K>,
    /// The only one.
    pub writer: Writer<K>,
    /// Not yet known to be the ones that entry 0 names.
    pub keys: LogKeys,
    /// Heads are published under it.
    pub policy: Policy,
    /// What `policy` was parsed from.
    pub policy_text: String,
}

/// A log whose parts fit together.
pub struct Opened<K: Kv> {
    /// Reads what `writer` writes.
    pub store: Store<K>,
    /// The only one.
    pub writer: Writer<K>,
    pub anchor: Anchor,
    /// With the keys that entry 0 names.
    pub signer: LogSigner,
    /// The anchored head, signed once more: the same bytes as the first time.
    pub anchored: SignedCheckpoint,
    /// Heads are published under it.
    pub policy: Policy,
    /// What `policy` was parsed from.
    pub policy_text: String,
    /// Other policies under which the last head may have been published.
    pub policies_before: Vec<Policy>,
    /// The keys of the witnesses that the operator set aside.
    pub set_aside: Vec<VerifierKey>,
}

/// All that publishes heads, before it does.
pub struct Publishing<K: Kv> {
    /// Waits for the witnesses to confirm the head signed last.
    pub publisher: Publisher,
    pub first: Vec<Effect>,
    /// Has the anchor and the keys.
    pub signing: SigningThread<K>,
}

/// Opens anchor, keys and store of an existing log, takes the operator's decision about a witness,
/// and checks that the parts fit.
///
/// # Errors
/// In words, with the cause; nothing was written, and nothing new was signed.
pub fn open(
    config: &Config,
    decision: Option<&Decision>,
) -> anyhow::Result<Opened<store::RocksKv>> {
    let (policy, policy_text) = config.policy()?;
    let keys = LogKeys::load(&config.keys_dir(), &config.origin)?;
    let vkey = keys.verifier_keys()[0].to_string();
    ensure!(
        policy.logs().iter().any(|it| it.key.to_string() == vkey),
        "the witness policy {} has no line `log {vkey}`",
        config.policy_path.display(),
    );
    // The anchor first: it is the lock that keeps a second server out, and its absence says that
    // this is not the whole log.
    let mut anchor = Anchor::open(&config.anchor, &config.origin)?;
    let (store, writer) = open_store(config)?;
    if let Some(decision) = decision {
        let judging = Judging {
            policy: &policy,
            store: &store,
            own_key: &keys.verifier_keys()[0],
            evidence_dir: &config.evidence_dir(),
            now: records::format_millis(SystemClock::new().unix_millis()),
        };
        decision.take(&judging, &mut anchor)?;
    }
    let origin = config.origin.clone();
    fit(Parts { origin, anchor, store, writer, keys, policy, policy_text })
        .map_err(|it| with_what_to_do(config, it))
}

/// An error of a database that is open already; where it is damaged, with a word on what to do. What
/// was read while it was opened may be whole, and the next row not.
pub(crate) fn with_what_to_do(config: &Config, error: anyhow::Error) -> anyhow::Error {
    let is_damage = |it: &(dyn std::error::Error + 'static)| {
        it.downcast_ref::<ReadError>().is_some_and(ReadError::is_damage)
    };
    if error.chain().any(is_damage) {
        let folder = config.database_dir();
        error.context(format!("reading the database {}{A_FILE_IS_CORRUPT}", folder.display()))
    } else {
        error
    }
}

/// Checks that the parts are of one log and one state of it.
///
/// # Errors
/// In words, with the cause; nothing new was signed.
pub fn fit<K: Kv>(parts: Parts<K>) -> anyhow::Result<Opened<K>> {
    let Parts { origin, mut anchor, store, writer, keys, policy, policy_text } = parts;
    genesis::check(&store, &keys.verifier_keys().map(|it| it.to_string()))?;
    let policies_before = policies_before(&store, &anchor, &policy_text)?;
    let set_aside = set_aside(&anchor, &policy)?;
    let signer = LogSigner::new(origin, keys);
    let anchored = sign_anchored(&store, &mut anchor, &signer)?;
    Ok(Opened {
        store,
        writer,
        anchor,
        signer,
        anchored,
        policy,
        policy_text,
        policies_before,
        set_aside,
    })
}

/// Opens the database; where it is damaged, with a word on what to do.
pub(crate) fn open_store(
    config: &Config,
) -> anyhow::Result<(Store<store::RocksKv>, Writer<store::RocksKv>)> {
    let settings = store::Settings::default();
    Store::open(&config.database_dir(), &config.origin, &settings).map_err(|error| {
        let folder = config.database_dir();
        let what_to_do = if error.is_damage() { A_FILE_IS_CORRUPT } else { "" };
        let opening = format!("opening the database {}{what_to_do}", folder.display());
        anyhow::Error::new(error).context(opening)
    })
}

impl<K: Kv> Opened<K> {
    /// The newest published head, as the store keeps it.
    ///
    /// # Errors
    /// When neither today's policy nor the one before accepts it.
    pub fn latest_published(&self) -> anyhow::Result<LatestPublished> {
        let Some(stored) = self.store.latest_published() else {
            return Ok(LatestPublished::new(None));
        };
        let note =
            Note::parse(stored.note().as_bytes()).context("the last published checkpoint")?;
        // A policy that was changed since must not hide what was published under the one before.
        let mut policies = std::iter::once(&self.policy).chain(&self.policies_before);
        let cosigned = policies.find_map(|it| it.check(&note).ok()).context(
            "the last published checkpoint satisfies neither today's witness policy nor \
                      the one before",
        )?;
        let tree_head = SignedTreeHead::of(&note, self.signer.tree_head_key());
        Ok(LatestPublished::new(Some(Published::new(cosigned, tree_head))))
    }

    /// Builds what publishes, and hands out the writer for the sequencer.
    pub fn publishing(
        self,
        core: Core<K>,
        latest: LatestPublished,
        clock_rule: Arc<AdmissionClock>,
        pace: Pace,
        request_intervals_ms: BTreeMap<String, u64>,
    ) -> (Publishing<K>, Writer<K>) {
        let published = latest.current();
        let last_tree_head = published.as_ref().and_then(|it| it.tree_head());
        let last_tree_head_ms = last_tree_head.map_or(0, |it| it.at.get());
        let start = Start {
            policy: self.policy.clone(),
            policies_before: self.policies_before,
            anchored: self.anchored,
            published: published.as_ref().map(|it| it.size()),
            set_aside: self.set_aside,
            all_must_confirm: self.anchor.is_restored(),
            request_intervals_ms,
        };
        let (publisher, first) = Publisher::new(start, pace, core.clock.monotonic_millis());
        let tree_head_key = self.signer.tree_head_key().clone();
        let signing = SigningThread {
            core,
            anchor: self.anchor,
            signer: self.signer,
            policy: self.policy,
            policy_text: self.policy_text,
            last_tree_head_ms,
            published: Box::new(move |cosigned| {
                clock_rule.learn(cosigned.cosigners());
                let tree_head = SignedTreeHead::of(cosigned.note(), &tree_head_key);
                latest.show(Published::new(cosigned, tree_head));
            }),
        };
        (Publishing { publisher, first, signing }, self.writer)
    }
}

/// Checks that the anchored head is a prefix of the store's tree, from the tiles, and signs it
/// again. Ed25519 is deterministic, so this makes no signature that was not made, or allowed,
/// before.
fn sign_anchored<K: Kv>(
    store: &Store<K>,
    anchor: &mut Anchor,
    signer: &LogSigner,
) -> anyhow::Result<SignedCheckpoint> {
    let (signed, stored) = (anchor.head(), store.head());
    ensure!(
        signed.size <= stored.size,
        "the log signed a tree of {} entries, the database has only {}: it is an older copy or \
         lost entries. Nothing is signed. Bring back the newest database, or have `recover` bring \
         back the entries from a mirror: see \"A backup was restored\" in the runbook",
        signed.size,
        stored.size
    );
    let guarded = guard(store, signed, signed)
        .context("the tree signed last is not the beginning of the tree in the database")?;
    let signed = signer.sign(anchor.advance(guarded)?);
    confirm(store, anchor.head(), &signed).context("signing the tree signed last once more")?;
    Ok(signed)
}

/// The keys of the witnesses that the operator set aside. Those that are left must satisfy today's
/// policy without them.
fn set_aside(anchor: &Anchor, policy: &Policy) -> anyhow::Result<Vec<VerifierKey>> {
    let keys = anchor
        .set_aside()
        .iter()
        .map(|it| it.vkey.parse().with_context(|| format!("the witness key {} set aside", it.vkey)))
        .collect::<anyhow::Result<Vec<VerifierKey>>>()?;
    refuse_too_few(policy, &keys)?;
    Ok(keys)
}

/// The witnesses that were not set aside must be able to satisfy the policy.
fn refuse_too_few(policy: &Policy, set_aside: &[VerifierKey]) -> anyhow::Result<()> {
    let left = policy.witnesses().iter().filter(|it| !set_aside.contains(&it.key));
    ensure!(
        policy.is_satisfied_by(&left.map(|it| it.name.as_str()).collect()),
        "the witnesses that were not set aside cannot satisfy the witness policy: name other \
         witnesses in it"
    );
    Ok(())
}

/// The policies other than today's under which a later head than the anchor's may have been
/// published: the ones the anchor remembers, or, before anything was published, the one that
/// entry 0 names.
fn policies_before<K: Kv>(
    store: &Store<K>,
    anchor: &Anchor,
    policy_text: &str,
) -> anyhow::Result<Vec<Policy>> {
    let mut texts = anchor.policies().to_vec();
    if texts.is_empty() {
        texts.push(genesis::of(store)?.policy.join("\n"));
    }
    texts
        .iter()
        .filter(|it| *it != policy_text)
        .map(|it| Policy::parse(it).context("a witness policy of earlier days"))
        .collect()
}

const A_FILE_IS_CORRUPT: &str =
    ", which is damaged (what to do: docs/operating/README.md#a-file-is-corrupt)";

#[cfg(test)]
mod tests {
    use store::{KvError, KvErrorKind};
    use tlog::{LeafIndex, ProveError};

    use super::*;

    #[test]
    fn a_damaged_row_names_the_runbook_and_a_failing_disk_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server.toml");
        let text = "origin = \"log.example/spending\"\ndata_dir = \"data\"\npolicy = \"p\"\n";
        std::fs::write(&path, text).expect("writing the file");
        let config = Config::load(&path).expect("a configuration");
        let database = |kind| ReadError::Database(KvError::new(kind, "block checksum mismatch"));
        let index = LeafIndex::new(0);
        for (error, helps) in [
            (anyhow::Error::new(database(KvErrorKind::Corrupt)), true),
            (anyhow::Error::new(ReadError::ChangedEntry { index }), true),
            (
                anyhow::Error::new(ProveError::Read {
                    coord: tlog::TileCoord::new(0, 0, 1).expect("a tile"),
                    source: ReadError::MissingEntry { index },
                }),
                true,
            ),
            (anyhow::Error::new(database(KvErrorKind::Io)), false),
            (anyhow::anyhow!("the witness policy names no key"), false),
        ] {
            let said = with_what_to_do(&config, error.context("reading entry 0"));
            let said = format!("{said:#}");
            assert_eq!(said.contains("#a-file-is-corrupt"), helps, "{said}");
            assert!(said.contains("reading entry 0") || !helps, "{said}");
        }
    }
}
