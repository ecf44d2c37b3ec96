//! How servers are reached: deadlines, retries, trust, proxies. All of them are values.

use std::time::Duration;

use crate::proxy::Proxies;
use crate::trust::Trust;

/// How a client reaches servers. The default trusts the system's certificates and goes direct.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// Deadlines and retries.
    pub limits: Limits,
    /// Whose certificates are believed, and which one is shown.
    pub trust: Trust,
    /// Which servers are reached through another.
    pub proxies: Proxies,
}

impl HttpSettings {
    /// The same for calls that are made once, whatever comes of it, each within a time.
    #[must_use]
    pub fn once_within(&self, timeout: Duration) -> Self {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let limits = Limits {
            read_timeout_ms: timeout_ms,
            submit_timeout_ms: timeout_ms,
            read: Retry::NEVER,
            submit: Retry::NEVER,
            ..self.limits.clone()
        };
        Self { limits, ..self.clone() }
    }
}

/// How long and how often. Every wait of this client is one of these.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Time to a TCP connection.
    pub connect_timeout_ms: u64,
    /// Time for one attempt of a read, body included.
    pub read_timeout_ms: u64,
    /// Time for one attempt of a submission, body included: longer than the 20 s for which
    /// `wait=published` may hold the answer, and long enough for 8 MiB on a slow line.
    pub submit_timeout_ms: u64,
    /// When a read is repeated.
    pub read: Retry,
    /// When a submission is repeated.
    pub submit: Retry,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 10_000,
            read_timeout_ms: 30_000,
            submit_timeout_ms: 120_000,
            read: Retry { attempts_max: 5, ..Retry::PATIENT },
            submit: Retry::PATIENT,
        }
    }
}

/// When a call is repeated that failed and may go better later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The first attempt included.
    pub attempts_max: u32,
    /// Wait after the first failed attempt; doubled after each.
    pub backoff_first_ms: u64,
    /// Longest wait that we choose ourselves.
    pub backoff_max_ms: u64,
    /// Longest wait that a `Retry-After` may ask of us.
    pub retry_after_max_ms: u64,
}

impl Retry {
    /// For a call that is repeated rather than lost.
    pub const PATIENT: Self = Self {
        attempts_max: 10,
        backoff_first_ms: 200,
        backoff_max_ms: 10_000,
        retry_after_max_ms: 120_000,
    };
    /// For a call whose failure is an answer.
    pub const NEVER: Self = Self { attempts_max: 1, ..Self::PATIENT };

    /// The wait before attempt `attempt + 1`, given what the server asked for in attempt
    /// `attempt` (1-based).
    ///
    /// `Retry-After` is a floor, not a suggestion; only its length is capped.
    pub fn backoff(&self, attempt: u32, retry_after_s: Option<u64>) -> Duration {
        let doublings = attempt.saturating_sub(1).min(32);
        let own = self.backoff_first_ms.saturating_mul(1 << doublings).min(self.backoff_max_ms);
        let asked =
            retry_after_s.map_or(0, |s| s.saturating_mul(1000).min(self.retry_after_max_ms));
        Duration::from_millis(if retry_after_s == Some(0) { 0 } else { own.max(asked) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_limit_and_honours_retry_after() {
        let retry = Retry::PATIENT;
        let millis = |attempt, asked| retry.backoff(attempt, asked).as_millis();
        assert_eq!([1, 2, 3, 99].map(|attempt| millis(attempt, None)), [200, 400, 800, 10_000]);
        assert_eq!(millis(1, Some(7)), 7_000);
        assert_eq!(millis(99, Some(1)), 10_000);
        assert_eq!(millis(1, Some(u64::MAX)), u128::from(retry.retry_after_max_ms));
        assert_eq!(millis(3, Some(0)), 0);
    }
}
