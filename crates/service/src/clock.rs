//! Time, as an argument. Everything else takes a [`Clock`], so that tests decide what time it is.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z, as this machine believes. May jump, also backwards.
    fn unix_millis(&self) -> u64;

    /// Milliseconds since some moment in the life of this process. Never goes back.
    fn monotonic_millis(&self) -> u64;
}

/// The machine's own clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Starts the monotonic clock at zero.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn unix_millis(&self) -> u64 {
        // A machine whose clock stands before 1970 reads as 1970: far enough off for every check
        // on the clock to refuse it.
        whole_millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
    }

    fn monotonic_millis(&self) -> u64 {
        whole_millis(self.started.elapsed())
    }
}

/// A clock that stands still until it is told otherwise. For tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: Mutex<ManualTime>,
}

impl ManualClock {
    /// A clock at `unix_millis`, with zero on its monotonic side.
    pub fn at_unix_millis(unix_millis: u64) -> Self {
        Self { now: Mutex::new(ManualTime { unix_millis, monotonic_millis: 0 }) }
    }

    /// Both clocks go forward.
    pub fn advance_millis(&self, by_ms: u64) {
        self.change(|now| {
            now.unix_millis = now.unix_millis.saturating_add(by_ms);
            now.monotonic_millis = now.monotonic_millis.saturating_add(by_ms);
        });
    }

    /// The wall clock jumps, the monotonic one does not notice.
    pub fn set_unix_millis(&self, unix_millis: u64) {
        self.change(|now| now.unix_millis = unix_millis);
    }

    fn change(&self, apply: impl FnOnce(&mut ManualTime)) {
        apply(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn read(&self) -> ManualTime {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn unix_millis(&self) -> u64 {
        self.read().unix_millis
    }

    fn monotonic_millis(&self) -> u64 {
        self.read().monotonic_millis
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct ManualTime {
    unix_millis: u64,
    monotonic_millis: u64,
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_knows_the_century_and_never_runs_backwards() {
        let clock = SystemClock::new();
        assert!(clock.unix_millis() > 1_600_000_000_000);
        let before = clock.monotonic_millis();
        assert!(clock.monotonic_millis() >= before);
    }

    #[test]
    fn manual_clock_stands_still_until_told() {
        let clock = ManualClock::at_unix_millis(1_000);
        assert_eq!((clock.unix_millis(), clock.monotonic_millis()), (1_000, 0));
        clock.advance_millis(5);
        assert_eq!((clock.unix_millis(), clock.monotonic_millis()), (1_005, 5));
        clock.set_unix_millis(3);
        assert_eq!((clock.unix_millis(), clock.monotonic_millis()), (3, 5));
    }
}
