//! Bytes from nowhere for every parser that reads bytes from outside.
//!
//! A target is a plain function of bytes that panics when a promise is broken: never on any input,
//! and what was read is written back as it was. Each has a folder of seeds under `tests/fuzz/corpus`;
//! an input that once broke something is added there. On stable, inputs are made from the seeds by
//! mutation; `cargo fuzz` can call the same functions with a better idea of what to try.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tlog::{
    AddCheckpoint, Checkpoint, Evidence, Note, Policy, TilePath, TlogProof, VerifierKey,
    WitnessAnswer, encode_bundle, parse_bundle, parse_log_list,
};

use crate::programs::repository;
use crate::random::Random;

/// A parser and its promise.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name and that of its folder of seeds.
    pub name: &'static str,
    /// Panics when the promise is broken.
    pub run: fn(&[u8]),
}

/// All parsers of outside bytes.
pub const TARGETS: &[Target] = &[
    Target { name: "add_checkpoint", run: add_checkpoint },
    Target { name: "bundle", run: bundle },
    Target { name: "checkpoint", run: checkpoint },
    Target { name: "cosignature_response", run: cosignature_response },
    Target { name: "disclosure", run: disclosure },
    Target { name: "entry", run: entry },
    Target { name: "evidence", run: evidence },
    Target { name: "log_list", run: log_list },
    Target { name: "note", run: note },
    Target { name: "policy", run: policy },
    Target { name: "proof", run: proof },
    Target { name: "submission", run: submission },
    Target { name: "tile_path", run: tile_path },
    Target { name: "verifier_key", run: verifier_key },
];

/// The seeds of a target, in the order of their names.
///
/// # Panics
/// When there are none.
pub fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let folder = repository().join("tests/fuzz/corpus").join(target.name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no seed", folder.display());
    files.iter().map(|file| fs::read(file).expect("a readable seed")).collect()
}

/// Runs a target over its seeds and then over mutations of them for as long as `goes_on` says.
/// Returns how many inputs there were.
///
/// # Panics
/// When the promise is broken; the input is printed, to be added to the seeds.
pub fn run(target: &Target, random: &mut Random, mut goes_on: impl FnMut(u64) -> bool) -> u64 {
    let seeds = seeds(target);
    for seed in &seeds {
        hold(target, seed);
    }
    let mut pool = seeds;
    let mut count = 0;
    while goes_on(count) {
        let mut input = pick(&pool, random).clone();
        for _ in 0..=random.below(4) {
            mutate(&mut input, &pool, random);
        }
        input.truncate(INPUT_BYTES_MAX);
        hold(target, &input);
        // A few mutants stay and are mutated on: some faults are several steps away.
        if random.below(64) == 0 {
            if pool.len() < POOL_MAX {
                pool.push(input);
            } else {
                let place = position(pool.len(), random);
                pool[place] = input;
            }
        }
        count += 1;
    }
    count
}

#[expect(clippy::print_stdout, reason = "the input is what a failure is about")]
fn hold(target: &Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        println!("fuzz target {} breaks on {:?}", target.name, input.escape_ascii().to_string());
        resume_unwind(panic);
    }
}

fn mutate(input: &mut Vec<u8>, pool: &[Vec<u8>], random: &mut Random) {
    let at = position(input.len() + 1, random);
    let end = (at + position(32, random)).min(input.len());
    match random.below(9) {
        0 => drop(input.drain(at.min(end)..end)),
        1 => input.insert(at, random.number().to_be_bytes()[0]),
        2 => drop(input.splice(at..at, pick(TOKENS, random).bytes())),
        3 if at < input.len() => input[at] ^= 1 << random.below(8),
        4 => {
            let copy = input[at.min(end)..end].to_vec();
            drop(input.splice(at..at, copy));
        }
        5 => input.truncate(at),
        6 => {
            // The beginning of one and the end of another.
            let other = pick(pool, random);
            let from = position(other.len() + 1, random);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        7 => swap_lines(input, random),
        _ => drop(input.splice(at..end.max(at), pick(TOKENS, random).bytes())),
    }
}

fn swap_lines(input: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = input.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (one, two) = (position(lines.len(), random), position(lines.len(), random));
    lines.swap(one, two);
    *input = lines.join(&b'\n');
}

fn pick<'a, T>(items: &'a [T], random: &mut Random) -> &'a T {
    &items[position(items.len(), random)]
}

fn position(length: usize, random: &mut Random) -> usize {
    let length = u64::try_from(length.max(1)).expect("a small number");
    usize::try_from(random.below(length)).expect("a small number")
}

fn note(bytes: &[u8]) {
    let Ok(note) = Note::parse(bytes) else { return };
    assert_eq!(note.to_string().as_bytes(), bytes);
    let key: VerifierKey = KEY.parse().expect("a key");
    let _ = key.verify_note(&note);
}

