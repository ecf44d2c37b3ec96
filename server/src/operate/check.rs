//! `audit` and `rebuild`: the whole log, entry by entry, with the server stopped.

use std::collections::BTreeMap;
use std::error::Error;

use anyhow::{Context as _, ensure};
use records::{Entry, EntryIndex, P256Verify, Refusal, State};
use store::{ReadError, Row, Store};
use tlog::{LeafIndex, Origin};

use crate::config::Config;
use crate::core::state::RebuiltState;
use crate::core::withdrawn::{self, List};
use crate::sign::anchor::Anchor;

/// Entries between two lines of progress.
const PROGRESS_EVERY: u64 = 100_000;

/// Re-hashes everything that is stored, judges every admission again, and compares with the
/// stored state and the anchor.
///
/// # Errors
/// Names the first entry, tile or row that does not hold.
pub fn audit(config: &Config) -> anyhow::Result<AuditSummary> {
    let anchor = Anchor::open(&config.anchor, &config.origin)?;
    let (store, _writer) = crate::publish::startup::open_store(config)?;
    let report = hash_again(&store)?;
    let size = store.head().size;
    ensure!(
        anchor.head().size <= size,
        "the anchor holds a signed tree of {} entries, the database has {size}",
        anchor.head().size
    );
    crate::sign::guard::guard(&store, anchor.head(), anchor.head())
        .context("the tree signed last is not the beginning of the tree in the database")?;
    judge_again(&store)?;
    withdrawn::audit(&List::read(config)?, &store)?;
    crate::documents::audit(config)?;
    Ok(AuditSummary { entries: size.get(), root: store.head().root.to_base64(), report })
}

/// What an audit found, all of it good.
#[derive(Debug)]
pub struct AuditSummary {
    /// Entries re-hashed and judged again.
    pub entries: u64,
    /// The root of the tree, in base64.
    pub root: String,
    /// What was re-hashed.
    pub report: store::AuditReport,
}

/// Re-hashes every entry and every tile.
pub(crate) fn hash_again(store: &Store) -> anyhow::Result<store::AuditReport> {
    let progress = |done, total| {
        if done % PROGRESS_EVERY == 0 && done > 0 {
            tracing::info!(done, total, "hashed");
        }
    };
    store::audit(store, progress).context("re-hashing the log")
}

/// Judges every admission again and compares the state that this gives with the stored one.
pub(crate) fn judge_again(store: &Store) -> anyhow::Result<()> {
    compare_state(store, &replay(store)?)
}

type StateMap = BTreeMap<Vec<u8>, Vec<u8>>;

/// Judges every admission again, as anybody can who downloads the log. Keeps the whole state in
/// memory, some 300 bytes for each object.
fn replay(store: &Store) -> Result<StateMap, JudgeError> {
    let mut state = StateMap::new();
    let mut judge = Judge::new(store.origin());
    let size = store.head().size.get();
    for index in (0..size).map(LeafIndex::new) {
        let entry = store.entry(index)?.ok_or(ReadError::MissingEntry { index })?;
        let changes = judge.again(&state, index, &entry)?;
        state.extend(changes);
        if index.get() % PROGRESS_EVERY == 0 && index.get() > 0 {
            tracing::info!(done = index.get(), total = size, "judged again");
        }
    }
    Ok(state)
}

/// Judges entries again, one after the other.
pub(crate) struct Judge<'a> {
    origin: &'a Origin,
    last_admitted_ms: u64,
}

impl<'a> Judge<'a> {
    /// From entry 0 on.
    pub(crate) fn new(origin: &'a Origin) -> Self {
        Self { origin, last_admitted_ms: 0 }
    }

    /// From the entry on that comes after one that was admitted then.
    pub(crate) fn after(origin: &'a Origin, last_admitted_ms: u64) -> Self {
        Self { origin, last_admitted_ms }
    }

    /// The state rows that the entry sets.
    pub(crate) fn again<S: State>(
        &mut self,
        state: &S,
        index: LeafIndex,
        entry: &[u8],
    ) -> Result<Vec<Row>, JudgeError> {
        let failed = |source: Box<dyn Error + Send + Sync>| JudgeError::Failed { index, source };
        let refused = |refusal: Refusal| JudgeError::Refused { index, refusal };
        let admitted_ms = Entry::parse(entry).map_err(refused)?.admitted_ms();
        let admitted = records::replay(
            state,
            EntryIndex::new(index.get()),
            self.origin.as_str(),
            self.last_admitted_ms,
            entry,
            // Not the verifier that admitted: an audit is to see where the two differ.
            &P256Verify,
        )
        .map_err(|it| failed(it.into()))?
        .map_err(refused)?;
        self.last_admitted_ms = admitted_ms;
        Ok(admitted.changes)
    }
}

/// Why an entry could not be judged again as it was judged at first.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum JudgeError {
    #[error("entry {index} should not be in the log as it is: {refusal}")]
    Refused { index: LeafIndex, refusal: Refusal },
    #[error("judging entry {index} again")]
    Failed {
        index: LeafIndex,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The stored state must be exactly what the entries give: no row more, none less.
fn compare_state(store: &Store, expected: &StateMap) -> anyhow::Result<()> {
    const ROWS: usize = 4096;
    let mut expected = expected.iter();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = store.state_scan(&[], after.as_deref(), ROWS)?;
        let Some((last, _)) = rows.last() else {
            break;
        };
        after = Some(last.clone());
        for (key, value) in &rows {
            ensure!(
                expected.next() == Some((key, value)),
                "the stored state differs from what the entries give, at key {:?}; `rebuild` \
                 writes it anew",
                String::from_utf8_lossy(key)
            );
        }
    }
    ensure!(
        expected.next().is_none(),
        "the stored state lacks rows that the entries give; `rebuild` writes it anew"
    );
    Ok(())
}

/// Computes tiles, leaf index and admission state anew from the entries.
pub(crate) fn rebuild(config: &Config) -> anyhow::Result<()> {
    let _anchor = Anchor::open(&config.anchor, &config.origin)?;
    let mut judge = Judge::new(&config.origin);
    let settings = store::Settings::default();
    store::rebuild(&config.database_dir(), &config.origin, &settings, |index, entry, so_far| {
        judge.again(&RebuiltState(so_far), index, entry)
    })
    .context("rebuilding")?;
    Ok(())
}
