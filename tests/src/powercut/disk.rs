//! What a disk may hold of a folder: certain what was synced, anything of the rest.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::random::Random;

/// How much of what was not synced is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// None of it.
    Nothing,
    /// All of it, as after a mere kill.
    Everything,
    /// Of each file the first writes and a part of the next one; of each folder the first changes.
    Beginning,
    /// Of each file any of the writes, and of each of them any sectors.
    Anything,
}

impl Kept {
    /// One of them.
    pub fn any(random: &mut Random) -> Self {
        match random.below(6) {
            0 | 1 => Self::Nothing,
            2 => Self::Everything,
            3 => Self::Beginning,
            _ => Self::Anything,
        }
    }
}

/// What was done to the folder: the test must see that it saw something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Writes to files.
    pub writes: usize,
    /// Syncs of files that ended well.
    pub file_syncs: usize,
    /// Syncs of folders that ended well.
    pub folder_syncs: usize,
    /// Changes of files and folders that were not synced when the power went.
    pub unsynced: usize,
}

/// A folder and all below it, from a durable beginning through a life of changes.
///
/// Time is the number of changes so far: a sync that began at `t` covers the changes before `t`.
#[derive(Debug)]
pub(super) struct Disk {
    files: Vec<File>,
    /// By path below the root; the root is the empty path.
    folders: BTreeMap<String, Folder>,
    /// Every name as it is now, for programs: where a path leads, file or folder.
    live: BTreeMap<String, Node>,
    /// What the kernel calls them.
    inodes: BTreeMap<u64, Node>,
    syncs: BTreeMap<u64, usize>,
    time: usize,
    seen: Seen,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    File(usize),
    Folder(String),
}

#[derive(Debug)]
struct File {
    mode: u32,
    durable: Vec<u8>,
    /// With the time of each.
    changes: Vec<(usize, Change)>,
    synced: usize,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
    Hole { offset: usize, length: usize },
}

#[derive(Debug, Default)]
struct Folder {
    durable: BTreeMap<String, Node>,
    changes: Vec<(usize, Naming)>,
    synced: usize,
}

#[derive(Clone, Debug)]
enum Naming {
    Add {
        name: String,
        node: Node,
    },
    Remove {
        name: String,
    },
    /// Atomic: never neither of the names.
    Move {
        from: String,
        to: String,
        node: Node,
    },
}

impl Disk {
    /// A disk that holds a copy of this folder.
    pub(super) fn of(copy: &Path) -> Self {
        let mut disk = Self {
            files: Vec::new(),
            folders: BTreeMap::new(),
            live: BTreeMap::new(),
            inodes: BTreeMap::new(),
            syncs: BTreeMap::new(),
            time: 0,
            seen: Seen::default(),
        };
        disk.load(copy, "");
        disk
    }

    fn load(&mut self, copy: &Path, path: &str) {
        let mut durable = BTreeMap::new();
        for entry in fs::read_dir(copy.join(path)).expect("a folder of the copy") {
            let entry = entry.expect("an entry of the copy");
            let name = entry.file_name().into_string().expect("a name of this test");
            let below = join(path, &name);
            let node = if entry.file_type().expect("a type").is_dir() {
                self.load(copy, &below);
                Node::Folder(below.clone())
            } else {
                let mode = entry.metadata().expect("metadata").permissions().mode();
                let durable = fs::read(entry.path()).expect("a file of the copy");
                self.add_file(mode, durable)
            };
            durable.insert(name, node.clone());
            self.live.insert(below, node);
        }
        self.live.insert(path.to_owned(), Node::Folder(path.to_owned()));
        self.folders.insert(path.to_owned(), Folder { durable, ..Folder::default() });
    }

    fn add_file(&mut self, mode: u32, durable: Vec<u8>) -> Node {
        self.files.push(File { mode, durable, changes: Vec::new(), synced: 0 });
        Node::File(self.files.len() - 1)
    }

    pub(super) fn opened(&mut self, path: &str, inode: u64) {
        // What was made past the library, RocksDB's own diary, is not part of the disk.
        if let Some(node) = self.live.get(path) {
            self.inodes.insert(inode, node.clone());
        } else {
            self.inodes.remove(&inode);
        }
    }

