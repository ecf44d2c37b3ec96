//! Configuration files: TOML, parsed whole before anything starts.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Reads a TOML file into `T`.
///
/// Every struct in `T` carries `#[serde(deny_unknown_fields)]`: a misspelt field must stop the
/// process, not be ignored.
///
/// # Errors
/// [`ConfigError::Read`] when the file cannot be read, [`ConfigError::Parse`] with line, column and
/// the text of the line when it is not what `T` expects.
pub fn load_toml<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse_toml(path, &text)
}

/// Reads the text of a TOML file into `T`, as [`load_toml`] does.
///
/// # Errors
/// [`ConfigError::Parse`], which names `path`.
pub fn parse_toml<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let place = Place::of(text, error.span());
        ConfigError::Parse {
            path: path.to_owned(),
            line: place.line,
            column: place.column,
            excerpt: place.excerpt,
            message: error.message().to_owned(),
        }
    })
}

/// A variable of the environment, if it is set and is UTF-8.
#[expect(clippy::disallowed_methods, reason = "the one place where a server reads one")]
pub fn environment_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A path written in a configuration file is relative to the folder of that file.
pub fn resolve(config_file: &Path, written: &Path) -> PathBuf {
    match config_file.parent() {
        Some(folder) => folder.join(written),
        None => written.to_owned(),
    }
}

/// Why a configuration file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read as UTF-8 text.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML, or has a field that is unknown, missing or of another type.
    #[error("{}, line {line}, column {column}, `{excerpt}`: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// 1-based column, in characters.
        column: usize,
        /// The line as written, which names the field.
        excerpt: String,
        /// What was expected and what was found.
        message: String,
    },
}

struct Place {
    line: usize,
    column: usize,
    excerpt: String,
}

impl Place {
    /// Without a span (the whole file is at fault) it is the first line.
    fn of(text: &str, span: Option<Range<usize>>) -> Self {
        let start = span.map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let excerpt = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            excerpt: excerpt.trim().chars().take(EXCERPT_CHARS_MAX).collect(),
        }
    }
}

const EXCERPT_CHARS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        listen: Listen,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Listen {
        port: u16,
    }

    fn load(text: &str) -> Result<Sample, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.toml");
        fs::write(&path, text).unwrap();
        load_toml(&path)
    }

    #[test]
    fn reads_a_complete_file() {
        let sample = load("name = \"a\"\n[listen]\nport = 1\n").unwrap();
        assert_eq!((sample.name.as_str(), sample.listen.port), ("a", 1));
    }

    #[test]
    fn errors_name_the_file_the_line_and_the_field() {
        let rows = [
            ("name = \"a\"\n[listen]\nport = 1\nporrt = 2\n", "line 4", "porrt"),
            ("name = \"a\"\n[listen]\nport = \"x\"\n", "line 3", "port"),
            ("name = \"a\"\n[listen]\n", "line 2", "port"),
            ("name = \"a\"\n", "line 1", "listen"),
            ("name = \n", "line 1", "name"),
        ];
        for (text, line, field) in rows {
            let message = load(text).unwrap_err().to_string();
            for part in ["sample.toml", line, field] {
                assert!(message.contains(part), "{message:?} does not name {part:?}");
            }
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let message =
            load_toml::<Sample>(Path::new("/nonexistent/a.toml")).unwrap_err().to_string();
        assert!(message.contains("/nonexistent/a.toml"), "{message}");
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        assert_eq!(
            resolve(Path::new("/etc/c/a.toml"), Path::new("data")),
            Path::new("/etc/c/data")
        );
        assert_eq!(resolve(Path::new("/etc/c/a.toml"), Path::new("/data")), Path::new("/data"));
        assert_eq!(resolve(Path::new("a.toml"), Path::new("data")), Path::new("data"));
    }
}
