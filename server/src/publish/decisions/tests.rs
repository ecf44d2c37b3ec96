//! Drives the publisher by hand: four witnesses, three of which make a quorum.

use proptest::prelude::*;
use tlog::{CosignatureSigner, Ed25519Signer, KeyName, UnixSeconds};

use super::*;

const ORIGIN: &str = "log.example/spending";
const PACE: Pace = Pace {
    checkpoint_interval_ms: 250,
    refresh_interval_ms: 60_000,
    round_timeout_ms: 5_000,
    request_interval_ms: 0,
};

/// A log's key and four witnesses' keys, and the policy that names them.
struct World {
    log: Ed25519Signer,
    witnesses: Vec<CosignatureSigner>,
    policy: Policy,
}

impl World {
    fn new() -> Self {
        let name = |text: &str| text.parse::<KeyName>().expect("a key name");
        let log = Ed25519Signer::new(name(ORIGIN), [1; 32]);
        let witnesses: Vec<_> = (1..=4)
            .map(|n| CosignatureSigner::new(name(&format!("witness.example/w{n}")), [10 + n; 32]))
            .collect();
        let mut text = format!("log {}\n", log.verifier_key());
        for (at, witness) in witnesses.iter().enumerate() {
            let line =
                format!("witness w{} {} http://w{at}.example\n", at + 1, witness.verifier_key());
            text.push_str(&line);
        }
        text.push_str("group all-four 3 w1 w2 w3 w4\nquorum all-four\n");
        let policy = Policy::parse(&text).expect("a policy");
        Self { log, witnesses, policy }
    }

    fn signed(&self, head: TreeHead) -> SignedCheckpoint {
        let text = tlog::Checkpoint::new(ORIGIN.parse().expect("an origin"), head).to_text();
        let signature = self.log.sign(&text);
        let note = Note::new(text, vec![signature]).expect("a note");
        SignedCheckpoint::open(note, &[self.log.verifier_key()]).expect("our own signature")
    }

    fn start(&self, anchored: TreeHead) -> Start {
        Start {
            policy: self.policy.clone(),
            policies_before: Vec::new(),
            anchored: self.signed(anchored),
            published: None,
            set_aside: Vec::new(),
            all_must_confirm: false,
            request_intervals_ms: BTreeMap::new(),
        }
    }

    fn started(&self, anchored: TreeHead) -> (Publisher, Vec<Effect>) {
        Publisher::new(self.start(anchored), PACE, 0)
    }

    fn cosigned(&self, ask: &Ask) -> Event {
        let signature = self.witnesses[ask.witness.0]
            .sign(ask.signed.note().text(), UnixSeconds::new(1_700_000_000));
        ask.answered(Some(WitnessAnswer::Cosigned(vec![signature])))
    }
}

#[derive(Clone)]
struct Ask {
    witness: WitnessId,
    round: RoundNumber,
    old: TreeSize,
    signed: Arc<SignedCheckpoint>,
}

impl Ask {
    fn answered(&self, answer: Option<WitnessAnswer>) -> Event {
        Event::Answered(Answered { witness: self.witness, round: self.round, answer })
    }
}

fn head(size: u64) -> TreeHead {
    TreeHead { size: TreeSize::new(size), root: tlog::leaf_hash(&size.to_be_bytes()) }
}

fn asks(effects: &[Effect]) -> Vec<Ask> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Ask { witness, round, old, signed } => Some(Ask {
                witness: *witness,
                round: *round,
                old: *old,
                signed: Arc::clone(signed),
            }),
            _ => None,
        })
        .collect()
}

fn published(effects: &[Effect]) -> Vec<u64> {
    effects
        .iter()
        .filter_map(|it| match it {
            Effect::Signing(SigningTask::Publish(cosigned)) => Some(cosigned.head().size.get()),
            _ => None,
        })
        .collect()
}

fn signs(effects: &[Effect]) -> Vec<u64> {
    effects
        .iter()
        .filter_map(|it| match it {
            Effect::Signing(SigningTask::Sign(head)) => Some(head.size.get()),
            _ => None,
        })
        .collect()
}

fn starts(effects: &[Effect]) -> bool {
    effects.iter().any(|it| matches!(it, Effect::Start))
}

