//! Signed records, made once: files of ten thousand submissions, one a line, named by log, key and
//! number, so that every run with the same log and key shares them.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::submitter::Treasury;

/// Records in one file.
pub const FILE_RECORDS: u64 = 10_000;

/// A folder of signed records.
#[derive(Clone, Debug)]
pub struct Presigned {
    folder: PathBuf,
}

impl Presigned {
    /// Signs what is missing of the records `first..first + count`, on all processors.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn prepare(
        cache: &Path,
        treasury: &Treasury,
        first: u64,
        count: u64,
    ) -> anyhow::Result<Self> {
        let mut name = Sha256::new();
        for part in [treasury.origin(), treasury.id(), treasury.key().public().kid().as_str()] {
            name.update(part);
            name.update([0]);
        }
        let name = tlog::Hash::new(name.finalize().into()).to_hex();
        let presigned = Self { folder: cache.join(name) };
        fs::create_dir_all(&presigned.folder).context("making the cache folder")?;
        let next = AtomicU64::new(first / FILE_RECORDS);
        let end = (first + count).div_ceil(FILE_RECORDS);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| presigned.sign_files(treasury, &next, end)))
                .collect();
            workers.into_iter().try_for_each(|it| it.join().expect("a signing thread"))
        })?;
        Ok(presigned)
    }

    fn sign_files(&self, treasury: &Treasury, next: &AtomicU64, end: u64) -> anyhow::Result<()> {
        loop {
            let file = next.fetch_add(1, Ordering::Relaxed);
            if file >= end {
                return Ok(());
            }
            let path = self.path(file);
            if path.exists() {
                continue;
            }
            let unfinished = path.with_extension("unfinished");
            let mut out = BufWriter::new(File::create(&unfinished).context("making a file")?);
            for number in file * FILE_RECORDS..(file + 1) * FILE_RECORDS {
                out.write_all(&treasury.payment_bytes(number))?;
                out.write_all(b"\n")?;
            }
            out.flush().context("writing a file")?;
            fs::rename(&unfinished, &path).context("naming a file")?;
        }
    }

    /// The submissions from `first` on, in order; they must have been prepared.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(&self, first: u64, mut each: impl FnMut(Vec<u8>) -> bool) -> anyhow::Result<()> {
        let mut skipped = first % FILE_RECORDS;
        for file in first / FILE_RECORDS.. {
            let path = self.path(file);
            if !path.exists() {
                return Ok(());
            }
            let mut lines = BufReader::with_capacity(1 << 20, File::open(&path)?);
            loop {
                let mut line = Vec::with_capacity(1_200);
                if lines.read_until(b'\n', &mut line)? == 0 {
                    break;
                }
                line.pop();
                if skipped > 0 {
                    skipped -= 1;
                } else if !each(line) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn path(&self, file: u64) -> PathBuf {
        self.folder.join(format!("{file:06}.ndjson"))
    }
}
