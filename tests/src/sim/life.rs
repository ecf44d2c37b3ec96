//! One life of the server: the real sequencer, signing desk and publisher, one step at a time. What
//! the operating system would give them, threads, sockets and a disk, are queues here.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use civiclog_server::admit::check::{self, AdmitError};
use civiclog_server::admit::clock_rule::AdmissionClock;
use civiclog_server::admit::low_water::LowWater;
use civiclog_server::admit::pool::{Budget, Outcome, Pending, Pool, Receipt, Room};
use civiclog_server::admit::posted::Posted;
use civiclog_server::core::metrics::Metrics;
use civiclog_server::core::mode::{Mode, ModeSwitch};
use civiclog_server::core::prove;
use civiclog_server::publish::decisions::{Effect, Event, Pace, Publisher, Start, WitnessId};
use civiclog_server::publish::drive::{self, Asking, Hands, Order, SigningDesk};
use civiclog_server::publish::latest::{Board, Published};
use civiclog_server::publish::startup::{self, Parts};
use civiclog_server::sequence::sequencer::{self, Sequencer};
use civiclog_server::serve::receipt;
use civiclog_server::sign::anchor::Anchor;
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
    /// What it may do.
    pub mode: ModeSwitch,
    /// What everybody is shown.
    pub board: Board,
    /// The size of the tree that was signed before this life.
    pub anchored: TreeSize,
    store: Store<SimKv>,
    pool: Arc<Pool>,
    room: Arc<Room>,
    disk: Disk,
    sequencer: Option<Sequencer<SimKv>>,
    /// What goes on while the sequencer waits for its write.
    rest: Arc<Mutex<Rest>>,
}

/// The publisher and the signing desk, with what they wait for and what they have done.
struct Rest {
    mode: ModeSwitch,
    store: Store<SimKv>,
    clock: Arc<ManualClock>,
    desk: Option<SigningDesk<SimKv>>,
    publisher: Publisher,
    hands: QueueHands,
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
struct QueueHands {
    orders: RefCell<VecDeque<Order>>,
    asked: RefCell<Vec<Asking>>,
    inquiries: RefCell<Vec<WitnessId>>,
}

impl Hands for QueueHands {
    fn order(&self, order: Order) -> bool {
        self.orders.borrow_mut().push_back(order);
        true
    }

