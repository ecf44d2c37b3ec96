//! The clock rule: records are admitted only while this machine's clock agrees with the entries
//! before and with the witnesses.
//!
//! Admission times are in the tree for ever, and rules are judged by them. A clock that runs ahead
//! would stamp a future that no later entry may undercut; one that runs behind would have to lie.
//! The witnesses' own times, in the cosignatures of the last head that had its quorum, are carried
//! forward on the monotonic clock and held against it.

use std::sync::{Arc, Mutex, PoisonError};

use service::Clock;
use tlog::{Cosigner, UnixSeconds};

/// Nothing is committed while the clock is further than this behind the last entry.
pub const BEHIND_LAST_ENTRY_MAX_MS: u64 = 10_000;

/// Nothing is committed while the clock is further than this from the witnesses' median.
pub const FROM_WITNESSES_MAX_MS: u64 = 60_000;

/// Why nothing is admitted at present. It passes when the clock is right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The clock went back.
    #[error("the log's clock is {by_ms} ms behind its last entry; nothing is admitted until then")]
    BehindLastEntry { by_ms: u64 },
    /// No quorum of witnesses cosigned in the life of this process, so nobody's time is known.
    #[error("no quorum of witnesses told its time yet; nothing is admitted until then")]
    WitnessTimeUnknown,
    /// The clock and the witnesses disagree.
    #[error("the log's clock is {by_ms} ms away from its witnesses' time; nothing is admitted")]
    FromWitnesses { by_ms: u64 },
}

/// The machine's clock under the rule.
pub struct AdmissionClock {
    clock: Arc<dyn Clock>,
    /// Locked for moments only.
    witnesses: Mutex<Option<WitnessTime>>,
}

/// The witnesses' median, and when on the monotonic clock it was learnt.
#[derive(Clone, Copy)]
struct WitnessTime {
    median_unix_ms: u64,
    learnt_ms: u64,
}

impl AdmissionClock {
    /// A clock that no witness has been held against yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, witnesses: Mutex::new(None) }
    }

    /// Takes the times of a quorum that just cosigned.
    pub fn learn(&self, cosigners: &[Cosigner]) {
        let Some(median) = median(cosigners) else {
            return;
        };
        let learnt = WitnessTime {
            median_unix_ms: median.get().saturating_mul(1000),
            learnt_ms: self.clock.monotonic_millis(),
        };
        *self.witnesses.lock().unwrap_or_else(PoisonError::into_inner) = Some(learnt);
    }

    /// Whether a quorum told its time in the life of this process.
    pub fn knows_witness_time(&self) -> bool {
        self.witnesses.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The admission time of the next entries: now, and never before the last entry.
    ///
    /// # Errors
    /// [`ClockError`] while the clock cannot be believed.
    pub fn admission_ms(&self, last_admitted_ms: u64) -> Result<u64, ClockError> {
        let now_ms = self.clock.unix_millis();
        let by_ms = last_admitted_ms.saturating_sub(now_ms);
        if by_ms > BEHIND_LAST_ENTRY_MAX_MS {
            return Err(ClockError::BehindLastEntry { by_ms });
        }
        let learnt = *self.witnesses.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(WitnessTime { median_unix_ms, learnt_ms }) = learnt else {
            return Err(ClockError::WitnessTimeUnknown);
        };
        let passed_ms = self.clock.monotonic_millis().saturating_sub(learnt_ms);
        let by_ms = now_ms.abs_diff(median_unix_ms.saturating_add(passed_ms));
        if by_ms > FROM_WITNESSES_MAX_MS {
            return Err(ClockError::FromWitnesses { by_ms });
        }
        Ok(now_ms.max(last_admitted_ms))
    }
}

/// The median of the times under a head, which no minority can move far; `None` without any.
pub fn median(cosigners: &[Cosigner]) -> Option<UnixSeconds> {
    let mut times: Vec<u64> = cosigners.iter().map(|it| it.at.get()).collect();
    times.sort_unstable();
    // The lower of the two middle ones when their number is even: any between them would do.
    times.get(times.len().saturating_sub(1) / 2).copied().map(UnixSeconds::new)
}

#[cfg(test)]
mod tests {
    use service::ManualClock;

    use super::*;

    const NOW_S: u64 = 1_700_000_000;
    const NOW_MS: u64 = NOW_S * 1000;

    fn cosigners(times: &[u64]) -> Vec<Cosigner> {
        times
            .iter()
            .map(|it| Cosigner { name: "w".to_owned(), at: UnixSeconds::new(*it) })
            .collect()
    }

    fn clock() -> (Arc<ManualClock>, AdmissionClock) {
        let clock = Arc::new(ManualClock::at_unix_millis(NOW_MS));
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        (clock, AdmissionClock::new(shared))
    }

    #[test]
    fn nothing_is_admitted_before_the_witnesses_time_is_known() {
        let (_, admission) = clock();
        assert_eq!(admission.admission_ms(0), Err(ClockError::WitnessTimeUnknown));
        admission.learn(&[]);
        assert_eq!(admission.admission_ms(0), Err(ClockError::WitnessTimeUnknown));
        admission.learn(&cosigners(&[NOW_S]));
        assert_eq!(admission.admission_ms(0), Ok(NOW_MS));
    }

    #[test]
    fn admission_times_never_go_back() {
        let (_, admission) = clock();
        admission.learn(&cosigners(&[NOW_S]));
        assert_eq!(admission.admission_ms(NOW_MS - 5), Ok(NOW_MS));
        assert_eq!(admission.admission_ms(NOW_MS + 10_000), Ok(NOW_MS + 10_000));
        let behind = ClockError::BehindLastEntry { by_ms: 10_001 };
        assert_eq!(admission.admission_ms(NOW_MS + 10_001), Err(behind));
    }

    #[test]
    fn one_lying_witness_does_not_move_the_median() {
        let (_, admission) = clock();
        admission.learn(&cosigners(&[NOW_S + 1_000_000, NOW_S, NOW_S - 1]));
        assert_eq!(admission.admission_ms(0), Ok(NOW_MS));
        admission.learn(&cosigners(&[0, NOW_S, NOW_S + 1]));
        assert_eq!(admission.admission_ms(0), Ok(NOW_MS));
    }

    #[test]
    fn a_clock_that_jumps_is_not_believed_until_it_is_right_again() {
        let (manual, admission) = clock();
        admission.learn(&cosigners(&[NOW_S, NOW_S, NOW_S]));
        manual.advance_millis(3_600_000);
        assert_eq!(admission.admission_ms(0), Ok(NOW_MS + 3_600_000), "an hour that passed");
        manual.set_unix_millis(NOW_MS + 3_600_000 + 60_001);
        let ahead = ClockError::FromWitnesses { by_ms: 60_001 };
        assert_eq!(admission.admission_ms(0), Err(ahead));
        manual.set_unix_millis(NOW_MS + 3_600_000 - 60_001);
        assert_eq!(admission.admission_ms(0), Err(ahead));
        manual.set_unix_millis(NOW_MS + 3_600_000 + 60_000);
        assert!(admission.admission_ms(0).is_ok());
    }
}
