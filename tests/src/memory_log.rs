//! A log in one thread: the server's own admission and its own sequencer over a database in memory,
//! under a clock that the test sets. What is served is read as the HTTP interface reads it.
//!
//! For rules that depend on time, and for many runs: weeks pass in no time here.

use std::sync::Arc;

use civiclog_server::admit::budget::Budget;
use civiclog_server::admit::check::{self, CheckError, Checked};
use civiclog_server::admit::clock_rule::AdmissionClock;
use civiclog_server::admit::low_water::LowWater;
use civiclog_server::admit::outcome::Outcome;
use civiclog_server::admit::pool::{Pending, Pool};
use civiclog_server::core::Core;
use civiclog_server::core::state::CommittedState;
use civiclog_server::operate::init::commit_genesis;
use civiclog_server::publish::latest::Published;
use civiclog_server::sequence::sequencer::{Deps, Sequencer};
use civiclog_server::serve::receipt;
use prometheus::Registry;
use records::{
    CheckedSubmission, RecordDraft, Refusal, SigningKey, Submission, Value, json::parse,
};
use service::{Clock, FileSystems, ManualClock};
use store::{MemoryKv, Store};
use tlog::{
    Checkpoint, Cosigner, LeafIndex, Note, TreeSize, UnixSeconds, bundles_of_size, parse_bundle,
};
use tokio::sync::oneshot;

use crate::sim::fodder::{self, ORIGIN};
use crate::submitter;

/// What the log said to a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is the entry at this index.
    Committed(u64),
    /// The same record is the entry at this index already.
    AlreadyThere(u64),
    /// It was refused before its turn, by what needs no order.
    RefusedAtOnce(Refusal),
    /// It was refused in its turn.
    Refused(Refusal),
}

impl Said {
    /// The index at which the record stands.
    ///
    /// # Panics
    /// When it was refused.
    pub fn index(&self) -> u64 {
        match self {
            Self::Committed(index) | Self::AlreadyThere(index) => *index,
            Self::RefusedAtOnce(refusal) | Self::Refused(refusal) => {
                panic!("refused: {refusal}")
            }
        }
    }

    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::RefusedAtOnce(refusal) | Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// What a record says.
#[derive(Clone, Debug)]
pub struct Say<'a> {
    /// Who says it.
    pub submitter: &'a str,
    /// By which profile.
    pub profile: &'a str,
    /// Of which kind.
    pub kind: &'a str,
    /// About what.
    pub object: &'a str,
    /// The clear data.
    pub data: serde_json::Value,
}

/// See the module.
pub struct MemoryLog {
    store: Store<MemoryKv>,
    sequencer: Sequencer<MemoryKv>,
    clock: Arc<ManualClock>,
}

impl MemoryLog {
    /// A log with nothing in it but its genesis. Its governance is the key `0x60` of
    /// [`submitter::key`], and after it `0x61`.
    pub fn founded_at(unix_ms: u64) -> Self {
        let kv = MemoryKv::new();
        Store::create_on(&kv, &fodder::origin()).expect("creating");
        let (store, mut writer) = Store::open_on(kv, &fodder::origin(), 0).expect("opening");
        let genesis = fodder::genesis(&fodder::fodder().policies[0].text);
        let genesis = Submission::parse(&genesis, ORIGIN).expect("a genesis");
        commit_genesis(&mut writer, &CheckedSubmission::unchecked(genesis), unix_ms)
            .expect("entry 0");
        let clock = Arc::new(ManualClock::at_unix_millis(unix_ms));
        let clock_as = Arc::clone(&clock) as Arc<dyn Clock>;
        let clock_rule = Arc::new(AdmissionClock::new(Arc::clone(&clock_as)));
        let at = UnixSeconds::new(unix_ms / 1000);
        clock_rule.learn(&[Cosigner { name: "w1".to_owned(), at }]);
        let core = Core::new(store.clone(), clock_as, &Registry::new()).expect("metrics");
        core.mode.start();
        let sequencer = Sequencer::new(Deps {
            core,
            writer,
            pool: Arc::new(Pool::new()),
            clock_rule,
            low_water: Arc::new(LowWater::new(Box::new(FileSystems), Vec::new(), 0)),
            committed: Box::new(|_| {}),
            batch_entries_max: usize::MAX,
        });
        Self { store, sequencer: sequencer.expect("a sequencer"), clock }
    }

