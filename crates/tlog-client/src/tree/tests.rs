use std::sync::Arc;

use tlog::{TilePath, TileReader, TreeSize, encode_bundle};

use super::*;
use crate::fake_server::{FakeServer, Reply};
use crate::settings::HttpSettings;

/// A log of `count` entries, and what it serves.
struct FakeLog {
    entries: Vec<Vec<u8>>,
    tiles: TileMap,
    head: TreeHead,
}

impl FakeLog {
    fn new(count: usize) -> Self {
        let entries: Vec<Vec<u8>> = (0..count).map(|n| format!("entry {n}").into_bytes()).collect();
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let integration = Frontier::empty().integrate(&leaves);
        let mut tiles = TileMap::new();
        for changed in integration.tiles() {
            let width = changed.tile.width();
            let coord = TileCoord::new(changed.level, changed.index, width).unwrap();
            tiles.insert(coord, changed.tile.clone());
        }
        Self { entries, tiles, head: integration.head() }
    }

    fn answer(&self, path: &str) -> Reply {
        match TilePath::parse(path).unwrap() {
            TilePath::Hash(coord) => {
                Reply::new(200, self.tiles.read_tile(coord).unwrap().to_bytes())
            }
            TilePath::Entries(coord) => {
                let first = usize::try_from(coord.first_index().get()).unwrap();
                let range = &self.entries[first..first + usize::from(coord.width())];
                Reply::new(200, encode_bundle(range.iter().map(Vec::as_slice)).unwrap())
            }
        }
    }
}

async fn serve(log: &Arc<FakeLog>, head: TreeHead) -> (FakeServer, TreeView) {
    let serving = Arc::clone(log);
    let server = FakeServer::start(move |path| serving.answer(path)).await;
    let client = LogClient::new(&server.url, &HttpSettings::default()).unwrap();
    (server, TreeView::new(client, head))
}

fn indices(of: impl IntoIterator<Item = u64>) -> BTreeSet<LeafIndex> {
    of.into_iter().map(LeafIndex::new).collect()
}

#[tokio::test]
async fn proves_entries_with_about_one_request_per_bundle_and_tile() {
    let log = Arc::new(FakeLog::new(1000));
    let (server, view) = serve(&log, log.head).await;
    let proven = view.entries(&indices(100..900)).await.unwrap();
    assert_eq!(proven.len(), 800);
    for (index, entry) in &proven {
        assert_eq!(entry.bytes, format!("entry {index}"));
        verify_inclusion(&entry.leaf_hash, *index, &log.head, &entry.path).unwrap();
    }
    // Four bundles, four tiles of level 0, one of level 1.
    assert_eq!(server.requests().len(), 9);
}

#[tokio::test]
async fn an_entry_that_does_not_lead_to_the_root_is_never_returned() {
    let mut forged = FakeLog::new(300);
    let head = forged.head;
    forged.entries[7] = b"entry seven".to_vec();
    let log = Arc::new(forged);
    let (_server, view) = serve(&log, head).await;
    let refused = view.entries(&indices([7])).await;
    assert!(matches!(refused, Err(TreeError::NotProven { index }) if index.get() == 7));
    assert!(view.entries(&indices([8, 299])).await.is_ok());
    let scanned = view.scan(|_, _| ()).await;
    assert!(matches!(scanned, Err(TreeError::OtherRoot { .. })));
}

#[tokio::test]
async fn a_scan_visits_every_entry_in_order_and_proves_them_all() {
    for count in [0, 1, 256, 700] {
        let log = Arc::new(FakeLog::new(count));
        let (_server, view) = serve(&log, log.head).await;
        let mut seen = Vec::new();
        view.scan(|index, entry| {
            assert_eq!(index.get(), u64::try_from(seen.len()).unwrap());
            seen.push(entry.to_vec());
        })
        .await
        .unwrap();
        assert_eq!(seen, log.entries);
    }
}

#[tokio::test]
async fn what_is_not_in_the_tree_is_said_before_anything_is_fetched() {
    let log = Arc::new(FakeLog::new(3));
    let (server, view) = serve(&log, log.head).await;
    let refused = view.entries(&indices([3])).await;
    assert!(
        matches!(refused, Err(TreeError::OutsideTree { size, .. }) if size == TreeSize::new(3))
    );
    assert!(server.requests().is_empty());
}
