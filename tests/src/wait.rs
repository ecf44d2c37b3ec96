//! The only place that waits. A test says what it waits for; how long is bounded here.

use std::time::Duration;

use service::{Clock as _, SystemClock};

/// How long anything may take before a test gives up, in milliseconds. Generous: a passing test
/// never waits for it, and machines that run tests are often busy.
pub const DEADLINE_MS: u64 = 60_000;

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none within [`DEADLINE_MS`]; the message says what was waited for.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE_MS, &mut ask)
        .unwrap_or_else(|| panic!("waited {DEADLINE_MS} ms in vain until {what}"))
}

/// Asks again and again for at most `deadline_ms`.
pub fn within<T>(deadline_ms: u64, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = SystemClock::new();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if clock.monotonic_millis() >= deadline_ms {
            return None;
        }
        pause_ms(POLL_MS);
    }
}

/// Lets a moment chosen by a seed pass, as the tests that kill need it.
pub fn pause_ms(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

const POLL_MS: u64 = 10;
