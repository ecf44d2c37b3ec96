//! Everything together: machines, witnesses, clients, the network between them, and time. One step at
//! a time, each drawn from the seed, each judged.

use std::fmt;
use std::sync::Arc;

use civiclog_server::publish::decisions::{Answered, Event, RoundNumber, WitnessId};
use civiclog_server::publish::inquiry;
use service::{Clock as _, ManualClock};
use tlog::{TlogProof, WitnessAnswer};

use super::client::{Heard, Job, SimClient, clients};
use super::disk::{Copy, Disk, pick};
use super::faults::{Manner, Scenario};
use super::fodder::{self, Expected, Fodder};
use super::judge::{self, Judge, Violation};
use super::life::{Handed, Life};
use super::witness::{RawAnswer, SimWitness};
use crate::random::Random;

mod serving;

pub(super) use serving::Told;
use serving::{Line, Serving};

/// The whole of a run.
pub struct World {
    pub(super) scenario: Scenario,
    pub(super) random: Random,
    pub(super) clock: Arc<ManualClock>,
    pub(super) true_ms: u64,
    pub(super) machines: Vec<Machine>,
    pub(super) witnesses: Vec<SimWitness>,
    pub(super) clients: Vec<SimClient>,
    pub(super) network: Vec<Packet>,
    pub(super) copies: Vec<Copy>,
    /// Which witness policy the operator wants.
    pub(super) policy: usize,
    pub(super) is_calm: bool,
    /// The judge.
    pub judge: Judge,
    /// What happened that a restart in calm cannot make good.
    pub malign: Vec<&'static str>,
    /// What happened, for whoever repeats the run.
    pub trace: Option<Vec<String>>,
    /// Lives of the server, for the report.
    pub lives: u64,
}

/// A machine with its disk, and the server while it runs.
pub struct Machine {
    pub(super) disk: Disk,
    pub(super) life: Option<Life>,
    /// Requests that are being served.
    serving: Vec<Serving>,
    /// Why it did not start the last time.
    pub(super) refusal: Option<String>,
    /// Whether its data was put back from a copy and marked so.
    pub(super) is_restored: bool,
    /// What the disk and the signatures counted when the present life became read-only.
    counted_when_dead: Option<u64>,
}

/// Something in flight.
#[derive(Clone)]
pub(super) enum Packet {
    ToLog {
        machine: usize,
        client: usize,
        request: u64,
        job: Job,
    },
    ToClient {
        client: usize,
        request: u64,
        answers: Vec<Told>,
        job: Job,
    },
    ToWitness {
        machine: usize,
        life: u64,
        /// As this life of the log counts them.
        id: WitnessId,
        witness: usize,
        round: RoundNumber,
        body: Vec<u8>,
    },
    FromWitness {
        machine: usize,
        life: u64,
        id: WitnessId,
        round: RoundNumber,
        answer: Option<RawAnswer>,
    },
}

type Step = Result<(), Violation>;

