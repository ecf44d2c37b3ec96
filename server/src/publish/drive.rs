//! Carries out what the [`Publisher`] decides: one task that feeds it events, one thread that
//! gates, anchors, signs and stores, and a request at a time to each witness.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc as thread_channel;
use std::time::Duration;

use anyhow::Context as _;
use service::{Clock, error_chain};
use store::{Kv, Store};
use tlog::{
    AddCheckpoint, CosignedCheckpoint, Note, Policy, SignedCheckpoint, TreeHead, TreeSize,
    UnixMillis, VerifierKey, WitnessAnswer,
};
use tokio::sync::{mpsc, watch};

use crate::admit::clock_rule::AdmissionClock;
use crate::core::metrics::Metrics;
use crate::core::mode::ModeSwitch;
use crate::core::prove;
use crate::publish::cosign::{AskError, WitnessClient};
use crate::publish::decisions::{
    Answered, Effect, Event, Publisher, RoundNumber, Shown, WitnessId, WitnessStatus,
};
use crate::publish::inquire::{evidence, judge, keep};
use crate::publish::latest::{Board, Published, SignedTreeHead};
use crate::sequence::sequencer::Ended;
use crate::sign::anchor::Anchor;
use crate::sign::guard::{confirm, guard};
use crate::sign::signer::LogSigner;

/// What the driver works with.
pub struct Deps<K: Kv> {
    /// The store.
    pub store: Store<K>,
    /// One client for each witness, in the order of [`crate::publish::decisions::witnesses_to_ask`].
    pub witnesses: Vec<WitnessClient>,
    /// What this process may do.
    pub mode: ModeSwitch,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is known of the witnesses, for readers.
    pub statuses: watch::Sender<Vec<WitnessStatus>>,
    /// The publishing thread.
    pub orders: thread_channel::Sender<Order>,
    /// Where witnesses' answers go.
    pub events: mpsc::UnboundedSender<Event>,
    /// The key that signs heads.
    pub own_key: VerifierKey,
    /// Where foreign heads with our signature are kept.
    pub evidence_dir: PathBuf,
}

/// How effects reach the world: real threads and sockets here, queues in a simulation.
pub trait Hands {
    /// Hands an order to whoever signs and stores; false when nobody does any more.
    fn order(&self, order: Order) -> bool;

    /// Sends a request to a witness; its answer comes back as [`Event::Answered`].
    fn ask(&self, asking: Asking);

    /// Asks a witness for the checkpoint that it cosigned last; what our key signed and this data
    /// folder does not know comes back as [`Event::Shown`].
    fn inquire(&self, witness: WitnessId);
}

/// What the publishing thread is told to do.
pub enum Order {
    /// Take a head through gate and anchor, and sign it.
    Sign(TreeHead),
    /// Store a head that has its quorum, and show it.
    Publish(CosignedCheckpoint),
}

/// Runs the publisher until `heard` ends or the mode becomes read-only; what is in flight then is
/// dropped, which is safe at any moment. The publishing thread ends when its orders are dropped.
pub async fn drive<K: Kv>(
    deps: Deps<K>,
    mut publisher: Publisher,
    first: Vec<Effect>,
    mut heard: mpsc::UnboundedReceiver<Event>,
) {
    let _guard = deps.mode.read_only_on_panic("the publisher");
    let mut effects = first;
    loop {
        for effect in effects {
            carry_out(&deps, &deps.store, &deps.mode, &publisher, effect);
        }
        deps.statuses.send_replace(publisher.witnesses().to_vec());
        if let Some(words) = publisher.waiting_for() {
            deps.mode.still_starting(words);
        }
        if deps.mode.is_read_only() {
            return;
        }
        let now = deps.clock.monotonic_millis();
        let pause = Duration::from_millis(publisher.wake_at_ms(now) - now);
        let event = match tokio::time::timeout(pause, heard.recv()).await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(_elapsed) => Event::Tick,
        };
        effects = publisher.step(deps.clock.monotonic_millis(), event);
    }
}

/// Carries out one effect of the publisher.
pub fn carry_out<K: Kv>(
    hands: &impl Hands,
    store: &Store<K>,
    mode: &ModeSwitch,
    publisher: &Publisher,
    effect: Effect,
) {
    let order = |order| {
        if !hands.order(order) {
            mode.read_only("the publishing thread has ended".to_owned());
        }
    };
    match effect {
        Effect::Sign(head) => order(Order::Sign(head)),
        Effect::Publish(cosigned) => order(Order::Publish(cosigned)),
        Effect::Ask { witness, round, old, signed } => {
            let name = name_of(publisher, witness);
            match add_checkpoint(store, old, &signed) {
                Ok(request) => hands.ask(Asking { name, witness, round, request, signed }),
                Err(because) => {
                    mode.read_only(format!("building a consistency proof: {because}"));
                }
            }
        }
        Effect::Start => {
            tracing::info!("the witnesses confirmed what was signed last; taking records");
            mode.start();
        }
        Effect::Refuse(refusal) => mode.contradicted(refusal.to_string()),
        Effect::Distrust { witness, because } => {
            let name = name_of(publisher, witness);
            tracing::error!(witness = name, claim = %because, "a witness contradicts this log");
        }
        Effect::Inquire(witness) => hands.inquire(witness),
    }
}

