//! One flipped bit in any file of a stopped log: it is found, by name, before anything is signed; or
//! it changes nothing, which is then proven byte by byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use civiclog_server::config::Config;
use e2e::log::copy_folder;
use e2e::mixed::{Load, Machine};
use e2e::random::Random;
use e2e::{Http, TestLog, wait};
use store::Store;
use tlog::{LeafIndex, TreeHead};

#[test]
fn a_flipped_bit_in_any_file_is_found_or_changes_nothing() {
    flip_again_and_again(12);
}

#[test]
#[ignore = "long: a hundred and fifty flips in each kind of file take ten minutes"]
fn many_flipped_bits_in_any_file_are_found_or_change_nothing() {
    flip_again_and_again(150);
}

#[expect(clippy::print_stdout, reason = "what the run was worth")]
fn flip_again_and_again(flips_of_kind: usize) {
    let mut random = Random::announced("bit_flips");
    let Stopped { log, whole, truth, .. } = stopped_log(&mut random);
    let scratch = log.path("scratch");
    let mut outcomes: BTreeMap<&str, Outcomes> = BTreeMap::new();
    let kinds = kinds_of(&whole);
    for expected in ["table", "write-ahead log", "manifest", "CURRENT", "anchor", "key", "OPTIONS"]
    {
        assert!(kinds.contains_key(expected), "no {expected} among {kinds:?}");
    }
    for (kind, files) in kinds {
        let of_kind = outcomes.entry(kind).or_default();
        for _ in 0..flips_of_kind {
            let file = &files[below(&mut random, files.len())];
            let Some(flip) = Flip::any(&whole.join(file), file, &mut random) else { continue };
            copy_folder(&whole, &scratch);
            flip.apply(&scratch);
            of_kind.count(kind, judge(&log, &scratch, &flip, &truth), &flip);
            fs::remove_dir_all(&scratch).expect("removing the copy");
        }
    }
    let total: usize = outcomes.values().map(|it| it.found + it.harmless).sum();
    println!("bit_flips: {total} flips; {outcomes:?}");
    for kind in ["table", "write-ahead log", "anchor", "key"] {
        assert!(outcomes[kind].found > 0, "nothing was found in any {kind}");
    }
}

#[derive(Debug, Default)]
struct Outcomes {
    found: usize,
    harmless: usize,
}

impl Outcomes {
    fn count(&mut self, kind: &str, verdict: Verdict, flip: &Flip) {
        match verdict {
            Verdict::Harmless => self.harmless += 1,
            Verdict::Found(words) => {
                self.found += 1;
                let names_place = PLACES.iter().any(|place| words.contains(place));
                assert!(names_place, "{kind}: {flip:?} is found, but not where: {words}");
            }
        }
    }
}

#[derive(Debug)]
enum Verdict {
    /// In these words.
    Found(String),
    Harmless,
}

/// Words that lead to the damage: a file, a family, an entry, a tile.
const PLACES: [&str; 13] = [
    "entry ",
    "tile ",
    "row",
    ".sst",
    ".log",
    "MANIFEST",
    "CURRENT",
    "OPTIONS",
    "anchor",
    " key",
    "no line `log ",
    "state",
    "checkpoint",
];

/// What the log held when it was stopped.
struct Truth {
    head: TreeHead,
    entries: Vec<Vec<u8>>,
    disclosures: Vec<Option<Vec<u8>>>,
    published: Option<String>,
}

impl Truth {
    fn of(config: &Config) -> Result<Self, String> {
        let (store, _) =
            Store::open(&config.database_dir(), &config.origin, &store::Settings::default())
                .map_err(|error| error.to_string())?;
        let head = store.head();
        let all = (0..head.size.get()).map(LeafIndex::new);
        let disclosures = all.map(|it| store.disclosures(it)).collect::<Result<_, _>>();
        let range = LeafIndex::new(0)..LeafIndex::new(head.size.get());
        Ok(Self {
            head,
            entries: store.entries(range).map_err(|error| error.to_string())?,
            disclosures: disclosures.map_err(|error| error.to_string())?,
            published: store.latest_published().map(|it| it.note().to_owned()),
        })
    }

    fn must_equal(&self, other: &Self, flip: &Flip) {
        assert_eq!(self.head, other.head, "{flip:?} is not found and changes the head");
        assert!(self.entries == other.entries, "{flip:?} is not found and changes an entry");
        assert!(self.disclosures == other.disclosures, "{flip:?} changes a disclosure");
        assert_eq!(self.published, other.published, "{flip:?} changes the published note");
    }
}

