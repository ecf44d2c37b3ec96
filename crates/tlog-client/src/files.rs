//! The files of a log: its checkpoint, tiles and bundles, on a server or in a folder that is a copy.
//!
//! Nothing that comes from here is believed: whoever asked proves or hashes it.
//!
//! Spec: c2sp.org/tlog-tiles.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tlog::{BundleCoord, BundleError, Note, TILE_WIDTH_MAX, Tile, TileCoord, TilePath};

use crate::error::ClientError;
use crate::transport::HttpClient;

/// Bytes of a checkpoint: 64 signature lines of the longest kind fit.
pub const CHECKPOINT_BYTES_MAX: usize = 512 * 1024;
/// Bytes of a hash tile: 256 hashes.
pub const TILE_BYTES_MAX: usize = 256 * 32;
/// Bytes of an entry bundle: 256 of the longest entries with their lengths.
pub const BUNDLE_BYTES_MAX: usize = 256 * (65_535 + 2);

/// Where the files of a log lie. Cheap to clone.
#[derive(Debug, Clone)]
pub enum LogFiles {
    /// Below the URL of a server.
    Server(Box<HttpClient>),
    /// In a folder, under the same paths; reading one blocks.
    Folder(PathBuf),
}

impl LogFiles {
    /// The newest checkpoint.
    ///
    /// # Errors
    /// [`ClientError::Note`] if it is no signed note.
    pub async fn checkpoint(&self) -> Result<Note, ClientError> {
        let body = self.read("checkpoint", CHECKPOINT_BYTES_MAX).await?;
        Note::parse(&body)
            .map_err(|source| ClientError::Note { url: self.name("checkpoint"), source })
    }

    /// One hash tile, exactly as wide as its coordinate.
    ///
    /// # Errors
    /// [`ClientError::Tile`] and [`ClientError::TooShort`] if it is not a tile of that width.
    pub async fn tile(&self, coord: TileCoord) -> Result<Tile, ClientError> {
        let path = TilePath::Hash(coord).to_string();
        let full = (!coord.is_full()).then(|| TilePath::Hash(coord.full()));
        let body = self.read_or_full(&path, full, TILE_BYTES_MAX).await?;
        let (url, width) = (self.name(&path), coord.width());
        match Tile::from_bytes(&body) {
            Ok(tile) => tile.narrowed(width).ok_or(ClientError::TooShort { url, width }),
            Err(source) => Err(ClientError::Tile { url, width, source }),
        }
    }

    /// The entries of one bundle, exactly as many as its coordinate says.
    ///
    /// # Errors
    /// [`ClientError::Bundle`] if it is not a bundle of that width.
    pub async fn bundle(&self, coord: BundleCoord) -> Result<Vec<Bytes>, ClientError> {
        let path = TilePath::Entries(coord).to_string();
        let full = (!coord.is_full()).then(|| {
            let full = BundleCoord::new(coord.index(), TILE_WIDTH_MAX);
            TilePath::Entries(full.expect("another width leaves the index in its range"))
        });
        let body = self.read_or_full(&path, full, BUNDLE_BYTES_MAX).await?;
        let entries = match tlog::parse_bundle(&body, coord.width()) {
            Err(BundleError::TrailingBytes { .. }) => tlog::parse_bundle(&body, TILE_WIDTH_MAX),
            parsed => parsed,
        };
        let entries =
            entries.map_err(|source| ClientError::Bundle { url: self.name(&path), source })?;
        Ok(entries.into_iter().take(coord.width().into()).map(|e| body.slice_ref(e)).collect())
    }

    /// Any other file; `None` if it is not there.
    pub async fn find(&self, path: &str, bytes_max: usize) -> Result<Option<Bytes>, ClientError> {
        match self.read(path, bytes_max).await {
            Err(ClientError::NotFound { .. } | ClientError::Absent { .. }) => Ok(None),
            read => read.map(Some),
        }
    }

    // SPEC tlog-tiles §Partial Tiles: once a tile is full, its partial ones may be gone.
    async fn read_or_full(
        &self,
        path: &str,
        full: Option<TilePath>,
        bytes_max: usize,
    ) -> Result<Bytes, ClientError> {
        match (self.read(path, bytes_max).await, full) {
            (Err(ClientError::NotFound { .. } | ClientError::Absent { .. }), Some(full)) => {
                self.read(&full.to_string(), bytes_max).await
            }
            (read, _) => read,
        }
    }

    async fn read(&self, path: &str, bytes_max: usize) -> Result<Bytes, ClientError> {
        match self {
            Self::Server(http) => http.get(path, bytes_max).await,
            Self::Folder(folder) => read_file(folder, path, bytes_max),
        }
    }

    fn name(&self, path: &str) -> String {
        match self {
            Self::Server(http) => http.base().join(path),
            Self::Folder(_) => path.to_owned(),
        }
    }
}

fn read_file(folder: &Path, name: &str, bytes_max: usize) -> Result<Bytes, ClientError> {
    let path = folder.join(name);
    let file = match std::fs::File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ClientError::Absent { path: name.to_owned() });
        }
        opened => opened,
    };
    let mut bytes = Vec::new();
    let read = file.and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut bytes));
    let whole = read.and_then(|_| match bytes.len() {
        len if len > bytes_max => {
            Err(io::Error::other(format!("it has more than {bytes_max} bytes")))
        }
        _ => Ok(bytes.into()),
    });
    whole.map_err(|source| ClientError::File { path, source })
}
