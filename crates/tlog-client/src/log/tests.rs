use testlog::{Reply, Server};
use tlog::{BundleCoord, TileCoord};

use super::*;
use crate::answer::LineStatus;

fn client(server: &Server) -> LogClient {
    LogClient::new(&server.url, &HttpSettings::default()).unwrap()
}

#[tokio::test]
async fn a_partial_tile_that_was_dropped_is_cut_from_the_full_one() {
    let server = Server::start(|request| match request.path.as_str() {
        "tile/0/000" => Reply::new(200, (0..=255).flat_map(|n| [n; 32]).collect::<Vec<u8>>()),
        "tile/entries/000" => Reply::new(200, [0, 1, b'x'].repeat(256)),
        _ => Reply::new(404, ""),
    })
    .await;
    let tile = client(&server).into_files().tile(TileCoord::new(0, 0, 3).unwrap()).await.unwrap();
    assert_eq!(tile.hashes(), [Hash::new([0; 32]), Hash::new([1; 32]), Hash::new([2; 32])]);
    let entries =
        client(&server).into_files().bundle(BundleCoord::new(0, 2).unwrap()).await.unwrap();
    assert_eq!(entries, ["x", "x"]);
    assert_eq!(server.requests()[..2], ["GET /tile/0/000.p/3", "GET /tile/0/000"]);
}

#[tokio::test]
async fn a_tile_that_is_too_short_or_no_tile_is_refused() {
    let server = Server::script([
        Reply::new(200, [1; 64]),
        Reply::new(200, [1; 33]),
        Reply::new(200, [0, 9, 1]),
    ])
    .await;
    let coord = TileCoord::new(0, 0, 3).unwrap();
    assert!(matches!(
        client(&server).into_files().tile(coord).await,
        Err(ClientError::TooShort { .. })
    ));
    assert!(matches!(
        client(&server).into_files().tile(coord).await,
        Err(ClientError::Tile { .. })
    ));
    let bundle = client(&server).into_files().bundle(BundleCoord::new(0, 1).unwrap()).await;
    assert!(matches!(bundle, Err(ClientError::Bundle { .. })));
}

#[tokio::test]
async fn a_batch_is_sent_as_lines_and_answered_line_by_line() {
    let answers = concat!(
        r#"{"line":0,"status":"published","index":5,"leaf_hash":"aa","duplicate":true}"#,
        "\n",
        r#"{"line":1,"status":"refused","rule":"E06","pointer":"/record/data","detail":"no"}"#,
        "\n"
    );
    let server = Server::script([Reply::new(200, answers), Reply::new(200, "")]).await;
    let batch = [Bytes::from_static(b"{1}"), Bytes::from_static(b"{2}")];
    let lines = client(&server).submit_batch(&batch, Wait::Published).await.unwrap();
    assert_eq!((lines[0].status, lines[0].duplicate), (LineStatus::Published, true));
    assert_eq!(lines[1].rule.as_deref(), Some("E06"));
    let sent = server.seen().remove(0);
    assert_eq!(sent.line(), "POST /v1/records?wait=published");
    assert_eq!(sent.body, b"{1}\n{2}\n");
    let short = client(&server).submit_batch(&batch, Wait::Published).await;
    assert!(matches!(short, Err(ClientError::LineCount { sent: 2, got: 0 })));
}

#[tokio::test]
async fn an_absent_object_is_none_and_other_json_is_an_error() {
    let server = Server::script([
        Reply::new(404, r#"{"title":"no such object"}"#),
        Reply::new(200, "[1]"),
        Reply::new(200, "<html>"),
    ])
    .await;
    assert_eq!(client(&server).object("a/b").await.unwrap(), None);
    assert!(matches!(client(&server).info().await, Err(ClientError::Json { .. })));
    assert!(matches!(client(&server).checkpoint().await, Err(ClientError::Note { .. })));
}
