//! Creating and opening: nothing is handed out before what is stored has been checked.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use tlog::{
    Frontier, FrontierError, LeafIndex, Origin, ProveError, TreeHead, TreeSize, root_from_tiles,
};

use crate::cache::TileCache;
use crate::checkpoint_row::{PublishedNote, head_of, newest};
use crate::commit::Writer;
use crate::error::{Fatal, ReadError};
use crate::kv::{Batch, Direction, Family, KeyRange, Kv, KvError, KvErrorKind};
use crate::layout::{
    FORMAT_VERSION, META_FORMAT, META_HEAD, META_ORIGIN, META_REBUILDING, encode_head, parse_head,
    parse_index,
};
use crate::rocks::RocksKv;
use crate::store::{Shared, Store, StoredTiles, last_index};
use crate::tuning::Settings;

impl Store<RocksKv> {
    /// Makes the database of a new, empty log. Its folder must not hold one yet.
    ///
    /// # Errors
    /// [`OpenError::AlreadyThere`], or what the database said.
    pub fn create(path: &Path, origin: &Origin, settings: &Settings) -> Result<(), OpenError> {
        if is_database(path) {
            return Err(OpenError::AlreadyThere { path: path.to_owned() });
        }
        Self::create_on(&RocksKv::create(path, settings)?, origin)
    }

    /// Opens a log for reading and for its one writer.
    ///
    /// Before it returns: the write-ahead log has been replayed into new, synced files; format and
    /// origin are the expected ones; the right edge read from the tiles has the root that the last
    /// commit stored; and the last published checkpoint is of this tree.
    ///
    /// # Errors
    /// [`OpenError`]. None of them is cleared by trying again, except [`OpenError::Locked`].
    pub fn open(
        path: &Path,
        origin: &Origin,
        settings: &Settings,
    ) -> Result<(Self, Writer<RocksKv>), OpenError> {
        let kv = open_database(path, settings)?;
        Self::open_on(kv, origin, settings.tile_cache_bytes)
    }

    /// Opens a log for reading alone, with the same checks, and changes no byte of its folder. It
    /// takes no lock: only for a folder that nobody writes, such as a backup.
    pub fn open_read_only(
        path: &Path,
        origin: &Origin,
        settings: &Settings,
    ) -> Result<Self, OpenError> {
        if !is_database(path) {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        let kv = RocksKv::open_read_only(path, settings)?;
        // Without its writer nothing is ever committed here.
        let (store, _) = Self::open_on(kv, origin, settings.tile_cache_bytes)?;
        Ok(store)
    }

    /// Makes a second database of everything that is committed by now, in a folder that must not
    /// exist; see [`RocksKv::checkpoint`]. Commits go on meanwhile.
    pub fn snapshot(&self, to: &Path) -> Result<(), SnapshotError> {
        // What a failed write left behind is not what anybody was promised.
        self.alive()?;
        self.shared.kv.checkpoint(to)?;
        Ok(())
    }
}

impl<K: Kv> Store<K> {
    /// Makes an empty log in a database without rows.
    pub fn create_on(kv: &K, origin: &Origin) -> Result<(), OpenError> {
        let mut batch = Batch::default();
        batch.put(Family::Meta, META_FORMAT, &FORMAT_VERSION.to_be_bytes());
        batch.put(Family::Meta, META_ORIGIN, origin.as_str().as_bytes());
        batch.put(Family::Meta, META_HEAD, &encode_head(&TreeHead::EMPTY));
        kv.write(&batch)?;
        Ok(())
    }

