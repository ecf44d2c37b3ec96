//! The anchor: the last head this log allowed itself to sign, kept outside the database.
//!
//! It is what tells a restored or truncated database from the real one. A head is put into the
//! anchor, durably, *before* it is signed, and only on top of the head that was there. So
//! whatever was signed in any life of this log is a prefix of what the anchor says, or the anchor
//! is an old copy, which only the witnesses can know.
//!
//! Trusted: yes. Losing it: the log refuses to start. May it be rolled back: never.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tlog::{Hash, Origin, TreeHead, TreeSize};

use crate::sign::guard::Guarded;

mod adopt;
mod medium;

pub use adopt::{AdoptError, Adoption, AnchorCopy};
pub use medium::{AnchorFile, AnchorMedium};

const FORMAT: &str = "civiclog-anchor/1";

/// A head that is in the anchor, so it may be signed. Only [`Anchor`] makes one, out of a
/// [`Guarded`].
#[derive(Debug)]
pub struct Anchored {
    head: TreeHead,
}

impl Anchored {
    /// The head.
    pub fn head(&self) -> TreeHead {
        self.head
    }
}

/// Why the anchor could not be read or moved. Each of them stops the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// There is no anchor: this is not a log's whole data, or `init` did not finish.
    #[error(
        "there is no anchor at {path}: without it nobody can tell whether the database is the \
         newest one, so the log may not sign; put the anchor back, or see the runbook"
    )]
    Missing {
        /// Where it was expected.
        path: PathBuf,
    },
    /// An anchor is there already.
    #[error("there is an anchor at {path} already: this log was created before")]
    Exists {
        /// Where it is.
        path: PathBuf,
    },
    /// Another process holds the anchor.
    #[error("another process holds the anchor {path}: a log has one server")]
    Locked {
        /// Where it is.
        path: PathBuf,
    },
    /// The file is not an anchor of this log.
    #[error("the anchor {path} cannot be used: {because}")]
    Unusable {
        /// Where it is.
        path: PathBuf,
        /// What was expected and what was found.
        because: &'static str,
    },
    /// A write of this process failed before, so what is there is unknown.
    #[error("an earlier write of the anchor failed; only a restart can tell what it holds")]
    Unknown,
    /// The anchor does not hold the head it was left with.
    #[error(
        "the anchor holds a tree of {found} entries where this process left one of {expected}: \
         something else wrote it"
    )]
    Moved {
        /// The size this process wrote last.
        expected: TreeSize,
        /// The size found.
        found: TreeSize,
    },
    /// Reading or writing failed; whether a write took effect is unknown.
    #[error("reading or writing the anchor {path}")]
    Io {
        /// Where it is.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
}

/// The file's contents.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    format: String,
    origin: String,
    size: u64,
    root: String,
    /// The witness policies under which the last published head may have been published; none
    /// before the first. More than one only between two policies.
    policies: Vec<String>,
    /// Witnesses whose word the operator decided not to hear, in the order of the decisions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    set_aside: Vec<SetAside>,
    /// Whether this data was put back from a copy, and no head was published since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    restored: bool,
    /// SHA-256 of this file's JSON without this member, in base64: a flipped bit is to be
    /// found here, before it looks like a decision of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl Contents {
    fn checksum(&self) -> serde_json::Result<String> {
        let bare = serde_json::to_vec(&Self { sha256: None, ..self.clone() })?;
        Ok(STANDARD.encode(Sha256::digest(bare)))
    }
}

/// A witness whose unsigned claims the operator decided not to hear.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SetAside {
    /// Its verifier key: a name can be given to another witness later, a key cannot.
    pub vkey: String,
    /// Why, in the operator's words.
    pub because: String,
    /// When, as RFC 3339.
    pub at: String,
}

/// The anchor of one log, held by this process alone.
pub struct Anchor {
    medium: Box<dyn AnchorMedium>,
    contents: Contents,
    head: TreeHead,
    /// Set by a write that failed, never cleared: what is on the disk is then unknown.
    is_unknown: bool,
}

