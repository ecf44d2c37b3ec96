//! The bytes of a file as text, whatever wrote it.
//!
//! Encodings of one byte a character are decoded cell by cell, after the file was split: a wrong
//! byte costs one row. All others are decoded before, as a stream.

use std::io::{self, BufRead, BufReader, Read};

use encoding_rs::{Decoder, UTF_16BE, UTF_16LE, WINDOWS_1252};
use serde::{Deserialize, Deserializer};

/// How the bytes of a file are text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// With or without a byte order mark. UTF-16 with one is recognised too.
    #[default]
    Utf8,
    /// UTF-8 where it is that, else Windows-1252: files that several programs wrote to.
    Mixed,
    /// Any other by its name on the web, such as `windows-1252` or `utf-16le`.
    Named(&'static encoding_rs::Encoding),
}

impl Encoding {
    /// Finds an encoding by its name.
    pub(super) fn find(name: &str) -> Option<Self> {
        match name {
            "utf-8" => Some(Self::Utf8),
            "mixed" => Some(Self::Mixed),
            _ => encoding_rs::Encoding::for_label(name.as_bytes())
                .filter(|found| *found != encoding_rs::REPLACEMENT)
                .map(Self::Named),
        }
    }

    /// Decodes a cell of a file that [`open`] did not decode. `None` if it is no such text.
    pub(super) fn decode(self, cell: &[u8]) -> Option<String> {
        let utf8 = std::str::from_utf8(cell).ok().map(str::to_owned);
        match self {
            Self::Mixed => utf8.or_else(|| Self::Named(WINDOWS_1252).decode(cell)),
            Self::Named(encoding) if encoding.is_single_byte() => {
                let text = encoding.decode_without_bom_handling_and_without_replacement(cell);
                text.map(std::borrow::Cow::into_owned)
            }
            // A stream decoder writes this where it found nothing it could read.
            Self::Named(_) => utf8.filter(|text| !text.contains(char::REPLACEMENT_CHARACTER)),
            Self::Utf8 => utf8,
        }
    }
}

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::find(&name).ok_or_else(|| {
            let words = "expected utf-8, utf-16le, windows-1252, mixed or another name of the web";
            serde::de::Error::custom(format!("encoding `{name}`: {words}"))
        })
    }
}

/// Takes the byte order mark off, and decodes what cannot be split as it is.
///
/// # Errors
/// Those of reading; the file is an archive or a workbook, which is recognised and not opened: what
/// it would unpack to has no limit, and a workbook shows dates and amounts otherwise than it holds
/// them.
pub(super) fn open(
    file: impl Read + Send + 'static,
    encoding: Encoding,
) -> io::Result<(BufReader<Box<dyn Read + Send>>, Encoding)> {
    let mut file = BufReader::new(file);
    let start = file.fill_buf()?;
    if let Some((_, what)) = PACKED.iter().find(|(magic, _)| start.starts_with(magic)) {
        let words = format!(
            "this is {what}, and no CSV; it was not opened: unpack it, or save the sheet as CSV in \
             UTF-8 and look at that file first"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, words));
    }
    let (skipped, encoding) = match start {
        [0xef, 0xbb, 0xbf, ..] => (3, encoding),
        // A byte order mark is no matter of opinion, whatever the map says.
        [0xff, 0xfe, ..] => (2, Encoding::Named(UTF_16LE)),
        [0xfe, 0xff, ..] => (2, Encoding::Named(UTF_16BE)),
        _ => (0, encoding),
    };
    file.consume(skipped);
    let reader: Box<dyn Read + Send> = match encoding {
        Encoding::Named(named) if !named.is_single_byte() => {
            let decoder = named.new_decoder_without_bom_handling();
            Box::new(Decoded { file, decoder, text: Vec::new(), given: 0, is_done: false })
        }
        _ => Box::new(file),
    };
    Ok((BufReader::new(reader), encoding))
}

