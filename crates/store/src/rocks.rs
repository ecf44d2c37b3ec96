//! [`Kv`] over RocksDB.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rocksdb::{
    BottommostLevelCompaction, ColumnFamily, CompactOptions, DB, DBRawIterator, ErrorKind,
    FlushOptions, Options, ReadOptions, WriteBatch, WriteOptions, checkpoint, properties,
};

use crate::kv::{
    Batch, Direction, Family, KeyRange, Kv, KvError, KvErrorKind, Op, RowVisitor, Usage,
};
use crate::layout::STATE_KEY_BYTES_MAX;
use crate::tuning::{self, Settings};
use crate::wal::{self, Finding};

/// A RocksDB database, locked for this process while it is open.
#[derive(Debug)]
pub struct RocksKv {
    db: DB,
    path: PathBuf,
}

impl RocksKv {
    /// Makes a new database in a folder of its own.
    ///
    /// # Errors
    /// [`KvError`], also when there is a database already.
    pub fn create(path: &Path, settings: &Settings) -> Result<Self, KvError> {
        let kv = Self::open_with(path, settings, &tuning::database(settings, true))?;
        // RocksDB syncs its own folder, but not the folder that it was made in.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = fs::File::open(parent.unwrap_or(Path::new("."))).map_err(from_io)?;
        parent.sync_all().map_err(from_io)?;
        Ok(kv)
    }

    /// Opens a database that is there.
    ///
    /// What a crash left in the write-ahead log is written to new, synced files before this
    /// returns: the log may have been read from the page cache, of which a failed fsync before the
    /// crash says nothing, and whoever signs what this returns must not depend on that.
    ///
    /// A last write of which a power cut left holes is left out: nobody was told of it.
    ///
    /// # Errors
    /// [`KvError`]: locked, corrupt, unreadable, or not there.
    pub fn open(path: &Path, settings: &Settings) -> Result<Self, KvError> {
        refuse_mistakable(path)?;
        let mut options = tuning::database(settings, false);
        let kv = match Self::open_with(path, settings, &options) {
            Err(error) if error.kind() == KvErrorKind::Corrupt => {
                match wal::look_at_logs(path).map_err(from_io)? {
                    Finding::Whole => return Err(error),
                    // RocksDB does not say where.
                    Finding::Damaged { log, at } => return Err(damaged(&log, at, error)),
                    Finding::LastWriteTorn => {
                        tracing::warn!(%error, "the last write, never acknowledged, is torn: left out");
                        tuning::leave_out_torn_write(&mut options);
                        Self::open_with(path, settings, &options)?
                    }
                }
            }
            opened => opened?,
        };
        kv.flush()?;
        Ok(kv)
    }

    /// Opens a database that is there to be read, and changes no byte of its folder: what is in the
    /// write-ahead log is replayed in memory. It takes no lock, so the folder must be one that
    /// nobody writes, such as a backup.
    ///
    /// # Errors
    /// [`KvError`]: corrupt, unreadable, or not there.
    pub fn open_read_only(path: &Path, settings: &Settings) -> Result<Self, KvError> {
        refuse_mistakable(path)?;
        let options = tuning::database(settings, false);
        let families = tuning::families(settings);
        let db = DB::open_cf_descriptors_read_only(&options, path, families, false)
            .map_err(from_rocksdb)?;
        Ok(Self { db, path: path.to_owned() })
    }

    /// Makes a second database of what this one holds now, in a folder that must not exist. Files
    /// that never change are linked where the file system can, so it takes no space and little
    /// time; whoever wants a copy that can outlive this disk copies the folder.
    ///
    /// Everything that was written before the call is in it; commits go on meanwhile, and each of
    /// them is in it whole or not at all.
    ///
    /// # Errors
    /// [`KvError`]; the folder may then be there, unfinished.
    pub fn checkpoint(&self, to: &Path) -> Result<(), KvError> {
        let checkpoint = checkpoint::Checkpoint::new(&self.db).map_err(from_rocksdb)?;
        checkpoint.create_checkpoint(to).map_err(from_rocksdb)
    }