/// A publisher whose start-up rule holds, and whose witnesses are all idle.
fn running(world: &World, anchored: TreeHead) -> Publisher {
    let (mut publisher, effects) = world.started(anchored);
    let mut started = false;
    for ask in asks(&effects) {
        started |= starts(&publisher.step(1, world.cosigned(&ask)));
    }
    assert!(started && publisher.is_running());
    publisher
}

#[test]
fn nothing_is_signed_before_enough_witnesses_confirmed_the_anchored_head() {
    let world = World::new();
    let (mut publisher, effects) = world.started(head(5));
    assert!(signs(&effects).is_empty());
    assert!(signs(&publisher.step(1_000, Event::Committed(head(9)))).is_empty());
    let asked = asks(&effects);
    assert_eq!(asked.len(), 4);
    // One answer: the other three could have made a quorum without it.
    let effects = publisher.step(1_001, world.cosigned(&asked[0]));
    assert!(!starts(&effects) && signs(&effects).is_empty());
    assert!(publisher.waiting_for().expect("still waiting").contains("w2, w3, w4"));
    // Two answers: the two silent ones are no quorum, but they may be about to contradict.
    assert!(!starts(&publisher.step(1_002, world.cosigned(&asked[1]))));
    assert!(!starts(&publisher.step(1_003, asked[2].answered(None))));
    assert!(starts(&publisher.step(1_004, asked[3].answered(None))));
    assert!(publisher.waiting_for().is_none());
}

#[test]
fn our_own_signature_under_a_foreign_head_ends_signing_whenever_it_is_shown() {
    let world = World::new();
    let mut publisher = running(&world, head(5));
    let shown = Shown::Contradicting { size: TreeSize::new(4) };
    let effects = publisher.step(10, Event::Shown { witness: WitnessId(1), shown });
    let name = "w2".to_owned();
    let refused = Contradiction::SignedElsewhere { name, shown };
    assert!(matches!(&effects[..], [Effect::StopSigning(it)] if *it == refused), "{effects:?}");
    assert!(publisher.step(10_000, Event::Committed(head(9))).is_empty());
}

#[test]
fn a_witness_that_contradicts_is_asked_what_it_saw() {
    let world = World::new();
    let (mut publisher, effects) = world.started(head(5));
    let more = WitnessAnswer::Conflict { size: TreeSize::new(6) };
    let effects = publisher.step(1, asks(&effects)[2].answered(Some(more)));
    assert!(effects.iter().any(|it| matches!(it, Effect::Inquire(WitnessId(2)))), "{effects:?}");
}

#[test]
fn after_a_restore_every_witness_must_confirm() {
    let world = World::new();
    let start = Start { all_must_confirm: true, ..world.start(head(5)) };
    let (mut publisher, effects) = Publisher::new(start, PACE, 0);
    let asked = asks(&effects);
    for ask in &asked[..3] {
        assert!(!starts(&publisher.step(1, world.cosigned(ask))));
    }
    assert!(!starts(&publisher.step(2, asked[3].answered(None))), "silence is no confirmation");
    let words = publisher.waiting_for().expect("still waiting");
    assert!(words.contains("restored") && words.contains("w4"), "{words}");
    let again = asks(&publisher.step(3 + BACKOFF_FIRST_MS, Event::Tick));
    assert_eq!(again.len(), 1);
    assert!(starts(&publisher.step(200, world.cosigned(&again[0]))));
}

#[test]
fn a_witness_that_was_set_aside_is_not_asked_and_counts_for_nothing() {
    let world = World::new();
    let set_aside = vec![world.witnesses[3].verifier_key()];
    let start = Start { set_aside, ..world.start(head(5)) };
    let (mut publisher, effects) = Publisher::new(start, PACE, 0);
    let asked = asks(&effects);
    assert_eq!(asked.iter().map(|it| it.witness.0).collect::<Vec<_>>(), [0, 1, 2]);
    // With the one that was set aside, two silent ones would make a quorum: it may have lied to the
    // operator, not to us.
    assert!(!starts(&publisher.step(1, world.cosigned(&asked[0]))));
    assert!(!starts(&publisher.step(2, asked[1].answered(None))));
    assert!(!starts(&publisher.step(3, asked[2].answered(None))));
    let again = asks(&publisher.step(3 + BACKOFF_FIRST_MS, Event::Tick));
    assert!(starts(&publisher.step(200, world.cosigned(&again[0]))));
    assert!(!publisher.waiting_for().is_some_and(|it| it.contains("w4")));
}

