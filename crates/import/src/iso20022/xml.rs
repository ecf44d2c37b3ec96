//! XML as a walk over the elements of one ISO 20022 message.
//!
//! **Refused**: document types and every entity but the five of XML itself (so nothing expands, and
//! nothing is fetched), other encodings than UTF-8, more than [`DEPTH_MAX`] levels, a tag, text or
//! comment of more than [`EVENT_BYTES_MAX`] bytes, the text of an element of more than
//! [`TEXT_BYTES_MAX`], a second message in the file, a file that ends early. Memory is that of one
//! event, whatever the file.
//!
//! Elements outside the message (an envelope, a header) and those of other namespaces within it
//! (supplementary data, signatures) are passed over.

use std::io::{self, BufRead, BufReader, Read};

use quick_xml::NsReader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

/// Where a file is no message, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: u64,
    pub(super) words: String,
}

/// A place in the message. [`Walk::path`] says where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// An element begins.
    Opened,
    /// An element is over.
    Closed(Content),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// The text since its last child, without the blanks around it.
    pub(super) text: String,
    /// Its attribute `Ccy`.
    pub(super) currency: Option<String>,
}

/// A walk over a message.
pub(super) struct Walk<R> {
    reader: NsReader<Metered<R>>,
    buffer: Vec<u8>,
    /// Of each open element of the file, its currency.
    open: Vec<Option<String>>,
    /// The path below `Document`, joined by `/`.
    path: String,
    /// The namespace of the message, and how deep its `Document` is.
    document: Option<(String, usize)>,
    /// How deep the element is that is being passed over with all it holds.
    passed_over: Option<usize>,
    text: String,
    /// Whether the element at the end of the path is over.
    is_closed: bool,
    is_over: bool,
}

/// An event without what it borrows.
enum Plain {
    Start { name: String, namespace: Option<String>, currency: Option<String> },
    End,
    Text(String),
    Nothing,
    Eof,
}

impl<R: Read> Walk<R> {
    pub(super) fn new(file: R) -> Self {
        let mut reader = NsReader::from_reader(Metered::new(file));
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            buffer: Vec::new(),
            open: Vec::new(),
            path: String::new(),
            document: None,
            passed_over: None,
            text: String::new(),
            is_closed: false,
            is_over: false,
        }
    }

    /// Goes to the message and says its namespace.
    pub(super) fn document(&mut self) -> Result<String, Broken> {
        while self.document.is_none() && !self.is_over {
            self.next()?;
        }
        match &self.document {
            Some((namespace, _)) => Ok(namespace.clone()),
            None => Err(self.broken("no ISO 20022 message: no element Document in its namespace")),
        }
    }

    /// The path of the element that the last node is about, below `Document`.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The line of the file that has been read to.
    pub(super) fn line(&self) -> u64 {
        self.reader.get_ref().line
    }

    /// The next element that begins or ends; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Node>, Broken> {
        if std::mem::take(&mut self.is_closed) {
            let end = self.path.rfind('/').unwrap_or(0);
            self.path.truncate(end);
        }
        while !self.is_over {
            match self.event()? {
                Plain::Start { name, namespace, currency } => {
                    if self.start(&name, namespace, currency)? {
                        return Ok(Some(Node::Opened));
                    }
                }
                Plain::End => {
                    if let Some(element) = self.end() {
                        return Ok(Some(Node::Closed(element)));
                    }
                }
                Plain::Text(text) => self.add_text(&text)?,
                Plain::Nothing => {}
                Plain::Eof if self.open.is_empty() => self.is_over = true,
                Plain::Eof => return Err(self.broken("the file ends in the middle of an element")),
            }
        }
        Ok(None)
    }

    /// True if it is an element of the message below `Document`.
    fn start(
        &mut self,
        name: &str,
        namespace: Option<String>,
        currency: Option<String>,
    ) -> Result<bool, Broken> {
        if self.open.len() == DEPTH_MAX {
            return Err(self.broken(&format!("elements more than {DEPTH_MAX} levels deep")));
        }
        self.open.push(currency);
        self.text.clear();
        if self.passed_over.is_some() {
            return Ok(false);
        }
        let depth = self.open.len();
        match (&self.document, namespace) {
            (Some((_, at)), _) if *at == 0 => {
                if name == "Document" {
                    return Err(self.broken("a second message; make it a file of its own"));
                }
                Ok(false)
            }
            (Some((ours, _)), namespace) if namespace.as_ref() == Some(ours) => {
                if !self.path.is_empty() {
                    self.path.push('/');
                }
                self.path.push_str(name);
                Ok(true)
            }
            (Some(_), _) => {
                self.passed_over = Some(depth);
                Ok(false)
            }
            (None, Some(namespace))
                if name == "Document" && namespace.starts_with(NAMESPACE_PREFIX) =>
            {
                self.document = Some((namespace, depth));
                Ok(false)
            }
            (None, _) => Ok(false),
        }
    }

    /// What the element said that is over, if it is one of the message.
    fn end(&mut self) -> Option<Content> {
        let depth = self.open.len();
        let currency = self.open.pop().flatten();
        let text = std::mem::take(&mut self.text).trim().to_owned();
        if let Some(at) = self.passed_over {
            self.passed_over = Some(at).filter(|at| *at < depth);
            return None;
        }
        match &mut self.document {
            Some((_, at)) if *at == depth => {
                // What comes after it is not of the message.
                *at = 0;
                None
            }
            Some((_, at)) if *at > 0 => {
                self.is_closed = true;
                Some(Content { text, currency })
            }
            _ => None,
        }
    }

    fn add_text(&mut self, text: &str) -> Result<(), Broken> {
        let is_within = self.document.as_ref().is_some_and(|(_, at)| *at > 0);
        if !is_within || self.passed_over.is_some() {
            return Ok(());
        }
        if self.text.len() + text.len() > TEXT_BYTES_MAX {
            let words = format!("an element with more than {TEXT_BYTES_MAX} bytes of text");
            return Err(self.broken(&words));
        }
        self.text.push_str(text);
        Ok(())
    }

    fn event(&mut self) -> Result<Plain, Broken> {
        self.buffer.clear();
        self.reader.get_mut().begin();
        let read = self.reader.read_resolved_event_into(&mut self.buffer);
        let plain = match read {
            Ok((namespace, event)) => plain(&namespace, event),
            Err(error) => Err(format!("no XML that can be read: {error}")),
        };
        plain.map_err(|words| self.broken(&words))
    }

    fn broken(&self, words: &str) -> Broken {
        Broken { line: self.line(), words: words.to_owned() }
    }
}

