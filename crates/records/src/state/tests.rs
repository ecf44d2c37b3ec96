use super::*;
use crate::fixture::{BODY, Log, payment};
use crate::jwk::PublicKey;

#[test]
fn heads_can_be_listed_by_prefix() {
    let mut log = Log::with_treasury();
    for number in [1, 2, 10] {
        log.accept_record(payment(number));
    }
    let prefix = object_head_key(&format!("{BODY}/payment/1"));
    let found: Vec<(String, u64)> = log
        .state
        .range(prefix.clone()..)
        .take_while(|(key, _)| key.starts_with(&prefix))
        .map(|(key, value)| parse_object_head(key, value).unwrap())
        .map(|(object, head)| (object, head.index.get()))
        .collect();
    assert_eq!(found, [(format!("{BODY}/payment/1"), 2), (format!("{BODY}/payment/10"), 4)]);
    assert_eq!(parse_object_head(b"s/x", b""), None);
    assert!(parse_submitter(b"o/x", b"").is_none());
}

#[test]
fn keys_can_be_listed() {
    let log = Log::with_treasury();
    let keys: Vec<KeyState> = log
        .state
        .range(KEYS_PREFIX.to_vec()..)
        .take_while(|(key, _)| key.starts_with(KEYS_PREFIX))
        .map(|(key, value)| parse_key(key, value).unwrap())
        .collect();
    assert_eq!(keys.len(), 2);
    for key in keys {
        // The stored bytes are the key the kid names.
        assert_eq!(PublicKey::trusted(*key.public.raw()), key.public);
    }
}

#[test]
fn every_value_reads_back_as_written_and_no_prefix_of_it_does() {
    let mut log = Log::with_treasury();
    let first = log.accept_record(payment(1));
    log.accept_record(payment(1).correct(1, first.hash(), 0, "dup"));
    for (key, value) in log.state.iter().filter(|(key, _)| key.as_slice() != b"g") {
        let object = first.object().to_owned();
        let one = |bytes: &[u8]| std::collections::BTreeMap::from([(key.clone(), bytes.to_vec())]);
        let reads = |bytes: &[u8]| match &key[..2] {
            b"o/" => codec::object_head(bytes).map(|head| codec::encode_object_head(&head)),
            b"r/" => codec::revision(bytes).map(|revision| codec::encode_revision(&revision)),
            b"k/" => parse_key(key, bytes).map(|key| codec::encode_key(&key)),
            b"s/" => {
                parse_submitter(key, bytes).map(|submitter| codec::encode_submitter(&submitter))
            }
            b"f/" => fold::fold_and_newest(&one(bytes), &object)
                .ok()
                .flatten()
                .map(|(fold, contribution)| put_fold(&object, &fold, &contribution).1),
            b"v/" => fold::contribution_at(&one(bytes), &object, 0)
                .ok()
                .flatten()
                .map(|contribution| put_contribution(&object, 0, &contribution).1),
            b"t/" => fold::total(&one(bytes), key).ok().map(|total| put_total(key, &total).1),
            b"u/" => fold::holder(&one(bytes), key)
                .ok()
                .map(|holder| put_holder(key, &holder.unwrap_or_default()).1),
            other => panic!("{other:?}"),
        };
        assert_eq!(reads(value).as_ref(), Some(value));
        for len in 0..value.len() {
            assert_eq!(reads(&value[..len]), None);
        }
    }
}