fn name_of(publisher: &Publisher, witness: WitnessId) -> String {
    publisher.witnesses().get(witness.0).map_or_else(String::new, |it| it.name.clone())
}

/// One request to one witness.
#[derive(Debug)]
pub struct Asking {
    /// Its name in the policy.
    pub name: String,
    /// Whom.
    pub witness: WitnessId,
    /// For which round.
    pub round: RoundNumber,
    /// What is sent.
    pub request: AddCheckpoint,
    /// The head that it is about.
    pub signed: Arc<SignedCheckpoint>,
}

impl<K: Kv> Hands for Deps<K> {
    fn order(&self, order: Order) -> bool {
        self.orders.send(order).is_ok()
    }

    /// In a task of its own, so that a slow witness delays nobody.
    fn ask(&self, asking: Asking) {
        let Asking { name, witness, round, request, signed } = asking;
        let Some(client) = self.witnesses.get(witness.0).cloned() else {
            return;
        };
        let (metrics, events) = (Arc::clone(&self.metrics), self.events.clone());
        let clock = Arc::clone(&self.clock);
        tokio::spawn(async move {
            let answer = match client.ask(&request).await {
                Ok(answer) => {
                    metrics.witness_asked(&name, outcome_of(&answer));
                    if let WitnessAnswer::Cosigned(_) = &answer {
                        let now_ms = clock.unix_millis();
                        metrics.witness_cosigned(&name, signed.head().size, now_ms);
                    } else {
                        tracing::warn!(witness = %name, ?answer, "the witness did not cosign");
                    }
                    Some(answer)
                }
                Err(error) => {
                    metrics.witness_asked(&name, cause_of(&error));
                    tracing::warn!(witness = %name, error = %error_chain(&error), "no answer");
                    None
                }
            };
            // The publisher may have ended; the answer is of no use then.
            let _ = events.send(Event::Answered(Answered { witness, round, answer }));
        });
    }

    fn inquire(&self, witness: WitnessId) {
        let Some(client) = self.witnesses.get(witness.0).cloned() else {
            return;
        };
        let (store, events) = (self.store.clone(), self.events.clone());
        let (own_key, evidence_dir) = (self.own_key.clone(), self.evidence_dir.clone());
        tokio::spawn(async move {
            match inquire(client, store, own_key, evidence_dir).await {
                Ok(Some(shown)) => {
                    let _ = events.send(Event::Shown { witness, shown });
                }
                Ok(None) => {
                    tracing::warn!("the witness shows nothing that our key signed elsewhere");
                }
                Err(error) => tracing::warn!("asking the witness what it saw: {error:#}"),
            }
        });
    }
}

/// Asks once, and keeps what is found. The process may be read-only by then; the file counts.
async fn inquire<K: Kv>(
    client: WitnessClient,
    store: Store<K>,
    own_key: VerifierKey,
    evidence_dir: PathBuf,
) -> anyhow::Result<Option<Shown>> {
    let Some(bytes) = client.latest_checkpoint(store.origin()).await? else {
        return Ok(None);
    };
    let note = Note::parse(&bytes).context("what the witness shows is no note")?;
    let Some(foreign) = judge(note, &own_key, &store)? else {
        return Ok(None);
    };
    // One small file, once in the life of a log.
    // What convinces a stranger comes second: the head alone already stops this log.
    let found = evidence(&foreign, &own_key, &store).unwrap_or_else(|error| {
        tracing::error!("no evidence for strangers could be made: {error:#}");
        None
    });
    let path = keep(&evidence_dir, &foreign, found.as_ref())?;
    tracing::error!(shown = %foreign.shown, path = %path.display(), "our key signed elsewhere");
    Ok(Some(foreign.shown))
}

fn add_checkpoint<K: Kv>(
    store: &Store<K>,
    old_size: TreeSize,
    signed: &SignedCheckpoint,
) -> Result<AddCheckpoint, String> {
    let head = signed.head();
    let consistency_proof = prove::consistency(store, old_size, head.size, &head)
        .map_err(|failure| error_chain(failure.as_ref()))?;
    Ok(AddCheckpoint { old_size, consistency_proof, checkpoint: signed.note().clone() })
}

/// One of [`crate::core::metrics::WITNESS_OUTCOMES`].
fn outcome_of(answer: &WitnessAnswer) -> &'static str {
    match answer {
        WitnessAnswer::Cosigned(_) => "cosigned",
        WitnessAnswer::Conflict { .. } => "conflict",
        WitnessAnswer::Inconsistent => "denied",
        WitnessAnswer::NotAuthorized => "not_authorized",
        WitnessAnswer::UnknownOrigin => "unknown_log",
        WitnessAnswer::Malformed => "malformed",
        WitnessAnswer::TryLater => "unreadable",
    }
}

/// One of [`crate::core::metrics::WITNESS_OUTCOMES`].
fn cause_of(error: &AskError) -> &'static str {
    match error {
        AskError::TimedOut(_) => "timed_out",
        AskError::Connection(_) => "unreachable",
        AskError::Body(_) => "unreadable",
    }
}

