//! Runs the log: opens what `init` made, applies the start-up rule, and serves until told to stop.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prometheus::Registry;
use service::{Clock, FileSystems, HttpLimits, Shutdown, SystemClock, error_chain};
use tlog::UnixSeconds;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::admit::check::AdmissionThreads;
use crate::admit::clock_rule::{AdmissionClock, median};
use crate::admit::low_water::LowWater;
use crate::admit::pool::{Budget, Pool};
use crate::config::Config;
use crate::core::genesis;
use crate::core::metrics::Metrics;
use crate::core::mode::{Mode, ModeSwitch};
use crate::documents::Documents;
use crate::operate::backup::SnapshotMaker;
use crate::operate::withdraw::{List, settle};
use crate::publish::cosign::WitnessClient;
use crate::publish::decisions::{Event, Pace, Publisher, Start, WitnessStatus, witnesses_to_ask};
use crate::publish::drive::{Deps, SigningDesk, drive};
use crate::publish::latest::Board;
use crate::publish::set_aside::Decision;
use crate::publish::startup;
use crate::sequence::sequencer::{self, Sequencer};
use crate::serve::refuse::{RefusalKey, RefusalSigner};
use crate::serve::{App, Concurrency, DocumentDesk, policy_words, router};
use crate::sign::anchor::SetAside;

/// Where the server listens, for whoever started it.
#[derive(Debug, serde::Serialize)]
pub struct Addresses {
    listening: String,
    admin: String,
    origin: String,
}

/// Takes the operator's decision about a witness, if there is one, and runs the server until SIGTERM
/// or SIGINT, or until it cannot go on.
///
/// # Errors
/// When the log cannot be opened or a port cannot be bound. What goes wrong later makes the
/// process read-only instead.
pub fn run(
    config: &Config,
    decision: Option<&Decision>,
    announce: impl FnOnce(&Addresses),
) -> anyhow::Result<()> {
    let opened = open(config, decision)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let served = runtime.block_on(serve(config, opened, announce));
    // Ends the tasks that still hold the database, so that it is closed before the process ends.
    runtime.shutdown_timeout(Duration::from_millis(LAST_WORDS_MS));
    served.map_err(|it| startup::with_what_to_do(config, it))
}

/// Opens the log as it is before the witnesses are asked, without anything that was withdrawn since
/// this copy of it was made.
///
/// # Errors
/// When the parts do not fit, or the withdrawals cannot be applied again.
pub fn open(
    config: &Config,
    decision: Option<&Decision>,
) -> anyhow::Result<startup::Opened<store::RocksKv>> {
    let mut opened = startup::open(config, decision)?;
    List::read(config)
        .and_then(|mut list| settle(&mut list, &mut opened.writer))
        .map_err(|error| startup::with_what_to_do(config, error))?;
    Ok(opened)
}

async fn serve(
    config: &Config,
    opened: startup::Opened<store::RocksKv>,
    announce: impl FnOnce(&Addresses),
) -> anyhow::Result<()> {
    let shutdown = Shutdown::from_signals().context("listening for signals")?;
    let registry = Registry::new();
    let shared = Shared::new(config, &opened, &registry)?;
    let refusals = refusal_signer(config, &opened.store)?;
    let public = bind(config.listen.public).await?;
    let admin = bind(config.listen.admin).await?;
    announce(&Addresses {
        listening: public.local_addr().context("the public address")?.to_string(),
        admin: admin.local_addr().context("the admin address")?.to_string(),
        origin: config.origin.to_string(),
    });

    tracing::info!(policy = %policy_words(&opened.policy), "the witness policy");
    let verifier_keys = opened.signer.verifier_keys();
    let set_aside = opened.anchor.set_aside().to_vec();
    for SetAside { vkey, because, at } in &set_aside {
        tracing::warn!(vkey, because, at, "a witness is set aside: what it says is not heard");
    }
    let (policy, policy_text) = (opened.policy.clone(), opened.policy_text.clone());
    let documents = Documents::open(config).context("opening the documents")?;
    let running = start_data_path(config, &shared, opened)?;
    let app = Arc::new(App {
        store: shared.store.clone(),
        board: shared.board.clone(),
        mode: shared.mode.clone(),
        low_water: Arc::clone(&shared.low_water),
        pool: Arc::clone(&shared.pool),
        budget: shared.budget.clone(),
        admission: AdmissionThreads::start(admission_threads()).context("starting threads")?,
        origin: config.origin.clone(),
        verifier_keys,
        refusals,
        policy: Arc::new(policy),
        policy_text,
        statuses: running.statuses.clone(),
        set_aside,
        metrics: Arc::clone(&shared.metrics),
        documents: DocumentDesk::new(documents, &config.documents, Arc::clone(&shared.clock)),
        body_timeout: Duration::from_millis(config.limits.body_timeout_ms),
        wait_published: Duration::from_millis(config.limits.wait_published_ms),
    });
    let concurrency = Concurrency {
        reads_max: config.limits.reads_max,
        writes_max: config.limits.writes_max,
        answer_bytes_max: config.limits.answer_bytes_max,
    };
    let admin_stop = Shutdown::new();
    let admin_task = tokio::spawn(service::serve(
        admin,
        admin_router(config, &shared, registry),
        http_limits(config),
        admin_stop.clone(),
    ));
    tokio::spawn(watch_gauges(shared.clone(), config.limits.pool_bytes_max));
    tokio::spawn(prune_history(shared.clone()));
    tokio::spawn(stop_admission(shutdown.clone(), shared.mode.clone()));

    service::serve(public, router(app, concurrency), http_limits(config), shutdown.clone()).await;

    finish(&shared, running, &shutdown).await;
    admin_stop.force();
    // A panic in it was reported when it happened.
    let _ = admin_task.await;
    tracing::info!("stopped");
    Ok(())
}