    fn ask(&self, asking: Asking) {
        self.asked.borrow_mut().push(asking);
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
    #[expect(clippy::too_many_lines, reason = "the wiring of a process, in one place as in `run`")]
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
        let board = Board::new(startup::published(&opened)?);
        let clock_as: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
        let clock_rule = Arc::new(AdmissionClock::new(Arc::clone(&clock_as)));
        let (mode, pool) = (ModeSwitch::new(), Arc::new(Pool::new()));
        let metrics = Arc::new(Metrics::register(&Registry::new())?);
        let committed: Arc<Mutex<VecDeque<TreeHead>>> = Arc::default();
        let telling = Arc::clone(&committed);
        let sequencer = Sequencer::new(sequencer::Deps {
            writer: opened.writer,
            pool: Arc::clone(&pool),
            clock: Arc::clone(&clock_as),
            clock_rule: Arc::clone(&clock_rule),
            low_water: Arc::new(LowWater::new(
                Box::new(disk.clone()),
                vec![("database", PathBuf::new())],
                ROOM_BYTES_MIN,
            )),
            mode: mode.clone(),
            metrics: Arc::clone(&metrics),
            committed: Box::new(move |head| {
                telling.lock().unwrap_or_else(PoisonError::into_inner).push_back(head);
            }),
            batch_entries_max: 64,
        })?;
        let first_signed = opened.anchored.clone();
        let anchored = first_signed.head().size;
        let start = Start {
            policy: opened.policy,
            policies_before: opened.policies_before,
            anchored: opened.anchored,
            published: board.current().map(|it| it.size()),
            set_aside: opened.set_aside,
            all_must_confirm: opened.anchor.is_restored(),
            request_intervals_ms: BTreeMap::new(),
        };
        let (publisher, effects) = Publisher::new(start, PACE, clock.monotonic_millis());
        let desk = SigningDesk {
            store: opened.store.clone(),
            anchor: opened.anchor,
            signer: opened.signer,
            policy: Arc::new(policy.clone()),
            policy_text: opened.policy_text,
            board: board.clone(),
            mode: mode.clone(),
            clock: clock_as,
            clock_rule,
            metrics,
            last_tree_head_ms: board
                .current()
                .and_then(|it| Some(it.tree_head()?.at.get()))
                .unwrap_or(0),
        };
        let room = Budget::new(1, 1 << 20).room_for_submissions(1).expect("room");
        let mut rest = Rest {
            mode: mode.clone(),
            store: opened.store.clone(),
            clock: Arc::clone(clock),
            desk: Some(desk),
            publisher,
            hands: QueueHands::default(),
            events: VecDeque::from([Event::Committed(opened.store.head())]),
            committed,
            signed: vec![first_signed],
            quorate: Vec::new(),
            random,
        };
        rest.carry_out(effects);
        Ok(Self {
            mode,
            board,
            store: opened.store,
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
        if !self.mode.is_running() {
            return Handed::Failed("closed".to_owned());
        }
        let mut checked = match check::check(&self.store, fodder::ORIGIN, bytes) {
            Ok(checked) => checked,
            Err(AdmitError::Refused(_)) => return Handed::Refused,
            Err(error) => {
                error.report(&self.mode);
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

    /// The sequencer takes a batch. While it waits for its write, publisher and desk go on.
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

    /// Whether the desk has orders.
    pub fn has_order(&self) -> bool {
        locked(&self.rest).has_order()
    }

    /// The desk carries out one order.
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
    pub fn take_asked(&mut self) -> Vec<Asking> {
        locked(&self.rest).hands.asked.take()
    }

    /// Witnesses that are to be asked what they saw.
    pub fn take_inquiries(&mut self) -> Vec<WitnessId> {
        locked(&self.rest).hands.inquiries.take()
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

    /// The store, for what the HTTP interface reads.
    pub fn store(&self) -> &Store<SimKv> {
        &self.store
    }

    /// The proof that is served for an entry.
    pub fn proof(&self, receipt: &Receipt, published: &Published) -> Option<TlogProof> {
        let note = published.checkpoint().note();
        receipt::proof_under(&self.store, receipt.index(), note)
            .inspect_err(|failure| prove::report(failure, &self.mode))
            .ok()
    }

    /// How far it is, for whoever looks at a run that found something.
    pub fn in_words(&self) -> String {
        let published = self.board.current().map(|it| it.size().get());
        let waiting = self.pool.take_waiting(usize::MAX).len();
        format!(
            "{:?}, {} committed, {published:?} published, {waiting} waiting, sequencing: {}",
            self.mode.current(),
            self.store.head().size,
            self.sequencer.is_some()
        )
    }

    /// Why it does nothing, if it does nothing.
    pub fn read_only_because(&self) -> Option<String> {
        match self.mode.current() {
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

    fn has_order(&self) -> bool {
        self.desk.is_some() && !self.hands.orders.borrow().is_empty()
    }

    fn work(&mut self) {
        if !self.has_order() {
            return;
        }
        let order = self.hands.orders.borrow_mut().pop_front();
        let (Some(desk), Some(order)) = (&mut self.desk, order) else {
            return;
        };
        if let Order::Publish(cosigned) = &order {
            self.quorate.push(cosigned.head());
        }
        match desk.carry_out(order) {
            Ok(Some(event)) => {
                if let Event::Signed(signed) = &event {
                    self.signed.push(signed.clone());
                }
                self.events.push_back(event);
            }
            Ok(None) => {}
            Err(_) => self.desk = None,
        }
    }

    fn has_event(&self) -> bool {
        !self.events.is_empty() && !self.mode.is_read_only()
    }

    fn hear(&mut self) {
        let event = self.events.pop_front().unwrap_or(Event::Tick);
        // The driver ends with the first effect that makes the process read-only.
        if self.mode.is_read_only() {
            return;
        }
        let effects = self.publisher.step(self.clock.monotonic_millis(), event);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            drive::carry_out(&self.hands, &self.store, &self.mode, &self.publisher, effect);
        }
        if let Some(words) = self.publisher.waiting_for() {
            self.mode.still_starting(words);
        }
    }
}

fn locked(rest: &Mutex<Rest>) -> MutexGuard<'_, Rest> {
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}
