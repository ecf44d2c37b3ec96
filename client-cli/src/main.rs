//! `civiclog`: submit to a transparency log, prove and verify what is in it.

use std::io::{IsTerminal, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use civiclog_cli::{Cli, Environment, Screen};
use clap::Parser;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe behind `--help | head` is no failure, so the result is dropped.
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let environment = Environment {
        state_home: std::env::var_os("XDG_STATE_HOME").map(PathBuf::from),
        home: std::env::var_os("HOME").map(PathBuf::from),
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    };
    let mut screen =
        Screen::new(Box::new(stdout()), Box::new(stderr()), stderr().is_terminal(), cli.json);
    civiclog_cli::run(&cli, &environment, &mut screen).into()
}
