//! A copy of the log somewhere else: a server that serves it, or a folder with the same paths.
//!
//! Nothing that comes from here is believed. Tiles are only used in proofs that the public verifier
//! checks, and entries are hashed.
//!
//! Spec: c2sp.org/tlog-tiles.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tlog::{
    BundleCoord, BundleError, LeafIndex, Note, NoteError, Tile, TileCoord, TileError, TilePath,
    TileReader, TreeSize, parse_bundle,
};
use tokio::runtime::Runtime;

use crate::operate::fetch::{FetchError, Fetcher};

/// Requests in flight at once.
const REQUESTS_MAX: usize = 8;

/// Where the log can be read.
#[derive(Debug)]
pub(crate) struct Mirror {
    place: Place,
    /// The tiles that proofs asked for last.
    tiles: RefCell<BTreeMap<TileCoord, Tile>>,
}

#[derive(Debug)]
enum Place {
    Url(Box<Web>),
    Folder(PathBuf),
}

/// A server, and what waits for its answers.
#[derive(Debug)]
struct Web {
    fetcher: Fetcher,
    runtime: Runtime,
}

/// Why something could not be read from a mirror.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum MirrorError {
    /// The server gave no usable answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A file could not be read.
    #[error("reading {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No thread of execution for requests.
    #[error("starting the runtime")]
    Runtime(#[source] io::Error),
    /// The mirror does not have it.
    #[error("the mirror has no {path}")]
    Missing {
        /// What.
        path: String,
    },
    /// The checkpoint is not a signed note.
    #[error("the mirror's checkpoint is no signed note")]
    Note(#[from] NoteError),
    /// A tile is not one.
    #[error("{path} is no tile of {width} hashes")]
    Tile {
        /// Which.
        path: String,
        /// The width that was expected.
        width: u16,
        /// What is wrong with it.
        #[source]
        source: Option<TileError>,
    },
    /// A bundle is not one.
    #[error("{path} is no bundle of entries")]
    Bundle {
        /// Which.
        path: String,
        /// What is wrong with it.
        #[source]
        source: BundleError,
    },
}

impl Mirror {
    /// A mirror at a URL, or in a folder.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub(crate) fn open(from: &str) -> Result<Self, MirrorError> {
        let place = if from.starts_with("http://") || from.starts_with("https://") {
            let fetcher = Fetcher::new(from, Duration::from_secs(READ_TIMEOUT_S))?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .map_err(MirrorError::Runtime)?;
            Place::Url(Box::new(Web { fetcher, runtime }))
        } else {
            Place::Folder(PathBuf::from(from))
        };
        Ok(Self { place, tiles: RefCell::default() })
    }

    /// The newest checkpoint that the mirror has.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub(crate) fn checkpoint(&self) -> Result<Note, MirrorError> {
        let path = "checkpoint".to_owned();
        let bytes = self.read(&path, tlog::NOTE_BYTES_MAX)?;
        let bytes = bytes.ok_or(MirrorError::Missing { path })?;
        Ok(Note::parse(&bytes)?)
    }

    /// The entries of a range, unverified, of a tree of this size.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub(crate) fn entries(
        &self,
        range: Range<LeafIndex>,
        size: TreeSize,
    ) -> Result<Vec<Vec<u8>>, MirrorError> {
        let mut coords = Vec::new();
        let mut next = range.start;
        while next < range.end {
            let Some(coord) = BundleCoord::of_entry(next, size) else {
                break;
            };
            coords.push(coord);
            next = LeafIndex::new(coord.first_index().get() + u64::from(coord.width()));
        }
        let mut entries = Vec::new();
        for (coord, bytes) in coords.iter().zip(self.bundles(&coords)?) {
            let malformed = |source| MirrorError::Bundle {
                path: TilePath::Entries(*coord).to_string(),
                source,
            };
            let first = coord.first_index().get();
            let bundle = parse_prefix(&bytes, coord.width()).map_err(malformed)?;
            for (index, entry) in (first..).zip(bundle) {
                if (range.start.get()..range.end.get()).contains(&index) {
                    entries.push(entry.to_vec());
                }
            }
        }
        Ok(entries)
    }

    /// What `/v1/records/{index}` says of each index; `None` from a mirror that has no such thing.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub(crate) fn records(&self, indices: &[LeafIndex]) -> Result<Vec<Option<Bytes>>, MirrorError> {
        let paths = indices.iter().map(|it| format!("v1/records/{it}")).collect();
        self.read_all(paths, RECORD_BYTES_MAX)
    }

    fn bundles(&self, coords: &[BundleCoord]) -> Result<Vec<Bytes>, MirrorError> {
        let paths = coords.iter().map(|it| TilePath::Entries(*it).to_string()).collect();
        let found = self.read_all(paths, BUNDLE_BYTES_MAX)?;
        let whole_if_missing = |(coord, bytes): (&BundleCoord, Option<Bytes>)| {
            let path = TilePath::Entries(*coord).to_string();
            match bytes {
                Some(bytes) => Ok(bytes),
                // SPEC tlog-tiles §Partial Tiles: once a tile is full, its partial ones may be gone.
                None if !coord.is_full() => {
                    let full = BundleCoord::new(coord.index(), tlog::TILE_WIDTH_MAX);
                    let full = full.map_err(|source| MirrorError::Tile {
                        path: path.clone(),
                        width: coord.width(),
                        source: Some(source),
                    })?;
                    let bytes =
                        self.read(&TilePath::Entries(full).to_string(), BUNDLE_BYTES_MAX)?;
                    bytes.ok_or(MirrorError::Missing { path })
                }
                None => Err(MirrorError::Missing { path }),
            }
        };
        coords.iter().zip(found).map(whole_if_missing).collect()
    }

    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Bytes>, MirrorError> {
        match &self.place {
            Place::Url(web) => Ok(web.runtime.block_on(web.fetcher.get(path, bytes_max))?),
            Place::Folder(folder) => read_file(&folder.join(path), bytes_max),
        }
    }

    fn read_all(
        &self,
        paths: Vec<String>,
        bytes_max: usize,
    ) -> Result<Vec<Option<Bytes>>, MirrorError> {
        match &self.place {
            Place::Url(web) => {
                let fetches = stream::iter(paths).map(|path| {
                    let fetcher = web.fetcher.clone();
                    async move { fetcher.get(&path, bytes_max).await }
                });
                let all = fetches.buffered(REQUESTS_MAX).try_collect();
                Ok(web.runtime.block_on(all)?)
            }
            Place::Folder(folder) => {
                paths.iter().map(|path| read_file(&folder.join(path), bytes_max)).collect()
            }
        }
    }

    fn fetch_tile(&self, coord: TileCoord) -> Result<Tile, MirrorError> {
        let mut path = TilePath::Hash(coord).to_string();
        let mut bytes = self.read(&path, TILE_BYTES_MAX)?;
        if bytes.is_none() && !coord.is_full() {
            path = TilePath::Hash(coord.full()).to_string();
            bytes = self.read(&path, TILE_BYTES_MAX)?;
        }
        let width = coord.width();
        let malformed = |source| MirrorError::Tile { path: path.clone(), width, source };
        let bytes = bytes.ok_or_else(|| MirrorError::Missing { path: path.clone() })?;
        let tile = Tile::from_bytes(&bytes).map_err(|source| malformed(Some(source)))?;
        tile.narrowed(width).ok_or_else(|| malformed(None))
    }
}

