//! One life of the server: the real sequencer, signing thread and publisher, one step at a time. What
//! the operating system would give them, threads, sockets and a disk, are queues here.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use civiclog_server::admit::budget::{Budget, Room};
use civiclog_server::admit::check::{self, CheckError};
use civiclog_server::admit::clock_rule::AdmissionClock;
use civiclog_server::admit::low_water::LowWater;
use civiclog_server::admit::outcome::{Outcome, Receipt};
use civiclog_server::admit::pool::{Pending, Pool};
use civiclog_server::admit::posted::Posted;
use civiclog_server::core::mode::Mode;
use civiclog_server::core::{Core, prove};
use civiclog_server::publish::decisions::{Effect, Event, Pace, Publisher, WitnessId};
use civiclog_server::publish::driver::{self, EffectRunner, WitnessRequest};
use civiclog_server::publish::latest::{LatestPublished, Published};
use civiclog_server::publish::startup::{self, Parts, Publishing};
use civiclog_server::sequence::sequencer::{self, Sequencer};
use civiclog_server::serve::receipt;
use civiclog_server::sign::anchor::Anchor;
use civiclog_server::sign::thread::{SigningTask, SigningThread};
use prometheus::Registry;
use service::{Clock, ManualClock};
use store::Store;
use tlog::{SignedCheckpoint, TlogProof, TreeHead, TreeSize};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::disk::{Disk, ROOM_BYTES_MIN, SimKv};
use super::fodder::{self, SimPolicy};
use crate::random::Random;

/// How heads are paced: as by default, and patient witnesses.
const PACE: Pace = Pace {
    checkpoint_interval_ms: 250,
    refresh_interval_ms: 60_000,
    round_timeout_ms: 5_000,
    request_interval_ms: 100,
};

/// A running server: the sequencer's thread, and the rest.
pub struct Life {
    /// The same as of a real process, over a disk and a clock of the simulation.
    pub core: Core<SimKv>,
    /// What everybody is shown.
    pub latest: LatestPublished,
    /// The size of the tree that was signed before this life.
    pub anchored: TreeSize,
    pool: Arc<Pool>,
    room: Arc<Room>,
    disk: Disk,
    sequencer: Option<Sequencer<SimKv>>,
    /// What goes on while the sequencer waits for its write.
    rest: Arc<Mutex<Rest>>,
}

/// The publisher and the signing thread, with what they wait for and what they have done.
struct Rest {
    core: Core<SimKv>,
    signing: Option<SigningThread<SimKv>>,
    publisher: Publisher,
    runner: QueueRunner,
    events: VecDeque<Event>,
    committed: Arc<Mutex<VecDeque<TreeHead>>>,
    signed: Vec<SignedCheckpoint>,
    /// Heads that had their quorum, and for which an RFC 6962 tree head may exist.
    quorate: Vec<TreeHead>,
    random: Random,
}

/// A submission that waits for the sequencer.
pub struct Waiting(oneshot::Receiver<Outcome>);

/// What the log says to one submission so far.
pub enum Said {
    /// Nothing yet.
    Nothing,
    /// Where it stands.
    Committed(Receipt),
    /// A rule refuses it.
    Refused,
    /// It was not judged, and why.
    NotJudged(String),
}

/// What the log says when it is handed a submission.
pub enum Handed {
    /// It waits.
    Waiting(Waiting),
    /// A rule refuses it.
    Refused,
    /// It could not be checked, and why.
    Failed(String),
}

#[derive(Default)]
struct QueueRunner {
    tasks: RefCell<VecDeque<SigningTask>>,
    asked: RefCell<Vec<WitnessRequest>>,
    inquiries: RefCell<Vec<WitnessId>>,
}

impl EffectRunner for QueueRunner {
    fn queue(&self, task: SigningTask) -> bool {
        self.tasks.borrow_mut().push_back(task);
        true
    }

    fn ask(&self, request: WitnessRequest) {
        self.asked.borrow_mut().push(request);
    }

    fn inquire(&self, witness: WitnessId) {
        self.inquiries.borrow_mut().push(witness);
    }
}

