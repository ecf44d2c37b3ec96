//! The table: one row for each rule that a single request shows.

use testlog::{ForgedLog, add_checkpoint as body};
use tlog::{EMPTY_ROOT, Ed25519Signer, Note, NoteSignature, TreeHead, TreeSize};

use super::{Expected, LEAVES, Row};

/// The names of all rows, in their order.
pub(super) fn names() -> Vec<&'static str> {
    rows(&stranger()).iter().map(|row| row.name).collect()
}

/// The rows, for a log that the witness watches.
#[expect(clippy::too_many_lines, reason = "a data table")]
pub(super) fn rows(log: &ForgedLog) -> Vec<Row> {
    let seed_of_nobody = [9; 32];
    let fork = fork_of(log);
    let text = |size| log.text(log.head(size));
    let by = |signer: &Ed25519Signer| Note::new(text(5), vec![signer.sign(&text(5))]);
    let rewrite = |from: &str, to: &str| {
        String::from_utf8(log.request(3, 5)).expect("UTF-8").replacen(from, to, 1).into_bytes()
    };
    let resigned = |text: &str| body(3, log.proof(3, 5), log.sign(text));
    let noted = |note: Note| body(3, log.proof(3, 5), note);
    let sized = |written: &str| text(5).replacen("\n5\n", &format!("\n{written}\n"), 1);

    let other_key = Ed25519Signer::new(log.origin().key_name(), seed_of_nobody);
    let stranger = Ed25519Signer::new("stranger.example".parse().expect("a name"), seed_of_nobody);
    let with = |lines: &[NoteSignature]| {
        let mut note = log.note(5);
        for line in lines {
            note.push(line.clone()).expect("room");
        }
        note
    };
    let mut flipped = log.note(5).signatures()[0].clone();
    flipped.bytes[10] ^= 1;
    let flipped = Note::new(text(5), vec![flipped]).expect("a note");
    let short = NoteSignature { bytes: vec![1], ..log.note(5).signatures()[0].clone() };
    let short = Note::new(text(5), vec![short]).expect("a note");
    let false_empty = TreeHead { size: TreeSize::ZERO, root: log.head(1).root };
    let mut damaged = log.proof(3, 5);
    damaged[0] = EMPTY_ROOT;
    let mut longer = log.proof(3, 5);
    longer.push(EMPTY_ROOT);
    let many: Vec<NoteSignature> = (0..15_u8)
        .map(|seed| Ed25519Signer::new(log.origin().key_name(), [seed; 32]).sign("x\n"))
        .collect();

    let row = |section, name, before, body, expected| Row { name, section, before, body, expected };
    let ok = |section, name, before, body, after| {
        row(section, name, before, body, Expected::Cosigned(after))
    };
    let no = |section, name, before, body, status| {
        row(section, name, before, body, Expected::Refused(status))
    };
    vec![
        ok(ADD, "a first checkpoint is cosigned", None, log.request(0, 5), 5),
        ok(ADD, "a first checkpoint of an empty log is cosigned", None, log.request(0, 0), 0),
        ok(ADD, "growth from the empty tree needs no proof", Some(0), log.request(0, 5), 5),
        ok(ADD, "growth is cosigned", Some(3), log.request(3, 5), 5),
        ok(ADD, "growth to a power of two is cosigned", Some(3), log.request(3, 8), 8),
        ok(ADD, "growth from a power of two is cosigned", Some(4), log.request(4, 9), 9),
        ok(ADD, "the same head is cosigned again", Some(5), log.request(5, 5), 5),
        ok(
            NOTE,
            "lines of unknown keys are ignored",
            Some(3),
            noted(with(&[other_key.sign("any\n"), stranger.sign("any\n")])),
            5,
        ),
        ok(NOTE, "sixteen signature lines are accepted", Some(3), noted(with(&many)), 5),
        no(FORM, "a body that is no request: 400", Some(3), b"hello".to_vec(), 400),
        no(FORM, "an empty body: 400", Some(3), Vec::new(), 400),
        no(FORM, "bytes that are not UTF-8: 400", Some(3), vec![0xff, 0xfe], 400),
        no(FORM, "no old line: 400", Some(3), rewrite("old 3\n", ""), 400),
        no(FORM, "old with a leading zero: 400", Some(3), rewrite("old 3\n", "old 03\n"), 400),
        no(FORM, "old with a plus: 400", Some(3), rewrite("old 3\n", "old +3\n"), 400),
        no(FORM, "old with a minus: 400", Some(3), rewrite("old 3\n", "old -3\n"), 400),
        no(FORM, "old with two spaces: 400", Some(3), rewrite("old 3\n", "old  3\n"), 400),
        no(FORM, "old with a carriage return: 400", Some(3), rewrite("old 3\n", "old 3\r\n"), 400),
        no(
            FORM,
            "old beyond 64 bits: 400",
            Some(3),
            rewrite("old 3\n", "old 18446744073709551616\n"),
            400,
        ),
        no(
            FORM,
            "a proof line of three bytes: 400",
            Some(3),
            rewrite("old 3\n", "old 3\nAAAA\n"),
            400,
        ),
        no(
            FORM,
            "a proof line that is not base64: 400",
            Some(3),
            rewrite("old 3\n", "old 3\n!\n"),
            400,
        ),
        no(
            FORM,
            "a proof of 64 hashes: 400",
            Some(3),
            body(3, vec![EMPTY_ROOT; 64], log.note(5)),
            400,
        ),
        no(FORM, "no checkpoint after the proof: 400", Some(3), b"old 3\n\n".to_vec(), 400),
        no(NOTE, "no signature line: 400", Some(3), rewrite("\u{2014} ", "- "), 400),
        no(
            NOTE,
            "a last line without line feed: 400",
            Some(3),
            rewrite("", "").split_last().expect("bytes").1.to_vec(),
            400,
        ),
        no(CHECKPOINT, "a size with a leading zero: 400", Some(3), resigned(&sized("05")), 400),
        no(CHECKPOINT, "a size with a plus: 400", Some(3), resigned(&sized("+5")), 400),
        no(
            CHECKPOINT,
            "a size beyond 64 bits: 400",
            Some(3),
            resigned(&sized("18446744073709551616")),
            400,
        ),
        no(
            CHECKPOINT,
            "a root of three bytes: 400",
            Some(3),
            resigned(&format!("{}\n5\nAAAA\n", log.origin())),
            400,
        ),
        no(CHECKPOINT, "an empty origin: 400", Some(3), resigned("\n5\nAAAA\n"), 400),
        no(
            CHECKPOINT,
            "two lines only: 400",
            Some(3),
            resigned(&format!("{}\n5\n", log.origin())),
            400,
        ),
        no(
            COSIGN,
            "an extension line, which ML-DSA would not cover: 400",
            Some(3),
            resigned(&format!("{}extra\n", text(5))),
            400,
        ),
        no(ADD, "old above the size: 400", Some(5), body(5, Vec::new(), log.note(3)), 400),
        no(ADD, "an unknown origin: 404", Some(3), stranger_request(), 404),
        no(
            ADD,
            "no signature by a known key: 403",
            Some(3),
            noted(by(&other_key).expect("a note")),
            403,
        ),
        no(
            ADD,
            "a known key under another name: 403",
            Some(3),
            noted(by(&stranger).expect("a note")),
            403,
        ),
        no(NOTE, "a signature with one flipped bit: 403", Some(3), noted(flipped), 403),
        no(NOTE, "a signature of one byte: 403", Some(3), noted(short), 403),
        no(
            NOTE,
            "a wrong line of a known key beside a right one: 403",
            Some(3),
            noted(with(&[log.signer().sign("another text\n")])),
            403,
        ),
        no(ADD, "old too small: 409", Some(5), log.request(3, 5), 409),
        no(ADD, "old too large: 409", Some(3), log.request(5, 8), 409),
        no(
            ADD,
            "old 0 after growth, as a client asks that lost its state: 409",
            Some(3),
            log.request(0, 5),
            409,
        ),
        no(ADD, "old of a log that is new: 409 with 0", None, log.request(3, 5), 409),
        no(ADD, "a smaller head: 409", Some(5), log.request(3, 3), 409),
        no(ADD, "a smaller head from nothing: 409", Some(5), log.request(0, 3), 409),
        no(ADD, "the same size with another root: 422", Some(5), fork.request(5, 5), 422),
        no(ADD, "another history: 422", Some(5), fork.request(5, 8), 422),
        no(
            ADD,
            "the same head with a proof: 422",
            Some(5),
            body(5, vec![EMPTY_ROOT], log.note(5)),
            422,
        ),
        no(ADD, "old 0 with a proof: 422", None, body(0, vec![EMPTY_ROOT], log.note(5)), 422),
        no(ADD, "a damaged proof: 422", Some(3), body(3, damaged, log.note(5)), 422),
        no(ADD, "a proof with one hash too many: 422", Some(3), body(3, longer, log.note(5)), 422),
        no(
            ADD,
            "no proof where one is needed: 422",
            Some(3),
            body(3, Vec::new(), log.note(5)),
            422,
        ),
        no(
            ADD,
            "size 0 with another root than that of nothing: 422",
            None,
            body(0, Vec::new(), log.sign(&log.text(false_empty))),
            422,
        ),
    ]
}

fn fork_of(log: &ForgedLog) -> ForgedLog {
    log.with_other_leaves(LEAVES, 2)
}

fn stranger() -> ForgedLog {
    ForgedLog::new("stranger.example/log", [7; 32], LEAVES)
}

fn stranger_request() -> Vec<u8> {
    stranger().request(3, 5)
}

const ADD: &str = "tlog-witness, add-checkpoint";
const FORM: &str = "tlog-witness, add-checkpoint request body";
const NOTE: &str = "signed-note, format and verification";
const CHECKPOINT: &str = "tlog-checkpoint, note text";
const COSIGN: &str = "tlog-cosignature, subtree/v1";
