//! Whatever is submitted, in whatever order: who replays the entries as they are served, with nothing but
//! `records`, reaches the log's own verdicts and flags, entry by entry.
//!
//! The log is the server's admission and sequencer over a database in memory. An accepted record must
//! be accepted by the replay with the same bytes and flags; one that was refused must be refused when a
//! dishonest log puts it into its tree all the same.

use std::collections::BTreeMap;

use e2e::auditor::Auditor;
use e2e::drawn::{Drawer, Drawn, found};
use e2e::memory_log::{MemoryLog, Said};
use e2e::random::Random;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use records::{Refusal, RuleId};

/// A log, who replays it, and who submits.
struct Both {
    log: MemoryLog,
    auditor: Auditor,
    drawer: Drawer,
    seen: Seen,
}

/// What happened so far.
#[derive(Debug, Default)]
struct Seen {
    /// Of each kind, how many were accepted and how many refused.
    kinds: BTreeMap<(String, String), (u32, u32)>,
    /// How often each rule refused, or each flag was raised.
    rules: BTreeMap<&'static str, u32>,
}

impl Both {
    fn new() -> Self {
        let log = found();
        let mut drawer = Drawer::new(PROFILE);
        let mut auditor = Auditor::new(log.origin());
        for entry in log.served_from(0) {
            auditor.take(&entry).expect("the founding replays");
            drawer.learn(&entry);
        }
        Self { log, auditor, drawer, seen: Seen::default() }
    }

    /// Draws some submissions by a seed, has them judged as one batch, and replays what came of it.
    fn step(&mut self, seed: u64) -> Result<(), TestCaseError> {
        let mut random = Random::new(seed);
        let pauses = [0, 0, 5_000, 60_000, 180_000];
        let pause = pauses[usize::try_from(random.below(5)).expect("small")];
        // After eight days a recovered key counts.
        self.log.advance_ms(if random.below(200) == 0 { 8 * 86_400_000 } else { pause });
        let count = if random.below(4) == 0 { 3 } else { 1 };
        let mut batch: Vec<Drawn> = Vec::new();
        for _ in 0..count {
            batch.push(self.drawer.draw(self.auditor.state(), self.log.now_ms(), random.number()));
        }
        if random.below(15) == 0 {
            batch.push(batch[0].clone());
        }
        let posted: Vec<Vec<u8>> = batch.iter().map(|it| it.posted.clone()).collect();
        let said = self.log.submit_batch(&posted);
        for (drawn, said) in batch.iter().zip(&said) {
            self.compare(drawn, said)?;
        }
        prop_assert_eq!(self.auditor.size(), self.log.size().get(), "entries nobody asked for");
        Ok(())
    }

    fn compare(&mut self, drawn: &Drawn, said: &Said) -> Result<(), TestCaseError> {
        let seen = self.seen.kinds.entry(drawn.kind.clone()).or_default();
        match said {
            Said::Committed(index) => {
                seen.0 += 1;
                self.accepted(*index)
            }
            Said::AlreadyThere(index) => {
                prop_assert!(*index < self.auditor.size());
                let again = self.forged(drawn).expect("a record");
                prop_assert_eq!(again.expect_err("it stands there twice").rule, RuleId::REPLAY);
                Ok(())
            }
            Said::Refused(refusal) => {
                seen.1 += 1;
                *self.seen.rules.entry(refusal.rule.as_str()).or_default() += 1;
                let forged = self.forged(drawn).expect("a record");
                prop_assert_eq!(forged.as_ref(), Err(refusal), "{}", text(&drawn.posted));
                Ok(())
            }
            Said::RefusedAtOnce(refusal) => {
                seen.1 += 1;
                *self.seen.rules.entry(refusal.rule.as_str()).or_default() += 1;
                self.refused_at_once(drawn, refusal)
            }
        }
    }

