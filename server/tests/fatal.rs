//! Fatal means dead: after a write whose outcome is unknown, a failed anchor, a failed publication or a
//! panic, this process neither commits nor signs, reads go on, and it says why.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use civiclog_server::admit::budget::Budget;
use civiclog_server::admit::check::{AwsLcEs256, CheckError, Checked, check};
use civiclog_server::admit::clock_rule::AdmissionClock;
use civiclog_server::admit::low_water::LowWater;
use civiclog_server::admit::outcome::{NotJudged, Outcome};
use civiclog_server::admit::pool::{Pending, Pool};
use civiclog_server::core::mode::{Ended, Mode};
use civiclog_server::core::{Core, prove};
use civiclog_server::publish::latest::{LatestPublished, Published};
use civiclog_server::sequence::sequencer::{Deps, Sequencer};
use civiclog_server::serve::receipt;
use civiclog_server::sign::anchor::{Anchor, AnchorMedium};
use civiclog_server::sign::keys::LogKeys;
use civiclog_server::sign::signer::LogSigner;
use civiclog_server::sign::thread::{SigningTask, SigningThread};
use records::{
    Algorithm, CheckedSubmission, EntryIndex, RecordDraft, SigningKey, Submission, Value,
};
use service::{Clock, FileSystems, ManualClock};
use store::{
    Batch, Direction, Family, KeyRange, Kv, KvError, KvErrorKind, MemoryKv, NewBatch, NewEntry,
    ReadError, RowVisitor, Store,
};
use tlog::{CosignatureSigner, Frontier, Note, Origin, Policy, UnixSeconds};
use tokio::sync::oneshot;

const ORIGIN: &str = "log.example/spending";
const NOW_MS: u64 = 1_780_000_000_000;

/// How the next writes fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    NotApplied,
    Applied,
    Panics,
}

/// A database in memory that fails when it is told to, and counts what it is asked to write.
#[derive(Clone, Debug, Default)]
struct FaultyKv {
    inner: MemoryKv,
    fault: Arc<Mutex<Fault>>,
    background: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
}

impl Kv for FaultyKv {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.inner.get(family, key)
    }

    fn scan(
        &self,
        family: Family,
        range: KeyRange<'_>,
        direction: Direction,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), KvError> {
        self.inner.scan(family, range, direction, visit)
    }

    fn write(&self, batch: &Batch) -> Result<(), KvError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        let fault = *self.fault.lock().expect("no panic while it is held");
        match fault {
            Fault::None => self.inner.write(batch),
            Fault::NotApplied => Err(failure()),
            Fault::Applied => self.inner.write(batch).and(Err(failure())),
            Fault::Panics => panic!("on purpose"),
        }
    }

    fn background_errors(&self) -> Result<u64, KvError> {
        Ok(self.background.load(Ordering::SeqCst))
    }

    fn flush(&self) -> Result<(), KvError> {
        self.inner.flush()
    }
}

fn failure() -> KvError {
    KvError::new(KvErrorKind::Io, "the disk failed")
}

/// An anchor in memory whose writes fail when it is told to.
#[derive(Clone, Debug, Default)]
struct FaultyAnchor {
    bytes: Arc<Mutex<Option<Vec<u8>>>>,
    fault: Arc<Mutex<Fault>>,
}

impl AnchorMedium for FaultyAnchor {
    fn path(&self) -> &Path {
        Path::new("anchor")
    }

    fn read(&self) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.bytes.lock().expect("no panic").clone())
    }

    fn replace(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let fault = *self.fault.lock().expect("no panic");
        if fault != Fault::NotApplied {
            *self.bytes.lock().expect("no panic") = Some(bytes.to_vec());
        }
        if fault == Fault::None { Ok(()) } else { Err(std::io::Error::other("the disk failed")) }
    }
}

/// A core that takes records in.
fn running(store: Store<FaultyKv>) -> Core<FaultyKv> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at_unix_millis(NOW_MS));
    let core = Core::new(store, clock, &prometheus::Registry::new()).expect("metrics");
    core.mode.start();
    core
}