fn checkpoint(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(checkpoint) = Checkpoint::parse(text) else { return };
    assert_eq!(checkpoint.to_text(), text);
}

fn add_checkpoint(bytes: &[u8]) {
    let Ok(request) = AddCheckpoint::parse(bytes) else { return };
    assert_eq!(request.encode(), bytes);
}

fn cosignature_response(bytes: &[u8]) {
    let (head, body) = bytes.split_at(bytes.len().min(1));
    let status = match head {
        [b'4'] => 409,
        _ => 200,
    };
    let content_type = (status == 409).then_some(tlog::TREE_SIZE_CONTENT_TYPE);
    let body = if status == 409 { body } else { bytes };
    match WitnessAnswer::parse(status, content_type, body) {
        WitnessAnswer::Cosigned(lines) => {
            assert_eq!(tlog::encode_cosignatures(&lines).as_bytes(), body);
        }
        WitnessAnswer::Conflict { size } => {
            let text = tlog::encode_tree_size(size);
            assert!(body == text.as_bytes() || body == text.trim_end().as_bytes());
        }
        _ => {}
    }
}

fn verifier_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(key) = text.parse::<VerifierKey>() else { return };
    assert_eq!(key.to_string(), text);
    assert!(key.verify("log.example\n", bytes).is_err());
}

fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(policy) = Policy::parse(text) else { return };
    let _ = (policy.quorum_words(), policy.refuse_unsafe());
    let nobody = std::collections::BTreeSet::new();
    let all = policy.witnesses().iter().map(|witness| witness.name.as_str()).collect();
    assert!(policy.is_satisfied_by(&all) || !policy.is_satisfied_by(&nobody));
}

fn log_list(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(logs) = parse_log_list(text) else { return };
    let origins: std::collections::BTreeSet<_> = logs.iter().map(|log| &log.origin).collect();
    assert_eq!(origins.len(), logs.len());
    assert!(logs.iter().all(|log| log.requests_per_day > 0));
}

fn proof(bytes: &[u8]) {
    if let Ok(proof) = TlogProof::parse(bytes) {
        assert_eq!(proof.encode().as_bytes(), bytes);
        assert_eq!(TlogProof::parse_many(bytes).as_deref(), Ok([proof].as_slice()));
    } else if let Ok(proofs) = TlogProof::parse_many(bytes) {
        let text: Vec<String> = proofs.iter().map(TlogProof::encode).collect();
        assert_eq!(text.concat().as_bytes(), bytes);
    }
}

fn evidence(bytes: &[u8]) {
    let Ok(evidence) = Evidence::parse(bytes) else { return };
    assert_eq!(evidence.to_string().as_bytes(), bytes);
    assert!(!evidence.in_words().is_empty());
}

fn tile_path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(path) = TilePath::parse(text) else { return };
    assert_eq!(path.to_string(), text);
}

fn bundle(bytes: &[u8]) {
    let (width, bytes) = match bytes.split_first_chunk() {
        Some((width, rest)) => (u16::from_be_bytes(*width), rest),
        None => return,
    };
    let Ok(entries) = parse_bundle(bytes, width) else { return };
    assert_eq!(entries.len(), usize::from(width));
    assert_eq!(encode_bundle(entries).expect("what was read is written"), bytes);
}

fn submission(bytes: &[u8]) {
    let _ = records::Submission::parse(bytes, "log.example/tests");
    let _ = records::Submission::parse_draft(bytes);
}

fn entry(bytes: &[u8]) {
    let _ = records::Entry::parse(bytes);
}

fn disclosure(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = records::Disclosure::parse(text);
}

/// What the grammars are made of.
const TOKENS: &[&str] = &[
    "\n",
    "\n\n",
    " ",
    "\t",
    "+",
    "=",
    "\u{2014} ",
    "\u{2014}",
    "old ",
    "0",
    "00",
    "-1",
    "18446744073709551615",
    "18446744073709551616",
    "9007199254740993",
    "AAAA",
    "/",
    ".p/",
    "x",
    "000",
    "group ",
    "quorum ",
    "any",
    "all",
    "witness ",
    "log ",
    "none",
    "index ",
    "extra ",
    "key ",
    "claim ",
    "root ",
    "proof ",
    "vkey ",
    "qpd ",
    "origin ",
    "contact ",
    "logs/v0",
    "#",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\u0000",
    "\\ud800",
    ",",
    ":",
    "null",
    "1e5",
    "true",
    "\u{feff}",
    "\u{202e}",
    "\r",
    "\u{0}",
    "c2sp.org/tlog-proof@v1\n",
    "civiclog evidence v1\n",
];

const KEY: &str = "log.example/gov+0be1d167+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
/// Longer than most limits of the formats, short enough to be quick.
const INPUT_BYTES_MAX: usize = 64 * 1024;
const POOL_MAX: usize = 512;