/// A file decoded to UTF-8 on the way.
struct Decoded<R> {
    file: BufReader<R>,
    decoder: Decoder,
    text: Vec<u8>,
    /// How much of `text` was handed on.
    given: usize,
    is_done: bool,
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.is_done {
            let bytes = self.file.fill_buf()?;
            self.is_done = bytes.is_empty();
            self.text.resize(DECODED_BYTES, 0);
            let (_, read, written, _) =
                self.decoder.decode_to_utf8(bytes, &mut self.text, self.is_done);
            self.file.consume(read);
            self.text.truncate(written);
            self.given = 0;
        }
        let rest = self.text.get(self.given..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.given += len;
        Ok(len)
    }
}

/// How files begin that hold others, packed. No text begins so.
const PACKED: [(&[u8], &str); 9] = [
    (b"PK\x03\x04", "a ZIP archive or a workbook (.xlsx, .ods)"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh91AY&SY", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)"),
];
/// Room for one step of decoding: three times what a `BufReader` holds, and more.
const DECODED_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], encoding: &str) -> String {
        let encoding = Encoding::find(encoding).unwrap();
        let (mut reader, encoding) = open(io::Cursor::new(bytes.to_vec()), encoding).unwrap();
        let mut split = Vec::new();
        reader.read_to_end(&mut split).unwrap();
        encoding.decode(&split).unwrap_or_else(|| "unreadable".to_owned())
    }

    fn utf16(text: &str, mark: bool, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let marked = mark.then_some('\u{feff}').into_iter().chain(text.chars());
        let text: String = marked.collect();
        text.encode_utf16().flat_map(bytes_of).collect()
    }

    #[test]
    fn text_is_text_however_it_is_written() {
        let text = "Zażółć €, \u{1f4b7} 💷".repeat(5000);
        for (bytes, encoding) in [
            (text.clone().into_bytes(), "utf-8"),
            ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "utf-8"),
            (utf16(&text, true, u16::to_le_bytes), "utf-8"),
            (utf16(&text, true, u16::to_be_bytes), "windows-1252"),
            (utf16(&text, false, u16::to_le_bytes), "utf-16le"),
            (utf16(&text, false, u16::to_be_bytes), "utf-16be"),
        ] {
            assert!(read(&bytes, encoding) == text, "{encoding}");
        }
        assert_eq!(read(b"\x80\x93\xe9", "windows-1252"), "€“é");
        assert_eq!(read(b"\xcf\xeb\xe0\xf2\xb3\xe6", "windows-1251"), "Платіж");
    }

    #[test]
    fn mixed_is_decided_cell_by_cell() {
        assert_eq!(Encoding::Mixed.decode("é".as_bytes()).as_deref(), Some("é"));
        assert_eq!(Encoding::Mixed.decode(b"\xe9").as_deref(), Some("é"));
    }

    #[test]
    fn packed_files_are_recognised_and_not_opened() {
        // Each is all there is of the file, so nothing that unpacks could have read it.
        for (magic, what) in PACKED {
            let file = [magic, b"No,Date,Amount\n"].concat();
            let refused = open(io::Cursor::new(file), Encoding::Utf8).err().unwrap();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
            assert!(refused.to_string().contains(what), "{refused}");
            assert!(refused.to_string().contains("save the sheet as CSV"), "{refused}");
        }
        assert_eq!(read(b"PK,Date\n", "utf-8"), "PK,Date\n");
    }

    #[test]
    fn what_is_no_such_text_is_not_guessed() {
        assert_eq!(read(b"\xe9", "utf-8"), "unreadable");
        // Half of a surrogate pair, and half of a character.
        assert_eq!(read(b"\x3d\xd8", "utf-16le"), "unreadable");
        assert_eq!(read(b"a\0b", "utf-16le"), "unreadable");
        assert_eq!(Encoding::find("utf-9"), None);
        assert_eq!(Encoding::find("iso-2022-kr"), None);
    }
}
