//! The program: reads the command line, does one thing, turns an error into an exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use civiclog_witness::arguments::Arguments;
use clap::Parser as _;

fn main() -> ExitCode {
    match civiclog_witness::command::act(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without standard error there is nobody left to tell.
            let _ = writeln!(io::stderr(), "civiclog-witness: {error:#}");
            ExitCode::FAILURE
        }
    }
}
