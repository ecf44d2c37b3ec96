//! The JSON a log answers with.
//!
//! Unknown members are ignored here and only here: a newer log may say more.

use serde::Deserialize;

/// A problem document (RFC 9457), or what can be made of another error body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// One line of words, the same for each problem of this kind.
    pub title: String,
    /// Words about this very case.
    pub detail: String,
    /// Id of the rule that was broken, such as `E04`.
    pub rule: Option<String>,
    /// JSON pointer to what broke it.
    pub pointer: Option<String>,
    /// The index that already holds this object and revision.
    pub index: Option<u64>,
    /// The refusal under the operator's signature, where the log signs them.
    pub refusal: Option<String>,
}

impl Problem {
    /// Reads an error body. A gateway's HTML becomes its status in words.
    pub(crate) fn from_body(status: http::StatusCode, body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| Self {
            title: status.canonical_reason().unwrap_or("an unusual status").to_owned(),
            ..Self::default()
        })
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(rule) = &self.rule {
            write!(f, "{rule} ")?;
        }
        if let Some(pointer) = self.pointer.as_ref().filter(|pointer| !pointer.is_empty()) {
            write!(f, "at {pointer}: ")?;
        }
        f.write_str(if self.detail.is_empty() { &self.title } else { &self.detail })
    }
}

/// A line of the log's list of objects.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedObject {
    /// Its name.
    pub object: String,
    /// Its newest published revision.
    pub rev: u32,
    /// The entry that holds that revision.
    pub index: u64,
}

/// What a submitter waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Durable in the log's store.
    Committed,
    /// Covered by a checkpoint that the witness policy accepts.
    Published,
}

impl Wait {
    pub(crate) fn as_query(self) -> &'static str {
        match self {
            Self::Committed => "wait=committed",
            Self::Published => "wait=published",
        }
    }
}

/// The answer to one submission.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubmitAnswer {
    /// How far it got.
    pub status: LineStatus,
    /// Where it is.
    pub index: u64,
    /// Leaf hash, base64.
    pub leaf_hash: String,
    /// Size of the checkpoint that covers it, once published.
    #[serde(default)]
    pub size: Option<u64>,
    /// The `.tlog-proof` text, once published.
    #[serde(default)]
    pub proof: Option<String>,
}

/// The answer to an uploaded document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DocumentAnswer {
    /// Its name: SHA-256, hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
    /// The log had it before.
    pub duplicate: bool,
}

/// How far a submission got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineStatus {
    /// Covered by a published checkpoint.
    Published,
    /// Durable, not yet published.
    Committed,
    /// Not taken.
    Refused,
    /// The log stopped before it came to this one; the same bytes may be sent again.
    #[serde(rename = "not_judged")]
    NotJudged,
}

/// The answer to one line of an NDJSON batch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BatchLine {
    /// How far it got.
    pub status: LineStatus,
    /// Where it is; for a refusal, the entry that is in its way.
    #[serde(default)]
    pub index: Option<u64>,
    /// Leaf hash, base64.
    #[serde(default)]
    pub leaf_hash: Option<String>,
    /// Whether the log already had it.
    #[serde(default)]
    pub duplicate: bool,
    /// The rule that refused it.
    #[serde(default)]
    pub rule: Option<String>,
    /// Where in the submission.
    #[serde(default)]
    pub pointer: Option<String>,
    /// Why, in words.
    #[serde(default)]
    pub detail: Option<String>,
    /// The refusal under the operator's signature, where the log signs them.
    #[serde(default)]
    pub refusal: Option<String>,
}

/// What a log says about itself. Its own words: nothing of it is proven.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct LogInfo {
    /// Name of the log, for ever.
    pub origin: String,
    /// Its verifier keys.
    #[serde(default)]
    pub vkeys: Vec<String>,
    /// Lines of the witness policy file it works under.
    #[serde(default)]
    pub policy: Vec<String>,
    /// The policy in words.
    #[serde(default)]
    pub policy_words: String,
    /// How many witnesses must lie for two people to be shown different logs.
    #[serde(default)]
    pub liars_for_split_view: Option<u64>,
    /// How many witnesses may be down.
    #[serde(default)]
    pub witnesses_down_tolerated: Option<u64>,
    /// The thumbprint of the operator key that signs refusals; none: they are unsigned.
    #[serde(default)]
    pub refusal_key: Option<String>,
    /// The tree head of its published checkpoint.
    #[serde(default)]
    pub published: Option<Published>,
}

/// A published tree head.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Published {
    /// Number of entries.
    pub size: u64,
    /// Root hash, base64.
    pub root: String,
}

/// A consistency proof as the log serves it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Consistency {
    /// Hashes, base64, in RFC 9162 order; ≤ 63.
    pub proof: Vec<String>,
}
