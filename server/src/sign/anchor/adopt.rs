//! Moving the anchor by something else than the next signature: a backup was put back, or what was
//! missing came back from a mirror.
//!
//! Each of these leaves the anchor marked `restored`: from then on nothing is signed before *every*
//! witness confirmed, because an anchor that was not kept up to date by this log itself cannot know
//! what was signed last. Only a publication after that clears the mark.

use std::path::Path;

use tlog::{CosignedCheckpoint, Hash, Origin, ProofError, TreeHead, VerifierKey};

use super::advance::Anchor;
use super::contents::{Contents, parse, read_bytes};
use super::error::AnchorError;
use super::medium::AnchorMedium;

/// A copy of an anchor, as a backup holds it.
#[derive(Clone, Debug)]
pub struct AnchorCopy {
    contents: Contents,
    head: TreeHead,
}

/// A head that the anchor may take over although this log did not just sign it.
#[derive(Clone, Copy, Debug)]
pub struct Adoption<'a> {
    /// The head, under a witness policy of this log.
    pub cosigned: &'a CosignedCheckpoint,
    pub policy: &'a str,
    /// The key that signs this log's heads.
    pub own_key: &'a VerifierKey,
    /// That the head extends the anchored one.
    pub proof: &'a [Hash],
}

/// Why a head was not adopted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The head is of another log, or this log's own key did not sign it.
    #[error("the checkpoint does not carry a valid signature by this log's own key")]
    NotOurs,
    /// The head is smaller than the anchored one.
    #[error("the checkpoint has {got} entries, the log signed a tree of {anchored}")]
    Smaller { anchored: tlog::TreeSize, got: tlog::TreeSize },
    /// The public verifier denies that the head extends the anchored one.
    #[error("the checkpoint does not extend the tree that the log signed last")]
    NotAnExtension(#[source] ProofError),
    /// The anchor could not be read or written.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
}

impl AnchorCopy {
    /// Reads a copy, or an anchor that another process may be moving meanwhile: it is replaced as a
    /// whole.
    pub fn read(path: &Path) -> Result<Self, AnchorError> {
        let bytes = std::fs::read(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => AnchorError::Missing { path: path.to_owned() },
            _ => AnchorError::Io { path: path.to_owned(), source },
        })?;
        let (contents, head) = parse(path, &bytes)?;
        Ok(Self { contents, head })
    }

    /// The log it belongs to.
    pub fn origin(&self) -> &str {
        &self.contents.origin
    }

    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// The policies under which the last published head may have been published.
    pub fn policies(&self) -> &[String] {
        &self.contents.policies
    }
}

impl Anchor {
    /// Puts a copy in place and marks it. An anchor that is there already with a head at least as
    /// large is kept and wins: it knows more than the copy.
    ///
    /// # Errors
    /// [`AnchorError::Unusable`] when the anchor that is there belongs to another log, or holds
    /// another tree of the copy's size; [`AnchorError::Io`].
    pub fn restore_on(
        medium: Box<dyn AnchorMedium>,
        copy: &AnchorCopy,
    ) -> Result<Self, AnchorError> {
        let path = medium.path().to_owned();
        let unusable = |because| AnchorError::Unusable { path: path.clone(), because };
        let there =
            read_bytes(medium.as_ref())?.map(|bytes| parse(medium.path(), &bytes)).transpose()?;
        let (contents, head) = match there {
            None => (copy.contents.clone(), copy.head),
            Some((contents, _)) if contents.origin != copy.contents.origin => {
                return Err(unusable("it belongs to a log of another origin"));
            }
            Some((_, head)) if head.size == copy.head.size && head != copy.head => {
                return Err(unusable("it holds another tree of the size that the copy has"));
            }
            Some((_, head)) if head.size < copy.head.size => (copy.contents.clone(), copy.head),
            Some(newer) => newer,
        };
        Self::write_new(medium, contents.restored(), head)
    }

    /// Makes an anchor anew where it was lost, at a head that the witnesses cosigned. The head that
    /// was in the lost one may have been larger, which only the witnesses can tell.
    pub fn recreate_on(
        medium: Box<dyn AnchorMedium>,
        origin: &Origin,
        adoption: &Adoption<'_>,
    ) -> Result<Self, AdoptError> {
        if read_bytes(medium.as_ref())?.is_some() {
            return Err(AnchorError::Exists { path: medium.path().to_owned() }.into());
        }
        adoption.refuse_foreign(origin.as_str())?;
        let head = adoption.cosigned.head();
        let mut contents = Contents::new(origin, head).restored();
        contents.policies.push(adoption.policy.to_owned());
        Ok(Self::write_new(medium, contents, head)?)
    }

    /// Takes over a cosigned head that this log once signed and extends the anchored one. The caller
    /// made sure that the database holds it.
    ///
    /// # Errors
    /// [`AdoptError`]; unless it is an [`AnchorError`], nothing was changed.
    pub fn adopt(&mut self, adoption: &Adoption<'_>) -> Result<(), AdoptError> {
        self.refuse_moved(self.head)?;
        adoption.refuse_foreign(&self.contents.origin)?;
        let (from, to) = (self.head, adoption.cosigned.head());
        if to.size < from.size {
            return Err(AdoptError::Smaller { anchored: from.size, got: to.size });
        }
        tlog::verify_consistency(&from, &to, adoption.proof).map_err(AdoptError::NotAnExtension)?;
        let mut next = self.contents.clone().with_head(to).restored();
        if next.policies.iter().all(|it| it != adoption.policy) {
            next.policies.push(adoption.policy.to_owned());
        }
        self.replace(next)?;
        self.head = to;
        Ok(())
    }

    /// Marks the anchor: nothing is signed before every witness confirmed.
    pub fn mark_restored(&mut self) -> Result<(), AnchorError> {
        self.replace(self.contents.clone().restored())
    }
}

impl Adoption<'_> {
    fn refuse_foreign(&self, origin: &str) -> Result<(), AdoptError> {
        let is_signed = matches!(self.own_key.verify_note(self.cosigned.note()), Ok(Some(_)));
        if is_signed && self.cosigned.checkpoint().origin.as_str() == origin {
            return Ok(());
        }
        Err(AdoptError::NotOurs)
    }
}

#[cfg(test)]
mod tests;
