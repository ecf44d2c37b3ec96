use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::hash::leaf_hash;
use crate::note::{KeyId, NoteSignature};

const TEXT: &str = "a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

fn proof(index: u64, extra: Option<&[u8]>, hashes: usize) -> TlogProof {
    let line =
        NoteSignature { name: "w1".parse().unwrap(), id: KeyId::new([1, 2, 3, 4]), bytes: vec![1] };
    TlogProof {
        extra: extra.map(<[u8]>::to_vec),
        index: LeafIndex::new(index),
        path: vec![leaf_hash(b"0"); hashes],
        note: Note::new(TEXT.to_owned(), vec![line]).unwrap(),
    }
}

#[test]
fn a_proof_reads_back_as_written() {
    for extra in
        [None, Some(b"".as_slice()), Some(b"entry"), Some(vec![7; ENTRY_BYTES_MAX].as_slice())]
    {
        for hashes in [0, 1, INCLUSION_PROOF_HASHES_MAX] {
            let proof = proof(5, extra, hashes);
            assert_eq!(TlogProof::parse(proof.encode().as_bytes()), Ok(proof));
        }
    }
}

#[test]
fn a_receipt_file_is_several_proofs() {
    let proofs = [proof(1, Some(b"one"), 2), proof(2, None, 0), proof(3, Some(b"three"), 1)];
    let file: String = proofs.iter().map(TlogProof::encode).collect();
    assert_eq!(TlogProof::parse_many(file.as_bytes()), Ok(proofs.to_vec()));
    let one = proofs[0].encode();
    assert_eq!(TlogProof::parse_many(one.as_bytes()), Ok(proofs[..1].to_vec()));
    assert_eq!(TlogProof::parse(file.as_bytes()), Err(TlogProofError::SeveralProofs));
    assert!(TlogProof::parse_many(b"").is_err());
    assert!(TlogProof::parse_many(format!("{file}\n").as_bytes()).is_err());
    assert!(TlogProof::parse_many(format!("{file}{HEADER}\n").as_bytes()).is_err());
    assert!(TlogProof::parse_many(format!("{one}\n{one}").as_bytes()).is_err());
}

#[test]
fn a_header_line_in_a_checkpoint_does_not_begin_a_proof() {
    let mut odd = proof(1, None, 0);
    odd.note = Note::new(format!("{TEXT}{HEADER}\n"), odd.note.signatures().to_vec()).unwrap();
    let file = format!("{odd}{odd}");
    assert_eq!(TlogProof::parse_many(file.as_bytes()), Ok(vec![odd.clone(), odd]));
}

#[test]
fn a_receipt_file_holds_a_limited_number_of_proofs() {
    let one = proof(1, None, 0).encode();
    let most = one.repeat(RECEIPT_PROOFS_MAX);
    assert_eq!(TlogProof::parse_many(most.as_bytes()).unwrap().len(), RECEIPT_PROOFS_MAX);
    let more = most + &one;
    assert_eq!(TlogProof::parse_many(more.as_bytes()), Err(TlogProofError::TooManyProofs));
}

#[test]
fn rejects_what_is_not_a_proof() {
    let note = format!("{TEXT}\n— w1 AQIDBAE=\n");
    let hash = leaf_hash(b"0").to_base64();
    let rows = [
        (String::new(), TlogProofError::NoCheckpoint),
        (format!("{HEADER}\nindex 1\n"), TlogProofError::NoCheckpoint),
        (format!("c2sp.org/tlog-proof@v2\nindex 1\n\n{note}"), TlogProofError::Header),
        (format!("{HEADER} \nindex 1\n\n{note}"), TlogProofError::Header),
        (format!("{HEADER}\n\n{note}"), TlogProofError::Index),
        (format!("{HEADER}\nindex 01\n\n{note}"), TlogProofError::Index),
        (format!("{HEADER}\nindex 1 \n\n{note}"), TlogProofError::Index),
        (format!("{HEADER}\nindex 1\nextra AA==\n\n{note}"), TlogProofError::Hash),
        (format!("{HEADER}\nextra AA\nindex 1\n\n{note}"), TlogProofError::Extra),
        (format!("{HEADER}\nextra AA==\nextra AA==\nindex 1\n\n{note}"), TlogProofError::Index),
        (format!("{HEADER}\nextra\nindex 1\n\n{note}"), TlogProofError::Index),
        (format!("{HEADER}\nindex 1\n{hash}=\n\n{note}"), TlogProofError::Hash),
        (format!("{HEADER}\nindex 1\n\n{note}x"), NoteError::SignatureLine.into()),
        (format!("{HEADER}\nindex 1\n\n\n{note}\n"), NoteError::NoSignatures.into()),
        (
            format!("{HEADER}\nindex 1\n\ntext\n{note}"),
            TlogProofError::Checkpoint(CheckpointError::Size),
        ),
        (
            format!("{HEADER}\nindex 1\n\n{TEXT}\nmore\n\n— w1 AQIDBAE=\n"),
            TlogProofError::Checkpoint(CheckpointError::EmptyExtension),
        ),
        (format!("{HEADER}\r\nindex 1\n\n{note}"), TlogProofError::Header),
    ];
    for (text, error) in rows {
        assert_eq!(TlogProof::parse(text.as_bytes()), Err(error), "{text:?}");
    }
    assert_eq!(TlogProof::parse(b"\xff"), Err(TlogProofError::Utf8));
    let long = proof(1, None, INCLUSION_PROOF_HASHES_MAX + 1).encode();
    assert_eq!(TlogProof::parse(long.as_bytes()), Err(TlogProofError::TooManyHashes));
    let large = proof(1, Some(&vec![7; ENTRY_BYTES_MAX + 1]), 0).encode();
    assert_eq!(TlogProof::parse(large.as_bytes()), Err(TlogProofError::Extra));
}

proptest! {
    #[test]
    fn every_proof_reads_back(index: u64, extra in prop::option::of(vec(any::<u8>(), 0..50)), hashes in 0..63_usize) {
        let proof = proof(index, extra.as_deref(), hashes);
        prop_assert_eq!(TlogProof::parse_many(proof.encode().as_bytes()), Ok(vec![proof]));
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = TlogProof::parse(&bytes);
        let _ = TlogProof::parse_many(&bytes);
        let _ = TlogProof::parse_many(&[HEADER.as_bytes(), b"\nindex 1\n\n", &bytes].concat());
    }
}
