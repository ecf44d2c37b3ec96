//! What every run begins with: the keys, the policy, a new log on a disk, and records that were signed
//! beforehand. Made once in a process; everything in it follows from constants.

use std::sync::OnceLock;

use civiclog_server::admit::check::{self, AwsLcEs256};
use civiclog_server::operate::init::commit_genesis;
use civiclog_server::sequence::batch_state::BatchState;
use civiclog_server::sign::anchor::Anchor;
use civiclog_server::sign::keys::LogKeys;
use civiclog_witness::signers::Signers;
use records::{Algorithm, CheckedSubmission, EntryIndex, RecordDraft, Submission, Value, Verdict};
use store::{MemoryKv, NewBatch, NewEntry, Store, Writer};
use tlog::{CosignatureSigner, Ed25519Signer, KeyName, Origin, Policy, Rfc6962Signer, VerifierKey};

use super::disk::{Copy, Disk, SimKv};
use super::faults::DiskFaults;
use crate::random::Random;
use crate::submitter::{self, Treasury};

/// The log's name.
pub const ORIGIN: &str = "log.example/simulation";

/// When every run begins: 2026-06-01, in Unix milliseconds.
pub const START_MS: u64 = 1_780_272_000_000;

/// Witnesses: three of the first four must cosign, or three of the last four.
pub const WITNESSES: u8 = 5;

/// Submissions that clients can be given.
pub const SUBMISSIONS: u64 = 60;

/// Entries of a log that is about to fill its first tile.
const LONG: u64 = 250;

/// What a client may send.
#[derive(Clone, Debug)]
pub struct Sendable {
    /// As it is posted.
    pub bytes: Vec<u8>,
    /// The record in it.
    pub record: Vec<u8>,
    /// What the log has to say to it.
    pub expected: Expected,
}

/// What the log has to say to a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is taken.
    Taken,
    /// It or the one that has the same object is taken, the other refused.
    OneOfTwo,
    /// It is refused.
    Refused,
}

/// See the module.
#[derive(Debug)]
pub struct Fodder {
    /// The witness policies, the one that entry 0 names first.
    pub policies: [SimPolicy; 2],
    /// The key that signs heads.
    pub log_key: VerifierKey,
    /// The keys of the witnesses of each policy.
    pub quorums: [Vec<VerifierKey>; 2],
    /// A log after `init`, with its submitter registered.
    pub short: Copy,
    /// One that is about to fill its first tile.
    pub long: Copy,
    /// What clients send.
    pub sendable: Vec<Sendable>,
}

/// A witness policy.
#[derive(Debug)]
pub struct SimPolicy {
    /// It.
    pub policy: Policy,
    /// Its text.
    pub text: String,
}

/// The one that all runs of this process share.
pub fn fodder() -> &'static Fodder {
    static FODDER: OnceLock<Fodder> = OnceLock::new();
    FODDER.get_or_init(Fodder::make)
}

/// The log's keys.
pub fn log_keys() -> LogKeys {
    let name: KeyName = ORIGIN.parse().expect("a key name");
    LogKeys {
        ed25519: Ed25519Signer::new(name.clone(), [1; 32]),
        p256: Rfc6962Signer::new(name, [2; 32]).expect("a scalar"),
    }
}

/// A witness's key.
pub fn witness_key(number: u8) -> CosignatureSigner {
    let name = format!("witness.example/w{number}").parse().expect("a key name");
    CosignatureSigner::new(name, [10 + number; 32])
}

/// The same key, as the witness itself uses it.
pub fn witness_signers(number: u8) -> Signers {
    let name = format!("witness.example/w{number}").parse().expect("a key name");
    Signers::new(name, [10 + number; 32], None).expect("a short name")
}

/// The log's name.
pub fn origin() -> Origin {
    ORIGIN.parse().expect("an origin")
}

impl Fodder {
    fn make() -> Self {
        let policies = [SimPolicy::of(1..=4), SimPolicy::of(2..=5)];
        let treasury = Treasury::new(ORIGIN, "GB-LAE-SIM", Algorithm::Ed25519, 7);
        let disk =
            Disk::with(&Copy::new(&MemoryKv::new(), None), DiskFaults::default(), Random::new(0));
        let (kv, anchor) = disk.open();
        Store::create_on(&kv, &origin()).expect("creating");
        let (_, mut writer) = Store::open_on(kv, &origin(), 0).expect("opening");
        let genesis = genesis(&policies[0].text);
        let genesis = Submission::parse(&genesis, ORIGIN).expect("a genesis");
        let genesis = CheckedSubmission::unchecked(genesis);
        commit_genesis(&mut writer, &genesis, START_MS - 10_000).expect("entry 0");
        drop(Anchor::create_on(Box::new(anchor), &origin()).expect("an anchor"));
        append(&mut writer, &[registration(&treasury)]);
        let short = disk.copy();
        let payments: Vec<_> = (0..LONG).map(|it| treasury.payment_bytes(1_000 + it)).collect();
        append(&mut writer, &payments);
        let long = disk.copy();
        Self {
            log_key: log_keys().ed25519.verifier_key(),
            quorums: [1..=4, 2..=5].map(|it| it.map(|it| witness_key(it).verifier_key()).collect()),
            policies,
            short,
            long,
            sendable: sendable(&treasury),
        }
    }
}

