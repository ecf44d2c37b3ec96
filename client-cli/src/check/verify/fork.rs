//! Two statements of one log that cannot both be true.
//!
//! Each proof of a file holds under a checkpoint that the log signed and the witnesses cosigned.
//! If two of them contradict each other, the file is no broken file: it is evidence.

use std::collections::BTreeMap;

use tlog::{CosignedCheckpoint, Hash, TreeSize};

use super::broken::{Broken, Link};
use super::proven::Proven;

/// What the log said in the proofs so far.
#[derive(Default)]
pub(super) struct Statements {
    log: Option<String>,
    /// Which proof named a root for a size first.
    heads: BTreeMap<TreeSize, (usize, Hash)>,
    /// Which proof showed an entry at an index first, by its leaf hash.
    leaves: BTreeMap<u64, (usize, Hash)>,
}

impl Statements {
    /// The name of the log; empty before the first proof.
    pub(super) fn log(&self) -> &str {
        self.log.as_deref().unwrap_or_default()
    }

    /// Compares a proof that holds with those before it.
    pub(super) fn take(
        &mut self,
        one: &Proven,
        checkpoint: &CosignedCheckpoint,
    ) -> Result<(), Broken> {
        let origin = checkpoint.checkpoint().origin.as_str();
        let log = self.log.get_or_insert_with(|| origin.to_owned());
        if log.as_str() != origin {
            let why = format!("the file mixes proofs of {origin} with those of another log");
            return Err(one.broken(Link::Checkpoint, why));
        }
        let head = checkpoint.head();
        let (proof, root) = *self.heads.entry(head.size).or_insert((one.proof, head.root));
        if root != head.root {
            let why = format!(
                "the log signed two different trees of {} entries: root {} in proof {proof} of \
                 the file, root {} in proof {}",
                head.size,
                root.to_base64(),
                head.root.to_base64(),
                one.proof
            );
            return Err(one.broken(Link::Fork, why));
        }
        let (proof, leaf) = *self.leaves.entry(one.index).or_insert((one.proof, one.leaf_hash));
        if leaf != one.leaf_hash {
            let why = format!(
                "the log has two different entries at index {}: leaf hash {} in proof {proof} of \
                 the file, leaf hash {} in proof {}",
                one.index,
                leaf.to_base64(),
                one.leaf_hash.to_base64(),
                one.proof
            );
            return Err(one.broken(Link::Fork, why));
        }
        Ok(())
    }
}