/// What the parts of the server have in common.
#[derive(Clone)]
struct Shared {
    store: store::Store,
    board: Board,
    mode: ModeSwitch,
    pool: Arc<Pool>,
    budget: Budget,
    clock: Arc<dyn Clock>,
    clock_rule: Arc<AdmissionClock>,
    low_water: Arc<LowWater>,
    metrics: Arc<Metrics>,
}

impl Shared {
    fn new(
        config: &Config,
        opened: &startup::Opened<store::RocksKv>,
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        let limits = &config.limits;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Ok(Self {
            store: opened.store.clone(),
            board: Board::new(startup::published(opened)?),
            mode: ModeSwitch::new(),
            pool: Arc::new(Pool::new()),
            budget: Budget::new(limits.pool_submissions_max, limits.pool_bytes_max),
            clock_rule: Arc::new(AdmissionClock::new(Arc::clone(&clock))),
            clock,
            low_water: Arc::new(low_water(config)),
            metrics: Arc::new(Metrics::register(registry).context("registering metrics")?),
        })
    }
}

/// The sequencer and the publisher at work.
struct Running {
    sequencer: std::thread::JoinHandle<()>,
    publisher: tokio::task::JoinHandle<()>,
    desk: std::thread::JoinHandle<()>,
    statuses: watch::Receiver<Vec<WitnessStatus>>,
}

/// Starts the publisher, which asks the witnesses first, and the sequencer, which waits for it.
fn start_data_path(
    config: &Config,
    shared: &Shared,
    opened: startup::Opened<store::RocksKv>,
) -> anyhow::Result<Running> {
    let (events, heard) = mpsc::unbounded_channel();
    let (statuses, followed) = watch::channel(Vec::new());
    let policy = opened.policy.clone();
    let witnesses = witness_clients(config, &opened)?;
    let [own_key, _] = opened.signer.verifier_keys();
    let sequencer = start_sequencer(config, shared, opened.writer, events.clone())?;
    let request_intervals_ms = request_intervals_ms(config, &policy)?;
    let start = Start {
        policy: opened.policy,
        policies_before: opened.policies_before,
        anchored: opened.anchored,
        published: shared.board.current().map(|it| it.size()),
        set_aside: opened.set_aside,
        all_must_confirm: opened.anchor.is_restored(),
        request_intervals_ms,
    };
    let now_ms = shared.clock.monotonic_millis();
    let (publisher, first) = Publisher::new(start, pace(config), now_ms);
    let last_tree_head = shared.board.current().and_then(|it| Some(it.tree_head()?.at.get()));
    let desk = SigningDesk {
        store: shared.store.clone(),
        anchor: opened.anchor,
        signer: opened.signer,
        policy: Arc::new(policy),
        policy_text: opened.policy_text,
        board: shared.board.clone(),
        mode: shared.mode.clone(),
        clock: Arc::clone(&shared.clock),
        clock_rule: Arc::clone(&shared.clock_rule),
        metrics: Arc::clone(&shared.metrics),
        last_tree_head_ms: last_tree_head.unwrap_or(0),
    };
    let (orders, waiting) = std::sync::mpsc::channel();
    let deps = Deps {
        store: shared.store.clone(),
        witnesses,
        mode: shared.mode.clone(),
        clock: Arc::clone(&shared.clock),
        metrics: Arc::clone(&shared.metrics),
        statuses,
        orders,
        events: events.clone(),
        own_key,
        evidence_dir: config.evidence_dir(),
    };
    // The store may hold more than the anchor: committed, and killed before it was published.
    // The receiver is ours until the publisher has it, so this cannot fail.
    let _ = events.send(Event::Committed(shared.store.head()));
    let desk = std::thread::Builder::new()
        .name("publisher".to_owned())
        .spawn(move || desk.work(&waiting, &events))
        .context("starting the publishing thread")?;
    let publisher = tokio::spawn(drive(deps, publisher, first, heard));
    Ok(Running { sequencer, publisher, desk, statuses: followed })
}