fn deps(
    core: &Core<FaultyKv>,
    clock_rule: &Arc<AdmissionClock>,
    writer: store::Writer<FaultyKv>,
    pool: &Arc<Pool>,
    low_water: LowWater,
) -> Deps<FaultyKv> {
    Deps {
        core: core.clone(),
        writer,
        pool: Arc::clone(pool),
        clock_rule: Arc::clone(clock_rule),
        low_water: Arc::new(low_water),
        committed: Box::new(|_| {}),
        batch_entries_max: 10,
    }
}

/// A log in memory: everything between a submission and a published head but the network.
struct Log {
    kv: FaultyKv,
    anchor: FaultyAnchor,
    core: Core<FaultyKv>,
    latest: LatestPublished,
    pool: Arc<Pool>,
    sequencer: Sequencer<FaultyKv>,
    signing: SigningThread<FaultyKv>,
    witness: CosignatureSigner,
    governance: SigningKey,
}

impl Log {
    fn new() -> Self {
        Self::on(LowWater::new(Box::new(FileSystems), Vec::new(), 0))
    }

    fn on(low_water: LowWater) -> Self {
        let origin: Origin = ORIGIN.parse().expect("an origin");
        let keys_folder = tempfile::tempdir().expect("a folder");
        let keys = LogKeys::generate(keys_folder.path(), &origin).expect("keys");
        let vkeys = keys.verifier_keys();
        let name = "witness.example/w1".parse().expect("a key name");
        let witness = CosignatureSigner::new(name, [9; 32]);
        let policy_text =
            format!("log {}\nwitness w1 {}\nquorum w1\n", vkeys[0], witness.verifier_key());
        let policy = Policy::parse(&policy_text).expect("a policy");
        let governance = key(1);
        let kv = FaultyKv::default();
        Store::create_on(&kv, &origin).expect("creating");
        let (store, mut writer) = Store::open_on(kv.clone(), &origin, 0).expect("opening");
        commit_genesis(&mut writer, &vkeys.map(|it| it.to_string()), &policy_text, &governance);

        let core = running(store);
        let clock_rule = Arc::new(AdmissionClock::new(Arc::clone(&core.clock)));
        let pool = Arc::new(Pool::new());
        let latest = LatestPublished::new(None);
        let anchor = FaultyAnchor::default();
        let sequencer = Sequencer::new(deps(&core, &clock_rule, writer, &pool, low_water));
        let shown = latest.clone();
        let signing = SigningThread {
            core: core.clone(),
            anchor: Anchor::create_on(Box::new(anchor.clone()), &origin).expect("an anchor"),
            signer: LogSigner::new(origin, keys),
            policy,
            policy_text,
            last_tree_head_ms: 0,
            published: Box::new(move |cosigned| {
                clock_rule.learn(cosigned.cosigners());
                shown.show(Published::new(cosigned, None));
            }),
        };
        let sequencer = sequencer.expect("a sequencer");
        let mut log =
            Self { kv, anchor, core, latest, pool, sequencer, signing, witness, governance };
        // Its witness told the time, and the log has a published head.
        log.publish().expect("publishing");
        log
    }

    /// A good submission: each number registers another submitter.
    fn submission(&self, number: u8) -> Vec<u8> {
        let own = key(number);
        let submitter = format!("GB-LAE-T{number}");
        let data = Value::map([
            ("bodies", Value::list([submitter.as_str()])),
            ("key", own.public().to_jwk()),
            ("profiles", Value::list(["spending/1"])),
            ("submitter", submitter.as_str().into()),
        ]);
        let object = format!("log/submitter/{submitter}");
        let record = registry("submitter.add", &object, data);
        let signatures = [&self.governance, &own].map(|it| it.sign_detached(record.bytes()));
        Submission::assemble(&record, &signatures, &[])
    }

    /// A submission on its way, and where its answer comes.
    fn pending(&self, number: u8) -> (Pending, oneshot::Receiver<Outcome>) {
        let bytes = self.submission(number);
        let checked: Checked = check(&self.core.store, ORIGIN, &bytes).expect("a good submission");
        let room = Budget::new(1, 1 << 20).room_for_submissions(1).expect("room");
        let (answer, outcome) = oneshot::channel();
        (Pending { checked, answer, room: Arc::new(room) }, outcome)
    }

