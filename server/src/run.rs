//! Runs the log: opens what `init` made, applies the start-up rule, and serves until told to stop.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use prometheus::Registry;
use service::{Clock, FileSystems, HttpLimits, Shutdown, SystemClock};
use store::RocksKv;
use tlog_client::WitnessClient;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::admit::budget::Budget;
use crate::admit::clock_rule::AdmissionClock;
use crate::admit::low_water::LowWater;
use crate::admit::pool::Pool;
use crate::admit::threads::AdmissionThreads;
use crate::config::Config;
use crate::core::withdrawn::{List, settle};
use crate::core::{Core, genesis};
use crate::documents::Documents;
use crate::operate::backup::SnapshotMaker;
use crate::publish::decisions::{Event, Pace, WitnessStatus, witnesses_to_ask};
use crate::publish::driver::Driver;
use crate::publish::set_aside::Decision;
use crate::publish::startup::{self, Opened, Publishing};
use crate::sequence::sequencer::{self, Sequencer};
use crate::serve::refuse::RefusalSigner;
use crate::serve::{App, Concurrency, Transfers, policy_words, router};
use crate::sign::anchor::SetAside;
use crate::sign::refusal_key::RefusalKey;

mod upkeep;

use upkeep::{prune_history, published_all, readiness, stop_admission, watch_gauges};

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
pub fn open(config: &Config, decision: Option<&Decision>) -> anyhow::Result<Opened<RocksKv>> {
    let mut opened = startup::open(config, decision)?;
    List::read(config)
        .and_then(|mut list| settle(&mut list, &mut opened.writer))
        .map_err(|error| startup::with_what_to_do(config, error))?;
    Ok(opened)
}

async fn serve(
    config: &Config,
    opened: Opened<RocksKv>,
    announce: impl FnOnce(&Addresses),
) -> anyhow::Result<()> {
    let shutdown = Shutdown::from_signals().context("listening for signals")?;
    let registry = Registry::new();
    let (statuses, followed) = watch::channel(Vec::new());
    let app = Arc::new(app(config, &opened, &registry, followed)?);
    let public = bind(config.listen.public).await?;
    let admin = bind(config.listen.admin).await?;
    announce(&Addresses {
        listening: public.local_addr().context("the public address")?.to_string(),
        admin: admin.local_addr().context("the admin address")?.to_string(),
        origin: config.origin.to_string(),
    });

    tracing::info!(policy = %policy_words(&opened.policy), "the witness policy");
    for SetAside { vkey, because, at } in &app.set_aside {
        tracing::warn!(vkey, because, at, "a witness is set aside: what it says is not heard");
    }
    let running = start_data_path(config, &app, opened, statuses)?;
    let concurrency = Concurrency {
        reads_max: config.limits.reads_max,
        writes_max: config.limits.writes_max,
        answer_bytes_max: config.limits.answer_bytes_max,
    };
    let admin_stop = Shutdown::new();
    let admin_task = tokio::spawn(service::serve(
        admin,
        admin_router(config, &app, registry),
        http_limits(config),
        admin_stop.clone(),
    ));
    tokio::spawn(watch_gauges(Arc::clone(&app), config.limits.pool_bytes_max));
    tokio::spawn(prune_history(app.core.clone()));
    tokio::spawn(stop_admission(shutdown.clone(), app.core.mode.clone()));

    let public_router = router(Arc::clone(&app), concurrency);
    service::serve(public, public_router, http_limits(config), shutdown.clone()).await;

    finish(&app, running, &shutdown).await;
    admin_stop.force();
    // A panic in it was reported when it happened.
    let _ = admin_task.await;
    tracing::info!("stopped");
    Ok(())
}

/// What the handlers and the tasks beside them work with.
fn app(
    config: &Config,
    opened: &Opened<RocksKv>,
    registry: &Registry,
    statuses: watch::Receiver<Vec<WitnessStatus>>,
) -> anyhow::Result<App> {
    let limits = &config.limits;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let core = Core::new(opened.store.clone(), Arc::clone(&clock), registry)
        .context("registering metrics")?;
    let folders = vec![("database", config.database_dir()), ("anchor", config.anchor.clone())];
    let low_water = LowWater::new(Box::new(FileSystems), folders, limits.disk_free_bytes_min);
    let documents = Documents::open(config).context("opening the documents")?;
    Ok(App {
        core,
        latest: opened.latest_published()?,
        clock_rule: Arc::new(AdmissionClock::new(Arc::clone(&clock))),
        low_water: Arc::new(low_water),
        pool: Arc::new(Pool::new()),
        budget: Budget::new(limits.pool_submissions_max, limits.pool_bytes_max),
        admission: AdmissionThreads::start(admission_threads()).context("starting threads")?,
        origin: config.origin.clone(),
        verifier_keys: opened.signer.verifier_keys(),
        refusals: refusal_signer(config, &opened.store)?,
        policy: Arc::new(opened.policy.clone()),
        policy_text: opened.policy_text.clone(),
        statuses,
        set_aside: opened.anchor.set_aside().to_vec(),
        documents: Transfers::new(documents, &config.documents, clock),
        body_timeout: Duration::from_millis(limits.body_timeout_ms),
        wait_published: Duration::from_millis(limits.wait_published_ms),
    })
}

