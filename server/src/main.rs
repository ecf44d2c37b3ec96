//! The `civiclog-server` program: parses its command line and maps the outcome to an exit code.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = civiclog_server::cli::Arguments::parse();
    match civiclog_server::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `{:#}` prints the whole chain of causes on one line.
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