impl Life {
    /// Starts on a disk, as `run` does.
    ///
    /// # Errors
    /// Why it refuses, in words.
    pub fn start(
        disk: &Disk,
        clock: &Arc<ManualClock>,
        policy: &SimPolicy,
        random: Random,
    ) -> anyhow::Result<Self> {
        let SimPolicy { policy, text: policy_text } = policy;
        let (kv, anchor) = disk.open();
        let origin = fodder::origin();
        let anchor = Anchor::open_on(Box::new(anchor), &origin)?;
        store::Kv::flush(&kv)?;
        let (store, writer) = Store::open_on(kv, &origin, 1 << 20)?;
        let opened = startup::fit(Parts {
            origin,
            anchor,
            store,
            writer,
            keys: fodder::log_keys(),
            policy: policy.clone(),
            policy_text: policy_text.clone(),
        })?;
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        let clock_rule = Arc::new(AdmissionClock::new(Arc::clone(&clock)));
        let core = Core::new(opened.store.clone(), clock, &Registry::new())?;
        let latest = opened.latest_published()?;
        let first_signed = opened.anchored.clone();
        let anchored = first_signed.head().size;
        let (publishing, writer) = opened.publishing(
            core.clone(),
            latest.clone(),
            Arc::clone(&clock_rule),
            PACE,
            BTreeMap::new(),
        );
        let Publishing { publisher, first, signing } = publishing;
        let pool = Arc::new(Pool::new());
        let committed: Arc<Mutex<VecDeque<TreeHead>>> = Arc::default();
        let telling = Arc::clone(&committed);
        let sequencer = Sequencer::new(sequencer::Deps {
            core: core.clone(),
            writer,
            pool: Arc::clone(&pool),
            clock_rule,
            low_water: Arc::new(LowWater::new(
                Box::new(disk.clone()),
                vec![("database", PathBuf::new())],
                ROOM_BYTES_MIN,
            )),
            committed: Box::new(move |head| {
                telling.lock().unwrap_or_else(PoisonError::into_inner).push_back(head);
            }),
            batch_entries_max: 64,
        })?;
        let room = Budget::new(1, 1 << 20).room_for_submissions(1).expect("room");
        let mut rest = Rest {
            core: core.clone(),
            signing: Some(signing),
            publisher,
            runner: QueueRunner::default(),
            events: VecDeque::from([Event::Committed(core.store.head())]),
            committed,
            signed: vec![first_signed],
            quorate: Vec::new(),
            random,
        };
        rest.carry_out(first);
        Ok(Self {
            core,
            latest,
            pool,
            anchored,
            room: Arc::new(room),
            disk: disk.clone(),
            sequencer: Some(sequencer),
            rest: Arc::new(Mutex::new(rest)),
        })
    }

    /// Hands it a submission, as the HTTP interface does. `flip` changes what was posted after it
    /// was checked, as a bit that flips in memory would.
    pub fn hand(&mut self, bytes: &[u8], flip: bool) -> Handed {
        if !self.core.mode.is_running() {
            return Handed::Failed("closed".to_owned());
        }
        let mut checked = match check::check(&self.core.store, fodder::ORIGIN, bytes) {
            Ok(checked) => checked,
            Err(CheckError::Refused(_)) => return Handed::Refused,
            Err(error) => {
                error.report(&self.core.mode);
                return Handed::Failed(error.to_string());
            }
        };
        if flip {
            let mut other = bytes.to_vec();
            let at = other.len() / 2;
            other[at] ^= 1;
            checked.posted = Posted::of(&other).expect("a record");
        }
        let (answer, outcome) = oneshot::channel();
        self.pool.put([Pending { checked, answer, room: Arc::clone(&self.room) }]);
        Handed::Waiting(Waiting(outcome))
    }

    /// What became of a submission that was handed over.
    pub fn said(waiting: &mut Waiting) -> Said {
        match waiting.0.try_recv() {
            Ok(Outcome::Committed(receipt)) => Said::Committed(receipt),
            Ok(Outcome::Refused { .. }) => Said::Refused,
            Ok(Outcome::NotJudged(why)) => Said::NotJudged(why.to_string()),
            Err(TryRecvError::Closed) => Said::NotJudged("nobody answers".to_owned()),
            Err(TryRecvError::Empty) => Said::Nothing,
        }
    }

    /// Whether submissions wait for the sequencer.
    pub fn has_batch(&self) -> bool {
        self.sequencer.is_some() && !self.pool.is_empty()
    }

    /// The sequencer takes a batch. While it waits for its write, the rest goes on.
    pub fn sequence(&mut self, entries_max: usize) {
        let Some(sequencer) = &mut self.sequencer else {
            return;
        };
        let batch = self.pool.take_waiting(entries_max);
        if batch.is_empty() {
            return;
        }
        let meanwhile = Arc::clone(&self.rest);
        self.disk.meanwhile(Some(Box::new(move || locked(&meanwhile).go_on())));
        if sequencer.sequence(batch).is_err() {
            self.sequencer = None;
        }
        self.disk.meanwhile(None);
        locked(&self.rest).hear_of_commits();
    }