    pub(super) fn created(&mut self, path: &str, inode: u64, mode: u64) {
        let node = self.add_file(u32::try_from(mode).expect("a mode"), Vec::new());
        self.inodes.insert(inode, node.clone());
        self.name(path, node);
    }

    pub(super) fn made_folder(&mut self, path: &str, inode: u64) {
        let node = Node::Folder(path.to_owned());
        self.folders.insert(path.to_owned(), Folder::default());
        self.inodes.insert(inode, node.clone());
        self.name(path, node);
    }

    pub(super) fn written(&mut self, inode: u64, offset: u64, data: &[u8]) {
        self.seen.writes += 1;
        let offset = usize::try_from(offset).expect("a position");
        self.change(inode, Change::Write { offset, data: data.to_vec() });
    }

    pub(super) fn cut(&mut self, inode: u64, length: u64) {
        self.change(inode, Change::Length(usize::try_from(length).expect("a length")));
    }

    pub(super) fn punched(&mut self, inode: u64, offset: u64, length: u64) {
        let (offset, length) = (usize::try_from(offset), usize::try_from(length));
        let (offset, length) = (offset.expect("a position"), length.expect("a length"));
        self.change(inode, Change::Hole { offset, length });
    }

    pub(super) fn sync_began(&mut self, _inode: u64, number: u64) {
        self.syncs.insert(number, self.time);
    }

    pub(super) fn sync_ended(&mut self, inode: u64, number: u64) {
        let covers = self.syncs.remove(&number).expect("a sync that began");
        match self.inodes.get(&inode) {
            Some(Node::File(file)) => {
                self.seen.file_syncs += 1;
                let synced = &mut self.files[*file].synced;
                *synced = covers.max(*synced);
            }
            Some(Node::Folder(path)) => {
                self.seen.folder_syncs += 1;
                let synced = &mut self.folders.get_mut(path).expect("its folder").synced;
                *synced = covers.max(*synced);
            }
            None => {}
        }
    }

    pub(super) fn renamed(&mut self, from: &str, to: &str) {
        let Some(node) = self.live.remove(from) else { return };
        let ((from_folder, from_name), (to_folder, to_name)) = (split(from), split(to));
        if from_folder == to_folder {
            let (from, to) = (from_name.to_owned(), to_name.to_owned());
            self.naming(from_folder, Naming::Move { from, to, node: node.clone() });
        } else {
            self.naming(from_folder, Naming::Remove { name: from_name.to_owned() });
            self.naming(to_folder, Naming::Add { name: to_name.to_owned(), node: node.clone() });
        }
        self.live.insert(to.to_owned(), node);
    }

    pub(super) fn linked(&mut self, from: &str, to: &str) {
        let Some(node) = self.live.get(from).cloned() else { return };
        self.name(to, node);
    }

    pub(super) fn unlinked(&mut self, path: &str) {
        if self.live.remove(path).is_some() {
            let (folder, name) = split(path);
            self.naming(folder, Naming::Remove { name: name.to_owned() });
        }
    }

    fn name(&mut self, path: &str, node: Node) {
        let (folder, name) = split(path);
        self.naming(folder, Naming::Add { name: name.to_owned(), node: node.clone() });
        self.live.insert(path.to_owned(), node);
    }

    fn naming(&mut self, folder: &str, naming: Naming) {
        let folder = self.folders.get_mut(folder).expect("a folder that is there");
        folder.changes.push((self.time, naming));
        self.time += 1;
    }

    fn change(&mut self, inode: u64, change: Change) {
        if let Some(Node::File(file)) = self.inodes.get(&inode) {
            self.files[*file].changes.push((self.time, change));
            self.time += 1;
        }
    }

    /// What was done so far.
    pub(super) fn seen(&self) -> Seen {
        let unsynced = |times: &mut dyn Iterator<Item = usize>, synced: usize| {
            times.filter(|time| *time >= synced).count()
        };
        let of_files: usize = self
            .files
            .iter()
            .map(|it| unsynced(&mut it.changes.iter().map(|(time, _)| *time), it.synced))
            .sum();
        let of_folders: usize = self
            .folders
            .values()
            .map(|it| unsynced(&mut it.changes.iter().map(|(time, _)| *time), it.synced))
            .sum();
        Seen { unsynced: of_files + of_folders, ..self.seen }
    }