    fn open_with(path: &Path, settings: &Settings, options: &Options) -> Result<Self, KvError> {
        tuning::start_compaction_threads(settings)?;
        let db = DB::open_cf_descriptors(options, path, tuning::families(settings))
            .map_err(from_rocksdb)?;
        Ok(Self { db, path: path.to_owned() })
    }

    fn family(&self, family: Family) -> Result<&ColumnFamily, KvError> {
        // All families are opened or the open fails, so this is a damaged handle table at worst.
        self.db
            .cf_handle(family.name())
            .ok_or_else(|| KvError::new(KvErrorKind::Refused, format!("no column family {family}")))
    }

    fn number(&self, property: &properties::PropName) -> Result<u64, KvError> {
        let value = self.db.property_int_value(property).map_err(from_rocksdb)?;
        value.ok_or_else(|| KvError::new(KvErrorKind::Refused, "no such property"))
    }

    fn total(&self, property: &properties::PropName) -> Result<u64, KvError> {
        Family::ALL.into_iter().try_fold(0, |total: u64, family| {
            let value = self.db.property_int_value_cf(self.family(family)?, property);
            Ok(total.saturating_add(value.map_err(from_rocksdb)?.unwrap_or(0)))
        })
    }
}

impl Kv for RocksKv {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.db.get_cf(self.family(family)?, key).map_err(from_rocksdb)
    }

    fn multi_get(&self, family: Family, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, KvError> {
        let are_sorted = keys.is_sorted();
        let values =
            self.db.batched_multi_get_cf(self.family(family)?, keys.iter().copied(), are_sorted);
        values
            .into_iter()
            .map(|value| Ok(value.map_err(from_rocksdb)?.map(|value| value.to_vec())))
            .collect()
    }

    fn scan(
        &self,
        family: Family,
        range: KeyRange<'_>,
        direction: Direction,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), KvError> {
        let mut options = ReadOptions::default();
        // A scan over the log would drive everything else out of the block cache; what it reads is
        // in the page cache anyway. State is scanned in short prefixes that are asked for again.
        options.fill_cache(family == Family::State);
        options.set_iterate_lower_bound(range.from);
        if let Some(to) = range.to {
            options.set_iterate_upper_bound(to);
        }
        let mut rows = self.db.raw_iterator_cf_opt(self.family(family)?, options);
        match direction {
            Direction::Forward => rows.seek_to_first(),
            Direction::Backward => rows.seek_to_last(),
        }
        while let Some((key, value)) = rows.item() {
            if visit(key, value).is_break() {
                return Ok(());
            }
            match direction {
                Direction::Forward => DBRawIterator::next(&mut rows),
                Direction::Backward => rows.prev(),
            }
        }
        // An iterator that met a bad block is at its end too; only its status tells.
        rows.status().map_err(from_rocksdb)
    }

    fn write(&self, batch: &Batch) -> Result<(), KvError> {
        let mut families = Vec::with_capacity(Family::ALL.len());
        for family in Family::ALL {
            families.push(self.family(family)?);
        }
        let family = |family: Family| families[family as usize];
        let bytes = batch.bytes_len() + batch.len() * OP_OVERHEAD_BYTES + WRITE_BATCH_HEADER_BYTES;
        let mut write = WriteBatch::with_capacity_bytes(bytes);
        for op in batch.ops() {
            match op {
                Op::Put { family: to, key, value } => write.put_cf(family(to), key, value),
                Op::Delete { family: from, key } => write.delete_cf(family(from), key),
                Op::Clear { family: all } => {
                    write.delete_range_cf(family(all), [].as_slice(), &AFTER_EVERY_KEY);
                }
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(write, &options).map_err(from_rocksdb)
    }

    fn background_errors(&self) -> Result<u64, KvError> {
        self.number(properties::BACKGROUND_ERRORS)
    }

    fn flush(&self) -> Result<(), KvError> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        let mut families = Vec::with_capacity(Family::ALL.len());
        for family in Family::ALL {
            families.push(self.family(family)?);
        }
        self.db.flush_cfs_opt(&families, &options).map_err(from_rocksdb)
    }

    fn compact(&self, family: Family) -> Result<(), KvError> {
        let mut options = CompactOptions::default();
        // The last level too, which a compaction otherwise leaves alone: the oldest rows are there.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        options.set_exclusive_manual_compaction(true);
        let everything = None::<&[u8]>;
        self.db.compact_range_cf_opt(self.family(family)?, everything, everything, &options);
        Ok(())
    }

    fn usage(&self) -> Result<Usage, KvError> {
        let mut disk_bytes = 0;
        let mut wal_bytes = 0;
        for file in fs::read_dir(&self.path).map_err(from_io)? {
            let file = file.map_err(from_io)?;
            // What the file takes, not what it holds: the log is allocated ahead.
            let bytes = match file.metadata() {
                Ok(metadata) => metadata.blocks() * STAT_BLOCK_BYTES,
                // Compaction removed it in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(from_io(error)),
            };
            disk_bytes += bytes;
            if file.path().extension() == Some(OsStr::new("log")) {
                wal_bytes += bytes;
            }
        }
        let entries = self.family(Family::Entries)?;
        let cache = self.db.property_int_value_cf(entries, properties::BLOCK_CACHE_USAGE);
        Ok(Usage {
            disk_bytes,
            wal_bytes,
            write_buffers_bytes: self.total(properties::SIZE_ALL_MEM_TABLES)?,
            block_cache_bytes: cache.map_err(from_rocksdb)?.unwrap_or(0),
            compaction_pending_bytes: self.total(properties::ESTIMATE_PENDING_COMPACTION_BYTES)?,
            background_errors: self.background_errors()?,
            is_stalled: self.number(properties::IS_WRITE_STOPPED)? > 0
                || self.number(properties::ACTUAL_DELAYED_WRITE_RATE)? > 0,
        })
    }
}

/// What RocksDB would take for something else is refused before it looks.
fn refuse_mistakable(path: &Path) -> Result<(), KvError> {
    match wal::mistakable_fragment(path).map_err(from_io)? {
        Some((file, at)) => Err(damaged(&file, at, "a fragment of a kind that is never written")),
        None => Ok(()),
    }
}

fn damaged(file: &Path, at: usize, what: impl fmt::Display) -> KvError {
    KvError::new(KvErrorKind::Corrupt, format!("{} from byte {at} on: {what}", file.display()))
}

fn from_rocksdb(error: rocksdb::Error) -> KvError {
    let kind = match error.kind() {
        // RocksDB has no kind for this; both texts are its own, for another process and for this.
        ErrorKind::IOError if error.as_ref().contains("While lock file") => KvErrorKind::Locked,
        ErrorKind::IOError if error.as_ref().contains("lock hold by") => KvErrorKind::Locked,
        ErrorKind::IOError => KvErrorKind::Io,
        ErrorKind::Corruption => KvErrorKind::Corrupt,
        _ => KvErrorKind::Refused,
    };
    KvError::new(kind, error)
}

fn from_io(error: io::Error) -> KvError {
    KvError::new(KvErrorKind::Io, error)
}

/// Sorts after every key of every family: they are shorter.
const AFTER_EVERY_KEY: [u8; STATE_KEY_BYTES_MAX + 1] = [0xff; STATE_KEY_BYTES_MAX + 1];
/// A change in RocksDB's batch: its kind, its family and two lengths.
const OP_OVERHEAD_BYTES: usize = 8;
const WRITE_BATCH_HEADER_BYTES: usize = 12;
/// `stat` counts in these, whatever the file system does.
const STAT_BLOCK_BYTES: u64 = 512;

#[cfg(test)]
mod tests;
