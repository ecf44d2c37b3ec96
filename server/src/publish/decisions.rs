//! The publisher's decisions: which head is signed when, which witness is asked what, and which
//! head is published. Plain state, no clock, no files, no network: [`Publisher::step`] takes what
//! happened and returns what to do, so that tests and a simulation can drive it as well as
//! the driver.
//!
//! ```text
//!             Sign(head)                Ask(witness)                    Publish(cosigned)
//! Committed ─────────────► Signed ─────────────────► Answered … ────────────────► served
//!     gate, anchor, key        one request each             policy satisfied
//! ```
//!
//! Before anything new is signed, the head in the anchor is shown to the witnesses again (the
//! start-up rule): a witness that knows more than the anchor proves that this data is an old copy.

mod event;
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tlog::{
    Note, NoteSignature, Policy, SignedCheckpoint, TreeHead, TreeSize, VerifierKey, WitnessAnswer,
};

use crate::sign::thread::SigningTask;

pub use event::{
    Answered, Claim, Contradiction, Effect, Event, Pace, RoundNumber, Shown, WitnessId,
};
pub use witness::{WitnessStatus, witnesses_to_ask};

/// Rounds kept open at once; the oldest is given up beyond it.
pub const ROUNDS_IN_FLIGHT_MAX: usize = 8;

/// The longest pause before an unanswering witness is asked again.
pub const BACKOFF_MAX_MS: u64 = 10_000;

/// The first pause after a witness did not answer; doubled each time up to [`BACKOFF_MAX_MS`].
pub const BACKOFF_FIRST_MS: u64 = 100;

/// Times that a witness may correct the size it is asked from before it counts as not answering.
pub const SIZE_CORRECTIONS_MAX: u32 = 3;

#[derive(Debug)]
enum Phase {
    /// Showing the anchored head to the witnesses; nothing new may be signed.
    Confirming,
    Running,
    Contradicted,
}

#[derive(Debug)]
struct Round {
    signed: Arc<SignedCheckpoint>,
    /// The log's signature and the cosignatures that came so far.
    note: Note,
    opened_ms: u64,
    is_settled: bool,
    answered: BTreeSet<WitnessId>,
}

/// The publisher's state.
#[derive(Debug)]
pub struct Publisher {
    policy: Policy,
    /// Other policies that the last published head may have satisfied.
    policies_before: Vec<Policy>,
    pace: Pace,
    phase: Phase,
    committed: TreeHead,
    /// The largest head that was signed; at start-up, the anchored one.
    signed: TreeHead,
    is_signing: bool,
    published: Option<(TreeSize, u64)>,
    rounds: BTreeMap<RoundNumber, Round>,
    next_round: u64,
    last_opened_ms: Option<u64>,
    witnesses: Vec<WitnessStatus>,
    /// Whether every witness must confirm before anything is signed.
    all_must_confirm: bool,
}

#[derive(Debug)]
pub struct Start {
    /// The policy that heads are published under.
    pub policy: Policy,
    /// Other policies that the last published head may have satisfied.
    pub policies_before: Vec<Policy>,
    /// The head that was signed last, signed once more: the bytes are the same.
    pub anchored: SignedCheckpoint,
    /// The size of the last published head.
    pub published: Option<TreeSize>,
    /// The witnesses that the operator set aside: they are not asked, and what they would say
    /// counts for nothing.
    pub set_aside: Vec<VerifierKey>,
    /// Whether every other witness must confirm, because the data was put back from a copy.
    pub all_must_confirm: bool,
    /// The least time between two requests to a witness of this name, where it is not that of the
    /// [`Pace`].
    pub request_intervals_ms: BTreeMap<String, u64>,
}

impl Publisher {
    /// Starts with the effects that show the head signed last to the witnesses.
    pub fn new(start: Start, pace: Pace, now_ms: u64) -> (Self, Vec<Effect>) {
        let Start {
            policy,
            policies_before,
            anchored,
            published,
            set_aside,
            all_must_confirm,
            request_intervals_ms,
        } = start;
        let head = anchored.head();
        let current = policy.witnesses().len();
        let witnesses = witnesses_to_ask(&policy, &policies_before)
            .into_iter()
            .enumerate()
            .map(|(at, it)| {
                let is_set_aside = set_aside.contains(&it.key);
                let interval_ms = request_intervals_ms.get(&it.name).copied();
                let interval_ms = interval_ms.unwrap_or(pace.request_interval_ms);
                let status = WitnessStatus::new(it, at >= current, head.size, interval_ms);
                WitnessStatus { is_set_aside, ..status }
            })
            .collect();
        let mut publisher = Self {
            witnesses,
            policy,
            policies_before,
            pace,
            all_must_confirm,
            phase: Phase::Confirming,
            committed: head,
            signed: head,
            is_signing: false,
            published: published.map(|size| (size, now_ms)),
            rounds: BTreeMap::new(),
            next_round: 1,
            last_opened_ms: None,
        };
        publisher.open_round(anchored, now_ms);
        let effects = publisher.act(now_ms);
        (publisher, effects)
    }

