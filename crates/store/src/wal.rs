//! Reads the write-ahead log where RocksDB's own reading is not enough: to tell what a power cut left
//! of the last write from damage, and to say where damage is.
//!
//! A write that was never acknowledged may be on the disk in parts: file systems keep the order of
//! sectors no better than the disk does, and a sector that was not written reads as zeros.
//!
//! ```text
//! synced write │ synced write │ last write: 512 bytes, 512 zeros, 512 bytes, zeros to the end
//! ```
//!
//! RocksDB takes a log that merely ends too early for what it is, and refuses one with such a hole
//! as it refuses a flipped bit. The two can be told apart: every write is synced before the next one
//! begins, so a hole that a power cut left is in the last write, and it is made of whole sectors of
//! zeros. A flipped bit is neither. Log files are never reused, so there is nothing else that a
//! sector could hold.
//!
//! Format: the wiki page "Write Ahead Log File Format" of RocksDB. Blocks of 32 KiB; in them fragments
//! of `crc32c (4, masked) · length (2) · kind (1) · data`; a write is one full fragment or a first, some
//! middle and a last one, and a block's last bytes are zeros when no header fits.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the files of the write-ahead log are like.
pub(crate) enum Finding {
    /// All whole, as far as they go.
    Whole,
    /// All whole but the last write, and that one misses whole sectors.
    LastWriteTorn,
    /// Something that a power cut does not do.
    Damaged { log: PathBuf, at: usize },
}

/// Reads all files of the write-ahead log of a database that nobody has open.
pub(crate) fn look_at_logs(database: &Path) -> io::Result<Finding> {
    let logs = logs_in_order(database)?;
    for (position, path) in logs.iter().enumerate() {
        let log = fs::read(path)?;
        let Some(damaged) = first_damaged_write(&log) else { continue };
        let is_newest = position + 1 == logs.len();
        let is_torn =
            has_lost_sector(&log, damaged.write) && !has_write_after(&log, damaged.fragment);
        return Ok(if is_newest && is_torn {
            Finding::LastWriteTorn
        } else {
            Finding::Damaged { log: path.clone(), at: damaged.fragment }
        });
    }
    Ok(Finding::Whole)
}

/// Looks, before RocksDB does, for what it mistakes: a fragment of a kind that it would not have
/// written, in the write-ahead log or in the manifest, which has the same format.
///
/// One flipped bit makes a whole fragment one of a reused log file; RocksDB takes that for the end of the
/// log, silently, before it looks at the checksum, or reads it again and again for ever.
pub(crate) fn mistakable_fragment(database: &Path) -> io::Result<Option<(PathBuf, usize)>> {
    let mut files = logs_in_order(database)?;
    let current = fs::read_to_string(database.join("CURRENT")).unwrap_or_default();
    let manifest = database.join(current.trim_end());
    if manifest.is_file() {
        files.push(manifest);
    }
    for file in files {
        if let Some(at) = fragment_of_another_kind(&fs::read(&file)?) {
            return Ok(Some((file, at)));
        }
    }
    Ok(None)
}

fn fragment_of_another_kind(log: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(header) = log.get(at..at + HEADER_BYTES) {
        let left_in_block = BLOCK_BYTES - at % BLOCK_BYTES;
        if left_in_block < HEADER_BYTES {
            at += left_in_block;
            continue;
        }
        // Zeros are the end, and other damage is what RocksDB does find.
        match header[KIND_AT] {
            0 => return None,
            FULL..=LAST => {}
            _ if fragment_at(log, at).is_some() => {}
            _ => return Some(at),
        }
        at += HEADER_BYTES + usize::from(u16::from_le_bytes([header[4], header[5]]));
    }
    None
}

fn logs_in_order(database: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs: Vec<(u64, PathBuf)> = Vec::new();
    for file in fs::read_dir(database)? {
        let path = file?.path();
        let number = path.file_stem().and_then(OsStr::to_str).and_then(|it| it.parse().ok());
        let is_log = path.extension() == Some(OsStr::new("log"));
        if let Some(number) = number.filter(|_| is_log)
            && path.metadata()?.len() > 0
        {
            logs.push((number, path));
        }
    }
    logs.sort();
    Ok(logs.into_iter().map(|(_, path)| path).collect())
}

/// Where the first write begins that is not whole, and its first fragment that is not.
struct Damaged {
    write: usize,
    fragment: usize,
}

fn first_damaged_write(log: &[u8]) -> Option<Damaged> {
    let (mut at, mut write) = (0, 0);
    while at < log.len() {
        let left_in_block = BLOCK_BYTES - at % BLOCK_BYTES;
        if left_in_block < HEADER_BYTES {
            at += left_in_block;
            continue;
        }
        let fragment = at;
        let Some((kind, length)) = fragment_at(log, fragment) else {
            // The rest of the write before may be what is missing here.
            return Some(Damaged { write, fragment });
        };
        at += HEADER_BYTES + length;
        match kind {
            MIDDLE => {}
            FIRST => write = fragment,
            // The next write begins behind it.
            _ => write = at,
        }
    }
    None
}

/// Whether any sector from this position on holds nothing but zeros.
fn has_lost_sector(log: &[u8], from: usize) -> bool {
    let mut start = from;
    while start < log.len() {
        let end = ((start / SECTOR_BYTES + 1) * SECTOR_BYTES).min(log.len());
        if log[start..end].iter().all(|byte| *byte == 0) {
            return true;
        }
        start = end;
    }
    false
}

/// Whether the first fragment of any write stands behind this position. Lengths on the way may be
/// damaged, so every position is tried.
fn has_write_after(log: &[u8], position: usize) -> bool {
    (position + 1..log.len()).any(|at| {
        let kind = log.get(at + KIND_AT).copied();
        matches!(kind, Some(FULL | FIRST))
            && at % BLOCK_BYTES + HEADER_BYTES <= BLOCK_BYTES
            && fragment_at(log, at).is_some()
    })
}

/// Kind and length of the data of a whole fragment.
fn fragment_at(log: &[u8], at: usize) -> Option<(u8, usize)> {
    let header = log.get(at..at + HEADER_BYTES)?;
    let stored = u32::from_le_bytes(header[..4].try_into().ok()?);
    let length = usize::from(u16::from_le_bytes(header[4..KIND_AT].try_into().ok()?));
    if at % BLOCK_BYTES + HEADER_BYTES + length > BLOCK_BYTES {
        return None;
    }
    let checked = log.get(at + KIND_AT..at + HEADER_BYTES + length)?;
    (masked(crc32c::crc32c(checked)) == stored).then_some((header[KIND_AT], length))
}

/// A checksum as RocksDB stores it. A plain one, over data that holds plain checksums, is degenerate.
const fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

const BLOCK_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 7;
const KIND_AT: usize = 6;
/// The smallest piece that a disk writes whole.
const SECTOR_BYTES: usize = 512;
const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;
