//! Runs the effects that the [`Publisher`] decides: one task that feeds it events, one request at a
//! time to each witness, and the way to the thread that signs and stores.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context as _;
use service::error_chain;
use store::{Kv, Store};
use tlog::{AddCheckpoint, Note, SignedCheckpoint, TreeSize, VerifierKey, WitnessAnswer};
use tlog_client::{ClientError, WitnessClient};
use tokio::sync::{mpsc, watch};

use crate::core::{Core, prove};
use crate::publish::decisions::{
    Answered, Effect, Event, Publisher, RoundNumber, Shown, WitnessId, WitnessStatus,
};
use crate::publish::inquiry::{evidence, judge, keep};
use crate::sign::thread::SigningTask;

/// How effects reach the world: real threads and sockets here, queues in a simulation.
pub trait EffectRunner {
    /// Hands a task to the signing thread; false when that has ended.
    fn queue(&self, task: SigningTask) -> bool;

    /// Sends a request to a witness; its answer comes back as [`Event::Answered`].
    fn ask(&self, request: WitnessRequest);

    /// Asks a witness for the checkpoint that it cosigned last; what our key signed and this data
    /// folder does not know comes back as [`Event::Shown`].
    fn inquire(&self, witness: WitnessId);
}

#[derive(Debug)]
pub struct WitnessRequest {
    pub name: String,
    /// Its place in the order of [`crate::publish::decisions::witnesses_to_ask`].
    pub witness: WitnessId,
    /// Comes back with the answer.
    pub round: RoundNumber,
    /// The head that the request is about.
    pub signed: Arc<SignedCheckpoint>,
    pub body: AddCheckpoint,
}

/// The task around a [`Publisher`].
pub struct Driver<K: Kv> {
    /// What is asked of witnesses is proven from its store.
    pub core: Core<K>,
    /// In the order of [`crate::publish::decisions::witnesses_to_ask`].
    pub witnesses: Vec<WitnessClient>,
    /// What readers are told of the witnesses.
    pub statuses: watch::Sender<Vec<WitnessStatus>>,
    /// To the signing thread, which ends when this is dropped.
    pub tasks: Sender<SigningTask>,
    /// Where answers of witnesses go.
    pub events: mpsc::UnboundedSender<Event>,
    /// Signs heads; what bears its signature elsewhere is evidence.
    pub own_key: VerifierKey,
    /// Where such evidence is kept.
    pub evidence_dir: PathBuf,
}

impl<K: Kv> Driver<K> {
    /// Runs the publisher until `heard` ends or the mode becomes read-only; what is in flight then
    /// is dropped, which is safe at any moment.
    pub async fn run(
        self,
        mut publisher: Publisher,
        first: Vec<Effect>,
        mut heard: mpsc::UnboundedReceiver<Event>,
    ) {
        let Core { mode, clock, .. } = &self.core;
        let _guard = mode.read_only_on_panic("the publisher");
        let mut effects = first;
        loop {
            carry_out(&self, &self.core, &publisher, effects);
            self.statuses.send_replace(publisher.witnesses().to_vec());
            if mode.is_read_only() {
                return;
            }
            let now = clock.monotonic_millis();
            let pause = Duration::from_millis(publisher.wake_at_ms(now) - now);
            let event = match tokio::time::timeout(pause, heard.recv()).await {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(_elapsed) => Event::Tick,
            };
            effects = publisher.step(clock.monotonic_millis(), event);
        }
    }
}

/// Carries out what the publisher decided, and tells what it waits for.
pub fn carry_out<K: Kv>(
    runner: &impl EffectRunner,
    core: &Core<K>,
    publisher: &Publisher,
    effects: Vec<Effect>,
) {
    for effect in effects {
        run_one(runner, core, publisher, effect);
    }
    if let Some(words) = publisher.waiting_for() {
        core.mode.still_starting(words);
    }
}

fn run_one<K: Kv>(
    runner: &impl EffectRunner,
    core: &Core<K>,
    publisher: &Publisher,
    effect: Effect,
) {
    let Core { store, mode, .. } = core;
    match effect {
        Effect::Signing(task) => {
            if !runner.queue(task) {
                mode.read_only("the publishing thread has ended".to_owned());
            }
        }
        Effect::Ask { witness, round, old, signed } => match add_checkpoint(store, old, &signed) {
            Ok(body) => {
                let name = name_of(publisher, witness);
                runner.ask(WitnessRequest { name, witness, round, signed, body });
            }
            Err(failure) => {
                let because = error_chain(failure.as_ref());
                mode.read_only(format!("building a consistency proof: {because}"));
            }
        },
        Effect::Start => {
            tracing::info!("the witnesses confirmed what was signed last; taking records");
            mode.start();
        }
        Effect::StopSigning(contradiction) => mode.contradicted(contradiction.to_string()),
        Effect::Distrust { witness, because } => {
            let name = name_of(publisher, witness);
            tracing::error!(witness = name, claim = %because, "a witness contradicts this log");
        }
        Effect::Inquire(witness) => runner.inquire(witness),
    }
}

fn name_of(publisher: &Publisher, witness: WitnessId) -> String {
    publisher.witnesses().get(witness.0).map_or_else(String::new, |it| it.name.clone())
}

fn add_checkpoint<K: Kv>(
    store: &Store<K>,
    old_size: TreeSize,
    signed: &SignedCheckpoint,
) -> Result<AddCheckpoint, prove::Failure> {
    let head = signed.head();
    let consistency_proof = prove::consistency(store, old_size, head.size, &head)?;
    Ok(AddCheckpoint { old_size, consistency_proof, checkpoint: signed.note().clone() })
}

impl<K: Kv> EffectRunner for Driver<K> {
    fn queue(&self, task: SigningTask) -> bool {
        self.tasks.send(task).is_ok()
    }

    /// In a task of its own, so that a slow witness delays nobody.
    fn ask(&self, request: WitnessRequest) {
        let WitnessRequest { name, witness, round, signed, body } = request;
        let Some(client) = self.witnesses.get(witness.0).cloned() else {
            return;
        };
        let (metrics, events) = (Arc::clone(&self.core.metrics), self.events.clone());
        let clock = Arc::clone(&self.core.clock);
        tokio::spawn(async move {
            let answer = match client.ask(&body).await {
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
        let (store, events) = (self.core.store.clone(), self.events.clone());
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
    // What convinces a stranger comes second: the head alone already stops this log.
    let found = evidence(&foreign, &own_key, &store).unwrap_or_else(|error| {
        tracing::error!("no evidence for strangers could be made: {error:#}");
        None
    });
    // One small file, once in the life of a log, so no thread of its own writes it.
    let path = keep(&evidence_dir, &foreign, found.as_ref())?;
    tracing::error!(shown = %foreign.shown, path = %path.display(), "our key signed elsewhere");
    Ok(Some(foreign.shown))
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
fn cause_of(error: &ClientError) -> &'static str {
    match error {
        ClientError::TimedOut { .. } => "timed_out",
        ClientError::Connection { .. } => "unreachable",
        _ => "unreadable",
    }
}