    /// Writes the folder as the disk has it when the power comes back.
    pub(super) fn write_to(&self, to: &Path, kept: Kept, random: &mut Random) {
        self.write_folder("", to, kept, random);
    }

    fn write_folder(&self, path: &str, to: &Path, kept: Kept, random: &mut Random) {
        fs::create_dir_all(to).expect("making a folder");
        for (name, node) in self.folders[path].after(kept, random) {
            match node {
                Node::Folder(path) => self.write_folder(&path, &to.join(name), kept, random),
                Node::File(file) => {
                    let file = &self.files[file];
                    let target = to.join(name);
                    fs::write(&target, file.after(kept, random)).expect("writing a file");
                    let mode = fs::Permissions::from_mode(file.mode);
                    fs::set_permissions(target, mode).expect("setting a mode");
                }
            }
        }
    }
}

impl Folder {
    fn after(&self, kept: Kept, random: &mut Random) -> BTreeMap<String, Node> {
        let synced = self.changes.iter().filter(|(time, _)| *time < self.synced).count();
        let count = match kept {
            Kept::Nothing => synced,
            Kept::Everything => self.changes.len(),
            Kept::Beginning | Kept::Anything => {
                synced + below(random, self.changes.len() - synced + 1)
            }
        };
        let mut names = self.durable.clone();
        for (_, naming) in &self.changes[..count] {
            match naming.clone() {
                Naming::Add { name, node } => {
                    names.insert(name, node);
                }
                Naming::Remove { name } => {
                    names.remove(&name);
                }
                Naming::Move { from, to, node } => {
                    names.remove(&from);
                    names.insert(to, node);
                }
            }
        }
        names
    }
}

impl File {
    fn after(&self, kept: Kept, random: &mut Random) -> Vec<u8> {
        let mut content = self.durable.clone();
        let synced = self.changes.iter().filter(|(time, _)| *time < self.synced).count();
        let (certain, rest) = self.changes.split_at(synced);
        for (_, change) in certain {
            change.apply(&mut content);
        }
        let whole = match kept {
            Kept::Nothing => return content,
            Kept::Everything => rest.len(),
            Kept::Beginning => below(random, rest.len() + 1),
            Kept::Anything => 0,
        };
        for (position, (_, change)) in rest.iter().enumerate() {
            match kept {
                _ if position < whole => change.apply(&mut content),
                Kept::Beginning if position == whole => {
                    change.apply_beginning(&mut content, random);
                }
                Kept::Anything => change.apply_torn(&mut content, random),
                _ => break,
            }
        }
        content
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => put(content, *offset, data),
            Self::Length(length) => content.resize(*length, 0),
            Self::Hole { offset, length } => {
                let end = (offset + length).min(content.len());
                if let Some(hole) = content.get_mut(*offset..end) {
                    hole.fill(0);
                }
            }
        }
    }

    /// The first bytes of a write, as many as chance has it.
    fn apply_beginning(&self, content: &mut Vec<u8>, random: &mut Random) {
        if let Self::Write { offset, data } = self {
            put(content, *offset, &data[..below(random, data.len() + 1)]);
        }
    }

    /// Any sectors of a write, or none, or all.
    fn apply_torn(&self, content: &mut Vec<u8>, random: &mut Random) {
        let choice = random.below(3);
        if choice == 0 {
            return;
        }
        let Self::Write { offset, data } = self else { return self.apply(content) };
        if choice == 1 {
            return self.apply(content);
        }
        let sector = if random.below(2) == 0 { 512 } else { 4096 };
        let mut start = 0;
        while start < data.len() {
            let end = ((offset + start) / sector + 1) * sector - offset;
            let end = end.min(data.len());
            if random.below(2) == 0 {
                put(content, offset + start, &data[start..end]);
            }
            start = end;
        }
    }
}

/// Writes bytes at a position; what is skipped reads as zeros.
fn put(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(data);
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).expect("below a usize")
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests;
