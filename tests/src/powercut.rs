//! A power cut, without pulling a plug: a program runs on a library that writes down every change
//! to the files of a folder (`tests/powercut/journal.c`), is killed, and its folder is made anew as a
//! disk might hold it after the power went.
//!
//! ```text
//! folder before ─┐
//!                ├─► Disk ─► a folder in which only what was synced is certain
//! journal ───────┘
//! ```
//!
//! What may be left is what journalling file systems promise and no more:
//! - a file's content as of its last sync, and of the writes since then all, none, or any part, by
//!   sectors of 512 bytes or pages of 4096;
//! - a folder's names as of the folder's last sync, and of the changes since then the first few, in
//!   their order. That a *file* was synced says nothing about its name.

mod disk;
mod journal;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::log::replace_folder;
use crate::programs;
use crate::random::Random;
use crate::under::Under;

pub use disk::{Kept, Seen};

/// The recording library, compiled for this test run.
#[derive(Clone, Debug)]
pub struct Recorder {
    library: PathBuf,
}

impl Recorder {
    /// Compiles the library into a folder.
    ///
    /// # Errors
    /// Why that is not possible here.
    ///
    /// # Panics
    /// When there is a compiler that does not accept the source.
    pub fn build(folder: &Path) -> Result<Self, String> {
        if !cfg!(all(target_os = "linux", target_env = "gnu")) {
            return Err("it needs Linux with the GNU C library".to_owned());
        }
        let library = folder.join("journal.so");
        let source = programs::repository().join("tests/powercut/journal.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]);
        compiler.arg(&library).arg(source).args(["-ldl", "-lpthread"]);
        match compiler.output() {
            Err(error) => Err(format!("there is no C compiler `cc` here: {error}")),
            Ok(output) => {
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "compiling the recording library: {words}");
                Ok(Self { library })
            }
        }
    }
}

/// A folder whose disk loses its power now and then.
#[derive(Debug)]
pub struct Outage {
    recorder: Recorder,
    folder: PathBuf,
    /// Where copies and journals of this folder are kept.
    beside: PathBuf,
    /// The journal of the present life.
    life: usize,
    forget: Option<&'static str>,
}

impl Outage {
    /// The disk under `folder`; what is in it now is durable. Nothing has it open.
    ///
    /// # Panics
    /// When files cannot be copied.
    pub fn new(recorder: &Recorder, folder: &Path, beside: &Path) -> Self {
        let folder = folder.canonicalize().expect("a folder");
        let outage = Self {
            recorder: recorder.clone(),
            folder,
            beside: beside.to_owned(),
            life: 0,
            forget: None,
        };
        crate::log::copy_folder(&outage.folder, &outage.copy());
        outage
    }

    /// The same disk once something was done to it that was not recorded: what is in it now is
    /// durable. Nothing has it open.
    ///
    /// # Panics
    /// When files cannot be copied.
    #[must_use]
    pub fn renewed(&self) -> Self {
        let (recorder, folder, beside) =
            (self.recorder.clone(), self.folder.clone(), self.beside.clone());
        let renewed = Self { recorder, folder, beside, life: self.life + 1, forget: self.forget };
        crate::log::copy_folder(&renewed.folder, &renewed.copy());
        renewed
    }

    /// Lets syncs of files whose names end so do nothing, as a disk does that lies.
    #[must_use]
    pub fn forgetting(mut self, ending: &'static str) -> Self {
        self.forget = Some(ending);
        self
    }

    /// What the program that owns the folder is started under.
    pub fn under(&self) -> Under {
        let under = Under::default()
            .with_variable("LD_PRELOAD", &self.recorder.library)
            .with_variable("POWERCUT_FOLDER", &self.folder)
            .with_variable("POWERCUT_JOURNAL", self.journal());
        match self.forget {
            Some(ending) => under.with_variable("POWERCUT_FORGET", ending),
            None => under,
        }
    }

    /// The power went: replaces the folder by what the disk kept. The program is dead already.
    ///
    /// # Panics
    /// When the journal is not one, or files cannot be written.
    pub fn cut(&mut self, kept: Kept, random: &mut Random) -> Seen {
        let (copy, journal) = (self.copy(), self.journal());
        let mut disk = disk::Disk::of(&copy);
        let seen = journal::replay(&journal, &mut disk);
        self.life += 1;
        disk.write_to(&self.copy(), kept, random);
        replace_folder(&self.copy(), &self.folder);
        // The one before is of no use any more, and disks are small where tests run.
        let _ = std::fs::remove_dir_all(copy);
        let _ = std::fs::remove_file(journal);
        seen
    }

    fn copy(&self) -> PathBuf {
        self.beside.join(format!("disk-{}", self.life))
    }

    fn journal(&self) -> PathBuf {
        self.beside.join(format!("journal-{}", self.life))
    }
}