    /// Takes one event at a time and returns what to do about it. `now_ms` only paces: it comes
    /// from a clock that never jumps.
    pub fn step(&mut self, now_ms: u64, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Committed(head) => {
                if head.size > self.committed.size {
                    self.committed = head;
                }
            }
            Event::Signed(signed) => {
                self.is_signing = false;
                if signed.head().size >= self.signed.size {
                    self.signed = signed.head();
                }
                self.open_round(signed, now_ms);
            }
            Event::Answered(answered) => self.answered(now_ms, answered, &mut effects),
            Event::Shown { witness, shown } => self.shown(witness, shown, &mut effects),
            Event::Tick => {}
        }
        effects.extend(self.act(now_ms));
        effects
    }

    /// When [`Event::Tick`] is due next, at the latest.
    pub fn wake_at_ms(&self, now_ms: u64) -> u64 {
        let mut at = now_ms + self.pace.refresh_interval_ms;
        let waiting = self.committed.size > self.signed.size || !self.rounds.is_empty();
        if let (true, Some(opened)) = (waiting, self.last_opened_ms) {
            for pause in [self.pace.checkpoint_interval_ms, self.pace.round_timeout_ms] {
                if opened + pause > now_ms {
                    at = at.min(opened + pause);
                }
            }
        }
        if let Some((_, published_ms)) = self.published {
            let opened_ms = self.last_opened_ms.unwrap_or(published_ms);
            let refresh_ms = published_ms.max(opened_ms) + self.pace.refresh_interval_ms;
            if refresh_ms > now_ms {
                at = at.min(refresh_ms);
            }
        }
        for witness in &self.witnesses {
            let is_asked_at_all = witness.is_asked()
                && (!witness.is_former || matches!(self.phase, Phase::Confirming));
            if is_asked_at_all && witness.asked.is_none() {
                let due = witness.due_ms();
                if due > now_ms {
                    at = at.min(due);
                }
            }
        }
        // Never sooner than a moment from now: whatever is due already was acted upon.
        at.max(now_ms + 1)
    }

    /// What is known of each witness, in the policy's order.
    pub fn witnesses(&self) -> &[WitnessStatus] {
        &self.witnesses
    }

    /// Whether the start-up rule holds and nothing was refused since.
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// In words, what the start-up rule still waits for; `None` once it holds.
    pub fn waiting_for(&self) -> Option<String> {
        if !matches!(self.phase, Phase::Confirming) {
            return None;
        }
        let missing: Vec<&str> = self
            .witnesses
            .iter()
            .filter(|it| !it.has_confirmed && !it.is_set_aside)
            .map(|it| it.name.as_str())
            .collect();
        let all = if self.all_must_confirm {
            "all of them must, because this data was restored from a copy; "
        } else {
            ""
        };
        Some(format!(
            "waiting for witnesses to confirm the tree of {} entries signed last; {all}no answer \
             yet from: {}",
            self.signed.size,
            missing.join(", ")
        ))
    }

    fn open_round(&mut self, signed: SignedCheckpoint, now_ms: u64) {
        let number = RoundNumber(self.next_round);
        self.next_round += 1;
        self.last_opened_ms = Some(now_ms);
        let round = Round {
            note: signed.note().clone(),
            signed: Arc::new(signed),
            opened_ms: now_ms,
            is_settled: false,
            answered: BTreeSet::new(),
        };
        self.rounds.insert(number, round);
        while self.rounds.len() > ROUNDS_IN_FLIGHT_MAX {
            self.rounds.pop_first();
        }
    }

    fn answered(&mut self, now_ms: u64, answered: Answered, effects: &mut Vec<Effect>) {
        let Answered { witness: id, round, answer } = answered;
        let Some(witness) = self.witnesses.get_mut(id.0) else {
            return;
        };
        if witness.asked != Some(round) {
            return;
        }
        witness.asked = None;
        match answer {
            Some(WitnessAnswer::Cosigned(signatures)) => {
                self.cosigned(now_ms, id, round, &signatures, effects);
            }
            Some(WitnessAnswer::Conflict { size }) if size > self.signed.size => {
                let claim = Claim::KnowsMore { theirs: size, ours: self.signed.size };
                self.contradicted(id, claim, effects);
            }
            Some(WitnessAnswer::Conflict { size })
                if witness.corrections < SIZE_CORRECTIONS_MAX && size != witness.size =>
            {
                // It has a size of its own, which is how a witness tells where to start from.
                witness.corrections += 1;
                witness.size = size;
                witness.asked_ms = None;
            }
            Some(WitnessAnswer::Inconsistent) => {
                let ours = self.rounds.get(&round).map_or(self.signed, |it| it.signed.head()).size;
                self.contradicted(id, Claim::Denies { ours }, effects);
            }
            _ => self.failed(now_ms, id, round),
        }
        self.start_if_confirmed(effects);
    }

    fn cosigned(
        &mut self,
        now_ms: u64,
        id: WitnessId,
        number: RoundNumber,
        signatures: &[NoteSignature],
        effects: &mut Vec<Effect>,
    ) {
        let Some(round) = self.rounds.get_mut(&number) else {
            // The round was given up; the witness is known to be alive all the same.
            self.witnesses[id.0].failures = 0;
            return;
        };
        let WitnessStatus { key, is_former, .. } = &self.witnesses[id.0];
        let is_former = *is_former;
        let Some(signature) = key.verified_line(round.note.text(), signatures).cloned() else {
            self.failed(now_ms, id, number);
            return;
        };
        // A former witness's word counts for the start-up rule, not for the published note.
        if !is_former && round.note.push(signature).is_err() {
            self.failed(now_ms, id, number);
            return;
        }
        round.answered.insert(id);
        let head = round.signed.head();
        let witness = &mut self.witnesses[id.0];
        witness.size = head.size;
        witness.failures = 0;
        witness.corrections = 0;
        witness.not_before_ms = 0;
        witness.cosigned_round = witness.cosigned_round.max(Some(number));
        witness.has_confirmed = true;
        self.publish_if_satisfied(now_ms, number, effects);
    }

    /// Starts once the start-up rule holds: every witness had its chance to answer, and those who
    /// did not confirm could not have published a head that this data folder does not know. After
    /// a restore there is no "could not": all of them have to confirm.
    fn start_if_confirmed(&mut self, effects: &mut Vec<Effect>) {
        let mut asked = self.witnesses.iter().filter(|it| !it.is_set_aside);
        let everybody_was_heard = if self.all_must_confirm {
            asked.all(|it| it.has_confirmed)
        } else {
            asked.all(|it| it.has_confirmed || it.failures > 0)
        };
        if !matches!(self.phase, Phase::Confirming) || !everybody_was_heard {
            return;
        }
        // A witness that was set aside counts as one that said nothing: with its help alone nobody
        // may have published what this data folder does not know.
        let is_silent =
            |key: &VerifierKey| self.witnesses.iter().all(|it| it.key != *key || !it.has_confirmed);
        let could_publish = |policy: &Policy| {
            let silent = policy.witnesses().iter().filter(|it| is_silent(&it.key));
            policy.is_satisfied_by(&silent.map(|it| it.name.as_str()).collect())
        };
        if !could_publish(&self.policy) && !self.policies_before.iter().any(could_publish) {
            self.phase = Phase::Running;
            effects.push(Effect::Start);
        }
    }

    fn publish_if_satisfied(
        &mut self,
        now_ms: u64,
        number: RoundNumber,
        effects: &mut Vec<Effect>,
    ) {
        let Some(round) = self.rounds.get_mut(&number) else {
            return;
        };
        if round.is_settled {
            return;
        }
        let Ok(cosigned) = self.policy.check(&round.note) else {
            return;
        };
        round.is_settled = true;
        let size = round.signed.head().size;
        let is_smaller = self.published.is_some_and(|(published, _)| size < published);
        // The empty tree is shown to witnesses once, and to nobody else.
        if is_smaller || size == TreeSize::ZERO {
            return;
        }
        self.published = Some((size, now_ms));
        // Older rounds can no longer be published: a published head never shrinks.
        self.rounds.retain(|at, _| *at >= number);
        effects.push(Effect::Signing(SigningTask::Publish(cosigned)));
    }

    /// A witness's word alone, unsigned. From one that did not confirm in this process it stops the
    /// log, whenever it comes; later it costs the witness its seat.
    fn contradicted(&mut self, id: WitnessId, claim: Claim, effects: &mut Vec<Effect>) {
        let witness = &mut self.witnesses[id.0];
        witness.distrusted = Some(claim);
        effects.push(Effect::Distrust { witness: id, because: claim });
        effects.push(Effect::Inquire(id));
        if !witness.has_confirmed {
            let name = witness.name.clone();
            self.phase = Phase::Contradicted;
            effects.push(Effect::StopSigning(Contradiction::WitnessContradicts { name, claim }));
            return;
        }
        let believed: BTreeSet<&str> = self
            .witnesses
            .iter()
            .filter(|it| it.is_asked() && !it.is_former)
            .map(|it| it.name.as_str())
            .collect();
        if matches!(self.phase, Phase::Running) && !self.policy.is_satisfied_by(&believed) {
            self.phase = Phase::Contradicted;
            effects.push(Effect::StopSigning(Contradiction::QuorumLost));
        }
    }

    /// Our own signature under a head that is none of ours ends signing, whoever shows it and
    /// whenever.
    fn shown(&mut self, id: WitnessId, shown: Shown, effects: &mut Vec<Effect>) {
        let Some(witness) = self.witnesses.get(id.0) else {
            return;
        };
        let name = witness.name.clone();
        if !matches!(self.phase, Phase::Contradicted) {
            self.phase = Phase::Contradicted;
            effects.push(Effect::StopSigning(Contradiction::SignedElsewhere { name, shown }));
        }
    }

    fn failed(&mut self, now_ms: u64, id: WitnessId, number: RoundNumber) {
        if let Some(round) = self.rounds.get_mut(&number) {
            round.answered.insert(id);
        }
        let witness = &mut self.witnesses[id.0];
        let doublings = witness.failures.min(16);
        witness.failures = witness.failures.saturating_add(1);
        witness.corrections = 0;
        let pause = (BACKOFF_FIRST_MS << doublings).min(BACKOFF_MAX_MS);
        witness.not_before_ms = now_ms + pause;
    }

    /// What is due now: a signature for a new head, requests to idle witnesses.
    fn act(&mut self, now_ms: u64) -> Vec<Effect> {
        if matches!(self.phase, Phase::Contradicted) {
            return Vec::new();
        }
        let mut effects = Vec::new();
        if let Some(head) = self.head_to_sign(now_ms) {
            self.is_signing = true;
            effects.push(Effect::Signing(SigningTask::Sign(head)));
        }
        self.ask_idle_witnesses(now_ms, &mut effects);
        effects
    }

    fn head_to_sign(&self, now_ms: u64) -> Option<TreeHead> {
        if !self.is_running() || self.is_signing {
            return None;
        }
        let since_opened = self.last_opened_ms.map_or(u64::MAX, |it| now_ms.saturating_sub(it));
        if since_opened < self.pace.checkpoint_interval_ms {
            return None;
        }
        if self.committed.size > self.signed.size {
            return self.newest_is_over(now_ms).then_some(self.committed);
        }
        let (_, published_ms) = self.published?;
        let is_stale = now_ms.saturating_sub(published_ms) >= self.pace.refresh_interval_ms;
        // One refresh at a time: a round in which witnesses still may answer is one already.
        (is_stale && since_opened >= self.pace.refresh_interval_ms).then_some(self.signed)
    }

    /// Whether the newest round no longer keeps the next one waiting. Were a new head offered
    /// before, slow witnesses could each cosign another head and no head find its quorum.
    fn newest_is_over(&self, now_ms: u64) -> bool {
        let Some((_, round)) = self.rounds.last_key_value() else {
            return true;
        };
        round.is_settled
            || round.answered.len() >= self.asked_for_every_round()
            || now_ms.saturating_sub(round.opened_ms) >= self.pace.round_timeout_ms
    }

    /// How many witnesses of the policy are asked at all.
    fn asked_for_every_round(&self) -> usize {
        self.witnesses.iter().filter(|it| it.is_asked() && !it.is_former).count()
    }

    fn ask_idle_witnesses(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let Some((&number, round)) = self.rounds.last_key_value() else {
            return;
        };
        let is_starting = matches!(self.phase, Phase::Confirming);
        for (at, witness) in self.witnesses.iter_mut().enumerate() {
            let is_idle = witness.is_asked() && witness.asked.is_none();
            if (witness.is_former && !is_starting)
                || !is_idle
                || witness.cosigned_round >= Some(number)
            {
                continue;
            }
            if witness.due_ms() > now_ms {
                continue;
            }
            witness.asked = Some(number);
            witness.asked_ms = Some(now_ms);
            effects.push(Effect::Ask {
                witness: WitnessId(at),
                round: number,
                old: witness.size.min(round.signed.head().size),
                signed: Arc::clone(&round.signed),
            });
        }
    }
}

#[cfg(test)]
mod tests;