/// Every request is answered or cut off. What waits is committed; what was committed is published
/// if the witnesses let it, and a second signal does not end the wait before.
async fn finish(shared: &Shared, running: Running, shutdown: &Shutdown) {
    shared.pool.close();
    // Also after a second signal: a commit is short, and who sent it in may still be told later. A
    // panic in it was reported when it happened.
    let _ = tokio::task::spawn_blocking(move || running.sequencer.join()).await;
    let last_words = Duration::from_millis(LAST_WORDS_MS);
    let is_all_published = tokio::select! {
        ended = tokio::time::timeout(last_words, published_all(shared)) => ended.is_ok(),
        () = shutdown.forced() => false,
    };
    if !is_all_published {
        tracing::warn!(
            "stopping; what is committed and not published yet, the next start publishes"
        );
    }
    running.publisher.abort();
    let _ = running.publisher.await;
    // The publisher held the other end of the desk's orders. Waiting for its thread lets go of the
    // database and the anchor before the process ends.
    let _ = tokio::task::spawn_blocking(move || running.desk.join()).await;
}

fn start_sequencer(
    config: &Config,
    shared: &Shared,
    writer: store::Writer,
    events: mpsc::UnboundedSender<Event>,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let sequencer = Sequencer::new(sequencer::Deps {
        writer,
        pool: Arc::clone(&shared.pool),
        clock: Arc::clone(&shared.clock),
        clock_rule: Arc::clone(&shared.clock_rule),
        low_water: Arc::clone(&shared.low_water),
        mode: shared.mode.clone(),
        metrics: Arc::clone(&shared.metrics),
        committed: Box::new(move |head| {
            // The publisher ends before the sequencer only when the process is read-only.
            let _ = events.send(Event::Committed(head));
        }),
        batch_entries_max: config.limits.batch_entries_max,
    })
    .context("starting the sequencer")?;
    std::thread::Builder::new()
        .name("sequencer".to_owned())
        .spawn(move || sequencer.run())
        .context("starting the sequencer's thread")
}

/// The signer of refusals, if this log has a key for them that entry 0 names.
fn refusal_signer(config: &Config, store: &store::Store) -> anyhow::Result<Option<RefusalSigner>> {
    let key = RefusalKey::load(&config.keys_dir())?;
    let entry = genesis::entry(store)?;
    let genesis = entry.record().body().genesis().context("entry 0 is no genesis")?;
    RefusalSigner::new(&config.origin, genesis, key)
}

fn low_water(config: &Config) -> LowWater {
    let folders = vec![("database", config.database_dir()), ("anchor", config.anchor.clone())];
    LowWater::new(Box::new(FileSystems), folders, config.limits.disk_free_bytes_min)
}

fn witness_clients(
    config: &Config,
    opened: &startup::Opened<store::RocksKv>,
) -> anyhow::Result<Vec<WitnessClient>> {
    let timeout = Duration::from_millis(config.publish.witness_timeout_ms);
    witnesses_to_ask(&opened.policy, &opened.policies_before)
        .iter()
        .map(|witness| {
            let url = witness.url.as_deref();
            let url = url.with_context(|| format!("witness {} has no URL", witness.name))?;
            Ok(WitnessClient::new(url, timeout)?)
        })
        .collect()
}

/// The pace of each witness that allows another number of requests than most.
fn request_intervals_ms(
    config: &Config,
    policy: &tlog::Policy,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let of = &config.publish.requests_per_day_of;
    for name in of.keys() {
        anyhow::ensure!(
            policy.witnesses().iter().any(|it| it.name == *name),
            "publish.requests_per_day_of: the witness policy names no witness {name:?}"
        );
    }
    Ok(of.iter().map(|(name, per_day)| (name.clone(), DAY_MS / per_day)).collect())
}

fn pace(config: &Config) -> Pace {
    let publish = &config.publish;
    Pace {
        checkpoint_interval_ms: publish.checkpoint_interval_ms,
        refresh_interval_ms: publish.refresh_interval_ms,
        round_timeout_ms: publish.witness_timeout_ms,
        request_interval_ms: DAY_MS / publish.requests_per_day,
    }
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))
}

fn admission_threads() -> usize {
    std::thread::available_parallelism().map_or(2, NonZero::get)
}

