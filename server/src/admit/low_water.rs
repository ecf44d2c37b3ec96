//! Stopping before a disk is full. A write that fails for want of room leaves a commit whose outcome
//! nobody knows, which ends this process's work for good; so records are turned away while there is
//! still room for everything else: flushes, compactions, the anchor, the heads of what is committed.
//!
//! ```text
//! free ≥ least + 1/8    taken in
//!      … in between     as before: no flapping at the mark
//! free < least          turned away; publishing and reading go on
//! ```

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use service::FreeSpace;

/// Why nothing is taken in at present. For the operator: it names a path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LowWaterError {
    /// Too little is left.
    #[error(
        "the disk of the {folder} ({path}) has {free} bytes free; records are taken from {needed} \
         on (`limits.disk_free_bytes_min`)"
    )]
    AlmostFull {
        /// Which folder: one of [`crate::core::metrics::FOLDERS`].
        folder: &'static str,
        path: PathBuf,
        /// What is left, in bytes.
        free: u64,
        /// What there has to be, in bytes.
        needed: u64,
    },
    /// Nobody knows how much is left, so it may be nothing.
    #[error("the system does not say how much room the disk of the {folder} ({path}) has left")]
    Unknown {
        /// Which folder: one of [`crate::core::metrics::FOLDERS`].
        folder: &'static str,
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// The mark below which nothing is taken in. Asked before every body and before every batch.
#[derive(Debug)]
pub struct LowWater {
    space: Box<dyn FreeSpace>,
    folders: Vec<Folder>,
    free_bytes_min: u64,
}

#[derive(Debug)]
struct Folder {
    label: &'static str,
    path: PathBuf,
    /// Whether it was below the mark when somebody looked last. Two who look at the same moment may
    /// both write it; either is as right as the other.
    is_low: AtomicBool,
}

impl LowWater {
    /// Watches the file systems that hold the folders, each with its label, one of [`crate::core::metrics::FOLDERS`].
    /// With a mark of 0 there is always room.
    pub fn new(
        space: Box<dyn FreeSpace>,
        folders: Vec<(&'static str, PathBuf)>,
        free_bytes_min: u64,
    ) -> Self {
        let folders = folders
            .into_iter()
            .map(|(label, path)| Folder { label, path, is_low: AtomicBool::new(false) })
            .collect();
        Self { space, folders, free_bytes_min }
    }

    /// Whether there is room for more than what is under way already.
    ///
    /// # Errors
    /// [`LowWaterError`] names the folder; records are turned away until it passes.
    pub fn check(&self) -> Result<(), LowWaterError> {
        if self.free_bytes_min == 0 {
            return Ok(());
        }
        // All of them, also when the first is low: each remembers for itself.
        let looked = self.folders.iter().map(|it| self.look_at(it)).collect::<Vec<_>>();
        looked.into_iter().collect()
    }

    /// What is left in each folder, where the system says so, by label.
    pub fn free_bytes(&self) -> Vec<(&'static str, u64)> {
        self.folders
            .iter()
            .filter_map(|it| Some((it.label, self.space.free_bytes(&it.path).ok()?)))
            .collect()
    }

    fn look_at(&self, folder: &Folder) -> Result<(), LowWaterError> {
        let (label, path) = (folder.label, folder.path.clone());
        let free = match self.space.free_bytes(&folder.path) {
            Ok(free) => free,
            Err(source) => {
                folder.turned(true);
                return Err(LowWaterError::Unknown { folder: label, path, source });
            }
        };
        let needed = if folder.is_low.load(Ordering::Relaxed) {
            self.free_bytes_min + (self.free_bytes_min / 8).min(MARGIN_BYTES_MAX)
        } else {
            self.free_bytes_min
        };
        folder.turned(free < needed);
        if free < needed {
            return Err(LowWaterError::AlmostFull { folder: label, path, free, needed });
        }
        Ok(())
    }
}

impl Folder {
    fn turned(&self, is_low: bool) {
        let was_low = self.is_low.swap(is_low, Ordering::Relaxed);
        let (folder, path) = (self.label, self.path.display());
        if is_low && !was_low {
            tracing::error!(folder, %path, "the disk is almost full: no records are taken in");
        }
        if was_low && !is_low {
            tracing::info!(folder, %path, "the disk has room again: records are taken in");
        }
    }
}

/// How far above the mark records are taken in again, at most.
const MARGIN_BYTES_MAX: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Disks(Arc<Mutex<BTreeMap<PathBuf, u64>>>);

    impl Disks {
        fn set(&self, path: &str, free: u64) {
            self.0.lock().expect("no panic").insert(PathBuf::from(path), free);
        }
    }

    impl FreeSpace for Disks {
        fn free_bytes(&self, path: &Path) -> io::Result<u64> {
            let free = self.0.lock().expect("no panic").get(path).copied();
            free.ok_or_else(|| io::Error::other("no such disk"))
        }
    }

    fn low_water(disks: &Disks, least: u64) -> LowWater {
        let folders =
            vec![("database", PathBuf::from("/db")), ("anchor", PathBuf::from("/anchor"))];
        LowWater::new(Box::new(disks.clone()), folders, least)
    }

    #[test]
    fn below_the_mark_nothing_is_taken_in_until_there_is_clearly_room_again() {
        let disks = Disks::default();
        disks.set("/db", 800);
        disks.set("/anchor", 800);
        let mark = low_water(&disks, 800);
        mark.check().expect("exactly enough");
        disks.set("/db", 799);
        let words = mark.check().expect_err("too little").to_string();
        assert!(words.contains("/db") && words.contains("799"), "{words}");
        disks.set("/db", 899);
        assert!(mark.check().is_err(), "at the mark it does not flap");
        disks.set("/db", 900);
        mark.check().expect("clearly enough");
        disks.set("/db", 800);
        mark.check().expect("and that is remembered too");
    }

    #[test]
    fn each_disk_counts_for_itself() {
        let disks = Disks::default();
        disks.set("/db", 5000);
        disks.set("/anchor", 10);
        let mark = low_water(&disks, 800);
        let words = mark.check().expect_err("too little").to_string();
        assert!(words.contains("/anchor") && !words.contains("/db"), "{words}");
        assert_eq!(mark.free_bytes(), [("database", 5000), ("anchor", 10)]);
    }

    #[test]
    fn what_nobody_can_measure_counts_as_full() {
        let disks = Disks::default();
        disks.set("/db", 5000);
        assert!(matches!(
            low_water(&disks, 800).check(),
            Err(LowWaterError::Unknown { folder: "anchor", .. })
        ));
    }

    #[test]
    fn a_mark_of_nothing_never_looks() {
        low_water(&Disks::default(), 0).check().expect("never looks");
    }
}
