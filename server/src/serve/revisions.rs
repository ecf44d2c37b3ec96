//! The revisions of an object that lie within a tree, which may be smaller than the committed one.

use records::StateError;
use store::{Kv, ReadError, Store};
use tlog::{LeafIndex, TreeSize};

use crate::core::state::CommittedState;

/// The last revision of an object that lies within a tree of `size` entries, and where it stands:
/// looked for from its committed head on back.
pub(super) fn last_within<K: Kv>(
    store: &Store<K>,
    object: &str,
    head_rev: u32,
    size: TreeSize,
) -> Result<Option<(u32, LeafIndex)>, StateError<ReadError>> {
    for rev in (0..=head_rev).rev() {
        let stored = records::state::object_revision(&CommittedState(store), object, rev)?;
        let index = stored.map(|it| LeafIndex::new(it.index.get()));
        if let Some(index) = index.filter(|it| it.is_within(size)) {
            return Ok(Some((rev, index)));
        }
    }
    Ok(None)
}