impl Anchor {
    /// Makes the anchor of a new log, with the empty tree in it.
    ///
    /// # Errors
    /// [`AnchorError::Exists`] when there is one; [`AnchorError::Locked`]; [`AnchorError::Io`].
    pub fn create(path: &Path, origin: &Origin) -> Result<Self, AnchorError> {
        Self::create_on(Box::new(AnchorFile::lock(path)?), origin)
    }

    /// The same on any medium.
    ///
    /// # Errors
    /// As [`Anchor::create`].
    pub fn create_on(medium: Box<dyn AnchorMedium>, origin: &Origin) -> Result<Self, AnchorError> {
        if read_bytes(medium.as_ref())?.is_some() {
            return Err(AnchorError::Exists { path: medium.path().to_owned() });
        }
        let contents = Contents {
            format: FORMAT.to_owned(),
            origin: origin.to_string(),
            size: 0,
            root: TreeHead::EMPTY.root.to_base64(),
            policies: Vec::new(),
            set_aside: Vec::new(),
            restored: false,
            sha256: None,
        };
        let head = TreeHead::EMPTY;
        let mut anchor = Self { medium, contents: contents.clone(), head, is_unknown: false };
        anchor.write(contents)?;
        Ok(anchor)
    }

    /// Opens and locks the anchor of an existing log.
    ///
    /// # Errors
    /// Any variant of [`AnchorError`] but `Exists` and `Moved`.
    pub fn open(path: &Path, origin: &Origin) -> Result<Self, AnchorError> {
        if !path.exists() {
            return Err(AnchorError::Missing { path: path.to_owned() });
        }
        Self::open_on(Box::new(AnchorFile::lock(path)?), origin)
    }

    /// The same on any medium.
    ///
    /// # Errors
    /// As [`Anchor::open`].
    pub fn open_on(medium: Box<dyn AnchorMedium>, origin: &Origin) -> Result<Self, AnchorError> {
        let (contents, head) = read(medium.as_ref())?;
        if contents.origin != origin.as_str() {
            return Err(AnchorError::Unusable {
                path: medium.path().to_owned(),
                because: "it belongs to a log of another origin",
            });
        }
        Ok(Self { medium, contents, head, is_unknown: false })
    }

    /// The head that was, or may have been, signed last.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// The policies under which the last published head may have been published.
    pub fn policies(&self) -> &[String] {
        &self.contents.policies
    }

    /// The witnesses that the operator set aside.
    pub fn set_aside(&self) -> &[SetAside] {
        &self.contents.set_aside
    }

    /// Whether this data was put back from a copy and no head was published since: then every
    /// witness must confirm before anything is signed.
    pub fn is_restored(&self) -> bool {
        self.contents.restored
    }

    /// Puts a guarded head into the anchor, durably, if the anchor still holds the head that the
    /// guard started from.
    ///
    /// # Errors
    /// [`AnchorError::Moved`] when it holds another; [`AnchorError::Io`] when the outcome is
    /// unknown. The caller never signs again in either case.
    pub fn advance(&mut self, guarded: Guarded) -> Result<Anchored, AnchorError> {
        let (from, to) = guarded.into_parts();
        self.refuse_moved(from)?;
        if to != from {
            self.write(Contents {
                size: to.size.get(),
                root: to.root.to_base64(),
                ..self.contents.clone()
            })?;
            self.head = to;
        }
        Ok(Anchored { head: to })
    }

    /// Remembers, before a head is published under a policy, that one may be.
    ///
    /// # Errors
    /// [`AnchorError::Io`].
    pub fn expect_policy(&mut self, policy: &str) -> Result<(), AnchorError> {
        let mut next = self.contents.clone();
        if !next.policies.iter().any(|it| it == policy) {
            next.policies.push(policy.to_owned());
        }
        self.replace(next)
    }