fn plain(namespace: &ResolveResult<'_>, event: Event<'_>) -> Result<Plain, String> {
    match event {
        Event::Start(start) | Event::Empty(start) => {
            let namespace = match namespace {
                ResolveResult::Bound(namespace) => Some(namespace.0.to_owned()),
                ResolveResult::Unbound => None,
                ResolveResult::Unknown(prefix) => {
                    return Err(format!("the prefix `{prefix}` of no namespace"));
                }
            };
            let name = start.local_name().into_inner().to_owned();
            // The path would not say any more which element it is.
            if name.is_empty() || name.contains('/') {
                return Err("an element without a proper name".to_owned());
            }
            Ok(Plain::Start { name, namespace, currency: currency_of(&start)? })
        }
        Event::End(_) => Ok(Plain::End),
        Event::Text(text) => Ok(Plain::Text(text.xml10_content().into_owned())),
        Event::CData(text) => Ok(Plain::Text(text.xml10_content().into_owned())),
        Event::GeneralRef(reference) => Ok(Plain::Text(resolved(&reference)?)),
        Event::Decl(declaration) => match declaration.encoding() {
            None => Ok(Plain::Nothing),
            Some(Ok(name)) if is_utf8(&name) => Ok(Plain::Nothing),
            Some(_) => Err("another encoding than UTF-8; save the file as UTF-8".to_owned()),
        },
        Event::DocType(_) => {
            Err("a document type (DTD): no message has one, and what it declares \
                                  is not read here"
                .to_owned())
        }
        Event::Comment(_) | Event::PI(_) => Ok(Plain::Nothing),
        Event::Eof => Ok(Plain::Eof),
    }
}

/// What stands for one character: by its number, or one of the five names that XML itself has.
fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    let numbered = reference.resolve_char_ref().map_err(|error| format!("a reference: {error}"))?;
    if let Some(character) = numbered {
        return Ok(character.to_string());
    }
    let name = reference.xml10_content();
    let character = match name.as_ref() {
        "amp" => "&",
        "apos" => "'",
        "gt" => ">",
        "lt" => "<",
        "quot" => "\"",
        _ => {
            let name: String = name.chars().take(NAME_CHARS_SHOWN).collect();
            return Err(format!("the entity `{name}`, which only a document type could declare"));
        }
    };
    Ok(character.to_owned())
}

fn currency_of(start: &BytesStart<'_>) -> Result<Option<String>, String> {
    let mut currency = None;
    // Each attribute would be compared with all before it: the square of their number.
    for (number, attribute) in start.attributes().with_checks(false).enumerate() {
        if number == ATTRIBUTES_MAX {
            return Err(format!("an element with more than {ATTRIBUTES_MAX} attributes"));
        }
        let attribute = attribute.map_err(|error| format!("an attribute: {error}"))?;
        if attribute.key.0 != "Ccy" {
            continue;
        }
        if currency.replace(attribute.value.trim().to_owned()).is_some() {
            return Err("an element with two currencies".to_owned());
        }
    }
    Ok(currency)
}

fn is_utf8(name: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A file that counts its lines, and ends an event that is too long before it fills memory.
struct Metered<R> {
    file: BufReader<R>,
    /// 1-based.
    line: u64,
    /// Bytes that the current event may still have.
    left: usize,
}

impl<R: Read> Metered<R> {
    fn new(file: R) -> Self {
        Self { file: BufReader::new(file), line: 1, left: EVENT_BYTES_MAX }
    }

    fn begin(&mut self) {
        self.left = EVENT_BYTES_MAX;
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        self.consume(len);
        Ok(len)
    }
}

impl<R: Read> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            let words = format!("a tag, text or comment of more than {EVENT_BYTES_MAX} bytes");
            return Err(io::Error::other(words));
        }
        let bytes = self.file.fill_buf()?;
        let len = bytes.len().min(self.left);
        Ok(&bytes[..len])
    }

    fn consume(&mut self, len: usize) {
        let read = self.file.buffer().iter().take(len);
        let ends: u64 = read.map(|byte| u64::from(*byte == b'\n')).sum();
        self.line += ends;
        self.left = self.left.saturating_sub(len);
        self.file.consume(len);
    }
}

/// Levels of elements, the envelope's included; messages have about twenty.
pub(super) const DEPTH_MAX: usize = 64;
/// Bytes of one tag, text or comment: signatures and attachments are the longest.
pub(super) const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of the text of one element of the message: as much as a record takes.
pub(super) const TEXT_BYTES_MAX: usize = 8 * 1024;
const ATTRIBUTES_MAX: usize = 64;
const NAME_CHARS_SHOWN: usize = 40;
const NAMESPACE_PREFIX: &str = "urn:iso:std:iso:20022:tech:xsd:";

#[cfg(test)]
mod tests;
