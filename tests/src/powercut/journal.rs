//! The journal as `tests/powercut/journal.c` writes it; the layout stands there.

use std::path::Path;

use super::disk::{Disk, Seen};

/// Carries out, on the modelled disk, everything the journal says. Its last record may be cut off:
/// the program was killed while it wrote it, and nobody learnt of what it would have said.
pub(super) fn replay(journal: &Path, disk: &mut Disk) -> Seen {
    let bytes = std::fs::read(journal).expect("a journal: was the library loaded?");
    let mut rest = bytes.as_slice();
    while let Some((record, after)) = Record::cut_off(rest) {
        rest = after;
        record.apply(disk);
    }
    disk.seen()
}

struct Record<'a> {
    kind: u32,
    path: &'a str,
    other: &'a str,
    data: &'a [u8],
    inode: u64,
    offset: u64,
}

impl<'a> Record<'a> {
    fn cut_off(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("4 bytes"));
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("8 bytes"));
        let length = |at: usize| usize::try_from(number(at)).expect("a length");
        let (path, rest) = rest.split_at_checked(length(4))?;
        let (other, rest) = rest.split_at_checked(length(8))?;
        let (data, rest) = rest.split_at_checked(length(12))?;
        let text = |bytes| std::str::from_utf8(bytes).expect("a path of this test");
        let record = Self {
            kind: number(0),
            path: text(path),
            other: text(other),
            data,
            inode: long(16),
            offset: long(24),
        };
        Some((record, rest))
    }

    fn apply(&self, disk: &mut Disk) {
        match self.kind {
            1 => disk.opened(self.path, self.inode),
            2 => disk.created(self.path, self.inode, self.offset),
            3 => disk.written(self.inode, self.offset, self.data),
            4 => disk.cut(self.inode, self.offset),
            5 => {
                let length = u64::from_le_bytes(self.data.try_into().expect("8 bytes"));
                disk.punched(self.inode, self.offset, length);
            }
            6 => disk.sync_began(self.inode, self.offset),
            7 => disk.sync_ended(self.inode, self.offset),
            8 => disk.renamed(self.path, self.other),
            9 => disk.linked(self.path, self.other),
            10 => disk.unlinked(self.path),
            11 => disk.made_folder(self.path, self.inode),
            12 => panic!("a file is written through a mapping, which no journal sees"),
            kind => panic!("a record of kind {kind}"),
        }
    }
}

const HEAD_BYTES: usize = 32;
