//! SIGKILL of a witness at any moment, under racing requests of a log that tries two histories: no
//! two roots of one size are ever signed, and no smaller size after a larger one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use e2e::random::Random;
use e2e::witness::{Witness, own_host};
use e2e::{Http, wait};
use testlog::ForgedLog;
use tlog::{
    Checkpoint, Hash, Note, SignedAt, TREE_SIZE_CONTENT_TYPE, TreeSize, VerifierKey, WitnessAnswer,
};

#[test]
fn fifty_kills_make_no_witness_sign_two_histories() {
    kill_again_and_again(50);
}

#[test]
#[ignore = "long: five hundred kills take some minutes"]
fn five_hundred_kills_make_no_witness_sign_two_histories() {
    kill_again_and_again(500);
}

#[expect(clippy::print_stdout, reason = "what the run was worth")]
fn kill_again_and_again(kills: usize) {
    let mut random = Random::announced("witness_kill");
    let folder = tempfile::tempdir().expect("a folder");
    let mut witness = Witness::init(&folder.path().join("w"), "w", own_host(), 20_000);
    let seed = [1; 32];
    let honest = ForgedLog::new("log.example/killed", seed, LEAVES);
    // Histories that part at several places, so that there is always a lie to tell.
    let histories: Vec<ForgedLog> = [LEAVES, 0, 40, 300, 900]
        .map(|fork| ForgedLog::forked("log.example/killed", seed, LEAVES, fork))
        .into();
    witness.watch(&[&honest.vkey().to_string()]);
    let vkey = witness.vkeys().remove(0);
    let signed = Signed::default();
    for life in 0..kills {
        witness.start();
        thread::scope(|scope| {
            for _ in 0..RACERS {
                let (mut random, histories) = (random.fork(), &histories);
                let (http, vkey, signed) = (Http::new(&witness.url()), vkey.clone(), &signed);
                scope.spawn(
                    move || {
                        while ask(&http, &mut random, histories, &vkey, signed).is_some() {}
                    },
                );
            }
            wait::pause_ms(random.below(LIFE_MS_MAX));
            witness.kill();
        });
        signed.holds_in(&state_file(&witness.state_folder(), &honest), &vkey, life);
    }
    let heads = signed.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("witness_kill: {kills} kills, {} cosigned sizes", heads.roots.len());
    assert!(heads.roots.len() > kills / 5, "the load was no load");
    // It starts once more, from what the last kill left.
    witness.start();
    witness.stop();
}

/// One request of a log that lies as often as not. `None`: the witness is gone.
fn ask(
    http: &Http,
    random: &mut Random,
    histories: &[ForgedLog],
    vkey: &VerifierKey,
    signed: &Signed,
) -> Option<()> {
    let log = &histories[usize::try_from(random.below(5)).expect("one of five")];
    let known = signed.latest();
    // Mostly from where it is, else from anywhere; mostly a small step.
    let old = if random.below(4) == 0 { random.below(LEAVES) } else { known };
    let size = (old + random.below(4)).min(LEAVES);
    let answer = http.try_post("/add-checkpoint", "text/plain", log.request(old, size)).ok()?;
    match answer.status {
        200 => {
            let WitnessAnswer::Cosigned(lines) = WitnessAnswer::parse(200, None, &answer.body)
            else {
                panic!("{}", answer.text())
            };
            let note = Note::new(log.text(log.head(size)), lines).expect("a note");
            signed.take(&note, vkey);
        }
        409 => {
            assert_eq!(answer.header("content-type"), TREE_SIZE_CONTENT_TYPE);
            let size: u64 = answer.text().trim_end().parse().expect("a size");
            // What it says to have signed it remembers: it may not say less later.
            signed.heard(size);
        }
        422 => {}
        other => panic!("{other}: {}", answer.text()),
    }
    Some(())
}

/// Everything the witness ever signed, as its clients saw it.
#[derive(Default)]
struct Signed(Mutex<Heads>);

#[derive(Default)]
struct Heads {
    roots: BTreeMap<TreeSize, Hash>,
    /// The largest size it told anybody.
    latest: u64,
}

impl Signed {
    fn latest(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).latest
    }

    fn heard(&self, size: u64) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.latest = heads.latest.max(size);
    }

    fn take(&self, note: &Note, vkey: &VerifierKey) {
        assert!(matches!(vkey.verify_note(note), Ok(Some(SignedAt::Seconds(_)))), "{note}");
        let head = Checkpoint::parse(note.text()).expect("a checkpoint").head;
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.latest = heads.latest.max(head.size.get());
        let root = *heads.roots.entry(head.size).or_insert(head.root);
        assert_eq!(root, head.root, "two roots of size {} were signed", head.size);
    }

    /// The file that a killed witness left: whole, signed, and not older than any answer.
    fn holds_in(&self, file: &Path, vkey: &VerifierKey, life: usize) {
        let Ok(text) = std::fs::read_to_string(file) else {
            assert_eq!(self.latest(), 0, "life {life}: signed, and no file");
            return;
        };
        let note = text.splitn(3, '\n').nth(2).expect("a header and a note");
        let note = Note::parse(note.as_bytes()).expect("a whole note");
        // What is on disk may be a head whose answer was killed; it counts as signed.
        self.take(&note, vkey);
        let size = Checkpoint::parse(note.text()).expect("a checkpoint").head.size.get();
        assert_eq!(size, self.latest(), "life {life}: the file is older than an answer");
    }
}

fn state_file(folder: &Path, log: &ForgedLog) -> std::path::PathBuf {
    folder.join("state").join(log.origin().sha256_hex())
}

const LEAVES: u64 = 2_000;
const RACERS: usize = 4;
const LIFE_MS_MAX: u64 = 60;
