use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::hash::leaf_hash;
use crate::note::{KeyId, NoteSignature};

fn line(byte: u8) -> NoteSignature {
    NoteSignature { name: "w1".parse().unwrap(), id: KeyId::new([1, 2, 3, 4]), bytes: vec![byte] }
}

fn request(hashes: usize) -> AddCheckpoint {
    AddCheckpoint {
        old_size: TreeSize::new(5),
        consistency_proof: vec![leaf_hash(b"0"); hashes],
        checkpoint: Note::new("text\n\nmore\n".to_owned(), vec![line(1)]).unwrap(),
    }
}

#[test]
fn a_request_reads_back_as_written() {
    for hashes in [0, 1, CONSISTENCY_PROOF_HASHES_MAX] {
        let request = request(hashes);
        assert_eq!(AddCheckpoint::parse(&request.encode()), Ok(request));
    }
}

#[test]
fn a_proof_holds_at_most_63_hashes() {
    let body = request(CONSISTENCY_PROOF_HASHES_MAX + 1).encode();
    assert_eq!(AddCheckpoint::parse(&body), Err(AddCheckpointError::TooManyHashes));
}

#[test]
fn a_body_above_the_limit_is_refused() {
    let got = ADD_CHECKPOINT_BYTES_MAX + 1;
    assert_eq!(AddCheckpoint::parse(&vec![b'a'; got]), Err(AddCheckpointError::TooLong { got }));
}

#[test]
fn rejects_what_is_not_a_request() {
    let hash = leaf_hash(b"0").to_base64();
    let note = "text\n\n— w1 AQIDBAE=\n";
    let rows = [
        (String::new(), AddCheckpointError::NoCheckpoint),
        ("old 5\n".to_owned(), AddCheckpointError::NoCheckpoint),
        (format!("\n\n{note}"), AddCheckpointError::Old),
        (format!("old\n\n{note}"), AddCheckpointError::Old),
        (format!("old 05\n\n{note}"), AddCheckpointError::Old),
        (format!("old -1\n\n{note}"), AddCheckpointError::Old),
        (format!("old  5\n\n{note}"), AddCheckpointError::Old),
        (format!("Old 5\n\n{note}"), AddCheckpointError::Old),
        (format!("old 5\n{hash} \n\n{note}"), AddCheckpointError::Hash),
        (format!("old 5\nAAAA\n\n{note}"), AddCheckpointError::Hash),
        (format!("old 5\r\n\n{note}"), AddCheckpointError::Old),
        ("old 5\n\ntext\n".to_owned(), AddCheckpointError::Note(NoteError::NoSignatures)),
        (format!("old 5\n\n{note}\n"), AddCheckpointError::Note(NoteError::NoSignatures)),
    ];
    for (body, error) in rows {
        assert_eq!(AddCheckpoint::parse(body.as_bytes()), Err(error), "{body:?}");
    }
    assert_eq!(AddCheckpoint::parse(b"\xff"), Err(AddCheckpointError::Note(NoteError::Utf8)));
}

#[test]
fn each_answer_means_one_thing() {
    use WitnessAnswer as Answer;
    let size = Some(TREE_SIZE_CONTENT_TYPE);
    let lines = [line(1), line(2)];
    let body = encode_cosignatures(&lines);
    assert_eq!(Answer::parse(200, None, body.as_bytes()), Answer::Cosigned(lines.to_vec()));
    let seven = TreeSize::new(7);
    assert_eq!(encode_tree_size(seven), "7\n");
    let rows: [(u16, Option<&str>, &[u8], Answer); 22] = [
        (409, size, b"7\n", Answer::Conflict { size: seven }),
        (409, size, b"7", Answer::Conflict { size: seven }),
        (409, size, b"07\n", Answer::Inconsistent),
        (409, size, b"7\n\n", Answer::Inconsistent),
        (409, size, b"", Answer::Inconsistent),
        (409, size, b"\xff", Answer::Inconsistent),
        (409, None, b"7\n", Answer::Inconsistent),
        (409, Some("text/plain"), b"7\n", Answer::Inconsistent),
        (409, Some("text/x.tlog.size; charset=utf-8"), b"7\n", Answer::Inconsistent),
        (422, None, b"", Answer::Inconsistent),
        (422, size, b"7\n", Answer::Inconsistent),
        (400, None, b"", Answer::Malformed),
        (403, None, b"", Answer::NotAuthorized),
        (404, None, b"", Answer::UnknownOrigin),
        (429, None, b"", Answer::TryLater),
        (500, None, b"", Answer::TryLater),
        (301, None, b"", Answer::TryLater),
        (200, None, b"", Answer::TryLater),
        (200, None, b"\n", Answer::TryLater),
        (200, None, b"ok\n", Answer::TryLater),
        (200, None, "— w1 AQIDBAE=".as_bytes(), Answer::TryLater),
        (200, None, "— w1 AQIDBAE=\nok\n".as_bytes(), Answer::TryLater),
    ];
    for (status, content_type, body, answer) in rows {
        assert_eq!(Answer::parse(status, content_type, body), answer, "{status} {body:?}");
    }
    let many = encode_cosignatures(&vec![line(1); 65]);
    assert_eq!(Answer::parse(200, None, many.as_bytes()), Answer::TryLater);
    assert_eq!(Answer::parse(200, None, &vec![b'a'; ANSWER_BYTES_MAX + 1]), Answer::TryLater);
}

proptest! {
    #[test]
    fn no_bytes_panic(status: u16, bytes in vec(any::<u8>(), 0..200)) {
        let _ = AddCheckpoint::parse(&bytes);
        let _ = WitnessAnswer::parse(status, Some(TREE_SIZE_CONTENT_TYPE), &bytes);
    }

    #[test]
    fn what_parses_prints_the_same(body in "old [0-9]{1,3}\n(AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n){0,2}\n{1,2}[a-z]{0,2}\n{1,2}— w [A-Za-z0-9+/]{8}\n") {
        if let Ok(request) = AddCheckpoint::parse(body.as_bytes()) {
            prop_assert_eq!(request.encode(), body.into_bytes());
        }
    }
}
