//! Which format a file seems to be.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use crate::error::ImportError;
use crate::format::FormatName;
use crate::iso20022;

/// What a file is by its first bytes: `<` begins XML, whose namespace names the message, `{` and
/// `[` begin JSON; all else can only be a table.
///
/// # Errors
/// The file cannot be read, or is XML and no message that is known.
pub fn detect(file: &Path) -> Result<FormatName, ImportError> {
    let mut reader = BufReader::new(File::open(file).map_err(ImportError::reading(file))?);
    let start = reader.fill_buf().map_err(ImportError::reading(file))?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    match start.first() {
        Some(b'<') => iso20022::message_of(file),
        Some(b'{' | b'[') => Ok(FormatName::Ocds),
        _ => Ok(FormatName::Csv),
    }
}
