//! Tiles and bundles, verified against one tree head.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tlog::{
    BundleCoord, Frontier, Hash, LeafIndex, TileCoord, TileMap, TreeHead, bundles_of_size,
    leaf_hash, prove_inclusion, tiles_for_inclusion, verify_inclusion,
};

use crate::error::TreeError;
use crate::files::LogFiles;
use crate::log::LogClient;

/// Requests in flight at once.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 16;

/// The log as of one tree head. Whether that head deserves belief is the caller's question:
/// make it from a checkpoint that a policy accepted.
#[derive(Debug, Clone)]
pub struct TreeView {
    files: LogFiles,
    head: TreeHead,
}

/// An entry that was proven to be in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenEntry {
    /// The stored bytes.
    pub bytes: Bytes,
    /// Its leaf hash.
    pub leaf_hash: Hash,
    /// Its inclusion proof, leaf's sibling first.
    pub path: Vec<Hash>,
}

impl TreeView {
    /// A view of the log under `head`.
    pub fn new(client: LogClient, head: TreeHead) -> Self {
        Self { files: client.into_files(), head }
    }

    /// The tree head everything is checked against.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// Fetches entries and proves each: about one request per 256 neighbouring entries and as
    /// many tiles.
    ///
    /// # Errors
    /// [`TreeError::NotProven`] if the log serves anything that does not lead to the root.
    pub async fn entries(
        &self,
        indices: &BTreeSet<LeafIndex>,
    ) -> Result<BTreeMap<LeafIndex, ProvenEntry>, TreeError> {
        let mut tile_coords = BTreeSet::new();
        let mut bundle_coords = BTreeSet::new();
        for &index in indices {
            if !index.is_within(self.head.size) {
                return Err(TreeError::OutsideTree { index, size: self.head.size });
            }
            let needed = tiles_for_inclusion(index, self.head.size)
                .map_err(|source| TreeError::Prove { index, source: Box::new(source) })?;
            tile_coords.extend(needed);
            bundle_coords.extend(BundleCoord::of_entry(index, self.head.size));
        }
        let tiles = self.tiles(tile_coords).await?;
        let bundles = self.bundles(bundle_coords, indices).await?;
        let mut proven = BTreeMap::new();
        for &index in indices {
            let bytes = bundles.get(&index).ok_or(TreeError::NotProven { index })?;
            proven.insert(index, self.prove(index, bytes.clone(), &tiles)?);
        }
        Ok(proven)
    }

    /// Reads every entry in order and at the end compares the root: what `visit` was given is
    /// proven only once this returned `Ok`.
    ///
    /// # Errors
    /// [`TreeError::OtherRoot`] if the entries do not hash to the head.
    pub async fn scan(&self, mut visit: impl FnMut(LeafIndex, &[u8])) -> Result<(), TreeError> {
        let mut fetched = stream::iter(bundles_of_size(self.head.size))
            .map(async |coord| (coord, self.files.bundle(coord).await))
            .buffered(REQUESTS_IN_FLIGHT_MAX);
        let mut frontier = Frontier::empty();
        while let Some((coord, entries)) = fetched.next().await {
            let entries = entries?;
            let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
            frontier = frontier.integrate(&leaves).into_frontier();
            for (entry, index) in entries.iter().zip(coord.first_index().get()..) {
                visit(LeafIndex::new(index), entry);
            }
        }
        if frontier.head() != self.head {
            return Err(TreeError::OtherRoot { size: self.head.size });
        }
        Ok(())
    }

    fn prove(
        &self,
        index: LeafIndex,
        bytes: Bytes,
        tiles: &TileMap,
    ) -> Result<ProvenEntry, TreeError> {
        let path = prove_inclusion(index, self.head.size, tiles)
            .map_err(|source| TreeError::Prove { index, source: Box::new(source) })?;
        let leaf_hash = leaf_hash(&bytes);
        // The tiles came unverified; the proof made of them is what is checked.
        verify_inclusion(&leaf_hash, index, &self.head, &path)
            .map_err(|_| TreeError::NotProven { index })?;
        Ok(ProvenEntry { bytes, leaf_hash, path })
    }

    async fn tiles(&self, coords: BTreeSet<TileCoord>) -> Result<TileMap, TreeError> {
        let mut fetched = stream::iter(coords)
            .map(async |coord| self.files.tile(coord).await.map(|tile| (coord, tile)))
            .buffer_unordered(REQUESTS_IN_FLIGHT_MAX);
        let mut tiles = TileMap::default();
        while let Some((coord, tile)) = fetched.try_next().await? {
            tiles.insert(coord, tile);
        }
        Ok(tiles)
    }

    /// Those of the entries of these bundles that are asked for, by index.
    async fn bundles(
        &self,
        coords: BTreeSet<BundleCoord>,
        indices: &BTreeSet<LeafIndex>,
    ) -> Result<BTreeMap<LeafIndex, Bytes>, TreeError> {
        let mut fetched = stream::iter(coords)
            .map(async |coord| self.files.bundle(coord).await.map(|entries| (coord, entries)))
            .buffer_unordered(REQUESTS_IN_FLIGHT_MAX);
        let mut all = BTreeMap::new();
        while let Some((coord, entries)) = fetched.try_next().await? {
            let entries = (coord.first_index().get()..).map(LeafIndex::new).zip(entries);
            let asked_for = entries.filter(|(index, _)| indices.contains(index));
            // A copy: a part would keep its whole bundle in memory.
            all.extend(asked_for.map(|(index, entry)| (index, Bytes::copy_from_slice(&entry))));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