    /// Its name.
    pub fn origin(&self) -> &'static str {
        ORIGIN
    }

    /// What its clock shows, in Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.clock.unix_millis()
    }

    /// Lets time pass, here and for the witnesses.
    pub fn advance_ms(&self, by_ms: u64) {
        self.clock.advance_millis(by_ms);
    }

    /// Submits one.
    pub fn submit(&mut self, posted: &[u8]) -> Said {
        self.submit_batch(&[posted.to_vec()]).remove(0)
    }

    /// Submits several that are sequenced together, as the HTTP interface takes them in. What the log
    /// said, one by one.
    ///
    /// # Panics
    /// When the log fails.
    pub fn submit_batch(&mut self, posted: &[Vec<u8>]) -> Vec<Said> {
        let checked: Vec<Result<Checked, Refusal>> =
            posted.iter().map(|bytes| check(&self.store, bytes)).collect();
        let (mut in_order, mut at_once) = (Vec::new(), Vec::new());
        for checked in checked {
            at_once.push(checked.map(|checked| in_order.push(checked)).err());
        }
        let mut in_order = self.sequence(in_order).into_iter();
        let said = at_once.into_iter().map(|refusal| match refusal {
            Some(refusal) => Said::RefusedAtOnce(refusal),
            None => in_order.next().expect("an answer for each"),
        });
        said.collect()
    }

    /// Sequences what was checked, in one batch.
    ///
    /// # Panics
    /// When the log fails.
    pub fn sequence(&mut self, checked: Vec<Checked>) -> Vec<Said> {
        let room = Budget::new(1, 1 << 20).room_for_submissions(1).expect("room");
        let room = Arc::new(room);
        let (batch, answers): (Vec<_>, Vec<_>) = checked
            .into_iter()
            .map(|checked| {
                let (answer, outcome) = oneshot::channel();
                (Pending { checked, answer, room: Arc::clone(&room) }, outcome)
            })
            .unzip();
        self.sequencer.sequence(batch).expect("the sequencer goes on");
        let said =
            answers.into_iter().map(|mut outcome| match outcome.try_recv().expect("an answer") {
                Outcome::Committed(receipt) if receipt.is_duplicate() => {
                    Said::AlreadyThere(receipt.index().get())
                }
                Outcome::Committed(receipt) => Said::Committed(receipt.index().get()),
                Outcome::Refused { refusal, .. } => Said::Refused(refusal),
                Outcome::NotJudged(because) => panic!("not judged: {because}"),
            });
        said.collect()
    }

    /// All entries from the first one asked for, as the bundles hold them that are served.
    ///
    /// # Panics
    /// When a bundle is broken.
    pub fn served_from(&self, first: u64) -> Vec<Vec<u8>> {
        let size = self.store.head().size;
        let mut entries = Vec::new();
        for coord in bundles_of_size(size).skip(usize::try_from(first / 256).expect("few")) {
            let bundle = self.store.bundle(coord).expect("a bundle");
            let bundle = parse_bundle(&bundle, coord.width()).expect("a bundle");
            entries.extend(bundle.into_iter().map(<[u8]>::to_vec));
        }
        entries.split_off(usize::try_from(first % 256).expect("few"))
    }

    /// The receipt file of an entry, as it is served under a head that its witnesses cosigned.
    ///
    /// # Panics
    /// When there is no such entry.
    pub fn receipt(&self, index: u64) -> String {
        let text = Checkpoint::new(fodder::origin(), self.store.head()).to_text();
        let signature = fodder::log_keys().ed25519.sign(&text);
        let mut note = Note::new(text.clone(), vec![signature]).expect("a note");
        for number in 1..=4 {
            let at = UnixSeconds::new(self.now_ms() / 1000);
            note.push(fodder::witness_key(number).sign(&text, at)).expect("room for a line");
        }
        let policy = &fodder::fodder().policies[0].policy;
        let published = Published::new(policy.check(&note).expect("the quorum"), None);
        receipt::receipt(&self.store, LeafIndex::new(index), &published).expect("a receipt")
    }

    /// The policy under which receipts verify.
    pub fn policy_text() -> &'static str {
        &fodder::fodder().policies[0].text
    }

    /// How many entries there are.
    pub fn size(&self) -> TreeSize {
        self.store.head().size
    }

    /// The database, for what is not served.
    pub fn store(&self) -> &Store<MemoryKv> {
        &self.store
    }

    /// The governance key.
    pub fn governance() -> SigningKey {
        submitter::key(records::Algorithm::Ed25519, 0x60)
    }

    /// A signed record of the registry, ready to submit.
    ///
    /// # Panics
    /// When it breaks a rule that needs no state.
    pub fn registry(kind: &str, object: &str, data: Value, keys: &[&SigningKey]) -> Vec<u8> {
        let record = RecordDraft::new(ORIGIN, "registry/1", kind)
            .object(object)
            .submitter("log")
            .occurred("2026-06-01")
            .data(data)
            .build()
            .expect("a registry record");
        let signatures: Vec<_> = keys.iter().map(|key| key.sign_detached(record.bytes())).collect();
        Submission::assemble(&record, &signatures, &[])
    }

    /// Submits the next step of an object by this submitter, signed by these keys.
    ///
    /// # Panics
    /// When the draft breaks a rule that needs no state.
    pub fn say(&mut self, say: &Say<'_>, keys: &[&SigningKey]) -> Said {
        let mut draft = RecordDraft::new(ORIGIN, say.profile, say.kind)
            .object(say.object)
            .submitter(say.submitter)
            .occurred("2026-06-01")
            .data(value(&say.data));
        let state = CommittedState(&self.store);
        let head = records::object_head(&state, say.object).expect("memory can be read");
        if let Some(head) = head {
            draft = draft.next(head.rev + 1, head.record_hash);
        }
        let record = draft.build().expect("a record");
        let signatures: Vec<_> = keys.iter().map(|key| key.sign_detached(record.bytes())).collect();
        self.submit(&Submission::assemble(&record, &signatures, &[]))
    }

    /// Registers a submitter with its first key.
    ///
    /// # Panics
    /// When it is refused.
    pub fn register(&mut self, id: &str, bodies: &[&str], roles: &[&str], key: &SigningKey) {
        let profiles = ["contract/1", "delivery/1", "procurement/1", "spending/1"];
        let mut data = vec![
            ("bodies", Value::list(bodies.iter().copied())),
            ("key", key.public().to_jwk()),
            ("profiles", Value::list(profiles)),
            ("submitter", id.into()),
        ];
        if !roles.is_empty() {
            data.push(("roles", Value::list(roles.iter().copied())));
        }
        let object = format!("log/submitter/{id}");
        let posted =
            Self::registry("submitter.add", &object, Value::map(data), &[&Self::governance(), key]);
        self.submit(&posted).index();
    }
}

/// What the server does with a submission before its turn comes.
///
/// # Errors
/// The refusal.
///
/// # Panics
/// When the store cannot be read.
pub fn check(store: &Store<MemoryKv>, posted: &[u8]) -> Result<Checked, Refusal> {
    match check::check(store, ORIGIN, posted) {
        Ok(checked) => Ok(checked),
        Err(CheckError::Refused(refusal)) => Err(refusal),
        Err(error) => panic!("a submission could not be checked: {error}"),
    }
}

/// A value of `records` from one of `serde_json`.
///
/// # Panics
/// When it holds what no record may.
pub fn value(json: &serde_json::Value) -> Value {
    parse(json.to_string().as_bytes(), &records::json::Limits::DRAFT).expect("a value")
}
