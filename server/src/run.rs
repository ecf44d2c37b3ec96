//! Runs the log: opens what `init` made, applies the start-up rule, and serves until told to stop.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prometheus::Registry;
use service::{Clock, HttpLimits, Shutdown, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::admit::AdmissionThreads;
use crate::config::Config;
use crate::cosign::WitnessClient;
use crate::drive::{Deps, SigningDesk, drive};
use crate::http::{App, Concurrency, router};
use crate::metrics::Metrics;
use crate::mode::{Mode, ModeSwitch};
use crate::pool::{Budget, Pool};
use crate::publish::{Event, Pace, Publisher};
use crate::published::Board;
use crate::sequence::Sequencer;
use crate::startup;

/// How long the publisher may take, after the last answer, to publish what was committed last.
const LAST_WORDS_MS: u64 = 5_000;

/// Where the server listens, for whoever started it.
#[derive(Debug, serde::Serialize)]
pub struct Listening {
    listening: String,
    admin: String,
    origin: String,
}

/// Runs the server until SIGTERM or SIGINT, or until it cannot go on.
///
/// # Errors
/// When the log cannot be opened or a port cannot be bound. What goes wrong later makes the
/// process read-only instead.
pub fn run(config: &Config, announce: impl FnOnce(&Listening)) -> anyhow::Result<()> {
    let opened = startup::open(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(serve(config, opened, announce))
}

async fn serve(
    config: &Config,
    opened: startup::Opened<store::RocksKv>,
    announce: impl FnOnce(&Listening),
) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let shutdown = Shutdown::from_signals().context("listening for signals")?;
    let registry = Registry::new();
    let metrics = Arc::new(Metrics::register(&registry).context("registering metrics")?);
    let mode = ModeSwitch::new();
    let board = Board::new(startup::published(&opened)?);
    let pool = Arc::new(Pool::new());
    let limits = &config.limits;
    let budget = Budget::new(limits.pool_submissions_max, limits.pool_bytes_max);
    let (statuses, followed) = watch::channel(Vec::new());
    let verifier_keys = opened.signer.verifier_keys();

    let public = bind(config.listen.public).await?;
    let admin = bind(config.listen.admin).await?;
    announce(&Listening {
        listening: public.local_addr().context("the public address")?.to_string(),
        admin: admin.local_addr().context("the admin address")?.to_string(),
        origin: config.origin.to_string(),
    });

    let store = opened.store.clone();
    let policy = Arc::new(opened.policy.clone());
    let (events, heard) = mpsc::unbounded_channel();
    let sequencer = start_sequencer(
        config,
        Parts { mode: &mode, pool: &pool, clock: &clock, metrics: &metrics },
        store.clone(),
        opened.writer,
        events.clone(),
    )?;
    let (publisher, first) = Publisher::new(
        opened.policy,
        opened.policy_before,
        pace(config),
        opened.anchored,
        board.current().map(|it| it.size()),
        clock.unix_millis(),
    );
    let desk = SigningDesk {
        store: store.clone(),
        anchor: opened.anchor,
        signer: Arc::new(opened.signer),
        policy: Arc::clone(&policy),
        policy_text: opened.policy_text.clone(),
        board: board.clone(),
        mode: mode.clone(),
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
    };
    let deps = Deps {
        store: store.clone(),
        policy: Arc::clone(&policy),
        witnesses: witness_clients(config, &policy)?,
        board: board.clone(),
        mode: mode.clone(),
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
        statuses,
    };
    let publishing = tokio::spawn(drive(deps, desk, publisher, first, events.clone(), heard));
    // The store may hold more than the anchor: committed, and killed before it was published.
    let _ = events.send(Event::Committed(store.head()));

    let app = Arc::new(App {
        store: store.clone(),
        board: board.clone(),
        mode: mode.clone(),
        pool: Arc::clone(&pool),
        budget: budget.clone(),
        admission: AdmissionThreads::start(admission_threads()).context("starting threads")?,
        origin: config.origin.clone(),
        verifier_keys,
        policy,
        policy_text: opened.policy_text,
        statuses: followed,
        metrics: Arc::clone(&metrics),
        body_timeout: Duration::from_millis(limits.body_timeout_ms),
        wait_published: Duration::from_millis(limits.wait_published_ms),
    });
    let concurrency =
        Concurrency { reads_max: limits.reads_max, writes_max: limits.writes_max };
    let admin_app = Admin { config: config.clone(), mode: mode.clone(), board: board.clone() };
    let admin_stop = Shutdown::new();
    let admin_task = tokio::spawn(service::serve(
        admin,
        service::admin_router(registry, Arc::new(move || admin_app.ready(clock.as_ref()))),
        http_limits(config),
        admin_stop.clone(),
    ));
    tokio::spawn(watch_gauges(mode.clone(), Arc::clone(&metrics), pool.clone(), budget, limits_of(config)));
    tokio::spawn(stop_admission(shutdown.clone(), mode.clone()));

    service::serve(public, router(app, concurrency), http_limits(config), shutdown).await;

    // Every request is answered or cut off. What was committed is published if it can be.
    pool.close();
    let _ = tokio::task::spawn_blocking(move || sequencer.join()).await;
    let last = tokio::time::timeout(
        Duration::from_millis(LAST_WORDS_MS),
        published_all(&store, &board, &mode),
    );
    if last.await.is_err() {
        tracing::warn!("stopping with committed entries that are not published yet");
    }
    publishing.abort();
    admin_stop.force();
    let _ = admin_task.await;
    tracing::info!("stopped");
    Ok(())
}

struct Parts<'a> {
    mode: &'a ModeSwitch,
    pool: &'a Arc<Pool>,
    clock: &'a Arc<dyn Clock>,
    metrics: &'a Arc<Metrics>,
}

