//! What several unit tests need.

use store::{MemoryKv, NewBatch, NewEntry, Store};
use tlog::Hash;

/// A log in memory with so many entries: entry `n` is `n`, big-endian. Nothing is cached, so what lies
/// in the database is what is read.
pub(crate) fn grown(origin: &str, size: u64) -> (MemoryKv, Store<MemoryKv>) {
    let origin = origin.parse().expect("an origin");
    let kv = MemoryKv::new();
    Store::create_on(&kv, &origin).expect("creating");
    let (store, mut writer) = Store::open_on(kv.clone(), &origin, 0).expect("opening");
    let entries: Vec<Vec<u8>> = (0..size).map(|it| it.to_be_bytes().to_vec()).collect();
    let leaves: Vec<Hash> = entries.iter().map(|it| tlog::leaf_hash(it)).collect();
    let integration = writer.frontier().integrate(&leaves);
    let entries = entries.into_iter().map(|entry| NewEntry { entry, disclosures: None });
    let batch = NewBatch { entries: entries.collect(), state: Vec::new(), integration };
    writer.commit(batch).expect("committing");
    (kv, store)
}