    /// Opens a log in a database, with the same checks as [`Store::open`].
    pub fn open_on(
        kv: K,
        origin: &Origin,
        tile_cache_bytes: usize,
    ) -> Result<(Self, Writer<K>), OpenError> {
        check_identity(&kv, origin)?;
        if kv.get(Family::Meta, META_REBUILDING)?.is_some() {
            return Err(OpenError::RebuildUnfinished);
        }
        let head = stored_head(&kv)?.ok_or(OpenError::Unfinished)?;
        let frontier = load_frontier(&kv, &head)?;
        check_last_entry(&kv, head.size)?;
        let published = load_published(&kv, origin, &head)?;
        let shared = Shared {
            kv,
            origin: origin.clone(),
            head: RwLock::new(head),
            published: RwLock::new(published),
            publishing: Mutex::new(None),
            fatal: OnceLock::new(),
            tiles: TileCache::new(tile_cache_bytes),
        };
        let store = Self { shared: Arc::new(shared) };
        Ok((store.clone(), Writer::new(store, frontier)))
    }
}

/// Opens the database of a log that exists; never makes one. A log that lost its folder must not
/// quietly start anew at size 0.
pub(crate) fn open_database(path: &Path, settings: &Settings) -> Result<RocksKv, OpenError> {
    if !is_database(path) {
        return Err(OpenError::Missing { path: path.to_owned() });
    }
    Ok(RocksKv::open(path, settings)?)
}

pub(crate) fn check_identity<K: Kv>(kv: &K, origin: &Origin) -> Result<(), OpenError> {
    let format = kv.get(Family::Meta, META_FORMAT)?.ok_or(OpenError::Unfinished)?;
    let format = format.try_into().map_or(0, u32::from_be_bytes);
    if format != FORMAT_VERSION {
        return Err(OpenError::Format { expected: FORMAT_VERSION, found: format });
    }
    let found = kv.get(Family::Meta, META_ORIGIN)?.ok_or(OpenError::Unfinished)?;
    if found != origin.as_str().as_bytes() {
        return Err(OpenError::Origin {
            expected: origin.to_string(),
            found: String::from_utf8_lossy(&found).into_owned(),
        });
    }
    Ok(())
}

/// The head that the last commit wrote; `None` when there is none.
pub(crate) fn stored_head<K: Kv>(kv: &K) -> Result<Option<TreeHead>, ReadError> {
    let Some(bytes) = kv.get(Family::Meta, META_HEAD)? else { return Ok(None) };
    parse_head(&bytes).map(Some).ok_or(ReadError::MalformedRow { family: Family::Meta })
}

/// Reads the right edge from the tiles and derives the root from it: the stored head is the claim,
/// the tiles are the evidence.
fn load_frontier<K: Kv>(kv: &K, head: &TreeHead) -> Result<Frontier, OpenError> {
    let frontier = Frontier::load(head.size, &StoredTiles { kv })?;
    let from_tiles = frontier.head();
    if from_tiles != *head {
        return Err(OpenError::Head { stored: *head, from_tiles });
    }
    Ok(frontier)
}

/// Reads the newest published checkpoint at open and holds the stored tree against it: a tree that
/// is smaller or has another root there lost something that was published.
fn load_published<K: Kv>(
    kv: &K,
    origin: &Origin,
    head: &TreeHead,
) -> Result<Option<Arc<PublishedNote>>, OpenError> {
    let Some(notes) = newest(kv)? else { return Ok(None) };
    let published = head_of(&notes.last.note, origin).ok_or(OpenError::PublishedNote)?;
    if published.size != notes.size {
        return Err(OpenError::PublishedNote);
    }
    if published.size > head.size {
        return Err(OpenError::Published { published, tree: *head });
    }
    let root = root_from_tiles(published.size, &StoredTiles { kv })?;
    if root != published.root {
        let tree = TreeHead { size: published.size, root };
        return Err(OpenError::Published { published, tree });
    }
    Ok(Some(Arc::new(PublishedNote { head: published, note: notes.last.note })))
}

/// The last entry is where the head says, and none comes after it.
fn check_last_entry<K: Kv>(kv: &K, size: TreeSize) -> Result<(), OpenError> {
    let found = last_entry(kv)?;
    let expected = last_index(size);
    if found != expected {
        return Err(OpenError::LastEntry { expected, found });
    }
    Ok(())
}

pub(crate) fn last_entry<K: Kv>(kv: &K) -> Result<Option<LeafIndex>, ReadError> {
    let mut last = None;
    kv.scan(Family::Entries, KeyRange::ALL, Direction::Backward, &mut |key, _| {
        last = Some(parse_index(key));
        ControlFlow::Break(())
    })?;
    match last {
        None => Ok(None),
        Some(None) => Err(ReadError::MalformedRow { family: Family::Entries }),
        Some(index) => Ok(index),
    }
}

/// RocksDB's pointer to its manifest: the one file that every database has.
fn is_database(path: &Path) -> bool {
    path.join("CURRENT").exists()
}

/// Why no second database was made.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// This process does not know any more what the database holds.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The database failed.
    #[error("the database could not be copied")]
    Database(#[from] KvError),
}

/// Why a log was not opened or created.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no database in this folder.
    #[error("no log in {}; a lost folder must be restored, never made anew", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// There is a database in this folder already.
    #[error("there is a log in {} already", path.display())]
    AlreadyThere {
        /// The folder.
        path: PathBuf,
    },
    /// A second process, or a second store in this one.
    #[error("another process has the log open")]
    Locked {
        /// What the database said.
        #[source]
        source: KvError,
    },
    /// Creating the log was interrupted.
    #[error("the log was never finished being created: remove its folder and create it again")]
    Unfinished,
    /// A rebuild was interrupted.
    #[error("a rebuild of this log is unfinished: run it again")]
    RebuildUnfinished,
    /// Written by another version of this software.
    #[error("expected format version {expected}, found {found}")]
    Format {
        /// The version this software reads.
        expected: u32,
        /// The version on the disk; 0 if unreadable.
        found: u32,
    },
    /// The database of another log.
    #[error("expected the log {expected}, found {found}")]
    Origin {
        /// The configured origin.
        expected: String,
        /// The origin on the disk.
        found: String,
    },
    /// The tiles give another head than the one the last commit stored.
    #[error("the stored head is {stored:?}, its tiles give {from_tiles:?}")]
    Head {
        /// What the last commit stored.
        stored: TreeHead,
        /// What the tiles give.
        from_tiles: TreeHead,
    },
    /// Entries and head disagree about the size.
    #[error("expected the last entry at {expected:?}, found {found:?}")]
    LastEntry {
        /// Where the head puts it.
        expected: Option<LeafIndex>,
        /// Where it is.
        found: Option<LeafIndex>,
    },
    /// The last published checkpoint is not of this tree: entries were lost or replaced.
    #[error("published {published:?}, but the tree at that size is {tree:?}")]
    Published {
        /// The published head.
        published: TreeHead,
        /// What the stored tree has at that size, or its whole head when it is smaller.
        tree: TreeHead,
    },
    /// The last published checkpoint cannot be read or names another origin.
    #[error("the last published checkpoint is malformed")]
    PublishedNote,
    /// A tile of the right edge could not be read.
    #[error("the right edge of the tree could not be read")]
    Frontier(#[from] FrontierError<ReadError>),
    /// A root could not be derived from the tiles.
    #[error("the root of the published tree could not be derived")]
    Root(#[from] ProveError<ReadError>),
    /// Something else could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The database failed.
    #[error("the database could not be opened")]
    Database(#[source] KvError),
}

impl OpenError {
    /// Whether what is stored is not what was stored: something damaged it or put it there.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Head { .. }
            | Self::LastEntry { .. }
            | Self::Published { .. }
            | Self::PublishedNote
            | Self::Frontier(_)
            | Self::Root(_) => true,
            Self::Database(error) => error.kind() == KvErrorKind::Corrupt,
            Self::Read(error) => error.is_damage(),
            Self::Missing { .. }
            | Self::AlreadyThere { .. }
            | Self::Locked { .. }
            | Self::Unfinished
            | Self::RebuildUnfinished
            | Self::Format { .. }
            | Self::Origin { .. } => false,
        }
    }
}

impl From<KvError> for OpenError {
    fn from(source: KvError) -> Self {
        match source.kind() {
            KvErrorKind::Locked => Self::Locked { source },
            _ => Self::Database(source),
        }
    }
}

#[cfg(test)]
mod tests;
