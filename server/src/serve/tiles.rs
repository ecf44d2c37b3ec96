//! The tiled log: checkpoint, hash tiles and entry bundles, as other tools of the field read them.
//!
//! Spec: c2sp.org/tlog-tiles.

use std::io::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tlog::{BundleCoord, TileCoord, TilePath, TileReader as _, TreeSize};

use super::app::App;
use super::error::ApiError;
use super::respond::{Caching, bytes};

const NO_TILE: ApiError = ApiError::NotFound("no such tile is published");

/// `GET /checkpoint`
pub(super) async fn checkpoint(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let published = app
        .latest
        .current()
        .ok_or(ApiError::NotFound("nothing is published yet: no head has its witness quorum"))?;
    let note = published.note().clone();
    Ok(bytes(StatusCode::OK, "text/plain; charset=utf-8", Caching::NoStore, note))
}

/// `GET /tile/…`: one hash tile or one bundle of entries, of any width up to what is published.
pub(super) async fn tile(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let size = app.latest.current().ok_or(NO_TILE)?.size();
    match TilePath::parse(&format!("tile/{path}")).map_err(|_| NO_TILE)? {
        TilePath::Hash(coord) => hash_tile(&app, coord, size),
        TilePath::Entries(coord) => bundle(&app, coord, size, &headers),
    }
}

fn hash_tile(app: &App, coord: TileCoord, size: TreeSize) -> Result<Response, ApiError> {
    if !is_covered(coord.level(), coord.index(), coord.width(), size) {
        return Err(NO_TILE);
    }
    let tile = app.core.store.read_tile(coord).map_err(|it| ApiError::internal(&it))?;
    let body = Bytes::from(tile.to_bytes());
    Ok(bytes(StatusCode::OK, "application/octet-stream", Caching::Immutable, body))
}

fn bundle(
    app: &App,
    coord: BundleCoord,
    size: TreeSize,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    if !is_covered(0, coord.index(), coord.width(), size) {
        return Err(NO_TILE);
    }
    let body = app.core.store.bundle(coord).map_err(|it| ApiError::internal(&it))?;
    let accepts_gzip = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|it| it.to_str().ok())
        .is_some_and(|it| it.split(',').any(|one| one.trim().starts_with("gzip")));
    let body = if accepts_gzip { gzip(&body)? } else { body };
    let mut response =
        bytes(StatusCode::OK, "application/octet-stream", Caching::Immutable, body.into());
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if accepts_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// Whether a tree of `size` has that many hashes in that tile.
fn is_covered(level: u8, index: u64, width: u16, size: TreeSize) -> bool {
    // One hash of level l stands for 256^l leaves.
    let hashes = size.get().checked_shr(8 * u32::from(level)).unwrap_or(0);
    index
        .checked_mul(256)
        .and_then(|start| start.checked_add(u64::from(width)))
        .is_some_and(|end| end <= hashes)
}

fn gzip(body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).map_err(|it| ApiError::internal(&it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_covered_up_to_its_width_and_no_further() {
        let size = TreeSize::new(70_000);
        assert!(is_covered(0, 273, 112, size));
        assert!(!is_covered(0, 273, 113, size));
        assert!(is_covered(1, 1, 17, size));
        assert!(!is_covered(1, 1, 18, size));
        assert!(is_covered(2, 0, 1, size));
        assert!(!is_covered(3, 0, 1, size));
        assert!(!is_covered(63, 0, 1, size));
        assert!(!is_covered(0, u64::MAX, 256, size));
    }
}
