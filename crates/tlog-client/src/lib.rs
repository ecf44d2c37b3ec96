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
//! | [`settings`] | its deadlines, its retries, whom it trusts and through whom it goes |
//! | [`trust`], [`proxy`] | certificates; `HTTPS_PROXY` and `NO_PROXY` |
//! | [`files`] | checkpoint, tiles and bundles, of a server or in a folder |
//! | [`log`] | the calls of a log, typed |
//! | [`witness`] | the calls of a witness |
//! | [`answer`] | the JSON a log answers with |
//! | [`tree`] | tiles and bundles, verified against a tree head |
//! | [`error`] | what can go wrong |
//!
//! Specs: c2sp.org/tlog-tiles, c2sp.org/tlog-proof, c2sp.org/tlog-witness, RFC 9457 (problem
//! details), RFC 9110 §10.2.3 (`Retry-After`).

pub mod answer;
pub mod error;
pub mod files;
pub mod log;
pub mod proxy;
pub mod settings;
pub mod transport;
pub mod tree;
pub mod trust;
pub mod witness;

mod connector;

pub use answer::{
    BatchLine, Consistency, DocumentAnswer, LineStatus, ListedObject, LogInfo, Problem, Published,
    SubmitAnswer, Wait,
};
pub use error::{ClientError, TreeError};
pub use files::LogFiles;
pub use log::LogClient;
pub use proxy::{Proxies, ProxyError};
pub use settings::{HttpSettings, Limits, Retry};
pub use transport::{HttpClient, LogUrl};
pub use tree::{ProvenEntry, TreeView};
pub use trust::{Trust, TrustError};
pub use witness::WitnessClient;

#[cfg(test)]
mod network_tests;