impl TileReader for Mirror {
    type Error = MirrorError;

    fn read_tile(&self, coord: TileCoord) -> Result<Tile, MirrorError> {
        if let Some(tile) = self.tiles.borrow().get(&coord) {
            return Ok(tile.clone());
        }
        let tile = self.fetch_tile(coord)?;
        let mut tiles = self.tiles.borrow_mut();
        // The right edge is asked for again and again, everything else once.
        if tiles.len() >= TILES_KEPT_MAX {
            tiles.clear();
        }
        tiles.insert(coord, tile.clone());
        Ok(tile)
    }
}

/// The first entries of a bundle that may hold more.
fn parse_prefix(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    match parse_bundle(bytes, width) {
        Err(BundleError::TrailingBytes { .. }) => {
            let mut all = parse_bundle(bytes, tlog::TILE_WIDTH_MAX)?;
            all.truncate(usize::from(width));
            Ok(all)
        }
        parsed => parsed,
    }
}

fn read_file(path: &Path, bytes_max: usize) -> Result<Option<Bytes>, MirrorError> {
    let failed = |source| MirrorError::File { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(failed(io::Error::other(format!("it has more than {bytes_max} bytes"))));
    }
    Ok(Some(bytes.into()))
}

const READ_TIMEOUT_S: u64 = 30;
/// 256 hashes.
const TILE_BYTES_MAX: usize = 256 * 32;
/// 256 entries of the longest kind, each after its length.
const BUNDLE_BYTES_MAX: usize = 256 * (2 + tlog::ENTRY_BYTES_MAX);
/// An entry and its disclosures as JSON: a submission with both is at most 64 KiB.
const RECORD_BYTES_MAX: usize = 512 * 1024;
const TILES_KEPT_MAX: usize = 1024;

#[cfg(test)]
mod tests;
