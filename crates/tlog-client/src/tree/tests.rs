use testlog::{Reply, Server, Tree};
use tlog::TreeSize;

use super::*;
use crate::settings::HttpSettings;

/// A tree of `count` entries.
fn tree_of(count: u64) -> Tree {
    Tree::of((0..count).map(|index| format!("entry {index}").into_bytes()))
}

async fn serve(tree: &Tree) -> (Server, TreeView) {
    let (head, tree) = (tree.head(), tree.clone());
    let server = Server::start(move |request| {
        tree.served(&request.path).map_or_else(|| Reply::new(404, ""), |body| Reply::new(200, body))
    })
    .await;
    let client = LogClient::new(&server.url, &HttpSettings::default()).unwrap();
    (server, TreeView::new(client, head))
}

fn indices(of: impl IntoIterator<Item = u64>) -> BTreeSet<LeafIndex> {
    of.into_iter().map(LeafIndex::new).collect()
}

#[tokio::test]
async fn proves_entries_with_about_one_request_per_bundle_and_tile() {
    let tree = tree_of(1000);
    let (server, view) = serve(&tree).await;
    let proven = view.entries(&indices(100..900)).await.unwrap();
    assert_eq!(proven.len(), 800);
    for (index, entry) in &proven {
        assert_eq!(entry.bytes, format!("entry {index}"));
        verify_inclusion(&entry.leaf_hash, *index, &tree.head(), &entry.path).unwrap();
    }
    // Four bundles, four tiles of level 0, one of level 1.
    assert_eq!(server.requests().len(), 9);
}

#[tokio::test]
async fn an_entry_that_does_not_lead_to_the_root_is_never_returned() {
    let mut forged = tree_of(300);
    forged.entries_mut()[7] = b"entry seven".to_vec();
    let (_server, view) = serve(&forged).await;
    let refused = view.entries(&indices([7])).await;
    assert!(matches!(refused, Err(TreeError::NotProven { index }) if index.get() == 7));
    assert!(view.entries(&indices([8, 299])).await.is_ok());
    let scanned = view.scan(|_, _| ()).await;
    assert!(matches!(scanned, Err(TreeError::OtherRoot { .. })));
}

#[tokio::test]
async fn a_scan_visits_every_entry_in_order_and_proves_them_all() {
    for count in [0, 1, 256, 700] {
        let tree = tree_of(count);
        let (_server, view) = serve(&tree).await;
        let mut seen = Vec::new();
        view.scan(|index, entry| {
            assert_eq!(index.get(), u64::try_from(seen.len()).unwrap());
            seen.push(entry.to_vec());
        })
        .await
        .unwrap();
        assert_eq!(seen, tree.entries());
    }
}

#[tokio::test]
async fn what_is_not_in_the_tree_is_said_before_anything_is_fetched() {
    let (server, view) = serve(&tree_of(3)).await;
    let refused = view.entries(&indices([3])).await;
    assert!(
        matches!(refused, Err(TreeError::OutsideTree { size, .. }) if size == TreeSize::new(3))
    );
    assert!(server.requests().is_empty());
}
