//! What a run has to remember of every row of its file: a table has more rows than memory has room.
//!
//! It is a database in a file without a name: gone with the process, however that ends. So nothing in
//! it is trusted, kept or synced; what has to outlive the run is in the journal.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::FileExt;
use std::path::Path;

use redb::{Database, ReadableTable, StorageBackend, TableDefinition, WriteTransaction};

/// A table of rows, by its name. Each that uses one declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table(&'static str);

/// A key with its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// What one run remembers.
pub struct Scratch {
    /// Never committed.
    rows: WriteTransaction,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Scratch {
    /// Makes an empty one in a folder.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        let file = UnlinkedFile(tempfile::tempfile_in(folder)?);
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder.create_with_backend(file).map_err(failed)?;
        Ok(Self { rows: database.begin_write().map_err(failed)? })
    }

    /// The value under a key.
    pub fn get(&self, table: Table, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let rows = self.rows.open_table(table.definition()).map_err(failed)?;
        let found = rows.get(key).map_err(failed)?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// Puts a value there, in place of any other.
    pub fn put(&self, table: Table, key: &[u8], value: &[u8]) -> io::Result<()> {
        let mut rows = self.rows.open_table(table.definition()).map_err(failed)?;
        rows.insert(key, value).map_err(failed)?;
        Ok(())
    }

    /// Puts many values there.
    pub fn put_all(&self, table: Table, added: impl IntoIterator<Item = Row>) -> io::Result<()> {
        let mut rows = self.rows.open_table(table.definition()).map_err(failed)?;
        for (key, value) in added {
            rows.insert(key.as_slice(), value.as_slice()).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes what is under a key.
    pub fn remove(&self, table: Table, key: &[u8]) -> io::Result<()> {
        let mut rows = self.rows.open_table(table.definition()).map_err(failed)?;
        rows.remove(key).map_err(failed)?;
        Ok(())
    }

    /// The rows behind a key, in the order of their keys: as many as are handled at a time.
    pub fn page(&self, table: Table, after: Bound<&[u8]>) -> io::Result<Vec<Row>> {
        let rows = self.rows.open_table(table.definition()).map_err(failed)?;
        let found = rows.range::<&[u8]>((after, Bound::Unbounded)).map_err(failed)?;
        found
            .take(PAGE_ROWS_MAX)
            .map(|row| row.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
            .collect::<Result<_, _>>()
            .map_err(failed)
    }

    /// The last row whose key begins so.
    pub fn last(&self, table: Table, prefix: &[u8]) -> io::Result<Option<Row>> {
        let rows = self.rows.open_table(table.definition()).map_err(failed)?;
        let below = [prefix, &[u8::MAX]].concat();
        let mut found = rows.range::<&[u8]>(prefix..below.as_slice()).map_err(failed)?;
        let last = found.next_back().transpose().map_err(failed)?;
        Ok(last.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
    }

    /// Goes over a table page by page.
    pub fn pages(&self, table: Table) -> Pages<'_> {
        Pages { scratch: self, table, after: Bound::Unbounded }
    }
}

/// A table, page by page.
pub struct Pages<'a> {
    scratch: &'a Scratch,
    table: Table,
    after: Bound<Vec<u8>>,
}

impl Iterator for Pages<'_> {
    type Item = io::Result<Vec<Row>>;

    fn next(&mut self) -> Option<Self::Item> {
        let after = self.after.as_ref().map(Vec::as_slice);
        let page = self.scratch.page(self.table, after);
        let (last, _) = page.as_ref().ok().and_then(|page| page.last())?;
        self.after = Bound::Excluded(last.clone());
        Some(page)
    }
}

impl Table {
    /// The table of this name.
    pub const fn named(name: &'static str) -> Self {
        Self(name)
    }

    fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.0)
    }
}

/// A file that nobody will open again: no power cut can take anything from it, so it is never synced.
#[derive(Debug)]
struct UnlinkedFile(File);

impl StorageBackend for UnlinkedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

fn failed(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// What is read or written again soon. The rest is on the disk, or in the system's cache of it.
const CACHE_BYTES: usize = 16 * 1024 * 1024;
const PAGE_ROWS_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Table = Table::named("seen");
    const LINES: Table = Table::named("lines");
    const HEADS: Table = Table::named("heads");

    #[test]
    fn notes_are_found_in_the_order_of_their_keys_and_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::in_folder(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(scratch.pages(SEEN).count(), 0);
        let count = u32::try_from(2 * PAGE_ROWS_MAX + 1).unwrap();
        for number in (0..count).rev() {
            let key = number.to_be_bytes();
            scratch.put(SEEN, &key, &[1]).unwrap();
            scratch.put(SEEN, &key, &[2]).unwrap();
        }
        scratch.put_all(LINES, [(vec![0, 7], vec![3]), (vec![1], vec![4])]).unwrap();
        let pages: Vec<_> = scratch.pages(SEEN).map(Result::unwrap).collect();
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2_048, 2_048, 1]);
        let keys = pages.concat().into_iter().map(|(key, _)| key);
        assert!(keys.eq((0..count).map(|number| number.to_be_bytes().to_vec())));
        assert_eq!(scratch.get(SEEN, &[0; 4]).unwrap(), Some(vec![2]));
        assert_eq!(scratch.get(HEADS, &[0; 4]).unwrap(), None);
        assert_eq!(scratch.last(LINES, &[0]).unwrap(), Some((vec![0, 7], vec![3])));
        assert_eq!(scratch.last(LINES, &[2]).unwrap(), None);
        scratch.remove(LINES, &[0, 7]).unwrap();
        assert_eq!(scratch.last(LINES, &[0]).unwrap(), None);
    }
}
