//! The anchor: the last head this log allowed itself to sign, kept outside the database.
//!
//! It is what tells a restored or truncated database from the real one. A head is put into the
//! anchor, durably, *before* it is signed, and only on top of the head that was there. So
//! whatever was signed in any life of this log is a prefix of what the anchor says, or the anchor
//! is an old copy, which only the witnesses can know: see [`crate::startup`].
//!
//! Trusted: yes. Losing it: the log refuses to start. May it be rolled back: never.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tlog::{Hash, Origin, TreeHead, TreeSize};

use crate::guard::Guarded;

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
}

/// The anchor of one log, locked for the life of this process.
#[derive(Debug)]
pub struct Anchor {
    path: PathBuf,
    contents: Contents,
    head: TreeHead,
    /// Held, never read: dropping it releases the lock.
    _lock: File,
}

impl Anchor {
    /// Makes the anchor of a new log, with the empty tree in it.
    ///
    /// # Errors
    /// [`AnchorError::Exists`] when there is one; [`AnchorError::Locked`]; [`AnchorError::Io`].
    pub fn create(path: &Path, origin: &Origin) -> Result<Self, AnchorError> {
        let lock = lock(path)?;
        if path.exists() {
            return Err(AnchorError::Exists { path: path.to_owned() });
        }
        let contents = Contents {
            format: FORMAT.to_owned(),
            origin: origin.to_string(),
            size: 0,
            root: TreeHead::EMPTY.root.to_base64(),
            policies: Vec::new(),
        };
        let anchor = Self { path: path.to_owned(), contents, head: TreeHead::EMPTY, _lock: lock };
        anchor.write(&anchor.contents)?;
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
        let lock = lock(path)?;
        let (contents, head) = read(path)?;
        if contents.origin != origin.as_str() {
            return Err(AnchorError::Unusable {
                path: path.to_owned(),
                because: "it belongs to a log of another origin",
            });
        }
        Ok(Self { path: path.to_owned(), contents, head, _lock: lock })
    }

    /// The head that was, or may have been, signed last.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// The policies under which the last published head may have been published.
    pub fn policies(&self) -> &[String] {
        &self.contents.policies
    }

    /// Puts a guarded head into the anchor, durably, if the anchor still holds the head that the
    /// guard started from.
    ///
    /// # Errors
    /// [`AnchorError::Moved`] when it holds another; [`AnchorError::Io`] when the outcome is
    /// unknown. The caller never signs again in either case.
    pub fn advance(&mut self, guarded: Guarded) -> Result<Anchored, AnchorError> {
        let (from, to) = guarded.into_parts();
        // Read back what is on disk: a comparison with memory would not notice a second writer.
        let (on_disk, head) = read(&self.path)?;
        if on_disk != self.contents || head != from {
            return Err(AnchorError::Moved { expected: self.head.size, found: head.size });
        }
        if to != from {
            let next = Contents {
                size: to.size.get(),
                root: to.root.to_base64(),
                ..self.contents.clone()
            };
            self.write(&next)?;
            self.contents = next;
            self.head = to;
        }
        Ok(Anchored { head: to })
    }

    /// Remembers, before a head is published under a policy, that one may be.
    ///
    /// # Errors
    /// [`AnchorError::Io`].
    pub fn expect_policy(&mut self, policy: &str) -> Result<(), AnchorError> {
        let mut policies = self.contents.policies.clone();
        if !policies.iter().any(|it| it == policy) {
            policies.push(policy.to_owned());
        }
        self.replace_policies(policies)
    }

    /// Forgets the policies before, once a head is published under this one.
    ///
    /// # Errors
    /// [`AnchorError::Io`].
    pub fn settle_policy(&mut self, policy: &str) -> Result<(), AnchorError> {
        self.replace_policies(vec![policy.to_owned()])
    }

    fn replace_policies(&mut self, policies: Vec<String>) -> Result<(), AnchorError> {
        if self.contents.policies == policies {
            return Ok(());
        }
        let next = Contents { policies, ..self.contents.clone() };
        self.write(&next)?;
        self.contents = next;
        Ok(())
    }

    fn write(&self, contents: &Contents) -> Result<(), AnchorError> {
        let io = |source| AnchorError::Io { path: self.path.clone(), source };
        let mut text =
            serde_json::to_string_pretty(contents).map_err(|it| io(std::io::Error::from(it)))?;
        text.push('\n');
        service::durable::write_atomic(&self.path, text.as_bytes()).map_err(io)
    }
}

