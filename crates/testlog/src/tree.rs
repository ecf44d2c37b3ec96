//! Entries, their tiles and every head on the way.

use tlog::{
    Frontier, Hash, LeafIndex, TileMap, TilePath, TileReader, TreeHead, TreeSize, encode_bundle,
    leaf_hash, prove_consistency, prove_inclusion,
};

/// A tree that remembers all heads it ever had.
#[derive(Clone, Debug)]
pub struct Tree {
    entries: Vec<Vec<u8>>,
    frontier: Frontier,
    heads: Vec<TreeHead>,
    tiles: TileMap,
}

impl Tree {
    pub fn of(entries: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let frontier = Frontier::empty();
        let heads = vec![frontier.head()];
        let mut tree = Self { entries: Vec::new(), frontier, heads, tiles: TileMap::new() };
        entries.into_iter().for_each(|entry| tree.append(&entry));
        tree
    }

    pub fn append(&mut self, entry: &[u8]) {
        let integration = self.frontier.integrate(&[leaf_hash(entry)]);
        integration.tiles().iter().for_each(|changed| self.tiles.insert_changed(changed));
        self.frontier = integration.into_frontier();
        self.heads.push(self.frontier.head());
        self.entries.push(entry.to_vec());
    }

    /// All entries. Changing one does not change the tree: what is served then is not proven.
    pub fn entries_mut(&mut self) -> &mut [Vec<u8>] {
        &mut self.entries
    }

    pub fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }

    pub fn entry(&self, index: u64) -> &[u8] {
        &self.entries[usize::try_from(index).unwrap()]
    }

    /// How many entries there are.
    pub fn size(&self) -> u64 {
        self.frontier.size().get()
    }

    pub fn head_at(&self, size: u64) -> TreeHead {
        self.heads[usize::try_from(size).unwrap()]
    }

    pub fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// The proof that the tree of the smaller size is in that of the larger one.
    pub fn consistency(&self, from: u64, to: u64) -> Vec<Hash> {
        prove_consistency(TreeSize::new(from), TreeSize::new(to), &self.tiles).unwrap()
    }

    /// The proof that an entry is in the tree of this size; nothing when it is not.
    pub fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        let (index, size) = (LeafIndex::new(index), TreeSize::new(size));
        prove_inclusion(index, size, &self.tiles).unwrap_or_default()
    }

    /// What a log serves under the path of a tile or bundle; `None` when there is no such thing.
    pub fn served(&self, path: &str) -> Option<Vec<u8>> {
        match TilePath::parse(path).ok()? {
            TilePath::Hash(coord) => self.tiles.read_tile(coord).ok().map(|tile| tile.to_bytes()),
            TilePath::Entries(coord) => {
                let first = usize::try_from(coord.first_index().get()).unwrap();
                let entries = self.entries.get(first..first + usize::from(coord.width()))?;
                encode_bundle(entries.iter().map(Vec::as_slice)).ok()
            }
        }
    }
}
