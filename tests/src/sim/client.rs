//! A treasury's client: sends, waits, gives up waiting, and sends the same bytes again after the pause
//! that the real client would make.

use std::collections::VecDeque;

use tlog_client::Retry;

use super::disk::pick;
use super::fodder::Sendable;
use crate::random::Random;

/// One client with its work.
#[derive(Debug)]
pub struct SimClient {
    jobs: VecDeque<Job>,
    state: State,
    /// Every request has a number of its own; an answer to an earlier one comes too late.
    request: u64,
    retry: Retry,
}

/// Submissions that are sent in one request.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which.
    pub submissions: Vec<usize>,
    /// Whether the answer waits for the publication.
    pub wants_published: bool,
    attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// May send at this time.
    Pausing { until_ms: u64 },
    /// Waits for the answer.
    Waiting,
}

/// What the client makes of an answer to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Every submission has its final answer.
    All,
    /// At least one has not; the log asked for a pause.
    Again {
        /// `Retry-After`.
        retry_after_s: Option<u64>,
    },
}

impl SimClient {
    /// A client that has these submissions to send, cut into jobs by chance.
    pub fn new(mut submissions: Vec<usize>, random: &mut Random) -> Self {
        let mut jobs = VecDeque::new();
        while !submissions.is_empty() {
            let count = 1 + pick(random, 4).min(submissions.len() - 1);
            let submissions: Vec<_> = submissions.drain(..count).collect();
            jobs.push_back(Job { submissions, wants_published: random.below(2) == 0, attempts: 0 });
        }
        let state = State::Pausing { until_ms: 0 };
        Self { jobs, state, request: 0, retry: Retry::PATIENT }
    }

    /// Whether everything was answered.
    pub fn is_done(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The job to send now, under the number of its request.
    pub fn send(&mut self, now_ms: u64) -> Option<(u64, Job)> {
        let State::Pausing { until_ms } = self.state else {
            return None;
        };
        let job = self.jobs.front_mut().filter(|_| until_ms <= now_ms)?;
        job.attempts += 1;
        self.request += 1;
        self.state = State::Waiting;
        Some((self.request, job.clone()))
    }

    /// It waited long enough.
    pub fn give_up(&mut self, now_ms: u64) {
        if self.state == State::Waiting {
            self.pause(now_ms, None);
        }
    }

    /// An answer came; false when it is to a request that was given up.
    pub fn hear(&mut self, now_ms: u64, request: u64, heard: Heard) -> bool {
        if request != self.request || self.state != State::Waiting {
            return false;
        }
        match heard {
            Heard::All => {
                self.jobs.pop_front();
                self.state = State::Pausing { until_ms: now_ms };
            }
            Heard::Again { retry_after_s } => self.pause(now_ms, retry_after_s),
        }
        true
    }

    fn pause(&mut self, now_ms: u64, retry_after_s: Option<u64>) {
        let attempts = self.jobs.front().map_or(1, |it| it.attempts);
        let pause = self.retry.backoff(attempts, retry_after_s).as_millis();
        let until_ms = now_ms + u64::try_from(pause).unwrap_or(u64::MAX);
        self.state = State::Pausing { until_ms };
    }
}

/// Deals submissions out to clients; pairs that contradict each other may end up with two.
pub fn clients(sendable: &[Sendable], count: usize, random: &mut Random) -> Vec<SimClient> {
    let mut hands = vec![Vec::new(); 3];
    for number in 0..count {
        let submission = pick(random, sendable.len());
        hands[number % 3].push(submission);
    }
    hands.into_iter().map(|it| SimClient::new(it, random)).collect()
}
