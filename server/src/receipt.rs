//! Proof files and receipt files, made from the store.
//!
//! A receipt file is several proofs in a row under one head: the entry's, those of the entries
//! that registered the keys behind its signatures, as far back as it takes, and that of entry 0,
//! where the log's own rules begin. Whoever holds it can follow the signature back without asking anybody.

use std::collections::BTreeSet;
use std::error::Error;

use store::{Kv, Store};
use tlog::{LeafIndex, Note, TlogProof, TreeSize};

use crate::published::Published;
use crate::state::CommittedState;

type Failure = Box<dyn Error + Send + Sync + 'static>;

/// The proof of one entry under a head of `size` entries, with the entry in it.
///
/// # Errors
/// When the store cannot be read.
pub fn proof_under<K: Kv>(
    store: &Store<K>,
    index: LeafIndex,
    size: TreeSize,
    note: &Note,
) -> Result<TlogProof, Failure> {
    let entry = store.entry(index)?.ok_or("an entry under the published head is missing")?;
    let path = tlog::prove_inclusion(index, size, store)?;
    Ok(TlogProof { extra: Some(entry), index, path, note: note.clone() })
}

/// The receipt file of one entry.
///
/// # Errors
/// When the store cannot be read.
pub fn receipt<K: Kv>(
    store: &Store<K>,
    index: LeafIndex,
    published: &Published,
) -> Result<String, Failure> {
    let behind = registrations(store, index)?;
    let mut text = String::new();
    for one in std::iter::once(index).chain(behind) {
        // A key that signed a published entry was registered before it, so it is published too.
        let note = published.checkpoint().note();
        text.push_str(&proof_under(store, one, published.size(), note)?.encode());
    }
    Ok(text)
}

/// Entry 0, and the entries that registered the keys which signed an entry, and those behind the
/// keys that signed these, back to the governance that entry 0 names. Without the entry itself.
fn registrations<K: Kv>(
    store: &Store<K>,
    index: LeafIndex,
) -> Result<BTreeSet<LeafIndex>, Failure> {
    let state = CommittedState(store);
    let mut found = BTreeSet::from([LeafIndex::new(0), index]);
    let mut to_follow = vec![index];
    while let Some(next) = to_follow.pop() {
        let bytes = store.entry(next)?.ok_or("an entry under the published head is missing")?;
        let entry = records::Entry::parse(&bytes)?;
        for signature in entry.signatures() {
            let Some(key) = records::state::key(&state, signature.kid())? else {
                continue;
            };
            // A key that signs its own registration leads nowhere new.
            let registered = LeafIndex::new(key.added.get());
            if found.insert(registered) {
                to_follow.push(registered);
            }
        }
        if found.len() > REGISTRATIONS_MAX {
            return Err("the keys behind the entry form a chain longer than a receipt holds".into());
        }
    }
    found.remove(&index);
    Ok(found)
}

/// Registrations in one receipt, at most: each key that adds the next one lengthens the chain.
pub const REGISTRATIONS_MAX: usize = 256;
