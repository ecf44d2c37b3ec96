//! What is in an anchor: one JSON object with a checksum.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tlog::{Hash, Origin, TreeHead, TreeSize};

use super::error::AnchorError;
use super::medium::AnchorMedium;

/// The file's contents.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    format: String,
    pub(super) origin: String,
    size: u64,
    root: String,
    /// The witness policies under which the last published head may have been published; none
    /// before the first. More than one only between two policies.
    pub(super) policies: Vec<String>,
    /// Witnesses whose word the operator decided not to hear, in the order of the decisions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) set_aside: Vec<SetAside>,
    /// Whether this data was put back from a copy, and no head was published since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) restored: bool,
    /// SHA-256 of this file's JSON without this member, in base64: a flipped bit is to be
    /// found here, before it looks like a decision of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl Contents {
    /// Of a log under whose policies nothing was published yet.
    pub(super) fn new(origin: &Origin, head: TreeHead) -> Self {
        Self {
            format: FORMAT.to_owned(),
            origin: origin.to_string(),
            size: head.size.get(),
            root: head.root.to_base64(),
            policies: Vec::new(),
            set_aside: Vec::new(),
            restored: false,
            sha256: None,
        }
    }

    pub(super) fn with_head(self, head: TreeHead) -> Self {
        Self { size: head.size.get(), root: head.root.to_base64(), ..self }
    }

    /// Nothing is signed before every witness confirmed.
    pub(super) fn restored(self) -> Self {
        Self { restored: true, ..self }
    }

    /// With its checksum, and as the text of the file.
    pub(super) fn sealed(self) -> serde_json::Result<(Self, String)> {
        let contents = Self { sha256: Some(self.checksum()?), ..self };
        let mut text = serde_json::to_string_pretty(&contents)?;
        text.push('\n');
        Ok((contents, text))
    }

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

pub(super) fn read(medium: &dyn AnchorMedium) -> Result<(Contents, TreeHead), AnchorError> {
    let missing = || AnchorError::Missing { path: medium.path().to_owned() };
    parse(medium.path(), &read_bytes(medium)?.ok_or_else(missing)?)
}

pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<(Contents, TreeHead), AnchorError> {
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

pub(super) fn read_bytes(medium: &dyn AnchorMedium) -> Result<Option<Vec<u8>>, AnchorError> {
    let io = |source: std::io::Error| AnchorError::Io { path: medium.path().to_owned(), source };
    medium.read().map_err(io)
}

const FORMAT: &str = "civiclog-anchor/1";
