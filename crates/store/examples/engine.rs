//! Sustained speed of the engine alone: append → durable → integrated, an fsync per batch.
//!
//! ```text
//! cargo run --release -p store --example engine -- FOLDER [ENTRIES [BATCH]]
//! ```
//!
//! One thread makes realistic entries and hashes them, one looks up each object (the check for
//! duplicates), integrates and commits. A commit writes the entry, its leaf row, two rows of object
//! state and the tiles. No HTTP, no signatures. The process that fills the log ends without closing
//! it, as a killed one would; a second one measures opening it again.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::cast_precision_loss, reason = "figures for people, of a few digits")]

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use store::{NewBatch, NewEntry, Settings, Store, Writer};
use tlog::{Hash, Origin, TileReader, leaf_hash, tiles_of_size};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let mut folder = args.next().ok_or("usage: engine FOLDER [ENTRIES [BATCH]]")?;
    let is_filler = folder == "fill";
    if is_filler {
        folder = args.next().ok_or("no folder")?;
    }
    let run = Run {
        folder: PathBuf::from(folder),
        entries: args.next().map_or(Ok(4_000_000), |count| count.parse())?,
        batch: args.next().map_or(Ok(1024), |count| count.parse())?,
        origin: "log.example/engine".parse()?,
        settings: Settings::default(),
    };
    if is_filler {
        return run.fill();
    }
    run.measure()
}

struct Run {
    folder: PathBuf,
    entries: u64,
    batch: u64,
    origin: Origin,
    settings: Settings,
}

/// A batch that is ready to be judged and committed.
struct Prepared {
    leaves: Vec<Hash>,
    objects: Vec<String>,
    entries: Vec<NewEntry>,
    bytes: u64,
}

impl Run {
    fn measure(&self) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join("log");
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        let filler = Command::new(env::current_exe()?)
            .arg("fill")
            .arg(&self.folder)
            .arg(self.entries.to_string())
            .arg(self.batch.to_string())
            .status()?;
        if !filler.success() {
            return Err("filling failed".into());
        }
        let start = now();
        let (store, _writer) = Store::open(&path, &self.origin, &self.settings)?;
        println!("reopen   {:.2} s, size {}", start.elapsed().as_secs_f64(), store.head().size);
        let start = now();
        let mut tiles = 0_u64;
        for coord in tiles_of_size(store.head().size).step_by(37) {
            store.read_tile(coord)?;
            tiles += 1;
        }
        let micros = start.elapsed().as_secs_f64() * 1e6 / tiles as f64;
        println!("tiles    {micros:.1} µs each, {tiles} cold reads");
        println!("memory   {} MB after reopening", resident("VmRSS:")?);
        let start = now();
        let report = store::audit(&store, |_, _| {})?;
        let seconds = start.elapsed().as_secs_f64();
        println!("audit    {seconds:.1} s, {:.0} entries/s", report.leaf_rows as f64 / seconds);
        println!("memory   {} MB after the audit", resident("VmRSS:")?);
        Ok(())
    }

    fn fill(&self) -> Result<(), Box<dyn Error>> {
        let path = self.folder.join("log");
        Store::create(&path, &self.origin, &self.settings)?;
        let (store, mut writer) = Store::open(&path, &self.origin, &self.settings)?;
        let (send, receive) = mpsc::sync_channel(4);
        let (total, size) = (self.entries, self.batch);
        let maker = thread::Builder::new().name("prepare".into()).spawn(move || {
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            for first in (0..total).step_by(usize::try_from(size).unwrap_or(1)) {
                let count = size.min(total - first);
                if send.send(prepare(&mut random, first, count)).is_err() {
                    return;
                }
            }
        })?;

        let start = now();
        let mut lap = (start, 0_u64);
        let mut commits = Vec::new();
        let (mut bytes, mut disk_peak, mut wal_peak) = (0, 0, 0);
        for batch in receive {
            bytes += batch.bytes;
            commits.push(commit(&store, &mut writer, batch)?);
            let done = store.head().size.get();
            if done - lap.1 >= LAP_ENTRIES || done == total {
                let usage = store.usage()?;
                disk_peak = disk_peak.max(usage.disk_bytes);
                wal_peak = wal_peak.max(usage.wal_bytes);
                let seconds = lap.0.elapsed().as_secs_f64();
                println!(
                    "{done:>9} {:>7.0} entries/s  disk {:>5} MB = {:.2} x  wal {:>3} MB  rss {} MB",
                    (done - lap.1) as f64 / seconds,
                    usage.disk_bytes / MIB,
                    usage.disk_bytes as f64 / bytes as f64,
                    usage.wal_bytes / MIB,
                    resident("VmRSS:")?,
                );
                lap = (now(), done);
            }
        }
        maker.join().map_err(|_| "the preparing thread panicked")?;
        let seconds = start.elapsed().as_secs_f64();
        report(&path, &store, self, seconds, bytes, &mut commits)?;
        println!("peaks    disk {} MB, wal {} MB", disk_peak / MIB, wal_peak / MIB);
        // No destructor runs: the write-ahead log stays as a killed process leaves it.
        process::exit(0);
    }
}