/// Audits a damaged copy, and opens it as the server does before it asks the witnesses.
fn judge(log: &TestLog, folder: &Path, flip: &Flip, truth: &Truth) -> Verdict {
    let mut config = Config::load(&log.config_path()).expect("the configuration");
    folder.clone_into(&mut config.data_dir);
    config.anchor = folder.join("anchor");
    let anchor_before = fs::read(&config.anchor).expect("the anchor");
    let opened = civiclog_server::run::open(&config, None).map(drop);
    let audited = civiclog_server::operate::check::audit(&config);
    let anchor_after = fs::read(&config.anchor).expect("the anchor");
    assert_eq!(anchor_before, anchor_after, "{flip:?}: a head was prepared for signing");
    match (audited, opened) {
        (Err(error), _) | (Ok(_), Err(error)) => Verdict::Found(format!("{error:#}")),
        (Ok(_), Ok(())) => {
            let now = Truth::of(&config).unwrap_or_else(|it| panic!("{flip:?} after audit: {it}"));
            truth.must_equal(&now, flip);
            Verdict::Harmless
        }
    }
}

/// One bit of one file.
#[derive(Clone, Debug)]
struct Flip {
    file: PathBuf,
    at: u64,
    bit: u8,
}

impl Flip {
    /// `None` for an empty file.
    fn any(whole: &Path, file: &Path, random: &mut Random) -> Option<Self> {
        let length = whole.metadata().expect("metadata").len();
        let bit = u8::try_from(random.below(8)).expect("below 8");
        (length > 0).then(|| Self { file: file.to_owned(), at: random.below(length), bit })
    }

    fn apply(&self, folder: &Path) {
        let path = folder.join(&self.file);
        let mut bytes = fs::read(&path).expect("reading");
        bytes[usize::try_from(self.at).expect("a position")] ^= 1 << self.bit;
        fs::write(path, bytes).expect("writing");
    }
}

/// The files of a data folder by kind, as paths below it.
fn kinds_of(folder: &Path) -> BTreeMap<&'static str, Vec<PathBuf>> {
    let mut kinds: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below)).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = below.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if let Some(kind) = kind_of(&path) {
                kinds.entry(kind).or_default().push(path);
            }
        }
    }
    for files in kinds.values_mut() {
        files.sort();
    }
    kinds
}

fn kind_of(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    let extension = path.extension().and_then(|it| it.to_str()).unwrap_or("");
    Some(match (name, extension) {
        (_, "sst") => "table",
        (_, "log") => "write-ahead log",
        (_, "pem") => "key",
        _ if name.starts_with("MANIFEST") => "manifest",
        _ if name.starts_with("OPTIONS") => "OPTIONS",
        // RocksDB's diary: written, never read.
        _ if name.starts_with("LOG") => "diary",
        ("CURRENT", _) => "CURRENT",
        ("IDENTITY", _) => "IDENTITY",
        ("anchor", _) => "anchor",
        _ => "other",
    })
}

/// A log that was killed: tables from before, and a write-ahead log that nothing replayed yet.
struct Stopped {
    log: TestLog,
    load: Load,
    whole: PathBuf,
    truth: Truth,
}

fn stopped_log(random: &mut Random) -> Stopped {
    let (mut log, treasury) = TestLog::start();
    let load = Load::new(treasury);
    for life in 0..3 {
        let workers = load.start(&log, Machine::Whole, random);
        wait::pause_ms(LIFE_MS);
        log.kill_server();
        workers.join(&format!("life {life}"));
        if life < 2 {
            log.start_server();
        }
    }
    let whole = log.copy_data("whole");
    let read = log.copy_data("read");
    let mut config = Config::load(&log.config_path()).expect("the configuration");
    config.data_dir = read;
    let truth = Truth::of(&config).expect("an undamaged log");
    Stopped { log, load, whole, truth }
}

/// The same with the real server: whatever it does with a damaged log, it never shows or signs
/// what contradicts anything it said before.
#[test]
fn a_server_on_a_damaged_log_refuses_or_stays_right() {
    let mut random = Random::announced("bit_flips");
    let Stopped { mut log, load, .. } = stopped_log(&mut random);
    let (mut refused, mut ran) = (0, 0);
    for kind in ["table", "write-ahead log", "manifest", "anchor", "key"] {
        for _ in 0..3 {
            // Each life leaves other files behind.
            let kinds = kinds_of(&log.data_path());
            let Some(files) = kinds.get(kind) else { continue };
            let file = &files[below(&mut random, files.len())];
            let target = log.data_path().join(file);
            let Some(flip) = Flip::any(&target, file, &mut random) else { continue };
            let before = log.copy_data("before");
            flip.apply(&log.data_path());
            if let Err(words) = log.try_start_server() {
                refused += 1;
                log.put_data_back(&before);
                assert!(!words.trim().is_empty(), "{flip:?}: refused without a word");
                let is_database = flip.file.starts_with("db");
                let helps = words.contains("#a-file-is-corrupt");
                assert!(helps || !is_database, "{flip:?}: it does not help: {words}");
            } else {
                ran += 1;
                let workers = load.start(&log, Machine::Failing, &mut random);
                wait::pause_ms(LIFE_MS);
                log.kill_server();
                workers.join(&format!("a life with {flip:?}"));
                // What it took in since is not in the copy; the bit is put right instead.
                if target.exists() {
                    flip.apply(&log.data_path());
                }
            }
            fs::remove_dir_all(before).expect("removing a copy");
            log.start_server();
            load.publish_one(&log, FIRST_CHECKED + refused + ran);
            load.history().holds_in(&log.reader());
            log.kill_server();
        }
    }
    println!("bit_flips: {refused} starts refused, {ran} servers ran on");
    log.start_server();
    load.settle(&log);
}

