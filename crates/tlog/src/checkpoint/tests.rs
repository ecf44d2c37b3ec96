use proptest::prelude::*;

use super::*;
use crate::hash::{EMPTY_ROOT, leaf_hash};
use crate::position::TreeSize;

const ORIGIN: &str = "log.example/x";

fn checkpoint() -> Checkpoint {
    let head = TreeHead { size: TreeSize::new(7), root: leaf_hash(b"root") };
    Checkpoint::new(ORIGIN.parse().unwrap(), head)
}

#[test]
fn a_checkpoint_reads_back_as_written() {
    let mut checkpoint = checkpoint();
    assert_eq!(Checkpoint::parse(&checkpoint.to_text()), Ok(checkpoint.clone()));
    checkpoint.extensions.push("one more".to_owned());
    assert_eq!(Checkpoint::parse(&checkpoint.to_text()), Ok(checkpoint));
}

#[test]
fn rejects_what_is_not_a_checkpoint() {
    let root = EMPTY_ROOT.to_base64();
    let rows = [
        (String::new(), CheckpointError::Lines),
        ("a\n".to_owned(), CheckpointError::Lines),
        ("a\n0\n".to_owned(), CheckpointError::Lines),
        (format!("a\n0\n{root}"), CheckpointError::Lines),
        (format!("\n0\n{root}\n"), CheckpointError::Origin(OriginError)),
        (format!("a b\n0\n{root}\n"), CheckpointError::Origin(OriginError)),
        (format!("a+b\n0\n{root}\n"), CheckpointError::Origin(OriginError)),
        (format!("{}\n0\n{root}\n", "a".repeat(256)), CheckpointError::Origin(OriginError)),
        (format!("a\n00\n{root}\n"), CheckpointError::Size),
        (format!("a\n-1\n{root}\n"), CheckpointError::Size),
        (format!("a\n18446744073709551616\n{root}\n"), CheckpointError::Size),
        ("a\n0\nAAAA\n".to_owned(), CheckpointError::Root),
        (format!("a\n0\n{root} \n"), CheckpointError::Root),
        (format!("a\n0\n{root}\n\n"), CheckpointError::EmptyExtension),
        (format!("a\n0\n{root}\nb\n\nc\n"), CheckpointError::EmptyExtension),
    ];
    for (text, error) in rows {
        assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
    }
    assert!(Checkpoint::parse(&format!("{}\n0\n{root}\n", "a".repeat(255))).is_ok());
}

proptest! {
    #[test]
    fn what_parses_prints_the_same(text in "([a-z+ ]{0,3}\n|[0-9]{1,2}\n|47DEQpj8HBSa\\+/TImW\\+5JCeuQeRkm5NMpJWZG3hSuFU=\n){0,5}") {
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(checkpoint.to_text(), text);
        }
    }

    #[test]
    fn every_checkpoint_reads_back(size: u64, root: [u8; 32], extensions in prop::collection::vec("[a-z ]{1,9}", 0..3)) {
        let head = TreeHead { size: TreeSize::new(size), root: Hash::new(root) };
        let mut checkpoint = Checkpoint::new(ORIGIN.parse().unwrap(), head);
        checkpoint.extensions = extensions;
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_text()), Ok(checkpoint));
    }
}
