//! The anchor during a recovery: locked, whether it is there or lost.

use std::path::Path;

use anyhow::Context as _;
use store::Store;
use tlog::{TreeHead, VerifierKey};

use crate::config::Config;
use crate::operate::accepted::AcceptedHead;
use crate::sign::anchor::{Adoption, Anchor, AnchorError, AnchorFile, AnchorMedium};

pub(super) enum LockedAnchor {
    There(Box<Anchor>),
    Lost(Box<dyn AnchorMedium>),
}

impl LockedAnchor {
    /// Locks the anchor, which must be there unless the operator says that it is lost.
    pub(super) fn open(config: &Config, is_lost: bool) -> anyhow::Result<Self> {
        let path = &config.anchor;
        let folder = path.parent().unwrap_or(Path::new("."));
        files::create_folder(folder, files::Access::Owner)
            .with_context(|| format!("making the folder {}", folder.display()))?;
        let medium = Box::new(AnchorFile::lock(path)?);
        match (path.exists(), is_lost) {
            (true, false) => Ok(Self::There(Box::new(Anchor::open_on(medium, &config.origin)?))),
            (false, true) => Ok(Self::Lost(medium)),
            (false, false) => Err(AnchorError::Missing { path: path.clone() }).context(
                "if it is gone for good, and not on a disk that is not mounted, say so with \
                 --anchor-is-lost",
            ),
            (true, true) => {
                anyhow::bail!("the anchor is at {}: leave --anchor-is-lost out", path.display())
            }
        }
    }

    /// What was signed last, as far as this machine knows.
    pub(super) fn head(&self) -> TreeHead {
        match self {
            Self::There(anchor) => anchor.head(),
            Self::Lost(_) => TreeHead::EMPTY,
        }
    }

    /// The policies of earlier days.
    pub(super) fn policies(&self) -> &[String] {
        match self {
            Self::There(anchor) => anchor.policies(),
            Self::Lost(_) => &[],
        }
    }

    /// Marks the anchor as one of restored data.
    pub(super) fn mark(&mut self) -> anyhow::Result<()> {
        match self {
            Self::There(anchor) => Ok(anchor.mark_restored()?),
            // A log without an anchor does not start.
            Self::Lost(_) => Ok(()),
        }
    }

    /// Moves the anchor to the recovered head, or makes it anew there.
    pub(super) fn take_over(
        self,
        config: &Config,
        store: &Store,
        target: &AcceptedHead,
        own_key: &VerifierKey,
    ) -> anyhow::Result<Anchor> {
        let anchored = self.head().size;
        target.adopt(anchored, store, own_key, |adoption| self.move_to(config, adoption))?
    }

    fn move_to(self, config: &Config, adoption: &Adoption<'_>) -> anyhow::Result<Anchor> {
        match self {
            Self::There(mut anchor) => {
                anchor.adopt(adoption).context("moving the anchor")?;
                Ok(*anchor)
            }
            Self::Lost(medium) => Anchor::recreate_on(medium, &config.origin, adoption)
                .context("making the anchor anew"),
        }
    }
}
