//! Every value between a commit and a signature, with each of its bits flipped: nothing is let
//! through but the one head that the entries give.

use proptest::prelude::*;
use store::{Batch, Direction, Family, KeyRange, Kv as _, MemoryKv, NewBatch, NewEntry};
use tlog::{Ed25519Signer, Hash, KeyName, Note, Origin};

use super::*;

const ORIGIN: &str = "log.example/spending";

fn origin() -> Origin {
    ORIGIN.parse().expect("an origin")
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// A log that grew to `first` entries and then to `second`, and its heads at both sizes.
fn grown(kv: &MemoryKv, first: u64, second: u64) -> (Store<MemoryKv>, TreeHead, TreeHead) {
    Store::create_on(kv, &origin()).expect("creating");
    let (store, mut writer) = Store::open_on(kv.clone(), &origin(), 0).expect("opening");
    let mut heads = Vec::new();
    for (from, to) in [(0, first), (first, second)] {
        if to > from {
            let entries: Vec<Vec<u8>> = (from..to).map(entry).collect();
            let leaves: Vec<Hash> = entries.iter().map(|it| tlog::leaf_hash(it)).collect();
            let integration = writer.frontier().integrate(&leaves);
            let entries = entries.into_iter();
            let entries = entries.map(|entry| NewEntry { entry, disclosures: None }).collect();
            let batch = NewBatch { entries, state: Vec::new(), integration };
            writer.commit(batch).expect("committing");
        }
        heads.push(store.head());
    }
    (store, heads[0], heads[1])
}

/// The rows of a family that the gate reads.
fn rows(kv: &MemoryKv, family: Family) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    kv.scan(family, KeyRange::ALL, Direction::Forward, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        std::ops::ControlFlow::Continue(())
    })
    .expect("scanning");
    rows
}

fn put(kv: &MemoryKv, family: Family, key: &[u8], value: &[u8]) {
    let mut batch = Batch::default();
    batch.put(family, key, value);
    kv.write(&batch).expect("writing");
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Every head that differs in one bit.
fn heads_beside(head: TreeHead) -> impl Iterator<Item = TreeHead> {
    let sizes = (0..64).map(move |bit| TreeHead {
        size: TreeSize::new(head.size.get() ^ (1 << bit)),
        root: head.root,
    });
    let roots = (0..256).map(move |bit| {
        let root = flipped(head.root.as_bytes(), bit);
        TreeHead { size: head.size, root: Hash::from_slice(&root).expect("32 bytes") }
    });
    sizes.chain(roots)
}

fn signed(head: TreeHead) -> SignedCheckpoint {
    let signer = Ed25519Signer::new(ORIGIN.parse::<KeyName>().expect("a name"), [1; 32]);
    let text = Checkpoint::new(origin(), head).to_text();
    let note = Note::new(text.clone(), vec![signer.sign(&text)]).expect("a note");
    SignedCheckpoint::open(note, &[signer.verifier_key()]).expect("our own signature")
}

#[test]
fn no_flipped_bit_of_a_new_entry_or_of_a_tile_it_touches_gets_through() {
    let kv = MemoryKv::new();
    let (store, first, second) = grown(&kv, 250, 262);
    guard(&store, first, second).expect("nothing is flipped yet");
    let new: Vec<_> = rows(&kv, Family::Entries).into_iter().skip(250).collect();
    let mut tried = 0;
    for (family, rows) in [(Family::Entries, new), (Family::Tiles, rows(&kv, Family::Tiles))] {
        for (key, value) in rows {
            // Bits of hashes far to the left are read only where the proof or the edge needs them.
            let bits =
                if family == Family::Entries { 0 } else { value.len().saturating_sub(64) * 8 };
            for bit in bits..value.len() * 8 {
                put(&kv, family, &key, &flipped(&value, bit));
                assert!(guard(&store, first, second).is_err(), "{family} {key:?}, bit {bit}");
                tried += 1;
            }
            put(&kv, family, &key, &value);
        }
    }
    guard(&store, first, second).expect("everything was put back");
    assert!(tried > 2_000, "only {tried} bits were flipped");
}

#[test]
fn no_head_that_differs_in_a_bit_gets_through_or_out() {
    let kv = MemoryKv::new();
    let (store, first, second) = grown(&kv, 5, 9);
    confirm(&store, second, &signed(second)).expect("what passed and what was signed");
    for beside in heads_beside(second) {
        assert!(guard(&store, first, beside).is_err(), "to {beside:?}");
        assert!(confirm(&store, second, &signed(beside)).is_err(), "signed {beside:?}");
        assert!(confirm(&store, beside, &signed(second)).is_err(), "anchored {beside:?}");
        // Even when anchor and signature agree with one another.
        assert!(confirm(&store, beside, &signed(beside)).is_err(), "both {beside:?}");
    }
    for beside in heads_beside(first) {
        assert!(guard(&store, beside, second).is_err(), "from {beside:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn exactly_the_heads_of_the_stored_tree_get_through(
        first in 0..600_u64,
        more in 0..600_u64,
        wrong in any::<[u8; 32]>(),
    ) {
        let kv = MemoryKv::new();
        let (store, from, to) = grown(&kv, first, first + more);
        let guarded = guard(&store, from, to).expect("it is the tree");
        prop_assert_eq!(guarded.into_parts(), (from, to));
        let other = TreeHead { root: Hash::new(wrong), ..to };
        prop_assert!(guard(&store, from, other).is_err());
        if from.size < to.size {
            prop_assert!(guard(&store, to, from).is_err(), "backwards");
        }
        if from.size > TreeSize::ZERO {
            let other = TreeHead { root: Hash::new(wrong), ..from };
            prop_assert!(guard(&store, other, to).is_err());
        }
    }
}
