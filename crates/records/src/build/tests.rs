use super::*;
use crate::fixture::payment;

#[test]
fn drafts_give_the_canonical_form_whatever_the_order_of_calls() {
    let (a, _) = seal("/data/area", "area", "x".into(), [1; 16], HeldBy::Submitter);
    let (b, _) = seal("/data/note", "note", "y".into(), [2; 16], HeldBy::Submitter);
    let one = payment(1).sealed(a.clone()).sealed(b.clone()).build().unwrap();
    let two = payment(1).sealed(b).sealed(a).build().unwrap();
    assert_eq!(one, two);
    assert_eq!(Record::parse(one.bytes()).unwrap(), one);
}

#[test]
fn drafts_are_held_to_the_grammar() {
    assert!(payment(1).set("colour", "red").build().is_err());
    assert!(payment(1).set("refs", Value::List(Vec::new())).build().is_err());
}
