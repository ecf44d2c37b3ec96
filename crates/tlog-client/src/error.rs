//! What can go wrong between us and a log.

use std::path::PathBuf;

use thiserror::Error;

use crate::answer::Problem;
use crate::trust::TrustError;

/// A call to a log that gave no usable answer.
///
/// Three kinds: the log could not be reached ([`ClientError::is_unreachable`]), it refused
/// ([`ClientError::Refused`]), or it answered something no honest log answers (the rest).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Not the URL of a log or witness.
    #[error(
        "`{url}` is no URL of a log or witness: expected http:// or https://, a host and no query"
    )]
    Url {
        /// What was given.
        url: String,
    },
    /// The certificates for https cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A request could not be built.
    #[error("building the request for {path}")]
    Request {
        /// Path below the log's URL.
        path: String,
        /// What the HTTP library said.
        #[source]
        source: http::Error,
    },
    /// No connection, or it broke, on every attempt.
    #[error("no answer from {url} after {attempts} attempts")]
    Connection {
        /// The whole URL.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer ended too early, on every attempt.
    #[error("the answer of {url} was cut short ({attempts} attempts)")]
    CutShort {
        /// The whole URL.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A copy of the log in a folder has no such file.
    #[error("the mirror has no {path}")]
    Absent {
        /// Below the folder.
        path: String,
    },
    /// A file of a copy of the log could not be read.
    #[error("reading {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Nothing came in time, on every attempt.
    #[error("{url} did not answer within {timeout_ms} ms ({attempts} attempts)")]
    TimedOut {
        /// The whole URL.
        url: String,
        /// The deadline of one attempt.
        timeout_ms: u64,
        /// How often it was tried.
        attempts: u32,
    },
    /// The server said "later" (408, 429 or 5xx) on every attempt.
    #[error("{url} answered {status} {attempts} times: {problem}")]
    Unavailable {
        /// The whole URL.
        url: String,
        /// The last HTTP status.
        status: u16,
        /// How often it was tried.
        attempts: u32,
        /// What it said.
        problem: Box<Problem>,
    },
    /// The server refused: 4xx other than 404.
    #[error("the log refused with {status}: {problem}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        problem: Box<Problem>,
    },
    /// 404.
    #[error("{url} does not exist: {problem}")]
    NotFound {
        /// The whole URL.
        url: String,
        /// What it said.
        problem: Box<Problem>,
    },
    /// The body is longer than this call allows.
    #[error("{url} sent more than {limit} bytes")]
    TooLarge {
        /// The whole URL.
        url: String,
        /// The cap of this call, in bytes.
        limit: usize,
    },
    /// A body that is not gzip although it says so, or in an encoding that was not asked for.
    #[error("{url} sent a body in an encoding that cannot be read")]
    Encoding {
        /// The whole URL.
        url: String,
    },
    /// A body that is not the JSON of this call.
    #[error("{url} sent JSON of another shape than this call has")]
    Json {
        /// The whole URL.
        url: String,
        /// Where it failed.
        #[source]
        source: serde_json::Error,
    },
    /// An NDJSON answer with another number of lines than were sent.
    #[error("the log answered {got} lines to {sent}")]
    LineCount {
        /// Lines sent.
        sent: usize,
        /// Lines answered.
        got: usize,
    },
    /// A tile that is no tile.
    #[error("{url} is no tile of {width} hashes")]
    Tile {
        /// The whole URL.
        url: String,
        /// The width of its coordinate.
        width: u16,
        /// What is wrong.
        #[source]
        source: tlog::TileError,
    },
    /// A tile with fewer hashes than its coordinate says.
    #[error("{url} is no tile of {width} hashes: it holds fewer")]
    TooShort {
        /// The whole URL.
        url: String,
        /// The width of its coordinate.
        width: u16,
    },
    /// A bundle that is no bundle.
    #[error("{url} is no bundle of entries of its coordinate")]
    Bundle {
        /// The whole URL.
        url: String,
        /// What is wrong.
        #[source]
        source: tlog::BundleError,
    },
    /// A checkpoint that is no signed note.
    #[error("{url} is not a signed note")]
    Note {
        /// The whole URL.
        url: String,
        /// What is wrong.
        #[source]
        source: tlog::NoteError,
    },
}

impl ClientError {
    /// Whether trying again later may help: nothing was answered, or "later" was.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Connection { .. }
                | Self::TimedOut { .. }
                | Self::Unavailable { .. }
                | Self::CutShort { .. }
        )
    }
}

/// Reading verified entries failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A call failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The entry is not in the tree of the head.
    #[error("entry {index} is outside the published tree of {size} entries")]
    OutsideTree {
        /// The index asked for.
        index: tlog::LeafIndex,
        /// The size of the tree.
        size: tlog::TreeSize,
    },
    /// What the log served does not lead to the root that it signed.
    #[error("entry {index} as served by the log is not in the tree of the signed checkpoint")]
    NotProven {
        /// The entry.
        index: tlog::LeafIndex,
    },
    /// All bundles were read and give another root than the log signed.
    #[error(
        "the {size} entries as served by the log hash to another root than the signed checkpoint's"
    )]
    OtherRoot {
        /// The size of the tree.
        size: tlog::TreeSize,
    },
    /// No proof can be computed for this index.
    #[error("computing the proof of entry {index}")]
    Prove {
        /// The entry.
        index: tlog::LeafIndex,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