    /// Forgets the policies before, and that the data was restored, once the start-up rule holds and
    /// a head is published. Not before: a quorum for the head signed last does not say that nobody
    /// knows a later one.
    ///
    /// # Errors
    /// [`AnchorError::Io`].
    pub fn settle(&mut self, policy: &str) -> Result<(), AnchorError> {
        let policies = vec![policy.to_owned()];
        self.replace(Contents { policies, restored: false, ..self.contents.clone() })
    }

    /// Remembers that the operator set a witness aside; the same key is remembered once.
    ///
    /// # Errors
    /// [`AnchorError::Io`].
    pub fn remember_set_aside(&mut self, witness: SetAside) -> Result<(), AnchorError> {
        let mut next = self.contents.clone();
        if next.set_aside.iter().all(|it| it.vkey != witness.vkey) {
            next.set_aside.push(witness);
        }
        self.replace(next)
    }

    /// Forgets that a witness, named by its verifier key, was set aside.
    ///
    /// # Errors
    /// [`AnchorError::Io`].
    pub fn hear_again(&mut self, vkey: &str) -> Result<(), AnchorError> {
        let mut next = self.contents.clone();
        next.set_aside.retain(|it| it.vkey != vkey);
        self.replace(next)
    }

    /// Writes only what differs, so that a settled log costs no fsync here.
    fn replace(&mut self, next: Contents) -> Result<(), AnchorError> {
        if self.contents == next { Ok(()) } else { self.write(next) }
    }

    fn write(&mut self, next: Contents) -> Result<(), AnchorError> {
        self.refuse_unknown()?;
        let io = |source| AnchorError::Io { path: self.medium.path().to_owned(), source };
        let sha256 = Some(next.checksum().map_err(|it| io(it.into()))?);
        let next = Contents { sha256, ..next };
        let mut text = serde_json::to_string_pretty(&next).map_err(|it| io(it.into()))?;
        text.push('\n');
        if let Err(source) = self.medium.replace(text.as_bytes()) {
            self.is_unknown = true;
            return Err(AnchorError::Io { path: self.medium.path().to_owned(), source });
        }
        self.contents = next;
        Ok(())
    }

    /// Reads back what is on disk: a comparison with memory would not notice a second writer.
    fn refuse_moved(&self, from: TreeHead) -> Result<(), AnchorError> {
        self.refuse_unknown()?;
        let (on_disk, head) = read(self.medium.as_ref())?;
        if on_disk != self.contents || head != from {
            return Err(AnchorError::Moved { expected: self.head.size, found: head.size });
        }
        Ok(())
    }

    fn refuse_unknown(&self) -> Result<(), AnchorError> {
        if self.is_unknown { Err(AnchorError::Unknown) } else { Ok(()) }
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchor")
            .field("path", &self.medium.path())
            .field("contents", &self.contents)
            .finish_non_exhaustive()
    }
}

fn read(medium: &dyn AnchorMedium) -> Result<(Contents, TreeHead), AnchorError> {
    let missing = || AnchorError::Missing { path: medium.path().to_owned() };
    parse(medium.path(), &read_bytes(medium)?.ok_or_else(missing)?)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<(Contents, TreeHead), AnchorError> {
    let unusable = |because| AnchorError::Unusable { path: path.to_owned(), because };
    let contents: Contents =
        serde_json::from_slice(bytes).map_err(|_| unusable("it is not the JSON of an anchor"))?;
    if contents.format != FORMAT {
        return Err(unusable("its format is not civiclog-anchor/1"));
    }
    if contents.sha256.is_some() && contents.sha256 != contents.checksum().ok() {
        return Err(unusable("its checksum is not that of its contents: a bit of it has changed"));
    }
    let root = Hash::from_base64(&contents.root)
        .map_err(|_| unusable("its root is not the base64 of 32 bytes"))?;
    let head = TreeHead { size: TreeSize::new(contents.size), root };
    Ok((contents, head))
}

fn read_bytes(medium: &dyn AnchorMedium) -> Result<Option<Vec<u8>>, AnchorError> {
    let io = |source: io::Error| AnchorError::Io { path: medium.path().to_owned(), source };
    medium.read().map_err(io)
}

#[cfg(test)]
mod tests;
