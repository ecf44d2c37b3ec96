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

/// What is remembered, each with keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// Of each number of the file what was seen of it.
    Seen,
    /// Rows that have to wait for all others, in the order in which they go in.
    Waiting,
    /// The objects of the file.
    Objects,
    /// Newest revisions in the log, by object.
    Heads,
    /// Where the journal's lines are.
    Lines,
    /// Rows that are in the log, by their place in the file.
    Receipts,
    /// Rows that did not go in, by line.
    Errors,
    /// Departures from the standard of the format, by line.
    Warnings,
}

/// A key with its value.
pub type Note = (Vec<u8>, Vec<u8>);

/// The notes of one run.
pub struct Scratch {
    /// Never committed.
    notes: WriteTransaction,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Scratch {
    /// Makes an empty one in a folder.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        let file = Nameless(tempfile::tempfile_in(folder)?);
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder.create_with_backend(file).map_err(failed)?;
        Ok(Self { notes: database.begin_write().map_err(failed)? })
    }

    /// What is noted under a key.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn get(&self, shelf: Shelf, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let table = self.notes.open_table(shelf.table()).map_err(failed)?;
        let found = table.get(key).map_err(failed)?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// Notes a value, in place of any other.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn put(&self, shelf: Shelf, key: &[u8], value: &[u8]) -> io::Result<()> {
        let mut table = self.notes.open_table(shelf.table()).map_err(failed)?;
        table.insert(key, value).map_err(failed)?;
        Ok(())
    }

    /// Notes many values.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn put_all(&self, shelf: Shelf, notes: impl IntoIterator<Item = Note>) -> io::Result<()> {
        let mut table = self.notes.open_table(shelf.table()).map_err(failed)?;
        for (key, value) in notes {
            table.insert(key.as_slice(), value.as_slice()).map_err(failed)?;
        }
        Ok(())
    }

    /// Forgets what is noted under a key.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remove(&self, shelf: Shelf, key: &[u8]) -> io::Result<()> {
        let mut table = self.notes.open_table(shelf.table()).map_err(failed)?;
        table.remove(key).map_err(failed)?;
        Ok(())
    }

    /// The notes behind a key, in the order of their keys: as many as are handled at a time.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn page(&self, shelf: Shelf, after: Bound<&[u8]>) -> io::Result<Vec<Note>> {
        let table = self.notes.open_table(shelf.table()).map_err(failed)?;
        let found = table.range::<&[u8]>((after, Bound::Unbounded)).map_err(failed)?;
        found
            .take(PAGE_NOTES_MAX)
            .map(|note| note.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
            .collect::<Result<_, _>>()
            .map_err(failed)
    }

    /// The last note whose key begins so.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn last(&self, shelf: Shelf, prefix: &[u8]) -> io::Result<Option<Note>> {
        let table = self.notes.open_table(shelf.table()).map_err(failed)?;
        let below = [prefix, &[u8::MAX]].concat();
        let mut found = table.range::<&[u8]>(prefix..below.as_slice()).map_err(failed)?;
        let last = found.next_back().transpose().map_err(failed)?;
        Ok(last.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
    }

    /// Goes over a shelf page by page.
    pub fn pages(&self, shelf: Shelf) -> Pages<'_> {
        Pages { scratch: self, shelf, after: Bound::Unbounded }
    }
}

/// A shelf, page by page.
pub struct Pages<'a> {
    scratch: &'a Scratch,
    shelf: Shelf,
    after: Bound<Vec<u8>>,
}

impl Iterator for Pages<'_> {
    type Item = io::Result<Vec<Note>>;

    fn next(&mut self) -> Option<Self::Item> {
        let after = self.after.as_ref().map(Vec::as_slice);
        let page = self.scratch.page(self.shelf, after);
        let (last, _) = page.as_ref().ok().and_then(|page| page.last())?;
        self.after = Bound::Excluded(last.clone());
        Some(page)
    }
}

impl Shelf {
    fn table(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(match self {
            Self::Seen => "seen",
            Self::Waiting => "waiting",
            Self::Objects => "objects",
            Self::Heads => "heads",
            Self::Lines => "lines",
            Self::Receipts => "receipts",
            Self::Errors => "errors",
            Self::Warnings => "warnings",
        })
    }
}

/// A file that nobody will open again: no power cut can take anything from it, so it is never synced.
#[derive(Debug)]
struct Nameless(File);

impl StorageBackend for Nameless {
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
const PAGE_NOTES_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_found_in_the_order_of_their_keys_and_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::in_folder(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(scratch.pages(Shelf::Seen).count(), 0);
        let count = u32::try_from(2 * PAGE_NOTES_MAX + 1).unwrap();
        for number in (0..count).rev() {
            let key = number.to_be_bytes();
            scratch.put(Shelf::Seen, &key, &[1]).unwrap();
            scratch.put(Shelf::Seen, &key, &[2]).unwrap();
        }
        scratch.put_all(Shelf::Lines, [(vec![0, 7], vec![3]), (vec![1], vec![4])]).unwrap();
        let pages: Vec<_> = scratch.pages(Shelf::Seen).map(Result::unwrap).collect();
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2_048, 2_048, 1]);
        let keys = pages.concat().into_iter().map(|(key, _)| key);
        assert!(keys.eq((0..count).map(|number| number.to_be_bytes().to_vec())));
        assert_eq!(scratch.get(Shelf::Seen, &[0; 4]).unwrap(), Some(vec![2]));
        assert_eq!(scratch.get(Shelf::Heads, &[0; 4]).unwrap(), None);
        assert_eq!(scratch.last(Shelf::Lines, &[0]).unwrap(), Some((vec![0, 7], vec![3])));
        assert_eq!(scratch.last(Shelf::Lines, &[2]).unwrap(), None);
        scratch.remove(Shelf::Lines, &[0, 7]).unwrap();
        assert_eq!(scratch.last(Shelf::Lines, &[0]).unwrap(), None);
    }
}
