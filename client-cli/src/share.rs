//! What belongs to a record without being in it: documents, and values that were sealed.

pub(crate) mod disclose;
pub(crate) mod disclosures;
pub(crate) mod document;