    /// The entry as it is served gives itself again, and no other flags.
    fn accepted(&mut self, index: u64) -> Result<(), TestCaseError> {
        prop_assert_eq!(index, self.auditor.size());
        let entry = self.log.served_from(index).swap_remove(0);
        let flags = records::Entry::parse(&entry).expect("an entry").flags().to_vec();
        let other: &[RuleId] = if flags.is_empty() { &[RuleId::LATE] } else { &[] };
        let admitted_ms = records::Entry::parse(&entry).expect("an entry").admitted_ms();
        let start = records::entry_start(admitted_ms, &flags);
        let mut lie = records::entry_start(admitted_ms, other);
        lie.extend_from_slice(entry.strip_prefix(&start[..]).expect("its own beginning"));
        prop_assert_eq!(self.auditor.judge(&lie).expect_err("other flags").rule, RuleId::REPLAY);
        let admitted = match self.auditor.take(&entry) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                return Err(TestCaseError::fail(format!("{refusal}: {}", text(&entry))));
            }
        };
        prop_assert_eq!(&admitted.entry, &entry);
        prop_assert_eq!(&admitted.flags, &flags);
        for flag in &flags {
            *self.seen.rules.entry(flag.as_str()).or_default() += 1;
        }
        self.drawer.learn(&entry);
        Ok(())
    }

    /// What is refused before its turn is refused by the replay too: by the same rule, unless a
    /// signature was wrong, for then the replay may come upon another fault first.
    fn refused_at_once(&self, drawn: &Drawn, refusal: &Refusal) -> Result<(), TestCaseError> {
        if refusal.rule == RuleId::DISCLOSURE {
            // Disclosures are not part of an entry.
            return Ok(());
        }
        let Some(forged) = self.forged(drawn) else { return Ok(()) };
        match forged {
            Ok(()) => Err(TestCaseError::fail(format!(
                "refused by the log ({refusal}), accepted by the replay: {}",
                text(&drawn.posted)
            ))),
            Err(replayed) if refusal.rule == RuleId::SIGNATURE => {
                prop_assert!(!replayed.message.is_empty());
                Ok(())
            }
            Err(replayed) => {
                prop_assert_eq!(&replayed.rule, &refusal.rule, "{}", text(&drawn.posted));
                Ok(())
            }
        }
    }

    /// What the replay says when a log puts this into its tree now.
    fn forged(&self, drawn: &Drawn) -> Option<Result<(), Refusal>> {
        let entry = Auditor::forged(&drawn.posted, self.log.now_ms())?;
        Some(self.auditor.judge(&entry).map(|_| ()))
    }

    /// The state that the server keeps is the one that the entries lead to.
    fn states_agree(&self) -> Result<(), TestCaseError> {
        for (key, value) in self.auditor.state() {
            let kept = self.log.store().state_get(key).expect("a state in memory can be read");
            prop_assert_eq!(kept.as_ref(), Some(value));
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "proptest-regressions/replay.txt",
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_replay_reaches_every_verdict_of_the_log(seeds in prop::collection::vec(any::<u64>(), 1..150)) {
        let mut both = Both::new();
        for seed in seeds {
            both.step(seed)?;
        }
        both.states_agree()?;
    }
}

#[test]
fn in_many_lives_every_kind_is_accepted_and_refused() {
    let mut random = Random::new(LIVES_SEED);
    let mut seen = Seen::default();
    let mut kinds = Vec::new();
    for _ in 0..LIVES {
        let mut both = Both::new();
        std::mem::swap(&mut both.seen, &mut seen);
        for _ in 0..STEPS_OF_A_LIFE {
            both.step(random.number()).expect("the same verdicts");
        }
        both.states_agree().expect("the same state");
        std::mem::swap(&mut both.seen, &mut seen);
        kinds = both.drawer.kinds().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    }
    let registry =
        records::registry::KINDS.iter().filter(|it| !REGISTRY_KINDS_NOT_DRAWN.contains(it));
    kinds.extend(registry.map(|it| ("registry/1".to_owned(), (*it).to_owned())));
    let mut missing = Vec::new();
    for kind in kinds {
        let (accepted, refused) = seen.kinds.get(&kind).copied().unwrap_or_default();
        if accepted == 0 || refused == 0 {
            missing.push(format!("{kind:?}: {accepted} accepted, {refused} refused"));
        }
    }
    let absent: Vec<&str> =
        RULES.iter().copied().filter(|it| !seen.rules.contains_key(it)).collect();
    assert!(missing.is_empty() && absent.is_empty(), "{missing:#?}\n{absent:?} of {seen:#?}");
}

const LIVES_SEED: u64 = 4;
const LIVES: u32 = 60;
const STEPS_OF_A_LIFE: u32 = 200;

/// A profile that governance may publish.
const PROFILE: &str = r#"{"profile": "grants/1", "kinds": [
  {"kind": "award", "ops": ["add", "correct", "void"], "object": "{body}/grant/{id}",
   "fields": {"amount": {"type": "money", "required": true},
              "area": {"type": "code", "list": "areas", "required": true}},
   "facts": ["/amount"], "rules": [{"rule": "states", "to": "awarded"}]}]}"#;

/// Kinds of the registry that no log takes a second time, or at all: the others are drawn.
const REGISTRY_KINDS_NOT_DRAWN: [&str; 3] = ["engine.activate", "genesis", "log.freeze"];

/// Rules and flags that so many lives must come upon.
const RULES: &[&str] = &[
    "E01", "E02", "E03", "E04", "E05", "E06", "E07", "E08", "E09", "E10", "E11", "E13", "E14",
    "E15", "E16", "E17", "E18", "E19", "E20", "E21", "E22", "E24", "E25", "E27", "E28", "E30",
    "W01", "W02", "W03", "W04", "W05", "W06", "W07", "W09", "W10", "W11", "W12", "W13",
];