impl SimPolicy {
    /// Three of these must cosign.
    fn of(witnesses: std::ops::RangeInclusive<u8>) -> Self {
        let mut text = format!("log {}\n", log_keys().ed25519.verifier_key());
        let mut group = "group enough 3".to_owned();
        for number in witnesses {
            let key = witness_key(number).verifier_key();
            let line = format!("witness w{number} {key} http://w{number}.example\n");
            text.push_str(&line);
            group.push_str(" w");
            group.push_str(&number.to_string());
        }
        text.push_str(&group);
        text.push_str("\nquorum enough\n");
        let policy = Policy::parse(&text).expect("a policy");
        Self { policy, text }
    }
}

/// Entry 0 under this policy, as it is posted.
pub fn genesis(policy_text: &str) -> Vec<u8> {
    let governance = submitter::key(Algorithm::Ed25519, 0x60);
    let next = submitter::key(Algorithm::Ed25519, 0x61);
    let vkeys = log_keys().verifier_keys().map(|it| it.to_string());
    let jwk = governance.public().to_jwk();
    let record = RecordDraft::new(ORIGIN, "registry/1", "genesis")
        .object("log/genesis")
        .submitter("log")
        .occurred("2026-06-01")
        .data(Value::map([
            ("engine", Value::Int(i64::from(records::ENGINE_VERSION))),
            (
                "governance",
                Value::map([
                    ("keys", Value::list([jwk])),
                    ("next", Value::list([next.public().kid().as_str()])),
                    ("threshold", Value::Int(1)),
                ]),
            ),
            ("policy", Value::list(policy_text.lines())),
            ("vkeys", Value::list(vkeys.iter().map(String::as_str))),
        ]))
        .build()
        .expect("a genesis record");
    Submission::assemble(&record, &[governance.sign_detached(record.bytes())], &[])
}

fn registration(treasury: &Treasury) -> Vec<u8> {
    let governance = submitter::key(Algorithm::Ed25519, 0x60);
    let record = RecordDraft::new(ORIGIN, "registry/1", "submitter.add")
        .object(&format!("log/submitter/{}", treasury.id()))
        .submitter("log")
        .occurred("2026-06-01")
        .data(Value::map([
            ("bodies", Value::list([treasury.id()])),
            ("key", treasury.key().public().to_jwk()),
            ("profiles", Value::list(["contract/1", "spending/1"])),
            ("submitter", treasury.id().into()),
        ]))
        .build()
        .expect("a registration");
    let keys = [&governance, treasury.key()];
    let signatures: Vec<_> = keys.iter().map(|key| key.sign_detached(record.bytes())).collect();
    Submission::assemble(&record, &signatures, &[])
}

/// Commits submissions the way the sequencer does.
fn append(writer: &mut Writer<SimKv>, submissions: &[Vec<u8>]) {
    let store = writer.store().clone();
    let mut state = BatchState::new(&store);
    let (mut entries, mut leaves) = (Vec::new(), Vec::new());
    let first = writer.frontier().size().get();
    for (index, bytes) in (first..).zip(submissions) {
        let checked = check::check(&store, ORIGIN, bytes).expect("a good submission");
        let index = EntryIndex::new(index);
        let verdict =
            records::admit(&state, index, START_MS - 5_000, &checked.submission, &AwsLcEs256);
        let Ok(Verdict::Accepted(admitted)) = verdict else {
            panic!("a submission of the simulation is refused: {verdict:?}");
        };
        leaves.push(tlog::leaf_hash(&admitted.entry));
        state.apply(admitted.changes);
        entries.push(NewEntry { entry: admitted.entry, disclosures: admitted.disclosures });
    }
    let integration = writer.frontier().integrate(&leaves);
    let state = state.into_changes();
    writer.commit(NewBatch { entries, state, integration }).expect("memory takes it");
}

/// Good records, pairs that contradict each other, and records with a wrong signature.
fn sendable(treasury: &Treasury) -> Vec<Sendable> {
    let of = |bytes: Vec<u8>, expected| {
        let submission = Submission::parse_draft(&bytes).expect("a submission");
        Sendable { record: submission.record().bytes().to_vec(), bytes, expected }
    };
    let mut all = Vec::new();
    for number in 0..SUBMISSIONS {
        match number % 10 {
            8 => {
                all.push(of(treasury.payment_bytes(number), Expected::OneOfTwo));
                let other = treasury.payment(number).occurred("2026-01-03");
                all.push(of(treasury.sign_draft(other), Expected::OneOfTwo));
            }
            9 => {
                let mut bytes = treasury.payment_bytes(number);
                // Another character of base64url in the middle of the signature.
                let at = bytes.len() - 40;
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                all.push(of(bytes, Expected::Refused));
            }
            _ => all.push(of(treasury.payment_bytes(number), Expected::Taken)),
        }
    }
    all
}
