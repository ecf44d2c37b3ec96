use super::*;
use crate::key::{KeyType, SignatureError, SignedAt};
use crate::position::{TreeHead, TreeSize};

fn name() -> KeyName {
    "log.example/x".parse().unwrap()
}

fn checkpoint() -> Checkpoint {
    let head = TreeHead { size: TreeSize::new(1), root: crate::leaf_hash(b"0") };
    Checkpoint::new("log.example/x".parse().unwrap(), head)
}

#[test]
fn what_each_signer_signs_its_key_verifies() {
    let text = checkpoint().to_text();
    let plain = Ed25519Signer::new(name(), [1; 32]);
    let line = plain.sign(&text);
    assert!(plain.verifier_key().owns(&line));
    assert_eq!(plain.verifier_key().verify(&text, &line.bytes), Ok(SignedAt::Untimed));

    let witness = CosignatureSigner::new(name(), [2; 32]);
    let at = UnixSeconds::new(1_700_000_000);
    let line = witness.sign(&text, at);
    assert_eq!(witness.verifier_key().verify(&text, &line.bytes), Ok(SignedAt::Seconds(at)));

    let sth = Rfc6962Signer::new(name(), [3; 32]).unwrap();
    let at = UnixMillis::new(1_700_000_000_123);
    let line = sth.sign(&checkpoint(), at);
    assert_eq!(sth.verifier_key().verify(&text, &line.bytes), Ok(SignedAt::Millis(at)));
    assert_eq!(line, sth.sign(&checkpoint(), at));

    let ml_dsa = MlDsaSigner::new(name(), [4; 32]).unwrap();
    let at = UnixSeconds::new(1_700_000_000);
    let line = ml_dsa.sign(&checkpoint(), at).unwrap();
    assert_eq!(ml_dsa.verifier_key().verify(&text, &line.bytes), Ok(SignedAt::Seconds(at)));
    assert_eq!(Some(line), ml_dsa.sign(&checkpoint(), at));
}

#[test]
fn an_ml_dsa_signature_binds_name_time_origin_size_and_root() {
    let signer = MlDsaSigner::new(name(), [4; 32]).unwrap();
    let key = signer.verifier_key();
    let line = signer.sign(&checkpoint(), UnixSeconds::new(5)).unwrap();
    let text = checkpoint().to_text();
    for changed in [text.replace("log", "lag"), text.replace("\n1\n", "\n2\n")] {
        assert_eq!(key.verify(&changed, &line.bytes), Err(SignatureError::Invalid));
    }
    let extended = format!("{text}more\n");
    assert_eq!(key.verify(&extended, &line.bytes), Err(SignatureError::NotACheckpoint));
    assert_eq!(key.verify("no checkpoint\n", &line.bytes), Err(SignatureError::NotACheckpoint));
    // The same key under another name signs another message.
    let renamed = MlDsaSigner::new("log.example/y".parse().unwrap(), [4; 32]).unwrap();
    let key = renamed.verifier_key();
    assert_eq!(key.verify(&text, &line.bytes), Err(SignatureError::Invalid));
    // Each byte counts; a bit of each, for one signature takes some time to check.
    for at in 0..line.bytes.len() {
        let mut changed = line.bytes.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(signer.verifier_key().verify(&text, &changed).is_err(), "byte {at}");
    }
    for length in [0, 7, 8, line.bytes.len() - 1] {
        assert!(signer.verifier_key().verify(&text, &line.bytes[..length]).is_err(), "{length}");
    }
    let long = "a".repeat(256).parse().unwrap();
    assert!(matches!(MlDsaSigner::new(long, [4; 32]), Err(SignerError::Name)));
}

#[test]
fn an_ml_dsa_key_file_reads_back() {
    let signer = MlDsaSigner::new(name(), [4; 32]).unwrap();
    let pem = signer.to_pkcs8_pem().unwrap();
    let read = MlDsaSigner::from_pkcs8_pem(name(), &pem).unwrap();
    assert_eq!(read.verifier_key(), signer.verifier_key());
    assert!(CosignatureSigner::from_pkcs8_pem(name(), &pem).is_err());
    let ed25519 = CosignatureSigner::new(name(), [4; 32]).to_pkcs8_pem().unwrap();
    assert!(MlDsaSigner::from_pkcs8_pem(name(), &ed25519).is_err());
}