/// The thread that signs and stores: it alone holds the anchor and the keys.
pub struct SigningDesk<K: Kv> {
    /// The store.
    pub store: Store<K>,
    /// The anchor, locked.
    pub anchor: Anchor,
    /// The keys.
    pub signer: LogSigner,
    /// The policy, to check the note again with the log's second signature in it.
    pub policy: Arc<Policy>,
    /// The policy's text, remembered in the anchor with the first head published under it.
    pub policy_text: String,
    /// Where published heads are shown.
    pub board: Board,
    /// What this process may do.
    pub mode: ModeSwitch,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Learns the witnesses' times.
    pub clock_rule: Arc<AdmissionClock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time of the last RFC 6962 tree head: the next one is later.
    pub last_tree_head_ms: u64,
}

impl<K: Kv> SigningDesk<K> {
    /// Takes a head through gate and anchor, and signs it.
    ///
    /// # Errors
    /// In words; the caller signs nothing more.
    pub fn sign(&mut self, head: TreeHead) -> Result<SignedCheckpoint, String> {
        self.may_sign()?;
        let guarded =
            guard(&self.store, self.anchor.head(), head).map_err(|it| error_chain(&it))?;
        // Again: hashing what is to be signed takes time, and something may have failed meanwhile.
        self.may_sign()?;
        let anchored = self.anchor.advance(guarded).map_err(|it| error_chain(&it))?;
        let signed = self.signer.sign(anchored);
        confirm(&self.store, self.anchor.head(), &signed).map_err(|it| error_chain(&it))?;
        Ok(signed)
    }

    /// Nothing failed so far: neither in the store nor anywhere else in this process.
    fn may_sign(&self) -> Result<(), String> {
        if self.mode.is_read_only() {
            return Err("this process is read-only".to_owned());
        }
        self.store.alive().map_err(|it| error_chain(&it))
    }

    /// Carries out orders until their sender is dropped or one fails for good.
    pub fn work(
        mut self,
        orders: &thread_channel::Receiver<Order>,
        sender: &mpsc::UnboundedSender<Event>,
    ) {
        let _guard = self.mode.read_only_on_panic("the publishing thread");
        while let Ok(order) = orders.recv() {
            let done = self.carry_out(order);
            let is_over = done.is_err();
            // What is over wakes the publisher, which then ends. It may have ended before; an unused
            // signature harms nobody.
            let _ = sender.send(done.ok().flatten().unwrap_or(Event::Tick));
            if is_over {
                return;
            }
        }
    }

    /// Carries out one order, and returns what the publisher has to hear of it. After an error,
    /// which makes the process read-only, the caller drops the desk.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn carry_out(&mut self, order: Order) -> Result<Option<Event>, Ended> {
        let done = match order {
            Order::Sign(head) => self.sign(head).map(|signed| Some(Event::Signed(signed))),
            Order::Publish(cosigned) => self.publish(&cosigned).map(|()| None),
        };
        done.map_err(|because| {
            self.mode.read_only(because);
            Ended
        })
    }

    /// Adds the RFC 6962 signature, stores the whole note, and shows it.
    fn publish(&mut self, cosigned: &CosignedCheckpoint) -> Result<(), String> {
        self.may_sign()?;
        // SPEC RFC 6962 §3.5: each timestamp is later than the one before, whatever the clock does.
        let now_ms = self.clock.unix_millis();
        let tree_head_ms = now_ms.max(self.last_tree_head_ms + 1);
        let note = self
            .signer
            .sign_tree_head(cosigned, UnixMillis::new(tree_head_ms))
            .map_err(|it| error_chain(&it))?;
        let whole = self.policy.check(&note).map_err(|it| error_chain(&it))?;
        // Around the publication: a crash in between leaves both policies in the anchor.
        self.anchor.expect_policy(&self.policy_text).map_err(|it| error_chain(&it))?;
        self.store.publish(&whole, UnixMillis::new(now_ms)).map_err(|it| error_chain(&it))?;
        // Before the start-up rule holds this is the head signed last, shown again. Its quorum does
        // not say that nobody knows a later one, so a restart must still ask everybody.
        if self.mode.is_running() {
            self.anchor.settle(&self.policy_text).map_err(|it| error_chain(&it))?;
        }
        self.last_tree_head_ms = tree_head_ms;
        self.clock_rule.learn(whole.cosigners());
        let size = whole.head().size;
        let tree_head = tree_head_of(&note, self.signer.tree_head_key());
        self.board.show(Published::new(whole, tree_head));
        self.metrics.published(size, now_ms);
        Ok(())
    }
}

/// The RFC 6962 form in a published note: the line of the log's P-256 key, checked.
pub fn tree_head_of(note: &Note, key: &VerifierKey) -> Option<SignedTreeHead> {
    let line = note.signatures().iter().find(|line| key.owns(line))?;
    key.verify(note.text(), &line.bytes).ok()?;
    let (at, signature) = tlog::tree_head_signature_bytes(line)?;
    Some(SignedTreeHead { at, signature })
}