fn http_limits(config: &Config) -> HttpLimits {
    HttpLimits {
        header_timeout_ms: config.limits.header_timeout_ms,
        connections_max: config.limits.connections_max,
        drain_timeout_ms: config.limits.drain_timeout_ms,
        ..HttpLimits::default()
    }
}

/// What the operator's port serves.
fn admin_router(config: &Config, shared: &Shared, registry: Registry) -> axum::Router {
    let (store, clock) = (shared.store.clone(), Arc::clone(&shared.clock));
    let snapshots = SnapshotMaker::new(config, store, clock);
    service::admin_router(registry, readiness(config, shared)).merge(snapshots.router())
}

/// For load balancers and operators: whether this process does its whole work, or why not.
fn readiness(config: &Config, shared: &Shared) -> service::Readiness {
    let (shared, age_max_ms) = (shared.clone(), config.publish.ready_age_max_ms);
    Arc::new(move || {
        match shared.mode.current() {
            Mode::Running => {}
            Mode::Starting(words) => return Err(words),
            Mode::ReadOnly(because) => return Err(format!("read-only: {}", because.words())),
            Mode::Stopping => return Err("stopping".to_owned()),
        }
        shared.low_water.check().map_err(|it| it.to_string())?;
        let published = shared.board.current().ok_or("nothing is published yet")?;
        if !shared.clock_rule.knows_witness_time() {
            return Err("no quorum of witnesses told its time yet".to_owned());
        }
        // The quorum's own time, not ours, and not that of a witness whose clock runs ahead.
        let cosigned = median(published.checkpoint().cosigners());
        let now_s = shared.clock.unix_millis() / 1000;
        let age_s = now_s.saturating_sub(cosigned.map_or(0, UnixSeconds::get));
        if age_s.saturating_mul(1000) > age_max_ms {
            return Err(format!("the published head is {age_s} s old"));
        }
        Ok(())
    })
}

async fn stop_admission(shutdown: Shutdown, mode: ModeSwitch) {
    shutdown.requested().await;
    mode.stop();
}

/// Waits until everything committed is published, or until it never will be.
async fn published_all(shared: &Shared) {
    let Some(last) = shared.store.head().size.get().checked_sub(1) else {
        return;
    };
    let mut changes = shared.mode.subscribe();
    let read_only = changes.wait_for(|it| matches!(it, Mode::ReadOnly(_)));
    tokio::select! {
        _ = shared.board.covering(tlog::LeafIndex::new(last)) => {}
        _ = read_only => {}
    }
}

/// Sets the gauges that no event of their own sets.
async fn watch_gauges(shared: Shared, pool_bytes_max: usize) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        notice_fatal(&shared.store, &shared.mode);
        shared.metrics.read_only(shared.mode.is_read_only());
        let bytes = pool_bytes_max.saturating_sub(shared.budget.bytes_free());
        shared.metrics.pool(shared.pool.len(), bytes);
        // Also while nobody submits: that it turned is to be in the log when it turns.
        let _ = shared.low_water.check();
        for (folder, bytes) in shared.low_water.free_bytes() {
            shared.metrics.disk_free(folder, bytes);
        }
    }
}

/// A flush or compaction that failed is noticed by the next commit or signature, and here when
/// neither comes: whoever watches is told before a submitter is.
pub fn notice_fatal<K: store::Kv>(store: &store::Store<K>, mode: &ModeSwitch) {
    if let Err(fatal) = store.alive() {
        mode.read_only(error_chain(&fatal));
    }
}

/// Thins out the history of published checkpoints, a little at a time.
async fn prune_history(shared: Shared) {
    let mut tick = tokio::time::interval(Duration::from_secs(PRUNE_EVERY_S));
    loop {
        tick.tick().await;
        if shared.mode.is_read_only() {
            return;
        }
        let pruning = shared.clone();
        let pruned = tokio::task::spawn_blocking(move || {
            let now = tlog::UnixMillis::new(pruning.clock.unix_millis());
            pruning.store.prune_checkpoints(now)
        });
        match pruned.await {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => tracing::debug!(count, "forgot old checkpoints"),
            Ok(Err(error)) => shared.mode.read_only(error_chain(&error)),
            Err(error) if error.is_panic() => {
                shared
                    .mode
                    .read_only("forgetting old checkpoints panicked; see the log".to_owned());
            }
            // The runtime is shutting down.
            Err(_) => return,
        }
    }
}

/// How long the publisher may take, after the last answer, to publish what was committed last.
const DAY_MS: u64 = 86_400_000;

const LAST_WORDS_MS: u64 = 5_000;

/// How often the history of published checkpoints is thinned out.
const PRUNE_EVERY_S: u64 = 600;
