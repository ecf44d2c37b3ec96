//! The log that a witness is tested with, and the table of what it must answer.

use std::collections::BTreeMap;

use testlog::{ForgedLog, add_checkpoint as body};
use tlog::{EMPTY_ROOT, Ed25519Signer, Note, NoteSignature, TreeHead, TreeSize, VerifierKey};

use crate::decide::{Log, Logs};
use crate::signers::Signers;

/// A log of this many leaves; all that have the same name have the same key.
pub(crate) fn small_log(origin: &str, leaves: u64) -> ForgedLog {
    ForgedLog::new(origin, SEED, leaves)
}

/// The same with other leaves from index `fork` on.
pub(crate) fn forked_log(origin: &str, leaves: u64, fork: u64) -> ForgedLog {
    ForgedLog::forked(origin, SEED, leaves, fork)
}

pub(crate) fn logs(log: &ForgedLog) -> Logs {
    logs_with(log, vec![log.vkey()])
}

/// The log as it is configured with these keys.
pub(crate) fn logs_with(log: &ForgedLog, keys: Vec<VerifierKey>) -> Logs {
    BTreeMap::from([(log.origin().clone(), Log { keys, requests_per_day: 1_000_000 })])
}

/// The signers of the witness under test.
pub(crate) fn signers() -> Signers {
    Signers::new("witness.example/w1".parse().unwrap(), [5; 32], None).unwrap()
}

pub(crate) fn own_key() -> VerifierKey {
    signers().verifier_keys().remove(0)
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
pub(crate) fn cases(log: &ForgedLog) -> Vec<Case> {
    let fork = forked_log(log.origin().as_str(), 9, 2);
    let stranger = small_log("stranger.example/log", 9);
    let text = |size| log.text(log.head(size));
    let rewrite = |from: &str, to: &str| {
        String::from_utf8(log.request(3, 5)).unwrap().replacen(from, to, 1).into_bytes()
    };
    let resigned = |text: &str| body(3, log.proof(3, 5), log.sign(text));
    let refused = |name, before, body, status| Case { name, before, body, status, after: before };
    let cosigned =
        |name, before, body, after| Case { name, before, body, status: 200, after: Some(after) };

    let mut bad_line = log.note(5);
    bad_line.push(log.signer().sign("another text\n")).unwrap();
    let other_key = Ed25519Signer::new(log.origin().key_name(), [9; 32]);
    let by_other_key = Note::new(text(5), vec![other_key.sign(&text(5))]).unwrap();
    let mut with_strangers = log.note(5);
    with_strangers.push(other_key.sign("whatever\n")).unwrap();
    with_strangers.push(stranger.signer().sign("whatever\n")).unwrap();
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
        refused("a short root", Some(3), resigned(&format!("{}\n5\nAAAA\n", log.origin())), 400),
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

const SEED: [u8; 32] = [3; 32];
