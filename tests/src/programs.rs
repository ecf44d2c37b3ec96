//! Where the programs under test are: in `CIVICLOG_BIN_DIR`, or beside the test executable in
//! cargo's own target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The log.
pub const SERVER: &str = "civiclog-server";
/// An independent cosigner.
pub const WITNESS: &str = "civiclog-witness";
/// The command line of submitters and readers.
pub const CLI: &str = "civiclog";

/// A command that runs one of the programs.
///
/// # Panics
/// When the program was not built; the message says how to build it.
pub fn command(program: &str) -> Command {
    let path = path(program);
    assert!(
        path.is_file(),
        "{} is not there: run `cargo build -p civiclog-server -p civiclog-witness -p civiclog`, \
         or ./tests/run, which does",
        path.display()
    );
    let mut command = Command::new(path);
    // What the person running the tests keeps for himself is no concern of a test.
    command.env_remove("XDG_STATE_HOME").env("NO_COLOR", "1");
    command
}

fn path(program: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("CIVICLOG_BIN_DIR") {
        return PathBuf::from(folder).join(program);
    }
    let executable = std::env::current_exe().expect("the path of this test");
    // Tests are in target/PROFILE/deps, binaries in target/PROFILE.
    let folder = executable.parent().expect("a file has a folder");
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    folder.join(program)
}

/// The root of this repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package has a parent folder")
}
