//! Keys, and the log's own records about them, from a draft to the log.

pub(crate) mod governance;
pub(crate) mod keygen;
pub(crate) mod post;
pub(crate) mod submission_file;
