//! Log lines: to standard error, as text for people or as JSON for machines. Standard output is
//! left to what a program was asked to print.

use std::io::{self, IsTerminal as _};
use std::str::FromStr;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// Sends log lines to standard error from now on. Once per process.
///
/// `filter` is a level, or levels by module: `info`, `info,hyper=warn`.
///
/// # Errors
/// [`TracingError::Filter`] when the filter is not understood, [`TracingError::AlreadySet`] on the
/// second call.
pub fn init_tracing(format: Format, filter: &str) -> Result<(), TracingError> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| TracingError::Filter { filter: filter.to_owned(), source })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Format::Text => lines.with_ansi(io::stderr().is_terminal()).finish().try_init(),
        Format::Json => lines.json().flatten_event(true).finish().try_init(),
    }
    .map_err(TracingError::AlreadySet)
}

/// An error with its causes, on one line.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        words.push_str(": ");
        words.push_str(&source.to_string());
        cause = source.source();
    }
    words
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One readable line.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

/// There are only two ways to write a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `text` or `json`")]
pub struct UnknownFormat;

/// Why log lines were not set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracingError {
    /// Expected levels such as `info` or `info,hyper=warn`.
    #[error("cannot understand the log filter `{filter}`, expected for example `info,hyper=warn`")]
    Filter {
        /// The filter as written.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Something else in this process receives log lines already.
    #[error("log lines are set up already")]
    AlreadySet(#[source] TryInitError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_filter_it_does_not_understand() {
        let error = init_tracing(Format::Text, "info,hyper=loud").unwrap_err();
        assert!(error.to_string().contains("hyper=loud"), "{error}");
    }
}
