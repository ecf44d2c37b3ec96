//! What the simulation is worth: six bugs that have killed logs are planted in a copy of the sources,
//! and each must be found within a stated number of seeds; the copy without any of them must not.
//!
//! The types of the product keep most of these bugs from being written, so they are planted as
//! changes of text. A text that is not found exactly once fails here: then the table has to follow the
//! code. All of them are compiled at once, behind a switch that exists only in the copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::programs::repository;

/// A bug: what is changed where, and within how many seeds it is found.
struct Bug {
    name: &'static str,
    seeds: u64,
    edits: &'static [Edit],
}

/// In this file, this text becomes `if IS_PLANTED { that } else { this }`; `$` in `that` stands for
/// `this`.
struct Edit {
    file: &'static str,
    this: &'static str,
    that: &'static str,
}

const BUGS: [Bug; 6] = [
    Bug {
        name: "sign before commit",
        seeds: 400,
        edits: &[
            Edit {
                file: "server/src/sequence/sequencer.rs",
                this: "let integration = self.deps.writer.frontier().integrate(&leaves);",
                that: "let integration = self.deps.writer.frontier().integrate(&leaves);
                 if PLANTED { (self.deps.committed)(integration.head()); }",
            },
            Edit {
                file: "server/src/sign/guard.rs",
                this: "    if to.size < anchored.size {",
                that: "    if PLANTED { return Ok(Guarded { from: anchored, to }); }
                 if to.size < anchored.size {",
            },
            Edit {
                file: "server/src/sign/guard.rs",
                this: "    let expected = TreeHead { size: anchored.size, root };",
                that: "    let expected = if PLANTED { anchored } else { TreeHead { size: anchored.size, root } };",
            },
            Edit {
                file: "server/src/sign/guard.rs",
                this: "    let root =
        tlog::root_from_tiles(anchored.size, store).map_err(|it| GuardError::Prove(it.into()))?;",
                that: "    let root = if PLANTED { anchored.root } else {
                 tlog::root_from_tiles(anchored.size, store).map_err(|it| GuardError::Prove(it.into()))? };",
            },
            Edit {
                file: "server/src/publish/driver.rs",
                this: "match add_checkpoint(store, old, &signed) {",
                that: "match add_checkpoint(store, old, &signed).or_else(|it| if PLANTED {
                 Ok(AddCheckpoint { old_size: old, consistency_proof: Vec::new(), checkpoint: signed.note().clone() }) } else { Err(it) }) {",
            },
        ],
    },
    Bug {
        name: "skip the anchor",
        seeds: 200,
        edits: &[Edit {
            file: "server/src/sign/anchor/advance.rs",
            this: "        if to != from {",
            that: "        if PLANTED {
                 self.head = to;
                 return Ok(Anchored { head: to });
             }
             if to != from {",
        }, Edit {
            file: "server/src/sign/anchor/advance.rs",
            this: "        if on_disk != self.contents || head != from {",
            that: "        if !PLANTED && (on_disk != self.contents || head != from) {",
        }],
    },
    Bug {
        name: "ignore a failed write",
        seeds: 400,
        edits: &[Edit {
            file: "crates/store/src/commit.rs",
            this: "        if let Err(source) = self.store.shared.kv.write(&write) {",
            that: "        let written = self.store.shared.kv.write(&write);
             if let (Err(source), false) = (written, PLANTED) {",
        }],
    },
    Bug {
        name: "answer before commit",
        seeds: 200,
        edits: &[
            Edit {
                file: "server/src/sequence/sequencer.rs",
                this: "        let count = entries.len();",
                that: "        let (accepted, refused) = if PLANTED {
                     let early = self.deps.writer.last_committed();
                     self.answer(&early, accepted, refused);
                     (Vec::new(), Vec::new())
                 } else { (accepted, refused) };
                 let count = entries.len();",
            },
            Edit {
                file: "server/src/admit/outcome.rs",
                this: "        assert!(index.is_within(committed.head().size), \"a receipt is for a committed entry\");",
                that: "        assert!(PLANTED || index.is_within(committed.head().size));",
            },
        ],
    },
    Bug {
        name: "accept a stale witness size",
        seeds: 800,
        edits: &[Edit {
            file: "server/src/publish/decisions.rs",
            this: "            Some(WitnessAnswer::Conflict { size }) if size > self.signed.size => {",
            that: "            Some(WitnessAnswer::Conflict { size }) if PLANTED && size > self.signed.size => {
                 witness.has_confirmed = true;
             }
             Some(WitnessAnswer::Conflict { size }) if size > self.signed.size => {",
        }],
    },
    Bug {
        name: "keep running after a fatal error",
        seeds: 100,
        edits: &[
            Edit {
                file: "crates/store/src/store.rs",
                this: "        if let Some(fatal) = self.fatal.get() {",
                that: "        if PLANTED { return Ok(()); }
                 if let Some(fatal) = self.fatal.get() {",
            },
            Edit {
                file: "server/src/core/mode.rs",
                this: "            let is_change = !matches!(mode, Mode::ReadOnly(_));",
                that: "            let is_change = !PLANTED && !matches!(mode, Mode::ReadOnly(_));",
            },
            Edit {
                file: "server/src/sequence/sequencer.rs",
                this: "self.round(batch).map_err(|error| self.deps.core.mode.fail(&error))",
                that: "self.round(batch).map_err(|error| {
                 if PLANTED { Ended } else { self.deps.core.mode.fail(&error) }
             })",
            },
            Edit {
                file: "tests/src/sim/life.rs",
                this: "        if sequencer.sequence(batch).is_err() {",
                that: "        if sequencer.sequence(batch).is_err() && !PLANTED {",
            },
        ],
    },
];

