//! Async client of a civiclog log.
//!
//! **Guarantees.** Nothing read through [`TreeView`] is returned before it was proven to be in
//! the tree of the given head. Every body is capped before it is read, every request has a
//! deadline, every retry is counted. Submissions are only ever resent byte for byte.
//!
//! **Never.** It holds no key, judges no policy (that is `tlog::Policy`) and keeps nothing on
//! disk. What [`LogClient`] returns is what the server said: bytes, not truth.
//!
//! | module | what |
//! |---|---|
//! | [`transport`] | one transport: deadlines, capped bodies, gzip, retries that honour `Retry-After` |
//! | [`log`] | the calls of a log, typed |
//! | [`answer`] | the JSON a log answers with |
//! | [`tree`] | tiles and bundles, verified against a tree head |
//! | [`error`] | what can go wrong |
//!
//! Specs: c2sp.org/tlog-tiles, c2sp.org/tlog-proof, RFC 9457 (problem details), RFC 9110 §10.2.3
//! (`Retry-After`).

pub mod answer;
pub mod error;

pub mod log;
pub mod transport;
pub mod tree;

pub use answer::{
    BatchLine, Consistency, DocumentAnswer, LineStatus, ListedObject, LogInfo, Problem, Published,
    SubmitAnswer, Wait,
};
pub use error::{ClientError, TreeError};
pub use log::LogClient;
pub use transport::{HttpClient, Limits, LogUrl};
pub use tree::{ProvenEntry, TreeView};
