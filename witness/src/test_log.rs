//! A small log to test against, and the table of what a witness must answer.

use std::collections::BTreeMap;

use tlog::{
    AddCheckpoint, Checkpoint, EMPTY_ROOT, Ed25519Signer, Frontier, Hash, Note, NoteSignature,
    Origin, TileCoord, TileMap, TreeHead, TreeSize, VerifierKey, leaf_hash, prove_consistency,
};

use crate::decide::{Log, Logs};
use crate::identity::Signers;

/// A log with all its heads from size 0 on, able to sign whatever it is asked to.
pub(crate) struct TestLog {
    pub(crate) signer: Ed25519Signer,
    pub(crate) origin: Origin,
    heads: Vec<TreeHead>,
    tiles: TileMap,
}

impl TestLog {
    pub(crate) fn new(origin: &str, leaves: u64) -> Self {
        Self::forked(origin, leaves, u64::MAX)
    }

    /// Like `new`, but with other leaves from index `fork` on.
    pub(crate) fn forked(origin: &str, leaves: u64, fork: u64) -> Self {
        let origin: Origin = origin.parse().unwrap();
        let signer = Ed25519Signer::new(origin.key_name(), [3; 32]);
        let (mut frontier, mut tiles) = (Frontier::empty(), TileMap::new());
        let mut heads = vec![frontier.head()];
        for index in 0..leaves {
            let leaf = leaf_hash(format!("{index} {}", index >= fork).as_bytes());
            let integration = frontier.integrate(&[leaf]);
            for changed in integration.tiles() {
                let coord = TileCoord::new(changed.level, changed.index, changed.tile.width());
                tiles.insert(coord.unwrap(), changed.tile.clone());
            }
            frontier = integration.into_frontier();
            heads.push(frontier.head());
        }
        Self { signer, origin, heads, tiles }
    }

    pub(crate) fn logs(&self) -> Logs {
        self.logs_with(vec![self.signer.verifier_key()])
    }

    /// The log as it is configured with these keys.
    pub(crate) fn logs_with(&self, keys: Vec<VerifierKey>) -> Logs {
        BTreeMap::from([(self.origin.clone(), Log { keys, requests_per_day: 1_000_000 })])
    }

    pub(crate) fn head(&self, size: u64) -> TreeHead {
        self.heads[usize::try_from(size).unwrap()]
    }

    pub(crate) fn text(&self, head: TreeHead) -> String {
        Checkpoint::new(self.origin.clone(), head).to_text()
    }

    pub(crate) fn note(&self, size: u64) -> Note {
        self.sign(&self.text(self.head(size)))
    }

    pub(crate) fn sign(&self, text: &str) -> Note {
        Note::new(text.to_owned(), vec![self.signer.sign(text)]).unwrap()
    }

    pub(crate) fn proof(&self, old: u64, size: u64) -> Vec<Hash> {
        prove_consistency(TreeSize::new(old), TreeSize::new(size), &self.tiles).unwrap()
    }

    /// The request an honest log sends.
    pub(crate) fn request(&self, old: u64, size: u64) -> Vec<u8> {
        body(old, self.proof(old, size), self.note(size))
    }
}

/// The signers of the witness under test.
pub(crate) fn signers() -> Signers {
    Signers::new("witness.example/w1".parse().unwrap(), [5; 32], None).unwrap()
}

/// The key of its cosignatures.
pub(crate) fn own_key() -> VerifierKey {
    signers().verifier_keys().remove(0)
}

pub(crate) fn body(old: u64, proof: Vec<Hash>, note: Note) -> Vec<u8> {
    AddCheckpoint { old_size: TreeSize::new(old), consistency_proof: proof, checkpoint: note }
        .encode()
}

/// One row of the status table: what was cosigned before, what is sent, what comes back.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The size cosigned before; `None` when the log is new to the witness.
    pub(crate) before: Option<u64>,
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    /// The size cosigned afterwards.
    pub(crate) after: Option<u64>,
}