/// A witness whose files were damaged does not start, or shows and signs what it did before.
#[test]
fn a_witness_on_damaged_files_refuses_or_stays_right() {
    let mut random = Random::announced("bit_flips");
    let (mut log, treasury) = TestLog::start();
    let load = Load::new(treasury);
    load.publish_one(&log, 1);
    let origin: tlog::Origin = log.origin().parse().expect("an origin");
    let path = format!("/{}/checkpoint", origin.sha256_hex());
    let witness = Http::new(&log.witnesses[0].url());
    let shown = wait::until("it cosigned", || {
        Some(witness.get(&path).text()).filter(|it| it.contains("\n3\n"))
    });
    log.witnesses[0].stop();
    log.kill_server();
    let folder = log.witnesses[0].state_folder();
    let copy = log.path("witness-whole");
    copy_folder(&folder, &copy);
    let files: Vec<PathBuf> = kinds_of(&copy).into_values().flatten().collect();
    assert!(files.len() >= 4, "key, vkey, list and state: {files:?}");
    let (mut refused, mut ran) = (0, 0);
    for file in files {
        for _ in 0..6 {
            let Some(flip) = Flip::any(&copy.join(&file), &file, &mut random) else { continue };
            flip.apply(&folder);
            if let Err(words) = log.witnesses[0].try_start() {
                refused += 1;
                assert!(!words.trim().is_empty(), "{flip:?}: refused without a word");
            } else {
                ran += 1;
                assert_eq!(witness.get(&path).text(), shown, "{flip:?} changes what it shows");
                log.witnesses[0].kill();
            }
            log.witnesses[0].put_back(&copy);
        }
    }
    println!("bit_flips: {refused} starts of a witness refused, {ran} ran on");
    assert!(refused > 6, "almost nothing was found");
    log.start_witnesses();
    log.start_server();
    load.publish_one(&log, 2);
    load.settle(&log);
}

/// Nothing that was never answered may keep a log from starting: what a crash or a stranger left
/// beside its files, and the end of a write that was cut short.
#[test]
fn what_was_never_answered_keeps_no_log_from_starting() {
    let mut random = Random::announced("bit_flips");
    let Stopped { mut log, load, .. } = stopped_log(&mut random);
    let data = log.data_path();
    let db = data.join("db");
    let put = |path: PathBuf, bytes: &[u8]| fs::write(path, bytes).expect("writing");
    put(data.join(".anchor.tmp"), b"{\n  \"format\": \"civic");
    put(data.join("notes of the operator"), b"call Anna");
    fs::create_dir(data.join("lost+found")).expect("making a folder");
    put(db.join("999990.sst"), b"a table that was never finished");
    put(db.join("999991.dbtmp"), b"MANIFEST-9");
    put(db.join("999992.sst.trash"), b"");
    put(db.join("LOG.old.1"), b"");
    put(db.join("core"), &[0; 4096]);
    for witness in &mut log.witnesses {
        witness.kill();
        let states = witness.state_folder().join("state");
        put(states.join(".0123.tmp"), b"civiclog-witness state v1\nwitness.exa");
        put(witness.state_folder().join(".cosigned-logs.tmp"), b"log.exa");
    }
    log.start_witnesses();
    log.start_server();
    load.publish_one(&log, FIRST_CHECKED);
    log.kill_server();

    // Appended and never acknowledged: the beginning of a record, or room that was never written.
    for tail in
        [&[0x17, 0x2b, 0x01][..], &[0x17, 0x2b, 0x01, 0x44, 0x00, 0x20, 0x01, 0x7b][..], &[0; 5000]]
    {
        let newest = kinds_of(&data)["write-ahead log"]
            .iter()
            .map(|it| data.join(it))
            .filter(|it| it.metadata().is_ok_and(|it| it.len() > 0))
            .max()
            .expect("a write-ahead log");
        let mut log_file = fs::read(&newest).expect("reading");
        log_file.extend_from_slice(tail);
        fs::write(&newest, log_file).expect("writing");
        log.audit();
        log.start_server();
        load.publish_one(&log, FIRST_CHECKED + tail.len() as u64);
        load.history().holds_in(&log.reader());
        log.kill_server();
    }
    log.start_server();
    load.settle(&log);
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).expect("below a usize")
}

const LIFE_MS: u64 = 150;
const FIRST_CHECKED: u64 = 1_000_000;
