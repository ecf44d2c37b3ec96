//! A small file system of its own for one folder, to be filled by a test: an image in a file, mounted
//! through a loop device. It takes the rights to mount.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FallocateFlags, fallocate};
use tempfile::TempDir;

/// A mounted disk. Dropping it takes it away, even from programs that still use it.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
    // The image goes after the mount is gone.
    _image: TempDir,
}

impl SmallDisk {
    /// Puts a disk of so many MiB under a folder; what is in the folder moves onto it. Nothing
    /// has the folder open.
    ///
    /// # Errors
    /// Why that is not possible on this machine.
    ///
    /// # Panics
    /// When files cannot be copied.
    pub fn under(at: &Path, mebibytes: u64) -> Result<Self, String> {
        let folder = TempDir::with_prefix("civiclog-disk-").expect("a temporary folder");
        let (image, before) = (folder.path().join("image"), folder.path().join("before"));
        let file = File::create(&image).expect("making an image");
        file.set_len(mebibytes * MIB).expect("a sparse file");
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-b", "4096"]).arg(&image))?;
        crate::log::copy_folder(at, &before);
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(at))?;
        let disk = Self { at: at.to_owned(), _image: folder };
        crate::log::copy_folder(&before, at);
        Ok(disk)
    }

    /// Takes all room but so many KiB, as another program might at any moment.
    ///
    /// # Panics
    /// When there is not even room for a name.
    pub fn leave(&self, kibibytes: u64) {
        let path = self.at.join(FILLER);
        let filler = File::options().create(true).append(true).open(&path).expect("a file");
        let mut step = 16 * MIB;
        while step >= BLOCK_BYTES {
            let excess = self.free_bytes().saturating_sub(kibibytes * 1024);
            let length = filler.metadata().expect("metadata").len();
            let is_taken =
                excess >= step && fallocate(&filler, FallocateFlags::empty(), length, step).is_ok();
            if !is_taken {
                step /= 2;
            }
        }
    }

    /// Gives the room back.
    ///
    /// # Panics
    /// When nothing was taken.
    pub fn clear(&self) {
        std::fs::remove_file(self.at.join(FILLER)).expect("removing the filler");
    }

    /// What is left.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn free_bytes(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.at).expect("asking for room");
        stat.f_bavail * stat.f_frsize
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
    Err(format!("{command:?}: {words}"))
}

const FILLER: &str = "filler";
const BLOCK_BYTES: u64 = 4096;
const MIB: u64 = 1024 * 1024;