    /// Whether the signing thread has anything to do.
    pub fn has_task(&self) -> bool {
        locked(&self.rest).has_task()
    }

    /// The signing thread performs one task.
    pub fn work(&mut self) {
        locked(&self.rest).work();
    }

    /// Whether the publisher has something to hear.
    pub fn has_event(&self) -> bool {
        locked(&self.rest).has_event()
    }

    /// The publisher hears one event, or that time passed.
    pub fn hear(&mut self) {
        locked(&self.rest).hear();
    }

    /// An event from outside.
    pub fn tell(&mut self, event: Event) {
        locked(&self.rest).events.push_back(event);
    }

    /// Requests to witnesses that nobody has sent yet.
    pub fn take_asked(&mut self) -> Vec<WitnessRequest> {
        locked(&self.rest).runner.asked.take()
    }

    /// Witnesses that are to be asked what they saw.
    pub fn take_inquiries(&mut self) -> Vec<WitnessId> {
        locked(&self.rest).runner.inquiries.take()
    }

    /// Heads that were signed and not looked at yet.
    pub fn take_signed(&mut self) -> Vec<SignedCheckpoint> {
        std::mem::take(&mut locked(&self.rest).signed)
    }

    /// Heads that had their quorum and were not looked at yet.
    pub fn take_quorate(&mut self) -> Vec<TreeHead> {
        std::mem::take(&mut locked(&self.rest).quorate)
    }

    /// The witnesses that it asks, by their names.
    pub fn witness_names(&self) -> Vec<String> {
        let rest = locked(&self.rest);
        rest.publisher.witnesses().iter().map(|it| it.name.clone()).collect()
    }

    /// The proof that is served for an entry.
    pub fn proof(&self, receipt: &Receipt, published: &Published) -> Option<TlogProof> {
        let note = published.checkpoint().note();
        receipt::proof_under(&self.core.store, receipt.index(), note)
            .inspect_err(|failure| prove::report(failure, &self.core.mode))
            .ok()
    }

    /// How far it is, for whoever looks at a run that found something.
    pub fn in_words(&self) -> String {
        let published = self.latest.current().map(|it| it.size().get());
        let waiting = self.pool.take_waiting(usize::MAX).len();
        format!(
            "{:?}, {} committed, {published:?} published, {waiting} waiting, sequencing: {}",
            self.core.mode.current(),
            self.core.store.head().size,
            self.sequencer.is_some()
        )
    }

    /// Why it does nothing, if it does nothing.
    pub fn read_only_because(&self) -> Option<String> {
        match self.core.mode.current() {
            Mode::ReadOnly(reason) => Some(reason.words().to_owned()),
            _ => None,
        }
    }
}

impl Rest {
    /// Some of what other threads may do while the sequencer waits.
    fn go_on(&mut self) {
        self.hear_of_commits();
        for _ in 0..self.random.below(4) {
            if self.random.below(2) == 0 {
                self.hear();
            } else {
                self.work();
            }
        }
    }

    fn hear_of_commits(&mut self) {
        let mut committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        self.events.extend(committed.drain(..).map(Event::Committed));
    }

    fn has_task(&self) -> bool {
        self.signing.is_some() && !self.runner.tasks.borrow().is_empty()
    }

    fn work(&mut self) {
        let Some(signing) = &mut self.signing else { return };
        let Some(task) = self.runner.tasks.borrow_mut().pop_front() else { return };
        if let SigningTask::Publish(cosigned) = &task {
            self.quorate.push(cosigned.head());
        }
        match signing.perform(task) {
            Ok(Some(signed)) => {
                self.signed.push(signed.clone());
                self.events.push_back(Event::Signed(signed));
            }
            Ok(None) => {}
            Err(_) => self.signing = None,
        }
    }

    fn has_event(&self) -> bool {
        !self.events.is_empty() && !self.core.mode.is_read_only()
    }

    fn hear(&mut self) {
        let event = self.events.pop_front().unwrap_or(Event::Tick);
        // The driver ends with the first effect that makes the process read-only.
        if self.core.mode.is_read_only() {
            return;
        }
        let effects = self.publisher.step(self.core.clock.monotonic_millis(), event);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        driver::carry_out(&self.runner, &self.core, &self.publisher, effects);
    }
}

fn locked(rest: &Mutex<Rest>) -> MutexGuard<'_, Rest> {
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}