/// The table. `log` has at least 9 leaves.
#[expect(clippy::too_many_lines, reason = "a data table")]
pub(crate) fn cases(log: &TestLog) -> Vec<Case> {
    let fork = TestLog::forked(log.origin.as_str(), 9, 2);
    let stranger = TestLog::new("stranger.example/log", 9);
    let text = |size| log.text(log.head(size));
    let rewrite = |from: &str, to: &str| {
        String::from_utf8(log.request(3, 5)).unwrap().replacen(from, to, 1).into_bytes()
    };
    let resigned = |text: &str| body(3, log.proof(3, 5), log.sign(text));
    let refused = |name, before, body, status| Case { name, before, body, status, after: before };
    let cosigned =
        |name, before, body, after| Case { name, before, body, status: 200, after: Some(after) };

    let mut bad_line = log.note(5);
    bad_line.push(log.signer.sign("another text\n")).unwrap();
    let other_key = Ed25519Signer::new(log.origin.key_name(), [9; 32]);
    let by_other_key = Note::new(text(5), vec![other_key.sign(&text(5))]).unwrap();
    let mut with_strangers = log.note(5);
    with_strangers.push(other_key.sign("whatever\n")).unwrap();
    with_strangers.push(stranger.signer.sign("whatever\n")).unwrap();
    let mut wrong_bit = log.note(5).signatures()[0].clone();
    wrong_bit.bytes[10] ^= 1;
    let wrong_bit = Note::new(text(5), vec![wrong_bit]).unwrap();
    let short = NoteSignature { bytes: vec![1], ..log.note(5).signatures()[0].clone() };
    let short = Note::new(text(5), vec![short]).unwrap();
    let false_empty = TreeHead { size: TreeSize::ZERO, root: log.head(1).root };
    let mut damaged_proof = log.proof(3, 5);
    damaged_proof[0] = EMPTY_ROOT;
    let mut longer_proof = log.proof(3, 5);
    longer_proof.push(EMPTY_ROOT);
    let sized = |written: &str| text(5).replacen("\n5\n", &format!("\n{written}\n"), 1);

    vec![
        cosigned("first checkpoint", None, log.request(0, 5), 5),
        cosigned("first checkpoint of an empty log", None, log.request(0, 0), 0),
        cosigned("growth from the empty tree", Some(0), log.request(0, 5), 5),
        cosigned("growth", Some(3), log.request(3, 5), 5),
        cosigned("growth to a power of two", Some(3), log.request(3, 8), 8),
        cosigned("growth from a power of two", Some(4), log.request(4, 9), 9),
        cosigned("refresh of the same head", Some(5), log.request(5, 5), 5),
        cosigned("unknown signature lines", Some(3), body(3, log.proof(3, 5), with_strangers), 5),
        refused("not a request", Some(3), b"hello".to_vec(), 400),
        refused("nothing", Some(3), Vec::new(), 400),
        refused("not UTF-8", Some(3), vec![0xff, 0xfe], 400),
        refused("no old line", Some(3), rewrite("old 3\n", ""), 400),
        refused("old with a leading zero", Some(3), rewrite("old 3\n", "old 03\n"), 400),
        refused("old with a plus", Some(3), rewrite("old 3\n", "old +3\n"), 400),
        refused("old with a carriage return", Some(3), rewrite("old 3\n", "old 3\r\n"), 400),
        refused(
            "old beyond 64 bits",
            Some(3),
            rewrite("old 3\n", "old 18446744073709551616\n"),
            400,
        ),
        refused("a proof line of 31 bytes", Some(3), rewrite("old 3\n", "old 3\nAAAA\n"), 400),
        refused("a proof of 64 hashes", Some(3), body(3, vec![EMPTY_ROOT; 64], log.note(5)), 400),
        refused("no signature line", Some(3), rewrite("\u{2014} ", "- "), 400),
        refused("size with a leading zero", Some(3), resigned(&sized("05")), 400),
        refused("size with a plus", Some(3), resigned(&sized("+5")), 400),
        refused("an extension line", Some(3), resigned(&format!("{}extra\n", text(5))), 400),
        refused("an empty extension line", Some(3), resigned(&format!("{}\n", text(5))), 400),
        refused("a short root", Some(3), resigned(&format!("{}\n5\nAAAA\n", log.origin)), 400),
        refused("an empty origin", Some(3), resigned("\n5\nAAAA\n"), 400),
        refused("old above the size", Some(5), body(5, Vec::new(), log.note(3)), 400),
        refused("unknown origin", Some(3), stranger.request(3, 5), 404),
        refused(
            "an origin with a space",
            Some(3),
            resigned(&format!("a b\n5\n{EMPTY_ROOT}\n")),
            404,
        ),
        refused("signed by an unknown key", Some(3), body(3, log.proof(3, 5), by_other_key), 403),
        refused("one flipped bit", Some(3), body(3, log.proof(3, 5), wrong_bit), 403),
        refused("a signature of one byte", Some(3), body(3, log.proof(3, 5), short), 403),
        refused("a second, wrong line", Some(3), body(3, log.proof(3, 5), bad_line), 403),
        refused("old too small", Some(5), log.request(3, 5), 409),
        refused("old too large", Some(3), log.request(5, 8), 409),
        refused("old 0 after growth", Some(3), log.request(0, 5), 409),
        refused("old of a log that is new", None, log.request(3, 5), 409),
        refused("rolled back", Some(5), log.request(3, 3), 409),
        refused("same size, other root", Some(5), fork.request(5, 5), 422),
        refused("another history", Some(5), fork.request(5, 8), 422),
        refused("same size with a proof", Some(5), body(5, vec![EMPTY_ROOT], log.note(5)), 422),
        refused("old 0 with a proof", None, body(0, vec![EMPTY_ROOT], log.note(5)), 422),
        refused("a damaged proof", Some(3), body(3, damaged_proof, log.note(5)), 422),
        refused("a proof too long", Some(3), body(3, longer_proof, log.note(5)), 422),
        refused("no proof", Some(3), body(3, Vec::new(), log.note(5)), 422),
        refused(
            "size 0 with another root",
            None,
            body(0, Vec::new(), log.sign(&log.text(false_empty))),
            422,
        ),
    ]
}
