//! Figures for the operator. Labels are outcomes from a fixed list, or configured origins.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use tlog::Origin;

use crate::decide::Cosigned;

/// What the witness counts.
#[derive(Clone)]
pub struct Metrics {
    requests: IntCounterVec,
    size: IntGaugeVec,
    cosigned_at: IntGaugeVec,
    unknown: IntGaugeVec,
    contradictions: IntCounterVec,
}

impl Metrics {
    /// Registers all figures; every outcome shows with 0 from the start.
    ///
    /// # Errors
    /// When a figure of that name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let by_origin = |name: &str, help: &str| -> prometheus::Result<IntGaugeVec> {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["origin"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let requests = IntCounterVec::new(
            Opts::new(
                "civiclog_witness_add_checkpoint_requests_total",
                "add-checkpoint requests by how they were answered",
            ),
            &["outcome"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        let contradictions = IntCounterVec::new(
            Opts::new(
                "civiclog_witness_contradictions_total",
                "heads that a log signed and that contradict another one it signed, by log",
            ),
            &["origin"],
        )?;
        registry.register(Box::new(contradictions.clone()))?;
        for outcome in Outcome::ALL {
            requests.with_label_values(&[outcome.label()]);
        }
        Ok(Self {
            requests,
            contradictions,
            size: by_origin(
                "civiclog_witness_cosigned_size_leaves",
                "size of the last tree head cosigned, by log",
            )?,
            cosigned_at: by_origin(
                "civiclog_witness_cosigned_timestamp_seconds",
                "Unix time of the last cosignature, by log",
            )?,
            unknown: by_origin(
                "civiclog_witness_state_unknown",
                "1 when a write failed and nothing is signed for this log until a restart",
            )?,
        })
    }

    /// One request was answered.
    pub fn answered(&self, outcome: Outcome) {
        self.requests.with_label_values(&[outcome.label()]).inc();
    }

    /// How often requests were answered like this.
    pub fn answered_count(&self, outcome: Outcome) -> u64 {
        self.requests.with_label_values(&[outcome.label()]).get()
    }

    /// A log is watched: what an alarm looks at shows with 0 from the start.
    pub(crate) fn watches(&self, origin: &Origin) {
        self.contradictions.with_label_values(&[origin.as_str()]);
    }

    /// The log signed what cannot be true.
    pub(crate) fn contradicted(&self, origin: &Origin) {
        self.contradictions.with_label_values(&[origin.as_str()]).inc();
    }

    /// How often the log signed what cannot be true.
    pub fn contradictions_count(&self, origin: &Origin) -> u64 {
        self.contradictions.with_label_values(&[origin.as_str()]).get()
    }

    /// A checkpoint was cosigned, now or before the start.
    pub(crate) fn cosigned(&self, cosigned: &Cosigned) {
        let labels = [cosigned.origin().as_str()];
        self.size.with_label_values(&labels).set(gauge(cosigned.head().size.get()));
        self.cosigned_at.with_label_values(&labels).set(gauge(cosigned.at().get()));
    }

    pub(crate) fn state_unknown(&self, origin: &Origin) {
        self.unknown.with_label_values(&[origin.as_str()]).set(1);
    }
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 200.
    Cosigned,
    /// 400, 408, 413.
    Malformed,
    /// 403.
    NotAuthorized,
    /// 404.
    UnknownOrigin,
    /// 409.
    Conflict,
    /// 422.
    Inconsistent,
    /// 429.
    TooMany,
    /// 503: the state could not be saved.
    Failed,
}

impl Outcome {
    const ALL: [Self; 8] = [
        Self::Cosigned,
        Self::Malformed,
        Self::NotAuthorized,
        Self::UnknownOrigin,
        Self::Conflict,
        Self::Inconsistent,
        Self::TooMany,
        Self::Failed,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Cosigned => "cosigned",
            Self::Malformed => "malformed",
            Self::NotAuthorized => "not_authorized",
            Self::UnknownOrigin => "unknown_origin",
            Self::Conflict => "conflict",
            Self::Inconsistent => "inconsistent",
            Self::TooMany => "too_many",
            Self::Failed => "failed",
        }
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
