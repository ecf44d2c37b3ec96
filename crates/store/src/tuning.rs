//! How RocksDB is set up, and why. Every setting here has a test of its effect in `rocks/tests.rs`.

use std::error::Error;
use std::thread;

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType,
    DBRecoveryMode, Env, Options,
};
use rustix::process::{getpriority_process, setpriority_process};

use crate::kv::{Family, KvError, KvErrorKind};

/// What the store may take. The defaults carry 60,000 entries/s on two cores in about 200 MB.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of write-ahead log that may be live before the families that hold it are flushed. It
    /// bounds both the disk overhead and the time a restart takes to replay.
    pub wal_bytes_max: u64,
    /// Bytes of all write buffers together; the fullest family is flushed above it.
    pub write_buffers_bytes: usize,
    /// Bytes of one write buffer of a large family (entries, tiles, leaf index, state).
    pub large_family_buffer_bytes: usize,
    /// Bytes of uncompressed blocks, indices and filters kept in memory.
    pub block_cache_bytes: usize,
    /// Bytes of full tiles kept in memory.
    pub tile_cache_bytes: usize,
    /// Threads that flush and compact.
    pub background_threads: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wal_bytes_max: 256 * MIB as u64,
            write_buffers_bytes: 128 * MIB,
            large_family_buffer_bytes: 32 * MIB,
            block_cache_bytes: 32 * MIB,
            tile_cache_bytes: 32 * MIB,
            background_threads: 2,
        }
    }
}

pub(crate) fn database(settings: &Settings, must_be_new: bool) -> Options {
    let mut options = Options::default();
    options.create_if_missing(must_be_new);
    options.create_missing_column_families(must_be_new);
    options.set_error_if_exists(must_be_new);

    // The default mode, point-in-time, takes one flipped bit in the log for its end and silently
    // drops every synced entry after it. This one takes only a torn last record for the end, which
    // is a write that was never acknowledged, and refuses everything else.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // A log file that was closed and then went missing, or shrank, is refused too.
    options.set_track_and_verify_wals_in_manifest(true);
    // All families are flushed together. One by one, a write that failed but is in the log file
    // could be left behind by one family's flush and replayed into another after a crash: half of
    // a commit. RocksDB flushes by itself after a full disk.
    options.set_atomic_flush(true);
    options.set_max_total_wal_size(settings.wal_bytes_max);
    options.set_db_write_buffer_size(settings.write_buffers_bytes);

    options.set_max_background_jobs(i32::from(settings.background_threads));
    // Files go to the disk as they are written, so that the log's fsync never queues behind 64 MiB.
    options.set_bytes_per_sync(MIB as u64);
    // Opening must not read every file's properties: that time grows with the log.
    options.set_skip_stats_update_on_db_open(true);

    // RocksDB's own diary, bounded.
    options.set_max_log_file_size(4 * MIB);
    options.set_keep_log_file_num(4);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// For opening a log whose last write is torn, which somebody has checked: the log ends before
/// the first damage.
pub(crate) fn leave_out_torn_write(options: &mut Options) {
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
}

/// Starts the threads that compact at nice 10, behind reads and commits. Threads that flush stay as
/// they are: a commit waits for them when its buffers are full.
///
/// RocksDB's own setting for this is nice 19, which on a busy machine means never, and commits stall
/// behind compaction in the end. A thread inherits the niceness of the one that starts it, so the
/// pool is started from a short-lived thread that made itself nice. All databases of a process share
/// the pool, and those opened later find it running.
pub(crate) fn start_compaction_threads(settings: &Settings) -> Result<(), KvError> {
    let flushing = (settings.background_threads / 4).max(1);
    let compacting = settings.background_threads.saturating_sub(flushing).max(1);
    let start = move || {
        // A process that was started nicer still may not go back.
        if getpriority_process(None).map_err(refused)? < COMPACTION_NICE {
            setpriority_process(None, COMPACTION_NICE).map_err(refused)?;
        }
        Env::new().map_err(refused)?.set_low_priority_background_threads(i32::from(compacting));
        Ok(())
    };
    let starter = thread::Builder::new().name("compaction-start".to_owned()).spawn(start);
    starter
        .map_err(refused)?
        .join()
        .unwrap_or_else(|_| Err(refused("the thread that starts compaction panicked")))
}

fn refused(error: impl Into<Box<dyn Error + Send + Sync>>) -> KvError {
    KvError::new(KvErrorKind::Refused, error)
}

/// The families with their options; one block cache is shared by all.
pub(crate) fn families(settings: &Settings) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(settings.block_cache_bytes);
    Family::ALL
        .into_iter()
        .map(|family| ColumnFamilyDescriptor::new(family.name(), of(family, settings, &cache)))
        .collect()
}

fn of(family: Family, settings: &Settings, cache: &Cache) -> Options {
    let mut options = Options::default();
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_format_version(6);
    // Index and filter blocks are charged to the cache, so memory is bounded however large the log
    // grows; cut into partitions, so that one lookup loads 4 KiB of them and not megabytes.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_metadata_block_size(4 * KIB);

    options.set_compression_type(compression(family));
    match family {
        // Read in ranges of 256, so large blocks: they compress better and need a smaller index.
        Family::Entries | Family::Disclosures => blocks.set_block_size(16 * KIB),
        // One full tile a block.
        Family::Tiles => blocks.set_block_size(8 * KIB),
        // Most lookups ask for what is not there (is this object new? this leaf?), and the filter
        // answers those without touching a block.
        Family::ByLeaf | Family::State => {
            blocks.set_block_size(4 * KIB);
            blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
        }
        Family::Meta | Family::Checkpoints => {}
    }
    options.set_block_based_table_factory(&blocks);

    options.set_write_buffer_size(match family {
        Family::Meta | Family::Checkpoints | Family::Disclosures => SMALL_FAMILY_BUFFER_BYTES,
        _ => settings.large_family_buffer_bytes,
    });
    if family == Family::State {
        // The same question is asked of the write buffers, and there a search costs most.
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(WRITE_BUFFER_BLOOM_RATIO);
    }
    // A commit goes on into a third buffer while a second one is being flushed.
    options.set_max_write_buffer_number(4);
    options
}

const fn compression(family: Family) -> DBCompressionType {
    match family {
        Family::Entries => DBCompressionType::Lz4,
        // Disclosures stay as they are, so that a search of the files finds what was not erased.
        // Hashes do not compress.
        _ => DBCompressionType::None,
    }
}

const COMPACTION_NICE: i32 = 10;
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const SMALL_FAMILY_BUFFER_BYTES: usize = 4 * MIB;
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// Of the buffer's bytes: about 10 bits for each row of 150 bytes.
const WRITE_BUFFER_BLOOM_RATIO: f64 = 0.01;
