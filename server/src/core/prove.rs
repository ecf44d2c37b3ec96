//! Proofs, verified before anybody sees them.
//!
//! They are made from tiles, and tiles lie on a disk, where bits flip. A proof that does not hold
//! would be believed by nobody: readers would take the log for a liar, and the log an honest witness.
//! So each is held against a head that this log signed or published, with the public verifier.

use std::error::Error;

use store::{Kv, Store};
use tlog::{Hash, LeafIndex, ProofError, TreeHead, TreeSize};

use crate::core::mode::ModeSwitch;

/// Why there is no proof.
pub type Failure = Box<dyn Error + Send + Sync + 'static>;

/// What is stored does not lead to a root that this log signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} cannot be proven: an entry, a tile or a lookup is damaged; `audit` names the place"
)]
pub struct Damaged {
    what: String,
    source: ProofError,
}

/// Logs why there is no proof. Where it is damage, the process judges and signs nothing more: what it
/// would prove to others, it could not believe itself.
pub fn report(failure: &Failure, mode: &ModeSwitch) {
    let words = service::error_chain(failure.as_ref());
    if failure.is::<Damaged>() {
        mode.read_only(words);
    } else {
        tracing::error!(error = words, "making a proof");
    }
}

/// That a leaf is in the tree of a head of this log.
///
/// # Errors
/// [`Damaged`], or what kept the store from being read.
pub fn inclusion<K: Kv>(
    store: &Store<K>,
    index: LeafIndex,
    leaf: &Hash,
    head: &TreeHead,
) -> Result<Vec<Hash>, Failure> {
    let path = tlog::prove_inclusion(index, head.size, store)?;
    tlog::verify_inclusion(leaf, index, head, &path).map_err(|source| Damaged {
        what: format!("that entry {index} is in the tree of {} entries", head.size),
        source,
    })?;
    Ok(path)
}

/// That the tree of `to` entries extends that of `from`. Both lie within `known`, a head of this log.
pub fn consistency<K: Kv>(
    store: &Store<K>,
    from: TreeSize,
    to: TreeSize,
    known: &TreeHead,
) -> Result<Vec<Hash>, Failure> {
    extension(store, from, &head_at(store, to, known)?).map(|(_, proof)| proof)
}

/// The head of this log at a size within `known`, which proves that it is.
pub fn head_at<K: Kv>(
    store: &Store<K>,
    size: TreeSize,
    known: &TreeHead,
) -> Result<TreeHead, Failure> {
    extension(store, size, known).map(|(head, _)| head)
}

/// The head at `from`, and the proof that `to` extends it. `to` is known to be right, so a proof that
/// leads from another root to it cannot be made.
fn extension<K: Kv>(
    store: &Store<K>,
    from: TreeSize,
    to: &TreeHead,
) -> Result<(TreeHead, Vec<Hash>), Failure> {
    if from == to.size {
        return Ok((*to, Vec::new()));
    }
    let head = TreeHead { size: from, root: tlog::root_from_tiles(from, store)? };
    let proof = tlog::prove_consistency(from, to.size, store)?;
    tlog::verify_consistency(&head, to, &proof).map_err(|source| Damaged {
        what: format!("that the tree of {} entries extends that of {from}", to.size),
        source,
    })?;
    Ok((head, proof))
}

#[cfg(test)]
mod tests {
    use store::{Batch, Family, MemoryKv};

    use super::*;
    use crate::fixtures::grown;

    const ORIGIN: &str = "log.example/spending";

    fn size(number: u64) -> TreeSize {
        TreeSize::new(number)
    }

    #[test]
    fn what_is_whole_is_proven() {
        let (_, store) = grown(ORIGIN, 300);
        let known = store.head();
        for (from, to) in [(0, 0), (0, 300), (1, 2), (7, 255), (256, 300), (300, 300)] {
            let (earlier, later) =
                (head_at(&store, size(from), &known), head_at(&store, size(to), &known));
            let proof = consistency(&store, size(from), size(to), &known).expect("a proof");
            let heads = (earlier.expect("a head"), later.expect("a head"));
            tlog::verify_consistency(&heads.0, &heads.1, &proof).expect("it holds");
        }
        for index in [0, 255, 299] {
            let leaf = tlog::leaf_hash(&u64::to_be_bytes(index));
            inclusion(&store, LeafIndex::new(index), &leaf, &known).expect("a proof");
        }
    }

    #[test]
    fn no_flipped_bit_of_a_tile_gets_into_a_proof() {
        let (kv, store) = grown(ORIGIN, 300);
        let known = store.head();
        let mut rows = Vec::new();
        kv.scan(Family::Tiles, store::KeyRange::ALL, store::Direction::Forward, &mut |key, row| {
            rows.push((key.to_vec(), row.to_vec()));
            std::ops::ControlFlow::Continue(())
        })
        .expect("memory");
        let leaf = tlog::leaf_hash(&u64::to_be_bytes(3));
        let all = |store| {
            let path = inclusion(store, LeafIndex::new(3), &leaf, &known);
            let proof = consistency(store, size(9), size(299), &known);
            [path, proof]
        };
        let whole = all(&store).map(|it| it.expect("a proof"));
        let mut damaged = 0;
        for (key, row) in rows {
            for byte in (0..row.len()).step_by(16) {
                let mut flipped = row.clone();
                flipped[byte] ^= 1;
                write(&kv, &key, &flipped);
                for (found, whole) in all(&store).into_iter().zip(&whole) {
                    match found {
                        Ok(found) => assert_eq!(found, *whole, "byte {byte} of a tile"),
                        Err(failure) => damaged += u32::from(failure.is::<Damaged>()),
                    }
                }
            }
            write(&kv, &key, &row);
        }
        assert!(damaged > 10, "{damaged}");
    }

    fn write(kv: &MemoryKv, key: &[u8], row: &[u8]) {
        let mut batch = Batch::default();
        batch.put(Family::Tiles, key, row);
        kv.write(&batch).expect("memory");
    }
}
