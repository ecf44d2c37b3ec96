//! The state folder: what civiclog remembers between runs.
//!
//! ```text
//! <state>/journals/<hash of origin>/<submitter>.journal     see submit/journal.rs
//! <state>/journals/<hash of origin>/<submitter>.journal.secret     see submit/persons.rs
//! <state>/observed/<hash of origin>/<observer>-<first commit>   the last commit observed
//! <state>/checkpoints/<hash of origin>/latest               the last checkpoint seen: trusted
//! <state>/checkpoints/<hash of origin>/evidence-<n>.txt     two checkpoints that contradict
//! ```
//! Losing `latest` means that the next `consistency` is a first use again; rolling it back means
//! that it compares with an older checkpoint.

use std::path::{Path, PathBuf};

use tlog::Origin;

use crate::Environment;
use crate::exit::{Failure, Outcome};

/// The state folder. Nothing is created before something is written.
#[derive(Debug, Clone)]
pub(crate) struct StateFolder {
    root: PathBuf,
}

impl StateFolder {
    /// `--state`, else `$XDG_STATE_HOME/civiclog`, else `~/.local/state/civiclog`.
    pub(crate) fn locate(given: Option<&Path>, environment: &Environment) -> Outcome<Self> {
        let of_xdg = environment.state_home.as_ref().filter(|path| path.is_absolute());
        let of_home = environment.home.as_ref().filter(|path| !path.as_os_str().is_empty());
        let root = given
            .map(Path::to_owned)
            .or_else(|| of_xdg.map(|path| path.join("civiclog")))
            .or_else(|| of_home.map(|path| path.join(".local/state/civiclog")))
            .ok_or_else(|| {
                Failure::usage("neither HOME nor XDG_STATE_HOME is set; use --state DIR")
            })?;
        Ok(Self { root })
    }

    /// The journal of a submitter at a log.
    pub(crate) fn journal(&self, origin: &Origin, submitter: &str) -> PathBuf {
        // A submitter's id has no slash and is never "..": the map was checked by then.
        self.root
            .join("journals")
            .join(origin.sha256_hex())
            .join(format!("{}.journal", submitter.replace(['/', '\\'], "_")))
    }

    /// How far the history that begins with this commit was observed.
    pub(crate) fn observed(&self, origin: &Origin, observer: &str, root: &str) -> PathBuf {
        let observer = observer.replace(['/', '\\', '.'], "_");
        self.root.join("observed").join(origin.sha256_hex()).join(format!("{observer}-{root}"))
    }

    /// The folder of checkpoints seen of a log.
    pub(crate) fn checkpoints(&self, origin: &Origin) -> PathBuf {
        self.root.join("checkpoints").join(origin.sha256_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_given_or_from_xdg_or_from_home() {
        let locate = |given: Option<&str>, xdg: Option<&str>, home: Option<&str>| {
            let environment = Environment {
                state_home: xdg.map(PathBuf::from),
                home: home.map(PathBuf::from),
                ..Environment::default()
            };
            let folder = StateFolder::locate(given.map(Path::new), &environment);
            folder.ok().map(|folder| folder.root.display().to_string())
        };
        assert_eq!(locate(Some("s"), Some("/x"), Some("/h")).as_deref(), Some("s"));
        assert_eq!(locate(None, Some("/x"), Some("/h")).as_deref(), Some("/x/civiclog"));
        assert_eq!(
            locate(None, Some("rel"), Some("/h")).as_deref(),
            Some("/h/.local/state/civiclog")
        );
        assert_eq!(locate(None, None, None), None);
    }
}