/// The sequencer and the publisher at work.
struct Running {
    sequencer: JoinHandle<()>,
    publisher: tokio::task::JoinHandle<()>,
    signing: JoinHandle<()>,
}

/// Starts the publisher, which asks the witnesses first, and the sequencer, which waits for it.
fn start_data_path(
    config: &Config,
    app: &App,
    opened: Opened<RocksKv>,
    statuses: watch::Sender<Vec<WitnessStatus>>,
) -> anyhow::Result<Running> {
    let (events, heard) = mpsc::unbounded_channel();
    let (tasks, waiting) = std::sync::mpsc::channel();
    let [own_key, _] = opened.signer.verifier_keys();
    let driver = Driver {
        core: app.core.clone(),
        witnesses: witness_clients(config, &opened)?,
        statuses,
        tasks,
        events: events.clone(),
        own_key,
        evidence_dir: config.evidence_dir(),
    };
    let request_intervals_ms = request_intervals_ms(config, &opened.policy)?;
    let (publishing, writer) = opened.publishing(
        app.core.clone(),
        app.latest.clone(),
        Arc::clone(&app.clock_rule),
        pace(config),
        request_intervals_ms,
    );
    let Publishing { publisher, first, signing } = publishing;
    let sequencer = start_sequencer(config, app, writer, events.clone())?;
    // The store may hold more than the anchor: committed, and killed before it was published.
    // The receiver is ours until the publisher has it, so this cannot fail.
    let _ = events.send(Event::Committed(app.core.store.head()));
    let signing = start_thread("publisher", move || {
        // The publisher may have ended before; an unused signature harms nobody.
        signing.run(&waiting, |signed| {
            let _ = events.send(signed.map_or(Event::Tick, Event::Signed));
        });
    })?;
    let publisher = tokio::spawn(driver.run(publisher, first, heard));
    Ok(Running { sequencer, publisher, signing })
}

fn start_thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> anyhow::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .with_context(|| format!("starting the {name}'s thread"))
}

/// Every request is answered or cut off. What waits is committed; what was committed is published
/// if the witnesses let it, and a second signal does not end the wait before.
async fn finish(app: &App, running: Running, shutdown: &Shutdown) {
    app.pool.close();
    // Also after a second signal: a commit is short, and who sent it in may still be told later. A
    // panic in it was reported when it happened.
    let _ = tokio::task::spawn_blocking(move || running.sequencer.join()).await;
    let last_words = Duration::from_millis(LAST_WORDS_MS);
    let is_all_published = tokio::select! {
        ended = tokio::time::timeout(last_words, published_all(app)) => ended.is_ok(),
        () = shutdown.forced() => false,
    };
    if !is_all_published {
        tracing::warn!(
            "stopping; what is committed and not published yet, the next start publishes"
        );
    }
    running.publisher.abort();
    let _ = running.publisher.await;
    // The publisher held the other end of the signing thread's tasks. Waiting for that thread lets go
    // of the database and the anchor before the process ends.
    let _ = tokio::task::spawn_blocking(move || running.signing.join()).await;
}

fn start_sequencer(
    config: &Config,
    app: &App,
    writer: store::Writer,
    events: mpsc::UnboundedSender<Event>,
) -> anyhow::Result<JoinHandle<()>> {
    let sequencer = Sequencer::new(sequencer::Deps {
        core: app.core.clone(),
        writer,
        pool: Arc::clone(&app.pool),
        clock_rule: Arc::clone(&app.clock_rule),
        low_water: Arc::clone(&app.low_water),
        committed: Box::new(move |head| {
            // The publisher ends before the sequencer only when the process is read-only.
            let _ = events.send(Event::Committed(head));
        }),
        batch_entries_max: config.limits.batch_entries_max,
    })
    .context("starting the sequencer")?;
    start_thread("sequencer", move || sequencer.run())
}

/// The signer of refusals, if this log has a key for them that entry 0 names.
fn refusal_signer(config: &Config, store: &store::Store) -> anyhow::Result<Option<RefusalSigner>> {
    let key = RefusalKey::load(&config.keys_dir())?;
    RefusalSigner::new(&config.origin, &genesis::of(store)?, key)
}

fn witness_clients(
    config: &Config,
    opened: &Opened<RocksKv>,
) -> anyhow::Result<Vec<WitnessClient>> {
    let settings = config.witness_settings()?;
    witnesses_to_ask(&opened.policy, &opened.policies_before)
        .iter()
        .map(|witness| {
            let url = witness.url.as_deref();
            let url = url.with_context(|| format!("witness {} has no URL", witness.name))?;
            Ok(WitnessClient::new(url, &settings)?)
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
fn admin_router(config: &Config, app: &Arc<App>, registry: Registry) -> axum::Router {
    let (store, clock) = (app.core.store.clone(), Arc::clone(&app.core.clock));
    let snapshots = SnapshotMaker::new(config, store, clock);
    service::admin_router(registry, readiness(config, app)).merge(snapshots.router())
}

const DAY_MS: u64 = 86_400_000;

/// How long the publisher may take, after the last answer, to publish what was committed last.
const LAST_WORDS_MS: u64 = 5_000;
