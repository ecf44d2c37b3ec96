//! The server's metrics. Names end in their unit; every label has the fixed set of values that its
//! constant lists, but `witness`, whose values are the names in the policy.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use tlog::TreeSize;

/// Values of the label `outcome` of `civiclog_server_submissions_total`.
pub const OUTCOMES: [&str; 4] = ["committed", "duplicate", "refused", "not_judged"];

/// Values of the label `outcome` of `civiclog_server_witness_requests_total`.
pub const WITNESS_OUTCOMES: [&str; 9] = [
    "cosigned",
    "conflict",
    "denied",
    "not_authorized",
    "unknown_log",
    "malformed",
    "unreadable",
    "timed_out",
    "unreachable",
];

/// Values of the label `folder` of `civiclog_server_disk_free_bytes`.
pub const FOLDERS: [&str; 2] = ["database", "anchor"];

/// Everything that is counted.
pub struct Metrics {
    submissions: IntCounterVec,
    commit_seconds: Histogram,
    batch_entries: Histogram,
    committed_size: IntGauge,
    published_size: IntGauge,
    published_unix_seconds: IntGauge,
    fatal: IntGauge,
    witness_requests: IntCounterVec,
    witness_size: IntGaugeVec,
    witness_unix_seconds: IntGaugeVec,
    pool_submissions: IntGauge,
    pool_bytes: IntGauge,
    overloaded: IntCounter,
    disk_free: IntGaugeVec,
}

impl Metrics {
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let to = Registering(registry);
        let metrics = Self {
            submissions: to.counters(
                "civiclog_server_submissions_total",
                "Submissions by what became of them.",
                &["outcome"],
            )?,
            commit_seconds: to.histogram(
                "civiclog_server_commit_duration_seconds",
                "Time of one synced commit.",
                0.000_25,
                14,
            )?,
            batch_entries: to.histogram(
                "civiclog_server_commit_entries",
                "Entries in one commit.",
                1.0,
                15,
            )?,
            committed_size: to
                .gauge("civiclog_server_committed_entries", "Entries that are durable.")?,
            published_size: to.gauge(
                "civiclog_server_published_entries",
                "Entries under a head that its witnesses cosigned.",
            )?,
            published_unix_seconds: to.gauge(
                "civiclog_server_published_timestamp_seconds",
                "When the last head was published.",
            )?,
            fatal: to.gauge(
                "civiclog_server_read_only",
                "1 when this process commits and signs nothing any more.",
            )?,
            witness_requests: to.counters(
                "civiclog_server_witness_requests_total",
                "Requests to witnesses by outcome.",
                &["witness", "outcome"],
            )?,
            witness_size: to.gauges(
                "civiclog_server_witness_entries",
                "Entries under the last head that a witness cosigned.",
                "witness",
            )?,
            witness_unix_seconds: to.gauges(
                "civiclog_server_witness_cosigned_timestamp_seconds",
                "When a witness cosigned last, by this machine's clock.",
                "witness",
            )?,
            pool_submissions: to.gauge(
                "civiclog_server_pool_submissions",
                "Submissions waiting to be sequenced.",
            )?,
            pool_bytes: to.gauge(
                "civiclog_server_pool_bytes",
                "Bytes of bodies and submissions in flight.",
            )?,
            overloaded: to.counter(
                "civiclog_server_overloaded_total",
                "Requests answered 503 because there was no room.",
            )?,
            disk_free: to.gauges(
                "civiclog_server_disk_free_bytes",
                "Bytes that may still be written where the database and the anchor are.",
                "folder",
            )?,
        };
        for outcome in OUTCOMES {
            metrics.submissions.with_label_values(&[outcome]);
        }
        Ok(metrics)
    }

    pub(crate) fn committed(&self, entries: usize, took_ms: u64, size: TreeSize) {
        self.submissions.with_label_values(&["committed"]).inc_by(entries as u64);
        self.commit_seconds.observe(seconds(took_ms));
        self.batch_entries.observe(f64::from(u32::try_from(entries).unwrap_or(u32::MAX)));
        self.committed_size.set(as_gauge(size.get()));
    }

    pub(crate) fn duplicate(&self) {
        self.submissions.with_label_values(&["duplicate"]).inc();
    }

    pub(crate) fn refused(&self) {
        self.submissions.with_label_values(&["refused"]).inc();
    }

    pub(crate) fn not_judged(&self) {
        self.submissions.with_label_values(&["not_judged"]).inc();
    }

    pub(crate) fn overloaded(&self) {
        self.overloaded.inc();
    }

    /// So much may still be written. `folder` is one of [`FOLDERS`].
    pub(crate) fn disk_free(&self, folder: &'static str, bytes: u64) {
        self.disk_free.with_label_values(&[folder]).set(as_gauge(bytes));
    }

    pub(crate) fn published(&self, size: TreeSize, unix_ms: u64) {
        self.published_size.set(as_gauge(size.get()));
        self.published_unix_seconds.set(as_gauge(unix_ms / 1000));
    }

    /// This process commits and signs nothing any more, or may.
    pub(crate) fn read_only(&self, is_read_only: bool) {
        self.fatal.set(i64::from(is_read_only));
    }

    /// A witness was asked. `outcome` is one of [`WITNESS_OUTCOMES`].
    pub(crate) fn witness_asked(&self, name: &str, outcome: &'static str) {
        self.witness_requests.with_label_values(&[name, outcome]).inc();
    }

    /// A witness has cosigned a head of this size.
    pub(crate) fn witness_cosigned(&self, name: &str, size: TreeSize, unix_ms: u64) {
        self.witness_size.with_label_values(&[name]).set(as_gauge(size.get()));
        self.witness_unix_seconds.with_label_values(&[name]).set(as_gauge(unix_ms / 1000));
    }

    pub(crate) fn pool(&self, submissions: usize, bytes: usize) {
        self.pool_submissions.set(as_gauge(submissions as u64));
        self.pool_bytes.set(as_gauge(bytes as u64));
    }
}

/// Makes each kind of metric and registers it.
struct Registering<'a>(&'a Registry);

impl Registering<'_> {
    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.registered(IntGauge::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> prometheus::Result<IntGaugeVec> {
        self.registered(IntGaugeVec::new(Opts::new(name, help), &[label])?)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.registered(IntCounter::new(name, help)?)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// With so many buckets, each twice as wide as the one before.
    fn histogram(
        &self,
        name: &str,
        help: &str,
        first: f64,
        count: usize,
    ) -> prometheus::Result<Histogram> {
        let buckets = prometheus::exponential_buckets(first, 2.0, count)?;
        self.registered(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
    }

    fn registered<C: Collector + Clone + 'static>(&self, collector: C) -> prometheus::Result<C> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

fn as_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn seconds(ms: u64) -> f64 {
    f64::from(u32::try_from(ms).unwrap_or(u32::MAX)) / 1000.0
}