fn read(path: &Path) -> Result<(Contents, TreeHead), AnchorError> {
    let io = |source| AnchorError::Io { path: path.to_owned(), source };
    let unusable = |because| AnchorError::Unusable { path: path.to_owned(), because };
    let bytes = std::fs::read(path).map_err(io)?;
    let contents: Contents =
        serde_json::from_slice(&bytes).map_err(|_| unusable("it is not the JSON of an anchor"))?;
    if contents.format != FORMAT {
        return Err(unusable("its format is not civiclog-anchor/1"));
    }
    let root = Hash::from_base64(&contents.root)
        .map_err(|_| unusable("its root is not the base64 of 32 bytes"))?;
    let head = TreeHead { size: TreeSize::new(contents.size), root };
    Ok((contents, head))
}

/// Locks a file beside the anchor: the anchor itself is replaced by renaming, which would leave
/// the lock on a file that is no longer there.
fn lock(path: &Path) -> Result<File, AnchorError> {
    let io = |source| AnchorError::Io { path: path.to_owned(), source };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.with_extension("lock"))
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(AnchorError::Locked { path: path.to_owned() })
        }
        Err(std::fs::TryLockError::Error(source)) => Err(io(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        "log.example/spending".parse().expect("an origin")
    }

    fn head(size: u64) -> TreeHead {
        TreeHead { size: TreeSize::new(size), root: tlog::leaf_hash(&size.to_be_bytes()) }
    }

    #[test]
    fn what_was_put_in_is_there_after_reopening() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("anchor");
        let mut anchor = Anchor::create(&path, &origin()).expect("creating");
        let moved = Guarded::for_test(TreeHead::EMPTY, head(5));
        assert_eq!(anchor.advance(moved).expect("advancing").head(), head(5));
        anchor.expect_policy("quorum all").expect("remembering");
        anchor.expect_policy("quorum any").expect("remembering");
        drop(anchor);
        let again = Anchor::open(&path, &origin()).expect("opening");
        assert_eq!(again.head(), head(5));
        assert_eq!(again.policies(), ["quorum all", "quorum any"]);
        let mut again = again;
        again.settle_policy("quorum any").expect("settling");
        assert_eq!(again.policies(), ["quorum any"]);
    }

    #[test]
    fn a_head_that_does_not_start_from_the_anchored_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("anchor");
        let mut anchor = Anchor::create(&path, &origin()).expect("creating");
        let stale = Guarded::for_test(head(3), head(5));
        assert!(matches!(anchor.advance(stale), Err(AnchorError::Moved { .. })));
        assert_eq!(anchor.head(), TreeHead::EMPTY);
    }

    #[test]
    fn a_file_changed_by_somebody_else_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("anchor");
        let mut anchor = Anchor::create(&path, &origin()).expect("creating");
        anchor.advance(Guarded::for_test(TreeHead::EMPTY, head(5))).expect("advancing");
        let text = std::fs::read_to_string(&path).expect("reading");
        std::fs::write(&path, text.replace("\"size\": 5", "\"size\": 4")).expect("writing");
        let next = Guarded::for_test(head(5), head(6));
        assert!(matches!(anchor.advance(next), Err(AnchorError::Moved { .. })));
    }

    #[test]
    fn a_missing_or_foreign_anchor_is_refused_and_a_second_holder_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("anchor");
        assert!(matches!(Anchor::open(&path, &origin()), Err(AnchorError::Missing { .. })));
        let held = Anchor::create(&path, &origin()).expect("creating");
        assert!(matches!(Anchor::open(&path, &origin()), Err(AnchorError::Locked { .. })));
        assert!(matches!(Anchor::create(&path, &origin()), Err(AnchorError::Locked { .. })));
        drop(held);
        assert!(matches!(Anchor::create(&path, &origin()), Err(AnchorError::Exists { .. })));
        let other = "log.example/other".parse().expect("an origin");
        assert!(matches!(Anchor::open(&path, &other), Err(AnchorError::Unusable { .. })));
        std::fs::write(&path, b"{}").expect("writing");
        assert!(matches!(Anchor::open(&path, &origin()), Err(AnchorError::Unusable { .. })));
    }
}
