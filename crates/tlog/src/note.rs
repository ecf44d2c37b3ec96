//! Signed notes: a text, an empty line, and signature lines anybody may add to.
//!
//! ```text
//! log.example/spending-2026          ┐
//! 5                                  │ the text, its last line feed included: this is signed
//! qxN…=                              ┘
//!                                      the last empty line separates
//! — log.example/spending-2026 C+HR…=   em dash, key name, base64 of key id (4) ‖ signature
//! — witness.example/w1 2e1i…=
//! ```
//!
//! Spec: c2sp.org/signed-note §Format.

use std::fmt;
use std::str::FromStr;

use crate::encoding;

/// A text with at least one signature line, of keys known or not. Well formed; nothing verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Reads a whole note.
    ///
    /// # Errors
    /// [`NoteError`] when it is not a note. One malformed signature line makes the whole note
    /// malformed, as in the reference implementation: nothing that was not understood is carried.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { got: bytes.len() });
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Utf8)?;
        // SPEC signed-note: the text may hold empty lines, so the last one separates.
        let separator = whole.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, lines) = whole.split_at(separator.saturating_add(1));
        let lines = lines.strip_prefix('\n').unwrap_or(lines);
        let signatures = parse_signature_lines(lines)?;
        Self::new(text.to_owned(), signatures)
    }

    /// A note of a text, which ends in a line feed, and 1 to 64 signatures.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        if !text.ends_with('\n') {
            return Err(NoteError::TextEnd);
        }
        if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(NoteError::ControlByte);
        }
        if signatures.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        if signatures.len() > SIGNATURE_LINES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        let note = Self { text, signatures };
        let length = note.encoded_len();
        if length > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { got: length });
        }
        Ok(note)
    }

    /// The signed text, its last line feed included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines, in the order of the note.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature line. One that is already there, byte for byte, is not added again.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`] or [`NoteError::TooLong`]; the note is then unchanged.
    pub fn push(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        if self.signatures.len() >= SIGNATURE_LINES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        let length = self.encoded_len().saturating_add(signature.line_len());
        if length > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { got: length });
        }
        self.signatures.push(signature);
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.signatures
            .iter()
            .map(NoteSignature::line_len)
            .fold(self.text.len().saturating_add(1), usize::saturating_add)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        Self::parse(text.as_bytes())
    }
}

/// Reads signature lines, each ending in a line feed: the end of a note, or what a witness answers.
pub(crate) fn parse_signature_lines(lines: &str) -> Result<Vec<NoteSignature>, NoteError> {
    if lines.is_empty() {
        return Err(NoteError::NoSignatures);
    }
    let lines = lines.strip_suffix('\n').ok_or(NoteError::SignatureLine)?;
    let mut signatures = Vec::new();
    for line in lines.split('\n') {
        if signatures.len() == SIGNATURE_LINES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        signatures.push(NoteSignature::parse_line(line)?);
    }
    Ok(signatures)
}

/// One signature line: who, with which key, and the bytes that key's type defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the signer.
    pub name: KeyName,
    /// Which of the signer's keys.
    pub id: KeyId,
    /// The signature, at least one byte; what it holds depends on the key type.
    pub bytes: Vec<u8>,
}

impl NoteSignature {
    /// Reads `— <name> <base64>`, without line feed.
    pub fn parse_line(line: &str) -> Result<Self, NoteError> {
        Self::parse_line_or_none(line).ok_or(NoteError::SignatureLine)
    }

    fn parse_line_or_none(line: &str) -> Option<Self> {
        let (name, blob) = line.strip_prefix(LINE_PREFIX)?.split_once(' ')?;
        let name = name.parse().ok()?;
        let blob = encoding::from_base64(blob)?;
        let (id, bytes) = blob.split_first_chunk()?;
        // SPEC signed-note (reference parser): at least one byte of signature.
        (!bytes.is_empty()).then(|| Self { name, id: KeyId::new(*id), bytes: bytes.to_vec() })
    }

    /// The length of the line with its line feed, in bytes.
    fn line_len(&self) -> usize {
        let blob = self.bytes.len().saturating_add(4).div_ceil(3).saturating_mul(4);
        let frame = LINE_PREFIX.len().saturating_add(2);
        self.name.as_str().len().saturating_add(blob).saturating_add(frame)
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [self.id.as_bytes().as_slice(), &self.bytes].concat();
        write!(f, "{LINE_PREFIX}{} {}", self.name, encoding::to_base64(&blob))
    }
}

/// The name of a signer: not empty, no white space of any script, no `+`, no control characters.
///
/// Spec: signed-note §Signatures.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let refused = |c: char| c.is_whitespace() || c == '+' || c < ' ';
        if text.is_empty() || text.contains(refused) {
            return Err(NoteError::KeyName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first four bytes of a hash over a key: tells a signer's keys apart, proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// The id with these bytes.
    pub const fn new(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// Its four bytes.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why something is not a signed note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Longer than [`NOTE_BYTES_MAX`].
    #[error("expected a note of at most {NOTE_BYTES_MAX} bytes, got {got}")]
    TooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// Not UTF-8.
    #[error("expected UTF-8")]
    Utf8,
    /// A control byte other than line feed.
    #[error("a note holds no control characters but line feeds")]
    ControlByte,
    /// The text does not end in a line feed.
    #[error("expected the text of a note to end in a line feed")]
    TextEnd,
    /// No empty line, or no signature after it.
    #[error("expected an empty line and at least one signature line")]
    NoSignatures,
    /// More lines than [`SIGNATURE_LINES_MAX`].
    #[error("expected at most {SIGNATURE_LINES_MAX} signature lines")]
    TooManySignatures,
    /// A line after the text that is not a signature.
    #[error("expected signature lines of the form '— <name> <base64>'")]
    SignatureLine,
    /// A name no signer may have.
    #[error("expected a key name without white space, control characters and '+'")]
    KeyName,
}

/// The longest note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 1_000_000;
/// The most signature lines a note may have.
pub const SIGNATURE_LINES_MAX: usize = 64;

/// U+2014 and a space open each signature line.
const LINE_PREFIX: &str = "\u{2014} ";

#[cfg(test)]
mod tests;
