//! A copy of the log somewhere else: a server that serves it, or a folder with the same paths.
//!
//! Nothing that comes from here is believed. Tiles are only used in proofs that the public verifier
//! checks, and entries are hashed.
//!
//! Spec: c2sp.org/tlog-tiles.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tlog::{BundleCoord, LeafIndex, Note, Tile, TileCoord, TileReader, TreeSize};
use tlog_client::{ClientError, HttpClient, HttpSettings, LogFiles, LogUrl};
use tokio::runtime::Runtime;

/// Requests in flight at once.
const REQUESTS_MAX: usize = 8;

/// Where the log can be read, and what waits for the answers.
#[derive(Debug)]
pub(crate) struct Mirror {
    files: LogFiles,
    runtime: Runtime,
    /// The tiles that proofs asked for last.
    tiles: RefCell<BTreeMap<TileCoord, Tile>>,
}

impl Mirror {
    /// A mirror at a URL, or in a folder.
    pub(crate) fn open(from: &str, settings: &HttpSettings) -> anyhow::Result<Self> {
        let files = if from.starts_with("http://") || from.starts_with("https://") {
            LogFiles::Server(Box::new(HttpClient::new(LogUrl::parse(from)?, settings)?))
        } else {
            LogFiles::Folder(PathBuf::from(from))
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("starting the runtime")?;
        Ok(Self { files, runtime, tiles: RefCell::default() })
    }

    /// The newest checkpoint that the mirror has.
    pub(crate) fn checkpoint(&self) -> Result<Note, ClientError> {
        self.runtime.block_on(self.files.checkpoint())
    }

    /// The entries of a range, unverified, of a tree of this size.
    pub(crate) fn entries(
        &self,
        range: Range<LeafIndex>,
        size: TreeSize,
    ) -> Result<Vec<Vec<u8>>, ClientError> {
        let mut coords = Vec::new();
        let mut next = range.start;
        while next < range.end {
            let Some(coord) = BundleCoord::of_entry(next, size) else {
                break;
            };
            coords.push(coord);
            next = LeafIndex::new(coord.first_index().get() + u64::from(coord.width()));
        }
        let fetches = stream::iter(&coords).map(|coord| self.files.bundle(*coord));
        let bundles = self.all(fetches.buffered(REQUESTS_MAX))?;
        let mut entries = Vec::new();
        for (coord, bundle) in coords.iter().zip(bundles) {
            for (index, entry) in (coord.first_index().get()..).zip(bundle) {
                if (range.start.get()..range.end.get()).contains(&index) {
                    entries.push(entry.to_vec());
                }
            }
        }
        Ok(entries)
    }

    /// What `/v1/records/{index}` says of each index; `None` from a mirror that has no such thing.
    pub(crate) fn records(&self, indices: &[LeafIndex]) -> Result<Vec<Option<Bytes>>, ClientError> {
        let paths: Vec<String> = indices.iter().map(|it| format!("v1/records/{it}")).collect();
        let fetches = stream::iter(&paths).map(|path| self.files.find(path, RECORD_BYTES_MAX));
        self.all(fetches.buffered(REQUESTS_MAX))
    }

    fn all<T>(
        &self,
        fetched: impl Stream<Item = Result<T, ClientError>>,
    ) -> Result<Vec<T>, ClientError> {
        self.runtime.block_on(fetched.try_collect())
    }
}

impl TileReader for Mirror {
    type Error = ClientError;

    fn read_tile(&self, coord: TileCoord) -> Result<Tile, ClientError> {
        if let Some(tile) = self.tiles.borrow().get(&coord) {
            return Ok(tile.clone());
        }
        let tile = self.runtime.block_on(self.files.tile(coord))?;
        let mut tiles = self.tiles.borrow_mut();
        // The right edge is asked for again and again, everything else once.
        if tiles.len() >= TILES_KEPT_MAX {
            tiles.clear();
        }
        tiles.insert(coord, tile.clone());
        Ok(tile)
    }
}

/// An entry and its disclosures as JSON: a submission with both is at most 64 KiB.
const RECORD_BYTES_MAX: usize = 512 * 1024;
const TILES_KEPT_MAX: usize = 1024;

#[cfg(test)]
mod tests;