fn start_sequencer(
    config: &Config,
    parts: Parts<'_>,
    store: store::Store,
    writer: store::Writer,
    events: mpsc::UnboundedSender<Event>,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let sequencer = Sequencer::new(
        store,
        writer,
        Arc::clone(parts.pool),
        Arc::clone(parts.clock),
        parts.mode.clone(),
        Arc::clone(parts.metrics),
        Box::new(move |head| {
            // The publisher ends before the sequencer only when the process is read-only.
            let _ = events.send(Event::Committed(head));
        }),
        config.limits.batch_entries_max,
    )
    .context("starting the sequencer")?;
    std::thread::Builder::new()
        .name("sequencer".to_owned())
        .spawn(move || sequencer.run())
        .context("starting the sequencer's thread")
}

fn witness_clients(
    config: &Config,
    policy: &tlog::Policy,
) -> anyhow::Result<Vec<WitnessClient>> {
    let timeout = Duration::from_millis(config.publish.witness_timeout_ms);
    policy
        .witnesses()
        .iter()
        .map(|witness| {
            let url = witness.url.as_deref().context("a witness without a URL")?;
            Ok(WitnessClient::new(url, timeout)?)
        })
        .collect()
}

fn pace(config: &Config) -> Pace {
    const DAY_MS: u64 = 86_400_000;
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

/// Readiness, for load balancers and operators.
struct Admin {
    config: Config,
    mode: ModeSwitch,
    board: Board,
}

impl Admin {
    fn ready(&self, clock: &dyn Clock) -> Result<(), String> {
        match self.mode.current() {
            Mode::Running => {}
            Mode::Starting(words) => return Err(words),
            Mode::ReadOnly(words) => return Err(format!("read-only: {words}")),
            Mode::Stopping => return Err("stopping".to_owned()),
        }
        let published = self.board.current().ok_or("nothing is published yet")?;
        // The quorum's own times, not ours: the newest one that a witness put under the head.
        let newest = published.checkpoint().cosigners().iter().map(|it| it.at.get()).max();
        let now_s = clock.unix_millis() / 1000;
        let age_ms = now_s.saturating_sub(newest.unwrap_or(0)).saturating_mul(1000);
        if age_ms > self.config.publish.ready_age_max_ms {
            return Err(format!("the published head is {} s old", age_ms / 1000));
        }
        Ok(())
    }
}

async fn stop_admission(shutdown: Shutdown, mode: ModeSwitch) {
    shutdown.requested().await;
    mode.stop();
}

/// Waits until everything committed is published, or until it never will be.
async fn published_all(store: &store::Store, board: &Board, mode: &ModeSwitch) {
    let Some(last) = store.head().size.get().checked_sub(1) else {
        return;
    };
    let mut changes = mode.subscribe();
    let read_only = changes.wait_for(|it| matches!(it, Mode::ReadOnly(_)));
    tokio::select! {
        _ = board.covering(tlog::LeafIndex::new(last)) => {}
        _ = read_only => {}
    }
}

fn limits_of(config: &Config) -> (usize, usize) {
    (config.limits.pool_submissions_max, config.limits.pool_bytes_max)
}

/// Gauges that nobody sets by an event of their own.
async fn watch_gauges(
    mode: ModeSwitch,
    metrics: Arc<Metrics>,
    pool: Arc<Pool>,
    budget: Budget,
    (_, bytes_max): (usize, usize),
) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        metrics.read_only(mode.is_read_only());
        metrics.pool(pool.len(), bytes_max.saturating_sub(budget.bytes_free()));
    }
}
