//! How the log is reached, for every command that asks it.

use std::path::PathBuf;

use clap::Args;

/// A proxy is no argument: it comes from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
#[derive(Debug, Default, Args)]
pub(crate) struct NetworkArgs {
    /// Believe these authorities too, beside the system's: certificates in PEM
    /// [env: `CIVICLOG_CA_FILE`]
    #[arg(long, global = true, value_name = "FILE", help_heading = HEADING)]
    pub(crate) ca_file: Option<PathBuf>,
    /// Show this certificate, PEM with its chain, to a log that asks for one
    /// [env: `CIVICLOG_CLIENT_CERTIFICATE`]
    #[arg(long, global = true, value_name = "FILE", help_heading = HEADING)]
    pub(crate) client_certificate: Option<PathBuf>,
    /// The private key of that certificate, PEM, readable by you alone [env: `CIVICLOG_CLIENT_KEY`]
    #[arg(long, global = true, value_name = "FILE", help_heading = HEADING)]
    pub(crate) client_key: Option<PathBuf>,
}

const HEADING: &str = "Network";