#[test]
fn a_witness_that_was_silent_at_start_and_then_knows_more_ends_signing() {
    let world = World::new();
    let (mut publisher, effects) = world.started(head(5));
    let asked = asks(&effects);
    publisher.step(1, world.cosigned(&asked[0]));
    publisher.step(2, world.cosigned(&asked[1]));
    publisher.step(3, asked[2].answered(None));
    assert!(starts(&publisher.step(4, asked[3].answered(None))));
    let late = asks(&publisher.step(4 + BACKOFF_FIRST_MS, Event::Tick));
    let more = WitnessAnswer::Conflict { size: TreeSize::new(200) };
    let effects = publisher.step(200, late[0].answered(Some(more)));
    assert!(effects.iter().any(|it| matches!(it, Effect::StopSigning(_))));
    assert!(publisher.step(300, Event::Committed(head(9))).is_empty());
}

#[test]
fn witnesses_of_the_policy_before_must_confirm_too_and_are_then_left_alone() {
    let world = World::new();
    // The same log under a policy of two witnesses, of which w1 is one, and w9 is new.
    let newcomer = CosignatureSigner::new("witness.example/w9".parse().expect("a name"), [99; 32]);
    let text = format!(
        "log {}\nwitness n1 {} http://n1\nwitness n9 {} http://n9\ngroup g all n1 n9\nquorum g\n",
        world.log.verifier_key(),
        world.witnesses[0].verifier_key(),
        newcomer.verifier_key()
    );
    let policy = Policy::parse(&text).expect("a policy");
    let policies_before = vec![world.policy.clone()];
    let start = Start { policy, policies_before, ..world.start(head(5)) };
    let (mut publisher, effects) = Publisher::new(start, PACE, 0);
    let asked = asks(&effects);
    let names: Vec<_> =
        asked.iter().map(|it| publisher.witnesses()[it.witness.0].name.clone()).collect();
    assert_eq!(names, ["n1", "n9", "w2", "w3", "w4"]);
    // Both of today's witnesses confirm; the three former ones could have published without them.
    let text = asked[0].signed.note().text();
    let by = |signer: &CosignatureSigner| {
        Some(WitnessAnswer::Cosigned(vec![signer.sign(text, UnixSeconds::new(1_700_000_000))]))
    };
    let mut effects = publisher.step(1, asked[0].answered(by(&world.witnesses[0])));
    effects.extend(publisher.step(2, asked[1].answered(by(&newcomer))));
    assert!(!starts(&effects) && !publisher.is_running());
    assert_eq!(published(&effects), [5], "today's policy is satisfied by the head signed before");
    let effects = publisher.step(3, asked[2].answered(by(&world.witnesses[1])));
    assert!(!starts(&effects), "w3 and w4 have not had their chance");
    publisher.step(4, asked[3].answered(None));
    assert!(starts(&publisher.step(5, asked[4].answered(None))));
    // From now on only today's witnesses are asked.
    publisher.step(300, Event::Committed(head(9)));
    let asked = asks(&publisher.step(60_000, Event::Signed(world.signed(head(9)))));
    assert_eq!(asked.iter().map(|it| it.witness.0).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn only_a_cosignature_of_the_witness_itself_counts() {
    let world = World::new();
    let (mut publisher, effects) = world.started(head(5));
    let asked = asks(&effects);
    // Everybody answers with the signature of the first witness.
    let text = asked[0].signed.note().text();
    let borrowed = world.witnesses[0].sign(text, UnixSeconds::new(1_700_000_000));
    for ask in &asked[1..] {
        let answer = Some(WitnessAnswer::Cosigned(vec![borrowed.clone()]));
        let effects = publisher.step(10, ask.answered(answer));
        assert!(published(&effects).is_empty() && !starts(&effects));
    }
    assert!(!publisher.is_running());
}

#[test]
fn a_witness_that_knows_more_at_start_ends_signing_for_good() {
    let world = World::new();
    for answer in [WitnessAnswer::Conflict { size: TreeSize::new(6) }, WitnessAnswer::Inconsistent]
    {
        let (mut publisher, effects) = world.started(head(5));
        let asked = asks(&effects);
        let effects = publisher.step(1, asked[2].answered(Some(answer)));
        let refusal = effects.iter().find_map(|it| match it {
            Effect::StopSigning(refusal) => Some(refusal.to_string()),
            _ => None,
        });
        assert!(refusal.expect("refused").contains("w3"));
        for ask in &asked[..2] {
            assert!(publisher.step(2, world.cosigned(ask)).is_empty());
        }
        assert!(publisher.step(100_000, Event::Committed(head(9))).is_empty());
        assert!(!publisher.is_running());
    }
}

#[test]
fn a_witness_that_knows_less_is_asked_from_its_own_size() {
    let world = World::new();
    let (mut publisher, effects) = world.started(head(5));
    let first = asks(&effects).remove(0);
    assert_eq!(first.old, TreeSize::new(5));
    let behind = WitnessAnswer::Conflict { size: TreeSize::new(2) };
    let again = asks(&publisher.step(1, first.answered(Some(behind)))).remove(0);
    assert_eq!((again.witness, again.old), (WitnessId(0), TreeSize::new(2)));
    // It may correct us a few times, then it has to wait like one that does not answer.
    let mut ask = again;
    for size in [3, 4] {
        let answer = WitnessAnswer::Conflict { size: TreeSize::new(size) };
        ask = asks(&publisher.step(2, ask.answered(Some(answer)))).remove(0);
    }
    let answer = WitnessAnswer::Conflict { size: TreeSize::new(1) };
    assert!(asks(&publisher.step(3, ask.answered(Some(answer)))).is_empty());
}

#[test]
fn a_head_is_published_with_the_third_of_four_cosignatures() {
    let world = World::new();
    let mut publisher = running(&world, head(5));
    assert_eq!(signs(&publisher.step(300, Event::Committed(head(9)))), [9]);
    let effects = publisher.step(301, Event::Signed(world.signed(head(9))));
    let asked = asks(&effects);
    assert_eq!(asked.len(), 4);
    assert!(published(&publisher.step(302, world.cosigned(&asked[3]))).is_empty());
    assert!(published(&publisher.step(303, world.cosigned(&asked[0]))).is_empty());
    assert_eq!(published(&publisher.step(304, world.cosigned(&asked[1]))), [9]);
    // The fourth is late; it changes nothing that was published.
    assert!(published(&publisher.step(305, world.cosigned(&asked[2]))).is_empty());
}

#[test]
fn a_witness_that_allows_few_requests_gets_few_and_holds_nobody_up() {
    let world = World::new();
    let request_intervals_ms = BTreeMap::from([("w1".to_owned(), 10_000)]);
    let start = Start { request_intervals_ms, ..world.start(head(5)) };
    let (mut publisher, effects) = Publisher::new(start, PACE, 0);
    let mut asked = Vec::new();
    let mut heads = Vec::new();
    let mut to_answer = asks(&effects);
    for round in 1..=40_u64 {
        let now_ms = round * 500;
        let mut effects = Vec::new();
        for ask in to_answer.drain(..) {
            asked.extend((ask.witness == WitnessId(0)).then_some(now_ms));
            effects.extend(publisher.step(now_ms, world.cosigned(&ask)));
        }
        effects.extend(publisher.step(now_ms, Event::Committed(head(5 + round))));
        for size in signs(&effects) {
            effects.extend(publisher.step(now_ms, Event::Signed(world.signed(head(size)))));
        }
        heads.extend(published(&effects));
        to_answer = asks(&effects);
    }
    assert!(heads.len() > 30, "{heads:?}");
    assert_eq!(asked.len(), 2, "at the start, and after its pause: {asked:?}");
}

#[test]
fn two_silent_witnesses_stop_publishing_until_one_returns() {
    let world = World::new();
    let mut publisher = running(&world, head(5));
    publisher.step(300, Event::Committed(head(9)));
    let asked = asks(&publisher.step(301, Event::Signed(world.signed(head(9)))));
    let mut all = Vec::new();
    all.extend(publisher.step(302, world.cosigned(&asked[0])));
    all.extend(publisher.step(303, world.cosigned(&asked[1])));
    all.extend(publisher.step(304, asked[2].answered(None)));
    all.extend(publisher.step(305, asked[3].answered(None)));
    assert!(published(&all).is_empty());
    // They are asked again after a pause, not at once.
    assert!(asks(&all).is_empty());
    let wake = publisher.wake_at_ms(305);
    assert!(wake > 305 && wake <= 305 + BACKOFF_FIRST_MS);
    let again = asks(&publisher.step(305 + BACKOFF_FIRST_MS, Event::Tick));
    assert_eq!(again.len(), 2);
    assert_eq!(published(&publisher.step(500, world.cosigned(&again[0]))), [9]);
}

#[test]
fn a_witness_that_contradicts_while_running_loses_its_seat() {
    let world = World::new();
    let mut publisher = running(&world, head(5));
    publisher.step(300, Event::Committed(head(9)));
    let asked = asks(&publisher.step(301, Event::Signed(world.signed(head(9)))));
    let effects = publisher.step(302, asked[0].answered(Some(WitnessAnswer::Inconsistent)));
    assert!(effects.iter().any(|it| matches!(it, Effect::Distrust { .. })));
    assert!(publisher.is_running());
    let more = WitnessAnswer::Conflict { size: TreeSize::new(10) };
    let effects = publisher.step(303, asked[1].answered(Some(more)));
    assert!(effects.iter().any(|it| matches!(it, Effect::StopSigning(Contradiction::QuorumLost))));
    assert!(!publisher.is_running());
}

#[test]
fn rounds_keep_their_distance_and_heads_their_order() {
    let world = World::new();
    let mut publisher = running(&world, head(5));
    assert_eq!(signs(&publisher.step(300, Event::Committed(head(9)))), [9]);
    // While one head is being signed, no other is.
    assert!(signs(&publisher.step(600, Event::Committed(head(12)))).is_empty());
    let asked = asks(&publisher.step(601, Event::Signed(world.signed(head(9)))));
    let mut effects = Vec::new();
    for ask in &asked {
        effects.extend(publisher.step(610, world.cosigned(ask)));
    }
    assert_eq!(published(&effects), [9]);
    assert!(signs(&effects).is_empty(), "too early for the next round");
    assert!(publisher.wake_at_ms(610) <= 851);
    assert_eq!(signs(&publisher.step(851, Event::Tick)), [12]);
}

#[test]
fn a_quiet_log_is_cosigned_anew_when_its_head_grows_old() {
    let world = World::new();
    let mut publisher = running(&world, head(5));
    assert!(signs(&publisher.step(30_000, Event::Tick)).is_empty());
    let due = 1 + PACE.refresh_interval_ms;
    assert!(publisher.wake_at_ms(30_000) <= due);
    assert_eq!(signs(&publisher.step(due, Event::Tick)), [5]);
    let asked = asks(&publisher.step(due + 1, Event::Signed(world.signed(head(5)))));
    assert_eq!(asked.len(), 4);
    let mut effects = Vec::new();
    for ask in &asked {
        assert_eq!(ask.old, TreeSize::new(5));
        effects.extend(publisher.step(due + 2, world.cosigned(ask)));
    }
    assert_eq!(published(&effects), [5]);
}

#[test]
fn the_empty_tree_is_confirmed_but_never_published() {
    let world = World::new();
    let (mut publisher, effects) = world.started(TreeHead::EMPTY);
    let mut all = Vec::new();
    for ask in asks(&effects) {
        assert_eq!(ask.old, TreeSize::ZERO);
        all.extend(publisher.step(1, world.cosigned(&ask)));
    }
    assert!(starts(&all) && published(&all).is_empty());
    // It does not hold the first head back either.
    assert_eq!(signs(&publisher.step(300, Event::Committed(head(1)))), [1]);
}

#[test]
fn a_publisher_that_can_do_nothing_sleeps() {
    let world = World::new();
    // Nobody answers at start.
    let (publisher, _) = world.started(head(5));
    for now in [1, 300, 5_000, 60_000, 60_001, 3_600_000] {
        assert!(publisher.wake_at_ms(now) >= now + 200, "at {now}");
    }
    // A refresh is under way and nobody answers it.
    let mut publisher = running(&world, head(5));
    publisher.step(60_001, Event::Tick);
    publisher.step(60_002, Event::Signed(world.signed(head(5))));
    for now in [70_000, 100_000] {
        publisher.step(now, Event::Tick);
        assert!(publisher.wake_at_ms(now) >= now + 200, "at {now}");
    }
}

#[test]
fn rounds_in_flight_are_bounded() {
    let world = World::new();
    let mut publisher = running(&world, head(5));
    for step in 0..20 {
        let now = 10_000 * (step + 1);
        publisher.step(now, Event::Committed(head(10 + step)));
        publisher.step(now, Event::Signed(world.signed(head(10 + step))));
        assert!(publisher.rounds.len() <= ROUNDS_IN_FLIGHT_MAX);
    }
}

/// What chance does to the publisher.
#[derive(Clone, Debug)]
enum Chance {
    Grow(u64),
    Wait(u64),
    Cosign(usize),
    Lose(usize),
    Lag(usize, u64),
}

fn chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        (1..5u64).prop_map(Chance::Grow),
        (1..7_000u64).prop_map(Chance::Wait),
        (0..8usize).prop_map(Chance::Cosign),
        (0..8usize).prop_map(Chance::Lose),
        (0..8usize, 0..5u64).prop_map(|(at, size)| Chance::Lag(at, size)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever happens: published heads only grow, each has its quorum, nobody is asked twice at
    /// a time, nothing is signed out of order, and once witnesses answer, everything is published.
    #[test]
    fn published_heads_only_grow_and_progress_resumes(chances in prop::collection::vec(chance(), 1..120)) {
        let world = World::new();
        let (mut publisher, effects) = world.started(head(5));
        let mut open: Vec<Ask> = Vec::new();
        let (mut now, mut size, mut last) = (0u64, 5u64, 0u64);
        let mut handle = |publisher: &mut Publisher, open: &mut Vec<Ask>, now: u64, effects: Vec<Effect>| {
            let mut queue = effects;
            while !queue.is_empty() {
                let mut next = Vec::new();
                for ask in asks(&queue) {
                    assert!(open.iter().all(|it| it.witness != ask.witness), "asked twice");
                    open.push(ask);
                }
                for size in published(&queue) {
                    assert!(size >= last, "published heads never shrink");
                    last = size;
                }
                for size in signs(&queue) {
                    assert!(publisher.is_running());
                    next.extend(publisher.step(now, Event::Signed(world.signed(head(size)))));
                }
                queue = next;
            }
            last
        };
        handle(&mut publisher, &mut open, now, effects);
        for chance in chances {
            let event = match chance {
                Chance::Grow(by) => { size += by; Event::Committed(head(size)) }
                Chance::Wait(ms) => { now += ms; Event::Tick }
                Chance::Cosign(at) | Chance::Lose(at) | Chance::Lag(at, _) if at >= open.len() => continue,
                Chance::Cosign(at) => world.cosigned(&open.remove(at)),
                Chance::Lose(at) => open.remove(at).answered(None),
                Chance::Lag(at, lag) => {
                    let ask = open.remove(at);
                    let size = ask.signed.head().size.get().saturating_sub(lag);
                    ask.answered(Some(WitnessAnswer::Conflict { size: TreeSize::new(size) }))
                }
            };
            let effects = publisher.step(now, event);
            handle(&mut publisher, &mut open, now, effects);
        }
        // From now on every witness answers, late as it may be.
        for _ in 0..60 {
            while let Some(ask) = open.pop() {
                let effects = publisher.step(now, world.cosigned(&ask));
                handle(&mut publisher, &mut open, now, effects);
            }
            now = publisher.wake_at_ms(now);
            let effects = publisher.step(now, Event::Tick);
            handle(&mut publisher, &mut open, now, effects);
        }
        let last = handle(&mut publisher, &mut open, now, Vec::new());
        prop_assert_eq!(last, size);
    }
}
