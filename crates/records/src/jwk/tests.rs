use super::*;
use crate::fixture::assert_form;

const RFC_8037: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn refused(text: &str) -> Refusal {
    let refusal = PublicKey::from_jwk_json(text).unwrap_err();
    assert_form(&refusal);
    refusal
}

/// RFC 8037 appendix A.2 and A.3.
#[test]
fn thumbprint_of_the_rfc_8037_sample() {
    let key = PublicKey::from_jwk_json(RFC_8037).unwrap();
    assert_eq!(key.kid().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

/// RFC 7638 §3.1: the key there is RSA, which is refused as a key here; the hashing is the same.
#[test]
fn thumbprint_input_of_the_rfc_7638_sample() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let members = Value::map([("e", "AQAB"), ("kty", "RSA"), ("n", n)]);
    let hash = Sha256::digest(json::to_canonical(&members));
    assert_eq!(base64url::encode(&hash), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    refused(&format!(r#"{{"e":"AQAB","kty":"RSA","n":"{n}"}}"#));
}

#[test]
fn jwk_round_trips() {
    for algorithm in [Algorithm::Es256, Algorithm::Ed25519] {
        let key = crate::fixture::key(algorithm, 5);
        let public = key.public();
        let read = PublicKey::from_jwk(&public.to_jwk()).unwrap();
        assert_eq!((&read, read.kid()), (public, public.kid()));
        assert_eq!(read.algorithm(), algorithm);
        assert_eq!(Kid::parse(read.kid().as_str()).as_ref(), Some(read.kid()));
    }
}

#[test]
fn refuses_jwks_with_more_or_other_members() {
    let public = crate::fixture::treasury().public().to_jwk();
    let good = String::from_utf8(json::to_canonical(&public)).unwrap();
    assert!(PublicKey::from_jwk_json(&good).is_ok());
    for (from, to) in [
        ("\"kty\":\"EC\"", "\"kty\":\"EC\",\"use\":\"sig\""),
        ("\"kty\":\"EC\"", "\"d\":\"AAAA\",\"kty\":\"EC\""),
        ("\"kty\":\"EC\"", "\"kty\":\"OKP\""),
        ("P-256", "P-384"),
        ("P-256", "secp256k1"),
        ("\"kty\":\"EC\",", ""),
        ("\"x\":\"", "\"x\":\"A"),
        ("\"y\":\"", "\"y\":\"="),
        ("\"y\":\"", "\"z\":\""),
    ] {
        assert!(good.contains(from));
        let refusal = refused(&good.replacen(from, to, 1));
        assert_eq!(refusal.rule, RuleId::REGISTRY, "{from} to {to}");
    }
    for text in ["", "[]", "1", "{}", "{\"a\":1,\"a\":1}"] {
        refused(text);
    }
}

#[test]
fn refuses_points_that_are_not_on_the_curve() {
    let RawPublicKey::P256(mut point) = *crate::fixture::treasury().public().raw() else {
        panic!()
    };
    point[64] ^= 1;
    assert_form(&PublicKey::from_sec1(&point).unwrap_err());
    let mut zero = [0; 65];
    assert!(PublicKey::from_sec1(&zero).is_err());
    zero[0] = 4;
    assert!(PublicKey::from_sec1(&zero).is_err());
}

/// Points of small order and encodings of y that are not below 2^255 - 19.
#[test]
fn refuses_small_order_and_non_canonical_ed25519_keys() {
    for text in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0200000000000000000000000000000000000000000000000000000000000000",
    ] {
        let bytes: [u8; 32] = hex::decode(text).unwrap().try_into().unwrap();
        assert!(PublicKey::from_ed25519(&bytes).is_err(), "{text}");
    }
}

#[test]
fn kid_is_the_one_text_of_32_bytes() {
    let good = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    assert!(Kid::parse(good).is_some());
    let spare = format!("{}l", &good[..42]);
    for bad in [
        "",
        "key-1",
        &good[..42],
        &format!("{good}="),
        &format!("{good}A"),
        &spare,
        &good.replace('_', "/"),
    ] {
        assert!(Kid::parse(bad).is_none(), "{bad}");
    }
}