    fn submit(&mut self, number: u8) -> (Result<(), Ended>, Option<Outcome>) {
        let (pending, mut outcome) = self.pending(number);
        let done = self.sequencer.sequence(vec![pending]);
        (done, outcome.try_recv().ok())
    }

    /// Signs, cosigns and publishes what is committed.
    fn publish(&mut self) -> Result<(), Ended> {
        let signed = self.signing.sign(self.core.store.head()).map_err(|_| Ended)?;
        let mut note: Note = signed.note().clone();
        let at = UnixSeconds::new(NOW_MS / 1000);
        note.push(self.witness.sign(note.text(), at)).expect("room for a line");
        let cosigned = self.signing.policy.check(&note).expect("the quorum");
        self.signing.perform(SigningTask::Publish(cosigned)).map(|_| ())
    }

    fn fail_writes(&self, fault: Fault) {
        *self.kv.fault.lock().expect("no panic") = fault;
    }

    /// All works again, and whatever is tried: nothing is written, nothing signed, reads go on.
    fn expect_dead(&mut self, because: &str) {
        let Mode::ReadOnly(reason) = self.core.mode.current() else {
            panic!("it is {:?}", self.core.mode.current());
        };
        assert!(reason.words().contains(because), "{}", reason.words());
        self.fail_writes(Fault::None);
        self.kv.background.store(0, Ordering::SeqCst);
        *self.anchor.fault.lock().expect("no panic") = Fault::None;
        let writes = self.kv.writes.load(Ordering::SeqCst);
        let anchored = self.anchor.bytes.lock().expect("no panic").clone();
        let published = self.latest.current().expect("a head").size();
        for number in 20..23 {
            let (_, outcome) = self.submit(number);
            assert!(matches!(outcome, Some(Outcome::NotJudged(_))), "{outcome:?}");
            assert!(self.signing.sign(self.core.store.head()).is_err());
            assert!(self.signing.perform(SigningTask::Sign(self.core.store.head())).is_err());
        }
        assert_eq!(self.kv.writes.load(Ordering::SeqCst), writes, "something was written");
        assert_eq!(*self.anchor.bytes.lock().expect("no panic"), anchored);
        assert_eq!(self.latest.current().expect("a head").size(), published);
        self.core.store.entry(tlog::LeafIndex::new(0)).expect("reading").expect("entry 0");
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::generate_from_seed(Algorithm::Ed25519, [seed; 32]).expect("a key")
}

fn registry(kind: &str, object: &str, data: Value) -> records::Record {
    RecordDraft::new(ORIGIN, "registry/1", kind)
        .object(object)
        .submitter("log")
        .occurred("2026-01-01")
        .data(data)
        .build()
        .expect("a registry record")
}

fn commit_genesis(
    writer: &mut store::Writer<FaultyKv>,
    vkeys: &[String; 2],
    policy: &str,
    governance: &SigningKey,
) {
    let rules = Value::map([
        ("keys", Value::list([governance.public().to_jwk()])),
        ("next", Value::list([key(2).public().kid().as_str()])),
        ("threshold", Value::Int(1)),
    ]);
    let data = Value::map([
        ("engine", Value::Int(1)),
        ("governance", rules),
        ("policy", Value::list(policy.lines())),
        ("vkeys", Value::list(vkeys.iter().map(String::as_str))),
    ]);
    let record = registry("genesis", "log/genesis", data);
    let signature = governance.sign_detached(record.bytes());
    let bytes = Submission::assemble(&record, &[signature], &[]);
    let submission = Submission::parse(&bytes, ORIGIN).expect("a submission");
    let submission = CheckedSubmission::unchecked(submission);
    let nothing = std::collections::BTreeMap::new();
    let verdict = records::admit(&nothing, EntryIndex::new(0), NOW_MS, &submission, &AwsLcEs256);
    let records::Verdict::Accepted(admitted) = verdict.expect("judged") else {
        panic!("the genesis is refused");
    };
    let integration = Frontier::empty().integrate(&[tlog::leaf_hash(&admitted.entry)]);
    let entry = NewEntry { entry: admitted.entry, disclosures: admitted.disclosures };
    let batch = NewBatch { entries: vec![entry], state: admitted.changes, integration };
    writer.commit(batch).expect("committing");
}

#[test]
fn a_log_that_nothing_happened_to_commits_and_publishes() {
    let mut log = Log::new();
    let (done, outcome) = log.submit(10);
    assert_eq!(done, Ok(()));
    assert!(matches!(outcome, Some(Outcome::Committed(_))), "{outcome:?}");
    log.publish().expect("publishing");
    assert_eq!(log.latest.current().expect("a head").size().get(), 2);
}

#[test]
fn after_a_commit_that_failed_nothing_is_committed_or_signed() {
    for fault in [Fault::NotApplied, Fault::Applied] {
        let mut log = Log::new();
        log.fail_writes(fault);
        let (done, outcome) = log.submit(10);
        assert_eq!(done, Err(Ended), "{fault:?}");
        assert!(outcome.is_none(), "no answer may be given: {outcome:?}");
        log.expect_dead("the disk failed");
    }
}

#[test]
fn after_an_anchor_that_failed_nothing_is_committed_or_signed() {
    for fault in [Fault::NotApplied, Fault::Applied] {
        let mut log = Log::new();
        assert_eq!(log.submit(10).0, Ok(()));
        *log.anchor.fault.lock().expect("no panic") = fault;
        let head = log.core.store.head();
        assert!(log.signing.perform(SigningTask::Sign(head)).is_err(), "{fault:?}");
        log.expect_dead("anchor");
    }
}

#[test]
fn damaged_rows_end_admission_and_signing_instead_of_failing_for_ever() {
    let mut log = Log::new();
    assert_eq!(log.submit(10).0, Ok(()));
    let rows = log.core.store.state_scan(b"", None, 1_000).expect("reading");
    let mut batch = Batch::default();
    for (key, _) in rows {
        batch.put(Family::State, &key, b"damaged");
    }
    log.kv.inner.write(&batch).expect("memory");
    let bytes = log.submission(11);
    let error = check(&log.core.store, ORIGIN, &bytes).expect_err("no key can be looked up");
    error.report(&log.core.mode);
    let Mode::ReadOnly(reason) = log.core.mode.current() else { panic!("it goes on") };
    assert!(reason.words().contains("the admission state is damaged"), "{}", reason.words());
    assert!(log.signing.sign(log.core.store.head()).is_err());
}

#[test]
fn a_proof_that_does_not_hold_is_given_to_nobody_and_ends_signing() {
    let mut log = Log::new();
    assert_eq!(log.submit(10).0, Ok(()));
    log.publish().expect("publishing");
    let published = log.latest.current().expect("a head");
    let note = published.checkpoint().note();
    let prove =
        |log: &Log, index| receipt::proof_under(&log.core.store, tlog::LeafIndex::new(index), note);
    prove(&log, 0).expect("a proof");
    prove(&log, 1).expect("a proof");
    let mut batch = Batch::default();
    batch.put(Family::Entries, &1_u64.to_be_bytes(), b"other bytes");
    log.kv.inner.write(&batch).expect("memory");
    prove(&log, 0).expect("the other entry is whole");
    let failure = prove(&log, 1).expect_err("the entry is not the one in the tree");
    prove::report(&failure, &log.core.mode);
    log.expect_dead("that entry 1 is in the tree of 2 entries cannot be proven");
}

#[test]
fn a_failed_lookup_is_no_damage() {
    let log = Log::new();
    let failed = CheckError::Store(ReadError::Database(failure()));
    failed.report(&log.core.mode);
    CheckError::Altered.report(&log.core.mode);
    assert!(log.core.mode.is_running());
}

#[test]
fn a_last_entry_with_another_time_is_not_believed() {
    let mut log = Log::new();
    assert_eq!(log.submit(10).0, Ok(()));
    let last = tlog::LeafIndex::new(1);
    let entry = log.core.store.entry(last).expect("reading").expect("the last entry");
    let entry = String::from_utf8(entry).expect("UTF-8");
    // One bit: `2` becomes `3` in the year 2026.
    let late = entry.replacen("{\"admitted\":\"2", "{\"admitted\":\"3", 1);
    assert_ne!(entry, late, "no time to flip in {entry}");
    assert!(records::Entry::parse(late.as_bytes()).is_ok_and(|it| it.admitted_ms() > NOW_MS));
    let mut batch = Batch::default();
    batch.put(Family::Entries, &last.get().to_be_bytes(), late.as_bytes());
    log.kv.inner.write(&batch).expect("memory");
    let origin: Origin = ORIGIN.parse().expect("an origin");
    let (store, writer) = Store::open_on(log.kv.clone(), &origin, 0).expect("opening");
    let nothing_is_low = LowWater::new(Box::new(FileSystems), Vec::new(), 0);
    let core = running(store);
    let clock_rule = Arc::new(AdmissionClock::new(Arc::clone(&core.clock)));
    let deps = deps(&core, &clock_rule, writer, &Arc::new(Pool::new()), nothing_is_low);
    let Err(error) = Sequencer::new(deps) else { panic!("it was believed") };
    assert!(format!("{error:?}").contains("ChangedEntry"), "{error:?}");
}

#[test]
fn after_a_publication_that_failed_nothing_is_committed_or_signed() {
    for fault in [Fault::NotApplied, Fault::Applied] {
        let mut log = Log::new();
        assert_eq!(log.submit(10).0, Ok(()));
        log.fail_writes(fault);
        assert_eq!(log.publish(), Err(Ended), "{fault:?}");
        log.expect_dead("the disk failed");
    }
}

#[test]
fn a_background_error_is_noticed_while_nothing_is_written() {
    let mut log = Log::new();
    log.core.notice_fatal();
    assert!(log.core.mode.is_running());
    log.kv.background.store(1, Ordering::SeqCst);
    log.core.notice_fatal();
    log.expect_dead("background");
}

#[test]
fn a_panic_of_the_sequencer_answers_who_waits_and_ends_signing() {
    let log = Log::new();
    log.fail_writes(Fault::Panics);
    let (first, one) = log.pending(10);
    let (second, other) = log.pending(11);
    log.pool.put([first]);
    let Log { sequencer, pool, core, mut signing, .. } = log;
    let ended = std::thread::spawn(move || sequencer.run()).join();
    assert!(ended.is_err(), "it panics");
    assert!(one.blocking_recv().is_err(), "whoever was under way learns nothing");
    pool.put([second]);
    let other = other.blocking_recv().expect("an answer");
    assert!(matches!(other, Outcome::NotJudged(NotJudged::Closed)), "{other:?}");
    assert!(core.mode.is_read_only());
    assert!(signing.sign(core.store.head()).is_err());
}

#[test]
fn a_batch_under_way_when_the_disk_gets_low_is_not_judged_and_the_next_one_is() {
    let free = Arc::new(AtomicU64::new(5000));
    let folders = vec![("database", PathBuf::from("db"))];
    let mut log = Log::on(LowWater::new(Box::new(Disk(Arc::clone(&free))), folders, 1000));
    free.store(999, Ordering::SeqCst);
    let (done, outcome) = log.submit(10);
    assert_eq!(done, Ok(()), "it is no failure");
    assert!(matches!(outcome, Some(Outcome::NotJudged(NotJudged::DiskAlmostFull))), "{outcome:?}");
    assert!(log.core.mode.is_running());
    log.publish().expect("what is committed is published all the same");
    free.store(2000, Ordering::SeqCst);
    assert!(matches!(log.submit(10).1, Some(Outcome::Committed(_))));
}

/// A disk with as much room as a test says.
#[derive(Debug)]
struct Disk(Arc<AtomicU64>);

impl service::FreeSpace for Disk {
    fn free_bytes(&self, _: &Path) -> std::io::Result<u64> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}