fn commit(store: &Store, writer: &mut Writer, batch: Prepared) -> Result<Duration, Box<dyn Error>> {
    let start = now();
    let mut state = Vec::with_capacity(batch.objects.len() * 2);
    let first = store.head().size.get();
    for ((index, object), leaf) in (first..).zip(&batch.objects).zip(&batch.leaves) {
        let head_key = format!("h/{object}").into_bytes();
        if store.state_get(&head_key)?.is_some() {
            return Err("a new object is there already".into());
        }
        let mut row = index.to_be_bytes().to_vec();
        row.extend_from_slice(leaf.as_bytes());
        state.push((format!("r/{object}/0").into_bytes(), row.clone()));
        state.push((head_key, row));
    }
    let integration = writer.frontier().integrate(&batch.leaves);
    writer.commit(NewBatch { entries: batch.entries, state, integration })?;
    Ok(start.elapsed())
}

fn report(
    path: &Path,
    store: &Store,
    run: &Run,
    seconds: f64,
    bytes: u64,
    commits: &mut [Duration],
) -> Result<(), Box<dyn Error>> {
    let usage = store.usage()?;
    commits.sort_unstable();
    let at = |part: usize| commits.get(commits.len() * part / 1000).map_or(0, Duration::as_micros);
    println!(
        "sustained {:.0} entries/s over {} of {} bytes, batch {}, in {}",
        run.entries as f64 / seconds,
        run.entries,
        bytes / run.entries,
        run.batch,
        path.display()
    );
    println!("commit   p50 {} µs, p99 {} µs, p99.9 {} µs", at(500), at(990), at(999));
    println!(
        "disk     {} MB = {:.2} x entries, wal {} MB",
        usage.disk_bytes / MIB,
        usage.disk_bytes as f64 / bytes as f64,
        usage.wal_bytes / MIB
    );
    println!("memory   {} MB now, {} MB peak", resident("VmRSS:")?, resident("VmHWM:")?);
    Ok(())
}

fn prepare(random: &mut Random, first: u64, count: u64) -> Prepared {
    let mut batch = Prepared { leaves: vec![], objects: vec![], entries: vec![], bytes: 0 };
    for index in first..first + count {
        // Transaction numbers look like this and come in no order.
        let object = format!("GB-LAE-DEV/payment/CFAD{:012X}", random.next() >> 16);
        let entry = entry(random, index, &object).into_bytes();
        batch.leaves.push(leaf_hash(&entry));
        batch.bytes += entry.len() as u64;
        batch.objects.push(object);
        batch.entries.push(NewEntry { entry, disclosures: None });
    }
    batch
}

/// About 700 bytes, of which some 290 are digests and a signature that do not compress.
fn entry(random: &mut Random, index: u64, object: &str) -> String {
    let mut entry = String::with_capacity(720);
    let (amount, day, payee) = (random.next() % 10_000_000, random.next() % 28, random.next());
    let _infallible = write!(
        entry,
        r#"{{"admitted":"2026-01-{:02}T10:{:02}:{:02}.{:03}Z","flags":[],"record":{{"data":{{"amount":{{"currency":"GBP","value":"{}.{:02}"}},"payee":{{"id":"XI-LOCAL-{}"}},"payer":{{"id":"GB-LAE-DEV"}}}},"kind":"payment","log":"log.example/engine","object":"{object}","occurred":"2026-01-{:02}","op":"add","profile":"spending/1","rev":0,"sealed":[{{"digest":"{}","held":"log","path":"/data/payee/name"}}],"source":{{"row":{index}}},"submitter":"GB-LAE-DEV","v":1}},"signatures":["eyJhbGciOiJFUzI1NiIsImtpZCI6Ik9LNnFiNHR5NXdYaGRDMXZPVTBUYVkxRFZ5cXkyS3pEZVdHdXQiLCJ0eXAiOiJjaXZpY2xvZy1yZWNvcmQrandzIn0..{}"],"v":1}}"#,
        day + 1,
        random.next() % 60,
        random.next() % 60,
        random.next() % 1000,
        amount / 100,
        amount % 100,
        payee % 100_000,
        day + 1,
        random.base64url(43),
        random.base64url(86),
    );
    entry
}

/// xorshift64*: the same entries in every run.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn base64url(&mut self, chars: usize) -> String {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::with_capacity(chars + 10);
        while text.len() < chars {
            let mut bits = self.next();
            for _ in 0..10 {
                text.push(char::from(ALPHABET[(bits & 63) as usize]));
                bits >>= 6;
            }
        }
        text.truncate(chars);
        text
    }
}

/// A line of `/proc/self/status` in MB.
fn resident(line: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|found| found.strip_prefix(line)).ok_or("no such line")?;
    let kib: u64 = value.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

const LAP_ENTRIES: u64 = 250_000;
const MIB: u64 = 1 << 20;
