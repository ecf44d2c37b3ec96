//! The anchor while a process holds it: what it says, and how it moves with each signature.

use std::fmt;
use std::path::Path;

use tlog::{Origin, TreeHead};

use super::contents::{Contents, SetAside, read, read_bytes};
use super::error::AnchorError;
use super::medium::{AnchorFile, AnchorMedium};
use crate::sign::guard::Guarded;

/// A head that is in the anchor, so it may be signed. Only [`Anchor`] makes one, out of a
/// [`Guarded`].
#[derive(Debug)]
pub struct Anchored {
    head: TreeHead,
}

impl Anchored {
    pub fn head(&self) -> TreeHead {
        self.head
    }
}

/// The anchor of one log, held by this process alone.
pub struct Anchor {
    medium: Box<dyn AnchorMedium>,
    pub(super) contents: Contents,
    pub(super) head: TreeHead,
    /// Set by a write that failed, never cleared: what is on the disk is then unknown.
    is_unknown: bool,
}

impl Anchor {
    /// Makes the anchor of a new log, with the empty tree in it.
    pub fn create(path: &Path, origin: &Origin) -> Result<Self, AnchorError> {
        Self::create_on(Box::new(AnchorFile::lock(path)?), origin)
    }

    pub fn create_on(medium: Box<dyn AnchorMedium>, origin: &Origin) -> Result<Self, AnchorError> {
        if read_bytes(medium.as_ref())?.is_some() {
            return Err(AnchorError::Exists { path: medium.path().to_owned() });
        }
        Self::write_new(medium, Contents::new(origin, TreeHead::EMPTY), TreeHead::EMPTY)
    }

    /// Opens and locks the anchor of an existing log.
    pub fn open(path: &Path, origin: &Origin) -> Result<Self, AnchorError> {
        if !path.exists() {
            return Err(AnchorError::Missing { path: path.to_owned() });
        }
        Self::open_on(Box::new(AnchorFile::lock(path)?), origin)
    }

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

    /// Puts what is written on the medium there, whatever was there before.
    pub(super) fn write_new(
        medium: Box<dyn AnchorMedium>,
        contents: Contents,
        head: TreeHead,
    ) -> Result<Self, AnchorError> {
        let mut anchor = Self { medium, contents: contents.clone(), head, is_unknown: false };
        anchor.write(contents)?;
        Ok(anchor)
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
            self.write(self.contents.clone().with_head(to))?;
            self.head = to;
        }
        Ok(Anchored { head: to })
    }

    /// Remembers, before a head is published under a policy, that one may be.
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
    pub fn settle(&mut self, policy: &str) -> Result<(), AnchorError> {
        let mut next = self.contents.clone();
        next.policies = vec![policy.to_owned()];
        next.restored = false;
        self.replace(next)
    }

    /// Remembers that the operator set a witness aside; the same key is remembered once.
    pub fn remember_set_aside(&mut self, witness: SetAside) -> Result<(), AnchorError> {
        let mut next = self.contents.clone();
        if next.set_aside.iter().all(|it| it.vkey != witness.vkey) {
            next.set_aside.push(witness);
        }
        self.replace(next)
    }

    /// Forgets that a witness, named by its verifier key, was set aside.
    pub fn hear_again(&mut self, vkey: &str) -> Result<(), AnchorError> {
        let mut next = self.contents.clone();
        next.set_aside.retain(|it| it.vkey != vkey);
        self.replace(next)
    }

    /// Writes only what differs, so that a settled log costs no fsync here.
    pub(super) fn replace(&mut self, next: Contents) -> Result<(), AnchorError> {
        if self.contents == next { Ok(()) } else { self.write(next) }
    }

    fn write(&mut self, next: Contents) -> Result<(), AnchorError> {
        self.refuse_unknown()?;
        let io = |source| AnchorError::Io { path: self.medium.path().to_owned(), source };
        let (next, text) = next.sealed().map_err(|it| io(it.into()))?;
        if let Err(source) = self.medium.replace(text.as_bytes()) {
            self.is_unknown = true;
            return Err(AnchorError::Io { path: self.medium.path().to_owned(), source });
        }
        self.contents = next;
        Ok(())
    }

    /// Reads back what is on disk: a comparison with memory would not notice a second writer.
    pub(super) fn refuse_moved(&self, from: TreeHead) -> Result<(), AnchorError> {
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

#[cfg(test)]
mod tests;