impl World {
    /// A world at its beginning.
    pub fn new(scenario: Scenario, mut random: Random) -> Self {
        let Fodder { short, long, sendable, .. } = fodder::fodder();
        let copy = if scenario.is_long { long } else { short };
        let disk = Disk::with(copy, scenario.disk, random.fork());
        let clients = clients(sendable, scenario.submissions, &mut random);
        let mut witnesses: Vec<_> = (1..=fodder::WITNESSES).map(SimWitness::new).collect();
        let liar = pick(&mut random, witnesses.len());
        witnesses[liar].manner = scenario.manner;
        let mut world = Self {
            clock: Arc::new(ManualClock::at_unix_millis(fodder::START_MS)),
            true_ms: fodder::START_MS,
            machines: vec![Machine::new(disk)],
            witnesses,
            clients,
            network: Vec::new(),
            copies: Vec::new(),
            policy: 0,
            is_calm: false,
            judge: Judge::default(),
            malign: Vec::new(),
            trace: None,
            lives: 0,
            scenario,
            random,
        };
        if world.scenario.manner != Manner::Honest {
            world.malign.push("a witness lies");
        }
        world
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        let now_ms = self.clock.monotonic_millis();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now_ms:>8} {}", what()));
        }
    }

    /// Starts the server of a machine.
    pub(super) fn start(&mut self, machine: usize) -> Step {
        self.lives += 1;
        if self.scenario.policy_changes.happens(&mut self.random) {
            self.policy = 1 - self.policy;
            self.note(|| "the operator names other witnesses".to_owned());
        }
        let policy = &fodder::fodder().policies[self.policy];
        let at = &mut self.machines[machine];
        match Life::start(&at.disk, &self.clock, policy, self.random.fork()) {
            Ok(life) => {
                at.life = Some(life);
                at.refusal = None;
                at.counted_when_dead = None;
                self.note(|| format!("machine {machine} starts"));
            }
            Err(error) => {
                let words = format!("{error:#}");
                at.refusal = Some(words.clone());
                at.disk.close(false);
                self.note(|| format!("machine {machine} does not start: {words}"));
            }
        }
        self.look(machine)
    }

    /// Ends the server of a machine, and all its connections.
    pub(super) fn crash(&mut self, machine: usize, is_power_cut: bool) {
        let at = &mut self.machines[machine];
        at.life = None;
        at.disk.close(is_power_cut);
        let broken = std::mem::take(&mut at.serving);
        self.note(|| {
            let how = if is_power_cut { "loses its power" } else { "is killed" };
            format!("machine {machine} {how}")
        });
        for serving in broken {
            let answers = vec![Told::Later("cut off".to_owned()); serving.job.submissions.len()];
            let Serving { client, request, job, .. } = serving;
            self.network.push(Packet::ToClient { client, request, answers, job });
        }
    }

    /// Looks at a machine after it did something: a process that died is gone, signatures and
    /// publications are judged, answers leave.
    pub(super) fn look(&mut self, machine: usize) -> Step {
        // Also of a process that died meanwhile: what it signed before may have left.
        self.judge_signatures(machine)?;
        if self.machines[machine].disk.is_dead() {
            let is_power_cut = self.random.below(2) == 0;
            self.crash(machine, is_power_cut);
            return Ok(());
        }
        self.judge_published(machine)?;
        self.judge_the_dead(machine)?;
        self.send_requests(machine);
        self.send_answers(machine)
    }

    fn judge_signatures(&mut self, machine: usize) -> Step {
        let at = &mut self.machines[machine];
        let Some(life) = &mut at.life else {
            return Ok(());
        };
        let (signed, quorate) = (life.take_signed(), life.take_quorate());
        if signed.is_empty() && quorate.is_empty() {
            return Ok(());
        }
        let entries = at.disk.entries();
        for signed in signed {
            let head = signed.head();
            self.judge.signed(head, &entries)?;
            if at.is_restored && head.size > life.anchored {
                let asked = life.witness_names();
                let seen = asked.iter().filter_map(|it| self.witnesses[witness_of(it)].known());
                let seen: Vec<_> = seen.collect();
                self.judge.signed_after_restore(head, &entries, &seen)?;
            }
        }
        for head in quorate {
            self.judge.quorate(head, &entries)?;
        }
        Ok(())
    }

    fn judge_published(&mut self, machine: usize) -> Step {
        let at = &self.machines[machine];
        let Some(current) = at.life.as_ref().and_then(|it| it.latest.current()) else {
            return Ok(());
        };
        // An older copy that was put back may show what it has; nothing else ever goes back.
        if !self.judge.is_news(current.note()) {
            return Ok(());
        }
        let Fodder { log_key, quorums, .. } = fodder::fodder();
        self.judge.published(current.note(), log_key, quorums, &at.disk.entries())
    }

    /// A life of which a write failed is read-only, and one that is read-only writes and signs
    /// nothing more.
    fn judge_the_dead(&mut self, machine: usize) -> Step {
        let is_alone = self.machines.len() == 1;
        let at = &mut self.machines[machine];
        let Some(life) = &at.life else {
            return Ok(());
        };
        if !life.core.mode.is_read_only() {
            return if at.disk.has_failed() {
                Err(Violation("a process goes on after a write that failed".to_owned()))
            } else {
                Ok(())
            };
        }
        let counted = at.disk.writes() + self.judge.heads().0;
        match at.counted_when_dead {
            None => at.counted_when_dead = Some(counted),
            Some(before) if before != counted && is_alone => {
                return Err(Violation("a read-only process wrote or signed".to_owned()));
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn send_requests(&mut self, machine: usize) {
        let lives = self.lives;
        let at = &mut self.machines[machine];
        let Some(life) = &mut at.life else {
            return;
        };
        let sent = life.take_asked().into_iter().map(|request| Packet::ToWitness {
            machine,
            life: lives,
            id: request.witness,
            witness: witness_of(&request.name),
            round: request.round,
            body: request.body.encode(),
        });
        self.network.extend(sent);
        let names = life.witness_names();
        for id in life.take_inquiries() {
            let witness = witness_of(&names[id.0]);
            let Some(note) = self.witnesses[witness].latest() else { continue };
            let [own_key, _] = fodder::log_keys().verifier_keys();
            if let Ok(Some(foreign)) = inquiry::judge(note, &own_key, &life.core.store) {
                life.tell(Event::Shown { witness: id, shown: foreign.shown });
            }
        }
    }

    /// Answers every request of which all lines are settled.
    fn send_answers(&mut self, machine: usize) -> Step {
        let is_flipping = self.is_flipping();
        let at = &mut self.machines[machine];
        let Some(life) = &at.life else {
            return Ok(());
        };
        let mut said = Vec::new();
        let mut sent = Vec::new();
        at.serving.retain_mut(|serving| {
            serving.lines.iter_mut().for_each(Line::settle);
            match serving.answers(life) {
                Some(answers) => {
                    let Serving { client, request, job, .. } = serving;
                    let (client, request, job) = (*client, *request, job.clone());
                    said.extend(answers.iter().filter_map(Told::receipt));
                    sent.push(Packet::ToClient { client, request, answers, job });
                    false
                }
                None => true,
            }
        });
        self.network.append(&mut sent);
        // Before the answer is on its way, and whatever becomes of this process afterwards.
        if said.is_empty() || is_flipping {
            Ok(())
        } else {
            judge::on_disk(&at.disk.entries(), &said)
        }
    }

    /// Whether bits flip: in the entries that lie on a disk, or in the state that records are judged
    /// by, which only an audit finds.
    fn is_flipping(&self) -> bool {
        self.judge.is_rotting
            || self.scenario.disk.read_flips.0 + self.scenario.disk.write_flips.0 > 0
            || self.malign.contains(&"bits flipped in memory")
    }

    /// Hands a message over.
    pub(super) fn deliver(&mut self, packet: Packet) -> Step {
        match packet {
            Packet::ToLog { machine, client, request, job } => {
                self.arrive(machine, client, request, job);
                self.look(machine)
            }
            Packet::ToClient { client, request, answers, job } => {
                self.tell_client(client, request, &answers, &job)
            }
            Packet::ToWitness { machine, life, id, witness, round, body } => {
                let fails = self.scenario.witness_write_fails;
                let at = &mut self.witnesses[witness];
                let answer = at.answer(&body, self.true_ms, fails, &mut self.random);
                let status = answer.as_ref().map(|it| it.status);
                self.note(|| format!("witness {witness} is asked: {status:?}"));
                self.network.push(Packet::FromWitness { machine, life, id, round, answer });
                Ok(())
            }
            Packet::FromWitness { machine, life: of, id, round, answer } => {
                // An answer to a process that is gone reaches nobody.
                let is_current = of == self.lives || self.machines.len() > 1;
                if let (Some(life), true) = (&mut self.machines[machine].life, is_current) {
                    let answer = answer
                        .map(|it| WitnessAnswer::parse(it.status, Some(it.content_type), &it.body));
                    life.tell(Event::Answered(Answered { witness: id, round, answer }));
                }
                Ok(())
            }
        }
    }

    fn arrive(&mut self, machine: usize, client: usize, request: u64, job: Job) {
        let flips = self.scenario.pool_flips;
        let at = &mut self.machines[machine];
        let Some(life) = &mut at.life else {
            let answers = vec![Told::Later("nobody listens".to_owned()); job.submissions.len()];
            self.network.push(Packet::ToClient { client, request, answers, job });
            return;
        };
        let mut lines = Vec::new();
        for submission in &job.submissions {
            let is_flipped = flips.happens(&mut self.random);
            if is_flipped {
                self.malign.push("a bit of a waiting submission flipped");
            }
            let bytes = &fodder::fodder().sendable[*submission].bytes;
            lines.push(match life.hand(bytes, is_flipped) {
                Handed::Waiting(waiting) => Line::Waiting(waiting),
                Handed::Refused => Line::Refused,
                Handed::Failed(why) => Line::NotJudged(why),
            });
        }
        at.serving.push(Serving { client, request, job, lines });
    }

    fn tell_client(&mut self, client: usize, request: u64, answers: &[Told], job: &Job) -> Step {
        let is_flipping = self.is_flipping();
        let mut is_final = true;
        for (submission, told) in job.submissions.iter().zip(answers) {
            let sendable = &fodder::fodder().sendable[*submission];
            match told {
                Told::Later(why) => {
                    self.note(|| {
                        format!("client {client} may ask again about {submission}: {why}")
                    });
                    is_final = false;
                }
                Told::Refused if sendable.expected == Expected::Taken && !is_flipping => {
                    return Err(Violation(format!("good submission {submission} was refused")));
                }
                Told::Refused => {}
                _ if sendable.expected == Expected::Refused => {
                    return Err(Violation(format!("bad submission {submission} was taken")));
                }
                Told::Committed(receipt) => {
                    let (index, leaf) = (receipt.index().get(), receipt.leaf_hash());
                    self.judge.answered(*submission, index, leaf, false)?;
                    // Whoever wants to see it published asks again.
                    is_final &= !job.wants_published;
                }
                Told::Published(receipt, proof) => {
                    match verified(proof) {
                        Ok(verified) if verified.index() == receipt.index() => {
                            let (index, leaf) = (receipt.index().get(), receipt.leaf_hash());
                            self.judge.answered(*submission, index, leaf, true)?;
                        }
                        // The client does not believe it, and asks again.
                        _ if is_flipping || !self.malign.is_empty() => is_final = false,
                        other => {
                            let what = other.map(|it| it.index()).map_err(|it| it.to_string());
                            return Err(Violation(format!("a proof does not verify: {what:?}")));
                        }
                    }
                }
            }
        }
        let heard = if is_final { Heard::All } else { Heard::Again { retry_after_s: Some(1) } };
        let now_ms = self.clock.monotonic_millis();
        self.clients[client].hear(now_ms, request, heard);
        Ok(())
    }

    /// A client sends its next job, or the same one again.
    pub(super) fn send(&mut self, client: usize) {
        let now_ms = self.clock.monotonic_millis();
        let machine = pick(&mut self.random, self.machines.len());
        if let Some((request, job)) = self.clients[client].send(now_ms) {
            self.note(|| format!("client {client} sends {:?}", job.submissions));
            self.network.push(Packet::ToLog { machine, client, request, job });
        }
    }
}

/// What a client makes of a proof, under the policy that it was published under.
fn verified(proof: &TlogProof) -> Result<tlog::Verified, tlog::VerifyError> {
    let [first, second] = &fodder::fodder().policies;
    let check = |it: &fodder::SimPolicy| tlog::verify(proof, None, &it.policy);
    check(first).or_else(|_| check(second))
}

/// Which witness has this name in the policies: `w1` is the first.
fn witness_of(name: &str) -> usize {
    let number: usize = name[1..].parse().expect("a name of the simulation");
    number - 1
}

impl Machine {
    pub(super) fn new(disk: Disk) -> Self {
        Self {
            disk,
            life: None,
            serving: Vec::new(),
            refusal: None,
            is_restored: false,
            counted_when_dead: None,
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("scenario", &self.scenario).finish_non_exhaustive()
    }
}
