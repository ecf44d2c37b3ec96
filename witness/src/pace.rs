//! How often one log may ask: a bucket that fills with the day and empties with each request.

/// Room for requests. Counted in parts of a request, so that no time is lost to rounding.
#[derive(Debug, Clone)]
pub struct Pace {
    /// What flows in each millisecond, in 86,400,000ths of a request: the requests of a day.
    per_day: u64,
    room: u64,
    filled_at_millis: u64,
}

impl Pace {
    /// A full bucket.
    pub fn per_day(requests: u32) -> Self {
        let per_day = u64::from(requests);
        Self { per_day, room: capacity(per_day), filled_at_millis: 0 }
    }

    /// Takes room for one request.
    ///
    /// # Errors
    /// After how many seconds there is some.
    pub fn take(&mut self, now_millis: u64) -> Result<(), u64> {
        let passed = now_millis.saturating_sub(self.filled_at_millis);
        let gained = passed.saturating_mul(self.per_day);
        self.room = self.room.saturating_add(gained).min(capacity(self.per_day));
        self.filled_at_millis = self.filled_at_millis.max(now_millis);
        if let Some(left) = self.room.checked_sub(REQUEST) {
            self.room = left;
            return Ok(());
        }
        let missing_millis = (REQUEST - self.room).div_ceil(self.per_day.max(1));
        Err(missing_millis.div_ceil(1_000))
    }
}

/// A thousandth of a day's requests may come at once, and at least sixteen: a log that was away
/// tries several times.
fn capacity(per_day: u64) -> u64 {
    (per_day / 1_000).max(BURST_MIN) * REQUEST
}

/// One request: the milliseconds of a day.
const REQUEST: u64 = 86_400_000;
const BURST_MIN: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_daily_rate() {
        let mut pace = Pace::per_day(86_400);
        let taken = (0..1_000).take_while(|_| pace.take(5).is_ok()).count();
        assert_eq!(taken, 86);
        assert_eq!(pace.take(5), Err(1));
        // One a second from here on.
        for second in 1..50 {
            assert_eq!(pace.take(5 + second * 1_000), Ok(()));
            assert_eq!(pace.take(5 + second * 1_000), Err(1));
        }
    }

    #[test]
    fn few_requests_a_day_still_come_in_a_row() {
        let mut pace = Pace::per_day(1);
        assert_eq!((0..100).take_while(|_| pace.take(0).is_ok()).count(), 16);
        assert_eq!(pace.take(0), Err(86_400));
        assert_eq!(pace.take(86_399_999), Err(1));
        assert_eq!(pace.take(86_400_000), Ok(()));
    }

    #[test]
    fn a_clock_that_stands_or_ends_gives_nothing_away() {
        let mut pace = Pace::per_day(u32::MAX);
        let burst = (0..u64::MAX).take_while(|_| pace.take(u64::MAX).is_ok()).count();
        assert_eq!(burst, 4_294_967);
        assert!(pace.take(0).is_err());
        assert!(pace.take(u64::MAX).is_err());
    }
}