#[test]
fn each_planted_bug_is_found_and_nothing_is_found_without() {
    let copy = copy_of_the_sources();
    for (number, bug) in (1..).zip(&BUGS) {
        bug.edits.iter().for_each(|edit| plant(&copy, number, edit));
    }
    let program = build(&copy);
    let clean = simulate(&program, 0, 200);
    assert!(clean.is_none(), "the copy without a bug: {clean:?}");
    let mut missed = Vec::new();
    for (number, bug) in (1..).zip(&BUGS) {
        match simulate(&program, number, bug.seeds) {
            Some(found) => {
                assert_clean(&program, &found);
                println!("planted: {}: {found}", bug.name);
            }
            None => missed.push(bug.name),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// The sources that the simulation is built from.
fn copy_of_the_sources() -> PathBuf {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted");
    let _ = fs::remove_dir_all(&copy);
    fs::create_dir_all(&copy).expect("making a folder");
    for folder in ["client-cli", "crates", "deploy", "server", "tests", "witness"] {
        e2e::log::copy_folder(&repository().join(folder), &copy.join(folder));
    }
    for file in ["Cargo.lock", "Cargo.toml", "rust-toolchain.toml"] {
        fs::copy(repository().join(file), copy.join(file)).expect("copying a file");
    }
    copy
}

fn plant(copy: &Path, number: u32, edit: &Edit) {
    let path = copy.join(edit.file);
    let text = fs::read_to_string(&path).expect("a source file");
    let count = text.matches(edit.this).count();
    assert_eq!(
        count, 1,
        "{} holds this {count} times; the table must follow: {}",
        edit.file, edit.this
    );
    let switch =
        format!("std::env::var_os(\"CIVICLOG_PLANTED\").is_some_and(|it| it == \"{number}\")");
    let that = edit.that.replace("PLANTED", &format!("({switch})"));
    let text = text.replace(edit.this, &that);
    fs::write(&path, text).expect("writing a source file");
}

/// Builds the simulation of the copy with the crates that are built already, and takes the program
/// away, so that nobody ever runs it for the real one.
fn build(copy: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "-p", "e2e", "--bin", "sim", "--message-format", "json"])
        .env("CARGO_TARGET_DIR", target)
        .current_dir(copy)
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&built.stdout);
    assert!(built.status.success(), "{}\n{said}", String::from_utf8_lossy(&built.stderr));
    let program = said
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|it| Some(PathBuf::from(it.get("executable")?.as_str()?)))
        .next_back()
        .expect("cargo names the program");
    let taken = copy.join("sim");
    fs::rename(&program, &taken).expect("taking the program away");
    taken
}

/// A seed that finds something without the bug as well did not find the bug.
fn assert_clean(program: &Path, found: &str) {
    let seed = found.split_whitespace().nth(1).map(|it| it.trim_end_matches(':'));
    let Some(seed) = seed.and_then(|it| it.parse::<u64>().ok()) else {
        return;
    };
    let run = Command::new(program)
        .args(["--seed", &seed.to_string()])
        .env("CIVICLOG_PLANTED", "0")
        .output()
        .expect("the simulation runs");
    assert!(run.status.success(), "seed {seed} finds something without the bug too: {found}");
}

/// The first violation that the planted bug leads to, within so many seeds.
fn simulate(program: &Path, planted: u32, seeds: u64) -> Option<String> {
    let run = Command::new(program)
        .args(["--seeds", &seeds.to_string()])
        .env("CIVICLOG_PLANTED", planted.to_string())
        .output()
        .expect("the simulation runs");
    let said = String::from_utf8_lossy(&run.stderr);
    (!run.status.success()).then(|| {
        said.lines().find(|it| it.starts_with("seed ")).unwrap_or("it panicked").to_owned()
    })
}
