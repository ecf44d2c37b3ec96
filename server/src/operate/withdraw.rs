//! `withhold` and `erase`: withdrawing what the log holds beside the tree. See
//! [`crate::core::withdrawn`] for what is remembered of it.

mod document;
mod draft;
mod fields;
mod search;

pub use document::{DocumentRequest, WithdrawnDocument, withdraw_document};
pub use fields::{Backup, Erased, FieldsRequest, erase, withhold};
