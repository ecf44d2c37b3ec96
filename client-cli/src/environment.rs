//! What a command takes from its environment; read in `main`, nowhere else.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The variables that say where a person's files are and how the network is reached.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `$XDG_STATE_HOME`
    pub state_home: Option<PathBuf>,
    /// `$HOME`
    pub home: Option<PathBuf>,
    /// Every variable, for those of the network.
    pub variables: BTreeMap<String, String>,
}