#[test]
fn every_changed_bit_of_a_signature_fails() {
    let text = checkpoint().to_text();
    let plain = Ed25519Signer::new(name(), [1; 32]);
    let witness = CosignatureSigner::new(name(), [2; 32]);
    let sth = Rfc6962Signer::new(name(), [3; 32]).unwrap();
    for (key, line) in [
        (plain.verifier_key(), plain.sign(&text)),
        (witness.verifier_key(), witness.sign(&text, UnixSeconds::new(5))),
        (sth.verifier_key(), sth.sign(&checkpoint(), UnixMillis::new(5))),
    ] {
        for bit in 0..line.bytes.len() * 8 {
            let mut changed = line.bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key.verify(&text, &changed).is_err(), "{key} bit {bit}");
        }
        for length in 0..line.bytes.len() {
            assert!(key.verify(&text, &line.bytes[..length]).is_err(), "{key} length {length}");
        }
        let other = text.replace("log", "lag");
        if key.key_type() != Some(KeyType::Rfc6962) {
            assert_eq!(key.verify(&other, &line.bytes), Err(SignatureError::Invalid));
        }
    }
}

#[test]
fn of_an_answer_only_the_line_that_verifies_is_kept() {
    let text = checkpoint().to_text();
    let witness = CosignatureSigner::new(name(), [2; 32]);
    let key = witness.verifier_key();
    let stranger = CosignatureSigner::new("other".parse().unwrap(), [3; 32]);
    let wrong = witness.sign("another text\n", UnixSeconds::new(5));
    let right = witness.sign(&text, UnixSeconds::new(6));
    let lines = [stranger.sign(&text, UnixSeconds::new(5)), wrong, right.clone()];
    assert_eq!(key.verified_line(&text, &lines), Some(&right));
    assert_eq!(key.verified_line(&text, &lines[..2]), None);
}

#[test]
fn a_signature_of_one_type_is_none_of_another() {
    let text = checkpoint().to_text();
    let plain = Ed25519Signer::new(name(), [1; 32]);
    let witness = CosignatureSigner::new(name(), [1; 32]);
    assert!(witness.verifier_key().verify(&text, &plain.sign(&text).bytes).is_err());
    let cosignature = witness.sign(&text, UnixSeconds::new(5));
    assert!(plain.verifier_key().verify(&text, &cosignature.bytes).is_err());
    assert!(plain.verifier_key().verify(&text, &cosignature.bytes[8..]).is_err());
}

#[test]
fn a_tree_head_signature_covers_plain_checkpoints_only() {
    let sth = Rfc6962Signer::new(name(), [3; 32]).unwrap();
    let line = sth.sign(&checkpoint(), UnixMillis::new(5));
    let key = sth.verifier_key();
    for text in [format!("{}extension\n", checkpoint().to_text()), "hello\n".to_owned()] {
        assert_eq!(key.verify(&text, &line.bytes), Err(SignatureError::NotACheckpoint));
    }
}

#[test]
fn key_files_read_back_as_written() {
    let plain = Ed25519Signer::new(name(), [1; 32]);
    let pem = plain.to_pkcs8_pem().unwrap();
    let read = Ed25519Signer::from_pkcs8_pem(name(), &pem).unwrap();
    assert_eq!(read.verifier_key(), plain.verifier_key());
    let witness = CosignatureSigner::from_pkcs8_pem(name(), &pem).unwrap();
    assert_eq!(*witness.to_pkcs8_pem().unwrap(), *pem);
    let sth = Rfc6962Signer::new(name(), [3; 32]).unwrap();
    let p256_pem = sth.to_pkcs8_pem().unwrap();
    let read = Rfc6962Signer::from_pkcs8_pem(name(), &p256_pem).unwrap();
    assert_eq!(read.verifier_key(), sth.verifier_key());
    assert_eq!(Ed25519Signer::from_pkcs8_pem(name(), &p256_pem).err(), Some(SignerError::Pem));
    assert_eq!(Rfc6962Signer::from_pkcs8_pem(name(), &pem).err(), Some(SignerError::Pem));
    assert_eq!(Ed25519Signer::from_pkcs8_pem(name(), "").err(), Some(SignerError::Pem));
}

/// Made with `openssl genpkey -algorithm ed25519` and `-algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
#[test]
fn key_files_of_openssl_are_read_and_written_alike() {
    let pem = include_str!("../../../../tests/vectors/openssl-ed25519.pem");
    let signer = Ed25519Signer::from_pkcs8_pem(name(), pem).unwrap();
    assert_eq!(signer.to_pkcs8_pem().unwrap().as_str(), pem);
    let pem = include_str!("../../../../tests/vectors/openssl-p256.pem");
    let signer = Rfc6962Signer::from_pkcs8_pem(name(), pem).unwrap();
    assert_eq!(signer.to_pkcs8_pem().unwrap().as_str(), pem);
}

#[test]
fn a_private_key_of_p256_is_in_range() {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order = hex::decode(order).unwrap().try_into().unwrap();
    for scalar in [[0; 32], [0xff; 32], order] {
        assert_eq!(Rfc6962Signer::new(name(), scalar).err(), Some(SignerError::Scalar));
    }
}

#[test]
fn a_signer_prints_its_public_key_only() {
    let signer = Ed25519Signer::new(name(), [1; 32]);
    assert_eq!(format!("{signer:?}"), format!("Ed25519Signer({})", signer.verifier_key()));
}
